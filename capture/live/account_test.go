package live

import (
	"testing"

	"github.com/spanwatch/spanwatch/capture"
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
