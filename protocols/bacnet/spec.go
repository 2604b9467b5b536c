package bacnet

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// Spec describes BACnet to the pipeline. The EtherType 0 stands for LLC.
var Spec = protocols.Spec{
	Name: "bacnet", UDP: []uint16{47808}, EtherTypes: []uint16{0}, CallsBack: true, Probe: probe,
	New: func() protocols.Dissector { return &dissector{} },
}

// probe wants the header of BACnet/IP with a length that fits the datagram, or that of BACnet on Ethernet, and behind it
// a network layer and a service that exist.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportUDP && t != protocols.TransportEthernet {
		return protocols.No
	}
	var l link
	if l.parse(t, b) != nil || l.slack() {
		return protocols.No
	}
	if l.npdu == nil {
		return protocols.Yes
	}
	var n network
	rest, err := n.parse(l.npdu)
	switch {
	case err != nil:
		return protocols.No
	case n.isMessage():
		return protocols.Yes
	}
	var a apdu
	if a.parse(rest) != nil {
		return protocols.No
	}
	return a.side()
}

// side tells who sends such a message. A confirmed notification is asked by the one that serves.
func (a *apdu) side() protocols.Match {
	asks := protocols.YesClient
	if a.pairs() && a.row().notifies {
		asks = protocols.YesServer
	}
	switch a.kind {
	case confirmedRequest:
		return asks
	case simpleAck, complexAck, errorPDU:
		return protocols.YesClient + protocols.YesServer - asks
	case unconfirmedRequest, segmentAck, rejectPDU, abortPDU:
		return protocols.Yes
	default:
		return protocols.No
	}
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("bacnet: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}
