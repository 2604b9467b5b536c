package enip

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// call is one service in a message: asked for, or answered. Its slices borrow from the wire.
type call struct {
	part         // what is, or was, asked for
	code   uint8 // the service on the wire, without the bit of an answer
	answer bool
	known  bool   // an answer whose request was seen
	frame  uint64 // of that request
	status uint8
	extra  []byte // additional status, in words
	path   []byte
	data   []byte
	action protocols.Action
	failed bool // refused by what the service carries, whatever the status says
	values protocols.Values
	facts  []protocols.Fact
}

const maxDepth = 4 // of carriers in carriers

// request reads a message to the message router (Volume 1, 2-4) and keeps what its answer will be recognised by.
func (d *conversation) request(b []byte, k key, frame uint64) {
	r := request{frame: frame, key: k, start: d.pending.next}
	if d.ask(b, nil, 0, &r) {
		d.pending.add(r)
	}
}

// ask reads one service and those that it carries. It reports false where nothing could be read.
func (d *conversation) ask(b []byte, via *target, depth int, r *request) bool {
	c := wire.New(b)
	var q call
	q.via = via
	q.service = c.U8()
	q.code = q.service
	q.path = c.Bytes(2 * int(c.U8()))
	q.data = c.Rest()
	if c.Failed() || q.service&replyBit != 0 {
		d.fail("no service and path in %d bytes", len(b))
		return false
	}
	q.target = d.paths.find(q.path)
	if q.target.odd {
		d.fail("path % x is not valid", q.path[:min(len(q.path), 32)])
	}
	q.row = serviceOf(q.target, q.service)
	q.object, q.action = q.target.object, q.row.does(q.target)
	if inner := depth + 1; inner < maxDepth {
		switch {
		case q.service == svcMultiple:
			return d.askAll(q, inner, r)
		case q.service == svcUnconnectedSend && q.target.class == classes[classManager]:
			return d.askThrough(q, inner, r)
		}
	}
	if ask := layouts[q.row.data].ask; ask != nil {
		d.calls = append(d.calls, q)
		ask(d, &d.calls[len(d.calls)-1])
	} else {
		d.calls = append(d.calls, q)
	}
	d.keep(d.calls[len(d.calls)-1].part, depth, r)
	return true
}

// keep notes a service of a request for its answer: those in a packet in a row, the outermost apart.
func (d *conversation) keep(p part, depth int, r *request) {
	if r.count > 0 || r.first.row != nil {
		d.pending.addPart(p)
		r.count++
		return
	}
	r.first, r.service = p, p.service
}

// askAll reads a Multiple_Service_Packet (Volume 1, A-4.10): a count, and the offsets of the services in their order.
func (d *conversation) askAll(q call, depth int, r *request) bool {
	d.outer = append(d.outer, q)
	nested := r.first.row != nil
	d.keep(q.part, depth, r)
	if nested {
		return true // a packet in a packet is not taken apart: its answers could not be told apart
	}
	whole := each(q.data, func(b []byte) {
		if !d.ask(b, q.via, depth, r) { // its answer comes at its place all the same
			d.keep(part{service: b[0] &^ replyBit, row: &common[b[0]&^replyBit], target: &nowhere}, depth, r)
		}
	})
	if !whole {
		d.fail("services beyond a packet of %d bytes", len(q.data))
	}
	return true
}

// each cuts the data of a Multiple_Service_Packet, or of its answer, into services. Offsets count from the number of
// services on and must rise, so that no octet is read twice.
func each(data []byte, do func(b []byte)) bool {
	if len(data) < 2 {
		return false
	}
	le := binary.LittleEndian
	n := int(le.Uint16(data))
	first := 2 + 2*n
	if first > len(data) {
		return false
	}
	last := first
	for i := range n {
		from, to := int(le.Uint16(data[2+2*i:])), len(data)
		if i+1 < n {
			to = int(le.Uint16(data[4+2*i:]))
		}
		if from < last || to <= from || to > len(data) {
			return false
		}
		do(data[from:to:to])
		last = to
	}
	return true
}

