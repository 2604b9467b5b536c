package s7

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/tpkt"
)

// Labels of events.
const (
	labelClassic = "s7comm"
	labelPlus    = "s7comm-plus"
	labelCOTP    = "cotp"
)

// First bytes of a message, which tell the protocols on ISO-on-TCP apart.
const (
	idClassic = 0x32
	idPlus    = 0x72
)

// Spec describes S7comm and S7comm-plus to the pipeline.
var Spec = protocols.Spec{
	Name:   labelClassic,
	Labels: []string{labelClassic, labelPlus, labelCOTP},
	TCP:    []uint16{102},
	Probe:  probe,
	Length: tpkt.Length,
	New:    func() protocols.Dissector { return &conversation{} },

	ReadsCut: true,
	Opening:  &protocols.Opening{Is: isOpening, New: func() protocols.Dissector { return &conversation{alone: true} }},
}

// isOpening reports whether a whole packet opens a connection of class 0, or refuses it.
func isOpening(packet []byte) bool {
	if len(packet) < 7 || packet[1] != 0 || tpkt.Length(packet) != len(packet) || int(packet[4])+5 != len(packet) || packet[5]&0x0f != 0 {
		return false
	}
	pdu, err := tpkt.Parse(packet)
	if err != nil {
		return false
	}
	switch pdu.Type {
	case tpkt.CR, tpkt.CC:
		_, ok := probeConnect(pdu)
		return ok
	case tpkt.DR, tpkt.ER:
		return true
	default:
		return false
	}
}

// probeDepth is how many transport PDUs a probe looks at before it gives up: connection, a few empty fragments, data.
const probeDepth = 8

// probe decides by content. The transport alone is no proof, for MMS and RDP share it; so a connection request says
// More until the first data shows what is carried, unless it calls a transport selector that only S7 has.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportTCP {
		return protocols.No
	}
	side := protocols.Yes // what the direction would be once the content is recognised
	called := false       // a selector of the form that S7 has
	for range probeDepth {
		packet, match := probePacket(b)
		if match != protocols.Yes {
			return match
		}
		whole := len(b) >= len(packet) && len(packet) == tpkt.Length(b)
		pdu, err := tpkt.Parse(packet)
		if err != nil {
			return protocols.No
		}
		switch pdu.Type {
		case tpkt.CR, tpkt.CC:
			direction, ok := probeConnect(pdu)
			if !ok {
				return protocols.No
			}
			side = direction
			called = role(pdu.DstTSAP) != nil
			if called && len(pdu.DstTSAP) > 2 {
				return side
			}
		case tpkt.DR, tpkt.DC, tpkt.ER, tpkt.AK:
		case tpkt.DT:
			if len(packet) > 5 && packet[4] != 2 {
				return protocols.No
			}
			if len(pdu.Payload) == 0 {
				break
			}
			if called && beginsHandshake(pdu.Payload) {
				return side
			}
			match := probePayload(pdu.Payload, int(binary.BigEndian.Uint16(packet[2:]))-7, pdu.Last, side)
			if match != protocols.More || !whole {
				return orient(match, side)
			}
		default:
			return protocols.No
		}
		if !whole {
			return protocols.More
		}
		b = b[len(packet):]
	}
	return protocols.No
}

// probePacket gives the TPKT packet at the start of b as far as it is there, with Yes when its transport header is.
func probePacket(b []byte) ([]byte, protocols.Match) {
	if len(b) > 0 && b[0] != 3 || len(b) > 1 && b[1] != 0 {
		return nil, protocols.No
	}
	n := tpkt.Length(b)
	if len(b) < 5 && (n == 0 || n >= 7) {
		return nil, protocols.More
	}
	if n < 7 || int(b[4])+5 > n {
		return nil, protocols.No
	}
	if int(b[4])+5 > len(b) {
		return nil, protocols.More
	}
	return b[:min(n, len(b))], protocols.Yes
}

