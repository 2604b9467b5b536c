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
	broken                    // a sane header and a function that is known; what follows does not fit it
	odd                       // a sane header and a function that the tables do not know
	padded                    // sound but for a few bytes behind it
	either                    // a sound message that both sides may send
	question                  // a sound request
	answer                    // a sound answer
)

// probe recognises Modbus by whole messages that agree with the specification field by field: function code, length,
// quantities, byte counts. A header alone proves nothing: other protocols have zeros and lengths in the same places.
// A message that only has a sane header is believed together with a sound one behind it, a scan of unknown functions when
// it goes from one to the next, and a client that pads its requests when it does so again. Until then the probe waits:
// what the other side answers may settle it.
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
	case first >= question:
		return match(first)
	case first == either:
		return match(max(first, second))
	case second == short:
		return protocols.More
	case second >= either, first == second && first >= odd && follows(b, b[n:]) && (first == padded || b[7] != b[n+7]):
		return match(second)
	default:
		return protocols.No
	}
}

// maxAhead is how far transactions of consecutive messages are apart at most: a client has up to 16 open.
const maxAhead = 16

// follows reports whether message b may be the one after a: the same unit, and a transaction that is the same or soon
// after.
func follows(a, b []byte) bool {
	return a[6] == b[6] && binary.BigEndian.Uint16(b)-binary.BigEndian.Uint16(a) <= maxAhead
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
	if isBER(b[:n]) {
		return foreign, 0
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
	case asked.overlong() || answered.overlong():
		return padded, n
	case asked.known():
		return broken, n
	default:
		return odd, n
	}
}

// isBER recognises what ASN.1 with four-byte lengths makes of a header: LDAP on Windows sends "30 84 00 00 00 10 02
// 01 …", a transaction to unit 2 with the right length.
func isBER(b []byte) bool {
	const constructed, fourBytes = 0x20, 0x84
	if b[0]&constructed == 0 || b[1] != fourBytes {
		return false
	}
	switch tag, n := b[6], int(b[7]); tag {
	case 0x02, 0x04, 0x0a, 0x30, 0x31:
		return n == fourBytes || 8+n <= len(b)
	default:
		return false
	}
}

// known reports whether the function, and where it has parts the part, is in the tables.
func (m *message) known() bool {
	switch m.code {
	case 8, 43: // only with a part that is known
		return m.meaning != &m.function.meaning
	case umasCode:
		return m.meaning.action != protocols.ActionNone
	default:
		return m.function.request != nil
	}
}

// maxPadding is how many bytes behind a message pass for padding.
const maxPadding = 4

// overlong reports whether all that is wrong with the message are a few bytes behind it.
func (m *message) overlong() bool {
	return m.known() && !m.refused && m.fault == faultBehind && m.faultValue <= maxPadding
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
	case m.code == umasCode && m.isAnswer():
		return true // the status was checked
	default:
		return m.known()
	}
}
