package modbus

import (
	"encoding/binary"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// referenceType is the only one that file records have (V1.1b3 §6.14).
const referenceType = 6

// record is one sub-request of functions 20 and 21. Its words borrow from the message.
type record struct {
	file, number, length uint16
	words                []byte
}

// fileReadRequest: byte count, then per record reference type, file, record, length (§6.14).
func fileReadRequest(c *wire.Cursor, m *message) {
	m.data = m.takeCounted(c)
	m.checkRecords(false)
}

// fileWrite: as the request to read, each record followed by its registers (§6.15). The answer is an echo.
func fileWrite(c *wire.Cursor, m *message) {
	m.data = m.takeCounted(c)
	m.checkRecords(true)
}

// fileReadAnswer: byte count, then per record its length in bytes, reference type, registers (§6.14).
func fileReadAnswer(c *wire.Cursor, m *message) {
	m.data = m.takeCounted(c)
	groups := wire.New(m.data)
	for groups.Len() > 0 {
		n := int(groups.U8())
		group := groups.Bytes(n)
		if n == 0 || groups.Failed() || group[0] != referenceType || n%2 == 0 {
			m.fail("file record cannot be read", n)
			return
		}
	}
	m.checkByteCount()
}

func (m *message) checkByteCount() {
	if m.has&hasByteCount != 0 && m.byteCount == 0 {
		m.fail("byte count out of range", 0)
	}
}

func (m *message) checkRecords(writing bool) {
	list := wire.New(m.data)
	for list.Len() > 0 {
		if _, ok := nextRecord(&list, writing); !ok {
			m.fail("file record cannot be read", list.Offset())
			return
		}
	}
	m.checkByteCount()
}

// nextRecord reads one sub-request; false at the end and where there is no whole one.
func nextRecord(list *wire.Cursor, writing bool) (record, bool) {
	kind := list.U8()
	r := record{file: list.U16(), number: list.U16(), length: list.U16()}
	if writing {
		r.words = list.Bytes(2 * int(r.length))
	}
	return r, !list.Failed() && kind == referenceType
}

// hasRecords reports whether data is a list of records that name their file.
func (m *message) hasRecords() bool {
	return !m.refused && (m.code == 21 || m.code == 20 && m.from == protocols.Client)
}

// firstRecord gives the first record of a message; false where there is no whole one.
func (m *message) firstRecord() (record, bool) {
	list := wire.New(m.data)
	return nextRecord(&list, m.code == 21)
}

// maxRecords is how many records of a request are kept for its answer, which does not repeat them. A request has room for
// 35 (V1.1b3 §6.14); those who ask for files ask for one or two.
const maxRecords = 8

// appendRecords appends the records that a message names, up to [maxRecords].
func (m *message) appendRecords(dst []FileRecord) []FileRecord {
	if !m.hasRecords() {
		return dst
	}
	list := wire.New(m.data)
	for list.Len() > 0 && len(dst) < maxRecords {
		r, ok := nextRecord(&list, m.code == 21)
		if !ok {
			break
		}
		dst = append(dst, FileRecord{r.file, r.number, r.length})
	}
	return dst
}

// readRegisters gives the registers of all records of an answer to function 20.
func (m *message) readRegisters() []uint16 {
	var registers []uint16
	groups := wire.New(m.data)
	for groups.Len() > 0 {
		if group := groups.Bytes(int(groups.U8())); len(group) > 0 {
			registers = appendRegisters(registers, group[1:])
		}
	}
	return registers
}

// name names the file of the record.
func (r record) name() string { return fileName(r.file) }

func fileName(file uint16) string { return "file " + strconv.Itoa(int(file)) }

// fileEvents gives each record of a message an event, of which the first is there already.
func (m *message) fileEvents(dst []protocols.Event) []protocols.Event {
	first := len(dst) - 1
	list := wire.New(m.data)
	for at := first; list.Len() > 0; at++ {
		r, ok := nextRecord(&list, m.code == 21)
		if !ok {
			break
		}
		if at > first {
			dst = append(dst, dst[first])
			dst[at].Detail = nil
		}
		e := &dst[at]
		e.Object.First, e.Object.Count, e.Object.Name = uint32(r.number), uint32(r.length), r.name()
		e.Values = protocols.Values{}
		if r.words != nil {
			e.Values = protocols.Values{Type: protocols.ValueWords, Raw: r.words}
		}
	}
	return dst
}

// fileAnswers gives each group of an answer to function 20 the record that was asked for in its place, and an event, of
// which the first is there already. Groups beyond the records that were kept have none: nothing tells where they belong.
func (m *message) fileAnswers(dst []protocols.Event, asked *request) []protocols.Event {
	first := len(dst) - 1
	groups := wire.New(m.data)
	for i, r := range asked.records {
		group := groups.Bytes(int(groups.U8()))
		if groups.Failed() || len(group) == 0 {
			break
		}
		if i > 0 {
			dst = append(dst, dst[first])
			dst[first+i].Detail = nil
		}
		e := &dst[first+i]
		e.Object.First, e.Object.Count, e.Object.Name = uint32(r.Record), uint32(r.Length), fileName(r.File)
		e.Values = protocols.Values{}
		if len(group) > 2 {
			e.Values = protocols.Values{Type: protocols.ValueWords, Raw: group[1:]}
		}
	}
	return dst
}

// appendRegisters appends big-endian words as numbers.
func appendRegisters(dst []uint16, words []byte) []uint16 {
	for ; len(words) >= 2; words = words[2:] {
		dst = append(dst, binary.BigEndian.Uint16(words))
	}
	return dst
}
