package netbios

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The header's flags (RFC 1002 §4.2.1.1).
const (
	headerSize   = 12
	flagResponse = 1 << 15
	maxRcode     = 7

	typeNB     = 0x20
	typeNBSTAT = 0x21
	classIN    = 1
)

// operation is what an operation code means (RFC 1002 §4.2.1.1; 15: multi-homed registration, as Windows sends it).
type operation struct {
	query, response string
	claims          bool // the sender says that the name is its own
}

var operations = [16]operation{
	0:  {"Name query", "Name query response", false},
	5:  {"Registration", "Registration response", true},
	6:  {"Release", "Release response", false},
	7:  {"WACK", "Wait and acknowledgment response", false},
	8:  {"Refresh", "Refresh response", true},
	9:  {"Refresh(altcode)", "Refresh(altcode) response", true},
	15: {"Multi-homed registration", "Multi-homed registration response", true},
}

// message is one message. Its texts are copies.
type message struct {
	id, flags uint16
	counts    [4]uint16
	name      nbName // of the question, or of the only record
	question  uint16 // its type
	kind      uint16 // type of the record
	address   netip.Addr
	group     bool
	names     []nbName // of a node status answer
	unitID    protocols.MAC
}

// nbName is a NetBIOS name: 15 bytes of text and a suffix (RFC 1001 §14.1).
type nbName struct {
	text   string
	suffix uint8
	group  bool
}

func (m *message) opcode() uint8  { return uint8(m.flags >> 11 & 15) }
func (m *message) rcode() uint8   { return uint8(m.flags & 15) }
func (m *message) response() bool { return m.flags&flagResponse != 0 }

const maxNames = 32 // of a node status answer: hosts have about six

// parse reads a message. What was read before a fault stays in m.
func (m *message) parse(b []byte) error {
	c := wire.New(b)
	m.id, m.flags = c.U16(), c.U16()
	for k := range m.counts {
		m.counts[k] = c.U16()
	}
	if c.Failed() {
		return malformed("%d bytes are no header", len(b))
	}
	if records := int(m.counts[1]) + int(m.counts[2]) + int(m.counts[3]); m.counts[0] > 1 || records > 2 || int(m.counts[0])+records == 0 {
		return malformed("counts %v", m.counts)
	}
	if m.counts[0] == 1 {
		m.name = readName(&c, b)
		m.question = c.U16()
		c.Skip(2) // class
	}
	if m.counts[1]+m.counts[3] > 0 {
		m.record(&c, b)
	}
	if c.Failed() {
		return malformed("name or record in %d bytes", len(b))
	}
	return nil
}

// record reads a resource record (RFC 1002 §4.2.1.3).
func (m *message) record(c *wire.Cursor, msg []byte) {
	name := readName(c, msg)
	if m.counts[0] == 0 {
		m.name = name
	}
	m.kind = c.U16()
	c.Skip(2 + 4) // class, TTL
	data := wire.New(c.Bytes(int(c.U16())))
	switch m.kind {
	case typeNB:
		const groupFlag = 0x8000
		if data.Len() < 6 {
			return
		}
		m.group = data.U16()&groupFlag != 0
		m.address, _ = netip.AddrFromSlice(data.Bytes(4))
	case typeNBSTAT:
		m.status(&data)
		if data.Failed() {
			c.Fail()
		}
	}
}

// status reads a node status answer (RFC 1002 §4.2.18): names with their flags, then the host's MAC.
func (m *message) status(c *wire.Cursor) {
	const groupFlag = 0x8000
	for n := int(c.U8()); n > 0; n-- {
		text, suffix, flags := c.Bytes(15), c.U8(), c.U16()
		if c.Failed() {
			return
		}
		if len(m.names) < maxNames {
			m.names = append(m.names, nbName{clean(text), suffix, flags&groupFlag != 0})
		}
	}
	if c.Len() >= 6 {
		copy(m.unitID[:], c.Bytes(6))
	}
}

// readName reads a name in first-level encoding, or a pointer to the one in the question. A scope is passed over.
func readName(c *wire.Cursor, msg []byte) nbName {
	if c.Peek(0)&0xc0 == 0xc0 {
		if at := int(c.U16() & 0x3fff); at == headerSize && c.Offset() > headerSize+2 {
			first := wire.New(msg)
			first.Skip(headerSize)
			return readName(&first, msg)
		}
		c.Fail()
		return nbName{}
	}
	if c.U8() != 32 {
		c.Fail()
		return nbName{}
	}
	var plain [16]byte
	for k, x := range c.Bytes(32) {
		if x < 'A' || x > 'P' {
			c.Fail()
			return nbName{}
		}
		plain[k/2] = plain[k/2]<<4 | (x - 'A')
	}
	for scope := int(c.U8()); scope != 0 && !c.Failed(); scope = int(c.U8()) {
		c.Skip(scope)
	}
	return nbName{text: clean(plain[:15]), suffix: plain[15]}
}

// clean gives the text without its padding.
func clean(b []byte) string { return strings.TrimRight(string(b), " \x00") }

// host gives the name if it is a host's own, and nothing otherwise: the suffixes of the workstation, the messenger and
// the file server.
func (n nbName) host() string {
	const workstation, server = 0x00, 0x20
	if n.group || n.suffix != workstation && n.suffix != server || n.text == "*" || strings.HasPrefix(n.text, "\x01") {
		return ""
	}
	return n.text
}

// shown gives the usual form: the text, and the suffix in hexadecimal.
func (n nbName) shown() string { return fmt.Sprintf("%s<%02x>", n.text, n.suffix) }

// title gives the message's name.
func (m *message) title() string {
	op := operations[m.opcode()]
	switch {
	case op.query == "":
		return "Unknown operation"
	case m.opcode() == 0 && (m.question == typeNBSTAT || m.kind == typeNBSTAT):
		if m.response() {
			return "Node status response"
		}
		return "Node status request"
	case m.response():
		return op.response
	default:
		return op.query
	}
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("netbios: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}
