package iec104

import (
	"fmt"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// dissector is the state of one conversation.
type dissector struct {
	pending pending
	asked   [2][functionKinds]uint64 // frames of the functions that a side asked for and that await their confirmation
	next    [2]sequence              // what the sides will number their next frames
	unit    asdu                     // kept here because it would not stay on a stack
}

// sequence is a sequence number of 15 bits, if one was seen.
type sequence struct {
	number uint16
	known  bool
}

var _ protocols.Asker = (*dissector)(nil)

const sequenceMask = 0x7fff

// asdu is one ASDU and the APDU it came in.
type asdu struct {
	send, receive uint16
	missing       uint16 // frames that should have come before this one
	repeated      bool   // the numbering says that this frame came before
	code          uint8
	kind          *kind
	count         int
	sequence      bool
	cause         uint8
	negative      bool
	test          bool
	originator    uint8
	common        uint16
	objects       []byte
}

// Gap implements [protocols.Dissector].
func (d *dissector) Gap(from protocols.Side) {
	d.pending.gap(from)
	d.asked = [2][functionKinds]uint64{}
	d.next[from].known = false
}

// Unanswered implements [protocols.Asker].
func (d *dissector) Unanswered(ended bool) uint64 {
	n := d.pending.unanswered(ended)
	for side := range d.asked {
		for i, frame := range d.asked[side] {
			if ended && frame != 0 {
				n++
				d.asked[side][i] = 0
			}
		}
	}
	return n
}

// Dissect implements [protocols.Dissector].
func (d *dissector) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	first := len(dst)
	dst = d.frame(dst, m)
	for i := first; i < len(dst); i++ {
		if reason := dst[i].Malformed; reason != "" {
			return dst, fmt.Errorf("iec104: %w: %s", protocols.ErrMalformed, reason)
		}
	}
	return dst, nil
}

// frame reads one APDU.
func (d *dissector) frame(dst []protocols.Event, m protocols.Message) []protocols.Event {
	b := m.Bytes
	e := protocols.Event{From: m.From, Action: protocols.ActionConnect}
	switch {
	case len(b) < headLen || b[0] != start || 2+int(b[1]) != len(b):
		e.Message, e.Malformed = "APDU", "frame of "+strconv.Itoa(len(b))+" bytes does not have the length that it says"
	case b[2]&1 == 0:
		return d.numbered(dst, e, m)
	case b[2]&3 == 1:
		e.Message = supervisory
		if m.Detail {
			e.Detail = &Detail{Format: "S", Receive: ref(receiveNumber(b))}
		}
		if len(b) != headLen || b[2] != 1 || b[3] != 0 || b[4]&1 != 0 {
			e.Malformed = "S format with more than a receive sequence number"
		}
	default:
		d.unnumbered(&e, m)
	}
	return append(dst, e)
}

func receiveNumber(b []byte) uint16 { return uint16(b[4])>>1 | uint16(b[5])<<7 }

// unnumbered reads an APDU that controls the connection.
func (d *dissector) unnumbered(e *protocols.Event, m protocols.Message) {
	b := m.Bytes
	f, known := functions[b[2]]
	e.Message, e.Outcome = f.name, f.outcome
	switch {
	case !known:
		e.Message = "U format"
		e.Malformed = fmt.Sprintf("control function %#02x", b[2])
	case len(b) != headLen || !zero(b, 3, headLen):
		e.Malformed = "U format with more than a control function"
	case f.asks:
		if d.asked[m.From][f.index] != 0 {
			d.pending.givenUp++
		}
		d.asked[m.From][f.index] = m.Frame
	default:
		e.Answers = d.asked[m.From.Other()][f.index]
		d.asked[m.From.Other()][f.index] = 0
	}
	if f.index == 1 && !f.asks && known {
		d.pending.requests = d.pending.requests[:0] // nothing follows a stop
	}
	if m.Detail {
		e.Detail = &Detail{Format: "U", Function: f.name, RequestFrame: e.Answers}
	}
}

// numbered reads an APDU with an ASDU, one event an information object.
func (d *dissector) numbered(dst []protocols.Event, e protocols.Event, m protocols.Message) []protocols.Event {
	a := &d.unit
	if !a.decode(m.Bytes) {
		e.Message, e.Malformed = "I format", "ASDU of "+strconv.Itoa(len(m.Bytes)-headLen)+" bytes"
		return append(dst, e)
	}
	a.missing, a.repeated = d.next[m.From].follow(a.send)
	e.Message, e.Action = a.kind.name, a.kind.action
	if e.Message == "" {
		e.Message = "type " + strconv.Itoa(int(a.code))
	}
	e.Outcome = a.outcome(m.From)
	e.Object = protocols.Object{Area: a.kind.area, Unit: a.common, HasUnit: true}
	if a.kind.class == monitor && e.Action == protocols.ActionSubscribe && a.cause >= causeRequest && a.cause != 11 && a.cause != 12 {
		e.Action = protocols.ActionRead
	}
	first := len(dst)
	if a.kind.element == nil || a.kind.element == &nothing && a.kind.variable {
		e.Answers = d.pair(m, 0)
		dst = append(dst, e)
	} else {
		dst = d.objects(dst, e, m)
	}
	if m.Detail {
		dst[first].Detail = a.detail(dst[first].Answers)
	}
	return dst
}

// follow compares a number with the one expected and expects the next. A number further on says how many frames are
// missing, one from before that the frame is repeated or was slipped in.
func (s *sequence) follow(number uint16) (missing uint16, repeated bool) {
	ahead := (number - s.number) & sequenceMask
	known := s.known
	s.number, s.known = (number+1)&sequenceMask, true
	switch {
	case !known || ahead == 0:
		return 0, false
	case ahead > sequenceMask/2:
		return 0, true
	default:
		return ahead, false
	}
}

