package s7

import (
	"encoding/binary"

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
	if p.cut {
		defer c.szl.reset() // what comes next does not continue it
	}
	r := wire.New(list)
	id, index := r.U16(), r.U16()
	size, count := int(r.U16()), int(r.U16())
	if r.Failed() {
		return
	}
	p.setSZL(c, id, index)
	if p.ud.more || p.from != protocols.Server || size < 2 {
		return
	}
	records := szlList{size: size, count: count, records: r.Rest()}
	if read := szlRecords[id]; read != nil {
		p.facts = read(p.facts, records)
	}
	p.show.list(records, szlDetails[uint8(id)])
}

// szlList is a list as far as it is there: records of equal size. The zero value is empty.
type szlList struct {
	size, count int
	records     []byte // borrowed
}

// all gives the whole records, at most as many as the list's head says.
func (l szlList) all(yield func(record []byte) bool) {
	b := l.records
	for n := 0; n < l.count && len(b) >= l.size; n++ {
		if !yield(b[:l.size:l.size]) {
			return
		}
		b = b[l.size:]
	}
}
