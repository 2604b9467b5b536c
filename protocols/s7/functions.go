package s7

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// Function codes of jobs.
const (
	fnCPUServices     = 0x00
	fnReadVar         = 0x04
	fnWriteVar        = 0x05
	fnRequestDownload = 0x1a
	fnDownloadBlock   = 0x1b
	fnDownloadEnded   = 0x1c
	fnStartUpload     = 0x1d
	fnUpload          = 0x1e
	fnEndUpload       = 0x1f
	fnPIService       = 0x28
	fnPLCStop         = 0x29
	fnSetup           = 0xf0
)

// function is what a function code means. read takes the object, items and action from a request's parameter and data;
// answer takes from an answer what it adds. Either may be nil.
type function struct {
	name   string
	action protocols.Action
	read   func(c *conversation, p *message, param, data []byte)
	answer func(c *conversation, p *message)
}

// functions is the table of jobs, by function code.
var functions = [256]*function{
	fnCPUServices:     {name: "CPU services", action: protocols.ActionIdentify},
	fnReadVar:         {name: "Read Var", action: protocols.ActionRead, read: readAddresses, answer: readResults},
	fnWriteVar:        {name: "Write Var", action: protocols.ActionWrite, read: readWrites, answer: readCodes},
	fnRequestDownload: {name: "Request download", action: protocols.ActionDownload, read: readFilename},
	fnDownloadBlock:   {name: "Download block", action: protocols.ActionDownload, read: readFilename},
	fnDownloadEnded:   {name: "Download ended", action: protocols.ActionDownload, read: readFilename},
	fnStartUpload:     {name: "Start upload", action: protocols.ActionUpload, read: readFilename, answer: startUpload},
	fnUpload:          {name: "Upload", action: protocols.ActionUpload, read: readUploadID},
	fnEndUpload:       {name: "End upload", action: protocols.ActionUpload, read: readUploadID, answer: endUpload},
	fnPIService:       {name: "PI-Service", action: protocols.ActionControl, read: readService, answer: tellMode},
	fnPLCStop:         {name: "PLC Stop", action: protocols.ActionControl, read: readStop, answer: tellMode},
	fnSetup:           {name: "Setup communication", action: protocols.ActionConnect, read: readSetup, answer: readAgreed},
}

// Rows of messages that have no function.
var (
	emptyJob = function{name: "Job"}
	bareAck  = function{name: "Ack"}
)

// unknown gives a row for a code that the table lacks; it is counted like any other message.
func unknown(what string, code uint8) *function {
	return &function{name: fmt.Sprintf("%s 0x%02x", what, code)}
}

// job reads a request and remembers it for its answer.
func (c *conversation) job(p *message) {
	p.outcome = protocols.OutcomeAsked
	if len(p.param) == 0 {
		p.is(&emptyJob)
		p.fail("job without a function")
		return
	}
	p.fn, p.hasFn = p.param[0], true
	p.look(p.fn)
	if p.row.read != nil {
		p.row.read(c, p, p.param, p.data)
	}
	c.asked.put(p.from, p.ref, jobKind(p.fn), p.frame, p.param)
}

// readRequest reads once more the request that this message answers. Its faults were told when it passed.
func (p *message) readRequest(c *conversation, param, data []byte) {
	if p.row.read != nil {
		fault := p.err
		p.row.read(c, p, param, data)
		p.err = fault
	}
}

// look fills in the row of a function code.
func (p *message) look(fn uint8) {
	row := functions[fn]
	if row == nil {
		row = unknown("Function", fn)
	}
	p.is(row)
}

func jobKind(fn uint8) uint32 { return uint32(fn) }

// answer reads an acknowledgement together with the job it answers. A bare one names no function; then its job tells.
func (c *conversation) answer(p *message) {
	p.hasFn = len(p.param) > 0
	if p.hasFn {
		p.fn = p.param[0]
		p.request = c.asked.take(p.from.Other(), p.ref, jobKind(p.fn))
	} else {
		p.request = c.asked.takeAny(p.from.Other(), p.ref)
		if p.request == nil {
			p.is(&bareAck)
		} else {
			p.fn = uint8(p.request.kind)
		}
	}
	if p.hasFn || p.request != nil {
		p.look(p.fn)
	}
	if p.request != nil {
		p.readRequest(c, p.request.raw, nil)
	}
	p.outcome = protocols.OutcomeDone
	if p.errCls != 0 || p.errCod != 0 {
		p.outcome = protocols.OutcomeRefused
		if len(p.data) == 0 {
			return
		}
	}
	if p.row.answer != nil && p.hasFn && p.rosctr == rosctrAckData { // a mere Ack has no results
		p.row.answer(c, p)
	}
}
