package s7

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// variable is one of several that an S7comm-plus message is about.
type variable struct {
	object  protocols.Object
	values  protocols.Values // borrowed: the message's bytes, or scalar
	refused bool
	scalar  scalar
}

// scalar holds a single number as events carry it, least significant byte first.
type scalar [8]byte

// plusForm is how the elements of a type stand on the wire.
type plusForm uint8

const (
	formUnknown  plusForm = iota // ends the reading
	formFixed                    // so many bytes, most significant first
	formUnsigned                 // a number of variable length
	formSigned                   // the same with a sign
	formText                     // length, UTF-8
	formBlob                     // root, length, bytes
	formStruct                   // see [skipStruct]
)

// plusType is one type of values: how it is written, its size in bytes, and what it is to events.
type plusType struct {
	form  plusForm
	size  uint8
	value protocols.ValueType
}

// plusTypes are the types of values by their code.
var plusTypes = [...]plusType{
	0x00: {formFixed, 0, protocols.ValueNone},    // nothing
	0x01: {formFixed, 1, protocols.ValueBool},    // BOOL
	0x02: {formFixed, 1, protocols.ValueUint},    // USINT
	0x03: {formFixed, 2, protocols.ValueUint},    // UINT
	0x04: {formUnsigned, 4, protocols.ValueUint}, // UDINT
	0x05: {formUnsigned, 8, protocols.ValueUint}, // ULINT
	0x06: {formFixed, 1, protocols.ValueInt},     // SINT
	0x07: {formFixed, 2, protocols.ValueInt},     // INT
	0x08: {formSigned, 4, protocols.ValueInt},    // DINT
	0x09: {formSigned, 8, protocols.ValueInt},    // LINT
	0x0a: {formFixed, 1, protocols.ValueUint},    // BYTE
	0x0b: {formFixed, 2, protocols.ValueUint},    // WORD
	0x0c: {formFixed, 4, protocols.ValueUint},    // DWORD
	0x0d: {formFixed, 8, protocols.ValueUint},    // LWORD
	0x0e: {formFixed, 4, protocols.ValueFloat},   // REAL
	0x0f: {formFixed, 8, protocols.ValueFloat},   // LREAL
	0x10: {formFixed, 8, protocols.ValueUint},    // time stamp, nanoseconds since 1970
	0x11: {formSigned, 8, protocols.ValueInt},    // time span, nanoseconds
	0x12: {formFixed, 4, protocols.ValueUint},    // identifier of an object
	0x13: {formUnsigned, 4, protocols.ValueUint}, // identifier of an attribute
	0x14: {formBlob, 0, protocols.ValueBytes},    // bytes
	0x15: {formText, 0, protocols.ValueText},     // WSTRING
	0x17: {formStruct, 0, protocols.ValueBytes},  // structure
}

// Types that are referred to elsewhere.
const (
	typeUDInt  = 0x04
	typeString = 0x15
)

// Flags of a value.
const (
	flagArray     = 0x10 // a count comes before the elements
	flagAddresses = 0x20 // the same, of a list of identifiers
	flagSparse    = 0x40 // each element comes after its number, up to a zero
	flagPlain     = 0x80 // set by S7-1500 and changes nothing
)

// maxDepth is how deep structures are followed.
const maxDepth = 16

// plusValue reads a value: flags, type, and what the flags say. A single number is put into into; of everything else
// the bytes on the wire are given.
func plusValue(r *wire.Cursor, into *scalar) (protocols.Values, bool) { return valueAt(r, into, 0) }

func valueAt(r *wire.Cursor, into *scalar, depth int) (protocols.Values, bool) {
	flags, kind := r.U8(), r.U8()
	if r.Failed() || int(kind) >= len(plusTypes) || plusTypes[kind].form == formUnknown || depth > maxDepth {
		return protocols.Values{}, false
	}
	t := &plusTypes[kind]
	begin := *r
	switch flags &^ flagPlain {
	case 0:
		return t.single(r, into, depth)
	case flagArray, flagAddresses:
		count, ok := vlq(r)
		if !ok || count > uint64(r.Len()) {
			return protocols.Values{}, false
		}
		begin = *r
		if t.form == formFixed && t.size == 0 {
			count = 0 // nothing, however often: an attacker's count is not worth a loop
		}
		for ; count > 0 && !r.Failed(); count-- {
			t.skip(r, depth)
		}
	case flagSparse:
		for {
			if key, ok := vlq(r); !ok || key == 0 {
				break
			}
			t.skip(r, depth)
		}
	default:
		return protocols.Values{}, false
	}
	if r.Failed() {
		return protocols.Values{}, false
	}
	return protocols.Values{Type: protocols.ValueBytes, Raw: begin.Bytes(r.Offset() - begin.Offset())}, true
}

