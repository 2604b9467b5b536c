package mms

import (
	"bytes"
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/tpkt"
)

// Labels of events.
const (
	labelMMS  = "mms"
	labelCOTP = "cotp"
)

// Spec describes MMS to the pipeline. S7comm shares its port: content decides.
var Spec = protocols.Spec{
	Name: labelMMS, Labels: []string{labelMMS, labelCOTP}, TCP: []uint16{102}, Probe: probe, Length: tpkt.Length,
	New: func() protocols.Dissector { return &conversation{} },
}

// transport reads the TPKT packet at the start of h as far as it is there. State is Yes when the transport header is
// whole; whole says that the packet is.
func transport(h head) (p tpkt.PDU, size int, whole bool, state protocols.Match) {
	if !h.text(0, "\x03\x00") || len(h) >= 4 && int(binary.BigEndian.Uint16(h[2:])) < 7 {
		return p, 0, false, protocols.No
	}
	if len(h) < 6 {
		return p, 0, false, protocols.More
	}
	size = int(binary.BigEndian.Uint16(h[2:]))
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

// probe passes over the connection message of COTP and wants the session, presentation and application layers of MMS
// above it (ISO 8327, ISO 8823, ISO 9506-2). A connection request alone is anybody's: patience begins anew behind it.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportTCP {
		return protocols.No
	}
	h := head(b)
	for range 2 {
		p, size, whole, state := transport(h)
		switch {
		case state == protocols.No, state == protocols.Yes && p.Strange, state == protocols.Yes && p.Class != 0:
			return protocols.No
		case state == protocols.More:
			return h.open()
		}
		switch p.Type {
		case tpkt.CR, tpkt.CC:
			if bytes.HasPrefix(p.DstTSAP, siemens) {
				return protocols.No
			}
		case tpkt.DT:
			if len(p.Payload) > 0 {
				return lookSession(p.Payload, whole)
			}
		default:
			return protocols.No
		}
		if !whole || len(h) == size {
			return h.open()
		}
		h = h[size:]
	}
	return protocols.No
}

// mmsSyntax is the object identifier iso(1) standard(0) mms(9506), which names MMS's abstract syntax when an
// association is opened.
var mmsSyntax = []byte{0x28, 0xca, 0x22}

// normalMode is how the presentation layer begins (ISO 8823-1, 8.2). It must do where a message is cut off before it
// names its syntax.
var normalMode = []byte{0xa0, 0x03, 0x80, 0x01, 0x01}

// lookSession judges the session layer in the first fragment of a message.
func lookSession(h head, whole bool) protocols.Match {
	switch {
	case h.is(0, sessionConnect), h.is(0, sessionAccept):
		if len(h) > 1 && !h.among(2, "\x01\x05\x13\x14\x16\x1a\x33\x34\xc1") {
			return protocols.No
		}
		switch {
		case bytes.Contains(h, mmsSyntax), !whole && len(h) >= patience && bytes.Contains(h, normalMode):
			return side(h[0] == sessionAccept)
		case whole:
			return protocols.No
		}
		return h.open()
	case h.text(0, "\x01\x00\x01\x00\x61"):
		return lookMMSData(h)
	}
	return lookBareInitiate(h)
}

// lookBareInitiate wants the opening of an association by stacks that leave session and presentation out: what the
// caller can hold, how many services may be outstanding, and the like, in their order (ISO 9506-2, clause 8).
func lookBareInitiate(h head) protocols.Match {
	const request, response = 0xa8, 0xa9
	if !h.within(0, request, response) {
		return protocols.No
	}
	n, i, state := h.ber(1)
	switch {
	case state == protocols.More:
		return h.open()
	case state == protocols.No, n < 20, n > 0xff:
		return protocols.No
	}
	for _, tag := range [...]byte{0x80, 0x81, 0x82} {
		if !h.is(i, tag) || !h.within(i+1, 1, 4) {
			return protocols.No
		}
		if len(h) < i+2 {
			return h.open()
		}
		i += 2 + int(h[i+1])
	}
	return side(h[0] == response)
}

// senders are the sides that send the kinds of MMS PDU, by their tag.
var senders = map[byte]protocols.Match{
	0xa0: protocols.YesClient, 0xa1: protocols.YesServer, 0xa2: protocols.YesServer, 0xa3: protocols.YesServer,
	0xa4: protocols.Yes, 0x85: protocols.YesClient, 0x86: protocols.YesServer, 0xa7: protocols.YesServer,
	0x8b: protocols.YesClient, 0x8c: protocols.YesServer, 0xad: protocols.YesServer,
}

// lookMMSData walks presentation user data, [APPLICATION 1], down to the MMS PDU: a list of one value with the context
// id of MMS, which is 3 by custom and odd by rule, and the value itself as [0].
func lookMMSData(h head) protocols.Match {
	i := 4
	for _, tag := range [...]byte{0x61, 0x30, 0x02, 0xa0} {
		if !h.is(i, tag) {
			return protocols.No
		}
		n, next, state := h.ber(i + 1)
		switch {
		case state == protocols.No, tag == 0x02 && state == protocols.Yes && n != 1:
			return protocols.No
		case state == protocols.More:
			return h.open()
		}
		i = next
		if tag == 0x02 {
			if !h.masked(i, 1, 1) {
				return protocols.No
			}
			i++
		}
	}
	if i >= len(h) {
		return h.open()
	}
	return senders[h[i]]
}
