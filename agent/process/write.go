package process

import (
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	maxPending = 256
	// patience is how long a write waits for its answer, in packet time.
	patience = 10 * time.Second
)

// asking is a write whose answer was not seen yet.
type asking struct {
	conv   uint64
	device int32
	writer int32
	object protocols.Object
	layout layout
	values []uint64
	whole  []byte
	before []uint64
	known  []bool
	at     int64
}

// pending is the writes that wait for their answers, a ring.
type pending struct {
	list    [maxPending]asking
	first   int
	n       int // with those answered out of turn
	settled [maxPending]bool
}

func (q *pending) oldest() *asking { return &q.list[q.first] }

// drop takes out the oldest and those behind it that were answered.
func (q *pending) drop() {
	for {
		q.list[q.first], q.settled[q.first] = asking{}, false
		q.first = (q.first + 1) % maxPending
		if q.n--; q.n == 0 || !q.settled[q.first] {
			return
		}
	}
}

// asked notes a request to write. It changes no value until it is answered.
func (p *Process) asked(e *protocols.Event) {
	l := layoutOf(&e.Object, &e.Values)
	if l.n == 0 {
		return
	}
	if p.pending.n == maxPending {
		p.unanswered(p.pending.oldest())
	}
	q := &p.pending
	at := (q.first + q.n) % maxPending
	q.n++
	a := &q.list[at]
	*a = asking{
		conv: e.Conv.ID, device: p.device(&e.Conv.Server), writer: p.writer(&e.Conv.Client), object: e.Object, layout: l,
		values: make([]uint64, l.n), before: make([]uint64, l.n), known: make([]bool, l.n), at: e.Time.UnixNano(),
	}
	if l.size == 0 {
		a.whole = slices.Clone(e.Values.Raw[:min(len(e.Values.Raw), maxText)])
	}
	for k, i := range p.find(a.device, &e.Object, l, false, false) {
		a.values[k] = l.raw(e.Values.Raw, k)
		if i == 0 {
			continue
		}
		p.settlePolls(i)
		c := p.cells.at(i)
		a.before[k], a.known[k] = c.last, c.count > 0
		if !p.settled(c, a.at) && p.attempts(c, a, k) {
			p.remember(i, change{at: a.at, before: c.last, value: a.values[k], by: a.writer, how: byAsking, known: c.count > 0})
		}
	}
	p.devices[a.device].dirty = true
}

// attempts reports whether a request belongs into the history: one that says what the same writer wrote last says nothing
// new.
func (p *Process) attempts(c *cell, a *asking, k int) bool {
	if c.count == 0 || c.last != a.values[k] || c.deed == 0 {
		return true
	}
	return p.deeds.at(c.deed).by != a.writer
}

// answered takes the answer to a write. The values are those of the request, or those that the answer repeats.
func (p *Process) answered(e *protocols.Event, carries bool) {
	q := &p.pending
	for n := range q.n {
		at := (q.first + n) % maxPending
		a := &q.list[at]
		if q.settled[at] || a.conv != e.Conv.ID || a.object != e.Object || p.devices[a.device].at.Address() != e.Conv.Server.Address() {
			continue
		}
		if e.Outcome == protocols.OutcomeRefused {
			p.refuse(a)
		} else {
			p.wrote(a, e.Time.UnixNano(), byWrite)
		}
		if q.settled[at] = true; n == 0 {
			q.drop()
		}
		return
	}
	if !carries || e.Outcome == protocols.OutcomeRefused {
		return
	}
	l := layoutOf(&e.Object, &e.Values)
	a := asking{
		device: p.device(&e.Conv.Server), writer: p.writer(&e.Conv.Client), object: e.Object, layout: l,
		values: make([]uint64, l.n), before: make([]uint64, l.n), known: make([]bool, l.n), at: e.Time.UnixNano(),
	}
	if l.size == 0 {
		a.whole = e.Values.Raw[:min(len(e.Values.Raw), maxText)]
	}
	for k := range l.n {
		a.values[k] = l.raw(e.Values.Raw, k)
	}
	p.wrote(&a, a.at, byWrite)
}

// expire gives up waiting for answers.
func (p *Process) expire(now int64) {
	for p.pending.n > 0 && now-p.pending.oldest().at > int64(patience) {
		p.unanswered(p.pending.oldest())
	}
}

func (p *Process) unanswered(a *asking) {
	if !p.pending.settled[p.pending.first] {
		p.wrote(a, a.at, byAsking)
	}
	p.pending.drop()
}

// refuse marks what a write attempted.
func (p *Process) refuse(a *asking) {
	for _, i := range p.find(a.device, &a.object, a.layout, false, false) {
		if i == 0 {
			continue
		}
		if ch := p.attempt(p.cells.at(i), a.made); ch != nil {
			ch.how = byRefused
		}
	}
	p.devices[a.device].dirty = true
}

func (a *asking) made(ch *change) bool { return ch.at == a.at && ch.by == a.writer }

// wrote takes a write that was done, or that nobody answered: then the values are believed once the device tells them.
func (p *Process) wrote(a *asking, at int64, outcome how) {
	cells := p.find(a.device, &a.object, a.layout, true, true)
	for k, i := range cells {
		if i == 0 {
			continue
		}
		p.settlePolls(i)
		c := p.cells.at(i)
		if p.settled(c, a.at) {
			continue
		}
		made := p.attempt(c, a.made)
		switch {
		case made == nil && outcome == byAsking && c.count > 0:
			continue // a device has told the value since, or the history forgot it
		case made != nil:
			made.how = outcome
		case !a.known[k] || c.last != a.values[k]:
			p.remember(i, change{at: a.at, before: a.before[k], value: a.values[k], by: a.writer, how: outcome, known: a.known[k]})
			c = p.cells.at(i)
		}
		if outcome == byAsking {
			continue
		}
		p.deedOf(c, deed{at: a.at, before: a.before[k], after: a.values[k], by: a.writer, outcome: outcome, known: a.known[k]})
		if a.layout.size == 0 {
			p.keepText(i, a.values[k], a.whole)
		}
		if p.observe(i, a.values[k], &seen{n: 1, at: at, by: a.writer}) {
			p.spoilPolls(i)
		}
	}
	if outcome == byWrite {
		p.joinAll(cells, &seen{n: 1, at: at, by: a.writer})
	}
	p.devices[a.device].dirty = true
}
