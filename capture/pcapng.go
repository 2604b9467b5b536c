package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"time"
)

// Block types and options (draft-ietf-opsawg-pcapng §4, §3.5).
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 2 // obsolete
	blockSimple    = 3
	blockEnhanced  = 6

	byteOrderMagic = 0x1a2b3c4d

	optionEnd      = 0
	optionTsresol  = 9
	optionTsoffset = 14

	// maxInterfaces bounds the table of a section; interface numbers in packet blocks have 32 bits.
	maxInterfaces = 4096
)

// pcapng reads the block format.
type pcapng struct {
	order      binary.ByteOrder
	interfaces []ngInterface
	last       time.Time // of the packet before; a simple packet block has no time of its own
	// What is left of the block that the last frame borrows, and its length to compare with at its end.
	pending int64
	total   uint32
}

// ngInterface is what an interface description block says.
type ngInterface struct {
	link   LinkType
	snap   uint32
	units  uint64 // ticks a second; 0 where they are too fine to count
	offset int64  // seconds to add
}

func newPcapng(f *File) (*pcapng, error) {
	n := &pcapng{last: time.Unix(0, 0).UTC()}
	if err := n.section(f); err != nil {
		return nil, fmt.Errorf("pcapng section header: %w", err)
	}
	return n, nil
}

func (n *pcapng) next(f *File, fr *Frame) error {
	for {
		if err := n.finish(f); err != nil {
			return err
		}
		h, err := f.peek(12)
		if err != nil {
			if err == io.EOF { //nolint:errorlint // peek returns io.EOF itself
				return io.EOF
			}
			return fmt.Errorf("block header: %w", err)
		}
		kind := n.order.Uint32(h)
		if kind == blockSection {
			if err := n.section(f); err != nil {
				return fmt.Errorf("section header: %w", err)
			}
			continue
		}
		length := n.order.Uint32(h[4:])
		if length < 12 {
			return fmt.Errorf("block of type %d claims %d bytes, the least is 12", kind, length)
		}
		switch n.begin(length); kind {
		case blockInterface:
			err = n.describe(f)
		case blockEnhanced, blockPacket:
			return n.packet(f, fr, kind, length)
		case blockSimple:
			return n.simple(f, fr, length)
		}
		if err != nil {
			return err
		}
	}
}

// begin notes that a block of a length begins here. Some writers leave the padding out of the length.
func (n *pcapng) begin(length uint32) {
	n.total = length
	n.pending = (int64(length) + 3) &^ 3
}

// skip passes over k bytes of the current block.
func (n *pcapng) skip(f *File, k int64) error {
	n.pending -= k
	return f.discard(k)
}

// finish passes over what is left of the current block, whose last word repeats its length.
func (n *pcapng) finish(f *File) error {
	if n.pending == 0 {
		return nil
	}
	if err := n.skip(f, n.pending-4); err != nil {
		return fmt.Errorf("block of %d bytes: %w", n.total, err)
	}
	b, err := f.peek(4)
	if err != nil {
		return errEarly(err, "end of a block")
	}
	if again := n.order.Uint32(b); again != n.total {
		return fmt.Errorf("a block of %d bytes says %d at its end", n.total, again)
	}
	return n.skip(f, 4)
}

// section reads a section header block, which sets the byte order and forgets the interfaces.
func (n *pcapng) section(f *File) error {
	h, err := f.peek(28)
	if err != nil {
		return errEarly(err, "it is cut off")
	}
	switch {
	case binary.LittleEndian.Uint32(h[8:]) == byteOrderMagic:
		n.order = binary.LittleEndian
	case binary.BigEndian.Uint32(h[8:]) == byteOrderMagic:
		n.order = binary.BigEndian
	default:
		return fmt.Errorf("byte-order magic is % x", h[8:12])
	}
	// The version is not looked at: there is only 1.0, and a block that does not read like it is damage anyway.
	length := n.order.Uint32(h[4:])
	if length < 28 {
		return fmt.Errorf("it claims %d bytes, the least is 28", length)
	}
	n.begin(length)
	n.interfaces = n.interfaces[:0]
	return nil
}

// describe reads an interface description block.
func (n *pcapng) describe(f *File) error {
	if n.pending < 20 {
		return fmt.Errorf("interface block of %d bytes, the least is 20", n.total)
	}
	if len(n.interfaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces in a section", maxInterfaces)
	}
	h, err := f.peek(16)
	if err != nil {
		return errEarly(err, "interface block")
	}
	i := ngInterface{link: LinkType(n.order.Uint16(h[8:])), snap: n.order.Uint32(h[12:]), units: 1e6}
	if err := n.skip(f, 16); err != nil {
		return err
	}
	// Options are walked one by one, never gathered: a comment may be longer than memory.
	for n.pending >= 8 {
		h, err := f.peek(4)
		if err != nil {
			return errEarly(err, "interface option")
		}
		code, size := n.order.Uint16(h), int64(n.order.Uint16(h[2:]))
		if code == optionEnd {
			break
		}
		room := (size + 3) &^ 3
		if 4+room > n.pending-4 {
			return fmt.Errorf("interface option %d claims %d bytes, %d are left", code, size, n.pending-8)
		}
		if err := i.option(f, n.order, code, size); err != nil {
			return err
		}
		if err := n.skip(f, 4+room); err != nil {
			return err
		}
	}
	n.interfaces = append(n.interfaces, i)
	return nil
}

