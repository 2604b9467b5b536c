package s7

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/handshake"
	"github.com/spanwatch/spanwatch/protocols/internal/tpkt"
)

// conversation is the state of one ISO-on-TCP connection.
type conversation struct {
	fragments [2]tpkt.Reassembler // DT fragments, by sender
	lossy     [2]bool             // bytes of this sender were lost: what comes next may be a tail

	alone     bool // nothing shows that S7 rides on the connection
	requested bool // a connection request awaits its answer
	knownPLC  bool // the server's role has been told

	msg     message
	asked   table // jobs and userdata requests that await an answer
	pushing table // userdata jobs whose answers will be pushed
	uploads uploads
	names   names
	szl     szlParts
	plus    *plus              // nil until S7comm-plus is seen: most conversations have none, and it is not small
	secure  *handshake.Session // nil until TLS is seen
}

// Dissect implements [protocols.Dissector] for one TPKT packet.
func (c *conversation) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if b, ok := c.fragments[m.From].Whole(m.Bytes); ok {
		return c.message(dst, &m, b)
	}
	pdu, err := tpkt.Parse(m.Bytes)
	switch {
	case err != nil && m.Missing > 0:
		return dst, nil // cut within the transport's header
	case err != nil:
		return odd(dst, m, err)
	}
	if pdu.Type != tpkt.DT {
		return c.connection(dst, m, pdu), nil
	}
	pdu.Missing = m.Missing
	b, whole, err := c.fragments[m.From].Add(pdu)
	if err != nil {
		return odd(dst, m, err)
	}
	if !whole {
		return dst, nil
	}
	start := len(dst)
	m.Missing = c.fragments[m.From].Missing()
	dst, err = c.message(dst, &m, b)
	if m.Missing == 0 {
		return dst, err
	}
	for i := start; i < len(dst); i++ {
		dst[i].Cut = true
	}
	return dst, nil
}

// message dissects what the transport carries.
func (c *conversation) message(dst []protocols.Event, m *protocols.Message, b []byte) ([]protocols.Event, error) {
	if len(b) == 0 {
		return dst, nil
	}
	start := len(dst)
	if dst, ok := c.poll(dst, m, b); ok {
		c.lossy[m.From] = false
		if !c.knownPLC {
			c.tellRole(dst[start:], m.From)
		}
		return dst, nil
	}
	return c.tabular(dst, m, b)
}

// tabular dissects any message by the tables.
func (c *conversation) tabular(dst []protocols.Event, m *protocols.Message, b []byte) ([]protocols.Event, error) {
	var err error
	start := len(dst)
	lossy := c.lossy[m.From]
	c.lossy[m.From] = false
	switch {
	case c.secured(m.From) || isTLS(b):
		return c.tls(dst, m, b)
	case m.Missing > 0 && len(b) < headerLen:
		c.lossy[m.From] = true
		return dst, nil // not even its kind is there
	case b[0] == idClassic && len(b) < headerLen:
		return odd(dst, *m, fmt.Errorf("S7comm header in %d bytes", len(b)))
	case b[0] == idClassic:
		dst, err = c.classic(dst, m, b)
	case b[0] == idPlus:
		dst, err = c.plusMessage(dst, *m, b, lossy)
	case lossy:
		return dst, nil
	default:
		return odd(dst, *m, fmt.Errorf("%d bytes begin with 0x%02x", len(b), b[0]))
	}
	if !c.knownPLC {
		c.tellRole(dst[start:], m.From)
	}
	return dst, err
}

// recycled gives a buffer emptied for reuse, or none if it grew beyond what a conversation may keep between messages.
func recycled(b []byte) []byte {
	if cap(b) > 4<<10 {
		return nil
	}
	return b[:0]
}

// Gap implements [protocols.Dissector].
func (c *conversation) Gap(from protocols.Side) {
	c.fragments[from].Gap()
	c.lossy[from] = true
	if c.secure != nil {
		c.secure.Gap(from)
	}
	c.asked.excuse(from.Other())
	if c.plus != nil {
		c.plus.fragments[from].reset()
		c.plus.excuse(from.Other())
	}
	c.szl.reset()
}

// Unanswered implements [protocols.Asker]. What a controller pushes asks for nothing.
func (c *conversation) Unanswered(ended bool) uint64 {
	n := c.asked.unanswered(ended)
	if c.plus != nil {
		n += c.plus.unanswered(ended)
	}
	return n
}

// odd reports what cannot be told to be S7comm at all: it belongs to the transport, and does not count among the
// messages of S7comm in its frame.
func odd(dst []protocols.Event, m protocols.Message, err error) ([]protocols.Event, error) {
	dst = append(dst, protocols.Event{From: m.From, Protocol: labelCOTP, Carrier: true, Message: "malformed"})
	return dst, fmt.Errorf("s7: %w: %w", protocols.ErrMalformed, err)
}

// plcRole is told once, with the first message by which the server shows that it serves.
var plcRole = []protocols.Fact{
	{About: protocols.Server, Key: protocols.FactRole, Value: "plc", Confidence: 70},
}

func (c *conversation) tellRole(events []protocols.Event, from protocols.Side) {
	if from != protocols.Server || len(events) == 0 || events[0].Continued {
		return
	}
	c.knownPLC = true
	if events[0].Facts == nil {
		events[0].Facts = plcRole
		return
	}
	events[0].Facts = append(events[0].Facts[:len(events[0].Facts):len(events[0].Facts)], plcRole...)
}
