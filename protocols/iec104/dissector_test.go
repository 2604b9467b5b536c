package iec104

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// ask is a single command to an address of station 1, and tell its confirmation.
func ask(address uint16) []byte {
	return []byte{0x68, 14, 0, 0, 0, 0, 45, 1, 6, 0, 1, 0, byte(address), byte(address >> 8), 0, 1}
}

func tell(address uint16) []byte {
	b := ask(address)
	b[8] = 7
	return b
}

func dissect(t testing.TB, d protocols.Dissector, from protocols.Side, frame uint64, b []byte) protocols.Event {
	t.Helper()
	events, err := d.Dissect(nil, protocols.Message{From: from, Bytes: b, Frame: frame, Transport: protocols.TransportTCP})
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, error %v", len(events), err)
	}
	return events[0]
}

// A flood of commands that nobody answers is counted and forgets the oldest; the newest still find their answers.
func TestFloodOfCommandsIsBounded(t *testing.T) {
	const flood = 5000
	d := &dissector{}
	for i := range uint16(flood) {
		dissect(t, d, protocols.Client, uint64(i)+1, ask(i))
	}
	if n, c := len(d.pending.requests), cap(d.pending.requests); n != maxPending || c > 2*maxPending {
		t.Errorf("%d commands kept in %d places, want %d", n, c, maxPending)
	}
	if n := d.Unanswered(false); n != flood-maxPending {
		t.Errorf("%d given up, want %d", n, flood-maxPending)
	}
	if e := dissect(t, d, protocols.Server, flood+1, tell(flood-1)); e.Answers != flood || e.Outcome != protocols.OutcomeDone {
		t.Errorf("answer to the newest: %+v", e)
	}
	if e := dissect(t, d, protocols.Server, flood+2, tell(3)); e.Answers != 0 {
		t.Errorf("answer to a forgotten command names frame %d", e.Answers)
	}
	if n := d.Unanswered(true); n != maxPending-1 {
		t.Errorf("%d open at the end, want %d", n, maxPending-1)
	}
	if n := d.Unanswered(true); n != 0 {
		t.Errorf("%d counted twice", n)
	}
}

// What lies in a gap may have been the answer, or a newer command: neither is guessed.
func TestGapsExcuse(t *testing.T) {
	d := &dissector{}
	dissect(t, d, protocols.Client, 1, ask(1))
	d.Gap(protocols.Server)
	if n := d.Unanswered(true); n != 0 {
		t.Errorf("%d unanswered although the answer may be lost", n)
	}
	dissect(t, d, protocols.Client, 2, ask(1))
	d.Gap(protocols.Client)
	if e := dissect(t, d, protocols.Server, 3, tell(1)); e.Answers != 0 {
		t.Errorf("answer given to frame %d, behind which commands were lost", e.Answers)
	}
}

// A connection that is tested and stopped without an answer tells that at its end.
func TestFunctionsWithoutConfirmation(t *testing.T) {
	d := &dissector{}
	dissect(t, d, protocols.Client, 1, []byte{0x68, 4, 0x43, 0, 0, 0})
	dissect(t, d, protocols.Client, 2, []byte{0x68, 4, 0x43, 0, 0, 0})
	if e := dissect(t, d, protocols.Server, 3, []byte{0x68, 4, 0x83, 0, 0, 0}); e.Answers != 2 {
		t.Errorf("the confirmation names frame %d, want 2", e.Answers)
	}
	dissect(t, d, protocols.Client, 4, []byte{0x68, 4, 0x13, 0, 0, 0})
	if n := d.Unanswered(true); n != 2 {
		t.Errorf("%d unanswered, want the first test and the stop", n)
	}
}

func TestProbeRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"an object too many":    {0x68, 14, 0, 0, 0, 0, 1, 2, 3, 0, 1, 0, 1, 0, 0, 1},
		"a type of nobody":      {0x68, 14, 0, 0, 0, 0, 200, 1, 3, 0, 1, 0, 1, 0, 0, 1},
		"a cause of commands":   {0x68, 14, 0, 0, 0, 0, 1, 1, 6, 0, 1, 0, 1, 0, 0, 1},
		"two functions at once": {0x68, 4, 0x47, 0, 0, 0},
		"a longer function":     {0x68, 6, 0x07, 0, 0, 0, 0, 0},
		"numbers where none be": {0x68, 4, 0x07, 0, 2, 0},
		"no frame behind":       {0x68, 4, 0x43, 0, 0, 0, 0x05, 0x64},
		"a length beyond":       {0x68, 254, 0, 0, 0, 0},
		"no stations":           {0x68, 14, 0, 0, 0, 0, 45, 1, 6, 0, 0, 0, 1, 0, 0, 1},
	} {
		if m := probe(protocols.TransportTCP, b); m != protocols.No {
			t.Errorf("%s: %v", name, m)
		}
	}
	if m := probe(protocols.TransportUDP, []byte{0x68, 4, 0x07, 0, 0, 0}); m != protocols.No {
		t.Errorf("a datagram: %v", m)
	}
}

func BenchmarkMeasuredFloat(b *testing.B) {
	d := &dissector{}
	dst := make([]protocols.Event, 0, 4)
	m := protocols.Message{From: protocols.Server, Frame: 1, Transport: protocols.TransportTCP, Bytes: []byte{
		0x68, 18, 0, 0, 0, 0, 13, 1, 3, 0, 1, 0, 101, 0, 0, 0, 0, 0xc0, 0x3f, 0,
	}}
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = d.Dissect(dst[:0], m); err != nil {
			b.Fatal(err)
		}
	}
}