// askThrough reads an Unconnected_Send (Volume 1, 3-5.5.4): timing, a message, and the route that it shall take.
func (d *conversation) askThrough(q call, depth int, r *request) bool {
	c := wire.New(q.data)
	c.Skip(2)
	n := int(c.LE16())
	b := c.Bytes(n)
	if n%2 == 1 {
		c.Skip(1)
	}
	words := int(c.U8())
	c.Skip(1)
	route := c.Bytes(2 * words)
	d.outer = append(d.outer, q)
	if c.Failed() {
		d.fail("message of %d bytes beyond an Unconnected_Send of %d", n, len(q.data))
		if b == nil {
			d.keep(q.part, depth, r)
			return true
		}
	}
	if len(route) > 0 {
		q.via = d.paths.find(route)
	}
	if !d.ask(b, q.via, depth, r) {
		d.keep(q.part, depth, r)
	}
	r.routed = true
	return true
}

// answer reads the answer to a message (Volume 1, 2-4.2) and finds its request.
func (d *conversation) answer(b []byte, k key) {
	q, ok := d.reply(b)
	if !ok {
		return
	}
	r, known := d.find(k, q.service)
	if known {
		q.frame, q.known = r.frame, true
		q.part = r.first
	}
	if q.service == svcMultiple && (q.status == statusSuccess || q.status == statusEmbedded) {
		d.outer = append(d.outer, q)
		i := 0
		whole := each(q.data, func(b []byte) {
			inner, ok := d.reply(b)
			if !ok {
				return
			}
			inner.frame = q.frame
			p, has := d.pending.part(&r, i)
			if i++; has && known && p.service == inner.service {
				inner.part, inner.known = p, true
			}
			d.tell(inner)
		})
		if !whole {
			d.fail("services beyond a packet of %d bytes", len(q.data))
		}
		return
	}
	d.tell(q)
}

// reply reads the head of an answer: service, a reserved octet, status, and words of additional status.
func (d *conversation) reply(b []byte) (call, bool) {
	c := wire.New(b)
	q := call{answer: true}
	q.service = c.U8() &^ replyBit
	q.code = q.service
	c.Skip(1)
	q.status = c.U8()
	q.extra = c.Bytes(2 * int(c.U8()))
	q.data = c.Rest()
	if c.Failed() || len(b) > 0 && b[0]&replyBit == 0 {
		d.fail("no answer in %d bytes", len(b))
		return call{}, false
	}
	q.row, q.target = &common[q.service], &nowhere
	return q, true
}

// tell finishes an answer.
func (d *conversation) tell(q call) {
	if q.known {
		q.action = q.row.does(q.target)
	} else {
		q.action = q.row.action
	}
	d.calls = append(d.calls, q)
	if tell := layouts[q.row.data].tell; tell != nil && q.known && q.done() {
		tell(d, &d.calls[len(d.calls)-1])
	}
}

// done reports whether the answer grants what was asked.
func (c *call) done() bool { return c.status == statusSuccess || c.status == statusPartial }

// find gives the request of an answer with a service: that on the connection which belongs to the answer's, where this is
// known; else the only one with the same sequence count on a connection of which nothing is known.
func (d *conversation) find(k key, service uint8) (request, bool) {
	fits := func(r *request) bool {
		return r.service == service || r.routed && service == svcUnconnectedSend
	}
	if !k.connected {
		return d.pending.take(k, fits)
	}
	if asks, paired := d.pairs.of(k.connection); paired {
		r, ok := d.pending.take(k, func(r *request) bool { return r.key.connection == asks && fits(r) })
		if !ok {
			d.pairs.doubt(k.connection)
		}
		return r, ok
	}
	candidates := 0
	free := func(r *request) bool { return fits(r) && !d.pairs.taken(r.key.connection) }
	for i := range d.pending.requests {
		if r := &d.pending.requests[i]; r.key.same(k) && free(r) {
			candidates++
		}
	}
	if candidates != 1 {
		return request{}, false
	}
	r, ok := d.pending.take(k, free)
	if ok {
		d.pairs.put(r.key.connection, k.connection, false)
	}
	return r, ok
}

// event gives the event of a service.
func (c *call) event(from protocols.Side) protocols.Event {
	e := protocols.Event{From: from, Answers: c.frame, Values: c.values, Facts: c.facts, Outcome: protocols.OutcomeAsked}
	switch {
	case !c.answer:
	case c.done() && !c.failed:
		e.Outcome = protocols.OutcomeDone
	default:
		e.Outcome = protocols.OutcomeRefused
	}
	c.title(&e)
	e.Action = c.action
	return e
}

// title gives an event the name, the action and the object of what was asked for.
func (c *call) title(e *protocols.Event) {
	if c.row == nil {
		return
	}
	e.Message, e.Action, e.Object = c.row.title(), c.row.does(c.target), c.object
}
