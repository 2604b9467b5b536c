package recognised

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// protocol is one row of a family's table.
type protocol struct {
	name  string // the label of records
	title string // how people write it
	tcp   []uint16
	udp   []uint16
	ether []uint16
	plant bool // who serves it belongs to a plant; the others are ordinary, as [protocols.Spec] says
	look  look
	facts func(from protocols.Side, b []byte) (facts []protocols.Fact, more bool)
	// later reads, out of what a side sends from its first message on, what it says in words a little later.
	later func(from protocols.Side, b []byte) (facts []protocols.Fact, more bool)
}

// look judges the beginning b of a stream, or a datagram, and gives the specification's name of the message where it
// is told apart. A look says More only to what may still become the protocol, whatever the transport, and never to
// more than [patience] bytes of a message.
type look func(t protocols.Transport, b []byte) (m protocols.Match, message string)

const (
	patience  = 64      // bytes after which a look must have decided
	holdLimit = 1 << 10 // bytes of a side that may wait for its first message to be complete
)

// no is the answer to what is not the protocol.
func no() (protocols.Match, string) { return protocols.No, "" }

// more is the answer to a beginning that does not suffice.
func more() (protocols.Match, string) { return protocols.More, "" }

// carries reports whether the protocol is found on the transport.
func (p *protocol) carries(t protocols.Transport) bool {
	switch t {
	case protocols.TransportTCP:
		return p.tcp != nil
	case protocols.TransportUDP:
		return p.udp != nil
	case protocols.TransportEthernet:
		return p.ether != nil
	default:
		return false
	}
}

// firsts is a set of first bytes.
type firsts [4]uint64

func (f *firsts) has(x byte) bool { return f[x>>6]&(1<<(x&63)) != 0 }

// firsts finds the bytes with which a message may begin by asking the look. An unknown stream is shown to every
// protocol; this spares nearly all of the calls.
func (p *protocol) firsts(t protocols.Transport) (f firsts) {
	if !p.carries(t) {
		return f
	}
	for x := range 256 {
		if m, _ := p.look(t, []byte{byte(x)}); m != protocols.No {
			f[x>>6] |= 1 << (x & 63)
		}
	}
	return f
}

// spec describes the protocol to the pipeline. Framing is not asked for: whatever comes is passed over whole, so that
// no odd length can make the rest of a conversation unknown.
func (p *protocol) spec() protocols.Spec {
	var first [protocols.TransportEthernet + 1]firsts
	for t := range first {
		first[t] = p.firsts(protocols.Transport(t))
	}
	recognised := p.title + " recognised"
	return protocols.Spec{
		Name: p.name, TCP: p.tcp, UDP: p.udp, EtherTypes: p.ether, CountOnly: true, Ordinary: !p.plant, CallsBack: p.tcp == nil,
		Probe: func(t protocols.Transport, b []byte) protocols.Match {
			switch {
			case int(t) >= len(first), len(b) > 0 && !first[t].has(b[0]):
				return protocols.No
			case len(b) == 0 && t == protocols.TransportTCP && p.tcp != nil:
				return protocols.More
			case len(b) == 0:
				return protocols.No
			}
			m, _ := p.look(t, b)
			if m == protocols.More && t != protocols.TransportTCP {
				return protocols.No // a datagram is all there is
			}
			return m
		},
		Length: func(b []byte) int { return len(b) },
		New:    func() protocols.Dissector { return &conversation{of: p, recognised: recognised} },
	}
}

// conversation gives the event of each side's first message.
type conversation struct {
	of         *protocol
	recognised string // the message where the specification's name is not known
	told       [2]bool
	listens    [2]bool // for what is said later
	held       [2][]byte
}

// outcomes are those of the first message of a side.
var outcomes = [2]protocols.Outcome{protocols.Client: protocols.OutcomeAsked, protocols.Server: protocols.OutcomeDone}

// Dissect implements [protocols.Dissector].
func (c *conversation) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if c.told[m.From] {
		if c.listens[m.From] {
			return c.listen(dst, m.From, c.beginning(m)), nil
		}
		return dst, nil
	}
	b := c.beginning(m)
	match, message := c.of.look(m.Transport, b)
	var facts []protocols.Fact
	waits := match == protocols.More
	if c.of.facts != nil && match >= protocols.Yes {
		facts, waits = c.of.facts(m.From, b)
	}
	if waits && m.Transport == protocols.TransportTCP && len(b) < holdLimit {
		c.held[m.From] = append(c.held[m.From][:0], b...)
		return dst, nil
	}
	c.told[m.From], c.held[m.From] = true, nil
	if message == "" {
		message = c.recognised
	}
	dst = append(dst, protocols.Event{
		From: m.From, Action: protocols.ActionConnect, Outcome: outcomes[m.From], Message: message, Facts: facts,
	})
	if c.of.later != nil && match >= protocols.Yes && m.Transport == protocols.TransportTCP {
		c.listens[m.From] = true
		dst = c.listen(dst, m.From, b)
	}
	return dst, nil
}

// beginning gives what is held of a side with the new bytes, to the limit.
func (c *conversation) beginning(m protocols.Message) []byte {
	b := m.Bytes
	if held := c.held[m.From]; len(held) > 0 {
		b = append(held, m.Bytes[:min(len(m.Bytes), holdLimit-len(held))]...)
	}
	return b[:min(len(b), holdLimit)]
}

// listen looks in the beginning b of a side for what it says in words, until it is there or the limit is reached.
func (c *conversation) listen(dst []protocols.Event, from protocols.Side, b []byte) []protocols.Event {
	facts, more := c.of.later(from, b)
	if more && len(b) < holdLimit {
		c.held[from] = append(c.held[from][:0], b...)
		return dst
	}
	c.listens[from], c.held[from] = false, nil
	if facts == nil {
		return dst
	}
	return append(dst, protocols.Event{
		From: from, Action: protocols.ActionConnect, Outcome: outcomes[from], Message: "Greeting", Facts: facts,
	})
}

// Gap implements [protocols.Dissector]: what was held is void, and its side's first message with it.
func (c *conversation) Gap(from protocols.Side) { c.held[from], c.listens[from] = nil, false }
