package s7

import (
	"bytes"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// services is the table of program invocation services. Those it lacks keep the action Control: they invoke something.
var services = map[string]protocols.Action{
	"P_PROGRAM": protocols.ActionControl,   // start, or stop with function 0x29
	"_INSE":     protocols.ActionDownload,  // make a downloaded block part of the program
	"_INS2":     protocols.ActionDownload,  // the same, second form
	"_DELE":     protocols.ActionDownload,  // remove a block from the program
	"_MODU":     protocols.ActionConfigure, // copy the work memory to the load memory
	"_GARB":     protocols.ActionConfigure, // compress the memory
	"_N_LOGIN_": protocols.ActionLogin,
	"_N_LOGOUT": protocols.ActionConnect,
	"_N_DELECO": protocols.ActionDownload,
	"_N_CHKDNO": protocols.ActionIdentify,
	"_N_TMRASS": protocols.ActionConfigure,
	"_N_SETUFR": protocols.ActionConfigure,
	"_N_SETUDT": protocols.ActionConfigure,
	"_N_CONFIG": protocols.ActionConfigure,
}

// fileService begins the names of file services of numerical controls: _N_F_OPEN, _N_F_DELE, …
const fileService = "_N_F_"

const programService = "P_PROGRAM"

// readService reads the parameter of a PI service: function, seven bytes, argument block, service name.
func readService(_ *conversation, p *message, param, _ []byte) {
	c := wire.New(param)
	c.Skip(8)
	p.arguments = c.Bytes(int(c.U16()))
	p.service = c.Bytes(int(c.U8()))
	if c.Failed() {
		p.fail("service beyond a parameter of %d bytes", len(param))
	}
	p.serve()
}

// readStop reads the parameter of a stop: function, five bytes, service name.
func readStop(_ *conversation, p *message, param, _ []byte) {
	c := wire.New(param)
	c.Skip(6)
	p.service = c.Bytes(int(c.U8()))
	if c.Failed() {
		p.fail("service beyond a parameter of %d bytes", len(param))
	}
	p.object = protocols.Object{Area: "program", Name: programService}
}

// serve derives what a service does and to what.
func (p *message) serve() {
	name := string(p.service)
	if action, ok := services[name]; ok {
		p.action = action
	} else if strings.HasPrefix(name, fileService) {
		p.action = protocols.ActionFile
	}
	if name == "_INSE" || name == "_INS2" || name == "_DELE" {
		if b, ok := blockOfArguments(p.arguments); ok {
			p.block = b
			count := int(p.arguments[0])
			p.arguments = p.arguments[2:]
			p.filename = p.arguments[:min(len(p.arguments), blockArgument)]
			p.object = b.object()
			p.furtherBlocks(count)
			return
		}
	}
	if name == programService && p.fn == fnPIService {
		p.is(&hotStart)
		if bytes.HasPrefix(p.arguments, []byte("C")) {
			p.is(&coldStart)
		}
	}
	p.object = protocols.Object{Area: "program", Name: printable(p.service)}
}

// The program service without a function of its own starts the controller, and its argument says from which state.
var (
	hotStart  = function{name: "PLC Hot Start", action: protocols.ActionControl, answer: tellMode}
	coldStart = function{name: "PLC Cold Start", action: protocols.ActionControl, answer: tellMode}
)

// blockArgument is the length of a block in the argument block of a service: kind, number, memory.
const blockArgument = 8

// furtherBlocks reads the blocks behind the first, of count in all.
func (p *message) furtherBlocks(count int) {
	for b := p.arguments; count > 1 && len(b) >= 2*blockArgument; count-- {
		b = b[blockArgument:]
		if next, ok := parseBlock(b); ok {
			p.more = append(p.more, next.object())
		}
	}
}

// blockOfArguments reads the first of an argument block that lists blocks: their count, a zero, and the blocks.
func blockOfArguments(b []byte) (block, bool) {
	if len(b) < 9 || b[0] == 0 {
		return block{}, false
	}
	return parseBlock(b[2:])
}

// Modes that a controller is in after it confirmed a start or stop.
var (
	modeRun  = []protocols.Fact{{About: protocols.Server, Key: protocols.FactMode, Value: "run", Confidence: 80}}
	modeStop = []protocols.Fact{{About: protocols.Server, Key: protocols.FactMode, Value: "stop", Confidence: 80}}
)

// tellMode concludes the mode from the confirmation of a start or stop.
func tellMode(_ *conversation, p *message) {
	switch {
	case p.outcome != protocols.OutcomeDone:
	case p.fn == fnPLCStop:
		p.facts = modeStop
	case string(p.service) == programService:
		p.facts = modeRun
	}
}

// printable gives text from the wire as it may stand in a record.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, string(bytes.Trim(b, "\x00 ")))
}

// readSetup reads the request to agree on a PDU size and on how many jobs may be under way.
func readSetup(_ *conversation, p *message, param, _ []byte) {
	if p.rosctr == rosctrJob {
		p.readMaxPDU(param)
	}
}

// readAgreed reads the answer to it.
func readAgreed(_ *conversation, p *message) { p.readMaxPDU(p.param) }

func (p *message) readMaxPDU(param []byte) {
	c := wire.New(param)
	c.Skip(6)
	p.maxPDU = c.U16()
	if c.Failed() {
		p.fail("setup in a parameter of %d bytes", len(param))
	}
}
