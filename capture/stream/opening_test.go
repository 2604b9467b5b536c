package stream

import (
	"slices"
	"testing"
)

// TestOpeningsHaveABound: a scan takes the place of its own earlier targets; a connection that was answered, or that
// carries payload, is none of them.
func TestOpeningsHaveABound(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{MaxOpening: 3}, r)
	frame := uint64(0)
	send := func(port uint16, s step) {
		frame++
		s.at = float64(frame)
		p := s.packet()
		if s.back {
			p.DstPort = port
		} else {
			p.SrcPort = port
		}
		table.Packet(p, frame, s.time(), 60)
	}
	send(1, step{flags: syn, seq: 100})
	send(1, step{back: true, flags: syn | ack, seq: 500, ack: 101})
	send(2, step{flags: syn, seq: 100})
	send(2, step{flags: psh | ack, seq: 101, ack: 501, data: "one way only"})
	send(3, step{flags: ack, seq: 100, ack: 501}) // mid-stream
	for port := uint16(10); port < 20; port++ {
		send(port, step{flags: syn, seq: 100})
	}
	var open []uint16
	for c := range r.open {
		if r.open[c] {
			open = append(open, c.A.Port)
		}
	}
	slices.Sort(open)
	if want := []uint16{1, 2, 3, 17, 18, 19}; !slices.Equal(open, want) {
		t.Errorf("ports %v are open, want %v", open, want)
	}
	if s := table.Stats(); s.Conversations != 6 || s.Evicted != 7 {
		t.Errorf("%+v", s)
	}
	send(19, step{back: true, flags: rst | ack, ack: 101})
	send(20, step{flags: syn, seq: 100})
	if s := table.Stats(); s.Evicted != 7 {
		t.Errorf("a refused connection still takes the room of an opening one: %+v", s)
	}
}
