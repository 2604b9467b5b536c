package enip

import (
	"errors"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// conversation is the state of one TCP connection, or of the datagrams between two ports.
type conversation struct {
	packet  packet
	calls   []call // services of the message at hand
	outer   []call // the packets and carriers around them
	fault   string // what breaks the specification first
	paths   targets
	pending pending
	pairs   pairs
	streams *streams // nil until connected data is seen
	told    bool     // that the server is a controller
}

var (
	_ protocols.Dissector = (*conversation)(nil)
	_ protocols.Asker     = (*conversation)(nil)
)

// Gap implements [protocols.Dissector].
func (d *conversation) Gap(from protocols.Side) {
	if from == protocols.Client {
		d.pending.forget()
		return
	}
	d.pending.excuse()
}

// Unanswered implements [protocols.Asker].
func (d *conversation) Unanswered(ended bool) uint64 { return d.pending.unanswered(ended) }

var errShort = errors.New("message ends within its header")

// fail notes the first thing that breaks the specification.
func (d *conversation) fail(format string, args ...any) {
	if d.fault == "" {
		d.fault = fmt.Sprintf(format, args...)
	}
}

// Dissect implements [protocols.Dissector].
func (d *conversation) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	if in.Transport == protocols.TransportUDP && isConnected(in.Bytes) {
		return d.stream(dst, in), nil
	}
	if len(in.Bytes) < headerLen {
		dst = append(dst, protocols.Event{From: in.From, Message: "malformed", Malformed: errShort.Error()})
		return dst, fmt.Errorf("enip: %w: %w: %d bytes", protocols.ErrMalformed, errShort, len(in.Bytes))
	}
	h := readHeader(in.Bytes)
	data := in.Bytes[headerLen:]
	d.fault, d.calls, d.outer = "", d.calls[:0], d.outer[:0]
	d.packet.reset()
	if h.length != len(data) {
		d.fail("length %d of %d bytes of data", h.length, len(data))
	}
	start := len(dst)
	cmd := commandOf(h.command)
	switch {
	case cmd == nil:
		dst = append(dst, protocols.Event{From: in.From, Message: fmt.Sprintf("command 0x%04X", h.command)})
	case cmd.packet:
		dst = d.service(dst, in, h, cmd, data)
	default:
		dst = d.command(dst, in, h, cmd, data)
	}
	if in.Detail {
		dst[start].Detail = d.detail(h, cmd, data, dst[start].Answers)
	}
	if d.fault != "" {
		dst[start].Malformed = d.fault
		return dst, fmt.Errorf("enip: %w: %s", protocols.ErrMalformed, d.fault)
	}
	return dst, nil
}

// command turns a message of the encapsulation itself into its event.
func (d *conversation) command(dst []protocols.Event, in protocols.Message, h header, cmd *command, data []byte) []protocols.Event {
	e := protocols.Event{From: in.From, Action: cmd.action, Message: cmd.name, Outcome: protocols.OutcomeDone}
	answer := d.isAnswer(in, h, data)
	k := key{command: h.command, session: h.session, context: h.context}
	switch {
	case !cmd.answered:
	case answer:
		if r, ok := d.pending.take(k, func(r *request) bool { return r.key.command == h.command }); ok {
			e.Answers = r.frame
		}
		if h.status != 0 {
			e.Outcome = protocols.OutcomeRefused
		}
	default:
		e.Outcome = protocols.OutcomeAsked
		// A datagram may go to all stations: who answers does so in a conversation of its own.
		d.pending.add(request{frame: in.Frame, key: k, excused: in.Transport == protocols.TransportUDP})
	}
	if cmd.list && answer && len(data) > 0 {
		c := wire.New(data)
		d.packet.readItems(&c)
		if c.Failed() {
			d.fail("items beyond %d bytes of data", len(data))
		}
		e.Facts = d.packet.identityFacts()
	}
	if h.command == cmdRegister && len(data) < 4 && h.status == 0 {
		d.fail("RegisterSession with %d bytes of data", len(data))
	}
	return append(dst, e)
}

// isAnswer tells answers from requests of the encapsulation: a list is only ever in an answer, a session is none before it
// was given.
func (d *conversation) isAnswer(in protocols.Message, h header, data []byte) bool {
	switch h.command {
	case cmdRegister:
		return h.session != 0 || h.status != 0
	case cmdListIdentity, cmdListServices, cmdListInterfaces:
		return len(data) > 0 || in.From == protocols.Server
	default:
		return in.From == protocols.Server
	}
}

// service turns a message with a packet inside into the events of its services.
func (d *conversation) service(dst []protocols.Event, in protocols.Message, h header, cmd *command, data []byte) []protocols.Event {
	p := &d.packet
	if len(data) > 0 || h.status == 0 {
		c := wire.New(data)
		c.Skip(6) // interface handle and timeout
		p.readItems(&c)
		if c.Failed() {
			d.fail("items beyond %d bytes of data", len(data))
		}
	}
	k := key{
		command: h.command, session: h.session, context: h.context,
		connected: p.connected, sequence: p.sequence, connection: p.connection,
	}
	if len(p.data) == 0 {
		return append(dst, d.bare(in, h, cmd, k))
	}
	if p.data[0]&replyBit == 0 {
		d.request(p.data, k, in.Frame)
	} else {
		d.answer(p.data, k)
	}
	if len(d.calls) == 0 && len(d.outer) == 0 {
		return append(dst, d.bare(in, h, cmd, k))
	}
	list := d.calls
	if len(list) == 0 {
		list = d.outer[:1]
	}
	for i := range list {
		dst = append(dst, list[i].event(in.From))
	}
	d.tellRole(dst[len(dst)-len(list):], list, in.From)
	return dst
}

// bare gives the event of a message without a service inside: a header that refuses, or nothing readable.
func (d *conversation) bare(in protocols.Message, h header, cmd *command, k key) protocols.Event {
	e := protocols.Event{From: in.From, Action: cmd.action, Message: cmd.name}
	if h.status == 0 {
		return e
	}
	e.Outcome = protocols.OutcomeRefused
	if r, ok := d.pending.take(k, func(*request) bool { return true }); ok {
		e.Answers = r.frame
		c := call{part: r.first}
		c.title(&e)
	}
	return e
}

var controllerRole = []protocols.Fact{{About: protocols.Server, Key: protocols.FactRole, Value: "plc", Confidence: 70}}

// tellRole says once that the server is a controller: it has tags, or executes PCCC commands.
func (d *conversation) tellRole(events []protocols.Event, list []call, from protocols.Side) {
	if d.told || from != protocols.Server || len(list) == 0 {
		return
	}
	c := &list[0]
	logix := c.part.target != nil && c.part.target.has&hasSymbol != 0
	if e := &events[0]; e.Outcome == protocols.OutcomeDone && (logix || c.part.row.data == dataPCCC) {
		d.told = true
		e.Facts = append(e.Facts[:len(e.Facts):len(e.Facts)], controllerRole...)
	}
}
