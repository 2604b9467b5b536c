package graph

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"strings"
)

// Asset is a device as paths need to know it.
type Asset struct {
	ID, IP, Name, Zone string
	Critical           bool // worth an attack
	Foothold           bool // where an attack may begin
}

// Step is one hop of a path.
type Step struct {
	Device    string   `json:"device,omitempty"` // id; empty for what is no device
	IP        string   `json:"ip"`
	Name      string   `json:"name,omitempty"`
	Zone      string   `json:"zone"`
	Protocols []string `json:"protocols,omitempty"` // over which it was seen to be asked
	Altering  uint64   `json:"altering_actions,omitempty"`
	Seen      bool     `json:"seen"` // the hop was observed; else it is only plausible
	Reason    string   `json:"reason"`
}

// Path is a way by which an attack on a critical asset could go.
type Path struct {
	Target string `json:"target"` // ids, or addresses
	Origin string `json:"origin"`
	Cost   int    `json:"cost"` // the lower, the easier
	Steps  []Step `json:"steps"`
}

const (
	// A hop that altered something is open to an attacker as it is; one that was only seen asks for more than was done;
	// one within a zone, or over a conduit that others use, was never seen and may be.
	costAltered, costSeen, costZone, costConduit = 1, 2, 4, 7

	maxCost  = 12
	maxPaths = 64
)

// atlas is edges and devices as a graph of places: devices, and for each zone the place of who gets into it.
type atlas struct {
	places []place
	byKey  map[string]int
	inside map[string][]int  // devices by zone
	gates  map[string]int    // the place of who gets into a zone
	leads  map[string][]gate // conduits by the zone that they lead out of
}

type place struct {
	asset Asset
	hops  []way
}

type way struct {
	to        int
	cost      int
	protocols []string
	altering  uint64
}

type gate struct {
	zone      string
	protocols []string
}

// Paths gives the cheapest way from any foothold to each critical asset over edges that were seen and answered, or that
// are plausible because both ends are in one zone, or a conduit leads from one's zone to the other's. At most 64, the
// cheapest first.
func Paths(edges []Edge, assets []Asset) []Path {
	a := newAtlas(edges, assets)
	cost, from, how := a.search()
	paths := []Path{}
	for k := range a.places {
		if p := &a.places[k]; p.asset.Critical && from[k] >= 0 && from[k] != k {
			paths = append(paths, a.path(k, cost[k], from, how))
		}
	}
	slices.SortFunc(paths, func(x, y Path) int {
		return cmp.Or(cmp.Compare(x.Cost, y.Cost), cmp.Compare(len(x.Steps), len(y.Steps)), cmp.Compare(x.Target, y.Target))
	})
	return paths[:min(len(paths), maxPaths)]
}

func newAtlas(edges []Edge, assets []Asset) *atlas {
	a := &atlas{byKey: make(map[string]int), inside: make(map[string][]int), gates: make(map[string]int), leads: make(map[string][]gate)}
	for _, x := range assets {
		a.add(cmp.Or(x.ID, x.IP), x)
	}
	var stood []Edge
	for k := range edges {
		e := &edges[k]
		if !e.Answered {
			continue
		}
		stood = append(stood, *e)
		client := a.add(cmp.Or(e.Client, e.ClientIP), Asset{IP: e.ClientIP, Zone: e.ClientZone})
		server := a.add(cmp.Or(e.Server, e.ServerIP), Asset{IP: e.ServerIP, Zone: e.ServerZone})
		if client != server {
			a.hop(client, server, e)
		}
	}
	for _, c := range Conduits(stood) {
		if c.From != c.To && c.From != "" && c.To != "" && c.To != ZoneExternal && c.From != ZoneExternal {
			a.leads[c.From] = append(a.leads[c.From], gate{c.To, c.Protocols})
		}
	}
	return a
}

func (a *atlas) add(key string, x Asset) int {
	if k, known := a.byKey[key]; known {
		return k
	}
	k := len(a.places)
	a.byKey[key] = k
	a.places = append(a.places, place{asset: x})
	if x.ID != "" && x.Zone != "" {
		a.inside[x.Zone] = append(a.inside[x.Zone], k)
	}
	return k
}

