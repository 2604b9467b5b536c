package bacnet

import "github.com/spanwatch/spanwatch/protocols"

const (
	// maxPending is how many unanswered requests a conversation keeps.
	maxPending = 64
	// maxDeeds is how many objects of a request are kept for an answer that names none.
	maxDeeds = 8
	// patience is how many later requests may be answered before one: devices work on several at a time.
	patience = 16
)

// key names a request: the numbers are those of the asker, for each station that it asks. It is comparable.
type key struct {
	asker    protocols.Side
	invoke   uint8
	from, to station
}

// deed is what a request was to do to one object.
type deed struct {
	object protocols.Object
	action protocols.Action
}

// request is a request that was seen earlier. It is valid until the next change of its table.
type request struct {
	key
	service uint8
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

// put remembers a request. One that is repeated replaces the first; another under its number means that it was never
// answered.
func (p *pending) put(k key, service uint8, frame uint64, events []protocols.Event) {
	i := p.find(k)
	switch {
	case i >= 0:
		if old := &p.requests[i]; old.service != service || len(old.deeds) > 0 && old.deeds[0].object != events[0].Object {
			p.given++
		}
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
		deeds = append(deeds, deed{events[n].Object, events[n].Action})
	}
	p.requests[i] = request{k, service, frame, p.clock, deeds}
}

// take finds and removes the request that a answers; nil when there is none. Those that the other side passed over long
// ago are given up.
func (p *pending) take(k key, a *apdu) *request {
	i := p.find(k)
	if i < 0 || a.pairs() && p.requests[i].service != a.service {
		return nil
	}
	age := p.requests[i].age
	r := p.remove(i)
	for n := p.used - 1; n >= 0 && age > patience; n-- {
		if o := &p.requests[n]; o.asker == k.asker && o.to == k.to && o.age < age-patience {
			p.remove(n)
			p.given++
		}
	}
	return r
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

func (p *pending) find(k key) int {
	for i := range p.requests[:p.used] {
		if p.requests[i].key == k {
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
