package s7

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Syntaxes of an item's address.
const (
	syntaxAny      = 0x10 // area, number, bit address
	syntaxNCK      = 0x82 // numerical control: area, column, line, module
	syntaxNCKMetre = 0x83 // the same in metric units
	syntaxNCKInch  = 0x84 // the same in inches
	syntaxDrive    = 0xa2 // drive: parameter, index
	syntaxDBRead   = 0xb0 // several areas of data blocks, as WinCC asks
	syntaxSymbolic = 0xb2 // symbolic, as S7-1200 and S7-1500 are asked
)

// maxItems bounds what one message can hold; an item count is one byte, but items of syntaxDBRead hold several.
const maxItems = 512

// specification marks an item's address.
const specification = 0x12

// item is one variable of a message: its address from a request, its result from an answer, or both.
type item struct {
	path  []byte // what syntaxes other than those of areas say; borrowed
	value []byte // borrowed
	start uint32 // byte offset; number of a counter or timer
	db    uint16
	count uint16

	syntax uint8
	area   uint8
	typ    uint8
	bit    uint8
	span   uint8 // how many items, from this one on, share one result; 0 within such a group
	code   uint8
	coded  bool
}

// area is a memory area of a controller.
type area struct {
	name   string
	letter string // begins the name of a bit: "M0.1", "DB1.DBX0.1"
	number bool   // elements are numbered, not addressed by byte
	block  bool   // there are several, each with a number
}

const (
	areaDB      = 0x84
	areaDI      = 0x85
	areaCounter = 0x1c
	areaTimer   = 0x1d
)

var areas = [256]area{
	0x03:        {name: "SI"},
	0x05:        {name: "SF"},
	0x06:        {name: "AI"},
	0x07:        {name: "AQ"},
	areaCounter: {name: "C", number: true},
	areaTimer:   {name: "T", number: true},
	0x1e:        {name: "IEC-C", number: true},
	0x1f:        {name: "IEC-T", number: true},
	0x80:        {name: "P", letter: "P"},
	0x81:        {name: "I", letter: "I"},
	0x82:        {name: "Q", letter: "Q"},
	0x83:        {name: "M", letter: "M"},
	areaDB:      {name: "DB", letter: ".DBX", block: true},
	areaDI:      {name: "DI", letter: ".DIX", block: true},
	0x86:        {name: "L", letter: "L"},
	0x87:        {name: "V", letter: "V"},
}

// valueType is the type of an item's elements: its name and the size of an element in bytes.
type valueType struct {
	name string
	size uint32
}

const typeBit = 0x01

var types = [256]valueType{
	typeBit: {"BIT", 0},
	0x02:    {"BYTE", 1},
	0x03:    {"CHAR", 1},
	0x04:    {"WORD", 2},
	0x05:    {"INT", 2},
	0x06:    {"DWORD", 4},
	0x07:    {"DINT", 4},
	0x08:    {"REAL", 4},
	0x09:    {"DATE", 2},
	0x0a:    {"TOD", 4},
	0x0b:    {"TIME", 4},
	0x0c:    {"S5TIME", 2},
	0x0f:    {"DATE_AND_TIME", 8},
	0x1c:    {"COUNTER", 2},
	0x1d:    {"TIMER", 2},
	0x1e:    {"IEC COUNTER", 2},
	0x1f:    {"IEC TIMER", 2},
	0x20:    {"HS COUNTER", 2},
}

// declared are the numbers that the types of items stand for.
var declared = [256]protocols.Scalar{
	0x04: {Kind: protocols.ValueUint, Size: 2},
	0x05: {Kind: protocols.ValueInt, Size: 2},
	0x06: {Kind: protocols.ValueUint, Size: 4},
	0x07: {Kind: protocols.ValueInt, Size: 4},
	0x08: {Kind: protocols.ValueFloat, Size: 4},
	0x0a: {Kind: protocols.ValueUint, Size: 4},
	0x0b: {Kind: protocols.ValueInt, Size: 4},
}

func areaName(code uint8) string {
	if name := areas[code].name; name != "" {
		return name
	}
	return fmt.Sprintf("area-0x%02x", code)
}

func typeName(code uint8) string {
	if name := types[code].name; name != "" {
		return name
	}
	return fmt.Sprintf("0x%02x", code)
}

// newItem gives the place of a further item.
func (p *message) newItem() *item {
	p.items = append(p.items, item{})
	return &p.items[len(p.items)-1]
}

// addresses reads count item addresses from the start of b into p.items, as far as they are there: each a mark, a
// length, and a variable specification.
func (p *message) addresses(b []byte, count int) {
	p.addressed = true
	for n := range count {
		if len(b) < 2 || len(p.items) >= maxItems {
			p.fail("%d items announced, %d are there", count, n)
			return
		}
		size := int(b[1])
		if b[0] != specification || size == 0 || size > len(b)-2 {
			p.fail("item %d of %d is no variable specification", n+1, count)
			return
		}
		p.address(b[2 : 2+size])
		b = b[2+size:]
		if size%2 == 1 && len(b) > 0 && b[0] == 0 {
			b = b[1:] // items begin at even places
		}
	}
}

