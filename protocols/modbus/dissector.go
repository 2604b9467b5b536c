package modbus

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// acknowledge is the one exception that does not refuse: the server works on the request (V1.1b3 §7).
const acknowledge = 5

// dissector is the state of one conversation.
type dissector struct {
	rtu     bool // serial frames instead of MBAP headers
	pending pending
	m       message // kept here, and so is asked, because they would not stay on a stack
	asked   request
}

// Gap implements [protocols.Dissector]. What the client asked meanwhile is unknown: an answer must not be given to
// the wrong request.
func (d *dissector) Gap(from protocols.Side) {
	if from == protocols.Client {
		d.pending.requests = d.pending.requests[:0]
	}
}

// Dissect implements [protocols.Dissector].
func (d *dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	m := &d.m
	*m = message{meaning: &headerless}
	if d.rtu {
		m.decodeRTU(in.Bytes, in.From)
	} else {
		m.decode(in.Bytes, in.From)
	}

	var asked *request
	if m.has&hasCode != 0 {
		asked = d.pair(in.Frame)
	}
	e := protocols.Event{From: in.From, Outcome: m.outcome(), Malformed: m.reason()}
	e.Facts = m.facts(asked)
	if asked != nil {
		e.Answers = asked.frame
	}
	if in.Detail {
		e.Detail = m.detail(d.transport(in.Transport), asked)
	}
	dst = m.events(dst, e, asked)
	if m.fault != "" {
		return dst, fmt.Errorf("modbus: %w: %s", protocols.ErrMalformed, e.Malformed)
	}
	return dst, nil
}

// transport gives the name of what carries the messages.
func (d *dissector) transport(t protocols.Transport) string {
	if d.rtu {
		return "rtu-over-" + t.String()
	}
	return t.String()
}

// pair keeps a request, and finds the request of an answer; nil for requests and where there is none.
func (d *dissector) pair(frame uint64) *request {
	m := &d.m
	if !m.isAnswer() {
		if !m.refused {
			d.pending.add(m.request(frame))
		}
		return nil
	}
	r, ok := d.pending.take(m)
	if !ok {
		return nil
	}
	if m.refused || m.code == umasCode {
		m.meaning = r.meaning
	}
	if !r.fits(m) {
		m.fail("answer does not fit its request, transaction", int(m.transaction))
	}
	d.asked = r
	return &d.asked
}

// request gives what to keep of a request.
func (m *message) request(frame uint64) request {
	return request{
		frame: frame, transaction: m.transaction, unit: m.unit, code: m.code, part: m.part(), has: m.has,
		ref: m.ref, qty: m.qty, echo: m.echo(), writeRef: m.writeRef, writeQty: m.writeQty, meaning: m.meaning, object: m.target(nil),
	}
}

// part tells requests of one function apart.
func (m *message) part() uint16 {
	switch {
	case m.has&hasDiagnostic != 0:
		return m.diagnostic
	case m.has&hasMEI != 0:
		return uint16(m.mei)
	case m.has&hasUMAS != 0:
		return m.umasPart()
	default:
		return 0
	}
}

func (m *message) outcome() protocols.Outcome {
	switch {
	case m.has&hasCode == 0:
		return protocols.OutcomeUnknown
	case m.refused && m.exception == acknowledge:
		return protocols.OutcomeUnknown
	case m.refused:
		return protocols.OutcomeRefused
	case m.isAnswer() && m.has&hasUMAS != 0:
		return umasOutcomes[m.umas]
	case m.isAnswer():
		return protocols.OutcomeDone
	default:
		return protocols.OutcomeAsked
	}
}

func (m *message) facts(asked *request) []protocols.Fact {
	switch {
	case m.code == umasCode && !m.isAnswer():
		return m.umasFacts(m.umasPart())
	case m.code == umasCode && asked != nil:
		return m.umasFacts(asked.part)
	case m.code == 17, m.code == 43:
		return m.identityFacts()
	default:
		return nil
	}
}

// events appends the events of the message; e holds what they have in common.
func (m *message) events(dst []protocols.Event, e protocols.Event, asked *request) []protocols.Event {
	e.Message, e.Action = m.meaning.name, m.meaning.action
	if m.hasRecords() {
		if events := m.fileEvents(dst, e); len(events) > len(dst) {
			return events
		}
	}
	e.Object, e.Values = m.target(asked), m.values(asked)
	dst = append(dst, e)
	if m.code == 23 && m.has&hasCode != 0 {
		dst = append(dst, m.readEvent(e, asked))
	}
	return dst
}

// readEvent gives the reading half of function 23.
func (m *message) readEvent(e protocols.Event, asked *request) protocols.Event {
	e.Action, e.Detail, e.Values = readHalf.action, nil, protocols.Values{}
	e.Object = protocols.Object{Area: readHalf.area, Unit: uint16(m.unit), HasUnit: true}
	switch {
	case asked != nil:
		e.Object.First, e.Object.Count = uint32(asked.ref), uint32(asked.qty)
		if m.words != nil {
			e.Values = protocols.Values{Type: protocols.ValueWords, Raw: m.words}
		}
	case m.has&hasQty != 0:
		e.Object.First, e.Object.Count = uint32(m.ref), uint32(m.qty)
	}
	return e
}

// target gives what the message is about. An answer without an address of its own has its request's.
func (m *message) target(asked *request) protocols.Object {
	if asked != nil {
		return asked.object
	}
	o := protocols.Object{Area: m.meaning.area, Unit: uint16(m.unit), HasUnit: m.has&hasUnit != 0}
	switch {
	case m.code == 23 && m.has&hasWriteQty != 0:
		o.First, o.Count = uint32(m.writeRef), uint32(m.writeQty)
	case m.code == 23:
	case m.has&(hasRef|hasQty) == hasRef|hasQty:
		o.First, o.Count = uint32(m.ref), uint32(m.qty)
	case m.has&hasRef != 0 && m.function.limit == 0, m.has&hasRef != 0 && m.code == 24:
		o.First, o.Count = uint32(m.ref), 1
	case m.has&hasDiagnostic != 0:
		o.First, o.Count = uint32(m.diagnostic), 1
	case m.has&(hasMEI|hasUMAS) != 0:
		o.First, o.Count, o.Name = m.first, m.count, m.targetName()
	case m.hasRecords():
		if r, only := m.onlyRecord(); only {
			return r.object(m.unit)
		}
	}
	return o
}

// targetName names what has a number beside its address, or more than one.
func (m *message) targetName() string {
	switch {
	case m.has&hasUMAS != 0 && m.umas == 0x20 && m.count > 0:
		return fmt.Sprintf("block 0x%04X", m.umasBlock)
	case m.has&hasMEI != 0 && m.mei == meiCANopen && m.index != 0:
		return fmt.Sprintf("node %d %04X:%02X", m.node, m.index, m.subindex)
	default:
		return ""
	}
}

// values gives the process values that the message carries. Those of an answer whose request was not seen belong to
// no known address and are left out: they would pass for those of address 0.
func (m *message) values(asked *request) protocols.Values {
	switch m.code {
	case 1, 2, 3, 4, 24:
		if asked == nil {
			return protocols.Values{}
		}
	case 20:
		return m.recordValues(asked)
	case 23:
		if m.isAnswer() {
			return protocols.Values{}
		}
	case 7:
		return protocols.Values{}
	}
	switch {
	case m.bits != nil:
		return protocols.Values{Type: protocols.ValueBits, Raw: m.bits}
	case m.words != nil:
		return protocols.Values{Type: protocols.ValueWords, Raw: m.words}
	default:
		return protocols.Values{}
	}
}
