package pipeline

import (
	"time"

	"github.com/spanwatch/spanwatch/capture/stream"
	"github.com/spanwatch/spanwatch/protocols"
)

// Cut implements stream.Handler. The capture kept the beginning of a segment: the message that it ends within is read as
// far as it is there, what its length says of its end is passed over, and the next message begins where it says.
func (w *Worker) Cut(raw *stream.Conversation, d stream.Direction, b []byte, n int, frame uint64, at time.Time) {
	c := raw.User.(*conversation)
	w.batch.Stats.Gaps++
	c.coverage.Gap += uint64(n)
	w.payload(c, d, b, n, frame, at)
}

// declared finds the protocol at home on the port that held bytes, and those missing behind them, may be, where only one
// may.
func (w *Worker) declared(c *conversation, b []byte, missing int) (found *protocols.Spec, match protocols.Match) {
	t := c.pub.Transport
	for _, spec := range w.byPort[port{t, c.pub.Server.Port}] {
		if !declares(spec, t, b, missing) {
			continue
		}
		if found != nil {
			return nil, protocols.More
		}
		found, match = spec, protocols.Yes
	}
	return found, max(match, protocols.More)
}

// leastKept is how many bytes of a message that the capture cut let it pass for one where nothing else speaks for it: a
// length alone says too little.
const leastKept = 8

// declares reports whether b, with the bytes missing behind it, may be messages of a protocol: each is none that the probe
// refuses, and their lengths add up.
func declares(spec *protocols.Spec, t protocols.Transport, b []byte, missing int) bool {
	if spec.Length == nil || len(b) == 0 {
		return false
	}
	for off := 0; off < len(b); {
		n := spec.Length(b[off:])
		if n <= 0 || n > len(b)-off+missing || len(b)-off < min(n, leastKept) || spec.Probe(t, b[off:min(off+n, len(b))]) == protocols.No {
			return false
		}
		if off += n; off == len(b)+missing {
			return true
		}
	}
	return false
}

// passOver goes over bytes that are missing behind what a direction has sent: up to the end of the message that they are
// the rest of, and where that is among them, beyond it, out of step.
func (w *Worker) passOver(c *conversation, d stream.Direction, missing int) {
	h := &c.half[d]
	if n := min(h.skip, missing); n > 0 {
		h.skip -= n
		if missing -= n; missing == 0 {
			return
		}
	}
	w.confirm(c, d)
	if held := len(h.buf); held > 0 && c.spec != nil && c.searches() && !h.lost {
		if n := c.spec.Length(h.buf); n > held {
			if c.spec.ReadsCut {
				frame, at := h.completed(0, held)
				w.dissect(c, d, h.buf, n-held, frame, at)
				h.forget()
			} else {
				c.parser.Gap(c.side(d))
				c.coverage.Opaque += h.forget()
			}
			missing -= n - held
			if missing <= 0 {
				h.skip = -missing
				return
			}
		}
	}
	if c.spec != nil {
		c.parser.Gap(c.side(d))
	} else {
		w.openings(c, h)
	}
	c.coverage.Opaque += h.forget()
	h.skip, h.lost, h.cut = 0, true, true
}

// begins reports whether a segment that the capture cut begins with a message of a protocol that ends within it, though what
// follows the message is not there. In a conversation of the protocol, and exactly where a segment begins, that is enough.
func begins(spec *protocols.Spec, t protocols.Transport, b []byte, missing int) bool {
	if len(b) < leastKept {
		return false
	}
	n := spec.Length(b)
	return n > len(b) && n <= len(b)+missing && spec.Probe(t, b) != protocols.No
}
