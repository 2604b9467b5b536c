// Package wire reads bytes that an attacker may have written.
//
// A [Cursor] walks a slice and never leaves it: the first read past the end makes it fail, every later read returns
// zero, and the caller asks once at the end. A length from the wire may slice what is there; it never allocates.
// A Cursor is used by one goroutine; what it returns borrows the slice.
package wire

import "encoding/binary"

// Cursor is a position in a byte slice with a sticky failure. The zero value is an empty, unfailed cursor.
type Cursor struct {
	b      []byte
	off    int
	failed bool
}

// New starts a cursor at the first byte of b.
func New(b []byte) Cursor { return Cursor{b: b} }

// Failed reports whether a read went past the end, or Fail was called.
func (c *Cursor) Failed() bool { return c.failed }

// Fail makes the cursor fail, for a value that cannot be true.
func (c *Cursor) Fail() { c.failed = true }

// Offset gives the number of bytes read so far.
func (c *Cursor) Offset() int { return c.off }

// Len gives the number of bytes left; 0 once failed.
func (c *Cursor) Len() int {
	if c.failed {
		return 0
	}
	return len(c.b) - c.off
}

// Bytes takes the next n bytes. They alias the underlying slice, with their capacity cut to n.
func (c *Cursor) Bytes(n int) []byte {
	if c.failed || n < 0 || n > len(c.b)-c.off {
		c.failed = true
		return nil
	}
	b := c.b[c.off : c.off+n : c.off+n]
	c.off += n
	return b
}

// Ahead gives the bytes that are left without taking them; none once failed.
func (c *Cursor) Ahead() []byte {
	if c.failed {
		return nil
	}
	return c.b[c.off:]
}

// Rest takes all bytes that are left.
func (c *Cursor) Rest() []byte { return c.Bytes(c.Len()) }

// Skip passes over n bytes.
func (c *Cursor) Skip(n int) { c.Bytes(n) }

// Peek gives the byte at distance n from the position without moving, and 0 past the end.
func (c *Cursor) Peek(n int) byte {
	if c.failed || n < 0 || n >= len(c.b)-c.off {
		return 0
	}
	return c.b[c.off+n]
}

// U8 reads one byte.
func (c *Cursor) U8() uint8 {
	if c.failed || c.off >= len(c.b) {
		c.failed = true
		return 0
	}
	v := c.b[c.off]
	c.off++
	return v
}

// U16 reads a big-endian 16-bit word.
func (c *Cursor) U16() uint16 {
	if b := c.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// U24 reads a big-endian 24-bit number.
func (c *Cursor) U24() uint32 {
	if b := c.Bytes(3); b != nil {
		return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2])
	}
	return 0
}

// U32 reads a big-endian 32-bit word.
func (c *Cursor) U32() uint32 {
	if b := c.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// U64 reads a big-endian 64-bit word.
func (c *Cursor) U64() uint64 {
	if b := c.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// LE16 reads a little-endian 16-bit word.
func (c *Cursor) LE16() uint16 {
	if b := c.Bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// LE32 reads a little-endian 32-bit word.
func (c *Cursor) LE32() uint32 {
	if b := c.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// LE64 reads a little-endian 64-bit word.
func (c *Cursor) LE64() uint64 {
	if b := c.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
