package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
)

const (
	maxPending = 128  // requests of a conversation that wait for their answer
	maxTargets = 2048 // objects that all of them together may name
	maxSpare   = 1024 // objects for which exchanges that nobody uses keep room
)

// target is one thing a request is about, and what the request does to it.
type target struct {
	object protocols.Object
	action protocols.Action
	number uint32 // by which the message knows it, where it is a monitored item
}

// exchange is what an answer must know of its request.
type exchange struct {
	id      uint32
	excused bool // its answer may have been lost on the way to the sensor, or is not owed
	frame   uint64
	service *service
	targets []target
	told    int     // targets of which events told: the first so many
	rest    uint32  // things that the request named beyond them
	user    string  // how a login identified
	detail  *Detail // of the request; nil when nobody asked

	subscription uint32 // that the request is about
}

// waiting is an open request. The id stands beside the pointer, so that a search reads one short array.
type waiting struct {
	id uint32
	x  *exchange
}

// pending holds the open requests of a conversation, oldest first. When it is full the oldest goes: its answer will
// be an answer without a request.
type pending struct {
	open    []waiting // lies in room
	room    []waiting
	targets int // that the open requests name
	idle    []*exchange
	spare   int // targets for which idle exchanges have room

	unanswered uint64 // requests given up since this was last asked
}

// begin gives an empty exchange to fill.
func (p *pending) begin() *exchange {
	n := len(p.idle)
	if n == 0 {
		return new(exchange)
	}
	x := p.idle[n-1]
	p.idle = p.idle[:n-1]
	p.spare -= cap(x.targets)
	return x
}

// put adds a request. A second one with the same id replaces the first.
func (p *pending) put(x *exchange) {
	if old := p.take(x.id); old != nil {
		p.giveUp(old)
	}
	for len(p.open) >= maxPending || len(p.open) > 0 && p.targets+len(x.targets) > maxTargets {
		p.giveUp(p.remove(0))
	}
	if len(p.open) == cap(p.open) {
		p.clear()
	}
	p.open = append(p.open, waiting{x.id, x})
	p.targets += len(x.targets)
}

// clear makes room behind the open requests: they move to the front, which those that were answered left empty. Of larger
// room they fill no more than half, so that this is seldom.
func (p *pending) clear() {
	if 2*len(p.open) >= len(p.room) {
		p.room = make([]waiting, max(16, 4*len(p.open)))
	}
	n := copy(p.room, p.open)
	clear(p.room[n:])
	p.open = p.room[:n]
}

// find gives the place of the open request with the given id, and -1 when there is none.
func (p *pending) find(id uint32) int {
	for i := range p.open {
		if p.open[i].id == id {
			return i
		}
	}
	return -1
}

// take removes the request with the given id and hands it over; nil when it is not open.
func (p *pending) take(id uint32) *exchange {
	if i := p.find(id); i >= 0 {
		return p.remove(i)
	}
	return nil
}

// remove takes the request at a place out. Mostly that is the oldest, or one of the oldest: what stands before it moves up.
func (p *pending) remove(i int) *exchange {
	x := p.open[i].x
	if i > 0 {
		copy(p.open[1:i+1], p.open[:i])
	}
	p.open[0] = waiting{}
	p.open = p.open[1:]
	p.targets -= len(x.targets)
	return x
}

// giveUp counts a request that will have no answer.
func (p *pending) giveUp(x *exchange) {
	if !x.excused {
		p.unanswered++
	}
	p.release(x)
}

// excuse lets the open requests be without an answer: it may be among the bytes that were lost.
func (p *pending) excuse() {
	for i := range p.open {
		p.open[i].x.excused = true
	}
}

// left gives how many requests were given up since the last call; at the end of a conversation with those still open.
func (p *pending) left(ended bool) uint64 {
	for ended && len(p.open) > 0 {
		p.giveUp(p.remove(len(p.open) - 1))
	}
	n := p.unanswered
	p.unanswered = 0
	return n
}

// release takes an exchange back that nobody reads any more.
func (p *pending) release(x *exchange) {
	if len(p.idle) >= maxPending || p.spare+cap(x.targets) > maxSpare {
		return
	}
	clear(x.targets)
	*x = exchange{targets: x.targets[:0]}
	p.idle = append(p.idle, x)
	p.spare += cap(x.targets)
}
