package dnp3

import (
	"encoding/binary"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// frame gives a link frame of unconfirmed user data to or from outstation 4.
func frame(master bool, user ...byte) []byte {
	b := []byte{start1, start2, byte(lengthMin + len(user)), primary | 4, 3, 0, 4, 0}
	if master {
		b[3] |= fromMaster
		b[4], b[6] = 4, 3
	}
	b = binary.LittleEndian.AppendUint16(b, checksum(b))
	for len(user) > 0 {
		n := min(blockLen, len(user))
		b = append(b, user[:n]...)
		b = binary.LittleEndian.AppendUint16(b, checksum(user[:n]))
		user = user[n:]
	}
	return b
}

// coldRestart is a request, and done its response.
func coldRestart(sequence byte) []byte { return frame(true, 0xc0, 0xc0|sequence, 13) }
func done(sequence byte) []byte        { return frame(false, 0xc0, 0xc0|sequence, funcResponse, 0, 0) }

func dissect(t testing.TB, d protocols.Dissector, from protocols.Side, number uint64, b []byte) []protocols.Event {
	t.Helper()
	events, err := d.Dissect(nil, protocols.Message{From: from, Bytes: b, Frame: number, Transport: protocols.TransportTCP})
	if err != nil || len(events) == 0 {
		t.Fatalf("%d events, error %v", len(events), err)
	}
	return events
}

// The checksum of the header that IEEE 1815 gives as its example, and of one bit less.
func TestChecksum(t *testing.T) {
	good := []byte{0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04, 0xe9, 0x21}
	if !checksumFits(good) {
		t.Errorf("checksum %#04x, want 0x21e9", checksum(good[:8]))
	}
	good[3] ^= 1
	if checksumFits(good) {
		t.Error("another header has the same checksum")
	}
}

// Requests that nobody answers are counted: those passed over by a later answer, those pushed out, those left at the end.
func TestUnanswered(t *testing.T) {
	d := &dissector{}
	for i := range byte(4) {
		dissect(t, d, protocols.Client, uint64(i)+1, coldRestart(i))
	}
	if e := dissect(t, d, protocols.Server, 5, done(2))[0]; e.Answers != 3 || e.Action != protocols.ActionControl || e.Outcome != protocols.OutcomeDone {
		t.Errorf("%+v", e)
	}
	if n := d.Unanswered(false); n != 2 {
		t.Errorf("%d passed over, want 2", n)
	}
	for i := range uint64(100) {
		dissect(t, d, protocols.Client, 6+i, coldRestart(byte(i)&sequenceMask))
	}
	if n, kept := d.Unanswered(false), len(d.pending.requests); n != 101-maxPending || kept != maxPending {
		t.Errorf("%d given up and %d kept, want %d and %d", n, kept, 101-maxPending, maxPending)
	}
	if n := d.Unanswered(true); n != maxPending {
		t.Errorf("%d open at the end, want %d", n, maxPending)
	}
}

// What was lost may have been the answer, or a newer request.
func TestGapsExcuse(t *testing.T) {
	d := &dissector{}
	dissect(t, d, protocols.Client, 1, coldRestart(1))
	d.Gap(protocols.Server)
	if n := d.Unanswered(true); n != 0 {
		t.Errorf("%d unanswered although the answer may be lost", n)
	}
	dissect(t, d, protocols.Client, 2, coldRestart(1))
	d.Gap(protocols.Client)
	if e := dissect(t, d, protocols.Server, 3, done(1))[0]; e.Answers != 0 {
		t.Errorf("the answer names frame %d, behind which requests were lost", e.Answers)
	}
}

// A fragment without an end, whose one object is never complete, costs a bounded amount of memory.
func TestEndlessFragmentIsBounded(t *testing.T) {
	d := &dissector{}
	first := []byte{transportFir, 0xc0, funcResponse, 0, 0, 1, 1, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0}
	if _, err := d.Dissect(nil, protocols.Message{From: protocols.Server, Bytes: frame(false, first...), Frame: 1}); err != nil {
		t.Fatal(err)
	}
	filling := make([]byte, userMax)
	faults := 0
	for i := range byte(200) {
		filling[0] = (i + 1) & transportMask
		if _, err := d.Dissect(nil, protocols.Message{From: protocols.Server, Bytes: frame(false, filling...), Frame: 2}); err != nil {
			faults++
		}
	}
	if c := cap(d.fragments[protocols.Server].data); c > 2*maxHeld || faults != 1 {
		t.Errorf("%d octets held, %d faults told", c, faults)
	}
}

func TestProbeRefuses(t *testing.T) {
	sound := coldRestart(0)
	for name, change := range map[string]func(b []byte) []byte{
		"a wrong checksum":      func(b []byte) []byte { b[8] ^= 1; return b },
		"an unknown function":   func(b []byte) []byte { b[3] |= 8; return binary.LittleEndian.AppendUint16(b[:8], checksum(b[:8])) },
		"data without any":      func(b []byte) []byte { b[2] = 5; return binary.LittleEndian.AppendUint16(b[:8], checksum(b[:8])) },
		"another start":         func(b []byte) []byte { b[1] = 0x65; return b },
		"an impossible length":  func(b []byte) []byte { b[2] = 4; return b },
		"a service with a load": func(b []byte) []byte { b[3] = 0xc9; return binary.LittleEndian.AppendUint16(b[:8], checksum(b[:8])) },
	} {
		if m := probe(protocols.TransportTCP, change(append([]byte(nil), sound...))); m != protocols.No {
			t.Errorf("%s: %v", name, m)
		}
	}
	if m := probe(protocols.TransportUDP, sound[:12]); m != protocols.No {
		t.Errorf("half a datagram: %v", m)
	}
}

// BenchmarkClassPoll is the exchange that plants consist of: classes are asked for, binaries and analogs given.
func BenchmarkClassPoll(b *testing.B) {
	d := &dissector{}
	dst := make([]protocols.Event, 0, 32)
	ask := frame(true, 0xc0, 0xc0, funcRead, 60, 2, 6, 60, 3, 6, 60, 4, 6, 60, 1, 6)
	tell := []byte{0xc0, 0xc0, funcResponse, 0, 0, 1, 1, 0, 0, 31, 1, 2, 3, 4, 30, 1, 0, 0, 7}
	for i := range byte(8) {
		tell = append(tell, 1, i, 0, 0, 0)
	}
	exchange := [2]protocols.Message{
		{From: protocols.Client, Bytes: ask, Frame: 1, Transport: protocols.TransportTCP},
		{From: protocols.Server, Bytes: frame(false, tell...), Frame: 2, Transport: protocols.TransportTCP},
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, m := range exchange {
			var err error
			if dst, err = d.Dissect(dst[:0], m); err != nil {
				b.Fatal(err)
			}
		}
	}
}
