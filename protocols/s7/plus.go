package s7

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/handshake"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Kinds of S7comm-plus messages, as details show them.
const (
	kindPDU         = "pdu"
	kindKeepAlive   = "keepalive"
	kindSystemEvent = "system-event"
	kindTLS         = "tls"
)

// Versions that mark messages of another form.
const (
	plusSystemEvent = 0xfe
	plusKeepAlive   = 0xff
)

// plusDigestLen is the length of the digest before the content of version 3, itself preceded by this length.
const plusDigestLen = 32

// Operation codes.
const (
	opResponse2    = 0x02
	opRequest      = 0x31
	opResponse     = 0x32
	opNotification = 0x33
)

// PlusDetail is the detail of an S7comm-plus message.
type PlusDetail struct {
	Kind      string  `json:"kind"`
	Version   *uint8  `json:"version,omitempty"`
	Opcode    *uint8  `json:"opcode,omitempty"`
	Func      *uint16 `json:"func,omitempty"`
	Seq       *uint16 `json:"seq,omitempty"`
	SessionID *uint32 `json:"session_id,omitempty"`
	Encrypted bool    `json:"encrypted,omitempty"`

	ReturnCode *int16       `json:"return_code,omitempty"` // of an answer; negative for errors
	Objects    []PlusObject `json:"objects,omitempty"`     // that an answer to Explore tells of

	*handshake.Detail // of TLS
}

// maxPlusHead is how much of a message in several PDUs is kept: what comes after its head is not read.
const maxPlusHead = 8 << 10

// plusFragments joins the PDUs of one message: all but the last lack the trailer.
type plusFragments struct {
	head []byte
	open bool
	cut  bool // the capture did not keep what follows head
	torn bool // the beginning may be missing
}

func (f *plusFragments) reset() { *f = plusFragments{head: recycled(f.head)} }

func (f *plusFragments) add(b []byte, missing int) {
	if !f.cut {
		f.head = append(f.head, b[:min(len(b), maxPlusHead-len(f.head))]...)
	}
	f.open, f.cut = true, f.cut || missing > 0
}

// plus is the state of S7comm-plus in a conversation.
type plus struct {
	fragments [2]plusFragments
	asked     [maxPlusPending]plusRequest
	next      int
	silent    uint64          // requests given up without an answer, since they were asked for
	event     protocols.Event // the present message's first event, kept here because it would escape
	cursor    wire.Cursor     // position in the present message, for the same reason
	vars      []variable      // the present message's variables
	spare     variable        // room for the value of a message that has no variables
	read      plusQuery       // what the present message, or its request, asks
	seq       uint16          // of the present message
	subs      [maxSubscriptions]subscription
	nextSub   int
}

// maxPlusPending is how many requests of a conversation may await their answers; the oldest makes room.
const maxPlusPending = 32

// plusNoAnswer is the transport flag of a request that asks for no answer, such as the credit that a client gives to a
// subscription.
const plusNoAnswer = 0x40

// plusRequest is what an answer does not say itself.
type plusRequest struct {
	known  bool
	mute   bool // no answer is expected, or it may have been lost
	asker  protocols.Side
	fn     uint16
	seq    uint16
	action protocols.Action
	object protocols.Object
	vars   []protocols.Object // of a request about several variables
	read   plusQuery
}

