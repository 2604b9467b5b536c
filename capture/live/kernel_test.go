package live

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/bpf"
	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// onOneCPU keeps this test, and with it what the kernel does about its frames, on one CPU: the first packets of a
// conversation are counted on each.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	var before, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		t.Fatal(err)
	}
	for i := range 1024 {
		if before.IsSet(i) {
			one.Set(i)
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.SchedSetaffinity(0, &before); err != nil {
			t.Error(err)
		}
		runtime.UnlockOSThread()
	})
}

// expected is what should be counted, and let through, of frames.
type expected struct {
	flows          map[bpf.Key]*capture.Count
	counted, other uint64
	bytes          uint64
	passed         int
	first          uint64           // packets of each conversation that pass
	ports          map[uint8]uint16 // the wanted port of a protocol
	wanted, bulk   map[bpf.Key]bool
}

func expect(first uint64, tcp, udp uint16) *expected {
	return &expected{
		flows: make(map[bpf.Key]*capture.Count), first: first, ports: map[uint8]uint16{6: tcp, 17: udp},
		wanted: make(map[bpf.Key]bool), bulk: make(map[bpf.Key]bool),
	}
}

func (e *expected) add(frames [][]byte) {
	var p packet.Packet
	for _, f := range frames {
		e.bytes += uint64(len(f))
		if err := p.Decode(1, f); err != nil || !bpf.Counts(&p) {
			e.other++
			e.passed++
			continue
		}
		e.counted++
		k, fromB := bpf.KeyOf(netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort), p.Proto)
		c := e.flows[k]
		if c == nil {
			c = &capture.Count{A: k.A, B: k.B, PortA: k.PortA, PortB: k.PortB, Proto: k.Proto, VLANs: p.VLANs, FromB: fromB}
			e.flows[k] = c
		}
		d := 0
		if fromB {
			d = 1
		}
		c.Packets[d]++
		c.Bytes[d] += uint64(len(f))
		c.Flags[d] |= uint8(p.Flags)
		opens := p.Proto == 6 && p.Flags&(packet.SYN|packet.FIN|packet.RST) != 0
		port := e.ports[p.Proto]
		switch {
		case opens, e.wanted[k]:
		case e.bulk[k]:
			continue
		case c.Packets[0]+c.Packets[1] <= e.first:
		case port != 0 && (k.PortA == port || k.PortB == port):
		default:
			continue
		}
		e.passed++
	}
}

// gather takes all counts that there are and adds them up.
func gather(t *testing.T, x *Capture, sums map[bpf.Key]*capture.Count) {
	t.Helper()
	for {
		counts, err := x.Counts(64)
		if err != nil {
			t.Fatal(err)
		}
		if len(counts) == 0 {
			return
		}
		for _, c := range counts {
			k := bpf.Key{A: c.A, B: c.B, PortA: c.PortA, PortB: c.PortB, Proto: c.Proto}
			s := sums[k]
			if s == nil {
				sums[k] = &c
				continue
			}
			for d := range 2 {
				s.Packets[d] += c.Packets[d]
				s.Bytes[d] += c.Bytes[d]
				s.Flags[d] |= c.Flags[d]
			}
		}
	}
}

// check compares what was counted with what should be.
func (e *expected) check(t *testing.T, got map[bpf.Key]*capture.Count) {
	t.Helper()
	if len(got) != len(e.flows) {
		t.Errorf("%d conversations were counted, want %d", len(got), len(e.flows))
	}
	for k, want := range e.flows {
		c := got[k]
		if c == nil {
			t.Errorf("%+v was not counted", k)
			continue
		}
		if c.First.After(c.Last) || c.First.IsZero() {
			t.Errorf("%+v: from %v to %v", k, c.First, c.Last)
		}
		if w := *want; c.Packets != w.Packets || c.Bytes != w.Bytes || c.Flags != w.Flags || c.FromB != w.FromB || c.VLANs != w.VLANs {
			t.Errorf("%+v: counted %+v, want %+v", k, *c, w)
		}
	}
}

// traffic has conversations, fragments, errors, tags, and frames without IP.
func traffic() [][]byte {
	frames := talk(400)
	frames = append(frames, everything("10.9.0.1", "10.9.0.2")...)
	frames = append(frames, everything("fd00::9:1", "fd00::9:2")...)
	for i := range 5 {
		frames = append(frames, append([]byte{1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, byte(i), 0x88, 0xcc}, make([]byte, 46)...))
		frames = append(frames, append([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 9}, make([]byte, 42)...)) // malformed
	}
	return frames
}

