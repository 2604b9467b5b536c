package sensor

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

// memory is what the runs before this one knew, by id.
type memory struct {
	devices map[string]*inventory.Device
	edges   map[string]*graph.Edge
}

func newMemory(before *state.Snapshot) *memory {
	m := &memory{make(map[string]*inventory.Device, len(before.Devices)), make(map[string]*graph.Edge, len(before.Edges))}
	for i := range before.Devices {
		m.devices[before.Devices[i].ID] = &before.Devices[i]
	}
	for i := range before.Edges {
		m.edges[state.EdgeKey(&before.Edges[i])] = &before.Edges[i]
	}
	return m
}

// remember adds to what this run showed what the runs before it knew of the same devices and edges: a capture in which a
// controller says less about itself takes nothing from its inventory. Verdicts are the user's: what is compromised stays
// so unless this run was given verdicts of its own.
func (m *memory) remember(snap *state.Snapshot, judged bool) {
	for i := range snap.Devices {
		if old := m.devices[snap.Devices[i].ID]; old != nil {
			rememberDevice(&snap.Devices[i], old, judged)
		}
	}
	if len(m.edges) == 0 {
		return
	}
	for i := range snap.Edges {
		if old := m.edges[state.EdgeKey(&snap.Edges[i])]; old != nil {
			rememberEdge(&snap.Edges[i], old)
		}
	}
}

func rememberDevice(d, old *inventory.Device, judged bool) {
	d.Vendor, d.Model = cmp.Or(d.Vendor, old.Vendor), cmp.Or(d.Model, old.Model)
	d.Firmware, d.Serial = cmp.Or(d.Firmware, old.Firmware), cmp.Or(d.Serial, old.Serial)
	d.Names, d.IPs, d.MACs = joined(d.Names, old.Names), joined(d.IPs, old.IPs), joined(d.MACs, old.MACs)
	d.VLANs, d.Protocols, d.Modules = joined(d.VLANs, old.VLANs), joined(d.Protocols, old.Protocols), joined(d.Modules, old.Modules)
	slices.Sort(d.Protocols)
	// What a host did not do in this capture it may have done in another: an ordinary host is the weakest of findings.
	if d.Category == inventory.CategoryEndpoint && old.Category != inventory.CategoryUnknown {
		d.Type, d.Category, d.Purdue, d.Criticality = old.Type, old.Category, old.Purdue, old.Criticality
	}
	d.FirstSeen, d.LastSeen = earlier(d.FirstSeen, old.FirstSeen), later(d.LastSeen, old.LastSeen)
	if !judged {
		d.Compromise = old.Compromise
	}
	for _, f := range old.Facts {
		same := func(x inventory.Fact) bool {
			return x.Key == f.Key && x.Value == f.Value && x.Module == f.Module && x.Source == f.Source
		}
		if i := slices.IndexFunc(d.Facts, same); i >= 0 {
			d.Facts[i].FirstSeen, d.Facts[i].LastSeen = earlier(d.Facts[i].FirstSeen, f.FirstSeen), later(d.Facts[i].LastSeen, f.LastSeen)
		} else {
			d.Facts = append(d.Facts, f)
		}
	}
}

// rememberEdge keeps the larger counts: whether two captures show the same traffic cannot be told, and nothing is counted
// twice.
func rememberEdge(e, old *graph.Edge) {
	for action, n := range old.Actions {
		e.Actions[action] = max(e.Actions[action], n)
	}
	if len(old.Objects) > len(e.Objects) {
		e.Objects = old.Objects
	}
	e.Security = joined(e.Security, old.Security)
	e.Count, e.Packets, e.Bytes = max(e.Count, old.Count), max(e.Packets, old.Packets), max(e.Bytes, old.Bytes)
	e.FirstSeen, e.LastSeen = earlier(e.FirstSeen, old.FirstSeen), later(e.LastSeen, old.LastSeen)
}

func joined[T comparable](a, b []T) []T {
	for _, x := range b {
		if !slices.Contains(a, x) {
			a = append(a, x)
		}
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
