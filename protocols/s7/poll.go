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
	start := len(dst)
	dst = slices.Grow(dst, int(param[1]))
	it := item{syntax: syntaxAny, span: 1}
	for specs := param[listHead:]; len(specs) >= specLen; specs = specs[specLen:] {
		if binary.BigEndian.Uint32(specs)>>8 != specHead {
			return dst[:start], false
		}
		if fn == fnWriteVar {
			whole := false
			if it.value, data, whole = result(data); !whole {
				return dst[:start], false
			}
		}
		it.absolute((*[absoluteLen]byte)(specs[2:]))
		dst = append(dst, protocols.Event{})
		it.polled(&dst[len(dst)-1], m.From, protocols.OutcomeAsked, functions[fn], &c.names)
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
	start := len(dst)
	dst = slices.Grow(dst, int(b[1]))
	it := item{syntax: syntaxAny, span: 1}
	for specs := job.raw[listHead:]; len(specs) >= specLen; specs = specs[specLen:] {
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
		it.absolute((*[absoluteLen]byte)(specs[2:]))
		dst = append(dst, protocols.Event{})
		e := &dst[len(dst)-1]
		e.Answers = job.frame
		it.polled(e, m.From, outcome, functions[fn], &c.names)
	}
	c.asked.answered(at)
	return dst, true
}

// polled fills in the event of one variable.
func (it *item) polled(e *protocols.Event, from protocols.Side, outcome protocols.Outcome, row *function, names *names) {
	e.From, e.Action, e.Outcome, e.Message = from, row.action, outcome, row.name
	it.locate(&e.Object, names)
	it.evaluate(&e.Values)
}
