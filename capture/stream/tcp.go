package stream

import (
	"bytes"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/capture/packet"
)

// window is how far from the expected sequence number a segment may be. Receivers drop what is outside the window they
// offered; nothing on a plant network offers more than this.
const window = 1 << 20

// segmentCost is what a waiting segment costs beyond its bytes: a flood of one-byte segments must count for what it
// takes.
const segmentCost = 96

// half is one direction of a TCP connection: the bytes that one end sends.
type half struct {
	next      uint32 // sequence number of the next byte to deliver
	base      uint32 // the first value of next
	isn       uint32 // sequence number of the SYN, if syn
	acked     uint32 // the highest acknowledgement by the other end near next, if hasAcked
	lastAck   uint32 // the last one, wherever it points, if hasAcked
	stray     uint32 // where the last stray segment ended, if hasStray
	finAt     uint32 // sequence number of the FIN, if fin
	started   bool   // next is known
	delivered bool   // there was payload
	syn       bool
	hasAcked  bool
	hasStray  bool
	fin       bool
	finished  bool // everything up to the FIN was delivered; next is behind it
	reset     bool // this end sent RST and nothing since

	segments []segment // waiting behind a hole: in order, disjoint, beyond next
	cost     int
	tail     tail
}

// segment is payload that waits.
type segment struct {
	seq     uint32
	data    []byte
	missing int // bytes behind data that were on the wire and not captured
	frame   uint64
	at      time.Time
}

// over reports whether a connection has ended.
func (c *Conversation) over() bool {
	a, b := &c.half[AtoB], &c.half[BtoA]
	return a.reset || b.reset || a.finished && b.finished
}

// near reports whether two sequence numbers are within the window.
func near(a, b uint32) bool {
	d := int32(a - b)
	return -window <= d && d <= window
}

// reusedBy reports whether a SYN in direction d begins a new connection, rather than being this one's, late or again.
func (c *Conversation) reusedBy(p *packet.Packet, d Direction) bool {
	h, o := &c.half[d], &c.half[1-d]
	answers := p.Flags.Has(packet.ACK)
	switch {
	case h.syn:
		return p.Seq != h.isn
	case h.started:
		return p.Seq+1 != h.base
	case answers && o.started: // by a SYN, which may have carried data, or in mid-stream
		return !near(p.Ack, o.next)
	}
	// The end was not heard before. Two SYNs may cross; anything else means that this one begins anew.
	return !o.syn || o.delivered
}

// flags notes what the handler may want to know before the first payload.
func (c *Conversation) flags(p *packet.Packet, d Direction) {
	if !p.Flags.Has(packet.SYN) {
		return
	}
	first := InitiatorA
	if p.Flags.Has(packet.ACK) {
		c.SYNACK = true
		if d == AtoB {
			first = InitiatorB
		}
	} else {
		c.SYN = true
		if d == BtoA {
			first = InitiatorB
		}
	}
	if c.Initiator == InitiatorUnknown {
		c.Initiator = first
	}
}

// tcp takes a segment.
func (t *Table) tcp(c *Conversation, d Direction, p *packet.Packet, frame uint64, at time.Time) {
	h, o := &c.half[d], &c.half[1-d]
	if c.over() {
		t.stats.AfterTheirEnd++
	}
	if p.Flags.Has(packet.RST) {
		if h.started && !near(p.Seq, h.next) {
			t.stats.Strays++ // a receiver would not believe it either (RFC 5961 §3.2)
			return
		}
		c.RST, h.reset = true, true
		return
	}
	seq := p.Seq
	if p.Flags.Has(packet.SYN) {
		if !h.syn && (!h.started || seq+1 == h.base) {
			h.syn, h.isn = true, seq
		}
		seq++
		if !h.started {
			h.start(seq)
		}
		if p.Flags.Has(packet.ACK) && !o.started {
			o.start(p.Ack)
		}
	}
	if p.Flags.Has(packet.ACK) {
		o.acknowledge(p.Ack)
		t.skip(c, 1-d)
		o.finish()
	}
	if len(p.Payload) > 0 || p.Flags.Has(packet.SYN) {
		h.reset = false // an end that goes on talking did not send that RST
	}
	t.segment(c, d, p, seq, frame, at)
	h.finish()
	c.FIN = c.FIN || h.finished || o.finished
}

// finish takes the FIN once everything before it was delivered.
func (h *half) finish() {
	if h.fin && !h.finished && h.next == h.finAt {
		h.finished = true
		h.next++
	}
}

