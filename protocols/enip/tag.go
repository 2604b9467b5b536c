package enip

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// elementary are the elementary data types (Volume 1, C-6.1) with their size and how their values are read.
var elementary = [...]struct {
	name string
	size int
	kind protocols.ValueType
}{
	0xc1: {"BOOL", 1, protocols.ValueBool},
	0xc2: {"SINT", 1, protocols.ValueInt},
	0xc3: {"INT", 2, protocols.ValueInt},
	0xc4: {"DINT", 4, protocols.ValueInt},
	0xc5: {"LINT", 8, protocols.ValueInt},
	0xc6: {"USINT", 1, protocols.ValueUint},
	0xc7: {"UINT", 2, protocols.ValueUint},
	0xc8: {"UDINT", 4, protocols.ValueUint},
	0xc9: {"ULINT", 8, protocols.ValueUint},
	0xca: {"REAL", 4, protocols.ValueFloat},
	0xcb: {"LREAL", 8, protocols.ValueFloat},
	0xd1: {"BYTE", 1, protocols.ValueUint},
	0xd2: {"WORD", 2, protocols.ValueUint},
	0xd3: {"DWORD", 4, protocols.ValueUint},
	0xd4: {"LWORD", 8, protocols.ValueUint},
}

const (
	typeStructure = 0x02a0
	handleString  = 0x0fce // of the structure STRING: a length of 32 bits and 82 characters (1756-PM020)
	fragmented    = 1 << 31
)

// dataType is the type in front of the values of a tag.
type dataType struct {
	code, handle uint16
}

func readType(c *wire.Cursor) (t dataType) {
	if t.code = c.LE16(); t.code == typeStructure {
		t.handle = c.LE16()
	}
	return t
}

// name gives the type's name; empty where the tables do not know it.
func (t dataType) name() string {
	switch {
	case t.code == typeStructure && t.handle == handleString:
		return "STRING"
	case t.code == typeStructure:
		return "structure"
	case int(t.code&0xff) < len(elementary):
		return elementary[t.code&0xff].name
	default:
		return ""
	}
}

// values reads the values of count elements.
func (t dataType) values(raw []byte, count uint32) protocols.Values {
	e := elementary[0]
	if code := t.code & 0xff; int(code) < len(elementary) {
		e = elementary[code]
	}
	switch {
	case len(raw) == 0:
		return protocols.Values{}
	case t.code == typeStructure && t.handle == handleString && count <= 1 && len(raw) >= 4:
		n := binary.LittleEndian.Uint32(raw)
		text := raw[4:]
		return protocols.Values{Type: protocols.ValueText, Raw: text[:min(uint64(n), uint64(len(text)))]}
	case e.size > 0 && t.code>>8 <= 7 && count <= 1 && len(raw) == e.size: // the high octet of a BOOL is its place in its word
		return protocols.Values{Type: e.kind, Raw: raw}
	default:
		return protocols.Values{Type: protocols.ValueBytes, Raw: raw}
	}
}

// tagRead and tagWrite are the data of the requests.
type tagRead struct {
	count  uint16
	offset uint32
}

func readTagRead(service uint8, data []byte) (r tagRead, ok bool) {
	c := wire.New(data)
	r.count = c.LE16()
	if service == 0x52 {
		r.offset = c.LE32()
	}
	return r, !c.Failed()
}

type tagWrite struct {
	kind   dataType
	count  uint16
	offset uint32
	raw    []byte
}

func readTagWrite(service uint8, data []byte) (w tagWrite, ok bool) {
	c := wire.New(data)
	w.kind = readType(&c)
	w.count = c.LE16()
	if service == 0x53 {
		w.offset = c.LE32()
	}
	w.raw = c.Rest()
	return w, !c.Failed()
}

// span gives the object of several elements.
func (c *call) span(count uint16) {
	if count > 1 {
		c.object.Count = uint32(count)
	}
}

// askRead reads how many elements are asked for, and from which octet on.
func askRead(d *conversation, c *call) {
	r, ok := readTagRead(c.service, c.data)
	if !ok {
		d.fail("%s with %d bytes of data", c.row.title(), len(c.data))
		return
	}
	c.span(r.count)
	c.arg = uint32(r.count)
	if r.offset != 0 {
		c.arg |= fragmented
	}
}

// tellRead reads type and values. Those of a fragment are part of a value.
func tellRead(d *conversation, c *call) {
	cur := wire.New(c.data)
	kind := readType(&cur)
	raw := cur.Rest()
	if cur.Failed() {
		d.fail("answer to %s with %d bytes of data", c.row.title(), len(c.data))
		return
	}
	if c.status == statusSuccess && c.arg&fragmented == 0 {
		c.values = kind.values(raw, c.arg)
	}
}

// askWrite reads type, count and values.
func askWrite(d *conversation, c *call) {
	w, ok := readTagWrite(c.service, c.data)
	if !ok {
		d.fail("%s with %d bytes of data", c.row.title(), len(c.data))
		return
	}
	c.span(w.count)
	if w.offset == 0 {
		c.values = w.kind.values(w.raw, uint32(w.count))
	}
}

// askValue takes the value of a single attribute as it stands, where it is set.
func askValue(_ *conversation, c *call) {
	if c.service == svcSetSingle && len(c.data) > 0 {
		c.values = protocols.Values{Type: protocols.ValueBytes, Raw: c.data}
	}
}

// tellValue takes the value of a single attribute where it is a process value.
func tellValue(_ *conversation, c *call) {
	if c.service == svcGetSingle && c.target.class.process && len(c.data) > 0 {
		c.values = protocols.Values{Type: protocols.ValueBytes, Raw: c.data}
	}
}

// electronicDataSheet is the instance of the file object that holds the description of the device (Volume 1, 5-42).
const electronicDataSheet = 0xc8

// askFile tells the device's own description apart from other files.
func askFile(_ *conversation, c *call) {
	if c.target.has&hasInstance != 0 && c.target.instance == electronicDataSheet {
		c.action = protocols.ActionFile
	}
}

// Modes that a controller is in after it confirmed a start or stop.
var (
	modeRun  = []protocols.Fact{{About: protocols.Server, Key: protocols.FactMode, Value: "run", Confidence: 80}}
	modeStop = []protocols.Fact{{About: protocols.Server, Key: protocols.FactMode, Value: "stop", Confidence: 80}}
)

func tellMode(_ *conversation, c *call) {
	if c.service == svcStart {
		c.facts = modeRun
		return
	}
	c.facts = modeStop
}
