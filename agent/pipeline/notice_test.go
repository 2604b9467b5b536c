package pipeline

import (
	"testing"

	"github.com/gopacket/gopacket/layers"
)

// What contradicts the first copy is noticed with its frame and its sender, and changes nothing of what was read.
func TestConflictIsNoticed(t *testing.T) {
	w := newWire(t)
	w.syn(hmi, plc)
	ask := request("stop")
	w.tcp(hmi, plc, ask)
	w.segment(hmi, plc, 0, request("read"), false)
	w.segment(hmi, plc, 0, ask, false) // the same again is a retransmission
	w.tcp(plc, hmi, response("done"))
	out := replay(t, w, 1)
	expect(t, out.events, "2.0 "+pair+" client: stop", "5.0 "+pair+" server: done")
	expect(t, out.notices, "3 "+pair+" client")
	conflicts := uint64(0)
	for _, f := range out.flows {
		conflicts += f.Coverage.Conflicts
	}
	if conflicts != 1 || out.stats.Conflicts != 1 {
		t.Errorf("%d conflicts in flows, %d in the counters, want 1", conflicts, out.stats.Conflicts)
	}
}

// Fragments that contradict each other are noticed though no conversation is known before the datagram is whole.
func TestConflictOfFragmentsIsNoticed(t *testing.T) {
	w := newWire(t)
	ip := [2][]byte{hmi.ip[:], plc.ip[:]}
	ask := request("a question of some length")
	datagram := append([]byte{0xc0, 0, 700 >> 8, 700 & 0xff, 0, byte(8 + len(ask)), 0, 0}, ask...)
	add := func(b []byte, at int, more bool) { w.frame(link{}, ip, layers.IPProtocolUDP, b, at, more, true) }
	add(datagram[:16], 0, true)
	add(other(datagram[:16]), 0, true)
	add(datagram[16:], 16, false)
	out := replay(t, w, 1)
	expect(t, out.events, "3.0 "+pair+" client: a question of some length")
	expect(t, out.notices, "2 10.0.0.5:0→10.0.0.9:0 client")
}

// Requests that nobody answers are counted: those passed over when a later one is answered, and those open at the end.
func TestUnansweredIsCounted(t *testing.T) {
	w := newWire(t)
	for _, text := range []string{"one", "two", "three"} {
		w.tcp(hmi, plc, request(text))
	}
	w.tcp(plc, hmi, response("three"))
	w.tcp(hmi, plc, request("four"))
	var unanswered uint64
	for _, f := range replay(t, w, 1).flows {
		unanswered += f.Coverage.Unanswered
	}
	if unanswered != 3 {
		t.Errorf("%d unanswered requests, want 3", unanswered)
	}
}
