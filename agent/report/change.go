package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
)

// Change is a link that began, or one that fell silent.
type Change struct {
	Client    Party             `json:"client"`
	Server    Party             `json:"server"`
	Protocols []string          `json:"protocols"`
	Actions   map[string]uint64 `json:"actions"`
	At        time.Time         `json:"at"` // of its first or last packet
	Reason    string            `json:"reason"`
}

// newLinks gives the links that were not there while the sensor learnt.
func (s *site) newLinks() []Change {
	all := []Change{}
	for _, m := range s.pairs(func(e *graph.Edge, _, _ *inventory.Device) bool { return e.Baseline == graph.BaselineNew }) {
		all = append(all, Change{m.client, m.server, m.protocols, m.actions, m.first.UTC(), "not there while the sensor learnt"})
	}
	slices.SortStableFunc(all, func(a, b Change) int {
		return cmp.Or(strongest(b.Actions)-strongest(a.Actions), a.At.Compare(b.At))
	})
	return all
}

const (
	// A link was regular when it had so many requests, over such a part of the time seen.
	regularRequests = 20
	regularShare    = 4
	// It fell silent when the pause is so many times as long as those before it.
	silentPauses = 20
	silentLeast  = 10 * time.Second
)

// silentLinks gives the links that were in regular use and then fell silent: a poll that stopped.
func (s *site) silentLinks() []Change {
	all := []Change{}
	for _, m := range s.pairs(func(e *graph.Edge, client, server *inventory.Device) bool { return ofPlant(client) || ofPlant(server) }) {
		var requests uint64
		for _, n := range m.actions {
			requests += n
		}
		used, quiet := m.last.Sub(m.first), s.until.Sub(m.last)
		if requests < regularRequests || used < s.until.Sub(s.from)/regularShare {
			continue
		}
		if pause := used / time.Duration(requests); quiet > max(silentLeast, silentPauses*pause) {
			all = append(all, Change{m.client, m.server, m.protocols, m.actions, m.last.UTC(),
				"a request every " + round(pause) + " before, none for " + round(quiet)})
		}
	}
	slices.SortStableFunc(all, func(a, b Change) int { return a.At.Compare(b.At) })
	return all
}

// round gives a duration as people say it.
func round(d time.Duration) string {
	unit := time.Millisecond
	if d > time.Second {
		unit = 100 * time.Millisecond
	}
	if d > time.Minute {
		unit = time.Second
	}
	return d.Round(unit).String()
}