// address reads one variable specification: a syntax and what belongs to it.
func (p *message) address(spec []byte) {
	if spec[0] == syntaxDBRead && len(spec) >= 7 {
		p.addressDBRead(wire.New(spec[1:]))
		return
	}
	it := p.newItem()
	it.syntax, it.span = spec[0], 1
	switch {
	case it.syntax == syntaxAny && len(spec) >= absoluteLen:
		it.absolute((*[absoluteLen]byte)(spec))
	case it.syntax == syntaxSymbolic && len(spec) >= 10:
		it.symbolic(spec)
	default:
		it.path = spec[1:]
	}
}

// absoluteLen is the length of an address by area, number and bit.
const absoluteLen = 10

// absolute reads syntax, type, count, data block, area and bit address.
func (it *item) absolute(spec *[absoluteLen]byte) {
	it.typ, it.area = spec[1], spec[6]
	it.count, it.db = binary.BigEndian.Uint16(spec[2:]), binary.BigEndian.Uint16(spec[4:])
	it.start, it.bit = binary.BigEndian.Uint32(spec[6:])&0xffffff, 0
	if !it.numbered() {
		it.start, it.bit = it.start>>3, uint8(it.start&7)
	}
}

// symbolic reads syntax, a byte, the area, and the way through it.
func (it *item) symbolic(spec []byte) {
	area, which := binary.BigEndian.Uint16(spec[2:]), binary.BigEndian.Uint16(spec[4:])
	if area == areaPlusDB {
		it.area, it.db = areaDB, which
	} else {
		it.area = symbolAreas[which]
	}
	it.path = spec[6:]
}

// symbolAreas maps the areas of symbolic addresses to those of absolute ones.
var symbolAreas = map[uint16]uint8{0x50: 0x81, 0x51: 0x82, 0x52: 0x83, 0x53: areaCounter, 0x54: areaTimer}

// addressDBRead reads the areas of one item that share one result: a count, then length, data block and byte offset of
// each.
func (p *message) addressDBRead(c wire.Cursor) {
	first, count := len(p.items), int(c.U8())
	for range count {
		size, db, start := c.U8(), c.U16(), c.U16()
		if c.Failed() || len(p.items) >= maxItems {
			p.fail("%d areas announced, %d are there", count, len(p.items)-first)
			break
		}
		it := p.newItem()
		it.syntax, it.area, it.typ = syntaxDBRead, areaDB, 0x02
		it.count, it.db, it.start = uint16(size), db, uint32(start)
	}
	if len(p.items) > first {
		p.items[first].span = uint8(len(p.items) - first)
	}
}

// oneBit reports whether the item is a single bit, in an area whose bits have names.
func (it *item) oneBit() bool {
	return it.typ == typeBit && it.count == 1 && areas[it.area].letter != ""
}

func (it *item) numbered() bool { return areas[it.area].number }

// describe says what the item is about. Counts are bytes, but rows of bits and numbered elements count themselves, and
// a single bit is known by name.
func (it *item) describe(o *protocols.Object, names *names) {
	o.Area = areaName(it.area)
	switch it.syntax {
	case syntaxAny, syntaxDBRead:
		it.locate(o, names)
	case syntaxSymbolic:
		o.Name = names.symbol(it)
	case syntaxNCK, syntaxNCKMetre, syntaxNCKInch:
		if len(it.path) >= nckLen {
			it.describeNCK(o, names)
			return
		}
		o.Name = names.syntax(it.syntax)
	case syntaxDrive:
		if len(it.path) >= driveLen {
			it.describeDrive(o, names)
			return
		}
		o.Name = names.syntax(it.syntax)
	default:
		o.Name = names.syntax(it.syntax)
	}
}

// locate says which place an item by area, number and address is.
func (it *item) locate(o *protocols.Object, names *names) {
	a := &areas[it.area]
	if o.Area = a.name; a.name == "" {
		o.Area = areaName(it.area)
	}
	bit := it.oneBit()
	if bit || a.block {
		o.Name = names.variable(it, bit)
	}
	if bit {
		return // the name says which bit of which byte
	}
	o.First, o.Count = it.start, uint32(it.count)
	if size := types[it.typ].size; size > 0 && !a.number {
		o.Count *= size
	}
}

// evaluate gives the item's process values. Memory is bytes, whatever type the client chose: so what one client wrote
// as a REAL and another reads as a row of bytes is the same place with the same content.
func (it *item) evaluate(v *protocols.Values) {
	if len(it.value) == 0 {
		return
	}
	v.Raw = it.value
	switch {
	case it.oneBit():
		v.Type = protocols.ValueBool
	case it.numbered() && len(it.value)%2 == 0:
		v.Type = protocols.ValueWords
	default:
		v.Type = protocols.ValueBytes
		if it.syntax == syntaxAny {
			v.Declared = declared[it.typ]
		}
	}
}
