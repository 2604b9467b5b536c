package s7

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Types of userdata, the upper four bits beside the function group.
const (
	udPush     = 0x0
	udRequest  = 0x4
	udResponse = 0x8
)

// udHead is the parameter of a userdata message.
type udHead struct {
	known      bool
	kind       uint8 // udPush, udRequest, udResponse
	group, sub uint8
	seq        uint8
	unit       uint8 // reference of a message in several parts
	more       bool  // further parts follow
	errCod     uint16
}

var udTypes = [16]string{udPush: "push", udRequest: "req", udResponse: "resp"}

func (h udHead) typeName() string {
	if !h.known {
		return ""
	}
	return udTypes[h.kind]
}

// slot gives the kind under which tables keep a userdata request.
func (h udHead) slot() uint32 { return 1<<16 | uint32(h.group)<<8 | uint32(h.sub) }

// What the parameter of a userdata message begins with; that of a mode transition has a form of its own, in which only
// the subfunction is understood.
const (
	udHeadMark = 0x000112
	modeMark   = 0x010010
)

// readHead reads the parameter: mark, length, method, type and group, subfunction, sequence number, and for answers the
// reference of the data unit, whether it is the last, and an error code.
func (p *message) readHead() {
	c := wire.New(p.param)
	mark, length := c.U24(), c.U8()
	c.Skip(1)
	group := c.U8()
	p.ud = udHead{kind: group >> 4, group: group & 0x0f, sub: c.U8(), seq: c.U8()}
	if (mark != udHeadMark && mark != modeMark) || length < 4 || c.Failed() {
		p.ud = udHead{}
		p.fail("userdata parameter of %d bytes begins with 0x%06x", len(p.param), mark)
		return
	}
	p.ud.known = true
	if length >= 8 && mark == udHeadMark {
		p.ud.unit, p.ud.more, p.ud.errCod = c.U8(), c.U8() != 0, c.U16()
		if c.Failed() {
			p.fail("userdata parameter of %d bytes", len(p.param))
		}
	}
}

// udData is the data part of a userdata message: return code, transport size, length, bytes.
func (p *message) udData(data []byte) []byte {
	if len(data) == 0 {
		return nil
	}
	p.code, p.coded = data[0], true
	if len(data) < resultHeader {
		p.fail("userdata of %d bytes", len(data))
		return nil
	}
	length := resultLen(data)
	data = data[resultHeader:]
	if length > len(data) {
		p.fail("userdata of %d bytes announced, %d are there", length, len(data))
		length = len(data)
	}
	return data[:length:length]
}

// headless is the row of a userdata message whose parameter cannot be read.
var headless = function{name: "Userdata"}

// userdata reads a request, its answer, or what the controller pushes.
func (c *conversation) userdata(p *message) {
	p.readHead()
	if !p.ud.known {
		p.is(&headless)
		return
	}
	p.is(p.ud.lookup())
	payload := p.udData(p.data)
	switch p.ud.kind {
	case udRequest:
		p.outcome = protocols.OutcomeAsked
		if p.row.read != nil {
			p.row.read(c, p, p.param, payload)
		}
		c.asked.put(p.from, p.ref, p.ud.slot(), p.frame, payload)
	case udResponse:
		p.request = c.asked.take(p.from.Other(), p.ref, p.ud.slot())
		c.userdataResult(p, payload)
		if p.request != nil && p.ud.seq != 0 && p.outcome == protocols.OutcomeDone && pushed[p.ud.slot()] {
			c.pushing.put(p.from.Other(), uint16(p.ud.seq), p.ud.slot(), p.request.frame, p.request.raw)
		}
	case udPush:
		p.request = c.pushing.get(p.from.Other(), uint16(p.ud.seq), p.ud.slot())
		c.userdataResult(p, payload)
	default:
		p.fail("userdata type %d", p.ud.kind)
	}
}

// pushed names the requests whose answer only gives a job number, under which the results are pushed.
var pushed = map[uint32]bool{
	udHead{group: groupProgrammer, sub: subVariableStatus}.slot(): true,
	udHead{group: groupProgrammer, sub: subModifyVariable}.slot(): true,
	udHead{group: groupCyclic, sub: subCyclicTransfer}.slot():     true,
	udHead{group: groupCyclic, sub: subChangeDriven}.slot():       true,
}

// userdataResult reads an answer or a push, with the object and items of its request.
func (c *conversation) userdataResult(p *message, payload []byte) {
	if p.request != nil {
		p.readRequest(c, nil, p.request.raw)
	}
	if p.cut && !p.coded {
		return // how it went is not there
	}
	p.outcome = protocols.OutcomeDone
	if p.ud.errCod != 0 || (p.coded && p.code != codeSuccess && p.code != codeNone && p.code != codeReserved) {
		p.outcome = protocols.OutcomeRefused
		return
	}
	p.data = payload
	if p.row.answer != nil {
		p.row.answer(c, p)
	}
}

// readSZL reads a request for a system status list: its number and index.
func readSZL(c *conversation, p *message, _, data []byte) {
	if len(data) < 4 {
		c.szl.recall(p, &c.names) // asks for the next part
		return
	}
	p.setSZL(c, binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]))
}

func (p *message) setSZL(c *conversation, id, index uint16) {
	p.hasSZL, p.szlID, p.szlIndex = true, id, index
	p.object = szlObject(&c.names, id)
	p.action = protocols.ActionIdentify
	if statusLists[uint8(id)] {
		p.action = protocols.ActionRead
	}
}

// statusLists names the system status lists that tell how the controller is, not what it is: by the lower byte of
// their number.
var statusLists = [256]bool{
	0x19: true, // lights
	0x24: true, // operating mode
	0x74: true, // lights
	0xa0: true, // diagnostic buffer
}

// readBlockKind reads a request to list the blocks of a kind: two hexadecimal digits.
func readBlockKind(_ *conversation, p *message, _, data []byte) {
	if len(data) >= 2 {
		p.block = block{kind: blockKind(data[:2])}
		p.object = p.block.object()
	}
}

// readBlockName reads a request about one block: kind, number, memory.
func readBlockName(_ *conversation, p *message, _, data []byte) {
	if b, ok := parseBlock(data); ok {
		p.block = b
		p.object = b.object()
	}
}

// pushMode reads the announcement of a mode transition.
func pushMode(_ *conversation, p *message) {
	if mode := transitionModes[p.ud.sub]; mode != "" && p.from == protocols.Server {
		p.facts = []protocols.Fact{{About: protocols.Server, Key: protocols.FactMode, Value: mode}}
	}
}

// pushDiagnostic reads the event number that begins a diagnostic message. The few that report a change of mode tell it.
func pushDiagnostic(c *conversation, p *message) {
	if len(p.data) < 2 || p.from != protocols.Server {
		return
	}
	id := binary.BigEndian.Uint16(p.data)
	p.object = protocols.Object{Area: "diagnostic-event", Name: c.names.number(id)}
	p.show.list(szlList{size: diagnosticLen, count: 1, records: p.data}, diagnosticDetail)
	if mode := eventMode(id); mode != "" {
		p.facts = []protocols.Fact{{About: protocols.Server, Key: protocols.FactMode, Value: mode}}
	}
}
