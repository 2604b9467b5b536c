package graph

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// sums is what adds up of a conversation whatever it says.
type sums struct {
	packets, bytes           uint64
	opened, refused, answers uint64
	coverage                 protocols.Coverage
	first, last              time.Time
}

func (s *sums) addFlow(f *protocols.Flow) {
	s.packets += f.Packets[0] + f.Packets[1]
	s.bytes += f.Bytes[0] + f.Bytes[1]
	s.opened += f.Opened
	s.refused += f.Refused
	s.answers += f.Answered
	s.coverage.Add(f.Coverage)
	s.widen(f.First, f.Last)
}

func (s *sums) add(o *sums) {
	s.packets += o.packets
	s.bytes += o.bytes
	s.opened += o.opened
	s.refused += o.refused
	s.answers += o.answers
	s.coverage.Add(o.coverage)
	s.widen(o.first, o.last)
}

func (s *sums) widen(first, last time.Time) {
	if first.Before(s.first) {
		s.first = first
	}
	if last.After(s.last) {
		s.last = last
	}
}

const actionCount = int(protocols.ActionControl) + 1

// edge is one edge by address.
type edge struct {
	key key
	sums
	links
	client, server protocols.Endpoint // of the first conversation
	alters         uint64
	heard          bool  // somebody was there: an answer, or a request over a connection that stands
	did            *done // nil where no message was understood
}

// done is what was asked and answered over an edge.
type done struct {
	asked, told [actionCount]uint64 // requests and answers by action
	objects     map[touched]exchanges
	security    []Security // see [done.ways]
	beyond      uint64     // distinct objects that found no room, as far as they can be told apart
}

// reached reports whether anybody ever answered; a refusal is no answer.
func (e *edge) reached() bool { return e.heard || e.answers > 0 }

// touched is an object under an action.
type touched struct {
	action protocols.Action
	object protocols.Object
}

// deed counts an event. Requests count, and answers whose request went unseen: an exchange counts once. It tells how
// many objects found no room.
func (e *edge) deed(ev *protocols.Event, limit int) (dropped uint64) {
	e.heard = e.heard || ev.From == protocols.Server || ev.Conv.Transport == protocols.TransportTCP
	if tellsSecurity(ev) {
		if e.did == nil {
			e.did = new(done)
		}
		e.did.secured(ev.Security)
	}
	if int(ev.Action) >= actionCount || ev.Action == protocols.ActionNone {
		return 0
	}
	if e.did == nil {
		e.did = new(done)
	}
	n := e.did.count(ev)
	if ev.Action.Alters() {
		e.alters += n
	}
	if ev.Object == (protocols.Object{}) || e.did.touch(ev, limit) || n == 0 {
		return 0
	}
	e.did.beyond++
	return 1
}

// exchanges counts the requests and the answers about an object: an exchange shows as both, or as one of them.
type exchanges struct{ asked, told uint64 }

func (x exchanges) count() uint64 { return max(x.asked, x.told) }

func (x exchanges) plus(o exchanges) exchanges { return exchanges{x.asked + o.asked, x.told + o.told} }

// count tells how many exchanges an event stands for that were not counted yet.
func (d *done) count(ev *protocols.Event) uint64 {
	n, _, _ := ev.Span()
	if ev.From == protocols.Client {
		d.asked[ev.Action] += n
		return n
	}
	before := max(d.asked[ev.Action], d.told[ev.Action])
	d.told[ev.Action] += n
	return max(d.asked[ev.Action], d.told[ev.Action]) - before
}

// touch counts an object and tells whether it found room.
func (d *done) touch(ev *protocols.Event, limit int) bool {
	t, now := touched{ev.Action, ev.Object}, exchanges{}
	if n, _, _ := ev.Span(); ev.From == protocols.Client {
		now.asked = n
	} else {
		now.told = n
	}
	if d.objects == nil {
		d.objects = make(map[touched]exchanges)
	}
	if _, known := d.objects[t]; known || len(d.objects) < limit {
		d.objects[t] = d.objects[t].plus(now)
		return true
	}
	if !t.action.Alters() {
		return false
	}
	// An altered object takes the place of one that was only looked at.
	var victim *touched
	for o := range d.objects {
		if !o.action.Alters() && (victim == nil || o.compare(*victim) > 0) {
			victim = &o
		}
	}
	if victim != nil {
		delete(d.objects, *victim)
		d.objects[t] = now
	}
	return false
}

func (t touched) compare(o touched) int {
	return cmp.Or(-cmp.Compare(t.action, o.action), t.object.Compare(o.object))
}

// merge adds another edge by address to this one.
func (e *edge) merge(o *edge) {
	e.sums.add(&o.sums)
	e.alters += o.alters
	if o.did == nil {
		return
	}
	if e.did == nil {
		e.did = new(done)
	}
	for k := range o.did.asked {
		e.did.asked[k] += o.did.asked[k]
		e.did.told[k] += o.did.told[k]
	}
	e.did.beyond += o.did.beyond
	for _, w := range o.did.security {
		e.did.secured(protocols.Security{Mode: w.Mode, Policy: w.Policy, User: w.User})
	}
	if len(o.did.objects) > 0 && e.did.objects == nil {
		e.did.objects = make(map[touched]exchanges, len(o.did.objects))
	}
	for t, n := range o.did.objects {
		e.did.objects[t] = e.did.objects[t].plus(n)
	}
}

