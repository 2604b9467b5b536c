package detect

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// book is all verdicts, found by what they select.
type book struct {
	byIP     map[netip.Addr][]*selector
	byMAC    map[protocols.MAC][]*selector
	byName   map[string][]*selector
	byDevice map[string][]*selector
	networks []*selector
}

func newBook(verdicts []Verdict, site string) *book {
	b := &book{
		byIP: make(map[netip.Addr][]*selector), byMAC: make(map[protocols.MAC][]*selector),
		byName: make(map[string][]*selector), byDevice: make(map[string][]*selector),
	}
	all := selectors(verdicts, site)
	for k := range all {
		switch s := &all[k]; {
		case s.addr.IsValid():
			b.byIP[s.addr.WithZone("")] = append(b.byIP[s.addr.WithZone("")], s)
		case s.network.IsValid():
			b.networks = append(b.networks, s)
		case !s.mac.IsZero():
			b.byMAC[s.mac] = append(b.byMAC[s.mac], s)
		case s.name != "":
			b.byName[s.name] = append(b.byName[s.name], s)
		case s.Device != "":
			b.byDevice[s.Device] = append(b.byDevice[s.Device], s)
		}
	}
	return b
}

func (b *book) empty() bool {
	return len(b.byIP) == 0 && len(b.networks) == 0 && !b.learns()
}

// learns reports whether some verdicts select by what is only learnt in the course of time.
func (b *book) learns() bool { return len(b.byMAC)+len(b.byName)+len(b.byDevice) > 0 }

// identity is what selectors are matched against.
type identity struct {
	addrs  []netip.Addr
	macs   []string // of the device itself: a router's MAC on its frames says nothing
	names  []string
	device string
}

// about gives the verdicts that select a device.
func (b *book) about(who identity) []*selector {
	var all []*selector
	for _, a := range who.addrs {
		a = a.Unmap().WithZone("")
		all = append(all, b.byIP[a]...)
		for _, s := range b.networks {
			if s.network.Contains(a) {
				all = append(all, s)
			}
		}
	}
	for _, text := range who.macs {
		if m, err := parseMAC(text); err == nil {
			all = append(all, b.byMAC[m]...)
		}
	}
	for _, n := range who.names {
		n = strings.ToLower(n)
		all = append(all, b.byName[n]...)
		if short, _, cut := strings.Cut(n, "."); cut {
			all = append(all, b.byName[short]...)
		}
	}
	if who.device != "" {
		all = append(all, b.byDevice[who.device]...)
	}
	slices.SortFunc(all, func(x, y *selector) int { return x.order - y.order })
	return slices.Compact(all)
}

// Strangers gives the verdicts that mean none of the devices at a site, whenever they hold.
func Strangers(verdicts []Verdict, site string, devices []inventory.Device) []Verdict {
	b := newBook(verdicts, site)
	meant := make([]bool, len(verdicts))
	for i := range devices {
		d := &devices[i]
		who := identity{macs: d.MACs, names: d.Names, device: d.ID}
		for _, text := range d.IPs {
			if a, err := netip.ParseAddr(text); err == nil {
				who.addrs = append(who.addrs, a)
			}
		}
		for _, s := range b.about(who) {
			meant[s.order] = true
		}
	}
	var strangers []Verdict
	for i, v := range verdicts {
		if !meant[i] {
			strangers = append(strangers, v)
		}
	}
	return strangers
}
