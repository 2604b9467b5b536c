package opcua

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// conversation is the state of one TCP connection. It implements [protocols.Dissector] and [protocols.Asker].
type conversation struct {
	security  security
	user      string              // how the session's user identified, once accepted
	told      *protocols.Security // as last told in an event
	plain     *protocols.Security // the same where it is that there is no protection, and nothing may have changed that since
	opening   opening
	lost      [2]bool // bytes of a side were lost: a chunk of it may belong to a message whose start is missing
	partials  partials
	pending   pending
	names     names
	items     items
	continued continued
	disclosed disclosed

	longest     [2]uint32 // the largest chunk of a side, as agreed on; 0: not known
	serverState string    // as last told
	sequence    [2]uint32 // the number of a side's last chunk; 0: not known

	current
}

// opening is the Hello that an Acknowledge or an Error answers.
type opening struct {
	frame   uint64 // 0: none is open
	excused bool   // the answer may have been lost
	object  protocols.Object
}

// current is the message being read; nothing of it outlives the call, because it borrows the message.
type current struct {
	protocols.Message
	kind      *kind
	chunk     byte
	body      wire.Cursor // what is left of the message's body
	joined    bool        // the body was put together from several chunks
	truncated bool        // it is only the beginning of a message: of one too long to keep, or of one that the capture cut
	cut       bool        // the capture did not keep all of the message
	out       []protocols.Event
	first     int // index in out of the message's first event
	facts     []protocols.Fact
	detail    *Detail

	id       uint32 // request id
	service  *service
	request  *exchange // a request: what its answer will need; an answer: what its request left, empty if it was not seen
	answered bool      // an answer: its request was seen
	result   status    // an answer: the service result
	results  int       // an answer: results read so far
	refused  int       // and how many of them were bad
	msgUser  string    // how a login identifies in this message
}

// Dissect reads one chunk.
func (d *conversation) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if dst, ok := d.poll(dst, &m); ok {
		return dst, nil
	}
	return d.read(dst, m)
}

// read reads any chunk, whatever it holds.
func (d *conversation) read(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	d.Message, d.out, d.first, d.plain = m, dst, len(dst), nil
	err := d.message()
	out := d.out
	if d.request != nil {
		d.pending.release(d.request)
	}
	d.current = current{}
	return out, err
}

// Gap forgets the chunks in progress of one side. What the server sent may have answered any open request.
func (d *conversation) Gap(from protocols.Side) {
	d.partials.forget(from)
	d.lost[from] = true
	d.sequence[from] = 0
	if from == protocols.Server {
		d.pending.excuse()
		d.opening.excused = true
	}
}

// Unanswered counts requests that were given up. Answers come in any order, so that none is passed over; a Publish that
// is open at the end is how a subscription rests, and a channel is closed without an answer.
func (d *conversation) Unanswered(ended bool) uint64 {
	n := d.pending.left(ended)
	if ended && d.opening.frame != 0 && !d.opening.excused {
		n++
		d.opening = opening{}
	}
	return n
}

// message reads the head that all messages share (Part 6, 7.1.2.2 and 6.7.2.2).
func (d *conversation) message() error {
	d.truncated, d.cut = d.Missing > 0, d.Missing > 0
	d.kind = kindOf(d.Bytes)
	if d.kind == nil || len(d.Bytes) < headerSize {
		return fmt.Errorf("opcua: %w: unknown message type % x", protocols.ErrMalformed, d.Bytes[:min(len(d.Bytes), 4)])
	}
	d.body = wire.New(d.Bytes)
	d.body.Skip(3)
	d.chunk = d.body.U8()
	size := d.body.LE32()
	if d.Detail {
		d.detail = &Detail{Msg: d.kind.tag, Chunk: text([]byte{d.chunk}), Size: size}
	}
	if int(size) > len(d.Bytes)+d.Missing {
		return d.overlong(size)
	}
	if d.kind.secure {
		return d.secure()
	}
	d.kind.read(d)
	d.attach(false)
	return d.fault(d.kind.name)
}

// fault gives the error of a body that ended early. Where the opening of the channel was not seen, each chunk of a message
// may end in a signature: then nothing is wrong with one that cannot be read.
func (d *conversation) fault(name string) error {
	if !d.body.Failed() || d.truncated || d.joined && d.security.policy == "" && d.security.mode != modeNone {
		return nil
	}
	return fmt.Errorf("opcua: %w: %s: impossible length, or the end, after %d bytes", protocols.ErrMalformed, name, d.body.Offset())
}

