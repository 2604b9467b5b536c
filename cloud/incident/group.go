package incident

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/spanwatch/spanwatch/cloud/store"
)

// group is an incident as far as correlation needs it, or one that is about to be.
type group struct {
	incidents   []int64 // numbers in it, lowest first; empty: not saved yet
	devices     map[string]struct{}
	alerts      []string      // ids
	fresh       []store.Alert // those that may be missing in the saved incident, or have changed since
	first, last time.Time

	queued bool // its neighbours are to be looked at
	dirty  bool // the store does not have it like this
	gone   bool // joined with another
}

// site is what correlation knows of a site. Its size follows the number of devices and alerts in incidents.
type site struct {
	name string

	mu       sync.Mutex
	loaded   bool
	stale    bool // incidents may lag behind their alerts
	byAlert  map[string]*group
	byDevice map[string]map[*group]struct{}
	queue    []*group
	plates   map[string]plate
}

func (s *site) reset() {
	s.byAlert = make(map[string]*group)
	s.byDevice = make(map[string]map[*group]struct{})
	s.queue = nil
	s.plates = make(map[string]plate)
}

// restore takes in an incident of the store.
func (s *site) restore(i store.Incident) {
	g := &group{incidents: []int64{i.ID}, devices: make(map[string]struct{}), first: i.FirstSeen, last: i.LastSeen}
	for _, d := range i.Devices {
		s.link(g, d)
	}
	for _, id := range i.Alerts {
		s.byAlert[id] = g
		g.alerts = append(g.alerts, id)
	}
	g.dirty = s.stale && i.Status != StatusClosed
	s.enqueue(g)
}

// renew has all incidents read anew, and those that are open compared with their alerts.
func (s *site) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loaded, s.stale = false, true
}

// add puts an alert into the group that it is in already, or into one of its own.
func (s *site) add(a store.Alert) {
	g := s.byAlert[a.ID]
	if g == nil {
		g = &group{alerts: []string{a.ID}, devices: make(map[string]struct{}), first: a.Time, last: a.Time}
		s.byAlert[a.ID] = g
	}
	g.fresh = append(g.fresh, a)
	g.span(a.Time, a.LastTime)
	g.dirty = true
	for _, d := range devicesOf(a) {
		s.link(g, d)
	}
	s.enqueue(g)
}

// named takes in what the inventory calls a device now; the incidents that call it otherwise are to be saved.
func (s *site) named(d store.Device) {
	old, known := s.plates[d.ID]
	p := plateOf(d)
	if known && old.name == p.name && old.kind == p.kind {
		return
	}
	delete(s.plates, d.ID) // asked for anew when an incident needs it
	for g := range s.byDevice[d.ID] {
		g.dirty = true
		s.enqueue(g)
	}
}

func (s *site) link(g *group, device string) {
	g.devices[device] = struct{}{}
	groups := s.byDevice[device]
	if groups == nil {
		groups = make(map[*group]struct{})
		s.byDevice[device] = groups
	}
	groups[g] = struct{}{}
}

func (s *site) enqueue(g *group) {
	if !g.queued {
		g.queued = true
		s.queue = append(s.queue, g)
	}
}

// settle joins groups until no two share a device within the window, and gives those that must be saved.
func (s *site) settle() []*group {
	var seen []*group
	for len(s.queue) > 0 {
		g := s.queue[0]
		s.queue = s.queue[1:]
		g.queued = false
		if g.gone {
			continue
		}
		for other := s.neighbour(g); other != nil; other = s.neighbour(g) {
			g = s.join(g, other)
		}
		seen = append(seen, g)
	}
	var dirty []*group
	for _, g := range seen {
		if g.dirty && !g.gone && !slices.Contains(dirty, g) {
			dirty = append(dirty, g)
		}
	}
	// Numbers are given in the order in which the incidents began, not in the order of a map.
	slices.SortFunc(dirty, func(a, b *group) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(slices.Min(a.alerts), slices.Min(b.alerts)))
	})
	return dirty
}

// neighbour gives a group that belongs together with g, nil when there is none. Which of several does not matter:
// joining with one never ends the kinship with another.
func (s *site) neighbour(g *group) *group {
	for d := range g.devices {
		for other := range s.byDevice[d] {
			if other != g && g.near(other) {
				return other
			}
		}
	}
	return nil
}

// join moves the smaller of two groups into the larger, which it gives.
func (s *site) join(a, b *group) *group {
	if len(a.alerts) < len(b.alerts) {
		a, b = b, a
	}
	b.gone = true
	a.dirty = true
	a.incidents = append(a.incidents, b.incidents...)
	slices.Sort(a.incidents)
	a.alerts = append(a.alerts, b.alerts...)
	a.fresh = append(a.fresh, b.fresh...)
	a.span(b.first, b.last)
	for d := range b.devices {
		delete(s.byDevice[d], b)
		s.link(a, d)
	}
	for _, id := range b.alerts {
		s.byAlert[id] = a
	}
	return a
}

// saved notes that the store has the group under id now.
func (g *group) saved(id int64) {
	g.incidents = []int64{id}
	g.fresh = nil
	g.dirty = false
}

func (g *group) span(first, last time.Time) {
	if first.Before(g.first) {
		g.first = first
	}
	if last.After(g.last) {
		g.last = last
	}
}

// near reports whether no more than the window lies between two groups.
func (g *group) near(other *group) bool {
	return g.first.Sub(other.last) <= Window && other.first.Sub(g.last) <= Window
}

// devicesOf gives the names under which an alert's two ends are compared: a device's id, or the address of what lies
// outside the site and has none.
func devicesOf(a store.Alert) []string {
	var ends []string
	for _, d := range [2]string{actorOf(a), targetOf(a)} {
		if d != "" && !slices.Contains(ends, d) {
			ends = append(ends, d)
		}
	}
	return ends
}

func actorOf(a store.Alert) string  { return cmp.Or(a.Actor, a.ActorIP) }
func targetOf(a store.Alert) string { return cmp.Or(a.Target, a.TargetIP) }
