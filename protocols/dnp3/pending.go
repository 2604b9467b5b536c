package dnp3

import (
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// maxPending is how many requests a conversation keeps: an outstation works on one at a time, and a line of them shares
// a conversation.
const maxPending = 16

// request is a request that a response may answer.
type request struct {
	frame              uint64
	outstation, master uint16
	sequence           uint8
	code               uint8
	action             protocols.Action
	object             protocols.Object
	answered           bool // a part of the response came
	excused            bool // its response may have been lost
}

// pending is the requests of a conversation, oldest first.
type pending struct {
	requests []request
	givenUp  uint64
}

func (p *pending) add(r request) {
	if len(p.requests) == maxPending {
		p.drop(0)
	}
	p.requests = append(p.requests, r)
}

// drop forgets a request and counts it if it was left without a response.
func (p *pending) drop(at int) {
	if r := &p.requests[at]; !r.answered && !r.excused {
		p.givenUp++
	}
	p.requests = slices.Delete(p.requests, at, at+1)
}

// answer finds the newest request with the sequence number of a response. Older ones to the same outstation will not be
// answered any more. A response with more to come is followed by the next number.
func (p *pending) answer(outstation, master uint16, sequence uint8, final bool) (request, bool) {
	for i := len(p.requests) - 1; i >= 0; i-- {
		r := &p.requests[i]
		if r.outstation != outstation || r.master != master || r.sequence != sequence {
			continue
		}
		r.answered = true
		found := *r
		if final {
			p.drop(i)
		} else {
			r.sequence = (sequence + 1) & sequenceMask
		}
		for k := i - 1; k >= 0; k-- {
			if p.requests[k].outstation == outstation && p.requests[k].master == master {
				p.drop(k)
			}
		}
		return found, true
	}
	return request{}, false
}

// gap tells that bytes were lost: the newest request may be among them, or a response to any.
func (p *pending) gap(fromMaster bool) {
	if fromMaster {
		p.requests = p.requests[:0]
	}
	for i := range p.requests {
		p.requests[i].excused = true
	}
}

// unanswered gives how many requests were given up since the last call.
func (p *pending) unanswered(ended bool) uint64 {
	for ended && len(p.requests) > 0 {
		p.drop(len(p.requests) - 1)
	}
	n := p.givenUp
	p.givenUp = 0
	return n
}