// emit appends an event to the message's and gives it to be filled further. It is written where it stays: an event is
// too large to be built and then copied.
func (d *conversation) emit(name string, action protocols.Action, outcome protocols.Outcome) *protocols.Event {
	n := len(d.out)
	if n < cap(d.out) {
		d.out = d.out[:n+1]
		d.out[n] = protocols.Event{}
	} else {
		d.out = append(d.out, protocols.Event{})
	}
	e := &d.out[n]
	e.From, e.Action, e.Outcome, e.Message = d.From, action, outcome, name
	return e
}

// plainChunk is the largest chunk that is believed where the sizes were not seen. Common stacks agree on 64 KiB.
const plainChunk = 256 << 10

// Overlong implements [protocols.Bounder]: a false size must not hide what follows.
func (d *conversation) Overlong(from protocols.Side, b []byte, n int) int {
	limit := uint32(plainChunk)
	if k := kindOf(b); k != nil && k.tag != "MSG" {
		limit = k.max
	} else if d.longest[from] != 0 {
		limit = d.longest[from]
	}
	if uint32(n) <= limit {
		return 0
	}
	return headerSize
}

// overlong reports the head of a chunk that cannot be as long as it says.
func (d *conversation) overlong(size uint32) error {
	if d.kind.secure {
		d.wrapping()
	} else {
		d.emit(d.kind.name, protocols.ActionConnect, protocols.OutcomeUnknown)
	}
	d.attach(false)
	return fmt.Errorf("opcua: %w: %s chunk of %d bytes", protocols.ErrMalformed, d.kind.tag, size)
}

// hello reads a Hello (Part 6, 7.1.2.3).
func (d *conversation) hello() {
	d.limits()
	url := octets(&d.body)
	d.opening = opening{frame: d.Frame, object: d.endpoint(url)}
	d.emit(d.kind.name, protocols.ActionConnect, protocols.OutcomeAsked).Object = d.opening.object
}

// limits reads how a side transports: the version of the protocol, and the sizes of chunks that it takes and sends.
func (d *conversation) limits() (receive, send uint32) {
	c := &d.body
	version := c.LE32()
	receive, send = c.LE32(), c.LE32()
	c.Skip(8) // largest message, most chunks
	if d.detail != nil && !c.Failed() {
		d.detail.Version, d.detail.ReceiveBuffer, d.detail.SendBuffer = shown(version), receive, send
	}
	return receive, send
}

// endpoint names the endpoint that a URL asks for.
func (d *conversation) endpoint(url []byte) protocols.Object {
	if len(url) == 0 {
		return protocols.Object{}
	}
	d.show(func(x *Detail) *string { return &x.EndpointURL }, url)
	d.tell(subject{side: protocols.Server}, protocols.FactURL, url, 80)
	return protocols.Object{Area: areaEndpoint, Name: d.names.text(url)}
}

// acknowledge reads an Acknowledge (Part 6, 7.1.2.4).
func (d *conversation) acknowledge() {
	if receive, send := d.limits(); min(receive, send) >= leastBuffer {
		d.longest = [2]uint32{protocols.Client: receive, protocols.Server: send}
	}
	d.emit(d.kind.name, protocols.ActionConnect, protocols.OutcomeDone).Object = d.opened()
}

// opened takes the Hello that this message answers and gives what it was about.
func (d *conversation) opened() protocols.Object {
	o := d.opening
	d.opening = opening{}
	if d.detail != nil {
		d.detail.RequestFrame = o.frame
	}
	return o.object
}

// refusal reads an Error (Part 6, 7.1.2.5): the sender closes the connection after it. A server's is its answer to
// whatever was asked.
func (d *conversation) refusal() {
	d.reason()
	if d.From == protocols.Server {
		d.pending.excuse()
	}
	d.emit(d.kind.name, protocols.ActionConnect, protocols.OutcomeRefused).Object = d.opened()
}

// reason reads the status and the text of an Error or of an aborted message.
func (d *conversation) reason() {
	code := status(d.body.LE32())
	why := octets(&d.body)
	if d.detail != nil && !d.body.Failed() {
		d.detail.Error = code.String()
	}
	d.show(func(x *Detail) *string { return &x.Reason }, why)
}

// reverseHello reads a ReverseHello (Part 6, 7.1.2.6): a server asks a client, to which it connected, for a Hello.
func (d *conversation) reverseHello() {
	server := octets(&d.body)
	d.show(func(x *Detail) *string { return &x.ApplicationURI }, server)
	d.tell(subject{side: protocols.Server}, protocols.FactApplication, server, 60)
	d.emit(d.kind.name, protocols.ActionConnect, protocols.OutcomeAsked).Object = d.endpoint(octets(&d.body))
}
