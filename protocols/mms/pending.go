package mms

import "github.com/spanwatch/spanwatch/protocols"

const (
	// maxPending is how many unanswered requests a conversation keeps: associations agree on some ten at most.
	maxPending = 32
	// maxDeeds is how many objects of a request are kept for its answer, which names none.
	maxDeeds = 32
)

// deed is what a request was to do to one object.
type deed struct {
	object protocols.Object
	action protocols.Action
	plate  protocols.FactKey
}

// request is a request that was seen earlier. It is valid until the next change of its table.
type request struct {
	asker   protocols.Side
	invoke  uint32
	service uint8
	listed  bool
	frame   uint64
	age     uint64
	deeds   []deed
}

// pending keeps unanswered requests. Requests [0:used) are live; the rest keep their memory for reuse. The zero value is
// ready.
type pending struct {
	requests []request
	used     int
	clock    uint64
	given    uint64 // requests that were given up
}

// put remembers a request, of which the events are given. Another under its number means that it was never answered.
func (p *pending) put(m *message, frame uint64, events []protocols.Event) {
	i := p.find(m.from, m.invoke)
	switch {
	case i >= 0:
		p.given++
	case p.used < maxPending:
		if p.used == len(p.requests) {
			p.requests = append(p.requests, request{})
		}
		i = p.used
		p.used++
	default:
		i = p.oldest()
		p.given++
	}
	p.clock++
	deeds := p.requests[i].deeds[:0]
	for n := range events[:min(len(events), maxDeeds)] {
		d := deed{object: events[n].Object, action: events[n].Action}
		if n < len(m.items) {
			d.plate = m.items[n].plate
		}
		deeds = append(deeds, d)
	}
	p.requests[i] = request{m.from, m.invoke, m.service, m.listed, frame, p.clock, deeds}
}

// take finds and removes the request that m answers; nil when there is none.
func (p *pending) take(m *message) *request {
	i := p.find(m.from.Other(), m.invoke)
	if i < 0 || m.named && p.requests[i].service != m.service {
		return nil
	}
	return p.remove(i)
}

// remove puts a request behind the live ones, where the next that is put will take its place.
func (p *pending) remove(i int) *request {
	p.used--
	p.requests[i], p.requests[p.used] = p.requests[p.used], p.requests[i]
	return &p.requests[p.used]
}

// forget drops what a side asked.
func (p *pending) forget(asker protocols.Side) {
	for i := p.used - 1; i >= 0; i-- {
		if p.requests[i].asker == asker {
			p.remove(i)
		}
	}
}

func (p *pending) find(asker protocols.Side, invoke uint32) int {
	for i := range p.requests[:p.used] {
		if r := &p.requests[i]; r.invoke == invoke && r.asker == asker {
			return i
		}
	}
	return -1
}

func (p *pending) oldest() int {
	oldest := 0
	for i := range p.requests[:p.used] {
		if p.requests[i].age < p.requests[oldest].age {
			oldest = i
		}
	}
	return oldest
}
