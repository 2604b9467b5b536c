package graph

import (
	"cmp"
	"maps"
	"slices"
)

// Pass goes over a graph piece by piece, each piece being what one device asked of others, so that a large graph can be
// written down while it goes on changing: what a piece tells is what was known when it was asked for. What came up after
// the pass began may be missing.
type Pass struct {
	graph   *Graph
	clients map[string]*client
	order   []string
}

// client is the addresses of a device that asked for something, and the conversations in which it may have.
type client struct {
	nodes   []*node
	guesses []uint64
}

// Pass begins to go over the graph.
func (g *Graph) Pass() *Pass {
	p := &Pass{graph: g, clients: make(map[string]*client)}
	named := func(name string) *client {
		c := p.clients[name]
		if c == nil {
			c = new(client)
			p.clients[name] = c
		}
		return c
	}
	for _, n := range g.nodes {
		if n.out != nil {
			c := named(g.name(n.at))
			c.nodes = append(c.nodes, n)
		}
	}
	for id, held := range g.guesses {
		c := named(g.name(held.conv.Client))
		c.guesses = append(c.guesses, id)
	}
	p.order = slices.SortedFunc(maps.Keys(p.clients), func(a, b string) int { return cmp.Compare(b, a) })
	return p
}

func (p *Pass) more() bool { return len(p.order) > 0 }

// Next gives the next piece, which may be empty; false when there is none.
func (p *Pass) Next() (edges []Edge, covered []Coverage, more bool) {
	if !p.more() {
		return nil, nil, false
	}
	e, c := p.next(true, true)
	return inOrder(e), inOrder(c), true
}

func (p *Pass) next(wantEdges, wantCoverage bool) (edges []placed[Edge], coverage []placed[Coverage]) {
	last := len(p.order) - 1
	c := p.clients[p.order[last]]
	p.order = p.order[:last]
	all := p.graph.labelled(c.nodes, c.guesses)
	if wantEdges {
		edges = p.graph.merged(all)
	}
	if wantCoverage {
		coverage = covered(all)
	}
	return edges, coverage
}
