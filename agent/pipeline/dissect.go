package pipeline

import (
	"net/netip"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/capture/stream"
	"github.com/spanwatch/spanwatch/protocols"
)

// datagram takes one UDP payload, or that of an Ethernet frame without IP: it is a message. Where several protocols
// share an EtherType, each frame between two stations may be another's.
func (w *Worker) datagram(c *conversation, d stream.Direction, b []byte, missing int, frame uint64, at time.Time) {
	t := c.pub.Transport
	shared := t == protocols.TransportEthernet && len(c.try) > 1
	if c.spec == nil || shared && c.spec.Probe(t, b) == protocols.No {
		spec, match := w.probe(c, b)
		switch match {
		case protocols.No, protocols.More:
			c.coverage.Opaque += uint64(len(b))
			return
		case protocols.YesClient, protocols.YesServer:
			w.settle(c, spec, d, match)
		}
		w.read(c, spec, frame)
	}
	w.dissect(c, d, b, missing, frame, at)
}

// read makes spec the one that reads what comes next. The one before it is kept: frames of two protocols alternate.
func (w *Worker) read(c *conversation, spec *protocols.Spec, frame uint64) {
	if mark := w.cfg.Mark; mark != nil && c.spec == nil && !spec.Ordinary {
		a, b := c.raw.A, c.raw.B
		mark(netip.AddrPortFrom(a.Addr, a.Port), netip.AddrPortFrom(b.Addr, b.Port), c.raw.Proto, uint16(frame>>sourceShift), !spec.CountOnly)
	}
	parser := c.before.parser
	if c.before.spec != spec {
		parser = spec.New()
	}
	if c.spec == nil {
		c.label = spec.Name
	}
	c.before = reader{c.spec, c.parser}
	c.spec = spec
	c.use(parser)
}

// dissect hands one whole message, of which the capture may miss the end, to the conversation's dissector and stamps what
// comes back.
func (w *Worker) dissect(c *conversation, d stream.Direction, msg []byte, missing int, frame uint64, at time.Time) {
	b := w.batch
	before := len(b.Events)
	events, err := c.parser.Dissect(b.Events, protocols.Message{
		From: c.side(d), Bytes: msg, Missing: missing, Frame: frame & (1<<sourceShift - 1), Time: at, Transport: c.pub.Transport,
		Detail: w.cfg.Detail,
	})
	if err != nil && missing == 0 && w.turns(c, d, msg) {
		b.Events = events[:before]
		w.dissect(c, d, msg, missing, frame, at)
		return
	}
	switch {
	case missing > 0:
		cut(events[before:])
	case err != nil:
		events = malformed(events, before, c.side(d), err)
	}
	b.Events = events
	size := uint64(len(msg))
	if len(events) == before {
		*w.understood(c) += size
		return
	}
	first := &events[before]
	label := first.Protocol
	if label == "" {
		label = c.spec.Name
	}
	pdu := c.number.next(frame, label)
	if first.Continued {
		b.Events = events[:before]
		*w.understood(c) += size
		return
	}
	w.count(c, first, label, size)
	for i := range events[before:] {
		e := &events[before+i]
		e.Time, e.PDU, e.Part = at, pdu, uint32(i)
		e.Source, e.Frame = uint16(frame>>sourceShift), frame&(1<<sourceShift-1)
		e.Conv, e.Protocol, e.Ordinary = c.pub, label, c.spec.Ordinary
		if e.From == protocols.Client && len(e.Facts) > 0 && (e.Outcome == protocols.OutcomeDone || e.Outcome == protocols.OutcomeRefused) {
			e.Facts = ofSender(e.Facts)
		}
	}
	if w.cfg.Fold {
		w.fold(c, before, at)
		return
	}
	for i := range events[before:] {
		e := &events[before+i]
		e.Values.Raw = b.keep(e.Values.Raw)
	}
}

// ofSender makes what the client's answer tells of the server something told of the client: a client that sends answers
// may say what it likes of itself, and nothing of the device that it talks to.
func ofSender(facts []protocols.Fact) []protocols.Fact {
	facts = slices.Clone(facts)
	for i := range facts {
		facts[i].About = protocols.Client
	}
	return facts
}

// count adds a message to the coverage of its conversation and to the totals.
func (w *Worker) count(c *conversation, first *protocols.Event, label string, size uint64) {
	stats := &w.batch.Stats
	if label != w.label {
		w.tellMessages()
		w.label = label
	}
	w.messages++
	c.coverage.Messages++
	if !first.Carrier {
		c.label = label
	}
	if first.Encrypted() {
		c.coverage.Encrypted += size
	} else {
		*w.understood(c) += size
	}
	if first.Malformed != "" {
		stats.Malformed++
		c.coverage.Malformed++
	}
}

// tellMessages adds the messages counted apart to the batch.
func (w *Worker) tellMessages() {
	if w.messages == 0 {
		return
	}
	stats := &w.batch.Stats
	if stats.Messages == nil {
		stats.Messages = make(map[string]uint64)
	}
	stats.Messages[w.label] += w.messages
	w.messages = 0
}

// understood is the counter for the bytes of the conversation's messages.
func (w *Worker) understood(c *conversation) *uint64 {
	depth := protocols.DepthDecoded
	if c.framer != nil {
		depth = c.framer.Depth()
	}
	switch {
	case depth == protocols.DepthEncrypted:
		return &c.coverage.Encrypted
	case depth == protocols.DepthOpaque:
		return &c.coverage.Opaque
	case depth == protocols.DepthRecognised, c.spec.CountOnly:
		return &c.coverage.Recognised
	}
	return &c.coverage.Decoded
}

// cut marks the events of a message of which the capture kept the beginning. What they find wrong with it may be that alone.
func cut(events []protocols.Event) {
	for i := range events {
		events[i].Cut, events[i].Malformed = true, ""
	}
}

// malformed turns a dissector's error into the first event's reason, and into an event of its own where nothing could
// be read: a malformed message is something that happened.
func malformed(events []protocols.Event, before int, from protocols.Side, err error) []protocols.Event {
	if len(events) == before {
		return append(events, protocols.Event{From: from, Message: "malformed", Malformed: err.Error()})
	}
	if events[before].Malformed == "" {
		events[before].Malformed = err.Error()
	}
	return events
}
