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
	at     int64
}

func (p *Process) asking(e *protocols.Event, l layout) asking {
	a := asking{
		conv: e.Conv.ID, device: p.device(&e.Conv.Server), writer: p.writer(&e.Conv.Client), object: e.Object, layout: l,
		values: make([]uint64, l.n), at: e.Time.UnixNano(),
	}
	for k := range a.values {
		a.values[k] = l.raw(e.Values.Raw, k)
	}
	if l.size == 0 {
		a.whole = slices.Clone(e.Values.Raw[:min(len(e.Values.Raw), maxText)])
	}
	return a
}

// target is a variable that a write is about, and what is to stand there.
type target struct {
	cell  int32
	value uint64
}

// targets gives the variables of a write that there are, and the numbers that it writes whole.
func (p *Process) targets(cells []int32, values []uint64) []target {
	list := make([]target, 0, len(cells))
	for k, i := range cells {
		if i == 0 {
			continue
		}
		list = append(list, target{i, values[k]})
		if at := p.cells.at(i).pair; at > 0 {
			if pr := p.pairs.at(at); pr.cell != 0 && k+int(pr.width) <= len(values) {
				list = append(list, target{pr.cell, p.compose(pr, values[k:])})
			}
		}
	}
	return list
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
	a := &q.list[(q.first+q.n)%maxPending]
	q.n++
	*a = p.asking(e, l)
	for _, t := range p.targets(p.find(a.device, &e.Object, l, false, false), a.values) {
		p.settlePolls(t.cell)
		if c := p.cells.at(t.cell); !p.settled(c, a.at) && p.isNews(c, a.writer, t.value) {
			p.remember(t.cell, change{at: a.at, before: c.last, value: t.value, by: a.writer, how: byAsking, known: c.count > 0})
		}
	}
	p.devices[a.device].dirty = true
}

// isNews reports whether a write belongs into the history: one that says what the same writer wrote last says nothing new.
func (p *Process) isNews(c *cell, writer int32, value uint64) bool {
	return c.count == 0 || c.last != value || c.deed == 0 || p.deeds.at(c.deed).by != writer
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
	a := p.asking(e, layoutOf(&e.Object, &e.Values))
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
	for _, t := range p.targets(p.find(a.device, &a.object, a.layout, false, false), a.values) {
		if ch := p.attempt(p.cells.at(t.cell), a.made); ch != nil {
			ch.how = byRefused
		}
	}
	p.devices[a.device].dirty = true
}

func (a *asking) made(ch *change) bool { return ch.at == a.at && ch.by == a.writer }

// wrote takes a write that was done, or that nobody answered: then its values are believed once the device tells them.
func (p *Process) wrote(a *asking, at int64, outcome how) {
	for _, t := range p.targets(p.find(a.device, &a.object, a.layout, true, true), a.values) {
		p.settlePolls(t.cell)
		if c := p.cells.at(t.cell); !p.settled(c, a.at) {
			p.deed(a, t, outcome)
		}
		if outcome != byWrite {
			continue
		}
		if a.layout.size == 0 {
			p.keepText(t.cell, t.value, a.whole)
		}
		if p.observe(t.cell, t.value, &seen{n: 1, at: at, by: a.writer}) {
			p.spoilPolls(t.cell)
		}
	}
	p.devices[a.device].dirty = true
}

// deed notes a write of one variable, before the value is observed.
func (p *Process) deed(a *asking, t target, outcome how) {
	c := p.cells.at(t.cell)
	d := deed{at: a.at, before: c.last, after: t.value, by: a.writer, outcome: outcome, known: c.count > 0}
	switch made := p.attempt(c, a.made); {
	case made != nil:
		made.how = outcome
		d.before, d.known = made.before, made.known
	case outcome == byAsking && c.count > 0:
		return // the device has told the value since, or the history had no room
	case p.isNews(c, a.writer, t.value):
		p.remember(t.cell, change{at: a.at, before: d.before, value: t.value, by: a.writer, how: outcome, known: d.known})
	case c.deed != 0 && p.deeds.at(c.deed).at >= a.at:
		return // the device told the value before it answered
	}
	if outcome == byWrite {
		p.deedOf(p.cells.at(t.cell), d)
	}
}
