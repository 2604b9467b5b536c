package dns

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The header (RFC 1035 §4.1.1).
const (
	headerSize = 12

	flagResponse  = 1 << 15
	flagAnswer    = 1 << 10 // authoritative; in LLMNR a conflict
	flagTruncated = 1 << 9
	flagDesired   = 1 << 8
	flagAvailable = 1 << 7
	flagReserved  = 1 << 6
	maskRecursion = flagTruncated | flagDesired | flagAvailable | flagReserved | 0x0030
	maxRcode      = 11 // RFC 8490 §3.2.2 has the last one that fits
)

// header is the fixed part of a message.
type header struct {
	id, flags uint16
	counts    [4]uint16 // questions, answers, authorities, additional records
}

func (h *header) opcode() uint8  { return uint8(h.flags >> 11 & 15) }
func (h *header) rcode() uint8   { return uint8(h.flags & 15) }
func (h *header) response() bool { return h.flags&flagResponse != 0 }

func (h *header) read(c *wire.Cursor) {
	h.id, h.flags = c.U16(), c.U16()
	for k := range h.counts {
		h.counts[k] = c.U16()
	}
}

// The sections.
const (
	question = iota
	answer
	authority
	additional
)

// The types and classes that mean something here (RFC 1035 §3.2, RFC 3596, RFC 2782, RFC 6891).
const (
	typeA     = 1
	typeCNAME = 5
	typePTR   = 12
	typeHINFO = 13
	typeTXT   = 16
	typeAAAA  = 28
	typeNB    = 32 // NetBIOS
	typeSRV   = 33
	typeOPT   = 41

	classIN   = 1
	classMask = 0x7fff // the top bit is "unicast answer" or "cache flush" in multicast DNS (RFC 6762 §5.4, §10.2)
)

// record is a question, or a resource record with what it tells.
type record struct {
	section     int
	name        name
	kind, class uint16
	ttl         uint32
	data        []byte // borrowed
	at          int    // offset of data in the message
}

// reader walks the records of a message. It is kept in the dissector, because a record would not stay on a stack.
type reader struct {
	header
	msg     []byte
	c       wire.Cursor
	section int
	left    uint16
	r       record
}

// open starts at the first record; false when there is no header.
func (p *reader) open(msg []byte) bool {
	p.msg, p.c = msg, wire.New(msg)
	p.header.read(&p.c)
	p.section, p.left = question, p.counts[question]
	return !p.c.Failed()
}

// next reads the next record into p.r; false at the end, or when it cannot be one: then the cursor has failed.
func (p *reader) next() bool {
	for p.left == 0 {
		if p.section == additional {
			return false
		}
		p.section++
		p.left = p.counts[p.section]
	}
	p.left--
	r := &p.r
	r.section = p.section
	r.name.read(&p.c, p.msg)
	r.kind, r.class = p.c.U16(), p.c.U16()
	r.ttl, r.data = 0, nil
	if p.section != question {
		r.ttl = p.c.U32()
		n := int(p.c.U16())
		r.at = p.c.Offset()
		r.data = p.c.Bytes(n)
	}
	return !p.c.Failed()
}

// target reads a name inside the data of the record in hand, behind skip bytes.
func (p *reader) target(n *name, skip int) bool {
	c := wire.New(p.msg[:p.r.at+len(p.r.data)])
	c.Skip(p.r.at + skip)
	n.read(&c, p.msg)
	return !c.Failed()
}

// whole reports whether every byte of the message belongs to a record that can be one.
func (p *reader) whole() bool {
	known := 0
	for p.next() {
		if p.r.kind == 0 || p.r.kind == typeNB || p.r.name.netBIOS() {
			return false
		}
		if p.r.kind == typeOPT {
			if p.r.name.n != 0 {
				return false
			}
			continue
		}
		switch p.r.class & classMask {
		case classIN, 3, 4, 254, 255: // Internet, Chaos, Hesiod, none, any (RFC 6895 §3.2)
			known++
		default:
			return false
		}
	}
	return !p.c.Failed() && p.c.Len() == 0 && known > 0
}

// plausible reports whether the header can be true (RFC 6895 §2).
func (h *header) plausible() bool {
	if opcodes[h.opcode()] == "" || h.flags&flagReserved != 0 || h.rcode() > maxRcode {
		return false
	}
	if h.response() {
		return true
	}
	return h.flags&flagAvailable == 0 && h.counts[question] > 0
}

var opcodes = [16]string{
	0: "Standard query", 1: "Inverse query", 2: "Server status request", 4: "Zone change notification", 5: "Dynamic update",
}

var responses = [16]string{
	0: "Standard query response", 1: "Inverse query response", 2: "Server status request response",
	4: "Zone change notification response", 5: "Dynamic update response",
}

// title gives the message's name.
func (h *header) title() string {
	names := &opcodes
	if h.response() {
		names = &responses
	}
	if s := names[h.opcode()]; s != "" {
		return s
	}
	return "Unknown operation"
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("dns: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}

// streamLength gives the length that stands in front of a message on TCP (RFC 1035 §4.2.2).
func streamLength(b []byte) int { return 2 + int(binary.BigEndian.Uint16(b)) }