// option reads the options that tell how to read times (§4.2).
func (i *ngInterface) option(f *File, order binary.ByteOrder, code uint16, size int64) error {
	if !(code == optionTsresol && size == 1 || code == optionTsoffset && size == 8) {
		return nil
	}
	b, err := f.peek(4 + int(size))
	if err != nil {
		return errEarly(err, "interface option")
	}
	if code == optionTsoffset {
		i.offset = int64(order.Uint64(b[4:]))
		return nil
	}
	exp := b[4] & 0x7f
	switch {
	case b[4]&0x80 != 0 && exp < 64:
		i.units = 1 << exp
	case b[4]&0x80 == 0 && exp < 20:
		i.units = 1
		for range exp {
			i.units *= 10
		}
	default:
		i.units = 0
	}
	return nil
}

// time turns ticks into a time.
func (i *ngInterface) time(ticks uint64) time.Time {
	var sec, nanos uint64
	switch i.units {
	case 0:
	case 1e6:
		sec, nanos = ticks/1e6, ticks%1e6*1e3
	case 1e9:
		sec, nanos = ticks/1e9, ticks%1e9
	default:
		sec = ticks / i.units
		hi, lo := bits.Mul64(ticks%i.units, 1e9)
		nanos, _ = bits.Div64(hi, lo, i.units)
	}
	// Both bounds first, so that the sum cannot overflow.
	s := int64(min(sec, maxSeconds)) + max(min(i.offset, maxSeconds), -maxSeconds)
	return time.Unix(max(min(s, maxSeconds), 0), int64(nanos)).UTC()
}

// packet reads an enhanced packet block (§4.3) or its obsolete ancestor (appendix A), which differ in one field.
func (n *pcapng) packet(f *File, fr *Frame, kind, length uint32) error {
	if length < 32 {
		return fmt.Errorf("packet block of %d bytes, the least is 32", length)
	}
	h, err := f.peek(28)
	if err != nil {
		return errEarly(err, "packet block")
	}
	number := n.order.Uint32(h[8:])
	if kind == blockPacket {
		number = uint32(n.order.Uint16(h[8:]))
	}
	if uint64(number) >= uint64(len(n.interfaces)) {
		return fmt.Errorf("packet of interface %d, but %d are described", number, len(n.interfaces))
	}
	i := &n.interfaces[number]
	ticks := uint64(n.order.Uint32(h[12:]))<<32 | uint64(n.order.Uint32(h[16:]))
	captured, wire := n.order.Uint32(h[20:]), n.order.Uint32(h[24:])
	if captured > length-32 {
		return fmt.Errorf("packet of %d bytes in a block of %d", captured, length)
	}
	n.last = i.time(ticks)
	return n.deliver(f, fr, i, 28, captured, wire)
}

// simple reads a simple packet block (§4.4): no time, always the first interface.
func (n *pcapng) simple(f *File, fr *Frame, length uint32) error {
	if length < 16 {
		return fmt.Errorf("simple packet block of %d bytes, the least is 16", length)
	}
	if len(n.interfaces) == 0 {
		return errors.New("simple packet block, but no interface is described")
	}
	h, err := f.peek(12)
	if err != nil {
		return errEarly(err, "simple packet block")
	}
	i, wire := &n.interfaces[0], n.order.Uint32(h[8:])
	captured := min(wire, length-16)
	if i.snap != 0 {
		captured = min(captured, i.snap)
	}
	return n.deliver(f, fr, i, 12, captured, wire)
}

// deliver fills fr with the packet that stands behind a block's fixed part.
func (n *pcapng) deliver(f *File, fr *Frame, i *ngInterface, fixed int, captured, wire uint32) error {
	if captured > MaxFrame {
		return fmt.Errorf("a packet claims %d bytes, a frame has at most %d", captured, MaxFrame)
	}
	b, err := f.peek(fixed + int(captured))
	if err != nil {
		return errEarly(err, fmt.Sprintf("packet of %d bytes", captured))
	}
	fr.Time = n.last
	fr.Data = b[fixed:len(b):len(b)]
	fr.WireLength = wireLength(wire, captured)
	fr.Link = i.link
	return nil
}
