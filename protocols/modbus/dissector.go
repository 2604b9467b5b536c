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
	m       message // kept here because it would not stay on a stack
}

// Gap implements [protocols.Dissector]. What the client asked meanwhile is unknown: an answer must not be given to
// the wrong request. What the server answered is unknown too: what was open may have been.
func (d *dissector) Gap(from protocols.Side) {
	if from == protocols.Client {
		d.pending.clear()
	} else {
		d.pending.excuse()
	}
}

// Unanswered implements [protocols.Asker].
func (d *dissector) Unanswered(ended bool) uint64 {
	n := d.pending.lost
	d.pending.lost = 0
	if ended {
		n += d.pending.clear()
	}
	return n
}

// Dissect implements [protocols.Dissector].
func (d *dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	if !d.rtu && !in.Detail && in.Missing == 0 {
		if dst, ok := d.poll(dst, &in); ok {
			return dst, nil
		}
	}
	return d.message(dst, &in)
}

// message reads any message by the tables.
func (d *dissector) message(dst []protocols.Event, in *protocols.Message) ([]protocols.Event, error) {
	m := &d.m
	*m = message{}
	if d.rtu {
		m.decodeRTU(in.Bytes, in.From)
	} else {
		m.decode(in.Bytes, in.From)
	}
	if in.Missing > 0 {
		m.has |= hasHole
	}
	about := d.pair(in.Frame)
	asked := about
	if !m.isAnswer() {
		asked = nil
	}

	// An event is large: each is made where it stays.
	dst = append(dst, protocols.Event{})
	e := &dst[len(dst)-1]
	e.From, e.Outcome, e.Message, e.Action = m.from, m.outcome(), m.meaning.name, m.meaning.action
	if asked != nil {
		e.Answers = asked.frame
	}
	m.setObject(&e.Object, about)
	e.Values = m.values(asked)
	if facts := m.function.facts; facts != nil {
		e.Facts = facts(m, asked)
	}
	if in.Detail {
		e.Detail = m.detail(d.transport(in.Transport), asked)
	}
	if in.Missing > 0 {
		m.fault = "" // it may be what is missing
	}
	reason := m.reason()
	e.Malformed = reason
	switch {
	case m.hasRecords():
		dst = m.fileEvents(dst)
	case m.code == 20 && !m.refused && asked != nil:
		dst = m.fileAnswers(dst, asked)
	case m.code == 23:
		dst = m.readEvent(dst, asked)
	}
	if reason != "" {
		return dst, fmt.Errorf("modbus: %w: %s", protocols.ErrMalformed, reason)
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

// pair keeps a request, and finds the request of an answer; nil where there is none. What it gives is valid until the
// next message.
func (d *dissector) pair(frame uint64) *request {
	m := &d.m
	switch {
	case m.has&hasCode == 0, m.refused && !m.isAnswer():
		return nil
	case !m.isAnswer():
		r := d.pending.add(m.common(), d.silent())
		m.keep(r, frame)
		return r
	}
	shape := m.shape()
	at := d.pending.find(m.common(), shape)
	if at < 0 {
		return nil
	}
	r := d.pending.take(at, d.rtu)
	if m.refused || m.code == umasCode {
		m.meaning = r.meaning
	}
	if !r.fits(shape) {
		m.fail("answer does not fit its request, transaction", int(m.transaction))
	}
	return r
}

// listenOnly is the diagnostic sub-function that nothing answers to (V1.1b3 §6.8.1).
const listenOnly = 4

// silent reports whether a request expects no answer. On a serial line unit 0 is all of them (Modbus over Serial Line
// V1.02 §2.1); with a header it is the device that has the address.
func (d *dissector) silent() bool {
	m := &d.m
	return d.rtu && m.unit == 0 || m.code == 8 && m.diagnostic == listenOnly
}

// keep notes of a request what its answer needs.
func (m *message) keep(r *request, frame uint64) {
	r.frame, r.meaning, r.has = frame, m.meaning, m.has
	r.first, r.count, r.name = m.address()
	r.part, r.echo = m.part(), m.echo()
	r.ref, r.qty, r.writeRef, r.writeQty = m.ref, m.qty, m.writeRef, m.writeQty
	r.records = m.appendRecords(r.records)
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
		return m.umasOutcome()
	case m.isAnswer():
		return protocols.OutcomeDone
	default:
		return protocols.OutcomeAsked
	}
}

// readEvent appends the reading half of function 23 to the event of the writing one.
func (m *message) readEvent(dst []protocols.Event, asked *request) []protocols.Event {
	dst = append(dst, dst[len(dst)-1])
	e := &dst[len(dst)-1]
	e.Action, e.Detail, e.Values = readHalf.action, nil, protocols.Values{}
	e.Object = protocols.Object{Area: readHalf.area, Unit: uint16(m.unit), HasUnit: true}
	switch {
	case asked != nil:
		e.Object.First, e.Object.Count = uint32(asked.ref), uint32(asked.qty)
		e.Values = m.carried
	case m.has&hasQty != 0:
		e.Object.First, e.Object.Count = uint32(m.ref), uint32(m.qty)
	}
	return dst
}

// setObject says what the message is about. An answer without an address of its own has its request's.
func (m *message) setObject(o *protocols.Object, about *request) {
	o.Unit, o.HasUnit = uint16(m.unit), m.has&hasUnit != 0
	if about != nil {
		o.Area, o.First, o.Count, o.Name = about.meaning.area, about.first, about.count, about.name
		return
	}
	o.Area = m.meaning.area
	o.First, o.Count, o.Name = m.address()
}

// address gives what is addressed within the area; a name where numbers do not suffice.
func (m *message) address() (first, count uint32, name string) {
	switch {
	case m.code == 23:
		if m.has&hasWriteQty != 0 {
			return uint32(m.writeRef), uint32(m.writeQty), ""
		}
	case m.has&(hasRef|hasQty) == hasRef|hasQty:
		return uint32(m.ref), uint32(m.qty), ""
	case m.has&hasRef != 0 && m.function.limit == 0, m.has&hasRef != 0 && m.code == 24:
		return uint32(m.ref), 1, ""
	case m.has&hasDiagnostic != 0:
		return uint32(m.diagnostic), 1, ""
	case m.has&(hasMEI|hasUMAS) != 0:
		return m.first, m.count, m.targetName()
	case m.hasRecords():
		if r, ok := m.firstRecord(); ok {
			return uint32(r.number), uint32(r.length), r.name()
		}
	}
	return 0, 0, ""
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
	case 23:
		if m.isAnswer() {
			return protocols.Values{}
		}
	case 7:
		return protocols.Values{}
	}
	return m.carried
}