// decode reads all but the information objects.
func (a *asdu) decode(b []byte) bool {
	c := wire.New(b)
	c.Skip(2)
	*a = asdu{send: c.LE16() >> 1, receive: c.LE16() >> 1, code: c.U8()}
	structure, cause := c.U8(), c.U8()
	a.originator, a.common = c.U8(), c.LE16()
	a.objects = c.Rest()
	a.kind = &types[a.code]
	a.count, a.sequence = int(structure&countMask), structure&sequenceBit != 0
	a.cause, a.negative, a.test = cause&causeMask, cause&negativeBit != 0, cause&testBit != 0
	return !c.Failed()
}

// outcome tells what became of what was asked. A request is asked by the controlling station; with the same cause
// the other one answers it with data.
func (a *asdu) outcome(from protocols.Side) protocols.Outcome {
	o := causes[a.cause].outcome
	switch {
	case o == protocols.OutcomeAsked && (a.kind.class == monitor || from == protocols.Server && a.cause == causeRequest):
		return protocols.OutcomeDone
	case a.kind.class == file && a.cause == causeFile && (from == protocols.Client || a.code == typeFileCall):
		return protocols.OutcomeAsked
	case a.negative && o == protocols.OutcomeDone:
		return protocols.OutcomeRefused
	default:
		return o
	}
}

// objects appends an event for each information object.
func (d *dissector) objects(dst []protocols.Event, e protocols.Event, m protocols.Message) []protocols.Event {
	a := &d.unit
	size := a.kind.size()
	c := wire.New(a.objects)
	address, got := uint32(0), 0
	for ; got < a.count; got++ {
		if got == 0 || !a.sequence {
			address = objectAddress(&c)
		} else {
			address++
		}
		b := c.Bytes(size)
		if c.Failed() || a.sequence && size == 0 && got > 0 {
			break
		}
		if a.kind.variable {
			c.Skip(c.Len())
		}
		dst = append(dst, d.object(e, m, address, b))
	}
	switch last := len(dst) - 1; {
	case got == 0:
		e.Malformed = fmt.Sprintf("%d information objects announced, none is there", a.count)
		dst = append(dst, e)
	case got < a.count:
		dst[last].Malformed = fmt.Sprintf("%d information objects announced, %d are there", a.count, got)
	case c.Len() > 0:
		dst[last].Malformed = fmt.Sprintf("%d bytes behind the information objects", c.Len())
	}
	return dst
}

// object gives the event of one information object; b is its element and time tag.
func (d *dissector) object(e protocols.Event, m protocols.Message, address uint32, b []byte) protocols.Event {
	a, el := &d.unit, d.unit.kind.element
	if !a.kind.station {
		e.Object.First, e.Object.Count = address, 1
	}
	if el.value != nil {
		e.Values = el.value(b)
	}
	if el.name != nil {
		e.Object.Name = el.name(b)
	}
	if el.action != nil {
		if action := el.action(b); action != protocols.ActionNone {
			e.Action = action
		}
	}
	if el.refuses != nil && el.refuses(b) {
		e.Outcome = protocols.OutcomeRefused
	}
	if el.order != nil && b[el.order.at]&selectBit != 0 {
		e.Message = a.kind.selects
	}
	e.Answers = d.pair(m, address)
	return e
}

// pair keeps a command until it is answered, and gives the frame of the command that this object answers.
func (d *dissector) pair(m protocols.Message, address uint32) uint64 {
	a := &d.unit
	switch {
	case a.asks(m.From):
		d.pending.add(request{
			frame: m.Frame, address: address, common: a.common, kind: a.code, from: m.From, withdraws: a.cause == causeDeactivation,
		})
		return 0
	case a.kind.class == security:
		return 0
	}
	asked, anyAddress := a.answered()
	at := -1
	if asked != 0 {
		at = d.pending.find(asked, a.common, address, anyAddress, m.From)
	}
	if at < 0 {
		return 0
	}
	r := &d.pending.requests[at]
	frame := r.frame
	r.confirmed = true
	if a.cause == causeActTermination || a.cause == causeDeactConfirm || a.negative || causes[a.cause].outcome == protocols.OutcomeRefused ||
		asked == typeRead {
		d.pending.drop(at)
	}
	return frame
}

// asks reports whether the ASDU wants an answer of its own.
func (a *asdu) asks(from protocols.Side) bool {
	switch {
	case a.kind.class == command:
		return causes[a.cause].asks && (a.cause != causeRequest || from == protocols.Client)
	case a.kind.class == file:
		return a.code == typeFileCall
	default:
		return false
	}
}

// answered gives the type of the command that the ASDU answers, 0 where it answers none, and whether the command's
// address is another.
func (a *asdu) answered() (code uint8, anyAddress bool) {
	switch {
	case a.kind.class == file && a.code != typeFileAck:
		return typeFileCall, a.code == typeDirectory
	case a.kind.class == command:
		return a.code, a.kind.station
	case a.kind.class != monitor:
		return 0, false
	case a.cause == causeRequest:
		return typeRead, false
	case a.cause >= causeInterrogated && a.cause <= causeGroup16:
		return typeInterrogation, true
	case a.cause >= causeCounters && a.cause <= causeCounterGroup4:
		return typeCounters, true
	default:
		return 0, false
	}
}

// objectAddress reads the address of an information object.
func objectAddress(c *wire.Cursor) uint32 {
	low := c.LE16()
	return uint32(low) | uint32(c.U8())<<16
}
