package mms

import "github.com/spanwatch/spanwatch/protocols/wire"

// tag is the identifier of an element (X.690 §8.1.2): its first octet, and where the number does not fit there, the octet
// that has it.
type tag uint16

const (
	constructed = 0x20
	highNumber  = 0x1f
)

// number gives the number without class and form.
func (t tag) number() uint8 {
	if t > 0xff {
		return uint8(t) & 0x7f
	}
	return uint8(t) & highNumber
}

// first gives the first octet.
func (t tag) first() uint8 {
	if t > 0xff {
		return uint8(t >> 8)
	}
	return uint8(t)
}

// maxNesting is how deep elements without length may lie in each other.
const maxNesting = 16

// element takes one element: its tag and its content; c fails where there is none. A length may be indefinite.
func element(c *wire.Cursor) (tag, []byte) {
	t := identifier(c)
	n, definite := length(c)
	if definite {
		return t, c.Bytes(n)
	}
	if t.first()&constructed == 0 {
		c.Fail()
	}
	inside := *c
	start, depth := c.Offset(), 1
	for c.Len() > 0 {
		end := c.Offset()
		if c.Peek(0) == 0 && c.Peek(1) == 0 {
			c.Skip(2)
			if depth--; depth == 0 {
				return t, inside.Bytes(end - start)
			}
			continue
		}
		identifier(c)
		if n, definite := length(c); definite {
			c.Skip(n)
		} else if depth++; depth > maxNesting {
			c.Fail()
		}
	}
	c.Fail()
	return t, nil
}

func identifier(c *wire.Cursor) tag {
	t := tag(c.U8())
	if t&highNumber == highNumber {
		next := c.U8()
		if next&0x80 != 0 {
			c.Fail() // numbers beyond 127 are not in use
		}
		t = t<<8 | tag(next)
	}
	return t
}

// length takes a length (X.690 §8.1.3) of up to four octets; it is not definite where an end mark follows the content.
func length(c *wire.Cursor) (n int, definite bool) {
	n = int(c.U8())
	switch {
	case n < 0x80:
		return n, true
	case n == 0x80:
		return 0, false
	case n > 0x84:
		c.Fail()
		return 0, true
	}
	octets := n & 0x7f
	n = 0
	for range octets {
		n = n<<8 | int(c.U8())
	}
	return n, true
}

// find takes elements until one has the tag; nil when none has.
func find(b []byte, want tag) []byte {
	c := wire.New(b)
	for c.Len() > 0 {
		if t, content := element(&c); t == want && !c.Failed() {
			return content
		}
	}
	return nil
}

// integer reads an integer of up to four octets.
func integer(b []byte) (uint32, bool) {
	if len(b) == 0 || len(b) > 5 || len(b) == 5 && b[0] != 0 {
		return 0, false
	}
	var v uint32
	for _, x := range b {
		v = v<<8 | uint32(x)
	}
	return v, true
}
