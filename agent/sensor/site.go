package sensor

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// DeviceFile is what the configuration file says of one device.
type DeviceFile struct {
	// Match selects the device by one of ip, mac and name.
	Match struct {
		IP   string `yaml:"ip"`
		MAC  string `yaml:"mac"`
		Name string `yaml:"name"`
	} `yaml:"match"`
	Name        string `yaml:"name"`
	Type        string `yaml:"type"`
	Zone        string `yaml:"zone"`
	Criticality string `yaml:"criticality"`
	Purdue      string `yaml:"purdue"`
	Owner       string `yaml:"owner"`
	Separate    bool   `yaml:"separate"` // never merge it with others that disclose the same identity
}

// ZoneFile is what the configuration file says of one zone.
type ZoneFile struct {
	Name        string   `yaml:"name"`
	Networks    []string `yaml:"networks"`
	VLANs       []uint16 `yaml:"vlans"`
	Devices     []string `yaml:"devices"` // IP addresses, MACs or names
	Level       string   `yaml:"level"`   // of the Purdue model
	Criticality string   `yaml:"criticality"`
}

var (
	purdueLevels  = []string{"0", "1", "2", "3", "3.5", "4", "5"}
	criticalities = []string{"low", "medium", "high"}
)

// oneOf refuses a value that is none of those known; an empty one says nothing.
func oneOf(what, value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("%s: %q: choose %s", what, value, strings.Join(known, ", "))
}

// override gives what a device's entry says.
func (d *DeviceFile) override(zones []ZoneFile) (inventory.Override, error) {
	o := inventory.Override{
		Called: d.Name, Type: d.Type, Zone: d.Zone, Criticality: d.Criticality, Purdue: d.Purdue, Owner: d.Owner, Separate: d.Separate,
	}
	set := 0
	for _, s := range []string{d.Match.IP, d.Match.MAC, d.Match.Name} {
		if s != "" {
			set++
		}
	}
	if set != 1 {
		return o, fmt.Errorf("devices: match: name the device by one of ip, mac and name, not by %d of them", set)
	}
	if err := selects(&o, d.Match.IP, d.Match.MAC, d.Match.Name); err != nil {
		return o, fmt.Errorf("devices: match: %w", err)
	}
	for _, err := range []error{
		oneOf("devices: type", d.Type, inventory.Types()), oneOf("devices: criticality", d.Criticality, criticalities),
		oneOf("devices: purdue", d.Purdue, purdueLevels),
	} {
		if err != nil {
			return o, err
		}
	}
	if len(zones) > 0 && d.Zone != "" && !slices.ContainsFunc(zones, func(z ZoneFile) bool { return z.Name == d.Zone }) {
		return o, fmt.Errorf("devices: zone: there is no zone %q", d.Zone)
	}
	return o, nil
}

// selects sets by what an override finds its device.
func selects(o *inventory.Override, ip, mac, name string) error {
	switch {
	case ip != "":
		a, err := netip.ParseAddr(ip)
		if err != nil {
			return fmt.Errorf("ip: %q is no address", ip)
		}
		o.IP = a
	case mac != "":
		m, err := net.ParseMAC(mac)
		if err != nil || len(m) != len(protocols.MAC{}) {
			return fmt.Errorf("mac: %q is no address such as 00:1b:1b:0a:ff:01", mac)
		}
		o.MAC = protocols.MAC(m)
	default:
		o.Name = name
	}
	return nil
}

// site gives what the file says of zones and devices.
func (file *File) site() (devices []inventory.Override, zones []inventory.Zone, err error) {
	names := make(map[string]bool)
	for _, z := range file.Zones {
		if z.Name == "" || names[z.Name] {
			return nil, nil, fmt.Errorf("zones: name: %q is no name, or that of two zones", z.Name)
		}
		names[z.Name] = true
		zone := inventory.Zone{Name: z.Name, VLANs: z.VLANs, Level: z.Level, Criticality: z.Criticality}
		for _, n := range z.Networks {
			p, err := netip.ParsePrefix(n)
			if err != nil {
				return nil, nil, fmt.Errorf("zones: networks: %q is no network such as 10.20.0.0/16", n)
			}
			zone.Networks = append(zone.Networks, p.Masked())
		}
		if err := oneOf("zones: level", z.Level, purdueLevels); err != nil {
			return nil, nil, err
		}
		if err := oneOf("zones: criticality", z.Criticality, criticalities); err != nil {
			return nil, nil, err
		}
		zones = append(zones, zone)
	}
	for k := range file.Devices {
		o, err := file.Devices[k].override(file.Zones)
		if err != nil {
			return nil, nil, err
		}
		devices = append(devices, o)
	}
	return file.members(devices), zones, nil
}

// members adds the devices that zones name to what is said of devices.
func (file *File) members(devices []inventory.Override) []inventory.Override {
	for _, z := range file.Zones {
		for _, d := range z.Devices {
			o := inventory.Override{Zone: z.Name}
			if selects(&o, d, "", "") != nil && selects(&o, "", d, "") != nil {
				o.Name = d
			}
			same := slices.IndexFunc(devices, func(x inventory.Override) bool {
				return x.IP == o.IP && x.MAC == o.MAC && x.Name == o.Name
			})
			switch {
			case same < 0:
				devices = append(devices, o)
			case devices[same].Zone == "":
				devices[same].Zone = z.Name
			}
		}
	}
	return devices
}
