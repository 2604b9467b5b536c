package recognised

import (
	"bytes"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/tpkt"
)

// iso are what rides on TPKT and COTP besides S7comm.
var iso = []protocol{
	{name: "mms", title: "MMS", tcp: []uint16{102}, plant: true, look: lookMMS},
	{name: "rdp", title: "RDP", tcp: []uint16{3389}, look: lookRDP, facts: factsRDP},
}

// transport reads the TPKT packet at the start of h as far as it is there. State is Yes when the transport header is
// whole; whole says that the packet is.
func transport(h head) (p tpkt.PDU, size int, whole bool, state protocols.Match) {
	if !h.text(0, "\x03\x00") || !h.be16(2, 7, 0xffff) {
		return p, 0, false, protocols.No
	}
	if len(h) < 6 {
		return p, 0, false, protocols.More
	}
	size = h.u16(2)
	if int(h[4])+5 > size {
		return p, 0, false, protocols.No
	}
	if int(h[4])+5 > len(h) {
		return p, 0, false, protocols.More
	}
	whole = len(h) >= size
	p, err := tpkt.Parse(h[:min(size, len(h))])
	if err != nil {
		return p, 0, false, protocols.No
	}
	return p, size, whole, protocols.Yes
}

// siemens begins the transport selectors of S7comm-plus.
var siemens = []byte("SIMATIC-ROOT-")

// lookMMS passes over the connection message of COTP and wants the session, presentation and application layers of MMS
// above it (ISO 8327, ISO 8823, ISO 9506-2). A connection request alone is anybody's: patience begins anew behind it.
func lookMMS(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	for range 2 {
		p, size, whole, state := transport(h)
		switch {
		case state == protocols.No, state == protocols.Yes && p.Strange, state == protocols.Yes && p.Class != 0:
			return no()
		case state == protocols.More:
			return h.open()
		}
		switch p.Type {
		case tpkt.CR, tpkt.CC:
			if bytes.HasPrefix(p.DstTSAP, siemens) {
				return no()
			}
		case tpkt.DT:
			if len(p.Payload) > 0 {
				return lookSession(p.Payload, whole)
			}
		default:
			return no()
		}
		if !whole || len(h) == size {
			return h.open()
		}
		h = h[size:]
	}
	return no()
}

// mmsSyntax is the object identifier iso(1) standard(0) mms(9506), which names MMS's abstract syntax when an
// association is opened.
var mmsSyntax = []byte{0x28, 0xca, 0x22}

// normalMode is how the presentation layer begins (ISO 8823-1, 8.2). It must do where a message is cut off before it
// names its syntax.
var normalMode = []byte{0xa0, 0x03, 0x80, 0x01, 0x01}

// Session PDUs (ISO 8327-1, 8.3).
const (
	sessionConnect = 0x0d
	sessionAccept  = 0x0e
)

// lookSession judges the session layer in the first fragment of a message.
func lookSession(h head, whole bool) (protocols.Match, string) {
	switch {
	case h.is(0, sessionConnect), h.is(0, sessionAccept):
		if len(h) > 1 && !h.among(2, "\x01\x05\x13\x14\x16\x1a\x33\x34\xc1") {
			return no()
		}
		switch {
		case bytes.Contains(h, mmsSyntax), !whole && len(h) >= patience && bytes.Contains(h, normalMode):
			return side(h[0] == sessionAccept), mmsInitiate[h[0]&1]
		case whole:
			return no()
		}
		return h.open()
	case h.text(0, "\x01\x00\x01\x00\x61"):
		return lookMMSData(h)
	}
	return lookBareInitiate(h)
}

// lookBareInitiate wants the opening of an association by stacks that leave session and presentation out: what the
// caller can hold, how many services may be outstanding, and the like, in their order (ISO 9506-2, clause 8).
func lookBareInitiate(h head) (protocols.Match, string) {
	const request, response = 0xa8, 0xa9
	if !h.within(0, request, response) {
		return no()
	}
	n, i, state := h.ber(1)
	switch {
	case state == protocols.More:
		return h.open()
	case state == protocols.No, n < 20, n > 0xff:
		return no()
	}
	for _, tag := range [...]byte{0x80, 0x81, 0x82} {
		if !h.is(i, tag) || !h.within(i+1, 1, 4) {
			return no()
		}
		if len(h) < i+2 {
			return h.open()
		}
		i += 2 + int(h[i+1])
	}
	return side(h[0] == response), mmsInitiate[^h[0]&1]
}

var mmsInitiate = [2]string{"initiate-ResponsePDU", "initiate-RequestPDU"}

// mmsPDUs are the kinds of MMS PDU by their tag (ISO 9506-2, clause 7).
var mmsPDUs = map[byte]struct {
	name string
	side protocols.Match
}{
	0xa0: {"confirmed-RequestPDU", protocols.YesClient}, 0xa1: {"confirmed-ResponsePDU", protocols.YesServer},
	0xa2: {"confirmed-ErrorPDU", protocols.YesServer}, 0xa3: {"unconfirmed-PDU", protocols.YesServer},
	0xa4: {"rejectPDU", protocols.Yes}, 0x85: {"cancel-RequestPDU", protocols.YesClient},
	0x86: {"cancel-ResponsePDU", protocols.YesServer}, 0x8b: {"conclude-RequestPDU", protocols.YesClient},
	0x8c: {"conclude-ResponsePDU", protocols.YesServer},
}

// lookMMSData walks presentation user data, [APPLICATION 1], down to the MMS PDU: a list of one value with the context
// id of MMS, which is 3 by custom and odd by rule, and the value itself as [0].
func lookMMSData(h head) (protocols.Match, string) {
	i := 4
	for _, tag := range [...]byte{0x61, 0x30, 0x02, 0xa0} {
		if !h.is(i, tag) {
			return no()
		}
		n, next, state := h.ber(i + 1)
		switch {
		case state == protocols.No, tag == 0x02 && state == protocols.Yes && n != 1:
			return no()
		case state == protocols.More:
			return h.open()
		}
		i = next
		if tag == 0x02 {
			if !h.masked(i, 1, 1) {
				return no()
			}
			i++
		}
	}
	if i >= len(h) {
		return h.open()
	}
	pdu, known := mmsPDUs[h[i]]
	if !known {
		return no()
	}
	return pdu.side, pdu.name
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
