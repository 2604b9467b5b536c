package protocols

import (
	"errors"
	"time"
)

// ErrMalformed is wrapped by every error of a Dissector: the message breaks its specification. The pipeline turns the
// error into an event and goes on with the next message.
var ErrMalformed = errors.New("malformed message")

// Match is a probe's answer to "do these bytes begin with this protocol?".
type Match uint8

// The answers of a probe. Yes does not tell the direction; YesClient and YesServer do.
const (
	No Match = iota
	More
	Yes
	YesClient
	YesServer
)

// String gives the answer's name.
func (m Match) String() string {
	return [...]string{"no", "more", "yes", "yes-client", "yes-server"}[min(int(m), 4)]
}

// Message is one whole message on its way into a dissector. Bytes are borrowed and valid during the call only.
//
// Of a message that the capture cut, Bytes is the beginning, and Missing says how many bytes were behind it: a dissector
// reads what is there, and takes the capture's end for none of the message's. Such a message is not malformed, whatever
// error is returned.
type Message struct {
	From      Side
	Bytes     []byte
	Missing   int
	Frame     uint64    // 1-based number of the frame that completed it
	Time      time.Time // capture time of that frame
	Transport Transport
	Detail    bool // build [Event.Detail]
}

// Spec describes a protocol to the pipeline.
type Spec struct {
	// Name is the label of records: "modbus".
	Name string
	// Labels are the labels that its events carry, where they are not all its Name.
	Labels []string
	// TCP and UDP are the ports where the protocol is usually served: a hint which Spec to try first, never proof.
	TCP, UDP []uint16
	// EtherTypes are the kinds of Ethernet frames without IP that carry the protocol; 0 stands for IEEE 802.3 frames
	// with an LLC header, with which the payload then begins. Such a frame is a message, like a datagram.
	EtherTypes []uint16
	// CountOnly says that the protocol is recognised and its content not read: what passes is counted as recognised.
	CountOnly bool
	// Ordinary says that the protocol serves any network and not only a plant: names, addresses, neighbours, pages.
	// Who serves it, or asks for it, has by that no part in OT.
	Ordinary bool
	// CallsBack says that servers of the protocol may begin conversations, too: what the content says of the direction
	// outweighs the handshake and the port. Elsewhere one message that looks like an answer turns nothing round.
	CallsBack bool
	// ReadsCut says that the Dissector reads what is there of a message that the capture cut, see [Message.Missing]. Without
	// it such a message of a stream is passed over, and the Dissector told of a gap.
	ReadsCut bool
	// Probe decides strictly whether the stream (or datagram) b belongs to the protocol. A stream in mid-message
	// answers No; the pipeline asks again at the next segment.
	Probe func(t Transport, b []byte) Match
	// Length says leniently how many bytes the message at the start of b has: 0 when more bytes are needed to tell,
	// negative when b cannot be a message and synchronisation is lost. The answer may exceed len(b).
	// For datagrams it is not asked: a datagram is a message. It is nil where the probe never says Yes to a stream, and
	// where the Dissector is a [Framer].
	Length func(b []byte) int
	// New makes the state of one conversation.
	New func() Dissector
	// Opening describes messages that may be all that a stream on the protocol's port has; nil where there are none.
	Opening *Opening
}

// Opening describes the messages of a transport that several protocols ride on. They prove none of these, but they are told
// even where nothing that is read follows.
type Opening struct {
	// Is decides strictly whether a whole message is one.
	Is func(b []byte) bool
	// New makes what reads them. Its events are [Event.Carrier].
	New func() Dissector
}

// Dissector turns the messages of one conversation into events. It is used by one goroutine.
type Dissector interface {
	// Dissect appends the events of one whole message to dst. An error wraps [ErrMalformed]; events that were
	// readable before the fault are returned with it. It never panics and allocates nothing for common messages.
	Dissect(dst []Event, m Message) ([]Event, error)
	// Gap tells that bytes sent by a side were lost before the next message: fragments in progress are void.
	Gap(from Side)
}

// Bounder is a Dissector that knows how long messages may be: both sides may have agreed on it.
type Bounder interface {
	// Overlong judges a message of n bytes that has not come whole, of which b is the beginning. Where none may be so long it
	// gives the size of its head, which is then dissected as all that there is of it: a message begins behind the head, or
	// soon. It is 0 otherwise.
	Overlong(from Side, b []byte, n int) int
}

// Asker is a Dissector that pairs answers with requests, and so knows which requests were left without one.
type Asker interface {
	// Unanswered gives how many requests were given up since the last call: those that the other side passed over when
	// it answered later ones, and those forgotten for want of room. When the conversation has ended, those still open
	// are among them. Requests that expect no answer, and those whose answer may lie in a gap, do not count.
	Unanswered(ended bool) uint64
}
