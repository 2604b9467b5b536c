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
	key key
	sums
	links
	client, server protocols.Endpoint // of the first conversation
	alters         uint64
	heard          bool  // somebody was there: an answer, or a request over a connection that stands
	did            *done // nil where no message was understood
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
		if b, ok := best[p]; l.label != "" && (!ok || l.packets.total() > b.packets.total()) {
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
		ID: edgeID(r), Client: g.ids(e.client), Server: g.ids(e.server),
		ClientIP: e.client.Address().String(), ServerIP: e.server.Address().String(),
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
