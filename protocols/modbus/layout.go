package modbus

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The layouts of V1.1b3 §6, in the order of their first use in the function table.

// carryBits and carryWords note the process values of a message. What is missing is none.
func (m *message) carryBits(b []byte) {
	if b != nil {
		m.carried = protocols.Values{Type: protocols.ValueBits, Raw: b}
	}
}

func (m *message) carryWords(b []byte) {
	if b != nil {
		m.carried = protocols.Values{Type: protocols.ValueWords, Raw: b}
	}
}

// nothing is the request that has no fields.
func nothing(*wire.Cursor, *message) {}

// readRange: starting address, quantity.
func readRange(c *wire.Cursor, m *message) {
	rangeEcho(c, m)
	m.checkQuantity(m.function.limit)
}

// rangeEcho is the answer to a write of several: starting address, quantity.
func rangeEcho(c *wire.Cursor, m *message) {
	if c.Len() < 4 {
		m.take16(c, hasRef, &m.ref)
		c.Fail()
		return
	}
	b := c.Bytes(4)
	m.ref, m.qty = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	m.has |= hasRef | hasQty
}

func (m *message) checkQuantity(limit uint16) {
	if m.has&hasQty != 0 && (m.qty == 0 || m.qty > limit) {
		m.fail("quantity out of range", int(m.qty))
	}
}

// bitsAnswer: byte count, bits packed from the lowest up.
func bitsAnswer(c *wire.Cursor, m *message) {
	m.carryBits(m.takeCounted(c))
	if m.has&hasByteCount != 0 && m.byteCount == 0 {
		m.fail("byte count out of range", 0)
	}
}

// wordsAnswer: byte count, registers.
func wordsAnswer(c *wire.Cursor, m *message) {
	m.carryWords(m.takeCounted(c))
	m.checkWordBytes()
}

func (m *message) checkWordBytes() {
	if m.has&hasByteCount != 0 && (m.byteCount == 0 || m.byteCount%2 != 0) {
		m.fail("byte count out of range", int(m.byteCount))
	}
}

// singleCoil: address, ff00 for on or 0000 for off (§6.5).
func singleCoil(c *wire.Cursor, m *message) {
	m.take16(c, hasRef, &m.ref)
	value := c.Bytes(2)
	if value == nil {
		return
	}
	m.carryBits(value[:1])
	if value[0] != 0 && value[0] != 0xff || value[1] != 0 {
		m.fail("coil value is neither 0 nor 65280", int(value[0])<<8|int(value[1]))
	}
}

// singleRegister: address, value.
func singleRegister(c *wire.Cursor, m *message) {
	m.take16(c, hasRef, &m.ref)
	m.carryWords(c.Bytes(2))
}

// exceptionStatus: eight outputs whose meaning is the device's own (§6.7).
func exceptionStatus(c *wire.Cursor, m *message) { m.carryBits(c.Bytes(1)) }

// diagnosticFields: sub-function, data; in answers the same (§6.8).
func diagnosticFields(c *wire.Cursor, m *message) {
	m.take16(c, hasDiagnostic, &m.diagnostic)
	if m.has&hasDiagnostic == 0 {
		return
	}
	if n := int(m.diagnostic); n < len(diagnostics) && diagnostics[n] != nil {
		m.meaning = diagnostics[n]
	}
	if m.diagnostic == 0 {
		m.keepData(c.Rest()) // the data to return may have any length
		return
	}
	m.keepData(c.Bytes(2))
}

// eventCounter: status, count (§6.9).
func eventCounter(c *wire.Cursor, m *message) { m.data = c.Bytes(4) }

// logHeader is what stands before the events of a log: status, event count, message count.
const logHeader = 6

// eventLog: byte count, status, event count, message count, events (§6.10).
func eventLog(c *wire.Cursor, m *message) {
	m.data = m.takeCounted(c)
	if m.has&hasByteCount != 0 && m.byteCount < logHeader {
		m.fail("byte count out of range", int(m.byteCount))
	}
}

// serverID: byte count, data of the vendor's own making (§6.13).
func serverID(c *wire.Cursor, m *message) { m.keepData(m.takeCounted(c)) }

// writeBits: starting address, quantity, byte count, bits (§6.11).
func writeBits(c *wire.Cursor, m *message) {
	readRange(c, m)
	m.carryBits(m.takeCounted(c))
	if m.has&hasByteCount != 0 && int(m.byteCount) != (int(m.qty)+7)/8 {
		m.fail("byte count does not fit the quantity", int(m.byteCount))
	}
}

// writeWords: starting address, quantity, byte count, registers (§6.12).
func writeWords(c *wire.Cursor, m *message) {
	readRange(c, m)
	m.carryWords(m.takeCounted(c))
	if m.has&hasByteCount != 0 && int(m.byteCount) != 2*int(m.qty) {
		m.fail("byte count does not fit the quantity", int(m.byteCount))
	}
}

// maskWrite: address, AND mask, OR mask (§6.16).
func maskWrite(c *wire.Cursor, m *message) {
	m.take16(c, hasRef, &m.ref)
	m.take16(c, hasAnd, &m.and)
	m.take16(c, hasOr, &m.or)
}

// writeLimit is the largest quantity that function 23 writes (§6.17).
const writeLimit = 121

// readWriteRequest: read range, write range, byte count, registers (§6.17).
func readWriteRequest(c *wire.Cursor, m *message) {
	readRange(c, m)
	m.take16(c, hasWriteRef, &m.writeRef)
	m.take16(c, hasWriteQty, &m.writeQty)
	if m.has&hasWriteQty != 0 && (m.writeQty == 0 || m.writeQty > writeLimit) {
		m.fail("quantity out of range", int(m.writeQty))
	}
	m.carryWords(m.takeCounted(c))
	if m.has&hasByteCount != 0 && int(m.byteCount) != 2*int(m.writeQty) {
		m.fail("byte count does not fit the quantity", int(m.byteCount))
	}
}

// fifoRequest: the address of the queue (§6.18).
func fifoRequest(c *wire.Cursor, m *message) { m.take16(c, hasRef, &m.ref) }

// fifoAnswer: byte count of two bytes, count, registers (§6.18).
func fifoAnswer(c *wire.Cursor, m *message) {
	m.take16(c, hasByteCount, &m.byteCount)
	m.take16(c, hasQty, &m.qty)
	if m.has&hasQty == 0 {
		return
	}
	if m.qty > m.function.limit {
		m.fail("quantity out of range", int(m.qty))
	}
	if int(m.byteCount) != 2+2*int(m.qty) {
		m.fail("byte count does not fit the quantity", int(m.byteCount))
	}
	m.carryWords(c.Bytes(min(2*int(m.qty), c.Len()&^1)))
	if len(m.carried.Raw) < 2*int(m.qty) {
		m.fail("byte count exceeds the message", int(m.byteCount))
	}
}