// In every mode the kernel counts the same of the same traffic, and lets the same through.
func TestKernelCounts(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		if mode == ModePlain {
			t.Skip("nothing is counted in this mode")
		}
		onOneCPU(t)
		cable := lay(t, "kernel", 0)
		x := listen(t, Config{Interfaces: []string{"kernel"}, Mode: mode, Workers: 2, RingBytes: 2 << 20, First: 3, TCP: []uint16{1003}, UDP: []uint16{40007}})
		e := expect(3, 1003, 40007)
		got := make(map[bpf.Key]*capture.Count)
		frames := traffic()
		deliver(t, cable, frames...)
		e.add(frames)
		uncounted := 0
		var p packet.Packet
		collect(t, x, e.passed, func(_ int, f *capture.Frame) {
			if err := p.Decode(1, f.Data); err != nil || !x.Counted(&p, f.Source) {
				uncounted++
			}
		})
		gather(t, x, got)
		e.check(t, got)
		if uncounted != int(e.other) {
			t.Errorf("%d frames came that the kernel did not count, want %d", uncounted, e.other)
		}
		// Marked as bulk: only what opens and ends passes. Wanted: everything. What comes twice is counted twice.
		for k := range e.flows {
			read := k.PortA%2 == 0
			x.Mark(netip.AddrPortFrom(k.B, k.PortB), netip.AddrPortFrom(k.A, k.PortA), k.Proto, 0, read)
			if read {
				e.wanted[k] = true
			} else {
				e.bulk[k] = true
			}
		}
		before := e.passed
		deliver(t, cable, frames...)
		e.add(frames)
		collect(t, x, e.passed-before, func(int, *capture.Frame) {})
		s := x.Status()[0].Kernel
		want := KernelCounters{
			Packets: uint64(2 * len(frames)), Bytes: e.bytes, Flows: e.counted, Other: e.other, Passed: uint64(e.passed),
		}
		if s != want {
			t.Errorf("status %+v, want %+v", s, want)
		}
		// Nobody asked before the interface went: nothing is lost.
		if err := cable.Cut(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the status says that it is gone", func() bool { return !x.Status()[0].Present })
		gather(t, x, got)
		e.check(t, got)
		if after := x.Status()[0].Kernel; after != want {
			t.Errorf("status afterwards %+v, want %+v", after, want)
		}
	})
}

// A full table is no loss of packets: what has no room is counted together.
func TestKernelOverflow(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		if mode == ModePlain {
			t.Skip("nothing is counted in this mode")
		}
		cable := lay(t, "flood", 0)
		x := listen(t, Config{Interfaces: []string{"flood"}, Mode: mode, Flows: 64})
		var frames [][]byte
		for i := range 300 {
			d := livetest.Datagram{Src: at(fmt.Sprintf("10.0.0.%d", i%250+1), 1000+i), Dst: at("10.1.0.1", 80), Proto: 6, Flags: 0x10}
			frames = append(frames, d.Frame(), d.Frame())
		}
		deliver(t, cable, frames...)
		got := make(map[bpf.Key]*capture.Count)
		gather(t, x, got)
		var counted uint64
		for _, c := range got {
			counted += c.Packets[0] + c.Packets[1]
		}
		s := x.Status()[0].Kernel
		if s.Packets != 600 || s.Flows != counted || s.Overflow != 600-counted || counted < 100 || counted > 250 {
			t.Errorf("%d packets in %d conversations: %+v", counted, len(got), s)
		}
	})
}

// XDP would cut the host off where the interface has an address or a route, or another interface lives on it: the next
// best is used, and the reason said.
func TestOccupied(t *testing.T) {
	privileged(t)
	for name, c := range map[string]struct {
		occupy, free []string
		reason       string
	}{
		"address":    {[]string{"addr", "add", "192.0.2.7/24", "dev", "held"}, []string{"addr", "flush", "dev", "held"}, "has 192.0.2.7"},
		"route":      {[]string{"route", "add", "198.51.100.0/24", "dev", "held"}, []string{"route", "flush", "dev", "held"}, "has a route"},
		"link local": {[]string{"addr", "add", "fe80::7/64", "dev", "held"}, []string{"addr", "flush", "dev", "held"}, "disable_ipv6"},
		"upper":      {[]string{"link", "add", "link", "held", "name", "held-up", "type", "macvlan"}, []string{"link", "del", "held-up"}, "carries the interface held-up"},
		"bridge":     {[]string{"link", "add", "heldbr", "type", "bridge"}, []string{"link", "del", "heldbr"}, "is a port of another interface"},
	} {
		t.Run(name, func(t *testing.T) {
			cable, err := livetest.Lay("held", 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := cable.Cut(); err != nil {
					t.Error(err)
				}
			}()
			// Where IPv6 is off by default the address would be refused; without IPv6 there is no such file.
			_ = os.WriteFile("/proc/sys/net/ipv6/conf/held/disable_ipv6", []byte("0"), 0)
			ip(t, c.occupy...)
			defer ip(t, c.free...)
			if name == "bridge" {
				ip(t, "link", "set", "held", "master", "heldbr")
			}
			for _, mode := range []Mode{ModeAuto, ModeNative, ModeGeneric} {
				x, err := Open(t.Context(), Config{Interfaces: []string{"held"}, Mode: mode, RingBytes: 1 << 20})
				if err != nil {
					t.Fatal(err)
				}
				s := x.Status()[0]
				if s.Mode != ModeFilter || !strings.Contains(s.Reason, "without address or route: held ") || !strings.Contains(s.Reason, c.reason) {
					t.Errorf("%s asked for: mode %s, reason %q", mode, s.Mode, s.Reason)
				}
				if err := x.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
