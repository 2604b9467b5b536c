package graph

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// sums is what adds up of a conversation whatever it says.
type sums struct {
	packets, bytes           traffic
	opened, refused, answers uint64
	coverage                 protocols.Coverage
	first, last              time.Time
}

// traffic counts by [protocols.Side].
type traffic [2]uint64

func (t *traffic) add(o traffic) { t[0], t[1] = t[0]+o[0], t[1]+o[1] }

func (t traffic) total() uint64 { return t[0] + t[1] }

func (s *sums) addFlow(f *protocols.Flow) {
	s.packets.add(f.Packets)
	s.bytes.add(f.Bytes)
	s.opened += f.Opened
	s.refused += f.Refused
	s.answers += f.Answered
	s.coverage.Add(f.Coverage)
	s.widen(f.First, f.Last)
}

func (s *sums) add(o *sums) {
	s.packets.add(o.packets)
	s.bytes.add(o.bytes)
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
	spot
	sums
	links
	heard  bool // somebody was there: an answer, or a request over a connection that stands
	alters uint64
	did    *done // nil where no message was understood
}

// reached reports whether anybody ever answered; a refusal is no answer.
func (e *edge) reached() bool { return e.heard || e.answers > 0 }

// deed counts an event. Requests count, and answers whose request went unseen: an exchange counts once. It tells how
// many objects found no room.
func (e *edge) deed(ev *protocols.Event, limit int) (dropped uint64) {
	e.heard = e.heard || ev.From == protocols.Server || ev.Conv.Transport == protocols.TransportTCP
	if tellsSecurity(ev) {
		if e.did == nil {
			e.did = new(done)
		}
		e.did.secured(Security{ev.Security.Mode, ev.Security.Policy, ev.Security.User})
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

// merge adds another edge by address to this one.
func (e *edge) merge(o *edge) {
	e.sums.add(&o.sums)
	e.alters += o.alters
	e.heard = e.heard || o.heard
	if o.did == nil {
		return
	}
	if e.did == nil {
		e.did = new(done)
	}
	e.did.merge(o.did)
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
	var all []placed[Edge]
	for p := g.Pass(); p.more(); {
		edges, _ := p.next(true, false)
		all = append(all, edges...)
	}
	return inOrder(all)
}

// name gives the device id of an endpoint, or its address when it is no device.
func (g *Graph) name(e protocols.Endpoint) string {
	if id := g.ids(e); id != "" {
		return id
	}
	return e.Address().String()
}

// merged gives the edges of one device as a client. Those given are all that are its, in order.
func (g *Graph) merged(from []labelledEdge) []placed[Edge] {
	type one struct {
		resolved
		spelt
		edge   *edge
		copied bool // and not the graph's own
	}
	var all []one
	at := make(map[resolved]int) // places in all
	for _, k := range from {
		e := k.edge
		r := resolved{client: g.name(e.from.at), server: g.name(e.to.at), protocol: k.spelt.label, transport: e.transport, port: e.port}
		n, known := at[r]
		if !known {
			at[r] = len(all)
			all = append(all, one{resolved: r, spelt: k.spelt, edge: e})
			continue
		}
		m := &all[n]
		if !m.copied {
			sum := &edge{spot: m.edge.spot, sums: sums{first: m.edge.first, last: m.edge.last}}
			sum.merge(m.edge)
			m.edge, m.copied = sum, true
		}
		m.edge.merge(e)
	}
	records := make([]placed[Edge], 0, len(all))
	for _, m := range all {
		records = append(records, placed[Edge]{m.spelt, g.record(m.resolved, m.edge)})
	}
	return records
}

// spelt is the place of an edge by address, as it is sorted by.
type spelt struct {
	client, server protocols.Address
	transport      protocols.Transport
	port           uint16
	label          string
}

func (s *spelt) compare(o *spelt) int {
	return cmp.Or(s.client.Compare(o.client), s.server.Compare(o.server), cmp.Compare(s.transport, o.transport),
		cmp.Compare(s.port, o.port), cmp.Compare(s.label, o.label))
}

// placed is a record with what it is sorted by.
type placed[R any] struct {
	at     spelt
	record R
}

func inOrder[R any](all []placed[R]) []R {
	slices.SortStableFunc(all, func(a, b placed[R]) int { return a.at.compare(&b.at) })
	records := make([]R, len(all))
	for k := range all {
		records[k] = all[k].record
	}
	return records
}

type labelledEdge struct {
	spelt
	*edge
	conv uint64 // of a guess, so that guesses at the same place have an order
}

// labelled gives the edges by address of some clients, and those that guesses would be, in order, with conversations whose
// protocol never showed counted under the label of their port where that pair of hosts has one: a first packet says
// nothing yet.
func (g *Graph) labelled(clients []*node, guesses []uint64) []labelledEdge {
	type place struct {
		client, server protocols.Address
		transport      protocols.Transport
		port           uint16
	}
	var all []labelledEdge
	add := func(e *edge, conv uint64) {
		at := spelt{e.from.at.Address(), e.to.at.Address(), e.transport, e.port, g.labels.text[e.spot.label]}
		all = append(all, labelledEdge{at, e, conv})
	}
	for _, n := range clients {
		for e := n.out; e != nil; e = e.nextOut {
			add(e, 0)
		}
	}
	for _, id := range guesses {
		if held := g.guesses[id]; held != nil {
			c := held.conv
			add(&edge{spot: spot{from: &node{at: c.Client}, to: &node{at: c.Server}, transport: c.Transport, port: c.Server.Port}, sums: held.sums}, id)
		}
	}
	slices.SortFunc(all, func(a, b labelledEdge) int {
		return cmp.Or(a.spelt.compare(&b.spelt), a.first.Compare(b.first), cmp.Compare(a.conv, b.conv))
	})
	best := make(map[place]*labelledEdge)
	for k := range all {
		l := &all[k]
		p := place{l.client, l.server, l.spelt.transport, l.spelt.port}
		if b := best[p]; l.spelt.label != "" && (b == nil || l.packets.total() > b.packets.total()) {
			best[p] = l
		}
	}
	for k := range all {
		if l := &all[k]; l.spelt.label == "" {
			l.spelt.label = l.spelt.transport.String()
			if b := best[place{l.client, l.server, l.spelt.transport, l.spelt.port}]; b != nil {
				l.spelt.label = b.spelt.label
			}
		}
	}
	return all
}

func (g *Graph) record(r resolved, e *edge) Edge {
	client, server := e.from.at, e.to.at
	v := Edge{
		ID: edgeID(r), Client: g.ids(client), Server: g.ids(server), ClientIP: client.Address().String(), ServerIP: server.Address().String(),
		Protocol: r.protocol, Port: r.port, Actions: make(map[string]uint64), Objects: []Object{}, Acts: []Act{},
		Packets: e.packets.total(), PacketsOut: e.packets[protocols.Client], PacketsIn: e.packets[protocols.Server],
		Bytes: e.bytes.total(), BytesOut: e.bytes[protocols.Client], BytesIn: e.bytes[protocols.Server],
		Answered: e.reached(), FirstSeen: e.first, LastSeen: e.last, Baseline: g.baseline(e.first),
	}
	if e.did != nil {
		g.recordDone(&v, e.did)
	}
	return v
}

// edgeID gives the id of an edge: the same for the same ends, protocol and port in every run.
func edgeID(r resolved) string {
	h := sha256.New()
	fmt.Fprintf(h, "spanwatch edge\x00%s\x00%s\x00%s\x00%d\x00%d", r.client, r.server, r.protocol, r.transport, r.port)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// baseline gives the state of what was first seen at a time.
func (g *Graph) baseline(first time.Time) string {
	end := g.learnUntil()
	switch {
	case first.After(end):
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
