package recognised

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/tpkt"
)

// iso are what rides on TPKT and COTP besides S7comm and MMS.
var iso = []protocol{
	{name: "rdp", title: "RDP", tcp: []uint16{3389}, look: lookRDP, facts: factsRDP},
}

// T.125 PDUs of a connection without RDP's own encryption of the transport: [MS-RDPBCGR] 2.2.1.
const (
	mcsConnect = 0x7f
	mcsRequest = 0x64
	mcsIndicat = 0x68
)

// lookRDP wants a connection request with a cookie or a negotiation ([MS-RDPBCGR] 2.2.1.1), its answer, or the messages
// of T.125 that carry RDP where it brings its own encryption.
func lookRDP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	const variable = 11 // where the variable part of CR and CC begins
	if !h.text(0, "\x03\x00") || !h.be16(2, 11, 0xffff) || !h.within(4, 2, 254) {
		return no()
	}
	if len(b) < 6 {
		return more()
	}
	switch b[5] {
	case byte(tpkt.CR):
		if !h.zero(6, 2) || !h.is(10, 0) || h.u16(2) != int(b[4])+5 {
			return no()
		}
		if h.fold(variable, "COOKIE: MST") {
			return h.enough(variable+11, protocols.YesClient, "Connection Request")
		}
		if !h.is(variable, 1) || !h.text(variable+2, "\x08\x00") || !h.le32(variable+4, 0, 0x1f) {
			return no()
		}
		return h.enough(variable+8, protocols.YesClient, "Connection Request")
	case byte(tpkt.CC):
		if h.u16(2) != 19 || !h.within(variable, 2, 3) || !h.text(variable+2, "\x08\x00") {
			return no()
		}
		return h.enough(variable+8, protocols.YesServer, "Connection Confirm")
	case byte(tpkt.DT):
		return lookT125(h)
	}
	return no()
}

// factsRDP reads the user whom a client names in its cookie, cut short by some ([MS-RDPBCGR] 2.2.1.1).
func factsRDP(from protocols.Side, b []byte) (facts []protocols.Fact, more bool) {
	const cookie = "COOKIE: MSTSHASH="
	h := head(b)
	if from != protocols.Client || len(b) < 11 || b[5] != byte(tpkt.CR) || !h[11:].fold(0, cookie) {
		return nil, false
	}
	if len(b) < 11+len(cookie) {
		return nil, true
	}
	line, whole := h[11+len(cookie):].line()
	if !whole {
		return nil, true
	}
	if user := printable(line); user != "" {
		facts = append(facts, protocols.Fact{About: from, Key: protocols.FactUser, Value: user, Confidence: claimed})
	}
	return facts, false
}

// enough says Yes when n bytes are there and More before.
func (h head) enough(n int, yes protocols.Match, message string) (protocols.Match, string) {
	if len(h) < n {
		return more()
	}
	return yes, message
}

// lookT125 wants the opening of a conference, or data of which the length fits the packet.
func lookT125(h head) (protocols.Match, string) {
	if !h.is(4, 2) || !h.is(6, 0x80) {
		return no()
	}
	if len(h) < 9 {
		if h.among(7, "\x7f\x64\x68") {
			return more()
		}
		return no()
	}
	switch {
	case h[7] == mcsConnect && h[8] == 0x65:
		return protocols.YesClient, "MCS Connect Initial"
	case h[7] == mcsConnect && h[8] == 0x66:
		return protocols.YesServer, "MCS Connect Response"
	case h[7] != mcsRequest && h[7] != mcsIndicat, !h.masked(12, 0x0f, 0):
		return no()
	case len(h) < 15:
		return more()
	}
	// Data of high priority in one piece; the length is one octet, or two with the top bit set (PER).
	n, data := int(h[13]), 14
	if n&0x80 != 0 {
		n, data = n&0x7f<<8|int(h[14]), 15
	}
	if h[12] != 0x70 || h.u16(2) != data+n {
		return no()
	}
	if h[7] == mcsRequest {
		return protocols.YesClient, "Send Data Request"
	}
	return protocols.YesServer, "Send Data Indication"
}
