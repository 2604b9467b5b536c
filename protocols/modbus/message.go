package modbus

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// exceptionBit marks the function code of an exception (V1.1b3 §7).
const exceptionBit = 0x80

// field tells which fields a message has.
type field uint32

const (
	hasTransaction field = 1 << iota
	hasUnit
	hasCode
	hasException
	hasRef
	hasQty
	hasByteCount
	hasWriteRef
	hasWriteQty
	hasAnd
	hasOr
	hasDiagnostic
	hasMEI
	hasReadDevice
	hasDeviceObject
	hasStream // where a device identification stands in what the device can tell
	hasData   // bytes that only the device, or its vendor, knows how to read
	hasUMAS   // pairing key and function
	hasHole   // the capture did not keep all of the message
)

// meaning is what a function, or a part of one, is called and does.
type meaning struct {
	name   string
	action protocols.Action
	area   string
}

// message is one decoded message. Its slices borrow from the wire.
type message struct {
	cursor      wire.Cursor
	has         field
	from        protocols.Side
	transaction uint16
	unit        uint8
	code        uint8 // without the exception bit
	refused     bool  // the exception bit
	exception   uint8
	function    *function
	meaning     *meaning // the function's, or that of its part

	ref, qty           uint16 // of function 23: what is read
	writeRef, writeQty uint16
	byteCount          uint16
	and, or            uint16
	diagnostic         uint16
	mei, readDevice    uint8
	deviceObject       uint8
	conformity         uint8 // of a device identification: what the device can tell,
	more, next         uint8 // whether it has more to tell, and from which object on
	key, umas          uint8 // UMAS pairing key and function; in an answer its status

	carried        protocols.Values // bits or words
	data           []byte           // what the function's own part reads: file records, device identification, UMAS
	first, count   uint32           // what device identification and UMAS address
	umasBlock      uint16
	node, subindex uint8 // what CANopen addresses
	index          uint16

	fault      string // what breaks the specification first; empty when nothing does
	faultValue int
}

// decode reads one message with an MBAP header as sent by a side. It allocates nothing.
func (m *message) decode(b []byte, from protocols.Side) {
	if len(b) < unitAt {
		m.beFunctionless(from, "message ends within its header", len(b))
		return
	}
	m.transaction = binary.BigEndian.Uint16(b)
	m.has |= hasTransaction
	if identifier := binary.BigEndian.Uint16(b[2:]); identifier != 0 {
		m.fail("protocol identifier is not 0", int(identifier))
	}
	if length := int(binary.BigEndian.Uint16(b[4:])); length != len(b)-unitAt {
		m.fail("length field does not fit the message", length)
	}
	m.decodeUnit(b[unitAt:], from)
}

// unitAt is where the MBAP header has the unit identifier, from which on serial frames are the same (V1.1b3 §4.1).
const unitAt = 6

// decodeUnit reads what is the same on every transport: unit identifier, function code and fields.
func (m *message) decodeUnit(b []byte, from protocols.Side) {
	if len(b) < 2 {
		if len(b) > 0 {
			m.unit = b[0]
			m.has |= hasUnit
		}
		m.beFunctionless(from, "no function code", len(b))
		return
	}
	m.from, m.unit, m.code, m.refused = from, b[0], b[1]&^exceptionBit, b[1]&exceptionBit != 0
	m.has |= hasUnit | hasCode
	f := &functions[m.code]
	m.function, m.meaning = f, &f.meaning
	if b[1] == 0 {
		m.fail("function code is not valid", 0) // §4.1
	}
	m.cursor = wire.New(b[2:])
	c := &m.cursor
	m.layout()(c, m)
	if c.Failed() {
		m.fail("message ends within its fields", len(b))
	}
	if c.Len() > 0 {
		m.fail(faultBehind, c.Len())
	}
}

// beFunctionless notes that the message ends before it says what it is.
func (m *message) beFunctionless(from protocols.Side, fault string, length int) {
	m.from, m.function, m.meaning = from, &functionless, &functionless.meaning
	m.fail(fault, length)
}

// faultBehind is the fault of a message that is longer than its function makes it.
const faultBehind = "bytes after the end of the message"

// layout gives what reads the fields that follow the function code.
func (m *message) layout() func(*wire.Cursor, *message) {
	switch {
	case m.refused:
		return exceptionFields
	case m.from == protocols.Client && m.function.request != nil:
		return m.function.request
	case m.from == protocols.Server && m.function.answer != nil:
		return m.function.answer
	default:
		return unknownFields
	}
}

// exceptionFields reads V1.1b3 §7. Only a server may send it.
func exceptionFields(c *wire.Cursor, m *message) {
	if m.from == protocols.Client {
		m.fail("exception sent by the client", int(m.code))
	}
	m.take8(c, hasException, &m.exception)
}

func unknownFields(c *wire.Cursor, m *message) { m.keepData(c.Rest()) }

// keepData notes bytes that are shown as they are.
func (m *message) keepData(b []byte) {
	m.data = b
	if len(b) > 0 {
		m.has |= hasData
	}
}

// fail notes the first thing that breaks the specification.
func (m *message) fail(what string, value int) {
	if m.fault == "" {
		m.fault, m.faultValue = what, value
	}
}

// reason says what is malformed with the value seen; empty when nothing is.
func (m *message) reason() string {
	if m.fault == "" {
		return ""
	}
	return fmt.Sprintf("%s: %d", m.fault, m.faultValue)
}

// take8 reads a byte into dst and notes that the field is there.
func (m *message) take8(c *wire.Cursor, f field, dst *uint8) {
	if v := c.U8(); !c.Failed() {
		*dst = v
		m.has |= f
	}
}

// take16 reads a word into dst and notes that the field is there.
func (m *message) take16(c *wire.Cursor, f field, dst *uint16) {
	if v := c.U16(); !c.Failed() {
		*dst = v
		m.has |= f
	}
}

// takeCounted reads a byte count and as many of the bytes it promises as are there.
func (m *message) takeCounted(c *wire.Cursor) []byte {
	if m.byteCount = uint16(c.U8()); !c.Failed() {
		m.has |= hasByteCount
	}
	return m.takeBytes(c)
}

// takeBytes reads as many of the bytes that the byte count promises as are there.
func (m *message) takeBytes(c *wire.Cursor) []byte {
	n := int(m.byteCount)
	if n > c.Len() {
		m.fail("byte count exceeds the message", n)
		n = c.Len()
	}
	return c.Bytes(n)
}

// isAnswer reports whether the message answers a request, be it with an exception.
func (m *message) isAnswer() bool { return m.from == protocols.Server }
