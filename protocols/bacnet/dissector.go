package bacnet

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// dissector is the state of one conversation.
type dissector struct {
	m          message
	names      names
	pending    pending
	segments   segments
	asked      [2]asked // functions of BACnet/IP, by asker
	unanswered uint64
}

// Gap implements [protocols.Dissector]. What was asked meanwhile is unknown.
func (d *dissector) Gap(from protocols.Side) {
	d.segments.drop(from)
	d.pending.forget(from)
	d.asked[from] = asked{}
}

// Unanswered implements [protocols.Asker].
func (d *dissector) Unanswered(ended bool) uint64 {
	n := d.unanswered + d.pending.given
	d.unanswered, d.pending.given = 0, 0
	if ended {
		n += uint64(d.pending.used)
		d.pending.used = 0
		for i := range d.asked {
			if d.asked[i].open {
				n++
			}
			d.asked[i] = asked{}
		}
	}
	return n
}

// Dissect implements [protocols.Dissector].
func (d *dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	m := &d.m
	m.reset(in.From)
	if err := m.link.parse(in.Transport, in.Bytes); err != nil {
		return dst, err
	}
	m.fail(m.link.fault())
	if m.link.npdu == nil {
		return d.virtualLink(dst, in, &m.link), m.err
	}
	rest, err := m.net.parse(m.link.npdu)
	switch {
	case err != nil:
		return dst, err
	case m.net.isMessage():
		return d.networkMessage(dst, in, &m.link, &m.net, rest)
	}
	if err := m.apdu.parse(rest); err != nil {
		return dst, err
	}
	whole := true
	if m.apdu.segmented() {
		m.apdu.body, whole, err = d.segments.add(m)
		m.fail(err)
	}
	if !whole {
		return append(dst, protocols.Event{From: in.From, Continued: true, Message: m.apdu.title()}), nil
	}
	m.read()
	return d.events(dst, in), m.err
}

// title gives the name of the message.
func (a *apdu) title() string {
	if a.pairs() || a.kind == unconfirmedRequest {
		return named(a.row().name, "service-", uint64(a.service))
	}
	return kindNames[a.kind]
}

// events gives one event an object, never more than the message has bytes; an answer without objects of its own has
// those of its request.
func (d *dissector) events(dst []protocols.Event, in protocols.Message) []protocols.Event {
	m, a := &d.m, &d.m.apdu
	e := protocols.Event{From: in.From, Message: a.title(), Outcome: a.outcome(), Object: m.object, Values: m.values, Action: m.action()}
	unit, routed := m.unit()
	e.Object.Unit, e.Object.HasUnit = unit, routed
	start := len(dst)
	for i := range m.items[:min(len(m.items), len(in.Bytes))] {
		it := &m.items[i]
		x := e
		x.Object = d.names.object(it.ref)
		x.Object.Unit, x.Object.HasUnit = unit, routed
		x.Values = it.values
		if it.action != protocols.ActionNone {
			x.Action = it.action
		}
		if it.refused {
			x.Outcome = protocols.OutcomeRefused
		}
		dst = append(dst, x)
	}
	if len(dst) == start && a.kind == confirmedRequest {
		dst = append(dst, e)
	}
	request := d.pair(in.Frame, dst[start:])
	if len(dst) == start && request != nil {
		for _, deed := range request.deeds {
			e.Object, e.Action = deed.object, deed.action
			dst = append(dst, e)
		}
	}
	if len(dst) == start {
		dst = append(dst, e)
	}
	if request != nil {
		for i := range dst[start:] {
			dst[start+i].Answers = request.frame
		}
	}
	dst[start].Facts = m.facts
	if in.Detail {
		dst[start].Detail = m.detail(request)
	}
	return dst
}

// pair keeps a request, of which the events are given, and finds that of an answer; nil where there is none.
func (d *dissector) pair(frame uint64, events []protocols.Event) *request {
	m, a := &d.m, &d.m.apdu
	switch {
	case a.kind == confirmedRequest:
		d.pending.put(key{m.from, a.invoke, m.net.source, m.net.destination}, a.service, frame, events)
		return nil
	case a.isAnswer():
		return d.pending.take(key{m.from.Other(), a.invoke, m.net.destination, m.net.source}, a)
	case a.kind == abortPDU: // of the one that asked
		return d.pending.take(key{m.from, a.invoke, m.net.source, m.net.destination}, a)
	default:
		return nil
	}
}
