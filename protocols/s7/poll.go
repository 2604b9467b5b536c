package s7

import (
	"encoding/binary"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// Polls are jobs that read or write variables by area, number and bit address: nearly all that is said to controllers.
// Such a job has a parameter of function, count and specLen bytes for each variable, which begin with specHead.
const (
	listHead = 2
	specLen  = 12
	specHead = specification<<16 | absoluteLen<<8 | syntaxAny
)

// poll reads such a job, or the results of one that was read here, in one go where it is as the tables want it. Of anything
// else it reports false and has changed nothing: the tables read that, and would read a poll to the same events.
func (c *conversation) poll(dst []protocols.Event, m *protocols.Message, b []byte) ([]protocols.Event, bool) {
	if len(b) < headerLen+listHead || b[0] != idClassic || m.Detail || m.Missing > 0 || c.secure != nil {
		return dst, false
	}
	ref, paramLen := binary.BigEndian.Uint16(b[4:]), int(binary.BigEndian.Uint16(b[6:]))
	rest := b[headerLen:]
	switch left := len(rest) - paramLen - int(binary.BigEndian.Uint16(b[8:])); {
	case b[1] == rosctrJob && left == 0:
		return c.asks(dst, m, ref, rest[:paramLen], rest[paramLen:])
	case b[1] == rosctrAckData && left == 2 && paramLen == listHead && rest[0]|rest[1] == 0:
		return c.tells(dst, m, ref, rest[2:])
	default:
		return dst, false
	}
}

// asks reads a job: the variables, and the values where they are written.
func (c *conversation) asks(dst []protocols.Event, m *protocols.Message, ref uint16, param, data []byte) ([]protocols.Event, bool) {
	if len(param) <= listHead || len(param) > maxKept || len(param) != listHead+int(param[1])*specLen {
		return dst, false
	}
	fn := param[0]
	if fn == fnReadVar && len(data) > 0 || fn != fnReadVar && fn != fnWriteVar {
		return dst, false
	}
	start, row := len(dst), functions[fn]
	dst = slices.Grow(dst, int(param[1]))[:start+int(param[1])]
	it := item{syntax: syntaxAny, span: 1}
	for i := range int(param[1]) {
		spec := param[listHead+i*specLen:]
		if binary.BigEndian.Uint32(spec)>>8 != specHead {
			return dst[:start], false
		}
		if fn == fnWriteVar {
			whole := false
			if it.value, data, whole = result(data); !whole {
				return dst[:start], false
			}
		}
		it.absolute((*[absoluteLen]byte)(spec[2:]))
		e := &dst[start+i]
		*e = protocols.Event{}
		e.From, e.Action, e.Outcome, e.Message = m.From, row.action, protocols.OutcomeAsked, row.name
		it.tell(e, &c.names)
	}
	c.asked.put(m.From, ref, jobKind(fn), m.Frame, param).poll = true
	return dst, true
}

// tells reads the results of a job: values of what was read, codes for what was written.
func (c *conversation) tells(dst []protocols.Event, m *protocols.Message, ref uint16, b []byte) ([]protocols.Event, bool) {
	fn, data := b[0], b[listHead:]
	at := c.asked.find(m.From.Other(), ref)
	if at < 0 {
		return dst, false
	}
	job := &c.asked.entries[at]
	if !job.poll || job.kind != jobKind(fn) || job.raw[1] != b[1] {
		return dst, false
	}
	start, row := len(dst), functions[fn]
	dst = slices.Grow(dst, int(b[1]))[:start+int(b[1])]
	it := item{syntax: syntaxAny, span: 1}
	for i := range int(b[1]) {
		outcome := protocols.OutcomeRefused
		if len(data) > 0 && data[0] == codeSuccess {
			outcome = protocols.OutcomeDone
		}
		whole := len(data) > 0
		if fn == fnReadVar {
			it.value, data, whole = result(data)
		} else if whole {
			data = data[1:]
		}
		if !whole {
			return dst[:start], false
		}
		it.absolute((*[absoluteLen]byte)(job.raw[listHead+2+i*specLen:]))
		e := &dst[start+i]
		*e = protocols.Event{}
		e.From, e.Action, e.Outcome, e.Message, e.Answers = m.From, row.action, outcome, row.name, job.frame
		it.tell(e, &c.names)
	}
	c.asked.answered(at)
	return dst, true
}

// tell fills in what the variable is, and its value.
func (it *item) tell(e *protocols.Event, names *names) {
	it.locate(&e.Object, names)
	if len(it.value) > 0 {
		it.evaluate(&e.Values)
	}
}
