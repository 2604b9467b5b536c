package inventory

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/protocols"
)

func tell(i *Inventory, c *protocols.Conversation, facts ...protocols.Fact) {
	e := read(c, protocols.Server, 0)
	e.Ordinary, e.Facts = true, facts
	i.Event(e)
}

func of(ip string, key protocols.FactKey, value string, confidence uint8) protocols.Fact {
	return protocols.Fact{Addr: netip.MustParseAddr(ip), Key: key, Value: value, Confidence: confidence}
}

func TestNamesBestFirst(t *testing.T) {
	for name, c := range map[string]struct {
		facts []protocols.Fact
		want  []string
	}{
		"nothing":                    {nil, []string{}},
		"the more certain first":     {[]protocols.Fact{of("10.0.0.9", protocols.FactName, "weak", 50), of("10.0.0.9", protocols.FactName, "strong", 90)}, []string{"strong", "weak"}},
		"a domain name":              {[]protocols.Fact{of("10.0.0.9", protocols.FactFQDN, "hmi-01.plant.example", 60)}, []string{"hmi-01", "hmi-01.plant.example"}},
		"known already":              {[]protocols.Fact{of("10.0.0.9", protocols.FactFQDN, "hmi-01.plant.example", 90), of("10.0.0.9", protocols.FactName, "HMI-01", 50)}, []string{"hmi-01", "hmi-01.plant.example"}},
		"its label ranks as it does": {[]protocols.Fact{of("10.0.0.9", protocols.FactFQDN, "a.example", 60), of("10.0.0.9", protocols.FactName, "z", 50)}, []string{"a", "z", "a.example"}},
		"a domain name of one label": {[]protocols.Fact{of("10.0.0.9", protocols.FactFQDN, "host", 60)}, []string{"host"}},
		"of a module":                {[]protocols.Fact{{Addr: netip.MustParseAddr("10.0.0.9"), Key: protocols.FactName, Value: "card", Module: "0/2"}}, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			i := New(Config{Site: "Harbour"})
			i.Binding(arp("10.0.0.9", mac(9)))
			tell(i, conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.1", 53, mac(1))), c.facts...)
			e := at("10.0.0.9", 0, mac(9))
			v, ok := i.Device(i.ID(e))
			if diff := cmp.Diff(c.want, v.Names); !ok || diff != "" {
				t.Errorf("%v\n%s", ok, diff)
			}
			_, _, names := i.Identity(e)
			for _, n := range v.Names {
				if !slices.Contains(names, n) {
					t.Errorf("a verdict on %q would not find it: %v", n, names)
				}
			}
		})
	}
}

// Who tells of others makes no device: of the site they are remembered until they show themselves, elsewhere only what
// is known already gets a name.
func TestFactsAboutOthers(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	c := conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.1", 53, mac(1)))
	facts := []protocols.Fact{
		of("10.0.0.9", protocols.FactName, "plc", 60), of("8.8.8.8", protocols.FactName, "far", 60), of("141.81.0.9", protocols.FactName, "near", 60),
		of("127.0.0.1", protocols.FactName, "self", 60), of("239.1.1.1", protocols.FactName, "group", 60), of("::ffff:10.0.0.8", protocols.FactName, "mapped", 60),
	}
	tell(i, c, facts...)
	if n := i.Stats().Hosts; n != 4 {
		t.Errorf("%d addresses are remembered, want the two ends and two of the site", n)
	}
	check(t, i, "[10.0.0.1] [02:00:00:00:00:01] workstation", "[10.0.0.5] [02:00:00:00:00:05] workstation")

	i.Binding(arp("10.0.0.9", mac(9)))
	i.Binding(arp("10.0.0.8", mac(8)))
	i.Binding(arp("141.81.0.9", mac(19)))
	tell(i, c, facts...)
	for ip, want := range map[string][]string{"10.0.0.9": {"plc"}, "10.0.0.8": {"mapped"}, "141.81.0.9": {"near"}} {
		if v, _ := i.Device(i.ID(at(ip, 0, protocols.MAC{}))); !slices.Equal(v.Names, want) {
			t.Errorf("%s is called %v, want %v", ip, v.Names, want)
		}
	}
}

// What a device says without IP, and what it says with it, is about one device.
func TestFactsByMACAndByAddressMeet(t *testing.T) {
	i := New(Config{Site: "Harbour"})
	group := protocols.Endpoint{MAC: protocols.MAC{1, 0x80, 0xc2, 0, 0, 0x0e}}
	c := &protocols.Conversation{Client: protocols.Endpoint{MAC: mac(9)}, Server: group, Transport: protocols.TransportEthernet}
	e := read(c, protocols.Client, 0)
	e.Ordinary, e.Facts = true, []protocols.Fact{{About: protocols.Client, Key: protocols.FactName, Value: "plc"}}
	i.Event(e)
	check(t, i, "[] [02:00:00:00:00:09] unknown")
	i.Event(read(conv(at("10.0.0.5", 50000, mac(5)), at("10.0.0.9", 502, mac(9))), protocols.Server, 1))
	check(t, i, "[10.0.0.5] [02:00:00:00:00:05] workstation", "[10.0.0.9] [02:00:00:00:00:09] plc")
	if v, _ := i.Device(i.ID(at("10.0.0.9", 0, mac(9)))); !slices.Equal(v.Names, []string{"plc"}) {
		t.Errorf("the device is called %v", v.Names)
	}
}
