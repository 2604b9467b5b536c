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
	r.number = p.asked
	p.asked++
	return r
}

// take finds the request that an answer is for and removes it; nil if there is none. What it gives is valid until
// the next add. The transaction, unit and function must be the same.
// Clients exist that give every request the same transaction: among several, those whose shape fits the answer come
// first, then the newest, because older ones were never answered; only requests of one frame were asked in one go
// and are answered in their order. What is older than the request taken will not be answered any more, where it has
// the same key or where requests are served in turn, as on a serial line.
func (p *pending) take(m *message, inTurn bool) *request {
	key := m.common()
	if len(p.open) == 1 && p.open[0].key == key { // as nearly always
		only := p.open[0].slot
		p.open, p.used = p.open[:0], 0
		return &p.requests[only]
	}
	at := p.newest(key, m, true)
	if at < 0 {
		at = p.newest(key, m, false)
	}
	if at < 0 {
		return nil
	}
	slot := p.open[at].slot
	found := &p.requests[slot]
	kept := 0
	for _, t := range p.open[:at] {
		r := &p.requests[t.slot]
		overtaken := r.frame < found.frame && (inTurn || t.key == key)
		if overtaken || found.number-r.number > maxOvertaken {
			p.giveUp(t)
		} else {
			p.open[kept] = t
			kept++
		}
	}
	kept += copy(p.open[kept:], p.open[at+1:])
	p.open = p.open[:kept]
	p.used &^= 1 << slot
	return found
}

// newest gives the index of the newest request for an answer, or of the first one of the same frame; negative if there
// is none.
func (p *pending) newest(key uint32, m *message, fitting bool) int {
	at, frame := -1, uint64(0)
	for i := len(p.open) - 1; i >= 0; i-- {
		if p.open[i].key != key {
			continue
		}
		r := &p.requests[p.open[i].slot]
		if at >= 0 && r.frame != frame {
			break
		}
		if !fitting || r.fits(m) {
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

// fits reports whether the answer has the shape that the request asked for.
func (r *request) fits(m *message) bool {
	if m.refused {
		return true
	}
	switch m.code {
	case 1, 2:
		return int(m.byteCount) == (int(r.qty)+7)/8
	case 3, 4, 23:
		return int(m.byteCount) == 2*int(r.qty)
	case 5, 6, 15, 16, 22:
		return m.ref == r.ref && m.echo() == r.echo
	case 8:
		return m.diagnostic == r.part
	case 43:
		return uint16(m.mei) == r.part
	default:
		return true
	}
}
