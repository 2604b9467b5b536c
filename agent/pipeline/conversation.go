package pipeline

import (
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/capture/stream"
	"github.com/spanwatch/spanwatch/protocols"
)

// reportEvery is how often, in packet time, the counters of a conversation with traffic are reported.
const reportEvery = time.Minute

// conversation is what the pipeline knows of one conversation beyond its bytes.
type conversation struct {
	raw    *stream.Conversation
	pub    *protocols.Conversation
	client stream.Direction // the direction in which the client sends
	try    []*protocols.Spec
	spec   *protocols.Spec // nil until the bytes have decided
	parser protocols.Dissector
	framer protocols.Framer // the parser, if it is one
	bounds protocols.Bounder
	before reader // of the protocol that shares an EtherType with spec
	label  string
	half   [2]half
	number numbering
	folds  folds

	coverage protocols.Coverage
	opened   bool // the first report was made
	reported time.Time
	packets  [2]uint64 // as of the last report, by stream direction: seen, counted, and their bytes
	counted  [2]uint64
	bytes    [2]uint64
}

// reader is a protocol and its state in one conversation.
type reader struct {
	spec   *protocols.Spec
	parser protocols.Dissector
}

// numbering counts the messages of each protocol within one frame.
type numbering struct {
	frame  uint64
	labels [3]string
	counts [3]uint32
}

// next gives the 0-based index of a message of the label in the frame.
func (n *numbering) next(frame uint64, label string) uint32 {
	if n.frame != frame {
		*n = numbering{frame: frame}
	}
	for i := range n.labels {
		if n.labels[i] == "" {
			n.labels[i] = label
		}
		if n.labels[i] == label || i == len(n.labels)-1 {
			n.counts[i]++
			return n.counts[i] - 1
		}
	}
	return 0
}

func (c *conversation) side(d stream.Direction) protocols.Side {
	if d == c.client {
		return protocols.Client
	}
	return protocols.Server
}

// settle takes what the content of the first message, in direction d, says: that the client sent it, or the server. But
// whoever speaks first chooses the content, and must not make the device the one that asks: the port where the protocol is
// served is believed first, and then the handshake. Who asks, however, is no server, whatever his port, if no handshake
// says so; what he sends next may still turn that round.
func (w *Worker) settle(c *conversation, spec *protocols.Spec, d stream.Direction, says protocols.Match) {
	client := d
	if says == protocols.YesServer {
		client = d ^ 1
	}
	if client != c.client && !spec.CallsBack {
		if client == d && !c.pub.Proven {
			c.orient(client, false)
			return
		}
		t := c.pub.Transport
		from, to := w.servedAt(spec, t, c.pub.Client.Port), w.servedAt(spec, t, c.pub.Server.Port)
		if to && !from || to == from && c.pub.Proven {
			return
		}
	}
	c.orient(client, true)
}

// turns turns a conversation round whose direction nothing has proven, where whoever passed for the server sends what only
// a client does. Reports whether it did: then its dissector is a new one.
func (w *Worker) turns(c *conversation, d stream.Direction, msg []byte) bool {
	if c.pub.Proven || d == c.client || c.spec.Probe(c.pub.Transport, msg) != protocols.YesClient {
		return false
	}
	c.orient(d, false)
	c.use(c.spec.New())
	return true
}

// use makes a dissector the conversation's.
func (c *conversation) use(parser protocols.Dissector) {
	c.parser = parser
	c.framer, _ = parser.(protocols.Framer)
	c.bounds, _ = parser.(protocols.Bounder)
}

// servedAt reports whether the protocol is usually served on this port.
func (w *Worker) servedAt(spec *protocols.Spec, t protocols.Transport, number uint16) bool {
	return slices.Contains(w.byPort[port{t, number}], spec)
}

// orient publishes which end is the client.
func (c *conversation) orient(client stream.Direction, proven bool) {
	pub := *c.pub
	pub.Client, pub.Server = endpoint(c.raw.A), endpoint(c.raw.B)
	if client == stream.BtoA {
		pub.Client, pub.Server = pub.Server, pub.Client
	}
	pub.Proven = proven
	c.client = client
	c.pub = &pub
}