// start sets where a direction begins.
func (h *half) start(seq uint32) {
	h.started, h.next, h.base = true, seq, seq
}

// acknowledge notes what the other end has received of this direction.
func (h *half) acknowledge(ack uint32) {
	h.lastAck = ack
	if !h.hasAcked || int32(ack-h.acked) > 0 || !near(ack, h.acked) {
		h.acked = ack
	}
	h.hasAcked = true
}

// segment files or delivers the payload of a packet that begins at seq.
func (t *Table) segment(c *Conversation, d Direction, p *packet.Packet, seq uint32, frame uint64, at time.Time) {
	h, b := &c.half[d], p.Payload
	probe := len(b) == 1 && !p.Flags.Has(packet.PSH) && p.Missing == 0
	if !h.started {
		h.start(seq)
		if probe && b[0] == 0 && !p.Flags.Has(packet.FIN) {
			// The first thing seen in mid-stream is a keep-alive probe: a byte that was acknowledged long ago.
			t.stats.Probes++
			h.start(seq + 1)
			return
		}
	}
	if len(b) == 0 && p.Missing == 0 && !p.Flags.Has(packet.FIN) {
		return
	}
	if !h.delivered && !h.syn && seq == h.next+1 {
		h.start(seq) // what started this direction was a probe one byte below
	}
	if !near(seq, h.next) && !t.resync(c, d, seq, seq+uint32(len(b)+p.Missing)) {
		return
	}
	h.hasStray = false
	if p.Flags.Has(packet.FIN) && !h.finished {
		h.fin, h.finAt = true, seq+uint32(len(b)+p.Missing)
	}
	conflict := false
	if old := int(int32(h.next - seq)); old > 0 {
		n := min(old, len(b))
		t.stats.Repeated += uint64(n)
		switch {
		case probe && old == 1:
			t.stats.Probes++ // its byte may be anything (RFC 9293 §3.8.4)
		case old == 1 && h.finished:
		default:
			end := old
			if h.finished {
				end-- // the FIN took a number, but no byte
			}
			conflict = !h.tail.match(end, b[:n])
		}
		seq, b = seq+uint32(n), b[n:]
	}
	if seq == h.next && (len(h.segments) == 0 || len(b) == 0) {
		if conflict {
			t.conflict(c, d, frame, at)
		}
		if t.deliver(c, d, segment{seq, b, uncaptured(p), frame, at}); len(h.segments) > 0 {
			t.drain(c, d)
			t.skip(c, d)
		}
		return
	}
	if len(b) > 0 {
		if seq != h.next {
			t.stats.OutOfOrder++
		}
		conflict = t.file(h, segment{seq, b, uncaptured(p), frame, at}) || conflict
	}
	if conflict {
		t.conflict(c, d, frame, at)
	}
	t.drain(c, d)
	t.skip(c, d)
	for h.cost > t.config.MaxBuffered || len(h.segments) > 0 && t.stats.Buffered > t.config.MaxBufferedTotal {
		t.stats.BufferFull++
		t.gap(c, d, int(h.segments[0].seq-h.next))
		t.drain(c, d)
	}
}

// uncaptured gives how many bytes of the payload's end were on the wire and not captured. What is missing from a packet
// that was never longer is a hole like any other: the other end's acknowledgement tells it from a length that the
// receiver would not have believed.
func uncaptured(p *packet.Packet) int {
	if p.Cut {
		return p.Missing
	}
	return 0
}

func (t *Table) conflict(c *Conversation, d Direction, frame uint64, at time.Time) {
	t.stats.Overlaps++
	t.handler.Overlap(c, d, frame, at)
}

// resync decides on a segment from seq to end that is far from what is expected. It is believed, and the direction goes
// on there, if the other end acknowledges in its neighbourhood, or if it continues the stray before it: then it was the
// sensor that lost its place. Otherwise somebody would make the sensor lose it.
func (t *Table) resync(c *Conversation, d Direction, seq, end uint32) bool {
	h := &c.half[d]
	if !(h.hasAcked && near(h.lastAck, seq)) && !(h.hasStray && h.stray == seq) && (h.delivered || h.syn) {
		t.stats.Strays++
		h.stray, h.hasStray = end, true
		return false
	}
	t.stats.Resyncs++
	t.flush(c, d)
	if h.delivered {
		n := int(int32(seq - h.next))
		if n < 0 {
			n = -1
		}
		t.gap(c, d, n)
	}
	h.next, h.base = seq, seq
	h.fin, h.finished = false, false
	return true
}

