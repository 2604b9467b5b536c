package pipeline

import (
	"github.com/spanwatch/spanwatch/capture/stream"
	"github.com/spanwatch/spanwatch/protocols"
)

// openings tells the messages at the start of what is held that only open a transport, once what is held is given up: no
// protocol that is read has come behind them. Reports whether there were any in h.
func (w *Worker) openings(c *conversation, h *half) bool {
	if c.pub.Transport != protocols.TransportTCP || len(c.half[0].buf)+len(c.half[1].buf) == 0 {
		return false
	}
	for _, spec := range w.byPort[port{c.pub.Transport, c.pub.Server.Port}] {
		if spec.Opening != nil {
			return w.open(c, h, spec)
		}
	}
	return false
}

// open has the opening messages that a Spec knows dissected, in the order of their frames. The conversation has no protocol
// by them.
func (w *Worker) open(c *conversation, h *half, spec *protocols.Spec) (found bool) {
	label := c.label
	for {
		d, size := c.firstOpening(spec)
		if size == 0 {
			break
		}
		if c.spec == nil {
			c.spec = spec
			c.use(spec.Opening.New())
		}
		held := &c.half[d]
		frame, at := held.completed(0, size)
		w.dissect(c, d, held.buf[:size], 0, frame, at)
		held.hold(held.buf, size)
		found = found || held == h
	}
	c.spec, c.label = nil, label
	c.use(nil)
	return found
}

// firstOpening finds the opening message with the lowest frame; size 0 where neither direction has one in front.
func (c *conversation) firstOpening(spec *protocols.Spec) (chosen stream.Direction, size int) {
	var frame uint64
	for d := range c.half {
		h := &c.half[d]
		n := spec.Length(h.buf)
		if n <= 0 || n > len(h.buf) || !spec.Opening.Is(h.buf[:n]) {
			continue
		}
		if f, _ := h.completed(0, n); size == 0 || f < frame {
			chosen, size, frame = stream.Direction(d), n, f
		}
	}
	return chosen, size
}
