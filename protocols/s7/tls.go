package s7

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/handshake"
)

// The first and the last content type of TLS records (RFC 8446 §5.1).
const (
	tlsChangeCipher    = 0x14
	tlsApplicationData = 0x17
)

const tlsHeader = 5

// isTLS reports whether b begins with a TLS record.
func isTLS(b []byte) bool {
	return len(b) >= tlsHeader && b[0] >= tlsChangeCipher && b[0] <= tlsApplicationData && b[1] == 3 && b[2] <= 4
}

// beginsHandshake reports whether b begins with the record of a hello, of the client or the server, that fills it or goes on
// behind it (RFC 8446 §4, §5.1).
func beginsHandshake(b []byte) bool {
	const handshakeType, clientHello, serverHello = 0x16, 1, 2
	if len(b) < tlsHeader+4 || !isTLS(b) || b[0] != handshakeType || b[tlsHeader] != clientHello && b[tlsHeader] != serverHello {
		return false
	}
	record := int(binary.BigEndian.Uint16(b[3:]))
	hello := int(b[tlsHeader+1])<<16 | int(binary.BigEndian.Uint16(b[tlsHeader+2:]))
	return record > 4 && record <= 1<<14 && hello > 2+32 && hello < 1<<16
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

// secured reports whether a TLS record of this side has begun and not ended: then anything may come.
func (c *conversation) secured(from protocols.Side) bool {
	return c.secure != nil && c.secure.Partial(from)
}

// tls reports a message that is wrapped in TLS, with what TLS shows. S7comm-plus is the one protocol here that encrypts.
func (c *conversation) tls(dst []protocols.Event, m *protocols.Message, b []byte) ([]protocols.Event, error) {
	if c.secure == nil {
		c.secure = &handshake.Session{}
	}
	r := c.secure.Read(m.From, b, m.Detail)
	ev := protocols.Event{
		From: m.From, Protocol: labelPlus, Action: r.Action, Outcome: r.Outcome, Message: "TLS Application Data",
		Facts: r.Facts, Security: r.Security,
	}
	if r.Message != "Application Data" {
		ev.Message = "TLS " + r.Message
	}
	if m.Detail {
		ev.Detail = &PlusDetail{Kind: kindTLS, Encrypted: true, Detail: r.Detail}
	}
	if m.Missing > 0 && !c.secure.Skip(m.From, m.Missing) {
		c.lossy[m.From] = true
	}
	if r.Err != nil {
		return append(dst, ev), fmt.Errorf("s7: %w: %w", protocols.ErrMalformed, r.Err)
	}
	return append(dst, ev), nil
}
