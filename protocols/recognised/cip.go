package recognised

import "github.com/spanwatch/spanwatch/protocols"

var cip = []protocol{{
	name: "enip", title: "EtherNet/IP", tcp: []uint16{44818}, udp: []uint16{44818, 2222}, plant: true, look: lookENIP,
}}

// enipCommands are the encapsulation commands (CIP Volume 2, 2-3.2) with the lengths of data they may have.
var enipCommands = map[int]struct {
	name     string
	min, max int
}{
	0x0004: {"List Services", 0, 504},
	0x0063: {"List Identity", 0, 504},
	0x0064: {"List Interfaces", 0, 504},
	0x0065: {"Register Session", 4, 4},
	0x0066: {"Unregister Session", 0, 0},
	0x006f: {"Send RR Data", 16, 65511},
	0x0070: {"Send Unit Data", 16, 65511},
}

const (
	enipHeader         = 24
	enipListServices   = 0x04
	enipListIdentity   = 0x63
	enipListInterfaces = 0x64
	enipRegister       = 0x65
	enipUnregister     = 0x66
	enipSendRRData     = 0x6f
	enipSendUnitData   = 0x70

	listItems = "\x0c\x00\x86" // the low octets of the types: identity, communications capability, security
)

// lookENIP wants a known command, a status that is none or known, options 0 and data of a length that fits the command
// (CIP Volume 2, 2-3.1); over UDP also the connected data of an I/O connection.
func lookENIP(t protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if t == protocols.TransportUDP && len(b) > 1 && h.le16(0, 2, 2) {
		return lookConnectedIO(h)
	}
	if len(b) < 2 {
		if h.among(0, "\x02\x04\x63\x64\x65\x66\x6f\x70") {
			return more()
		}
		return no()
	}
	command, known := enipCommands[h.l16(0)]
	if !known || !h.le16(2, command.min, command.max) || !h.le16(8, 0, 0x69) || !h.zero(10, 2) || !h.zero(20, 4) {
		return no()
	}
	if len(b) < enipHeader {
		return more()
	}
	n := h.l16(2)
	if h.l32(8) == 0 && n < command.min || !h.fills(t, enipHeader+n) || t == protocols.TransportTCP && h.zero(0, enipHeader) {
		return no()
	}
	m := protocols.Yes
	switch h.l16(0) {
	case enipListIdentity, enipListServices, enipListInterfaces:
		// Over TCP a request is little more than zeros: its answer has more to tell by.
		if n == 0 && t == protocols.TransportTCP || n > 0 && (!h.le16(24, 1, 16) || !h.among(26, listItems)) {
			return no()
		}
		m = side(n > 0)
	case enipRegister:
		if !h.le16(24, 1, 1) || !h.zero(26, 2) {
			return no()
		}
		m = side(h.l32(4) != 0)
	case enipSendRRData, enipSendUnitData:
		m = cipSide(h[enipHeader:])
	case enipUnregister:
		if h.zero(4, 4) {
			return no()
		}
		m = protocols.YesClient
	}
	return m, command.name
}

// Item types of the common packet format (CIP Volume 2, 2-6.2).
const (
	itemConnectedData         = 0x00b1
	itemUnconnectedData       = 0x00b2
	itemSequencedAddress      = 0x8002
	cpfItems                  = 6 // where the items begin behind interface handle and timeout
	cipReply             byte = 0x80
)

// cipSide tells by the service code of the message who sends it; No when this is no common packet format.
func cipSide(h head) protocols.Match {
	if !h.zero(0, 4) || !h.le16(cpfItems, 1, 4) {
		return protocols.No
	}
	i := cpfItems + 2
	for range 4 {
		if i+4 > len(h) {
			return protocols.Yes
		}
		kind, n := h.l16(i), h.l16(i+2)
		i += 4
		switch kind {
		case itemConnectedData:
			i += 2 // sequence count
			fallthrough
		case itemUnconnectedData:
			if i >= len(h) {
				return protocols.Yes
			}
			return side(h[i]&cipReply != 0)
		}
		i += n
	}
	return protocols.Yes
}

// lookConnectedIO wants the two items of an I/O message: sequenced address and connected data that ends the datagram.
func lookConnectedIO(h head) (protocols.Match, string) {
	if !h.le16(2, itemSequencedAddress, itemSequencedAddress) || !h.le16(4, 8, 8) || !h.le16(14, itemConnectedData, itemConnectedData) {
		return no()
	}
	if len(h) < 18 || h.l16(16) != len(h)-18 {
		return no()
	}
	return protocols.Yes, "Connected Data"
}
