package tls

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/handshake"
)

// Spec describes TLS to the pipeline.
var Spec = protocols.Spec{
	Name: "tls", TCP: []uint16{443, 8443, 993, 995, 636, 8883}, Ordinary: true, CallsBack: true, Probe: probe,
	New: func() protocols.Dissector { return &conversation{} },
}

const (
	patience      = 64 // bytes after which a record in mid-stream must have ended
	clientHello   = 1  // handshake messages that open a conversation (RFC 8446 §4)
	serverHello   = 2
	smallestHello = handshake.HeaderLen + 38
)

// probe wants a hello; in the middle of a conversation a record behind which the segment ends, or the next record begins.
func probe(t protocols.Transport, b []byte) protocols.Match {
	switch {
	case t != protocols.TransportTCP, !header(b):
		return protocols.No
	case len(b) < handshake.HeaderLen:
		return protocols.More
	}
	size := handshake.HeaderLen + int(binary.BigEndian.Uint16(b[3:]))
	if b[0] == handshake.Handshake && (len(b) == handshake.HeaderLen || b[5] == clientHello || b[5] == serverHello) {
		return hello(b, size)
	}
	content := size - handshake.HeaderLen
	switch {
	case b[0] == handshake.ChangeCipherSpec && (content != 1 || len(b) > 5 && b[5] != 1):
		return protocols.No
	case b[0] == handshake.Alert && content == 2 && len(b) > 5 && b[5] != 1 && b[5] != 2:
		return protocols.No
	case b[0] == handshake.Alert && content != 2 && content < 18, b[0] == handshake.Handshake && size < smallestHello:
		return protocols.No
	case b[0] == handshake.ApplicationData && content < 16: // a tag alone has as much
		return protocols.No
	case len(b) < size && len(b) < patience:
		return protocols.More
	case len(b) < size, !header(b[size:]):
		return protocols.No
	}
	return protocols.Yes
}

// hello wants type, a length below 64 KiB and a version in the message (RFC 8446 §4.1.2).
func hello(b []byte, size int) protocols.Match {
	switch {
	case len(b) > 6 && b[6] != 0, len(b) > 9 && b[9] != 3, len(b) > 10 && b[10] > 4, size < smallestHello:
		return protocols.No
	case len(b) < 11:
		return protocols.More
	case b[5] == serverHello:
		return protocols.YesServer
	}
	return protocols.YesClient
}

// header reports that b begins, as far as it goes, with the header of a record, or is empty.
func header(b []byte) bool {
	return len(b) == 0 || handshake.RecordLength(b) >= 0 && b[0] <= handshake.ApplicationData &&
		(len(b) < handshake.HeaderLen || b[3] > 0 || b[4] > 0)
}
