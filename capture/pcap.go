package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// pcapVariant is what the magic number of a pcap file tells.
type pcapVariant struct {
	order  binary.ByteOrder
	nano   bool // time fractions are nanoseconds, else microseconds
	header int  // length of a record header
}

// pcapVariants is keyed by the first word read little-endian. The magic a1b2cd34 marks a patched libpcap of the
// nineties whose record headers carry interface, protocol and packet type besides.
var pcapVariants = map[uint32]pcapVariant{
	0xa1b2c3d4: {binary.LittleEndian, false, 16},
	0xd4c3b2a1: {binary.BigEndian, false, 16},
	0xa1b23c4d: {binary.LittleEndian, true, 16},
	0x4d3cb2a1: {binary.BigEndian, true, 16},
	0xa1b2cd34: {binary.LittleEndian, false, 24},
	0x34cdb2a1: {binary.BigEndian, false, 24},
}

const (
	pcapHeader = 24
	// maxSeconds keeps times within the years that RFC 3339 can write.
	maxSeconds = 253402300799
)

// pcap reads the classic format (draft-ietf-opsawg-pcap).
type pcap struct {
	big     bool
	nano    bool
	swapped bool // before version 2.3 the two lengths stood the other way round
	either  bool // version 2.3 had them in either order
	header  int
	link    LinkType
	pending int64 // length of the record that the last frame borrows
}

func newPcap(f *File, v pcapVariant) (*pcap, error) {
	h, err := f.peek(pcapHeader)
	if err != nil {
		return nil, errEarly(err, "the pcap header is cut off; the capture was stopped before its first packet")
	}
	major, minor := v.order.Uint16(h[4:]), v.order.Uint16(h[6:])
	if major != 2 && major != 543 {
		return nil, fmt.Errorf("pcap version %d.%d is not known; convert it with editcap -F pcapng", major, minor)
	}
	return &pcap{
		big: v.order == binary.BigEndian, nano: v.nano, header: v.header,
		swapped: major == 543 || minor < 3, either: major == 2 && minor == 3,
		// The upper half tells the length of the frame check sequence, which the IP length cuts off anyway.
		link: LinkType(v.order.Uint32(h[20:])),
	}, f.discard(pcapHeader)
}

func (p *pcap) next(f *File, fr *Frame) error {
	if p.pending > 0 {
		if err := f.discard(p.pending); err != nil {
			return err
		}
		p.pending = 0
	}
	h, err := f.peek(p.header)
	if err != nil {
		if err == io.EOF { //nolint:errorlint // peek returns io.EOF itself
			return io.EOF
		}
		return fmt.Errorf("record header: %w", err)
	}
	var sec, frac, length, wire uint32
	if p.big {
		sec, frac = binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
		length, wire = binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	} else {
		sec, frac = binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		length, wire = binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	}
	if p.swapped || p.either && length > wire {
		length, wire = wire, length
	}
	if length > MaxFrame {
		return fmt.Errorf("a record claims %d bytes, a frame has at most %d", length, MaxFrame)
	}
	b, err := f.peek(p.header + int(length))
	if err != nil {
		return fmt.Errorf("record of %d bytes: %w", length, err)
	}
	p.pending = int64(p.header) + int64(length)
	nanos := int64(frac)
	if !p.nano {
		nanos *= 1000
	}
	fr.Time = time.Unix(int64(sec), nanos).UTC()
	fr.Data = b[p.header:len(b):len(b)]
	fr.WireLength = wireLength(wire, length)
	fr.Link = p.link
	return nil
}

// wireLength is the length on the wire as recorded, and never less than what was captured: some writers leave it out.
// A value that no frame can have says nothing either.
func wireLength(wire, captured uint32) int {
	if wire < captured || wire > 1<<30 {
		return int(captured)
	}
	return int(wire)
}
