package snmp

import (
	"strconv"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The tags of BER that SNMP has (X.690, RFC 3417 §8).
const (
	tagInteger  = 0x02
	tagOctets   = 0x04
	tagOID      = 0x06
	tagSequence = 0x30
)

// element takes one element: its tag, and its content as a cursor of its own. Lengths have the definite form, of up to
// four bytes (RFC 3417 §8).
func element(c *wire.Cursor) (tag uint8, content wire.Cursor) {
	tag = c.U8()
	n := int(c.U8())
	if n >= 0x80 {
		count := n &^ 0x80
		if count == 0 || count > 4 {
			c.Fail()
		}
		n = 0
		for range min(count, 4) {
			n = n<<8 | int(c.U8())
		}
	}
	return tag, wire.New(c.Bytes(n))
}

// expect takes the element of a tag; c fails when it is another.
func expect(c *wire.Cursor, want uint8) wire.Cursor {
	tag, content := element(c)
	if tag != want {
		c.Fail()
	}
	return content
}

// integer takes an INTEGER of up to five bytes (the fifth for unsigned values).
func integer(c *wire.Cursor) int64 {
	content := expect(c, tagInteger)
	if content.Len() == 0 || content.Len() > 5 {
		c.Fail()
		return 0
	}
	v := int64(int8(content.U8()))
	for content.Len() > 0 {
		v = v<<8 | int64(content.U8())
	}
	return v
}

// oid is an object identifier as it stands on the wire (X.690 §8.19).
type oid []byte

const maxParts = 64 // RFC 2578 §3.5 has 128; names that matter here are short

// String gives the dotted form.
func (o oid) String() string {
	var text []byte
	for k, part := range o.parts() {
		if k > 0 {
			text = append(text, '.')
		}
		text = strconv.AppendUint(text, part, 10)
	}
	return string(text)
}

// parts gives the numbers.
func (o oid) parts() []uint64 {
	var list []uint64
	var v uint64
	for _, x := range o {
		v = v<<7 | uint64(x&0x7f)
		if x&0x80 != 0 {
			continue
		}
		if len(list) == 0 {
			first := min(v/40, 2)
			list = append(list, first)
			v -= 40 * first
		}
		if list = append(list, v); len(list) > maxParts {
			break
		}
		v = 0
	}
	return list
}
