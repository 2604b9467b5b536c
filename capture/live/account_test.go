package live

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/spanwatch/spanwatch/bpf"
	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// Every frame that was sent is read once, and every counter says so.
func TestEveryFrameIsAccountedFor(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "count", 0)
		x := listen(t, Config{Interfaces: []string{"count"}, Mode: mode})
		const rounds, round = 20, 1000
		seen := make(map[uint64]bool)
		for range rounds {
			deliver(t, cable, talk(round)...)
			collect(t, x, round, func(_ int, f *capture.Frame) {
				if seen[f.Number] || f.Number == 0 {
					t.Fatalf("frame number %d twice, or none", f.Number)
				}
				seen[f.Number] = true
			})
		}
		s := x.Status()[0]
		if s.NIC.Received != rounds*round || s.NIC.Dropped != 0 {
			t.Errorf("interface: %+v, sent %d", s.NIC, rounds*round)
		}
		if s.Ring.Received != rounds*round || s.Ring.Dropped != 0 {
			t.Errorf("ring: %+v, sent %d", s.Ring, rounds*round)
		}
	})
}

// When nobody reads, the ring overflows, and what is lost there is counted to the frame.
func TestFullRing(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "full", 0)
		x := listen(t, Config{Interfaces: []string{"full"}, Mode: mode, RingBytes: 4 * blockSize})
		const sent = 5000
		deliver(t, cable, talk(sent)...)
		ring := x.Status()[0].Ring
		if ring.Dropped == 0 || ring.Received+ring.Dropped != sent {
			t.Fatalf("of %d sent the ring received %d and dropped %d", sent, ring.Received, ring.Dropped)
		}
		collect(t, x, int(ring.Received), func(int, *capture.Frame) {})
		// It goes on afterwards.
		deliver(t, cable, talk(10)...)
		collect(t, x, 10, func(int, *capture.Frame) {})
		after := x.Status()[0]
		if after.Ring.Received != ring.Received+10 || after.Ring.Dropped != ring.Dropped || after.NIC.Received != sent+10 {
			t.Errorf("before %+v, after 10 more %+v of %+v", ring, after.Ring, after.NIC)
		}
	})
}

// flowsOf adds up what was counted by conversation.
func flowsOf(got map[bpf.Key]*capture.Count) (packets uint64) {
	for _, c := range got {
		packets += c.Packets[0] + c.Packets[1]
	}
	return packets
}

// With a reader that is late and a table that is too small, every packet that was sent is still in exactly one place:
// counted by conversation, in the overflow or as another; held back or passed; read or dropped by the ring.
func TestLossIsExact(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "exact", 0)
		x := listen(t, Config{Interfaces: []string{"exact"}, Mode: mode, Workers: 2, RingBytes: 4 * blockSize, Flows: 64, First: 8, TCP: []uint16{502}})
		var sent, bytes, read uint64
		got := make(map[bpf.Key]*capture.Count)
		for range 3 {
			frames := append(traffic(), talk(3000)...)
			deliver(t, cable, frames...)
			for _, f := range frames {
				sent, bytes = sent+1, bytes+uint64(len(f))
			}
			ring := x.Status()[0].Ring
			collect(t, x, int(ring.Received-read), func(int, *capture.Frame) { read++ })
			gather(t, x, got)
		}
		s := x.Status()[0]
		nic := bytes
		if mode == ModeNative { // the driver of virtual interfaces counts without the Ethernet header then
			nic -= 14 * sent
		}
		if s.NIC.Received != sent || s.NIC.ReceivedBytes != nic {
			t.Errorf("%d packets with %d bytes were sent: %+v", sent, bytes, s.NIC)
		}
		passed := sent
		if k := s.Kernel; mode != ModePlain {
			if passed = k.Passed; k.Packets != sent || k.Bytes != bytes || k.Flows+k.Overflow+k.Other != sent || k.Overflow == 0 || k.Other == 0 {
				t.Errorf("of %d packets with %d bytes the kernel counted %+v", sent, bytes, k)
			}
			if n := flowsOf(got); n != k.Flows {
				t.Errorf("conversations have %d packets, the kernel counted %+v", n, k)
			}
		}
		if s.Ring.Dropped == 0 || s.Ring.Received+s.Ring.Dropped != passed || read != s.Ring.Received {
			t.Errorf("%d packets passed, %d were read: %+v", passed, read, s.Ring)
		}
		t.Logf("%d sent: %+v, %+v", sent, s.Kernel, s.Ring)
	})
}

// A capture that is stopped while traffic comes has read what it let in, and given what it counted.
func TestStopUnderTraffic(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "stop", 0)
		x := listen(t, Config{Interfaces: []string{"stop"}, Mode: mode, Workers: 2, First: 2, TCP: []uint16{502}, UDP: []uint16{502}})
		var read, uncounted atomic.Uint64
		var readers sync.WaitGroup
		for _, s := range x.Sources() {
			readers.Go(func() {
				var f capture.Frame
				var p packetOf
				for {
					switch err := s.Next(&f); {
					case errors.Is(err, io.EOF):
						return
					case errors.Is(err, capture.ErrIdle):
					case err != nil:
						t.Error(err)
						return
					default:
						read.Add(1)
						if !p.counted(x, &f) {
							uncounted.Add(1)
						}
					}
				}
			})
		}
		quit := make(chan struct{})
		var sender sync.WaitGroup
		frames := append(traffic(), talk(500)...)
		sender.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				for at := 0; at < len(frames); at += 50 {
					if err := cable.Send(frames[at:min(at+50, len(frames))]...); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
		got := make(map[bpf.Key]*capture.Count)
		eventually(t, "traffic flows", func() bool { return read.Load() > 2000 })
		gather(t, x, got)
		if err := x.Stop(); err != nil {
			t.Error(err)
		}
		readers.Wait()
		gather(t, x, got)
		s := x.Status()[0]
		close(quit)
		sender.Wait()
		if s.Ring.Received != read.Load() {
			t.Errorf("%d frames were read: %+v", read.Load(), s.Ring)
		}
		if k := s.Kernel; mode != ModePlain && (k.Flows+k.Overflow+k.Other != k.Packets || flowsOf(got) != k.Flows || k.Passed < read.Load()+s.Ring.Dropped || uncounted.Load() > k.Other) {
			t.Errorf("conversations have %d packets, %d others were read, %+v, %+v", flowsOf(got), uncounted.Load(), k, s.Ring)
		}
		if after := x.Status()[0]; after.Ring != s.Ring || after.Kernel != s.Kernel {
			t.Errorf("%+v, and later %+v", s, after)
		}
	})
}

// packetOf decodes frames.
type packetOf struct{ packet packet.Packet }

// counted reports whether the kernel counted a frame with its conversation.
func (p *packetOf) counted(x *Capture, f *capture.Frame) bool {
	return p.packet.Decode(uint16(f.Link), f.Data) == nil && x.Counted(&p.packet, f.Source)
}
