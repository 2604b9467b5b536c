package dnp3

import (
	"fmt"
	"math"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxHeld bounds what a side keeps of an object that is not complete.
const maxHeld = 8 << 10

const (
	sequenceMask   = 0x0f
	applicationUNS = 0x10
	applicationCON = 0x20
	applicationFIN = 0x40
	applicationFIR = 0x80
)

// fragment is the application fragment that a side is sending: what is known of it, and what is not read yet.
type fragment struct {
	active, final       bool
	headed              bool // the application header was read
	passed              bool // the rest cannot be read
	source, destination uint16
	next                uint8 // transport sequence
	control, code       uint8
	iin                 uint16
	asked               request
	answers             bool // asked is known
	told                bool // an object gave an event
	refused             bool
	object              protocols.Object // the first one
	action              protocols.Action // the strongest one
	header              header
	data                []byte
	read                int // of data
}

// reset forgets the fragment and keeps its memory.
func (f *fragment) reset() { *f = fragment{data: f.data[:0]} }

// compact moves what is not read to the beginning.
func (f *fragment) compact() {
	n := copy(f.data, f.data[f.read:])
	f.data, f.read = f.data[:n], 0
}

// begin starts a fragment; of the one before, kept octets are void.
func (f *fragment) begin(h *link, kept int) {
	data := slices.Delete(f.data, 0, kept)
	*f = fragment{active: true, source: h.source, destination: h.destination, data: data}
}

// header is an object header, and how much of what it announces was read.
type header struct {
	group, variation, qualifier uint8
	first                       uint32
	left, count                 uint32
	all                         bool // no range: whatever there is
	prefix                      uint8
	form                        form
	known                       bool
}

// reader reads the part of a fragment that a frame brought.
type reader struct {
	d      *dissector
	f      *fragment
	e      protocols.Event // what the events have in common
	m      protocols.Message
	link   link
	detail *Detail
	dst    []protocols.Event
	first  int
}

func (r *reader) read() []protocols.Event {
	f := r.f
	if !f.headed && !r.head() {
		if f.final {
			r.e.Malformed = fmt.Sprintf("application fragment of %d octets", len(f.data))
			f.reset()
		} else {
			r.e.Message = "Transport Segment"
		}
		return append(r.dst, r.e)
	}
	if r.detail != nil {
		r.detail.application(f)
		if f.header.left > 0 {
			r.detail.header(&f.header) // which a frame before began
		}
	}
	malformed := r.objects()
	switch {
	case malformed == "" && f.final && (f.header.left > 0 || f.read < len(f.data)) && !f.passed:
		malformed = fmt.Sprintf("fragment ends within an object of group %d variation %d", f.header.group, f.header.variation)
	case malformed == "" && len(f.data)-f.read > maxHeld:
		malformed = fmt.Sprintf("object of group %d has more than %d octets", f.header.group, maxHeld)
	}
	if malformed != "" {
		f.passed = true
	}
	if len(r.dst) == r.first {
		r.dst = append(r.dst, r.whole())
	}
	r.dst[len(r.dst)-1].Malformed = malformed
	if r.detail != nil {
		r.detail.RequestFrame = r.e.Answers
	}
	if f.final {
		r.ask()
	}
	if f.passed || f.final {
		f.read = len(f.data)
	}
	if f.final {
		f.active = false
	}
	return r.dst
}

// head reads the application header, and finds the request of a response.
func (r *reader) head() bool {
	f := r.f
	c := wire.New(f.data)
	control, code := c.U8(), c.U8()
	response := code >= funcResponse && code <= funcAuthAnswer
	var iin uint16
	if response {
		iin = c.LE16()
	}
	if c.Failed() {
		return false
	}
	f.headed, f.control, f.code, f.iin, f.read = true, control, code, iin, c.Offset()
	if response && code != funcUnsolicited {
		f.asked, f.answers = r.d.pending.answer(r.link.outstation(), r.link.master(), control&sequenceMask, control&applicationFIN != 0)
	}
	if response {
		f.refused = iin&iinRefused != 0
		if now := mode(iin); now != r.d.mode && (now >= modeFirstBad || r.d.mode >= modeFirstBad) {
			r.e.Facts = modes[now]
		}
		r.d.mode = mode(iin)
	}
	return true
}

// ask keeps a request until its response comes.
func (r *reader) ask() {
	f := r.f
	if f.code >= funcResponse || functions[f.code].silent || r.link.destination >= specialAddress && r.link.destination != selfAddress {
		return
	}
	r.d.pending.add(request{
		frame: r.m.Frame, outstation: r.link.outstation(), master: r.link.master(), sequence: f.control & sequenceMask, code: f.code,
		action: f.action, object: f.object,
	})
}

// common fills in what every event of the fragment has.
func (r *reader) common() {
	f, e := r.f, &r.e
	fn := &functions[f.code]
	e.Message, e.Action = fn.name, fn.action
	if e.Message == "" {
		e.Message = fmt.Sprintf("function %d", f.code)
	}
	switch {
	case f.code == funcConfirm:
		e.Outcome = protocols.OutcomeDone
	case f.code < funcResponse:
		e.Outcome = protocols.OutcomeAsked
	case f.refused:
		e.Outcome = protocols.OutcomeRefused
	default:
		e.Outcome = protocols.OutcomeDone
	}
	if f.answers {
		e.Answers = f.asked.frame
	}
	if f.code == funcUnsolicited {
		e.Action = protocols.ActionSubscribe
	}
}

// whole gives the event of a frame without objects. A response has its request's action and object.
func (r *reader) whole() protocols.Event {
	r.common()
	e := r.e
	switch {
	case r.f.header.left > 0:
		e.Object = r.ranged()
	case r.f.told:
		e.Object.Area = r.f.object.Area
	case r.f.answers:
		e.Object = r.f.asked.object
	}
	if r.f.answers && e.Action == protocols.ActionNone {
		e.Action = r.f.asked.action
	}
	if e.Action == protocols.ActionNone {
		e.Action = protocols.ActionConnect
	}
	r.f.action, r.f.object = max(r.f.action, e.Action), e.Object
	return e
}

// objects reads as many objects as are there, and says what is wrong with the next.
func (r *reader) objects() string {
	f := r.f
	r.common()
	for f.read < len(f.data) && !f.passed {
		c := wire.New(f.data[f.read:])
		if f.header.left == 0 {
			h, reason := readHeader(&c, f.code)
			if reason != "" {
				return reason
			}
			if c.Failed() {
				break
			}
			f.header = h
			f.read += c.Offset()
			r.announce()
			continue
		}
		n := r.object(&c)
		if n == 0 {
			break
		}
		f.read += n
	}
	if h := &f.header; h.left > 0 && !h.known && !f.passed {
		f.passed = true
		r.emit(r.ranged(), protocols.Values{}, r.e.Outcome)
	}
	return ""
}

// Range and prefix codes of a qualifier (IEEE 1815-2012, 4.2.2.7.3).
var (
	rangeOctets  = [16]int{0: 1, 1: 2, 2: 4, 3: 1, 4: 2, 5: 4, 7: 1, 8: 2, 9: 4, 11: 1}
	prefixOctets = [8]int{0, 1, 2, 4, 1, 2, 4, 0}
)

const (
	rangeAll    = 6
	rangeCounts = 7 // counts from here on
	prefixSize  = 4 // sizes from here on
)

// readHeader reads an object header. Whether objects follow depends on the function.
func readHeader(c *wire.Cursor, code uint8) (h header, reason string) {
	h.group, h.variation, h.qualifier = c.U8(), c.U8(), c.U8()
	if c.Failed() {
		return h, ""
	}
	kind := h.qualifier & 0x0f
	h.prefix = h.qualifier >> 4 & 7
	n := rangeOctets[kind]
	if n == 0 && kind != rangeAll || h.prefix == 7 {
		return h, fmt.Sprintf("qualifier %#02x of group %d", h.qualifier, h.group)
	}
	switch {
	case kind == rangeAll:
		h.all = true
	case kind >= rangeCounts:
		h.count = uintOf(c, n)
	default:
		first, last := uintOf(c, n), uintOf(c, n)
		if (last < first || last-first == math.MaxUint32) && !c.Failed() {
			return h, fmt.Sprintf("range from %d to %d of group %d", first, last, h.group)
		}
		h.first, h.count = first, last-first+1
	}
	h.form, h.known = formOf(h.group, h.variation)
	carries := functions[code].data || h.prefix >= prefixSize || code >= 11 && code <= 12 && h.group == groupTime
	switch {
	case carries && h.prefix >= prefixSize:
		h.form, h.known = ownSized, true
	case !carries:
		h.form, h.known = form{}, true
	}
	if !h.all && (carries && (h.form.size > 0 || h.form.own || !h.known) || h.prefix != 0) {
		h.left = h.count
	}
	return h, ""
}

// uintOf reads a little-endian number of 1, 2 or 4 octets.
func uintOf(c *wire.Cursor, n int) uint32 {
	switch n {
	case 1:
		return uint32(c.U8())
	case 2:
		return uint32(c.LE16())
	default:
		return c.LE32()
	}
}
