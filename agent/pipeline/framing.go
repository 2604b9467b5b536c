package pipeline

import (
	"time"

	"github.com/spanwatch/spanwatch/capture/stream"
	"github.com/spanwatch/spanwatch/protocols"
)

const (
	probeWindow = 8 << 10 // bytes of one direction that wait for a protocol to be recognised
	headerLimit = 4 << 10 // a Length that cannot tell after so many bytes never will
	unsureLimit = 4       // segments that may wait for content to settle the direction
	patience    = 1 << 10 // held bytes that are searched for a message that began among them
	// leastStart is the shortest segment with which a message may begin where nothing else speaks for it: in a stream of
	// single bytes every offset is the start of a segment, and chance would find too much.
	leastStart = 4
)

// half is one direction of a conversation: bytes that are not yet a whole message.
type half struct {
	buf     []byte
	pieces  []piece // which frames brought the bytes of buf
	skip    int     // bytes of an oversized message still to pass over
	lost    bool    // synchronisation is lost: look for the next message with the strict probe
	head    bool    // what next found is only the head of a message that is too long: it will be lost behind it
	cut     bool    // it was lost where the capture cut a segment: where the next segment begins is known
	unsure  int     // segments held back because only the direction is unknown
	strayed bool    // bytes were passed over before the protocol was recognised
	fresh   bool    // no message proved yet that it is in step: the next one must not be refused by the probe
	held    bool    // buf begins with what looks like a message and waits for what comes next to confirm it
	sure    bool    // what is held was confirmed
}

// piece says that the bytes of half.buf up to end came by this frame.
type piece struct {
	end   int
	frame uint64
	at    time.Time
}

func (h *half) add(b []byte, frame uint64, at time.Time) {
	h.buf = append(h.buf, b...)
	h.pieces = append(h.pieces, piece{len(h.buf), frame, at})
}

// completed gives the frame that completed the bytes from one offset to another: the newest that brought any of them.
func (h *half) completed(from, to int) (frame uint64, at time.Time) {
	for _, p := range h.pieces {
		if p.end <= from {
			continue
		}
		if p.frame >= frame {
			frame, at = p.frame, p.at
		}
		if p.end >= to {
			break
		}
	}
	return frame, at
}

// hold keeps b from offset n on, and forgets what came before. b is h.buf itself or the segment in hand.
func (h *half) hold(b []byte, n int) {
	h.buf = append(h.buf[:0], b[n:]...)
	kept := h.pieces[:0]
	for _, p := range h.pieces {
		if p.end > n {
			p.end -= n
			kept = append(kept, p)
		}
	}
	h.pieces = kept
}

// forget drops everything held and gives the number of bytes that were.
func (h *half) forget() uint64 {
	n := len(h.buf)
	h.buf, h.pieces = h.buf[:0], h.pieces[:0]
	h.held, h.sure = false, false
	return uint64(n)
}

// Data implements stream.Handler.
func (w *Worker) Data(raw *stream.Conversation, d stream.Direction, b []byte, frame uint64, at time.Time) {
	w.payload(raw.User.(*conversation), d, b, 0, frame, at)
}

// payload takes the next bytes of a conversation, or a datagram: b, and as many bytes behind it as are missing from the
// capture.
func (w *Worker) payload(c *conversation, d stream.Direction, b []byte, missing int, frame uint64, at time.Time) {
	switch {
	case c.pub.Transport == protocols.TransportUDP, c.pub.Transport == protocols.TransportEthernet:
		w.datagram(c, d, b, missing, frame, at)
	case c.pub.Transport != protocols.TransportTCP:
		c.coverage.Opaque += uint64(len(b))
	case c.spec == nil:
		w.identify(c, d, b, missing, frame, at)
	default:
		w.bytes(c, d, b, missing, frame, at)
	}
	if missing > 0 && c.pub.Transport == protocols.TransportTCP {
		w.passOver(c, d, missing)
	}
	if !c.opened && !w.waiting(c) || c.opened && at.Sub(c.reported) >= reportEvery {
		w.report(c)
	}
}

// waiting reports whether a conversation's first report should wait because bytes are held to recognise it.
func (w *Worker) waiting(c *conversation) bool {
	return c.spec == nil && (len(c.half[0].buf) > 0 || len(c.half[1].buf) > 0)
}

// Gap implements stream.Handler.
func (w *Worker) Gap(raw *stream.Conversation, d stream.Direction, n int) {
	c := raw.User.(*conversation)
	h := &c.half[d]
	w.batch.Stats.Gaps++
	c.coverage.Gap += uint64(max(n, 0))
	switch {
	case c.spec == nil:
		w.openings(c, h)
	case n >= 0 && n <= h.skip:
		h.skip -= n // lost from the midst of a message that nobody was going to read
		return
	default:
		w.confirm(c, d)
		c.parser.Gap(c.side(d))
	}
	c.coverage.Opaque += h.forget()
	h.skip, h.lost, h.cut = 0, true, false
}