// probeConnect judges a connection request or confirmation: class 0, and nothing but X.224 parameters in it.
func probeConnect(p tpkt.PDU) (side protocols.Match, ok bool) {
	if p.Class != 0 || p.Strange {
		return protocols.No, false
	}
	if p.Type == tpkt.CR {
		return protocols.YesClient, p.DstRef == 0
	}
	return protocols.YesServer, true
}

// orient prefers the direction that the connection messages proved over the one that the content suggests.
func orient(content, connection protocols.Match) protocols.Match {
	if content < protocols.Yes || connection == protocols.Yes {
		return content
	}
	return connection
}

// probePayload judges the beginning b of a message of which n bytes are in this packet; more follow unless last. More
// means that b does not suffice.
func probePayload(b []byte, n int, last bool, side protocols.Match) protocols.Match {
	if len(b) == 0 {
		return protocols.No
	}
	switch b[0] {
	case idClassic:
		return probeClassic(b, n, last)
	case idPlus:
		return probePlus(b, n, last)
	case tlsApplicationData:
		// Encrypted S7comm-plus seen from the middle: nothing else is known to put TLS inside the transport. Where the
		// connection was seen, it has called an S7 selector, and a handshake follows.
		if side == protocols.Yes {
			return probeTLS(b, n)
		}
	}
	return protocols.No
}

func probeClassic(b []byte, n int, last bool) protocols.Match {
	if len(b) < headerLen {
		return protocols.More // a stump tells nothing; the next message may
	}
	kind, header := b[1], headerLen
	switch kind {
	case rosctrJob, rosctrUserdata:
	case rosctrAck, rosctrAckData:
		header = headerLen + 2
	default:
		return protocols.No
	}
	total := header + int(binary.BigEndian.Uint16(b[6:])) + int(binary.BigEndian.Uint16(b[8:]))
	if total < n || (last && total != n) {
		return protocols.No
	}
	return classicSide(kind, b[min(header, len(b)):])
}

// classicSide tells who sends such a message. Jobs come from the client, but for those by which a controller fetches
// a block that it was offered.
func classicSide(kind uint8, param []byte) protocols.Match {
	switch kind {
	case rosctrJob, rosctrAckData:
		if len(param) == 0 {
			return protocols.Yes
		}
		fetch := param[0] == fnDownloadBlock || param[0] == fnDownloadEnded
		if (kind == rosctrJob) != fetch {
			return protocols.YesClient
		}
		return protocols.YesServer
	case rosctrUserdata:
		if len(param) < 6 || param[5]&0x0f == groupPBC {
			return protocols.Yes
		}
		if param[5]>>4 == udRequest {
			return protocols.YesClient
		}
		return protocols.YesServer
	default:
		return protocols.Yes
	}
}

func probePlus(b []byte, n int, last bool) protocols.Match {
	if len(b) < 4 {
		return protocols.More
	}
	version, length := b[1], int(binary.BigEndian.Uint16(b[2:]))
	switch version {
	case plusKeepAlive:
		if n <= 12 {
			return protocols.Yes
		}
		return protocols.No
	case plusSystemEvent:
		if length+4 <= n && length+12 >= n {
			return protocols.Yes
		}
		return protocols.No
	case 1, 2, 3:
	default:
		return protocols.No
	}
	// A trailer of four bytes ends a message; a fragment has none.
	if last && length+4 != n && length+8 != n {
		return protocols.No
	}
	opcode := b[4:]
	if version == 3 && len(b) > 4 && b[4] == plusDigestLen {
		opcode = b[min(len(b), 5+plusDigestLen):]
	}
	if len(opcode) == 0 {
		return protocols.Yes
	}
	switch opcode[0] {
	case opRequest:
		return protocols.YesClient
	case opResponse, opNotification, opResponse2:
		return protocols.YesServer
	default:
		return protocols.Yes
	}
}
