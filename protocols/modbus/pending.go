package modbus

import (
	"encoding/binary"
	"math/bits"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	// maxPending is how many unanswered requests a conversation keeps. The Messaging guide lets a client have up to 16;
	// a flood of requests drops the oldest.
	maxPending = 64
	// maxOvertaken is how many later requests may be asked before one that was answered: who has not answered by then
	// never will. A conversation lasts for months; what it lost must not wait for its end to be told.
	maxOvertaken = 256
)

// request is what is kept of a request until its answer comes.
type request struct {
	frame              uint64
	meaning            *meaning
	name               string // of the object, where its address alone does not name it
	first, count       uint32 // the address of the object
	has                field
	echo               uint32 // what the answer repeats, beside the address
	number             uint32 // how many were asked before in the conversation
	part               uint16 // diagnostic sub-function, MEI type or UMAS part
	ref, qty           uint16
	writeRef, writeQty uint16
	records            []FileRecord // of functions 20 and 21, up to [maxRecords]; the memory is the slot's
}

// ticket stands for an unanswered request: what is looked at until the answer is found.
type ticket struct {
	key    uint32 // what an answer names: see [message.common]
	slot   uint8  // where the request is kept
	silent bool   // it is nobody's fault if no answer is seen
}

// pending is the unanswered requests of a conversation. Its zero value is empty; it grows with what is asked at once.
type pending struct {
	open     []ticket  // oldest first
	requests []request // in the slots that tickets name; those of used alone mean something
	used     uint64    // a bit a slot
	asked    uint32    // requests so far, modulo 2^32
	lost     uint64    // requests given up since they were last told
}

// add makes room for a request and gives the place to fill. It is the caller's until the next call.
func (p *pending) add(key uint32, silent bool) *request {
	if len(p.open) == maxPending {
		p.giveUp(p.open[0])
		p.open = append(p.open[:0], p.open[1:]...)
	}
	slot := bits.TrailingZeros64(^p.used)
	if slot == len(p.requests) {
		p.requests = append(p.requests, request{})
	}
	p.used |= 1 << slot
	p.open = append(p.open, ticket{key, uint8(slot), silent})
	r := &p.requests[slot]
	r.number, r.records = p.asked, r.records[:0]
	p.asked++
	return r
}

// find gives the place of the request that an answer is for; negative if there is none. The transaction, unit and
// function must be the same.
// Clients exist that give every request the same transaction: among several, those whose shape fits the answer come
// first, then the newest, because older ones were never answered; only requests of one frame were asked in one go
// and are answered in their order.
func (p *pending) find(key uint32, answer shape) int {
	at := p.next(key, 0)
	if at >= 0 && p.next(key, at+1) >= 0 {
		return p.newest(key, answer)
	}
	return at // nearly always the only one
}

// next gives the place of the oldest request with a key from a place on; negative if there is none.
func (p *pending) next(key uint32, from int) int {
	for i := from; i < len(p.open); i++ {
		if p.open[i].key == key {
			return i
		}
	}
	return -1
}

// take removes the request at a place. What it gives is valid until the next add.
// What is older than the request taken will not be answered any more, where it has the same key or where requests are
// served in turn, as on a serial line.
func (p *pending) take(at int, inTurn bool) *request {
	answered := p.open[at]
	found := &p.requests[answered.slot]
	p.used &^= 1 << answered.slot
	if len(p.open) == 1 {
		p.open = p.open[:0]
		return found
	}
	kept := 0
	for _, t := range p.open[:at] {
		r := &p.requests[t.slot]
		overtaken := r.frame < found.frame && (inTurn || t.key == answered.key)
		if overtaken || found.number-r.number > maxOvertaken {
			p.giveUp(t)
		} else {
			p.open[kept] = t
			kept++
		}
	}
	kept += copy(p.open[kept:], p.open[at+1:])
	p.open = p.open[:kept]
	return found
}

// newest gives, of several requests with the same key, the place of the one that an answer is for.
func (p *pending) newest(key uint32, answer shape) int {
	if at := p.newestOf(key, answer, true); at >= 0 {
		return at
	}
	return p.newestOf(key, answer, false)
}

// newestOf gives the place of the newest request for an answer, or of the first one of the same frame; negative if there
// is none.
func (p *pending) newestOf(key uint32, answer shape, fitting bool) int {
	at, frame := -1, uint64(0)
	for i := len(p.open) - 1; i >= 0; i-- {
		if p.open[i].key != key {
			continue
		}
		r := &p.requests[p.open[i].slot]
		if at >= 0 && r.frame != frame {
			break
		}
		if !fitting || r.fits(answer) {
			at, frame = i, r.frame
		}
	}
	return at
}

// giveUp frees the place of a request that will not be answered.
func (p *pending) giveUp(t ticket) {
	p.used &^= 1 << t.slot
	if !t.silent {
		p.lost++
	}
}

// clear forgets all requests and says how many of them ought to have been answered.
func (p *pending) clear() uint64 {
	before := p.lost
	for _, t := range p.open {
		p.giveUp(t)
	}
	n := p.lost - before
	p.open, p.lost = p.open[:0], before
	return n
}

// excuse notes that the answers to all requests may have been lost.
func (p *pending) excuse() {
	for i := range p.open {
		p.open[i].silent = true
	}
}

// common gives what an answer and its request have in common: transaction, unit and function.
func (m *message) common() uint32 {
	return uint32(m.transaction)<<16 | uint32(m.unit)<<8 | uint32(m.code)
}

// echo gives what the answer to a write repeats: values, quantity or masks (V1.1b3 §6.5, 6.6, 6.11, 6.12, 6.16).
func (m *message) echo() uint32 {
	switch {
	case m.has&(hasAnd|hasOr) != 0:
		return uint32(m.and)<<16 | uint32(m.or)
	case m.has&hasQty != 0:
		return uint32(m.qty)
	case m.carried.Type == protocols.ValueWords && len(m.carried.Raw) == 2:
		return uint32(binary.BigEndian.Uint16(m.carried.Raw))
	case m.carried.Type == protocols.ValueBits && len(m.carried.Raw) == 1:
		return uint32(m.carried.Raw[0])
	default:
		return 0
	}
}

// shape is what an answer shows of the request that it is for, beside what both have in common.
type shape struct {
	echo      uint32
	byteCount uint16
	ref       uint16
	part      uint16
	code      uint8
	refused   bool
}

// shape gives that of an answer.
func (m *message) shape() shape {
	s := shape{code: m.code, refused: m.refused, byteCount: m.byteCount, ref: m.ref}
	switch m.code {
	case 5, 6, 15, 16, 22:
		s.echo = m.echo()
	case 8:
		s.part = m.diagnostic
	case 43:
		s.part = uint16(m.mei)
	}
	return s
}

// fits reports whether the answer has the shape that the request asked for, as far as that is known.
func (r *request) fits(answer shape) bool {
	if answer.refused || r.has&hasHole != 0 {
		return true
	}
	switch answer.code {
	case 1, 2:
		return int(answer.byteCount) == (int(r.qty)+7)/8
	case 3, 4, 23:
		return int(answer.byteCount) == 2*int(r.qty)
	case 5, 6, 15, 16, 22:
		return answer.ref == r.ref && answer.echo == r.echo
	case 8, 43:
		return answer.part == r.part
	default:
		return true
	}
}