// Overlap implements stream.Handler.
func (w *Worker) Overlap(raw *stream.Conversation, d stream.Direction, frame uint64, at time.Time) {
	c := raw.User.(*conversation)
	c.coverage.Conflicts++
	w.conflict(c.pub, c.side(d), frame, at)
}

// conflict notes that the frame repeats bytes with different content.
func (w *Worker) conflict(conv *protocols.Conversation, from protocols.Side, frame uint64, at time.Time) {
	w.batch.Stats.Conflicts++
	w.batch.Notices = append(w.batch.Notices, protocols.Notice{
		Kind: protocols.NoticeConflict, Conv: conv, From: from, Time: at,
		Source: uint16(frame >> sourceShift), Frame: frame & (1<<sourceShift - 1),
	})
}

// identify looks for a protocol at the beginning of what this direction has sent, or of this segment.
func (w *Worker) identify(c *conversation, d stream.Direction, b []byte, missing int, frame uint64, at time.Time) {
	h := &c.half[d]
	if len(h.buf) == 0 && len(b) >= leastStart {
		h.lost = false
	}
	passed := c.coverage.Opaque
	h.add(b, frame, at)
	spec, match := w.probe(c, h.buf)
	if match == protocols.No {
		spec, match = w.chain(c, h.buf)
	}
	if match == protocols.No && w.openings(c, h) {
		if len(h.buf) == 0 {
			return
		}
		spec, match = w.probe(c, h.buf)
	}
	if held := len(h.buf) - len(b); match == protocols.No && held > 0 {
		spec, match = w.anew(c, h, held)
	}
	if match == protocols.No {
		spec, match = w.search(c, h, len(h.buf), protocols.More)
	}
	h.strayed = h.strayed || match == protocols.No || c.coverage.Opaque > passed
	if match == protocols.More && missing > 0 {
		spec, match = w.declared(c, h.buf, missing)
	}
	switch match {
	case protocols.No:
		c.coverage.Opaque += h.forget()
		h.lost = true
		return
	case protocols.More:
		if len(h.buf) > probeWindow {
			w.openings(c, h)
			c.coverage.Opaque += h.forget()
			h.lost = true
		}
		return
	case protocols.YesClient, protocols.YesServer:
		w.settle(c, spec, d, match)
	default:
		h.unsure++
		known := c.pub.Proven || w.homePort(c.pub.Transport, c.pub.Server.Port)
		if !known && missing == 0 && h.unsure < unsureLimit && len(h.buf) < probeWindow {
			return
		}
	}
	o := &c.half[d^1]
	begun := c.raw.SYN || c.raw.SYNACK
	if !begun && len(o.buf) > 0 && spec.Probe(c.pub.Transport, o.buf) == protocols.No && chained(spec, c.pub.Transport, o.buf) == protocols.No {
		o.lost = true // held for another protocol, from wherever the capture began
	}
	w.read(c, spec, frame)
	if !begun && c.searches() {
		h.fresh, o.fresh = h.strayed, o.strayed || o.lost
		h.lost = h.lost || h.strayed && !declares(spec, c.pub.Transport, b, missing)
		o.lost = o.lost || o.strayed && len(o.buf) > 0
	}
	w.drain(c)
}

// chain looks whether held bytes are messages of a protocol at home on the port one by one, though the first of them prove
// nothing: they belong to the first that does. Until it comes there is More to wait for.
func (w *Worker) chain(c *conversation, b []byte) (*protocols.Spec, protocols.Match) {
	t := c.pub.Transport
	for _, spec := range w.byPort[port{t, c.pub.Server.Port}] {
		if m := chained(spec, t, b); m != protocols.No {
			return spec, m
		}
	}
	return nil, protocols.No
}

// chained gives what the probe says of the first message behind others in b that proves the protocol; More where none does,
// and No where one is none of it, or does not end where the next begins.
func chained(spec *protocols.Spec, t protocols.Transport, b []byte) protocols.Match {
	if spec.Length == nil {
		return protocols.No
	}
	for off := 0; off < len(b); {
		n := spec.Length(b[off:])
		whole := n > 0 && n <= len(b)-off
		switch m := spec.Probe(t, b[off:]); {
		case n < 0, m == protocols.No && !whole:
			return protocols.No
		case m >= protocols.Yes, !whole:
			return m
		case m == protocols.No && spec.Probe(t, b[off:off+n]) == protocols.No:
			return protocols.No
		}
		off += n
	}
	return protocols.More
}

