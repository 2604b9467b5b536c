package report

import (
	"cmp"
	"slices"

	"github.com/spanwatch/spanwatch/agent/inventory"
)

// Level is a level of the Purdue model with its devices.
type Level struct {
	Purdue  string   `json:"purdue"` // empty: not known
	Name    string   `json:"name"`
	Devices []Device `json:"devices"`
}

// Device is a device in short.
type Device struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	IPs         []string `json:"ips"`
	MACs        []string `json:"macs"`
	Type        string   `json:"type"`
	Zone        string   `json:"zone"`
	Criticality string   `json:"criticality"`
	Vendor      string   `json:"vendor"`
	Model       string   `json:"model"`
	Firmware    string   `json:"firmware"`
	Serial      string   `json:"serial"`
	Mode        string   `json:"mode"` // of operation, as last told
	Modules     int      `json:"modules"`
	Parent      string   `json:"parent"`
	Compromise  string   `json:"compromise"`
}

// levelNames are the levels, highest first.
var levelNames = []struct{ purdue, name string }{
	{"5", "Enterprise"}, {"4", "Business"}, {"3.5", "Demilitarised zone"}, {"3", "Site operations"}, {"2", "Supervision"},
	{"1", "Control"}, {"0", "Process"}, {"", "Level not known"},
}

// levels gives the devices by level. A level that the table of names does not have counts as not known.
func (s *site) levels() []Level {
	byLevel := make(map[string][]Device)
	for i := range s.snap.Devices {
		d := &s.snap.Devices[i]
		purdue := d.Purdue
		if !slices.ContainsFunc(levelNames, func(l struct{ purdue, name string }) bool { return l.purdue == purdue }) {
			purdue = ""
		}
		byLevel[purdue] = append(byLevel[purdue], short(d))
	}
	all := []Level{}
	for _, l := range levelNames {
		devices := byLevel[l.purdue]
		if len(devices) == 0 {
			continue
		}
		slices.SortFunc(devices, func(a, b Device) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Zone, b.Zone), compareAddresses(a.address(), b.address()), cmp.Compare(a.ID, b.ID))
		})
		all = append(all, Level{Purdue: l.purdue, Name: l.name, Devices: devices})
	}
	return all
}

func short(d *inventory.Device) Device {
	return Device{
		ID: d.ID, Name: name(d), IPs: listed(d.IPs), MACs: listed(d.MACs), Type: d.Type, Zone: d.Zone, Criticality: d.Criticality,
		Vendor: d.Vendor, Model: d.Model, Firmware: d.Firmware, Serial: d.Serial, Mode: mode(d), Modules: len(d.Modules),
		Parent: d.Parent, Compromise: d.Compromise.State,
	}
}

func (d *Device) address() string {
	for _, list := range [][]string{d.IPs, d.MACs} {
		if len(list) > 0 {
			return list[0]
		}
	}
	return ""
}
