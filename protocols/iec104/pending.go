package iec104

import (
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// maxPending is how many commands a conversation keeps: a station may send twelve frames without an acknowledgement.
const maxPending = 64

// everyStation is the common address of a broadcast.
const everyStation = 0xffff

// request is a command that may still be answered: confirmed, followed by data, and terminated.
type request struct {
	frame     uint64
	address   uint32
	common    uint16
	kind      uint8
	from      protocols.Side
	withdraws bool // a deactivation
	confirmed bool // an answer came
	excused   bool // its answer may have been lost
}

// pending is the commands of a conversation, oldest first.
type pending struct {
	requests []request
	givenUp  uint64
}

// add keeps a command. A newer one like it replaces an older one, which then was never answered.
func (p *pending) add(r request) {
	at := slices.IndexFunc(p.requests, func(o request) bool {
		return o.kind == r.kind && o.common == r.common && o.address == r.address && o.from == r.from && o.withdraws == r.withdraws
	})
	if at < 0 && len(p.requests) == maxPending {
		at = 0
	}
	if at >= 0 {
		p.drop(at)
	}
	p.requests = append(p.requests, r)
}

// drop forgets a command and counts it if it was left without an answer.
func (p *pending) drop(at int) {
	if r := &p.requests[at]; !r.confirmed && !r.excused {
		p.givenUp++
	}
	p.requests = slices.Delete(p.requests, at, at+1)
}

// find gives the newest command of the other side that an answer is for, or -1. A command to every station is answered
// by each.
func (p *pending) find(kind uint8, common uint16, address uint32, anyAddress bool, from protocols.Side) int {
	for i := len(p.requests) - 1; i >= 0; i-- {
		r := &p.requests[i]
		if r.kind == kind && r.from != from && (r.common == common || r.common == everyStation) && (anyAddress || r.address == address) {
			return i
		}
	}
	return -1
}

// gap tells that frames of a side were lost: what it asked before may be superseded, and what was asked of it answered.
func (p *pending) gap(from protocols.Side) {
	p.requests = slices.DeleteFunc(p.requests, func(r request) bool { return r.from == from })
	for i := range p.requests {
		p.requests[i].excused = true
	}
}

// unanswered gives how many commands were given up since the last call.
func (p *pending) unanswered(ended bool) uint64 {
	if ended {
		for len(p.requests) > 0 {
			p.drop(0)
		}
	}
	n := p.givenUp
	p.givenUp = 0
	return n
}