// resolved is what makes edges by address one edge.
type resolved struct {
	client, server string // device id, or address where there is none
	protocol       string
	transport      protocols.Transport
	port           uint16
}

// Edges gives all edges with the ids that devices have now, sorted by addresses, port and protocol.
func (g *Graph) Edges() []Edge {
	type one struct {
		resolved
		edge   *edge
		copied bool // and not the graph's own
	}
	var all []one
	merged := make(map[resolved]int) // places in all
	for _, k := range g.labelled() {
		e := k.edge
		r := resolved{
			client: g.name(e.client), server: g.name(e.server),
			protocol: k.label, transport: k.transport, port: k.port,
		}
		at, known := merged[r]
		if !known {
			merged[r] = len(all)
			all = append(all, one{resolved: r, edge: e})
			continue
		}
		m := &all[at]
		if !m.copied {
			sum := &edge{client: m.edge.client, server: m.edge.server, sums: sums{first: m.edge.first, last: m.edge.last}}
			sum.merge(m.edge)
			m.edge, m.copied = sum, true
		}
		m.edge.merge(e)
	}
	records := make([]Edge, 0, len(all))
	for _, m := range all {
		records = append(records, g.record(m.resolved, m.edge))
	}
	return records
}

// name gives the device id of an endpoint, or its address when it is no device.
func (g *Graph) name(e protocols.Endpoint) string {
	if id := g.ids(e); id != "" {
		return id
	}
	return e.Address().String()
}

type labelledEdge struct {
	key
	*edge
	conv uint64 // of a guess, so that guesses with the same key have an order
}

// labelled gives the edges by address in order, with conversations whose protocol never showed counted under the
// label of their port where that pair of hosts has one: a first packet says nothing yet.
func (g *Graph) labelled() []labelledEdge {
	type place struct {
		client, server protocols.Address
		transport      protocols.Transport
		port           uint16
	}
	all := make([]labelledEdge, 0, len(g.edges)+len(g.guesses))
	for k, e := range g.edges {
		all = append(all, labelledEdge{key: k, edge: e})
	}
	for id, held := range g.guesses {
		c := held.conv
		k := key{client: c.Client.Address(), server: c.Server.Address(), transport: c.Transport, port: c.Server.Port}
		all = append(all, labelledEdge{k, &edge{client: c.Client, server: c.Server, sums: held.sums}, id})
	}
	slices.SortFunc(all, func(a, b labelledEdge) int {
		return cmp.Or(a.key.compare(b.key), a.first.Compare(b.first), cmp.Compare(a.conv, b.conv))
	})
	best := make(map[place]labelledEdge)
	for _, l := range all {
		p := place{l.key.client, l.key.server, l.transport, l.port}
		if b, ok := best[p]; l.label != "" && (!ok || l.packets > b.packets) {
			best[p] = l
		}
	}
	for k := range all {
		if l := &all[k]; l.label == "" {
			if b, ok := best[place{l.key.client, l.key.server, l.transport, l.port}]; ok {
				l.label = b.label
			} else {
				l.label = l.transport.String()
			}
		}
	}
	return all
}

func (g *Graph) record(r resolved, e *edge) Edge {
	v := Edge{
		Client: g.ids(e.client), Server: g.ids(e.server),
		ClientIP: e.client.Address().String(), ServerIP: e.server.Address().String(),
		Protocol: r.protocol, Port: r.port, Actions: make(map[string]uint64), Objects: []Object{},
		Packets: e.packets, Bytes: e.bytes, FirstSeen: e.first, LastSeen: e.last, Baseline: g.baseline(e),
	}
	if e.did == nil {
		return v
	}
	v.Count, v.Security = uint64(len(e.did.objects))+e.did.beyond, e.did.ways()
	for a := range e.did.asked {
		if n := max(e.did.asked[a], e.did.told[a]); n > 0 {
			v.Actions[protocols.Action(a).String()] = n
		}
	}
	order := make([]touched, 0, len(e.did.objects))
	for t := range e.did.objects {
		order = append(order, t)
	}
	slices.SortFunc(order, touched.compare)
	for _, t := range order[:min(len(order), g.config.MaxObjects)] {
		v.Objects = append(v.Objects, Object{Action: t.action.String(), Object: t.object.String(), Count: e.did.objects[t].count()})
	}
	return v
}

func (g *Graph) baseline(e *edge) string {
	end := g.learnUntil()
	switch {
	case e.first.After(end):
		return BaselineNew
	case g.last.After(end):
		return BaselineKnown
	default:
		return BaselineLearning
	}
}

// alteringNames are the names of the actions that alter.
var alteringNames = func() (names []string) {
	for a := range protocols.Action(actionCount) {
		if a.Alters() {
			names = append(names, a.String())
		}
	}
	return names
}()
