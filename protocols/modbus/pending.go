package modbus

import (
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// maxPending is how many unanswered requests a conversation keeps. The Messaging guide lets a client have up to 16;
// a flood of requests drops the oldest.
const maxPending = 64

// request is what is kept of a request until its answer comes.
type request struct {
	frame              uint64
	transaction        uint16
	unit, code         uint8
	part               uint16 // diagnostic sub-function, MEI type or UMAS part
	has                field
	ref, qty           uint16
	writeRef, writeQty uint16
	echo               uint32 // what the answer repeats, beside the address
	meaning            *meaning
	object             protocols.Object
}

// pending is the unanswered requests of a conversation, oldest first.
type pending struct{ requests []request }

func (p *pending) add(r request) {
	if len(p.requests) == maxPending {
		p.requests = slices.Delete(p.requests, 0, 1)
	}
	p.requests = append(p.requests, r)
}

// take finds the request that an answer is for and removes it. The transaction, unit and function must be the same.
// Clients exist that give every request the same transaction: among several, those whose shape fits the answer come
// first, then the newest, because older ones were never answered; only requests of one frame were asked in one go
// and are answered in their order. What is older than the request taken will not be answered any more.
func (p *pending) take(m *message) (request, bool) {
	at := p.newest(m, true)
	if at < 0 {
		at = p.newest(m, false)
	}
	if at < 0 {
		return request{}, false
	}
	found := p.requests[at]
	p.requests = slices.Delete(p.requests, at, at+1)
	p.requests = slices.DeleteFunc(p.requests, func(r request) bool {
		return r.frame < found.frame && r.answeredBy(m)
	})
	return found, true
}

// newest gives the index of the newest request for an answer, or of the first one of the same frame.
func (p *pending) newest(m *message, fitting bool) int {
	at := -1
	for i := len(p.requests) - 1; i >= 0; i-- {
		r := &p.requests[i]
		if at >= 0 && r.frame != p.requests[at].frame {
			break
		}
		if r.answeredBy(m) && (!fitting || r.fits(m)) {
			at = i
		}
	}
	return at
}

// echo gives what the answer to a write repeats: values, quantity or masks (V1.1b3 §6.5, 6.6, 6.11, 6.12, 6.16).
func (m *message) echo() uint32 {
	switch {
	case m.has&(hasAnd|hasOr) != 0:
		return uint32(m.and)<<16 | uint32(m.or)
	case m.has&hasQty != 0:
		return uint32(m.qty)
	case len(m.words) == 2:
		return uint32(m.words[0])<<8 | uint32(m.words[1])
	case len(m.bits) == 1:
		return uint32(m.bits[0])
	default:
		return 0
	}
}

// answeredBy reports whether the answer names the request.
func (r *request) answeredBy(m *message) bool {
	return r.transaction == m.transaction && r.unit == m.unit && r.code == m.code
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
