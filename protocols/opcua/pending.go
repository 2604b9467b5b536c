package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
)

const (
	maxPending = 128  // requests of a conversation that wait for their answer
	maxTargets = 2048 // objects that all of them together may name
	maxSpares  = 4    // lists of targets kept for reuse
)

// target is one thing a request is about, and what the request does to it.
type target struct {
	object protocols.Object
	action protocols.Action
}

// exchange is what an answer must know of its request.
type exchange struct {
	id      uint32
	frame   uint64
	service *service
	targets []target
	rest    uint32 // things that the request named beyond its targets
	user    string // how a login identified
	nodes   []string
	methods []string
}

// pending holds the open requests of a conversation, oldest first. When it is full the oldest goes: its answer will
// be an answer without a request.
type pending struct {
	open    []exchange
	targets int
	spares  [][]target
}

// put adds a request. A second one with the same id replaces the first.
func (p *pending) put(x exchange) {
	if old, ok := p.take(x.id); ok {
		p.recycle(old.targets)
	}
	for len(p.open) >= maxPending || len(p.open) > 0 && p.targets+len(x.targets) > maxTargets {
		oldest, _ := p.take(p.open[0].id)
		p.recycle(oldest.targets)
	}
	p.open = append(p.open, x)
	p.targets += len(x.targets)
}

// take removes the request with the given id and hands it over.
func (p *pending) take(id uint32) (exchange, bool) {
	for i := range p.open {
		if p.open[i].id != id {
			continue
		}
		x := p.open[i]
		copy(p.open[i:], p.open[i+1:])
		p.open[len(p.open)-1] = exchange{}
		p.open = p.open[:len(p.open)-1]
		p.targets -= len(x.targets)
		return x, true
	}
	return exchange{}, false
}

// list gives an empty list of targets to fill.
func (p *pending) list() []target {
	if n := len(p.spares); n > 0 {
		spare := p.spares[n-1]
		p.spares = p.spares[:n-1]
		return spare
	}
	return nil
}

// recycle takes a list back that nobody reads any more.
func (p *pending) recycle(list []target) {
	if cap(list) > 0 && cap(list) <= maxTargets/2 && len(p.spares) < maxSpares {
		clear(list)
		p.spares = append(p.spares, list[:0])
	}
}
