package modbus

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// What the header's length field may say. The specification allows 254; UMAS was seen with 1022, and a device that
// pads its answers must not cost synchronisation.
const (
	lengthMin     = 2
	lengthMax     = 260
	lengthMaxUMAS = 1030
	umasCode      = 90
)

// length frames leniently: a wrong protocol identifier is for the dissector to report. Only a length field that no
// message has means that this is not the start of one.
func length(b []byte) int {
	if len(b) < 6 {
		return 0
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n == 0 || n > lengthMaxUMAS {
		return -1
	}
	return 6 + n
}

// judgement is what the probe thinks of one message.
type judgement uint8

const (
	foreign  judgement = iota // not Modbus
	short                     // more bytes are needed
	odd                       // a sane header; what follows proves nothing
	either                    // a sound message that both sides may send
	question                  // a sound request
	answer                    // a sound answer
)

// probe recognises Modbus by whole messages that agree with the specification field by field: function code, length,
// quantities, byte counts. A message that only has a sane header counts together with a second one: a scanner's first
// request may be anything.
func probe(t protocols.Transport, b []byte) protocols.Match {
	first, n := judge(b)
	switch {
	case first == foreign:
		return protocols.No
	case t != protocols.TransportTCP:
		if n != len(b) || first < either {
			return protocols.No
		}
		return match(first)
	case first == short:
		return protocols.More
	}
	second, _ := judge(b[n:])
	switch {
	case second == foreign:
		return protocols.No
	case second == short && first == odd:
		return protocols.More
	case first == odd && second == odd && b[6] != b[n+6]:
		return protocols.No // a scan asks one unit after the other, each several times
	case first >= question:
		return match(first)
	}
	return match(max(first, second))
}

// match translates a judgement over sound messages.
func match(j judgement) protocols.Match {
	switch j {
	case question:
		return protocols.YesClient
	case answer:
		return protocols.YesServer
	default:
		return protocols.Yes
	}
}

// judge looks at the first message of b and gives its length.
func judge(b []byte) (judgement, int) {
	for _, x := range b[min(len(b), 2):min(len(b), 4)] {
		if x != 0 { // protocol identifier
			return foreign, 0
		}
	}
	if len(b) > 4 && int(b[4]) > lengthMaxUMAS>>8 {
		return foreign, 0
	}
	if len(b) < 6 {
		return short, 0
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < lengthMin || n > lengthMaxUMAS || len(b) > 7 && b[7] != umasCode && n > lengthMax {
		return foreign, 0
	}
	n += 6
	if len(b) < n {
		return short, 0
	}
	var asked, answered message
	asked.decode(b[:n], protocols.Client)
	answered.decode(b[:n], protocols.Server)
	switch q, a := asked.sound(), answered.sound(); {
	case q && a:
		return either, n
	case q:
		return question, n
	case a:
		return answer, n
	default:
		return odd, n
	}
}

// sound reports whether the message is one that only Modbus could have meant.
func (m *message) sound() bool {
	switch {
	case m.refused && m.isAnswer():
		// Devices exist that append a zero to each exception.
		padding := m.cursor.Len()
		return m.exception >= 1 && m.exception <= 11 && (padding == 0 || padding == 1 && m.cursor.Peek(0) == 0)
	case m.fault != "":
		return false
	case m.code == umasCode:
		return m.soundUMAS()
	case m.code == 8, m.code == 43: // only with a part that is known
		return m.meaning != &m.function.meaning
	default:
		return m.function.request != nil
	}
}
