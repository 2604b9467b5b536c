package graph

import (
	"cmp"
	"maps"
	"slices"
)

// ZoneExternal is the zone of what is no device of the site.
const ZoneExternal = "external"

// Place fills in the zones of the ends of edges from those of devices, by id.
func Place(edges []Edge, zones map[string]string) {
	in := func(id string) string {
		if id == "" {
			return ZoneExternal
		}
		return zones[id]
	}
	for k := range edges {
		edges[k].ClientZone, edges[k].ServerZone = in(edges[k].Client), in(edges[k].Server)
	}
}

// Conduit is what passes from the clients of one zone to the servers of another, or within one (IEC 62443-3-2).
type Conduit struct {
	From      string            `json:"from"`
	To        string            `json:"to"`
	Edges     int               `json:"edges"`
	Clients   int               `json:"clients"`
	Servers   int               `json:"servers"`
	Protocols []string          `json:"protocols"`
	Actions   map[string]uint64 `json:"actions"`
	Altering  uint64            `json:"altering_actions"`
	Packets   uint64            `json:"packets"`
	Bytes     uint64            `json:"bytes"`
	New       int               `json:"new_edges"`
}

// Conduits gives what passes between zones, sorted.
func Conduits(edges []Edge) []Conduit {
	type ends struct{ from, to string }
	type sum struct {
		Conduit
		clients, servers, protocols map[string]bool
	}
	sums := make(map[ends]*sum)
	for k := range edges {
		e := &edges[k]
		at := ends{e.ClientZone, e.ServerZone}
		c := sums[at]
		if c == nil {
			c = &sum{
				Conduit: Conduit{From: at.from, To: at.to, Actions: make(map[string]uint64)},
				clients: make(map[string]bool), servers: make(map[string]bool), protocols: make(map[string]bool),
			}
			sums[at] = c
		}
		c.Edges++
		c.Packets += e.Packets
		c.Bytes += e.Bytes
		c.clients[cmp.Or(e.Client, e.ClientIP)], c.servers[cmp.Or(e.Server, e.ServerIP)], c.protocols[e.Protocol] = true, true, true
		for action, n := range e.Actions {
			c.Actions[action] += n
		}
		c.Altering += e.Alters()
		if e.Baseline == BaselineNew {
			c.New++
		}
	}
	all := make([]Conduit, 0, len(sums))
	for _, c := range sums {
		c.Clients, c.Servers, c.Protocols = len(c.clients), len(c.servers), slices.Sorted(maps.Keys(c.protocols))
		all = append(all, c.Conduit)
	}
	slices.SortFunc(all, func(a, b Conduit) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	return all
}

// Alters gives how many altering deeds were seen over an edge.
func (e *Edge) Alters() (n uint64) {
	for _, name := range alteringNames {
		n += e.Actions[name]
	}
	return n
}
