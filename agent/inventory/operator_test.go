package inventory

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

func TestOperator(t *testing.T) {
	zones := []Zone{
		{Name: "plant", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}},
		{Name: "cell", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.1.0/24")}, Level: "1", Criticality: "high"},
		{Name: "radio", VLANs: []uint16{77}},
	}
	for name, c := range map[string]struct {
		override Override
		zones    []Zone
		ip       string
		want     Device
	}{
		"nothing said":         {Override{}, nil, "10.0.1.9", Device{Type: TypePLC, Category: CategoryOT, Purdue: "1", Criticality: "high", Zone: "plant VLAN 77", Names: []string{"pump"}}},
		"by address":           {Override{IP: netip.MustParseAddr("10.0.1.9"), Called: "Feed pump", Type: TypeDrive, Owner: "Water", Criticality: "low", Purdue: "0"}, nil, "10.0.1.9", Device{Type: TypeDrive, Category: CategoryOT, Purdue: "0", Criticality: "low", Zone: "plant VLAN 77", Names: []string{"Feed pump", "pump"}, Owner: "Water"}},
		"by MAC":               {Override{MAC: mac(9), Type: TypeSafety}, nil, "10.0.1.9", Device{Type: TypeSafety, Category: CategoryOT, Purdue: "1", Criticality: "high", Zone: "plant VLAN 77", Names: []string{"pump"}}},
		"by name":              {Override{Name: "PUMP", Zone: "elsewhere"}, nil, "10.0.1.9", Device{Type: TypePLC, Category: CategoryOT, Purdue: "1", Criticality: "high", Zone: "elsewhere", Names: []string{"pump"}}},
		"the smallest network": {Override{}, zones, "10.0.1.9", Device{Type: TypePLC, Category: CategoryOT, Purdue: "1", Criticality: "high", Zone: "cell", Names: []string{"pump"}}},
		"the larger network":   {Override{}, zones, "10.0.2.9", Device{Type: TypePLC, Category: CategoryOT, Purdue: "1", Criticality: "high", Zone: "plant", Names: []string{"pump"}}},
		"the VLAN":             {Override{}, zones, "10.9.2.9", Device{Type: TypePLC, Category: CategoryOT, Purdue: "1", Criticality: "high", Zone: "radio", Names: []string{"pump"}}},
		"the zone named":       {Override{Name: "pump", Zone: "plant", Criticality: "medium"}, zones, "10.0.1.9", Device{Type: TypePLC, Category: CategoryOT, Purdue: "1", Criticality: "medium", Zone: "plant", Names: []string{"pump"}}},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(Config{Site: "Harbour", Devices: []Override{c.override}, Zones: c.zones})
			e := read(conv(at("10.0.9.5", 50000, mac(5)), at(c.ip, 502, mac(9))), protocols.Server, 0)
			e.Conv.VLANs[0] = 77
			e.Facts = []protocols.Fact{{About: protocols.Server, Key: protocols.FactName, Value: "pump"}}
			i.Event(e)
			v, ok := i.Device(i.ID(e.Conv.Server))
			w := c.want
			if !ok || v.Type != w.Type || v.Category != w.Category || v.Purdue != w.Purdue || v.Criticality != w.Criticality ||
				v.Zone != w.Zone || !slices.Equal(v.Names, w.Names) || v.Owner != w.Owner {
				t.Errorf("%s %s %s %s %q %q %s, want %s %s %s %s %q %q %s", v.Type, v.Category, v.Purdue, v.Criticality, v.Zone, v.Names, v.Owner,
					w.Type, w.Category, w.Purdue, w.Criticality, w.Zone, w.Names, w.Owner)
			}
			if !slices.ContainsFunc(v.Facts, func(f Fact) bool { return f.Key == FactZone && f.Value == v.Zone && f.Source != "" }) {
				t.Error("no reason is given for the zone")
			}
			said := slices.ContainsFunc(v.Facts, func(f Fact) bool { return f.Source == sourceOperator && f.Confidence == 100 })
			if want := c.override != (Override{}); said != want {
				t.Errorf("facts name the operator: %v, want %v", said, want)
			}
			if _, _, names := i.Identity(e.Conv.Server); c.override.Called != "" && !slices.Contains(names, c.override.Called) {
				t.Errorf("a verdict on %q would not find the device: %q", c.override.Called, names)
			}
		})
	}
}

// A workstation among controllers is on their level; what devices do still tells theirs.
func TestZoneTellsLevels(t *testing.T) {
	i := New(Config{Site: "Harbour", Zones: []Zone{{Name: "cell", Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}, Level: "2"}}})
	c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, mac(9)))
	i.Event(read(c, protocols.Server, 0))
	client, _ := i.Device(i.ID(c.Client))
	server, _ := i.Device(i.ID(c.Server))
	if client.Purdue != "2" || server.Purdue != "1" {
		t.Errorf("levels %s and %s", client.Purdue, server.Purdue)
	}
}

func TestProposedZones(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	link := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, mac(9)))
	i.Event(read(link, protocols.Server, 0))
	routed := conv(at("10.0.0.5", 50000, mac(5)), at("10.8.0.9", 502, protocols.MAC{}))
	i.Event(read(routed, protocols.Server, 0))
	for e, want := range map[protocols.Endpoint]string{link.Client: "enterprise", link.Server: "plant", routed.Server: "plant 10.8.0.0/24"} {
		if v, ok := i.Device(i.ID(e)); !ok || v.Zone != want {
			t.Errorf("%s is in zone %q, want %q", e, v.Zone, want)
		}
	}
}