// plusMessage dissects one S7comm-plus PDU. Behind lost bytes it may continue a message whose beginning was among them.
func (c *conversation) plusMessage(dst []protocols.Event, m protocols.Message, b []byte, lossy bool) ([]protocols.Event, error) {
	if c.plus == nil {
		c.plus = &plus{}
	}
	ev := &c.plus.event
	*ev = protocols.Event{From: m.From, Protocol: labelPlus, Action: protocols.ActionConnect}
	var d PlusDetail
	clear(c.plus.vars)
	c.plus.vars = c.plus.vars[:0]
	if len(b) < 4 {
		return dst, fmt.Errorf("s7: %w: S7comm-plus PDU of %d bytes", protocols.ErrMalformed, len(b))
	}
	d.Version = ptrIf(m.Detail, b[1])
	length := int(binary.BigEndian.Uint16(b[2:]))
	var err error
	switch {
	case b[1] == plusKeepAlive:
		d.Kind, ev.Message = kindKeepAlive, "Keep Alive"
	case b[1] == plusSystemEvent:
		d.Kind, ev.Message, ev.Action = kindSystemEvent, "System Event", protocols.ActionAlarm
	case length > len(b)+m.Missing-4:
		d.Kind, ev.Message, ev.Action = kindPDU, "S7comm-plus PDU", protocols.ActionNone
		err = fmt.Errorf("s7: %w: S7comm-plus PDU of %d bytes, %d are there", protocols.ErrMalformed, length, len(b)-4)
	default:
		content := b[4:min(4+length, len(b))]
		if b[1] >= 3 && length > plusDigestLen && len(content) > 0 && content[0] == plusDigestLen {
			content = content[min(1+plusDigestLen, len(content)):]
		}
		f := &c.plus.fragments[m.From]
		f.torn = f.torn || lossy && !f.open
		if len(b)+m.Missing == 4+length {
			f.add(content, m.Missing)
			ev.Message, ev.Continued = "S7comm-plus fragment", true
			return append(dst, *ev), nil
		}
		if f.open {
			f.add(content, m.Missing)
			content = f.head
		}
		d.Kind, ev.Cut = kindPDU, f.cut
		err = c.plusContent(ev, &d, m, b[1], content)
		torn := f.torn
		if f.reset(); err != nil && torn {
			return dst, nil // the end of a message whose beginning was lost
		}
		if ev.Cut || m.Missing > 0 {
			err = nil
		}
	}
	if m.Detail {
		detail := d
		ev.Detail = &detail
	}
	return c.plus.events(dst, len(b)), err
}

// ptrIf gives a pointer where a detail is wanted; without, nothing is allocated.
func ptrIf[T any](want bool, v T) *T {
	if !want {
		return nil
	}
	here := v // v itself must not be what escapes, or every call would allocate it
	return &here
}

// plusContent reads a message: operation, two reserved bytes, function, two reserved bytes, sequence number; requests
// continue with the session, and both with transport flags.
func (c *conversation) plusContent(ev *protocols.Event, d *PlusDetail, m protocols.Message, version uint8, b []byte) error {
	r := &c.plus.cursor
	*r = wire.New(b)
	op := r.U8()
	d.Opcode = ptrIf(m.Detail, op)
	if op == opNotification {
		c.notification(ev, version, r)
		if r.Failed() {
			return shortPlus(b)
		}
		return nil
	}
	r.Skip(2)
	fn := r.U16()
	r.Skip(2)
	seq := r.U16()
	ev.Message, ev.Action = plusFunction(fn)
	c.plus.seq, c.plus.read = seq, plusQuery{}
	switch op {
	case opRequest:
		session := r.U32()
		flags := r.U8()
		d.SessionID = ptrIf(m.Detail && !r.Failed(), session)
		ev.Outcome = protocols.OutcomeAsked
		if read := plusFunctions[fn].read; read != nil {
			read(c, ev, session, r)
		}
		c.plus.put(fn, seq, ev, flags&plusNoAnswer != 0)
	case opResponse, opResponse2:
		r.Skip(1)
		c.plus.answer(ev, fn, seq)
		c.plusAnswer(ev, d, m.Detail, fn, seq, r)
	default:
		return fmt.Errorf("s7: %w: S7comm-plus operation 0x%02x", protocols.ErrMalformed, op)
	}
	d.Func, d.Seq = ptrIf(m.Detail, fn), ptrIf(m.Detail, seq)
	if len(b) < 10 {
		return shortPlus(b)
	}
	return nil
}

