package graph

import (
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

// queue is edges in the order of last use.
type queue struct {
	first, last *edge
	n           int
}

func (q *queue) push(e *edge) {
	e.older, e.younger = q.last, nil
	if q.last != nil {
		q.last.younger = e
	} else {
		q.first = e
	}
	q.last = e
	q.n++
}

func (q *queue) remove(e *edge) {
	if e.older != nil {
		e.older.younger = e.younger
	} else {
		q.first = e.younger
	}
	if e.younger != nil {
		e.younger.older = e.older
	} else {
		q.last = e.older
	}
	e.older, e.younger = nil, nil
	q.n--
}

// node is one address with the edges that begin and end there, as linked lists: a scan makes as many as it has targets.
type node struct {
	at      protocols.Endpoint // of the first conversation
	out, in *edge
}

// links are an edge's places in the lists of its nodes and in the queue of its worth.
type links struct {
	nextOut, prevOut *edge
	nextIn, prevIn   *edge
	older, younger   *edge
	queued           worth
}

// edge gives the edge by address of a conversation and label, creating it. Whoever changes it calls [Graph.used].
func (g *Graph) edge(c *protocols.Conversation, label string, at time.Time) *edge {
	s := spot{from: g.nodes[c.Client.Address()], to: g.nodes[c.Server.Address()], transport: c.Transport, port: c.Server.Port, label: g.labels.number(label)}
	if s.from != nil && s.to != nil {
		if e := g.edges[s]; e != nil {
			return e
		}
	}
	if len(g.edges) >= g.config.MaxEdges {
		g.forgetWorst()
	}
	s.from, s.to = g.node(c.Client), g.node(c.Server) // those found before may have been forgotten
	e := &edge{spot: s, sums: sums{first: at, last: at}}
	g.edges[s] = e
	e.link()
	g.queues[worthUnanswered].push(e)
	return e
}

// used notes that an edge was used and may have gained worth.
func (g *Graph) used(e *edge) {
	if q := &g.queues[e.queued]; q.last != e || e.worth() != e.queued {
		q.remove(e)
		e.queued = e.worth()
		g.queues[e.queued].push(e)
	}
	if q := &g.queues[worthUnanswered]; q.n > g.config.MaxUnanswered {
		g.forget(q.first)
	}
}

func (g *Graph) forgetWorst() {
	for w := range g.queues {
		if first := g.queues[w].first; first != nil {
			g.forget(first)
			return
		}
	}
}

func (g *Graph) forget(e *edge) {
	g.queues[e.queued].remove(e)
	delete(g.edges, e.spot)
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
func (e *edge) link() {
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
