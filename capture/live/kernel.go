package live

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spanwatch/spanwatch/bpf"
	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// counting is where the kernel's counters are being read.
type counting struct {
	turn int             // the interface whose table is being gone through
	left []capture.Count // the last counts of interfaces that are gone
}

// tables opens what the kernel counts in; nil where it does not.
func tables(g *Grant) (*bpf.Objects, error) {
	if len(g.Maps) == 0 {
		return nil, nil
	}
	fds := make(map[string]int, len(g.Maps))
	for name, f := range g.Maps {
		fds[name] = int(f.Fd())
	}
	o, err := bpf.FromFDs(fds)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return o, nil
}

// Counts gives the next of the kernel's counters, about limit; none when all were given, or nothing counts.
func (x *Capture) Counts(limit int) ([]capture.Count, error) {
	for {
		counts, done, err := x.counts(limit)
		if done || err != nil || len(counts) > 0 {
			return counts, err
		}
	}
}

// counts looks at a few entries. Between calls others may use the capture.
func (x *Capture) counts(limit int) (counts []capture.Count, done bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := &x.counting
	if n := min(limit, len(c.left)); n > 0 {
		counts, c.left = c.left[:n:n], c.left[n:]
		return counts, false, nil
	}
	if c.turn >= len(x.ifaces) {
		c.turn = 0
		return nil, true, nil
	}
	f := x.ifaces[c.turn]
	if f.kernel == nil {
		c.turn++
		return nil, false, nil
	}
	flows, end, err := f.kernel.Drain(nil, limit)
	if end || err != nil {
		c.turn++
	}
	return f.counts(nil, flows), false, err
}

func (f *iface) counts(dst []capture.Count, flows []bpf.Flow) []capture.Count {
	for i := range flows {
		w := &flows[i]
		dst = append(dst, capture.Count{
			A: w.A, B: w.B, PortA: w.PortA, PortB: w.PortB, Proto: w.Proto, VLANs: w.VLANs, Packets: w.Packets, Bytes: w.Bytes,
			Flags: w.Flags, First: w.First, Last: w.Last, FromB: w.FromB, Source: uint16(f.number),
		})
	}
	return dst
}

// lastCounts takes in what the kernel counted of an interface of which nothing more comes, and closes the tables.
func (x *Capture) lastCounts(f *iface) error {
	// What is still in the rings was counted: x.counted stands until the interface is opened again.
	if f.kernel == nil {
		return nil
	}
	left := &x.counting.left
	var flows []bpf.Flow
	var err error
	// What remains of the round in progress, and one from the beginning.
	for round := 0; round < 2 && err == nil; {
		var end bool
		flows, end, err = f.kernel.Drain(flows[:0], 64)
		*left = f.counts(*left, flows)
		if end {
			round++
		}
	}
	f.kernelBefore = f.kernelCounters()
	// Interfaces may come and go while nobody asks.
	if most := 2 * x.config.Flows; len(*left) > most {
		for _, c := range (*left)[most:] {
			lost := c.Packets[0] + c.Packets[1]
			f.kernelBefore.Flows -= lost
			f.kernelBefore.Overflow += lost
		}
		*left = (*left)[:most]
	}
	err = errors.Join(err, f.kernel.Close())
	f.kernel = nil
	return err
}

// kernelCounters are those since the capture was opened. Where they cannot be read, what was known stands.
func (f *iface) kernelCounters() KernelCounters {
	if f.kernel == nil {
		return f.kernelBefore
	}
	t, err := f.kernel.Totals()
	if err != nil {
		return f.kernelBefore
	}
	b := f.kernelBefore
	return KernelCounters{
		Packets: b.Packets + t.Packets, Bytes: b.Bytes + t.Bytes, Flows: b.Flows + t.Flows, Overflow: b.Overflow + t.Overflow,
		Other: b.Other + t.Other.Sum(), Passed: b.Passed + t.Passed,
	}
}

// Counted reports whether the kernel counted a packet of an interface with its conversation.
func (x *Capture) Counted(p *packet.Packet, source uint16) bool {
	return x.counted[source].Load() && bpf.Counts(p)
}

// Mark tells the kernel of an interface that a conversation is read, or that nobody reads it.
func (x *Capture) Mark(a, b netip.AddrPort, proto uint8, source uint16, read bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.ifaces[source]
	if f.kernel == nil {
		return
	}
	mark := bpf.MarkBulk
	if read {
		mark = bpf.MarkWanted
	}
	key, _ := bpf.KeyOf(a, b, proto)
	if err := f.kernel.Mark(key, mark); err != nil {
		x.config.Log.Debug("the kernel could not be told about a conversation", "interface", f.name, "a", a, "b", b, "error", err)
	}
}
