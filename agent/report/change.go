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
	// It fell silent when the pause is so many times as long as those before it; where the interval of a poll is known,
	// when so many polls are missing.
	silentPauses = 20
	silentPolls  = 5
	silentLeast  = 10 * time.Second
)

// silentLinks gives the links that were in regular use and then fell silent: a poll that stopped.
func (s *site) silentLinks() []Change {
	all := []Change{}
	for _, m := range s.pairs(func(_ *graph.Edge, client, server *inventory.Device) bool { return ofPlant(client) || ofPlant(server) }) {
		pause, allowed := m.pause(s.until.Sub(s.from))
		if quiet := s.until.Sub(m.last); pause > 0 && quiet > max(silentLeast, allowed) {
			all = append(all, Change{m.client, m.server, m.protocols, m.actions, m.last.UTC(),
				"a request every " + round(pause) + " before, none for " + round(quiet)})
		}
	}
	slices.SortStableFunc(all, func(a, b Change) int { return a.At.Compare(b.At) })
	return all
}

// pause gives how long a link usually paused, and how long it may; 0 where it was not in regular use for long enough.
func (m *merged) pause(seen time.Duration) (pause, allowed time.Duration) {
	if m.interval > 0 {
		return m.interval, silentPolls * m.interval
	}
	var requests uint64
	for _, n := range m.actions {
		requests += n
	}
	used := m.last.Sub(m.first)
	if requests < regularRequests || used < seen/regularShare {
		return 0, 0
	}
	pause = used / time.Duration(requests)
	return pause, silentPauses * pause
}

// NewDeed is something that was done over a link for the first time after the sensor had learnt what is usual there.
type NewDeed struct {
	Client   Party     `json:"client"`
	Server   Party     `json:"server"`
	Protocol string    `json:"protocol"`
	Action   string    `json:"action"`
	Object   string    `json:"object"` // empty: the action as such is new
	Count    uint64    `json:"count"`
	First    time.Time `json:"first_seen"`
}

// newDeeds gives what is new on links that are not.
func (s *site) newDeeds() []NewDeed {
	all := []NewDeed{}
	for i := range s.snap.Edges {
		e := &s.snap.Edges[i]
		if e.Baseline == graph.BaselineNew {
			continue
		}
		deed := NewDeed{Client: s.party(e.Client, e.ClientIP), Server: s.party(e.Server, e.ServerIP), Protocol: e.Protocol}
		fresh := make(map[string]bool)
		for _, a := range e.Acts {
			if a.Baseline == graph.BaselineNew {
				fresh[a.Action] = true
				deed.Action, deed.Object, deed.Count, deed.First = a.Action, "", a.Count, a.FirstSeen.UTC()
				all = append(all, deed)
			}
		}
		for _, o := range e.Objects {
			if o.Baseline == graph.BaselineNew && !fresh[o.Action] {
				deed.Action, deed.Object, deed.Count, deed.First = o.Action, o.Object, o.Count, o.FirstSeen.UTC()
				all = append(all, deed)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b NewDeed) int {
		return cmp.Or(strength(b.Action)-strength(a.Action), a.First.Compare(b.First), a.Client.compare(b.Client), a.Server.compare(b.Server),
			cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Object, b.Object))
	})
	return all
}

// DeviceChange is something that a device said of itself differently than before: its mode, its firmware.
type DeviceChange struct {
	Device Party     `json:"device"`
	Time   time.Time `json:"time"`
	What   string    `json:"what"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Source string    `json:"source"`
}

func (s *site) deviceChanges() []DeviceChange {
	all := []DeviceChange{}
	for i := range s.snap.Devices {
		d := &s.snap.Devices[i]
		for _, c := range d.Changes {
			what := string(c.Key)
			if c.Module != "" {
				what += " of " + c.Module
			}
			all = append(all, DeviceChange{s.party(d.ID, ""), c.Time.UTC(), what, c.From, c.To, c.Source})
		}
	}
	slices.SortFunc(all, func(a, b DeviceChange) int {
		return cmp.Or(b.Time.Compare(a.Time), a.Device.compare(b.Device), cmp.Compare(a.What, b.What), cmp.Compare(a.To, b.To))
	})
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