// file keeps those parts of a segment that neither wait already nor were delivered. It reports whether other parts differ
// from what waits.
func (t *Table) file(h *half, whole segment) (conflict bool) {
	// Distances from next order segments also where the numbers wrap around.
	off, b := int(whole.seq-h.next), whole.data
	i, _ := slices.BinarySearchFunc(h.segments, off, func(s segment, off int) int {
		return int(s.seq-h.next) + len(s.data) - off - 1
	})
	for len(b) > 0 {
		start := off + len(b)
		if i < len(h.segments) {
			start = int(h.segments[i].seq - h.next)
		}
		if n := min(len(b), start-off); n > 0 {
			s := segment{h.next + uint32(off), bytes.Clone(b[:n]), 0, whole.frame, whole.at}
			if n == len(b) {
				s.missing = whole.missing
			}
			h.segments = slices.Insert(h.segments, i, s)
			h.cost += n + segmentCost
			t.stats.Buffered += n + segmentCost
			off, b = off+n, b[n:]
			i++
			continue
		}
		s := h.segments[i]
		skip := off - start
		n := min(len(b), len(s.data)-skip)
		conflict = conflict || !bytes.Equal(b[:n], s.data[skip:skip+n])
		t.stats.Repeated += uint64(n)
		off, b = off+n, b[n:]
		i++
	}
	return conflict
}

// drain delivers what waits no longer.
func (t *Table) drain(c *Conversation, d Direction) {
	h := &c.half[d]
	for len(h.segments) > 0 && h.segments[0].seq == h.next {
		s := h.segments[0]
		h.segments = slices.Delete(h.segments, 0, 1)
		h.cost -= len(s.data) + segmentCost
		t.stats.Buffered -= len(s.data) + segmentCost
		t.deliver(c, d, s)
	}
}

// skip gives up the hole in front of what waits, as far as the other end has acknowledged it.
func (t *Table) skip(c *Conversation, d Direction) {
	h := &c.half[d]
	for len(h.segments) > 0 && h.hasAcked && near(h.acked, h.next) {
		n := int(int32(h.acked - h.next))
		if n <= 0 {
			return
		}
		t.gap(c, d, min(n, int(h.segments[0].seq-h.next)))
		t.drain(c, d)
	}
}

// flush delivers all that waits, and tells of what the other end received unseen at the end.
func (t *Table) flush(c *Conversation, d Direction) {
	h := &c.half[d]
	for len(h.segments) > 0 {
		t.gap(c, d, int(h.segments[0].seq-h.next))
		t.drain(c, d)
	}
	if !h.started || !h.hasAcked || !near(h.acked, h.next) {
		return
	}
	n := int(int32(h.acked - h.next))
	if h.fin && h.acked == h.finAt+1 {
		n--
	}
	// One number may be that of a FIN that was not seen.
	if n > 1 || n == 1 && h.fin {
		t.gap(c, d, n)
	}
}

// deliver hands on the bytes at next, and tells what of their packet was not captured: as far as nothing that waits has
// brought it.
func (t *Table) deliver(c *Conversation, d Direction, s segment) {
	h := &c.half[d]
	if n := len(s.data); n > 0 {
		h.next += uint32(n)
		h.delivered = true
		grown, full := h.tail.add(s.data, t.config.Tail, t.config.MaxTailTotal-t.stats.Tails)
		t.stats.Tails += grown
		if full {
			t.stats.TailsRefused++
		}
	}
	if len(h.segments) > 0 {
		s.missing = min(s.missing, int(h.segments[0].seq-h.next))
	}
	switch {
	case s.missing > 0:
		t.stats.Gaps++
		t.stats.GapBytes += uint64(s.missing)
		h.next += uint32(s.missing)
		h.delivered = true
		h.tail.forget()
		t.handler.Cut(c, d, s.data, s.missing, s.frame, s.at)
	case len(s.data) > 0:
		t.handler.Data(c, d, s.data, s.frame, s.at)
	}
}

// gap passes over n bytes; n < 0 stands for an unknown number, after which the caller sets where to go on.
func (t *Table) gap(c *Conversation, d Direction, n int) {
	if n == 0 {
		return
	}
	h := &c.half[d]
	t.stats.Gaps++
	if n > 0 {
		t.stats.GapBytes += uint64(n)
		h.next += uint32(n)
	}
	h.tail.forget()
	t.handler.Gap(c, d, n)
}
