package s7

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// Diagnostic events are what a controller writes into its buffer and pushes to who asked for it: 20 bytes, an event
// number and details, and at the end the time.
const (
	diagnosticLen  = 20
	diagnosticTime = 12
)

// diagnosticEvent is a change of mode in words, with the mode that it leads to.
type diagnosticEvent struct{ text, mode string }

// diagnosticEvents is the table of events that report a change of mode. Those of class 0x45 all say why it is STOP.
var diagnosticEvents = map[uint16]diagnosticEvent{
	0x4300: {"power on, memory kept", ""},
	0x4301: {"startup begins", "startup"},
	0x4302: {"startup ended, RUN begins", "run"},
	0x4303: {"stopped by the mode switch", "stop"},
	0x4304: {"stopped by a command or by the program", "stop"},
	0x4305: {"held at a breakpoint", "hold"},
	0x4306: {"goes on behind a breakpoint", "startup"},
	0x4307: {"memory reset by a programming device begins", "stop"},
	0x4308: {"memory reset by the mode switch begins", "stop"},
	0x4309: {"memory reset after power on begins", "stop"},
	0x430a: {"HOLD ended, stopped", "stop"},
	0x430d: {"stopped because another CPU stopped", "stop"},
	0x430e: {"memory reset done", "stop"},
	0x430f: {"stopped because a CPU stopped", "stop"},
	0x4318: {"configuration change in RUN begins", ""},
	0x4319: {"configuration change in RUN done", ""},
	0x43b0: {"firmware update done", ""},
	0x43b4: {"firmware update failed", ""},
	0x4520: {"defective, STOP not possible", "defective"},
	0x4562: {"stopped by a programming error", "stop"},
	0x4563: {"stopped by an access error", "stop"},
	0x4568: {"stopped by a time error", "stop"},
	0x456c: {"stopped by a hardware fault", "stop"},
}

// stopClass is the upper byte of events that say why a controller stopped.
const stopClass = 0x45

// eventMode gives the mode that a diagnostic event reports, empty for the many that report none.
func eventMode(id uint16) string {
	if event, ok := diagnosticEvents[id]; ok {
		return event.mode
	}
	if id>>8 == stopClass {
		return "stop"
	}
	return ""
}

// bufferFacts concludes the mode from the newest entry of the diagnostic buffer that reports one.
func bufferFacts(facts []protocols.Fact, list szlList) []protocols.Fact {
	for record := range list.all {
		if mode := eventMode(binary.BigEndian.Uint16(record)); mode != "" {
			return append(facts, protocols.Fact{
				About: protocols.Server, Key: protocols.FactMode, Value: mode, Confidence: 60,
			})
		}
	}
	return facts
}

// DetailEvent is one diagnostic event.
type DetailEvent struct {
	ID   uint16 `json:"id"`
	Text string `json:"text,omitempty"`
	Time string `json:"time,omitempty"` // the controller's own clock, which has no zone
}

// diagnosticDetail copies a diagnostic event.
func diagnosticDetail(d *Detail, record []byte) {
	id := binary.BigEndian.Uint16(record)
	event := DetailEvent{ID: id, Text: diagnosticEvents[id].text}
	if len(record) >= diagnosticLen {
		event.Time = clockText(record[diagnosticTime:])
	}
	d.Events = append(d.Events, event)
}

// clockText writes a controller's time of eight bytes: year, month, day, hour, minute, second and milliseconds in
// decimal digits, of which the last is the day of the week; empty if they are none.
func clockText(b []byte) string {
	if len(b) < 8 {
		return ""
	}
	var n [8]int
	for i := range n {
		if b[i]>>4 > 9 || b[i]&0x0f > 9 {
			return ""
		}
		n[i] = int(b[i]>>4)*10 + int(b[i]&0x0f)
	}
	year := 2000 + n[0]
	if n[0] >= 90 {
		year = 1900 + n[0]
	}
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03d", year, n[1], n[2], n[3], n[4], n[5], n[6]*10+n[7]/10)
}
