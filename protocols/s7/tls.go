package s7

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// Content types of TLS records (RFC 8446 §5.1).
const (
	tlsChangeCipher    = 0x14
	tlsHandshake       = 0x16
	tlsApplicationData = 0x17
)

const tlsHeader = 5

// isTLS reports whether b begins with a TLS record.
func isTLS(b []byte) bool {
	return len(b) >= tlsHeader && b[0] >= tlsChangeCipher && b[0] <= tlsApplicationData && b[1] == 3 && b[2] <= 4
}

// probeTLS judges whether a message of n bytes, of which b is the beginning, is one or more whole TLS records.
func probeTLS(b []byte, n int) protocols.Match {
	for {
		if len(b) < min(tlsHeader, n) {
			return protocols.More
		}
		if !isTLS(b) {
			return protocols.No
		}
		switch size := tlsHeader + int(binary.BigEndian.Uint16(b[3:])); {
		case size == n:
			return protocols.Yes
		case size > n:
			return protocols.No
		case size > len(b):
			return protocols.More
		default:
			b, n = b[size:], n-size
		}
	}
}

// tlsTail walks the records in b, of which the first skip bytes end a record begun earlier, and gives how many bytes of
// the last record are still to come.
func tlsTail(b []byte, skip int) int {
	for len(b) > skip {
		b = b[skip:]
		if !isTLS(b) {
			return 0
		}
		skip = tlsHeader + int(binary.BigEndian.Uint16(b[3:]))
	}
	return skip - len(b)
}

// tls reports a message that is encrypted. S7comm-plus is the one protocol here that encrypts.
func (c *conversation) tls(dst []protocols.Event, m protocols.Message, b []byte) []protocols.Event {
	ev := protocols.Event{
		From: m.From, Label: labelPlus, Message: "TLS Application Data",
		Security: protocols.Security{Mode: "tls", Encrypted: true},
	}
	if c.tlsRest[m.From] == 0 && b[0] != tlsApplicationData {
		ev.Message, ev.Action = "TLS Record", protocols.ActionConnect
		if b[0] == tlsHandshake {
			ev.Message = "TLS Handshake"
		}
	}
	c.tlsRest[m.From] = tlsTail(b, c.tlsRest[m.From])
	if m.Detail {
		ev.Detail = &PlusDetail{Kind: kindTLS, Encrypted: true}
	}
	return append(dst, ev)
}
