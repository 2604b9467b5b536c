package modbus

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// Polls are reads of coils, inputs and registers: nearly all that is said in a plant. They are functions 1 to 4, of which a
// request has pollLength bytes with its header, and an answer its values behind pollHead.
const (
	lastPoll   = 4
	pollLength = 12
	pollHead   = 9
)

// pollFields are the fields that such a request has.
const pollFields = hasTransaction | hasUnit | hasCode | hasRef | hasQty

// poll reads such a request, or such an answer whose request is known, in one go where it is all that the specification
// wants. Of anything else it reports false and has changed nothing: the tables read that, and would read a poll to the same
// event.
func (d *dissector) poll(dst []protocols.Event, in *protocols.Message) ([]protocols.Event, bool) {
	b := in.Bytes
	if len(b) <= pollHead || b[7]-1 >= lastPoll || b[2]|b[3] != 0 || int(binary.BigEndian.Uint16(b[4:])) != len(b)-unitAt {
		return dst, false
	}
	key := uint32(binary.BigEndian.Uint16(b))<<16 | uint32(b[6])<<8 | uint32(b[7])
	if in.From == protocols.Client {
		return d.asks(dst, b, key, in.Frame)
	}
	return d.tells(dst, b, key)
}

// asks reads the request of a poll: reference and quantity.
func (d *dissector) asks(dst []protocols.Event, b []byte, key uint32, frame uint64) ([]protocols.Event, bool) {
	f := &functions[b[7]]
	if len(b) != pollLength {
		return dst, false
	}
	ref, qty := binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
	if qty == 0 || qty > f.limit {
		return dst, false
	}
	r := d.pending.add(key, false)
	r.frame, r.meaning, r.has = frame, &f.meaning, pollFields
	r.first, r.count, r.name = uint32(ref), uint32(qty), ""
	r.part, r.echo, r.ref, r.qty, r.writeRef, r.writeQty = 0, uint32(qty), ref, qty, 0, 0

	dst = append(dst, protocols.Event{})
	e := &dst[len(dst)-1]
	e.From, e.Outcome = protocols.Client, protocols.OutcomeAsked
	r.polled(e, b[6])
	return dst, true
}

// tells reads the answer to a poll: byte count and values.
func (d *dissector) tells(dst []protocols.Event, b []byte, key uint32) ([]protocols.Event, bool) {
	answer := shape{code: b[7], byteCount: uint16(b[8])}
	if int(answer.byteCount) != len(b)-pollHead {
		return dst, false
	}
	at := d.pending.find(key, answer)
	if at < 0 || !d.pending.requests[d.pending.open[at].slot].fits(answer) {
		return dst, false
	}
	r := d.pending.take(at, false)

	dst = append(dst, protocols.Event{})
	e := &dst[len(dst)-1]
	e.From, e.Outcome, e.Answers = protocols.Server, protocols.OutcomeDone, r.frame
	e.Values.Type, e.Values.Raw = protocols.ValueWords, b[pollHead:len(b):len(b)]
	if answer.code <= 2 {
		e.Values.Type = protocols.ValueBits
	}
	r.polled(e, b[6])
	return dst, true
}

// polled fills in what the request of a poll and its answer have in common.
func (r *request) polled(e *protocols.Event, unit uint8) {
	e.Message, e.Action = r.meaning.name, r.meaning.action
	o := &e.Object
	o.Area, o.First, o.Count = r.meaning.area, r.first, r.count
	o.Unit, o.HasUnit = uint16(unit), true
}
