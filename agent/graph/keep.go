package graph

import (
	"container/list"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// worth is how long an edge is kept when room runs out.
type worth uint8

const (
	worthUnanswered worth = iota
	worthAnswered
	worthUnderstood
	worthAltered
	worths
)

func (e *edge) worth() worth {
	switch {
	case e.alters > 0:
		return worthAltered
	case e.did != nil || e.coverage.Messages > 0:
		return worthUnderstood
	case e.reached():
		return worthAnswered
	default:
		return worthUnanswered
	}
}

// node is one address with the edges that begin and end there, as linked lists: a scan makes as many as it has targets.
type node struct {
	at      protocols.Endpoint // of the first conversation
	out, in *edge
}

// links are an edge's places in the lists of its nodes and in the queue of its worth.
type links struct {
	from, to         *node
	nextOut, prevOut *edge
	nextIn, prevIn   *edge
	queued           worth
	place            *list.Element
}

// edge gives the edge by address of a conversation and label, creating it. Whoever changes it calls [Graph.used].
func (g *Graph) edge(c *protocols.Conversation, label string, at time.Time) *edge {
	k := key{
		client: c.Client.Address(), server: c.Server.Address(), transport: c.Transport, port: c.Server.Port, label: label,
	}
	if e := g.edges[k]; e != nil {
		return e
	}
	if len(g.edges) >= g.config.MaxEdges {
		g.forgetWorst()
	}
	e := &edge{key: k, client: c.Client, server: c.Server, sums: sums{first: at, last: at}}
	g.edges[k] = e
	g.link(e)
	e.place = g.queues[worthUnanswered].PushBack(e)
	return e
}

// used notes that an edge was used and may have gained worth.
func (g *Graph) used(e *edge) {
	if w := e.worth(); w == e.queued {
		g.queues[w].MoveToBack(e.place)
	} else {
		g.queues[e.queued].Remove(e.place)
		e.queued, e.place = w, g.queues[w].PushBack(e)
	}
	if q := &g.queues[worthUnanswered]; q.Len() > g.config.MaxUnanswered {
		g.forget(q.Front().Value.(*edge))
	}
}

func (g *Graph) forgetWorst() {
	for w := range g.queues {
		if first := g.queues[w].Front(); first != nil {
			g.forget(first.Value.(*edge))
			return
		}
	}
}

func (g *Graph) forget(e *edge) {
	g.queues[e.queued].Remove(e.place)
	delete(g.edges, e.key)
	if e.did != nil {
		g.timed -= e.did.timed()
	}
	g.unlink(e)
	g.stats.EvictedEdges++
}

func (g *Graph) node(at protocols.Endpoint) *node {
	n := g.nodes[at.Address()]
	if n == nil {
		n = &node{at: at}
		g.nodes[at.Address()] = n
	}
	return n
}

// link makes an edge known at both its ends.
func (g *Graph) link(e *edge) {
	e.from, e.to = g.node(e.client), g.node(e.server)
	if e.nextOut = e.from.out; e.nextOut != nil {
		e.nextOut.prevOut = e
	}
	if e.nextIn = e.to.in; e.nextIn != nil {
		e.nextIn.prevIn = e
	}
	e.from.out, e.to.in = e, e
}

func (g *Graph) unlink(e *edge) {
	if e.prevOut != nil {
		e.prevOut.nextOut = e.nextOut
	} else {
		e.from.out = e.nextOut
	}
	if e.nextOut != nil {
		e.nextOut.prevOut = e.prevOut
	}
	if e.prevIn != nil {
		e.prevIn.nextIn = e.nextIn
	} else {
		e.to.in = e.nextIn
	}
	if e.nextIn != nil {
		e.nextIn.prevIn = e.prevIn
	}
	for _, n := range []*node{e.from, e.to} {
		if n.out == nil && n.in == nil {
			delete(g.nodes, n.at.Address())
		}
	}
}
