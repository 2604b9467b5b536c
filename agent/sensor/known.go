package sensor

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

// joining adds to what this run showed of a device or an edge what the runs before it knew of the same: a capture in which
// a controller says less about itself takes nothing from its inventory. Verdicts are the user's: what is compromised stays
// so unless this run was given verdicts of its own, which judged tells.
func joining(judged func() bool) state.Joining {
	return state.Joining{
		Device: func(now, before *inventory.Device) { rememberDevice(now, before, judged()) },
		Edge:   rememberEdge,
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
	d.Mode, d.Owner = cmp.Or(d.Mode, old.Mode), cmp.Or(d.Owner, old.Owner)
	d.Aliases = joined(d.Aliases, old.Aliases)
	d.Changes = joined(d.Changes, old.Changes)
	slices.SortStableFunc(d.Changes, func(a, b inventory.Change) int { return b.Time.Compare(a.Time) })
	d.Changes = d.Changes[:min(len(d.Changes), inventory.MaxChanges)]
	rememberAddresses(d, old)
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

func rememberAddresses(d, old *inventory.Device) {
	for _, a := range old.Addresses {
		i := slices.IndexFunc(d.Addresses, func(x inventory.Address) bool { return x.IP == a.IP && x.MAC == a.MAC })
		if i < 0 {
			d.Addresses = append(d.Addresses, a)
			continue
		}
		x := &d.Addresses[i]
		x.FirstSeen, x.LastSeen = earlier(x.FirstSeen, a.FirstSeen), later(x.LastSeen, a.LastSeen)
	}
	slices.SortStableFunc(d.Addresses, func(a, b inventory.Address) int { return b.LastSeen.Compare(a.LastSeen) })
	d.Addresses = d.Addresses[:min(len(d.Addresses), inventory.MaxAddresses)]
}

// rememberEdge keeps the larger counts: whether two captures show the same traffic cannot be told, and nothing is counted
// twice.
func rememberEdge(e, old *graph.Edge) {
	for action, n := range old.Actions {
		e.Actions[action] = max(e.Actions[action], n)
	}
	for _, a := range old.Acts {
		if i := slices.IndexFunc(e.Acts, func(x graph.Act) bool { return x.Action == a.Action }); i < 0 {
			e.Acts = append(e.Acts, a)
		} else {
			x := &e.Acts[i]
			x.Baseline = judged(x.Baseline, x.FirstSeen, a.Baseline, a.FirstSeen)
			x.Count, x.FirstSeen, x.LastSeen = max(x.Count, a.Count), earlier(x.FirstSeen, a.FirstSeen), later(x.LastSeen, a.LastSeen)
		}
	}
	for _, o := range old.Objects {
		i := slices.IndexFunc(e.Objects, func(x graph.Object) bool { return x.Action == o.Action && x.Object == o.Object })
		switch {
		case i >= 0:
			x := &e.Objects[i]
			x.Baseline = judged(x.Baseline, x.FirstSeen, o.Baseline, o.FirstSeen)
			x.Count, x.FirstSeen, x.LastSeen = max(x.Count, o.Count), earlier(x.FirstSeen, o.FirstSeen), later(x.LastSeen, o.LastSeen)
		case len(e.Objects) < maxObjects:
			e.Objects = append(e.Objects, o)
		}
	}
	if e.Interval == 0 {
		e.Interval, e.Jitter, e.Periodic = old.Interval, old.Jitter, old.Periodic
	}
	e.Answered = e.Answered || old.Answered
	e.PacketsOut, e.PacketsIn = max(e.PacketsOut, old.PacketsOut), max(e.PacketsIn, old.PacketsIn)
	e.BytesOut, e.BytesIn = max(e.BytesOut, old.BytesOut), max(e.BytesIn, old.BytesIn)
	e.Baseline = judged(e.Baseline, e.FirstSeen, old.Baseline, old.FirstSeen)
	e.Security = joined(e.Security, old.Security)
	e.Count, e.Packets, e.Bytes = max(e.Count, old.Count), max(e.Packets, old.Packets), max(e.Bytes, old.Bytes)
	e.FirstSeen, e.LastSeen = earlier(e.FirstSeen, old.FirstSeen), later(e.LastSeen, old.LastSeen)
}

// maxObjects bounds what an edge collects over many runs.
const maxObjects = 256

// judged gives the baseline of what two runs know: that of the run that saw it first. What an earlier run learnt is known
// as soon as a later one has learnt enough.
func judged(now string, seen time.Time, old string, before time.Time) string {
	switch {
	case before.IsZero() || seen.Before(before):
		return now
	case old == graph.BaselineLearning && now != graph.BaselineLearning:
		return graph.BaselineKnown
	default:
		return old
	}
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
