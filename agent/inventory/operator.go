package inventory

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Override is what the operator says of a device. It stands beside what was found out, and above it.
type Override struct {
	// IP, MAC or Name select the device; exactly one is set.
	IP   netip.Addr
	MAC  protocols.MAC
	Name string

	Called      string // name
	Type        string // one of the Type constants
	Zone        string
	Criticality string // low, medium, high
	Purdue      string
	Owner       string
	// Separate keeps the device from being merged with others that disclose the same identity.
	Separate bool
}

// Zone is a part of the site whose devices belong together (IEC 62443-3-2).
type Zone struct {
	Name        string
	Networks    []netip.Prefix
	VLANs       []uint16
	Level       string // of the Purdue model, for devices that nothing else tells a level of
	Criticality string
}

// Types gives the device types in order.
func Types() []string {
	all := make([]string, 0, len(kinds))
	for k := range kinds {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// operator is what the operator says, for look-up.
type operator struct {
	byIP   map[netip.Addr]*Override
	byMAC  map[protocols.MAC]*Override
	byName map[string]*Override // in lower case
	zones  []Zone
}

func newOperator(devices []Override, zones []Zone) operator {
	o := operator{
		byIP: make(map[netip.Addr]*Override), byMAC: make(map[protocols.MAC]*Override), byName: make(map[string]*Override), zones: zones,
	}
	for k := range devices {
		switch d := &devices[k]; {
		case d.IP.IsValid():
			o.byIP[d.IP.Unmap()] = d
		case !d.MAC.IsZero():
			o.byMAC[d.MAC] = d
		default:
			o.byName[strings.ToLower(d.Name)] = d
		}
	}
	return o
}

// about gives what the operator says of a host by its addresses, nil when nothing.
func (o *operator) about(h *host) *Override {
	if d := o.byIP[h.addr]; d != nil {
		return d
	}
	if len(o.byMAC) > 0 {
		if h.self != nil {
			return o.byMAC[h.self.mac]
		}
		if b, ok := h.best(); ok {
			return o.byMAC[b.link.mac]
		}
	}
	return nil
}

func (o *operator) separate(h *host) bool {
	d := o.about(h)
	return d != nil && d.Separate
}

// find gives what the operator says of a device: by address before by name.
func (o *operator) find(v *Device, d *gathered) *Override {
	for _, h := range d.hosts {
		if x := o.about(h); x != nil {
			return x
		}
	}
	for _, l := range d.links {
		if x := o.byMAC[l.mac]; x != nil {
			return x
		}
	}
	if len(o.byName) > 0 {
		for _, name := range v.Names {
			if x := o.byName[strings.ToLower(name)]; x != nil {
				return x
			}
		}
	}
	return nil
}

const (
	sourceOperator = "operator"
	bySay          = 100
	byGuess        = 40
)

// apply puts what the operator says into a record, and the zone that follows.
func (o *operator) apply(v *Device, d *gathered) {
	say := func(key protocols.FactKey, value, source string, confidence uint8) {
		v.Facts = append(v.Facts, Fact{
			Key: key, Value: value, Source: source, Confidence: confidence, FirstSeen: v.FirstSeen, LastSeen: v.LastSeen,
		})
	}
	told := func(key protocols.FactKey, field *string, value string) {
		if value != "" {
			*field = value
			say(key, value, sourceOperator, bySay)
		}
	}
	x := o.find(v, d)
	if x == nil {
		x = new(Override)
	}
	if x.Called != "" {
		v.Names = slices.DeleteFunc(v.Names, func(n string) bool { return strings.EqualFold(n, x.Called) })
		v.Names = append([]string{x.Called}, v.Names...)
		say(protocols.FactName, x.Called, sourceOperator, bySay)
	}
	if k, known := kinds[x.Type]; known {
		told(protocols.FactRole, &v.Type, x.Type)
		v.Category, v.Purdue, v.Criticality = k.category, k.purdue, k.criticality
	}
	told(FactOwner, &v.Owner, x.Owner)
	zone, why := o.zone(x, v, d)
	switch {
	case zone != nil:
		v.Zone = zone.Name
		say(FactZone, zone.Name, why, bySay)
		if zone.Level != "" && (v.Purdue == "" || v.Category == CategoryEndpoint) {
			v.Purdue = zone.Level
			say(FactPurdue, zone.Level, sourceOperator+": zone "+zone.Name, bySay)
		}
		if zone.Criticality != "" {
			v.Criticality = zone.Criticality
			say(FactCriticality, zone.Criticality, sourceOperator+": zone "+zone.Name, bySay)
		}
	case x.Zone != "":
		told(FactZone, &v.Zone, x.Zone)
	}
	told(FactPurdue, &v.Purdue, x.Purdue)
	told(FactCriticality, &v.Criticality, x.Criticality)
	if v.Zone == "" {
		v.Zone = proposed(v, d)
		say(FactZone, v.Zone, "inferred: level of the device and its place in the network", byGuess)
	}
}

// zone gives the configured zone of a device and why: the one named for the device, else that of its smallest network,
// else that of its VLAN.
func (o *operator) zone(x *Override, v *Device, d *gathered) (best *Zone, why string) {
	if x.Zone != "" {
		for k := range o.zones {
			if o.zones[k].Name == x.Zone {
				return &o.zones[k], sourceOperator
			}
		}
		return nil, ""
	}
	bits := -1
	for k := range o.zones {
		z := &o.zones[k]
		for _, n := range z.Networks {
			if n.Bits() > bits && slices.ContainsFunc(d.hosts, func(h *host) bool { return n.Contains(h.addr.WithZone("")) }) {
				best, why, bits = z, sourceOperator+": network "+n.String(), n.Bits()
			}
		}
	}
	if best != nil {
		return best, why
	}
	for k := range o.zones {
		for _, vlan := range o.zones[k].VLANs {
			if slices.Contains(v.VLANs, vlan) {
				return &o.zones[k], sourceOperator + ": VLAN of the zone"
			}
		}
	}
	return nil, ""
}

// parts are what plants are divided into, by Purdue level: what controls and what people control with work together.
var parts = map[string]string{
	"0": "plant", "1": "plant", "2": "plant", "3": "operations", "3.5": "dmz", "4": "enterprise", "5": "enterprise",
}

// proposed gives the zone that a device most likely belongs to where the operator has not said: devices of one part of
// the plant in one VLAN, on the sensor's link, or behind a router in one network.
func proposed(v *Device, d *gathered) string {
	part := parts[v.Purdue]
	switch {
	case part != "":
	case v.Category == CategoryNetwork:
		part = "network"
	default:
		part = "other"
	}
	if len(v.VLANs) > 0 {
		return part + " VLAN " + strconv.Itoa(int(v.VLANs[0]))
	}
	if len(d.links) > 0 {
		return part
	}
	for _, h := range d.hosts { // the lowest address first
		if h.addr.IsValid() {
			return part + " " + neighbourhood(h.addr).String()
		}
	}
	return part
}