// anew looks for a beginning once the held bytes, followed by a segment, led nowhere from theirs: a message may have begun
// among them, begin with the segment, or be about to begin among them.
func (w *Worker) anew(c *conversation, h *half, held int) (*protocols.Spec, protocols.Match) {
	among := min(held, patience)
	if spec, match := w.search(c, h, among, protocols.Yes); match != protocols.No {
		return spec, match
	}
	var spec *protocols.Spec
	match := protocols.No
	if len(h.buf)-held >= leastStart {
		spec, match = w.probe(c, h.buf[held:])
	}
	if match < protocols.Yes {
		if spec, match := w.search(c, h, among, protocols.More); match != protocols.No {
			return spec, match
		}
	}
	if match != protocols.No {
		c.coverage.Opaque += uint64(held)
		h.hold(h.buf, held)
	}
	return spec, match
}

// search looks for the first message, as sure as least, behind bytes that are none and before offset end, but only of the
// protocols that are at home on the port: there one odd message must not hide those that follow in its segment, and
// elsewhere chance would find too much.
func (w *Worker) search(c *conversation, h *half, end int, least protocols.Match) (*protocols.Spec, protocols.Match) {
	t := c.pub.Transport
	for off := 1; off < end; off++ {
		for _, spec := range w.byPort[port{t, c.pub.Server.Port}] {
			if m := spec.Probe(t, h.buf[off:]); m >= least {
				c.coverage.Opaque += uint64(off)
				h.hold(h.buf, off)
				h.lost = m == protocols.More // a guess, should the other direction settle the protocol first
				return spec, m
			}
		}
	}
	return nil, protocols.No
}

// probe asks the candidates in turn; the first Yes wins, and More from any of them means waiting.
func (w *Worker) probe(c *conversation, b []byte) (*protocols.Spec, protocols.Match) {
	best := protocols.No
	for _, spec := range c.try {
		switch m := spec.Probe(c.pub.Transport, b); m {
		case protocols.No:
		case protocols.More:
			best = protocols.More
		default:
			return spec, m
		}
	}
	return nil, best
}

// drain dissects what both directions held back, in the order in which the frames came.
func (w *Worker) drain(c *conversation) {
	for {
		chosen, size := -1, 0
		var frame uint64
		for d := range c.half {
			h := &c.half[d]
			pass, n := w.next(c, stream.Direction(d), h.buf)
			h.hold(h.buf, pass)
			if n == 0 {
				continue
			}
			if f, _ := h.completed(0, n); chosen < 0 || f < frame {
				chosen, size, frame = d, n, f
			}
		}
		if chosen < 0 {
			return
		}
		if o := &c.half[chosen^1]; c.searches() && o.held && o.said(c.spec) < frame {
			o.held, o.sure = false, true // this side has spoken since
			continue
		}
		h := &c.half[chosen]
		f, at := h.completed(0, size)
		w.dissect(c, stream.Direction(chosen), h.buf[:size], 0, f, at)
		h.sure = false
		h.lost = h.lost || h.head
		h.hold(h.buf, size)
	}
}

// bytes takes the next bytes of a recognised conversation. The common case, a segment of whole messages, is dissected
// where it lies; only what is left over is copied.
func (w *Worker) bytes(c *conversation, d stream.Direction, b []byte, missing int, frame uint64, at time.Time) {
	h := &c.half[d]
	if c.searches() {
		w.confirm(c, d^1)
		w.resume(c, d, b, missing)
	}
	if len(h.buf) > 0 {
		h.add(b, frame, at)
		b = h.buf
	} else {
		h.pieces = append(h.pieces[:0], piece{len(b), frame, at})
	}
	off := 0
	for {
		pass, n := w.next(c, d, b[off:])
		off += pass
		if n == 0 {
			break
		}
		f, t := h.completed(off, off+n)
		w.dissect(c, d, b[off:off+n], 0, f, t)
		h.lost = h.lost || h.head
		off += n
	}
	h.hold(b, off)
}

// resume puts a direction that is out of step back into it where a segment shows how: one that begins with a message,
// while what is held begins none, or one that is exactly as long as the messages that it may be. A single wrong length
// would cost more than its own message otherwise, and a gap the odd message behind it.
func (w *Worker) resume(c *conversation, d stream.Direction, b []byte, missing int) {
	h, t := &c.half[d], c.pub.Transport
	if h.held && declares(c.spec, t, b, missing) {
		w.confirm(c, d)
	}
	switch {
	case len(h.buf) > 0:
		none := c.spec.Probe(t, h.buf) == protocols.No
		if none && c.spec.Probe(t, b) >= protocols.Yes || (none || h.lost) && declares(c.spec, t, b, missing) {
			c.coverage.Opaque += h.forget()
			h.lost = false
		}
	case h.lost && h.skip == 0:
		h.lost = !declares(c.spec, t, b, missing) && !(h.cut && begins(c.spec, t, b, missing))
	}
	h.cut = false
}

