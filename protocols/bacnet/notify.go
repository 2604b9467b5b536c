package bacnet

import (
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// covNotification reads what changed (13.14): properties of one object.
func (m *message) covNotification(c *wire.Cursor) {
	number(c, 0) // the subscriber's process
	m.device(number(c, 1))
	o := object(number(c, 2))
	number(c, 3) // how long the subscription lasts
	inside := list(c, 4)
	for inside.Len() > 0 && !m.full() {
		it := item{ref: o.propertyUnder(&inside, 0)}
		m.content(&it, list(&inside, 2))
		optional(&inside, 3)
		m.add(&inside, it)
	}
	m.check(c, &inside)
}

// covMultiple reads what changed of several objects (13.17).
func (m *message) covMultiple(c *wire.Cursor) {
	number(c, 0)
	m.device(number(c, 1))
	number(c, 2)
	if opens(c, 3) {
		list(c, 3) // when
	}
	objects := list(c, 4)
	for objects.Len() > 0 && !m.full() {
		o := object(number(&objects, 0))
		inside := list(&objects, 1)
		for inside.Len() > 0 && !m.full() {
			it := item{ref: o.propertyUnder(&inside, 0)}
			m.content(&it, list(&inside, 2))
			if has(&inside, 3) {
				next(&inside) // when it changed
			}
			m.add(&inside, it)
		}
		m.check(&objects, &inside)
	}
	m.check(c, &objects)
}

// subscribe reads requests for notifications (13.14.1, 13.15.1).
func (m *message) subscribe(c *wire.Cursor) {
	number(c, 0)
	ref := object(number(c, 1))
	if has(c, 2) {
		next(c) // confirmed or not
	}
	optional(c, 3)
	if opens(c, 4) {
		inside := list(c, 4)
		ref = ref.propertyUnder(&inside, 0)
		m.check(c, &inside)
	}
	m.add(c, item{ref: ref})
}

// subscribeMultiple reads a request for notifications about several objects (13.16.1).
func (m *message) subscribeMultiple(c *wire.Cursor) {
	number(c, 0)
	for n := uint8(1); n <= 3; n++ {
		if has(c, n) {
			next(c) // confirmed or not, how long, how late at most
		}
	}
	objects := list(c, 4)
	for objects.Len() > 0 && !m.full() {
		o := object(number(&objects, 0))
		references := list(&objects, 1)
		for references.Len() > 0 && !m.full() {
			inside := list(&references, 0)
			m.add(&references, item{ref: o.propertyUnder(&inside, 0)})
			m.check(&references, &inside)
			for references.Len() > 0 && !opens(&references, 0) {
				next(&references) // by how much it must change, and whether the time is told
			}
		}
		m.check(&objects, &references)
	}
	m.check(c, &objects)
}

// eventStates are the states of an object that reports events (21, BACnetEventState).
var eventStates = []string{"normal", "fault", "offnormal", "high-limit", "low-limit", "life-safety-alarm"}

// eventNotification reads an alarm or event (13.8, 13.9): which object went from which state to which.
func (m *message) eventNotification(c *wire.Cursor) {
	number(c, 0)
	m.device(number(c, 1))
	ref := object(number(c, 2))
	list(c, 3)   // when
	number(c, 4) // notification class
	priority := number(c, 5)
	number(c, 6) // kind of event
	if has(c, 7) {
		next(c) // text
	}
	number(c, 8) // alarm, event or acknowledgement
	if has(c, 9) {
		next(c)
	}
	it := item{ref: ref}
	if from, ok := optional(c, 10); ok {
		to := number(c, 11)
		start := len(m.scratch)
		m.scratch = append(m.scratch, eventState(from)...)
		m.scratch = append(append(m.scratch, " to "...), eventState(to)...)
		m.scratch = strconv.AppendUint(append(m.scratch, ", priority "...), uint64(priority), 10)
		it.values = protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
	}
	m.add(c, it)
}

func eventState(n uint32) string {
	return named(at(eventStates, int(min(n, 1<<20))), "state-", uint64(n))
}

// acknowledgeAlarm reads which object's alarm somebody has seen (13.5).
func (m *message) acknowledgeAlarm(c *wire.Cursor) {
	number(c, 0)
	m.add(c, item{ref: object(number(c, 1))})
}

// alarmSummary reads the objects that are in alarm, or that report (13.10, 13.11).
func (m *message) alarmSummary(c *wire.Cursor) {
	for c.Len() > 0 && !m.full() {
		t := next(c)
		if !t.context && t.number == tagObject {
			m.add(c, item{ref: object(unsigned(c, t.content))})
		}
	}
}

// eventInformation reads the objects whose events nobody has seen (13.12).
func (m *message) eventInformation(c *wire.Cursor) {
	inside := list(c, 0)
	for inside.Len() > 0 && !m.full() {
		if has(&inside, 0) {
			m.add(&inside, item{ref: object(number(&inside, 0))})
			continue
		}
		if t := next(&inside); t.opening {
			for depth := 1; depth > 0 && inside.Len() > 0; {
				switch t := next(&inside); {
				case t.opening:
					depth++
				case t.closing:
					depth--
				}
			}
		}
	}
	m.check(c, &inside)
}

// operations are what is asked of a life safety object (21, BACnetLifeSafetyOperation).
var operations = []string{
	"none", "silence", "silence-audible", "silence-visual", "reset", "reset-alarm", "reset-fault", "unsilence",
	"unsilence-audible", "unsilence-visual",
}

// lifeSafety reads an operation on one object, or on all (13.13).
func (m *message) lifeSafety(c *wire.Cursor) {
	number(c, 0)
	primitive(c, 1) // who asks
	what := number(c, 2)
	start := len(m.scratch)
	m.scratch = append(m.scratch, named(at(operations, int(min(what, 1<<20))), "operation-", uint64(what))...)
	values := protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
	if id, ok := optional(c, 3); ok {
		m.add(c, item{ref: object(id), values: values})
		return
	}
	m.about(c, protocols.Object{Area: "life-safety"})
	m.values = values
}
