package report

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

// site is a snapshot with what is asked of it again and again.
type site struct {
	snap        *state.Snapshot
	devices     map[string]*inventory.Device // by id
	byAddress   map[string]*inventory.Device // by IP; where devices share one, the lowest id
	total       graph.Coverage
	from, until time.Time
	zoned       bool // some devices have a zone
}

func newSite(snap *state.Snapshot) *site {
	s := &site{snap: snap, devices: make(map[string]*inventory.Device), byAddress: make(map[string]*inventory.Device)}
	for i := range snap.Devices {
		d := &snap.Devices[i]
		s.devices[d.ID] = d
		for _, ip := range d.IPs {
			if other := s.byAddress[ip]; other == nil || d.ID < other.ID {
				s.byAddress[ip] = d
			}
		}
		s.zoned = s.zoned || d.Zone != ""
		s.span(d.FirstSeen, d.LastSeen)
	}
	for i := range snap.Edges {
		s.span(snap.Edges[i].FirstSeen, snap.Edges[i].LastSeen)
	}
	for i := range snap.Coverage {
		if snap.Coverage[i].Total {
			s.total = snap.Coverage[i]
		}
	}
	return s
}

func (s *site) span(first, last time.Time) {
	if !first.IsZero() && (s.from.IsZero() || first.Before(s.from)) {
		s.from = first
	}
	if last.After(s.until) {
		s.until = last
	}
}

// party names one side. Without a device id the address decides: records of coverage have no ids.
func (s *site) party(id, ip string) Party {
	p := Party{Device: id, IP: ip}
	d := s.devices[id]
	if d == nil && id == "" {
		d = s.byAddress[ip]
	}
	if d != nil {
		p.Device, p.Type, p.Zone, p.Purdue = d.ID, d.Type, d.Zone, d.Purdue
		p.Name = name(d)
		p.IP = cmp.Or(ip, address(d))
	}
	return p
}

// name gives the name by which people know a device: the first that it gave itself.
func name(d *inventory.Device) string {
	if len(d.Names) > 0 {
		return d.Names[0]
	}
	return ""
}

func address(d *inventory.Device) string {
	for _, list := range [][]string{d.IPs, d.MACs} {
		if len(list) > 0 {
			return list[0]
		}
	}
	return d.ID
}

func (p Party) compare(o Party) int {
	return cmp.Or(compareAddresses(p.IP, o.IP), cmp.Compare(p.Device, o.Device))
}

// String gives "name (address)".
func (p Party) String() string {
	if p.Name == "" || p.Name == p.IP {
		return cmp.Or(p.IP, p.Device)
	}
	return p.Name + " (" + cmp.Or(p.IP, p.Device) + ")"
}

// compareAddresses sorts addresses as people do, and what is no IP behind them.
func compareAddresses(a, b string) int {
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	switch {
	case errX == nil && errY == nil:
		return x.Compare(y)
	case errX == nil:
		return -1
	case errY == nil:
		return 1
	}
	return cmp.Compare(a, b)
}

// controls reports whether a device drives the process: what stands on the levels of control and process.
func controls(d *inventory.Device) bool {
	return d != nil && d.Category == inventory.CategoryOT && (d.Purdue == "0" || d.Purdue == "1")
}

// ofPlant reports whether a device is a part of the plant.
func ofPlant(d *inventory.Device) bool { return d != nil && d.Category == inventory.CategoryOT }

var shared = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598: behind a provider's translation, not the Internet

// onInternet reports whether an address that is no device belongs to the Internet. Addresses that end in 255 are taken for
// the broadcast of a network.
func onInternet(ip string) bool {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	a = a.Unmap()
	if a.Is4() && a.As4()[3] == 255 {
		return false
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}

// within reports whether an address lies in the private ranges, where a site's devices would be.
func within(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && a.Unmap().IsPrivate()
}

// merged adds up what several edges say of the same two parties.
type merged struct {
	client, server Party
	protocols      []string
	actions        map[string]uint64
	packets, bytes uint64
	first, last    time.Time
	interval       time.Duration // of the fastest steady poll; 0: none
}

// pairs merges the edges that fit by client and server, in order of addresses.
func (s *site) pairs(fits func(e *graph.Edge, client, server *inventory.Device) bool) []*merged {
	all := make(map[[2]string]*merged)
	for i := range s.snap.Edges {
		e := &s.snap.Edges[i]
		if !fits(e, s.devices[e.Client], s.devices[e.Server]) {
			continue
		}
		k := [2]string{cmp.Or(e.Client, e.ClientIP), cmp.Or(e.Server, e.ServerIP)}
		m := all[k]
		if m == nil {
			m = &merged{
				client: s.party(e.Client, e.ClientIP), server: s.party(e.Server, e.ServerIP),
				actions: make(map[string]uint64), first: e.FirstSeen, last: e.LastSeen,
			}
			all[k] = m
		}
		m.add(e)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *merged) int {
		return cmp.Or(a.server.compare(b.server), a.client.compare(b.client))
	})
}

func (m *merged) add(e *graph.Edge) {
	if !slices.Contains(m.protocols, e.Protocol) {
		m.protocols = append(m.protocols, e.Protocol)
		slices.Sort(m.protocols)
	}
	for action, n := range e.Actions {
		m.actions[action] += n
	}
	if every := time.Duration(e.Interval * float64(time.Second)); e.Periodic && (m.interval == 0 || every < m.interval) {
		m.interval = every
	}
	m.packets, m.bytes = m.packets+e.Packets, m.bytes+e.Bytes
	if e.FirstSeen.Before(m.first) {
		m.first = e.FirstSeen
	}
	if e.LastSeen.After(m.last) {
		m.last = e.LastSeen
	}
}

// first gives the first comparison that decides.
func first(comparisons ...int) int { return cmp.Or(comparisons...) }

// listed makes an empty list of none: scripts iterate over what they read.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// joined gives words in a row.
func joined(words []string) string { return strings.Join(words, ", ") }
