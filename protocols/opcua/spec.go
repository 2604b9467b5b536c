package opcua

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Spec describes OPC UA binary over TCP to the pipeline. 4840 is the registered port; the others are the defaults of
// widespread servers.
var Spec = protocols.Spec{
	Name:   "opcua",
	TCP:    []uint16{4840, 4841, 4842, 4843, 4850, 12001, 48010, 51210, 53530},
	Probe:  probe,
	Length: length,
	New:    func() protocols.Dissector { return new(conversation) },

	CallsBack: true, // with a ReverseHello
	ReadsCut:  true,
}

const (
	headerSize  = 8       // message type, chunk letter, size
	maxChunk    = 1 << 24 // largest size of a chunk that the framing believes
	leastBuffer = 8192    // both sides take chunks of this size (Part 6, 7.1.2.3)
	maxURL      = 4096    // longest URL in a Hello (Part 6, 7.1.2.3)
)

// kind is a message type of the connection protocol or of the secure conversation.
type kind struct {
	tag      string // the first three bytes
	chunks   string // chunk letters that may follow
	min, max uint32 // the sizes that a probe believes
	name     string // the specification's name
	secure   bool   // has a secure channel id and a sequence header
	probe    func(b []byte) protocols.Match
	read     func(d *conversation)
}

// kinds are the message types of Part 6, tables 45, 46 and 57 to 62 (version 1.05), the most frequent first.
var kinds = [...]kind{
	{tag: "MSG", chunks: "FCA", min: 24, max: 1 << 20, name: "MSG", secure: true, probe: probeService},
	{tag: "HEL", chunks: "F", min: 32, max: 32 + maxURL, name: "Hello", probe: probeHello, read: (*conversation).hello},
	{tag: "ACK", chunks: "F", min: 28, max: 28, name: "Acknowledge", probe: probeAcknowledge, read: (*conversation).acknowledge},
	{tag: "ERR", chunks: "F", min: 16, max: 16 + maxURL, name: "Error", probe: probeError, read: (*conversation).refusal},
	{tag: "RHE", chunks: "F", min: 16, max: 16 + 2*maxURL, name: "ReverseHello", probe: probeReverse, read: (*conversation).reverseHello},
	{tag: "OPN", chunks: "F", min: 32, max: 1 << 16, name: "OpenSecureChannel", secure: true, probe: probeOpen},
	{tag: "CLO", chunks: "F", min: 24, max: 1 << 16, name: "CloseSecureChannel", secure: true, probe: probeService},
}

// kindOf finds the message type that b begins with; nil when there is none.
func kindOf(b []byte) *kind {
	if len(b) < 3 {
		return nil
	}
	for i := range kinds {
		if tag := kinds[i].tag; b[0] == tag[0] && b[1] == tag[1] && b[2] == tag[2] {
			return &kinds[i]
		}
	}
	return nil
}

// begins reports whether b may be, or may become, the head of a message.
func begins(b []byte) bool {
	for i := range kinds {
		n := min(len(b), 3)
		if string(b[:n]) == kinds[i].tag[:n] {
			return len(b) < 4 || strings.IndexByte(kinds[i].chunks, b[3]) >= 0
		}
	}
	return false
}

// probe is strict: message type, chunk letter, a size that fits the type, and a body that fits too.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportTCP || !begins(b) {
		return protocols.No
	}
	if len(b) < headerSize {
		return protocols.More
	}
	k := kindOf(b)
	size := binary.LittleEndian.Uint32(b[4:])
	if size < k.min || size > k.max {
		return protocols.No
	}
	// What follows is enough to decide for every type: a MSG shows its service within 24 + 7 bytes.
	need := min(int(size), 32)
	if len(b) < need {
		return protocols.More
	}
	m := k.probe(b[headerSize:min(int(size), len(b))])
	if m == protocols.Yes && len(b) > int(size) && !begins(b[size:]) {
		return protocols.No // what tells no direction must at least end where the next message begins
	}
	return m
}

// probeHello wants a small version and a URL that fills the message.
func probeHello(b []byte) protocols.Match {
	version, url := binary.LittleEndian.Uint32(b), int32(binary.LittleEndian.Uint32(b[20:]))
	if version > 0xff || url > maxURL {
		return protocols.No
	}
	return protocols.YesClient
}

// probeAcknowledge wants a small version and buffers of at least 1 KiB: the specification demands 8 KiB.
func probeAcknowledge(b []byte) protocols.Match {
	c := wire.New(b)
	version, receive, send := c.LE32(), c.LE32(), c.LE32()
	if version > 0xff || receive < 1<<10 || send < 1<<10 {
		return protocols.No
	}
	return protocols.YesServer
}

// probeError wants a status code that is bad and carries no flags. Either side may send it.
func probeError(b []byte) protocols.Match {
	if status := binary.LittleEndian.Uint32(b); status>>30 != 2 || status&0xffff != 0 {
		return protocols.No
	}
	return protocols.Yes
}

// probeReverse recognises the message with which a server that opened the TCP connection asks a client to begin.
func probeReverse(b []byte) protocols.Match {
	if uri := int32(binary.LittleEndian.Uint32(b)); uri < -1 || uri > maxURL {
		return protocols.No
	}
	return protocols.YesServer
}

// probeOpen wants a policy URI. A request for a new channel carries channel id 0; that is the client's.
func probeOpen(b []byte) protocols.Match {
	c := wire.New(b)
	channel, uri := c.LE32(), c.LE32()
	if uri == 0 || uri > 255 {
		return protocols.No
	}
	if !bytes.HasPrefix(b[8:], []byte("http://")) {
		return protocols.No
	}
	if channel == 0 {
		return protocols.YesClient
	}
	return protocols.Yes
}

// probeService knows the direction where the service is readable.
func probeService(b []byte) protocols.Match {
	const head = 16 // channel, token, sequence number, request id
	switch s := knownService(b[min(head, len(b)):]); {
	case s == nil:
		return protocols.Yes
	case s.response:
		return protocols.YesServer
	default:
		return protocols.YesClient
	}
}

// length believes any upper-case type: an unknown one must not cost the synchronisation.
func length(b []byte) int {
	for i, x := range b[:min(len(b), 4)] {
		if x < 'A' || x > 'Z' {
			return -1
		}
		if i == 3 && x != 'F' && x != 'C' && x != 'A' {
			return -1
		}
	}
	if len(b) < headerSize {
		return 0
	}
	size := binary.LittleEndian.Uint32(b[4:])
	if size < headerSize || size > maxChunk {
		return -1
	}
	return int(size)
}