// Open implements stream.Handler.
func (w *Worker) Open(raw *stream.Conversation) {
	w.batch.Stats.Conversations++
	c := &conversation{raw: raw}
	raw.User = c
	c.pub = &protocols.Conversation{
		ID: raw.ID, Transport: transport(raw.Proto, raw.A.Addr), VLANs: raw.VLANs,
	}
	client, proven := w.guess(c)
	c.orient(client, proven)
	c.try = w.candidates(c)
	if a := endpoint(raw.A); a.Addr.IsValid() && !a.MAC.IsZero() && !a.MAC.IsGroup() {
		w.batch.Bindings = append(w.batch.Bindings, protocols.Binding{
			Time: raw.First, Addr: a.Addr, MAC: a.MAC, VLAN: raw.VLANs[0],
		})
	}
	// A contact that is certain is told at once; a guess waits for the first payload.
	if proven || c.pub.Transport != protocols.TransportTCP && c.pub.Transport != protocols.TransportUDP {
		w.report(c)
	}
}

// guess tells which end is the client from the handshake, else from the ports.
func (w *Worker) guess(c *conversation) (client stream.Direction, proven bool) {
	raw, t := c.raw, c.pub.Transport
	switch raw.Initiator {
	case stream.InitiatorA:
		return stream.AtoB, true
	case stream.InitiatorB:
		return stream.BtoA, true
	}
	homeA, homeB := w.homePort(t, raw.A.Port), w.homePort(t, raw.B.Port)
	switch {
	case homeA != homeB:
		return direction(homeB), false
	case raw.A.Port == raw.B.Port:
		return stream.AtoB, false
	default:
		return direction(raw.B.Port < raw.A.Port), false
	}
}

// direction gives the client's direction when B is, or is not, the server.
func direction(serverIsB bool) stream.Direction {
	if serverIsB {
		return stream.AtoB
	}
	return stream.BtoA
}

// Close implements stream.Handler.
func (w *Worker) Close(raw *stream.Conversation, _ stream.Reason) {
	c := raw.User.(*conversation)
	if c.spec == nil {
		w.openings(c, nil)
	}
	for d := range c.half {
		w.confirm(c, stream.Direction(d))
	}
	for d := range c.half {
		c.coverage.Opaque += uint64(len(c.half[d].buf))
	}
	w.unfold(c, raw.Last)
	w.folding.held -= len(c.folds.slots)
	c.unanswered(true)
	w.report(c)
}

// unanswered asks the dissector for requests that were left without an answer.
func (c *conversation) unanswered(ended bool) {
	if asker, ok := c.parser.(protocols.Asker); ok {
		c.coverage.Unanswered += asker.Unanswered(ended)
	}
}

// report adds what passed since the last report to the batch.
func (w *Worker) report(c *conversation) {
	c.unanswered(false)
	raw := c.raw
	flow := protocols.Flow{
		Conv: c.pub, Protocol: c.label, Ordinary: c.spec != nil && c.spec.Ordinary, First: raw.First, Last: raw.Last,
		Source: uint16(raw.FirstFrame >> sourceShift), Frame: raw.FirstFrame & (1<<sourceShift - 1),
		Coverage: c.coverage,
	}
	for d := range raw.Packets {
		side := c.side(stream.Direction(d))
		flow.Packets[side] = raw.Counted[d] - c.counted[d]
		flow.Bytes[side] = raw.Bytes[d] - c.bytes[d]
	}
	if !c.opened {
		flow.Opened = 1
		flow.Began = raw.SYN || raw.SYNACK
	} else if c.packets == raw.Packets && flow.Coverage == (protocols.Coverage{}) {
		return
	}
	refused := raw.RST && raw.SYN && !raw.SYNACK
	if !refused && raw.Packets[0] > 0 && raw.Packets[1] > 0 && (c.packets[0] == 0 || c.packets[1] == 0) {
		flow.Answered = 1
	}
	if refused {
		flow.Refused = 1
	}
	w.batch.Flows = append(w.batch.Flows, flow)
	c.opened, c.reported = true, raw.Last
	c.packets, c.counted, c.bytes = raw.Packets, raw.Counted, raw.Bytes
	c.coverage = protocols.Coverage{}
}
