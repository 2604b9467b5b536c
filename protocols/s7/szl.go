package s7

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxSZL bounds a system status list that comes in several answers.
const maxSZL = 16 << 10

// szlParts joins a system status list that a controller gives in several answers, which share a data unit reference.
// A conversation has one such list at a time.
type szlParts struct {
	buf  []byte
	unit uint8 // 0: none under way
}

func (s *szlParts) reset() { s.buf, s.unit = recycled(s.buf), 0 }

// recall names the list that a request asks the next part of.
func (s *szlParts) recall(p *message, names *names) {
	if s.unit != 0 && len(s.buf) >= szlHeader {
		p.object = szlObject(names, binary.BigEndian.Uint16(s.buf))
	}
}

func szlObject(names *names, id uint16) protocols.Object {
	return protocols.Object{Area: "szl", Name: names.number(id)}
}

// add takes a part, and gives the whole list once it is there. A part whose beginning was not seen gives nothing.
func (s *szlParts) add(ud udHead, part []byte, first bool) []byte {
	switch {
	case ud.unit == 0 || (!ud.more && s.unit != ud.unit && first):
		s.reset()
		return part
	case s.unit == ud.unit && !first:
	case ud.more && first:
		s.reset()
		s.unit = ud.unit
	default:
		s.reset()
		return nil
	}
	if len(s.buf)+len(part) > maxSZL {
		s.reset()
		return nil
	}
	s.buf = append(s.buf, part...)
	if ud.more {
		return nil
	}
	s.unit = 0
	return s.buf
}

// szlHeader is the length of number, index, length of a record and count of records.
const szlHeader = 8

// answerSZL reads a list: its head, then records.
func answerSZL(c *conversation, p *message) {
	next := p.request != nil && len(p.request.raw) < 4 // the request asked for a further part
	first := !next && (p.request != nil || p.ud.unit == 0 || (p.ud.more && c.szl.unit != p.ud.unit))
	list := c.szl.add(p.ud, p.data, first)
	if list == nil && first {
		list = p.data // the first part names the list already
	}
	r := wire.New(list)
	id, index := r.U16(), r.U16()
	size, count := int(r.U16()), int(r.U16())
	if r.Failed() {
		return
	}
	p.setSZL(c, id, index)
	if p.ud.more || p.from != protocols.Server {
		return
	}
	read := szlRecords[id]
	if read == nil || size < 2 {
		return
	}
	for range count {
		record := r.Bytes(size)
		if r.Failed() {
			return
		}
		p.facts = read(p.facts, record)
	}
}

// szlRecords is the table of lists that tell about the device: what each record discloses.
var szlRecords = map[uint16]func([]protocols.Fact, []byte) []protocols.Fact{
	0x0011: moduleFacts, 0x0111: moduleFacts, 0x0f11: moduleFacts,
	0x001c: componentFacts, 0x011c: componentFacts, 0x0f1c: componentFacts, 0x021c: componentFacts,
	0x0132: protectionFacts, 0x0232: protectionFacts,
	0x0124: modeFacts, 0x0424: modeFacts, 0x0524: modeFacts,
}

func fact(facts []protocols.Fact, key protocols.FactKey, value string) []protocols.Fact {
	if value == "" {
		return facts
	}
	return append(facts, protocols.Fact{About: protocols.Server, Key: key, Value: value})
}

// Records of list 0x11, module identification.
const (
	indexModule   = 0x0001
	indexHardware = 0x0006
	indexFirmware = 0x0007
)

// moduleFacts reads a record of module identification: index, order number (20 characters), module type, two versions.
func moduleFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	c := wire.New(record)
	index := c.U16()
	order := strings.TrimSpace(printable(c.Bytes(20)))
	c.Skip(2)
	version := c.Bytes(4)
	if c.Failed() {
		return facts
	}
	switch index {
	case indexModule:
		facts = fact(facts, protocols.FactOrderNumber, order)
		if strings.HasPrefix(order, "6ES7") {
			facts = fact(facts, protocols.FactModel, order)
		}
	case indexHardware:
		facts = fact(facts, protocols.FactHardware, fmt.Sprint(uint16(version[0])<<8|uint16(version[1])))
	case indexFirmware:
		if version[0] == 'V' {
			facts = fact(facts, protocols.FactFirmware, fmt.Sprintf("V%d.%d.%d", version[1], version[2], version[3]))
		}
	}
	return facts
}

// Records of list 0x1c, component identification.
const (
	indexStation   = 0x0001
	indexName      = 0x0002
	indexPlant     = 0x0003
	indexCopyright = 0x0004
	indexSerial    = 0x0005
	indexType      = 0x0007
	indexCard      = 0x0008
)

// componentFacts reads a record of component identification: index and text. In redundant systems the upper bits of the
// index name the rack.
func componentFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	index := uint16(record[0])<<8 | uint16(record[1])
	text, _, _ := bytes.Cut(record[2:], []byte{0})
	value := strings.TrimSpace(printable(text))
	switch index & 0x0fff {
	case indexStation:
		facts = fact(facts, protocols.FactName, value)
	case indexName:
		if value != "" {
			facts = append(facts, protocols.Fact{
				About: protocols.Server, Key: protocols.FactName, Value: value, Confidence: 90,
			})
		}
	case indexPlant:
		facts = fact(facts, protocols.FactPlant, value)
	case indexCopyright:
		if strings.Contains(value, "Siemens") {
			facts = fact(facts, protocols.FactVendor, "Siemens")
		}
	case indexSerial:
		facts = fact(facts, protocols.FactSerial, value)
	case indexType:
		facts = fact(facts, protocols.FactModel, value)
	case indexCard:
		if value != "" {
			facts = append(facts, protocols.Fact{
				About: protocols.Server, Key: protocols.FactSerial, Value: value, Module: "memory card",
			})
		}
	}
	return facts
}

// indexProtection is the record of communication status that tells of protection.
const indexProtection = 0x0004

// protectionFacts reads that record: level by key switch, by parameter, and in force; then the switch's position.
func protectionFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	c := wire.New(record)
	index := c.U16()
	c.Skip(4)
	level := c.U16()
	if c.Failed() || index&0x0fff != indexProtection || level == 0 {
		return facts
	}
	return fact(facts, protocols.FactProtection, fmt.Sprintf("level %d", level))
}

// modes gives the operating mode by the lower four bits of the third byte of a mode record.
var modes = [16]string{
	1: "stop", 2: "stop", 3: "stop", 4: "stop", 5: "startup", 6: "startup", 7: "startup", 8: "run", 9: "run",
	10: "hold", 11: "run", 12: "run", 13: "defective",
}

// modeFacts reads a record of operating mode: event, flags, previous and present mode.
func modeFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	if len(record) < 4 {
		return facts
	}
	return fact(facts, protocols.FactMode, modes[record[3]&0x0f])
}