// single reads one element.
func (t *plusType) single(r *wire.Cursor, into *scalar, depth int) (protocols.Values, bool) {
	begin := *r
	raw := []byte(nil)
	switch t.form {
	case formFixed, formUnsigned, formSigned:
		binary.LittleEndian.PutUint64(into[:], t.number(r))
		raw = into[:t.size]
	case formText, formBlob:
		raw = t.bytes(r)
	default:
		t.skip(r, depth)
		raw = begin.Bytes(r.Offset() - begin.Offset())
	}
	return protocols.Values{Type: t.value, Raw: raw}, !r.Failed()
}

// number reads an element that is a number.
func (t *plusType) number(r *wire.Cursor) uint64 {
	switch t.form {
	case formUnsigned:
		v, _ := vlq(r)
		return v
	case formSigned:
		return signedVLQ(r)
	}
	var v uint64
	for _, b := range r.Bytes(int(t.size)) {
		v = v<<8 | uint64(b)
	}
	return v
}

// bytes reads the content of a text, or of bytes. What a root other than zero means is not known.
func (t *plusType) bytes(r *wire.Cursor) []byte {
	if t.form == formBlob {
		if root, _ := vlq(r); root != 0 {
			r.Fail()
		}
	}
	n, _ := vlq(r)
	if n > uint64(r.Len()) {
		r.Fail()
	}
	return r.Bytes(int(n))
}

// skip passes over one element.
func (t *plusType) skip(r *wire.Cursor, depth int) {
	switch t.form {
	case formText, formBlob:
		t.bytes(r)
	case formStruct:
		skipStruct(r, depth+1)
	default:
		t.number(r)
	}
}

// Structures that the controller packs as its own memory has them: system types and those of the program.
const (
	packedFlagTwice = 0x400 // the count stands there twice
	packedSystem    = 0x02
	packedProgram   = 0x9
)

// skipStruct passes over a structure: its type, then members up to a zero, each with its identifier; or, where the type
// is one of those packed, a time stamp, flags, and bytes.
func skipStruct(r *wire.Cursor, depth int) {
	id := r.U32()
	if id>>24 == packedSystem || id>>28 == packedProgram {
		r.Skip(8)
		flags, _ := vlq(r)
		n, _ := vlq(r)
		if flags&packedFlagTwice != 0 {
			n, _ = vlq(r)
		}
		r.Skip(int(min(n, 1<<20)))
		return
	}
	var into scalar
	for {
		member, ok := vlq(r)
		if !ok || member == 0 {
			return
		}
		if _, ok := valueAt(r, &into, depth); !ok {
			r.Fail()
			return
		}
	}
}

// signedVLQ reads a signed number of variable length: the second bit of the first byte is the sign.
func signedVLQ(r *wire.Cursor) uint64 {
	b := r.U8()
	v := uint64(int64(int8(b<<1) >> 1))
	for i := 1; b&0x80 != 0 && !r.Failed(); i++ {
		b = r.U8()
		if i == 8 {
			return v<<8 | uint64(b)
		}
		v = v<<7 | uint64(b&0x7f)
	}
	return v
}

// readValues reads what belongs to the variables of the present message: their numbers from 1, each with a value, up
// to a zero. It reports whether the list was read to its end.
func (s *plus) readValues(r *wire.Cursor) bool {
	for {
		n, ok := vlq(r)
		if !ok || n == 0 {
			return ok
		}
		v := &s.spare
		if n <= uint64(len(s.vars)) {
			v = &s.vars[n-1]
		}
		if v.values, ok = plusValue(r, &v.scalar); !ok {
			v.values = protocols.Values{}
			return false
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
