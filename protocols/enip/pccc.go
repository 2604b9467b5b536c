package enip

import (
	"fmt"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// pcccFunctions are the commands of PCCC by command and function code (1770-RM516, chapter 7). Commands that have no
// function code stand under 0xff.
var pcccFunctions = func() map[uint16]*service {
	table := map[uint16]*service{}
	for _, f := range []struct {
		code   uint16
		name   string
		action protocols.Action
	}{
		{0x00ff, "protected write", write},
		{0x01ff, "unprotected read", read},
		{0x02ff, "protected bit write", write},
		{0x04ff, "physical read", upload},
		{0x05ff, "unprotected bit write", write},
		{0x08ff, "unprotected write", write},
		{0x0600, "echo", none},
		{0x0601, "read diagnostic counters", identify},
		{0x0602, "set variables", configure},
		{0x0603, "diagnostic status", identify},
		{0x0604, "set timeout", configure},
		{0x0605, "set NAKs", configure},
		{0x0606, "set ENQs", configure},
		{0x0607, "reset diagnostic counters", configure},
		{0x0608, "set data table size", configure},
		{0x0609, "read link parameters", read},
		{0x060a, "set link parameters", configure},
		{0x0700, "disable outputs", control},
		{0x0701, "enable outputs", control},
		{0x0703, "enable PLC scanning", control},
		{0x0704, "enter download mode", control},
		{0x0705, "exit download/upload mode", control},
		{0x0706, "enter upload mode", upload},
		{0x0f00, "word range write", write},
		{0x0f01, "word range read", read},
		{0x0f02, "bit write", write},
		{0x0f03, "file write", write},
		{0x0f04, "file read", read},
		{0x0f05, "download request", download},
		{0x0f06, "upload", upload},
		{0x0f07, "shutdown", control},
		{0x0f08, "physical write", download},
		{0x0f09, "physical read", upload},
		{0x0f0a, "restart request", control},
		{0x0f11, "get edit resource", login},
		{0x0f12, "return edit resource", connect},
		{0x0f17, "read bytes physical", upload},
		{0x0f18, "write bytes physical", download},
		{0x0f26, "read-modify-write", write},
		{0x0f29, "read section size", browse},
		{0x0f3a, "set CPU mode", control},
		{0x0f41, "disable forces", configure},
		{0x0f50, "download all request", download},
		{0x0f52, "download completed", download},
		{0x0f53, "upload all request", upload},
		{0x0f55, "upload completed", upload},
		{0x0f57, "initialize memory", download},
		{0x0f5e, "modify PLC-2 compatibility file", configure},
		{0x0f67, "typed write", write},
		{0x0f68, "typed read", read},
		{0x0f79, "read-modify-write N", write},
		{fnChangeMode, "change mode", control},
		{0x0f81, "open file", file},
		{0x0f82, "close file", file},
		{0x0f88, "execute multiple commands", none},
		{0x0f8f, "apply port configuration", configure},
		{0x0fa1, "protected typed logical read with two address fields", read},
		{0x0fa2, "protected typed logical read with three address fields", read},
		{0x0fa7, "protected typed file read", upload},
		{0x0fa9, "protected typed logical write with two address fields", write},
		{0x0faa, "protected typed logical write with three address fields", write},
		{0x0fab, "protected typed logical write with mask", write},
		{0x0faf, "protected typed file write", download},
	} {
		table[f.code] = &service{code: svcExecutePCCC, name: f.name, action: f.action, data: dataPCCC}
	}
	return table
}()

const (
	svcExecutePCCC = 0x4b
	fnSetMode      = 0x0f3a
	fnChangeMode   = 0x0f80
	pcccAnswer     = 0x40 // in the command of an answer
	pcccExtended   = 0xf0 // the status is in a further octet
)

// pcccStatus names the remote errors (1770-RM516, chapter 8).
var pcccStatus = map[uint8]string{
	0x00: "success", 0x10: "illegal command or format", 0x20: "host has a problem and will not communicate",
	0x30: "remote node host is missing, disconnected, or shut down", 0x40: "host could not complete function due to hardware fault",
	0x50: "addressing problem or memory protect rungs", 0x60: "function not allowed due to command protection selection",
	0x70: "processor is in program mode", 0x80: "compatibility mode file missing or communication zone problem",
	0x90: "remote node cannot buffer command", 0xb0: "remote node problem due to download", 0xf0: "see extended status",
}

// pccc is a PCCC message inside CIP: who asks, then command, status, transaction, and in requests a function.
type pccc struct {
	vendor      uint16
	serial      uint32
	command     uint8 // without the bit of an answer
	status      uint8
	extended    uint8
	transaction uint16
	function    uint8 // of requests that have one, else 0xff
	data        []byte
}

func readPCCC(b []byte, answer bool) (p pccc, ok bool) {
	c := wire.New(b)
	id := wire.New(c.Bytes(int(c.Peek(0))))
	id.Skip(1)
	p.vendor, p.serial = id.LE16(), id.LE32()
	p.command, p.status, p.transaction, p.function = c.U8(), c.U8(), c.LE16(), noFunction
	if answer {
		p.command &^= pcccAnswer
		if p.status == pcccExtended {
			p.extended = c.U8()
		}
	} else if hasFunction(p.command) {
		p.function = c.U8()
	}
	p.data = c.Rest()
	return p, !c.Failed()
}

const noFunction = 0xff

// hasFunction reports whether a function code follows the transaction of a command.
func hasFunction(command uint8) bool { return command == 0x06 || command == 0x07 || command == 0x0f }

// askPCCC reads a command and the place in the data table that it is about.
func askPCCC(d *conversation, c *call) {
	p, ok := readPCCC(c.data, false)
	if !ok {
		d.fail("PCCC in %d bytes", len(c.data))
		return
	}
	code := uint16(p.command)<<8 | uint16(p.function)
	if row := pcccFunctions[code]; row != nil {
		c.row = row
	} else {
		c.row = d.unknownPCCC(p)
	}
	c.action = c.row.action
	switch p.function {
	case 0xa1, 0xa2, 0xa9, 0xaa, 0xab:
		a, ok := readAddress(p.function, p.data)
		if !ok {
			d.fail("%s with %d bytes of data", c.row.name, len(p.data))
			return
		}
		c.object = d.dataFile(a)
		c.arg = uint32(a.kind)
		if c.action == write && p.function != 0xab {
			c.values = a.values(a.raw)
		}
	case fnChangeMode & 0xff, fnSetMode & 0xff:
		if code>>8 == 0x0f && len(p.data) > 0 {
			mode := modes[uint16(p.function)<<8|uint16(p.data[0])]
			c.object = protocols.Object{Area: "mode", Name: mode}
		}
	}
}

// unknownPCCC gives a row for a command that the table does not know.
func (d *conversation) unknownPCCC(p pccc) *service {
	name := fmt.Sprintf("PCCC command 0x%02X", p.command)
	if p.function != noFunction {
		name += fmt.Sprintf(" function 0x%02X", p.function)
	}
	return &service{code: svcExecutePCCC, name: name, data: dataPCCC}
}

// modes are those that a mode change asks for, by function and code (1770-RM516, chapter 7).
var modes = map[uint16]string{
	0x8001: "stop", 0x8006: "run", 0x8007: "test continuous", 0x8008: "test single scan", 0x8009: "test single step",
	0x3a00: "stop", 0x3a01: "test", 0x3a02: "run",
}

// tellPCCC reads the status of an answer and the values of a read.
func tellPCCC(d *conversation, c *call) {
	p, ok := readPCCC(c.data, true)
	if !ok {
		d.fail("answer to PCCC in %d bytes", len(c.data))
		return
	}
	c.failed = p.status != 0
	switch {
	case c.failed:
	case c.object.Area == "mode" && c.object.Name == "run":
		c.facts = modeRun
	case c.object.Area == "mode" && c.object.Name == "stop":
		c.facts = modeStop
	case c.action == read && c.object.Area == areaDataFile:
		a := address{kind: uint8(c.arg), span: c.object.Count}
		c.values = a.values(p.data)
	}
}

const areaDataFile = "data-file"

// address is a place in the data table of an SLC 500 or MicroLogix (1770-RM516, chapter 7).
type address struct {
	size    uint8 // octets
	file    uint16
	kind    uint8
	element uint16
	sub     uint16
	span    uint32 // elements
	raw     []byte // what is written
}

// dataFiles are the types of files: the letter of their addresses, the octets of an element, and how one is read.
var dataFiles = map[uint8]struct {
	letter string
	size   int
	kind   protocols.ValueType
}{
	0x82: {"O", 2, protocols.ValueUint},
	0x83: {"I", 2, protocols.ValueUint},
	0x84: {"S", 2, protocols.ValueUint},
	0x85: {"B", 2, protocols.ValueUint},
	0x86: {"T", 6, protocols.ValueBytes},
	0x87: {"C", 6, protocols.ValueBytes},
	0x88: {"R", 6, protocols.ValueBytes},
	0x89: {"N", 2, protocols.ValueInt},
	0x8a: {"F", 4, protocols.ValueFloat},
	0x8b: {"O", 2, protocols.ValueUint},
	0x8c: {"I", 2, protocols.ValueUint},
	0x8d: {"ST", 84, protocols.ValueBytes},
	0x8e: {"A", 2, protocols.ValueBytes},
	0x8f: {"D", 2, protocols.ValueUint},
	0x91: {"L", 4, protocols.ValueInt},
}

// readAddress reads size, file, type, element and sub-element; numbers of 255 and more have three octets.
func readAddress(function uint8, data []byte) (a address, ok bool) {
	c := wire.New(data)
	number := func() uint16 {
		if n := c.U8(); n != 0xff {
			return uint16(n)
		}
		return c.LE16()
	}
	a.size = c.U8()
	a.file, a.kind, a.element = number(), c.U8(), number()
	if function == 0xa2 || function == 0xaa || function == 0xab {
		a.sub = number()
	}
	a.raw = c.Rest()
	a.span = 1
	if f := dataFiles[a.kind]; f.size > 0 {
		a.span = max(1, uint32(int(a.size)/f.size))
	}
	return a, !c.Failed()
}

// dataFile names the place: file "N7" from the element on, or the word of an element, "T4.1".
func (d *conversation) dataFile(a address) protocols.Object {
	key := [7]byte{0, 0, a.kind, byte(a.file), byte(a.file >> 8), byte(a.sub), byte(a.sub >> 8)}
	return protocols.Object{
		Area: areaDataFile, First: uint32(a.element), Count: a.span,
		Name: d.paths.name(key[:], func() string {
			letter := dataFiles[a.kind].letter
			if letter == "" {
				letter = fmt.Sprintf("0x%02X:", a.kind)
			}
			name := letter + strconv.Itoa(int(a.file))
			if a.sub != 0 {
				name += "." + strconv.Itoa(int(a.sub))
			}
			return name
		}),
	}
}

// values reads what is in a place.
func (a address) values(raw []byte) protocols.Values {
	f := dataFiles[a.kind]
	switch {
	case len(raw) == 0:
		return protocols.Values{}
	case a.span == 1 && len(raw) == f.size && f.kind != protocols.ValueNone:
		return protocols.Values{Type: f.kind, Raw: raw}
	default:
		return protocols.Values{Type: protocols.ValueBytes, Raw: raw}
	}
}