// hop notes that one place was seen to ask another.
func (a *atlas) hop(from, to int, e *Edge) {
	p := &a.places[from]
	k := slices.IndexFunc(p.hops, func(w way) bool { return w.to == to })
	if k < 0 {
		k = len(p.hops)
		p.hops = append(p.hops, way{to: to, cost: costSeen})
	}
	w := &p.hops[k]
	w.altering += e.Alters()
	if w.altering > 0 {
		w.cost = costAltered
	}
	if !slices.Contains(w.protocols, e.Protocol) {
		w.protocols = append(w.protocols, e.Protocol)
		slices.Sort(w.protocols)
	}
}

// arrival is a way into a place.
type arrival struct {
	way
	reason string
	seen   bool
}

// search gives for each place the cost of getting there, from where (-1: not reached, itself: a foothold) and how. A zone
// is entered once, by the cheapest way: who got into it later gets nowhere cheaper.
func (a *atlas) search() (cost, from []int, how []arrival) {
	cost, from, how = make([]int, len(a.places)), make([]int, len(a.places)), make([]arrival, len(a.places))
	var queue frontier
	for k := range a.places {
		from[k] = -1
		if a.places[k].asset.Foothold {
			from[k] = k
			heap.Push(&queue, arrived{k, 0})
		}
	}
	done := make([]bool, len(a.places))
	entered := make(map[string]bool)
	for len(queue) > 0 {
		at := heap.Pop(&queue).(arrived)
		if done[at.place] || at.cost > maxCost {
			continue
		}
		done[at.place] = true
		reach := func(x arrival) {
			total := at.cost + x.cost
			if x.to == at.place || done[x.to] || from[x.to] >= 0 && cost[x.to] <= total {
				return
			}
			cost[x.to], from[x.to], how[x.to] = total, at.place, x
			heap.Push(&queue, arrived{x.to, total})
		}
		p := &a.places[at.place]
		for _, w := range p.hops {
			reach(arrival{w, w.reason(), true})
		}
		zone := p.asset.Zone
		if zone == "" || zone == ZoneExternal || entered[zone] {
			continue
		}
		entered[zone] = true
		for _, to := range a.inside[zone] {
			reach(arrival{way: way{to: to, cost: costZone}, reason: "plausible: in the same zone, " + zone})
		}
		for _, g := range a.leads[zone] {
			for _, to := range a.inside[g.zone] {
				reach(arrival{
					way:    way{to: to, cost: costConduit},
					reason: fmt.Sprintf("plausible: a conduit leads from zone %s to zone %s (%s)", zone, g.zone, strings.Join(g.protocols, ", ")),
				})
			}
		}
	}
	return cost, from, how
}

func (w *way) reason() string {
	if w.altering > 0 {
		return fmt.Sprintf("seen over %s, %d altering messages", strings.Join(w.protocols, ", "), w.altering)
	}
	return "seen over " + strings.Join(w.protocols, ", ")
}

func (a *atlas) path(target, cost int, from []int, how []arrival) Path {
	p := Path{Cost: cost}
	for k := target; ; k = from[k] {
		x := &a.places[k].asset
		s := Step{Device: x.ID, IP: x.IP, Name: x.Name, Zone: x.Zone, Reason: "an attack may begin here", Seen: true}
		if from[k] != k {
			s.Protocols, s.Altering, s.Seen, s.Reason = how[k].protocols, how[k].altering, how[k].seen, how[k].reason
		}
		p.Steps = append(p.Steps, s)
		if from[k] == k {
			break
		}
	}
	slices.Reverse(p.Steps)
	last := p.Steps[len(p.Steps)-1]
	p.Origin, p.Target = cmp.Or(p.Steps[0].Device, p.Steps[0].IP), cmp.Or(last.Device, last.IP)
	return p
}

// arrived is a place with what it costs to get there.
type arrived struct{ place, cost int }

// frontier is a heap: the cheapest first, among equals the first place.
type frontier []arrived

func (f frontier) Len() int { return len(f) }
func (f frontier) Less(a, b int) bool {
	return cmp.Or(cmp.Compare(f[a].cost, f[b].cost), cmp.Compare(f[a].place, f[b].place)) < 0
}
func (f frontier) Swap(a, b int) { f[a], f[b] = f[b], f[a] }
func (f *frontier) Push(x any)   { *f = append(*f, x.(arrived)) }
func (f *frontier) Pop() any {
	last := (*f)[len(*f)-1]
	*f = (*f)[:len(*f)-1]
	return last
}