// next finds the next whole message in b: it begins at pass and has size bytes. Size 0 means that what follows pass is
// not whole yet.
func (w *Worker) next(c *conversation, d stream.Direction, b []byte) (pass, size int) {
	h := &c.half[d]
	h.head, h.held = false, false
	for {
		if h.skip > 0 {
			n := min(h.skip, len(b)-pass)
			h.skip -= n
			c.coverage.Opaque += uint64(n)
			pass += n
		}
		if pass == len(b) {
			return pass, 0
		}
		rest := b[pass:]
		if h.lost && c.searches() {
			switch m := c.spec.Probe(c.pub.Transport, rest); {
			case m == protocols.More && len(rest) <= headerLimit:
				return pass, 0
			case m == protocols.No, m == protocols.More:
				c.coverage.Opaque++
				pass++
				continue
			}
			if !h.sure {
				switch w.followed(c, rest) {
				case protocols.More:
					h.held = true
					return pass, 0
				case protocols.No:
					c.coverage.Opaque++
					pass++
					continue
				}
			}
			h.lost, h.fresh = false, true
		} else if h.fresh && c.searches() {
			m := c.inStep(rest)
			if m == protocols.No {
				h.lost = true
				continue
			}
			h.fresh = m == protocols.More
		}
		switch n, limit := c.length(d, rest); {
		case n < 0, n == 0 && len(rest) > limit:
			h.lost = true
			c.coverage.Opaque++
			pass++
		case n > len(rest) && c.overlong(d, rest, n, &size):
			h.head = true
			return pass, size
		case n > MaxMessage:
			w.batch.Stats.Skipped++
			h.skip = n
		case n == 0, n > len(rest):
			return pass, 0
		default:
			return pass, n
		}
	}
}

// followed tells whether the message that the probe found at the start of b is one: another follows it (Yes), something
// else does (No), or that is still to be seen (More). Values and the header behind them look like a short message that no
// header follows.
func (w *Worker) followed(c *conversation, b []byte) protocols.Match {
	n := c.spec.Length(b)
	if n <= 0 || n > len(b) {
		return protocols.Yes
	}
	if t := c.pub.Transport; c.spec.Probe(t, b[:n]) < protocols.Yes && c.spec.Probe(t, b[n:]) >= protocols.Yes {
		return protocols.No // it proves nothing but what its length leads to, and chance leads to a message often enough
	}
	b = b[n:]
	switch {
	case len(b) == 0:
		return protocols.More
	case c.inStep(b) == protocols.No:
		return protocols.No
	case c.spec.Length(b) == 0:
		return protocols.More
	}
	return protocols.Yes
}

// inStep gives what the probe says of the message that begins at the start of b, and no more than More where it is refused
// only together with what follows it.
func (c *conversation) inStep(b []byte) protocols.Match {
	t := c.pub.Transport
	m := c.spec.Probe(t, b)
	if m != protocols.No {
		return m
	}
	if n := c.spec.Length(b); n > 0 && n <= len(b) {
		return min(c.spec.Probe(t, b[:n]), protocols.More)
	}
	return protocols.No
}

// said gives the frame that completed the message at the start of what is held.
func (h *half) said(spec *protocols.Spec) uint64 {
	frame, _ := h.completed(0, spec.Length(h.buf))
	return frame
}

// confirm believes what a direction that was out of step holds for a message: the other side speaks, the message behind
// it begins, or nothing more will come.
func (w *Worker) confirm(c *conversation, d stream.Direction) {
	h := &c.half[d]
	if !h.held {
		return
	}
	h.held = false
	if c.spec == nil || !c.searches() || len(h.buf) == 0 {
		return
	}
	h.sure = true
	w.drain(c)
	h.sure = false
}

// searches reports whether the probe has to find the next message once synchronisation is lost. What is only counted has
// no messages, and a Framer finds its own.
func (c *conversation) searches() bool { return !c.spec.CountOnly && c.framer == nil }

// overlong reports whether no message may be so long as the one that rest begins, and sets how much of it is its head.
func (c *conversation) overlong(d stream.Direction, rest []byte, n int, head *int) bool {
	if c.bounds == nil {
		return false
	}
	*head = c.bounds.Overlong(c.side(d), rest, n)
	return *head > 0
}

// length gives how many bytes the message at the start of b has, and after how many it must be told.
func (c *conversation) length(d stream.Direction, b []byte) (n, limit int) {
	if c.framer != nil {
		return c.framer.Next(c.side(d), b), MaxMessage
	}
	return c.spec.Length(b), headerLimit
}
