package pipeline

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
	"github.com/spanwatch/spanwatch/protocols"
)

// kernel counts frames as the kernel does: every TCP and UDP packet by conversation, of which it lets the first ones pass.
type kernel struct {
	counts map[string]*capture.Count
	order  []string
}

func (k *kernel) count(f *capture.Frame) (first bool) {
	var p packet.Packet
	if p.Decode(uint16(f.Link), f.Data) != nil || !kernelCounts(&p, 0) {
		return true
	}
	a, b, portA, portB, d := p.Src, p.Dst, p.SrcPort, p.DstPort, 0
	if x, y := a.As16(), b.As16(); bytes.Compare(x[:], y[:]) > 0 || x == y && portA > portB {
		a, b, portA, portB, d = b, a, portB, portA, 1
	}
	key := fmt.Sprint(a, b, portA, portB, p.Proto)
	c := k.counts[key]
	if c == nil {
		c = &capture.Count{A: a, B: b, PortA: portA, PortB: portB, Proto: p.Proto, First: f.Time, FromB: d == 1}
		k.counts[key] = c
		k.order = append(k.order, key)
	}
	first = c.Packets[0]+c.Packets[1] < 4
	c.Packets[d]++
	c.Bytes[d] += uint64(f.WireLength)
	c.Flags[d] |= uint8(p.Flags)
	c.Last = f.Time
	return first
}

func kernelCounts(p *packet.Packet, _ uint16) bool {
	return p.Src.IsValid() && (p.Proto == packet.ProtoTCP || p.Proto == packet.ProtoUDP)
}

// drain gives the counts in portions and forgets them, as differences.
func (k *kernel) drain() (all []capture.Count) {
	for _, key := range k.order {
		all = append(all, *k.counts[key])
	}
	k.counts, k.order = make(map[string]*capture.Count), nil
	return all
}

// What the kernel counts, though only the first packets of each conversation are read, adds up to what a replay of all
// packets counts: by the same ends, in the same direction, under the same protocol.
func TestCountsAddUp(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := plantTraffic(t, rapid.IntRange(1, 6).Draw(rt, "hosts"), rapid.IntRange(1, 12).Draw(rt, "rounds"))
		want := replay(t, w, 1)
		k := &kernel{counts: make(map[string]*capture.Count)}
		tally := NewTally([]protocols.Spec{toy})
		worker := NewWorker(Config{Specs: []protocols.Spec{toy}, Counted: kernelCounts})
		var flows []protocols.Flow
		report := func() {
			for _, f := range worker.Take(new(Batch)).Flows {
				if f.Packets != [2]uint64{} {
					rt.Fatalf("counted twice: %v", f.Packets)
				}
				tally.Report(&f)
				flows = append(flows, f)
			}
		}
		chance := rapid.IntRange(1, 40).Draw(rt, "drain every")
		random := rand.New(rand.NewPCG(1, uint64(chance)))
		for i := range w.frames {
			if k.count(&w.frames[i]) {
				worker.Frame(&w.frames[i])
			}
			if random.IntN(chance) == 0 {
				if random.IntN(2) == 0 {
					report()
				}
				flows = tally.Count(flows, k.drain(), w.frames[i].Time)
			}
		}
		worker.Finish()
		report()
		flows = tally.Count(flows, k.drain(), w.frames[len(w.frames)-1].Time)
		flows = tally.Finish(flows)
		counted := func(list []protocols.Flow) map[string][5]uint64 {
			m := make(map[string][5]uint64)
			for key, s := range totals(list) {
				m[key] = [5]uint64(s[:5])
			}
			return m
		}
		if diff := cmp.Diff(counted(want.flows), counted(flows)); diff != "" {
			rt.Errorf("counts differ (- replay, + kernel):\n%s", diff)
		}
		if tally.Guessed != 0 {
			rt.Errorf("%d counts had to be guessed", tally.Guessed)
		}
	})
}

// Counts of packets that nobody read become a conversation of their own after a while, opened by who sent the SYN.
func TestUnknownCountsAreGuessed(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	a, b := hmi, plc
	count := func(flags uint8, fromB bool, portA, portB uint16) capture.Count {
		return capture.Count{
			A: ip(a), B: ip(b), PortA: portA, PortB: portB, Proto: packet.ProtoTCP, Packets: [2]uint64{3, 2}, Bytes: [2]uint64{300, 200},
			Flags: [2]uint8{flags, flags}, First: at, Last: at, FromB: fromB,
		}
	}
	for _, c := range []struct {
		name   string
		count  capture.Count
		client uint16
		proven bool
	}{
		{"opened by B", count(uint8(packet.SYN|packet.ACK), true, 80, 50000), 50000, true},
		{"opened by A", count(uint8(packet.SYN), false, 9, 10), 9, true},
		{"at home at A", count(uint8(packet.ACK), false, 700, 50000), 50000, false},
		{"at home at B", count(uint8(packet.ACK), true, 50000, 700), 50000, false},
		{"spoke first", count(uint8(packet.ACK), true, 5000, 5001), 5001, false},
	} {
		tally := NewTally([]protocols.Spec{toy})
		if early := tally.Count(nil, []capture.Count{c.count}, at); len(early) != 0 {
			t.Errorf("%s: told at once", c.name)
		}
		flows := tally.Count(nil, []capture.Count{c.count}, at.Add(time.Minute))
		if len(flows) != 2 || tally.Guessed != 1 {
			t.Fatalf("%s: %d flows, %d guessed", c.name, len(flows), tally.Guessed)
		}
		f := flows[0]
		if f.Conv.Client.Port != c.client || f.Conv.Proven != c.proven || f.Opened != 1 || f.Answered != 1 {
			t.Errorf("%s: %+v of %+v", c.name, f, f.Conv)
		}
		if flows[1].Conv != f.Conv || flows[1].Opened != 0 {
			t.Errorf("%s: later counts opened another conversation", c.name)
		}
		if sent := f.Packets[protocols.Client]; (c.client == c.count.PortA) != (sent == 3) {
			t.Errorf("%s: the client sent %d packets", c.name, sent)
		}
	}
}

func ip(h host) netip.Addr { return netip.AddrFrom4(h.ip) }
