package s7

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Alarms, and what else names what it is about by an identifier of four bytes behind a specification.

// alarmTime is the length of the time that an alarm begins with.
const alarmTime = 8

// pushAlarm reads which alarm came or went: a time, then as in an acknowledgement.
func pushAlarm(c *conversation, p *message) {
	if len(p.data) >= alarmTime {
		p.show.clock(p.data[:alarmTime])
		p.alarm(c, p.data[alarmTime:])
	}
}

// readAlarmAck reads which alarm a client acknowledges.
func readAlarmAck(c *conversation, p *message, _, data []byte) { p.alarm(c, data) }

// alarm reads a function, a count, and a specification for each alarm, of which the first names the message.
func (p *message) alarm(c *conversation, data []byte) {
	r := wire.New(data)
	r.Skip(2)
	p.identified(c, "alarm", r.Rest())
}

// identified reads a specification: mark, length, syntax, a byte, identifier.
func (p *message) identified(c *conversation, area string, data []byte) {
	r := wire.New(data)
	mark := r.U8()
	r.Skip(3)
	if id := r.U32(); !r.Failed() && mark == specification {
		p.object = protocols.Object{Area: area, Name: c.names.object(id)}
	}
}

// readBlockSend reads under which identifier one program sends a block of data to another.
func readBlockSend(c *conversation, p *message, _, data []byte) { p.identified(c, "R_ID", data) }

func answerBlockSend(c *conversation, p *message) {
	if p.object == (protocols.Object{}) {
		p.identified(c, "R_ID", p.data)
	}
}

// readMessageService reads who wants to be told of alarms: two bytes that say of which, then a name.
func readMessageService(_ *conversation, p *message, _, data []byte) {
	const name, length = 2, 8
	if p.ud.kind != udRequest || len(data) < name+length {
		return
	}
	if text := strings.TrimSpace(printable(data[name : name+length])); text != "" {
		p.facts = append(p.facts, protocols.Fact{
			About: p.from, Key: protocols.FactApplication, Value: text, Confidence: 60,
		})
	}
}

// The data of clock services is a time of ten bytes, of which the first two repeat the century.
const (
	clockLen  = 10
	clockTime = 2
)

// readClock reads the time that a clock is set to, if any.
func readClock(_ *conversation, p *message, _, data []byte) {
	p.object = protocols.Object{Area: "clock"}
	if len(data) >= clockLen && p.ud.kind == udRequest {
		p.show.clock(data[clockTime:clockLen])
	}
}

func answerClock(_ *conversation, p *message) {
	p.object = protocols.Object{Area: "clock"}
	if len(p.data) >= clockLen {
		p.show.clock(p.data[clockTime:clockLen])
	}
}