// plusAnswer reads an answer: a value that says how it went, and what the function gives.
func (c *conversation) plusAnswer(ev *protocols.Event, d *PlusDetail, detail bool, fn, seq uint16, r *wire.Cursor) {
	code, ok := vlq(r)
	if !ok {
		return
	}
	d.ReturnCode = ptrIf(detail, int16(code))
	if ev.Outcome = plusOutcome(code); ev.Outcome == protocols.OutcomeRefused {
		return
	}
	s := c.plus
	switch {
	case len(s.vars) > 0:
		s.results(fn, r)
		if n := s.read.variable; n > 0 && int(n) <= len(s.vars) {
			ev.Facts = answerFacts(s.read.attribute, s.vars[n-1].values)
		}
	case fn == fnCreateObject && (ev.Action == protocols.ActionConnect || ev.Action == protocols.ActionNone):
		if ev.Facts = serverFacts(r.Rest()); ev.Facts != nil {
			ev.Action = protocols.ActionConnect // only a session is answered with what the controller is
		}
	case fn == fnCreateObject && ev.Action == protocols.ActionSubscribe:
		s.subscribedAs(seq, r)
	case fn == fnGetStreamed:
		r.Skip(1)
		if value, ok := plusValue(r, &s.spare.scalar); ok && ev.Action != protocols.ActionLogin {
			ev.Values, ev.Facts = value, answerFacts(s.read.attribute, value)
		}
	case fn == fnExplore && detail:
		d.Objects = listObjects(r.Rest())
	case s.read.state > 0:
		ev.Facts = plusModes[s.read.state]
	}
}

// plusModes are the operating states that can be asked for.
var plusModes = map[uint8][]protocols.Fact{1: modeStop, 3: modeRun}

// results reads what an answer says of each variable: after a read values and refusals, after a write refusals.
func (s *plus) results(fn uint16, r *wire.Cursor) {
	if fn == fnGetMulti && !s.readValues(r) {
		return
	}
	s.readRefusals(r)
}

func shortPlus(b []byte) error {
	return fmt.Errorf("s7: %w: S7comm-plus message of %d bytes", protocols.ErrMalformed, len(b))
}

// plusOutcome judges the value that an answer begins with: its lower 16 bits are an error code, negative for errors.
func plusOutcome(code uint64) protocols.Outcome {
	if int16(code) < 0 {
		return protocols.OutcomeRefused
	}
	return protocols.OutcomeDone
}

// vlq reads a number of variable length: seven bits a byte, most significant first, the top bit set on all but the
// last. The ninth byte of a 64-bit number carries eight bits.
func vlq(r *wire.Cursor) (uint64, bool) {
	var v uint64
	for range 8 {
		b := r.U8()
		v = v<<7 | uint64(b&0x7f)
		if b&0x80 == 0 {
			return v, !r.Failed()
		}
	}
	v = v<<8 | uint64(r.U8())
	return v, !r.Failed()
}

func (s *plus) put(fn, seq uint16, ev *protocols.Event, mute bool) {
	q := &s.asked[s.next]
	s.giveUp(q)
	*q = plusRequest{true, mute, ev.From, fn, seq, ev.Action, ev.Object, q.vars[:0], s.read}
	for i := range s.vars {
		q.vars = append(q.vars, s.vars[i].object)
	}
	s.next = (s.next + 1) % maxPlusPending
}

// giveUp forgets a request, and counts it if it should have been answered.
func (s *plus) giveUp(q *plusRequest) {
	if q.known && !q.mute {
		s.silent++
	}
	q.known = false
}

// excuse tells that answers to the asker may have been lost.
func (s *plus) excuse(asker protocols.Side) {
	for i := range s.asked {
		if q := &s.asked[i]; q.asker == asker {
			q.mute = true
		}
	}
}

// unanswered gives how many requests were given up since the last call; when the conversation ended, all are.
func (s *plus) unanswered(ended bool) uint64 {
	if ended {
		for i := range s.asked {
			s.giveUp(&s.asked[i])
		}
	}
	n := s.silent
	s.silent = 0
	return n
}

// answer gives an answer the object and the action of its request. Where the request was not seen, an answer does not
// tell whether something in the plant was altered, or the client's own session: then it is neither.
func (s *plus) answer(ev *protocols.Event, fn, seq uint16) {
	for i := range s.asked {
		if q := &s.asked[i]; q.known && q.seq == seq && q.fn == fn {
			ev.Action, ev.Object, s.read = q.action, q.object, q.read
			for _, o := range q.vars {
				s.vars = append(s.vars, variable{object: o})
			}
			q.known = false
			return
		}
	}
	if ev.Action.Alters() {
		ev.Action = protocols.ActionNone
	}
}
