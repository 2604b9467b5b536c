package recognised

import "github.com/spanwatch/spanwatch/protocols"

var building = []protocol{{
	name: "bacnet", title: "BACnet", udp: []uint16{47808}, ether: []uint16{0}, plant: true, look: lookBACnet,
}}

// bvlcFunctions are those of BACnet/IP (ANSI/ASHRAE 135, annex J.2): how long such a message is, or where the network
// layer begins.
var bvlcFunctions = [...]struct {
	name       string
	size, npdu int // size 0: not fixed; npdu 0: none inside
	each       int // size of the entries behind the header
}{
	0x00: {name: "BVLC-Result", size: 6},
	0x01: {name: "Write-Broadcast-Distribution-Table", each: 10},
	0x02: {name: "Read-Broadcast-Distribution-Table", size: 4},
	0x03: {name: "Read-Broadcast-Distribution-Table-Ack", each: 10},
	0x04: {name: "Forwarded-NPDU", npdu: 10},
	0x05: {name: "Register-Foreign-Device", size: 6},
	0x06: {name: "Read-Foreign-Device-Table", size: 4},
	0x07: {name: "Read-Foreign-Device-Table-Ack", each: 10},
	0x08: {name: "Delete-Foreign-Device-Table-Entry", size: 10},
	0x09: {name: "Distribute-Broadcast-To-Network", npdu: 4},
	0x0a: {name: "Original-Unicast-NPDU", npdu: 4},
	0x0b: {name: "Original-Broadcast-NPDU", npdu: 4},
}

// lookBACnet wants a BVLC header whose length fits the datagram, and behind it what the function demands; on Ethernet the
// LLC header of BACnet and a network layer.
func lookBACnet(t protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if t == protocols.TransportEthernet {
		if !h.text(0, "\x82\x82\x03") {
			return no()
		}
		if len(b) < 5 {
			return more()
		}
		return lookNPDU(h[3:])
	}
	if !h.is(0, 0x81) || !h.within(1, 0, byte(len(bvlcFunctions)-1)) {
		return no()
	}
	if len(b) < 4 {
		return more()
	}
	f := bvlcFunctions[b[1]]
	n := h.u16(2)
	switch {
	case f.size != 0 && f.size != n, f.each != 0 && (n-4)%f.each != 0:
		return no()
	case f.npdu == 0:
		if n != len(b) {
			return no()
		}
		return protocols.Yes, f.name
	case n < f.npdu+2, n > len(b): // stacks exist that leave a text at the end out of the length
		return no()
	}
	m, message := lookNPDU(h[f.npdu:])
	if m != protocols.No && message == "" {
		message = f.name
	}
	return m, message
}

// apduSides tells by the type of an application PDU who sends it (ANSI/ASHRAE 135, clause 20.1.1).
var apduSides = [16]protocols.Match{
	0: protocols.YesClient, 1: protocols.Yes, 2: protocols.YesServer, 3: protocols.YesServer, 4: protocols.Yes,
	5: protocols.YesServer, 6: protocols.YesServer, 7: protocols.Yes,
}

var apduNames = [8]string{
	"Confirmed-Request", "Unconfirmed-Request", "SimpleACK", "ComplexACK", "SegmentACK", "Error", "Reject", "Abort",
}

// lookNPDU wants version 1 and no reserved bit in the control octet (clause 6.2), and a known type of APDU.
func lookNPDU(h head) (protocols.Match, string) {
	const networkMessage, hasDestination, hasSource, reserved = 0x80, 0x20, 0x08, 0x50
	if h[0] != 1 || h[1]&reserved != 0 {
		return no()
	}
	control, i := h[1], 2
	for _, address := range [2]byte{hasDestination, hasSource} {
		if control&address == 0 {
			continue
		}
		if i+3 > len(h) {
			return no()
		}
		i += 3 + int(h[i+2])
	}
	if control&hasDestination != 0 {
		i++ // hop count
	}
	switch {
	case i >= len(h):
		return no()
	case control&networkMessage != 0:
		return protocols.Yes, "Network Layer Message"
	case apduSides[h[i]>>4] == protocols.No:
		return no()
	}
	return apduSides[h[i]>>4], apduNames[h[i]>>4]
}
