package bacnet

import "github.com/spanwatch/spanwatch/protocols/wire"

// Application tags (20.2.1.4).
const (
	tagNull = iota
	tagBoolean
	tagUnsigned
	tagSigned
	tagReal
	tagDouble
	tagOctets
	tagText
	tagBits
	tagEnumerated
	tagDate
	tagTime
	tagObject
)

// tag is one element of a service: its number, and its content where it has one.
type tag struct {
	number  uint8
	context bool // the number is the service's own; otherwise an application tag
	opening bool
	closing bool
	flag    uint8 // an application boolean's value
	content []byte
}

// next takes one element (20.2.1); c fails where there is none.
func next(c *wire.Cursor) (t tag) {
	head := c.U8()
	t.number, t.context = head>>4, head&8 != 0
	if t.number == 15 {
		t.number = c.U8()
	}
	n := int(head & 7)
	switch {
	case t.context && n == 6:
		t.opening = true
		return t
	case t.context && n == 7:
		t.closing = true
		return t
	case !t.context && t.number == tagBoolean:
		t.flag = uint8(n)
		return t
	case n == 5:
		n = length(c)
	case n > 5:
		c.Fail()
	}
	t.content = c.Bytes(n)
	return t
}

// length takes a length that does not fit the first octet (20.2.1.3.1).
func length(c *wire.Cursor) int {
	switch n := c.U8(); n {
	case 254:
		return int(c.U16())
	case 255:
		return int(c.U32())
	default:
		return int(n)
	}
}

// has reports that the next element is of the service's number n, and primitive.
func has(c *wire.Cursor, n uint8) bool {
	return c.Len() > 0 && c.Peek(0)>>3 == n<<1|1 && c.Peek(0)&7 < 6
}

// opens reports that the next element opens a list of number n.
func opens(c *wire.Cursor, n uint8) bool { return c.Len() > 0 && c.Peek(0) == n<<4|0x0e }

// primitive takes the element of number n; c fails when it is another.
func primitive(c *wire.Cursor, n uint8) []byte {
	if !has(c, n) {
		c.Fail()
		return nil
	}
	return next(c).content
}

// number takes the unsigned or enumerated element of number n.
func number(c *wire.Cursor, n uint8) uint32 { return unsigned(c, primitive(c, n)) }

// optional takes the unsigned element of number n if it is next.
func optional(c *wire.Cursor, n uint8) (uint32, bool) {
	if !has(c, n) {
		return 0, false
	}
	return number(c, n), true
}

// application takes an element of an application tag.
func application(c *wire.Cursor, want uint8) []byte {
	t := next(c)
	if t.context || t.number != want {
		c.Fail()
		return nil
	}
	return t.content
}

// unsigned reads a number of up to four octets; c fails when it is longer, or empty.
func unsigned(c *wire.Cursor, b []byte) uint32 {
	if len(b) == 0 || len(b) > 4 {
		c.Fail()
		return 0
	}
	var v uint32
	for _, x := range b {
		v = v<<8 | uint32(x)
	}
	return v
}

// maxDepth is how deep lists may lie in each other; the standard's lie four deep.
const maxDepth = 16

// list takes what stands between the opening and the closing element of number n, without them.
func list(c *wire.Cursor, n uint8) wire.Cursor {
	if !opens(c, n) {
		c.Fail()
		return wire.New(nil)
	}
	next(c)
	inside := *c
	start := c.Offset()
	for depth := 1; c.Len() > 0; {
		end := c.Offset()
		t := next(c)
		switch {
		case t.opening:
			if depth++; depth > maxDepth {
				c.Fail()
			}
		case t.closing:
			if depth--; depth == 0 {
				return wire.New(inside.Bytes(end - start))
			}
		}
	}
	c.Fail()
	return wire.New(nil)
}
