package s7

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// variable is one of several that an S7comm-plus message is about.
type variable struct {
	object  protocols.Object
	values  protocols.Values // borrowed
	refused bool
}

// plusSizes gives the size of a value by its type: bytes, or 0 for a number of variable length. Types that are not
// here end the reading: structures, texts and references.
var plusSizes = map[uint8]int{
	0x01: 1, // BOOL
	0x02: 1, // USINT
	0x03: 2, // UINT
	0x04: 0, // UDINT
	0x05: 0, // ULINT
	0x06: 1, // SINT
	0x07: 2, // INT
	0x08: 0, // DINT
	0x09: 0, // LINT
	0x0a: 1, // BYTE
	0x0b: 2, // WORD
	0x0c: 4, // DWORD
	0x0d: 8, // LWORD
	0x0e: 4, // REAL
	0x0f: 8, // LREAL
	0x10: 8, // timestamp
	0x11: 0, // timespan
}

// Flags of a value.
const (
	flagArray = 0x10 // a count comes before the elements
	flagPlain = 0x80 // set by S7-1500 and changes nothing
)

// plusValue reads a value: flags, type, count where it is an array, and elements as they stand on the wire.
func plusValue(r *wire.Cursor) (protocols.Values, bool) {
	flags, kind := r.U8(), r.U8()
	size, ok := plusSizes[kind]
	if r.Failed() || !ok || flags&^(flagArray|flagPlain) != 0 {
		return protocols.Values{}, false
	}
	count := uint64(1)
	if flags&flagArray != 0 {
		if count, ok = vlq(r); !ok || count > uint64(r.Len()) {
			return protocols.Values{}, false
		}
	}
	begin := *r
	if size > 0 {
		r.Skip(int(count) * size)
	} else {
		for range count {
			_, _ = vlq(r)
		}
	}
	if r.Failed() {
		return protocols.Values{}, false
	}
	return protocols.Values{Type: protocols.ValueBytes, Raw: begin.Bytes(r.Offset() - begin.Offset())}, true
}

// readValues reads what belongs to the variables of the present message: their numbers from 1, each with a value, up
// to a zero. It reports whether the list was read to its end.
func (s *plus) readValues(r *wire.Cursor) bool {
	for {
		n, ok := vlq(r)
		if !ok || n == 0 {
			return ok
		}
		v, ok := plusValue(r)
		if !ok {
			return false
		}
		if n <= uint64(len(s.vars)) {
			s.vars[n-1].values = v
		}
	}
}

// readRefusals reads which variables were refused: their numbers, each with an error, up to a zero.
func (s *plus) readRefusals(r *wire.Cursor) {
	for {
		n, ok := vlq(r)
		if !ok || n == 0 {
			return
		}
		_, _ = vlq(r)
		if n <= uint64(len(s.vars)) {
			s.vars[n-1].refused = true
		}
	}
}

// events gives an event for each variable of the message, or one; never more than the message has bytes.
func (s *plus) events(dst []protocols.Event, size int) []protocols.Event {
	if len(s.vars) == 0 {
		return append(dst, s.event)
	}
	for i := range s.vars[:min(len(s.vars), size)] {
		ev := s.event
		ev.Object, ev.Values = s.vars[i].object, s.vars[i].values
		if s.vars[i].refused {
			ev.Outcome = protocols.OutcomeRefused
		}
		if i > 0 {
			ev.Detail, ev.Facts = nil, nil
		}
		dst = append(dst, ev)
	}
	return dst
}
