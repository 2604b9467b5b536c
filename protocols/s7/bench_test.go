package s7

import (
	"encoding/binary"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// exchanges are what plants consist of: the same request over and over, and its answer.
func benchmarkPair(b *testing.B, request, reply []byte) {
	d := Spec.New()
	ask := protocols.Message{From: protocols.Client, Frame: 1, Bytes: request}
	answer := protocols.Message{From: protocols.Server, Frame: 2, Bytes: reply}
	var events []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		events, _ = d.Dissect(events[:0], ask)
		events, _ = d.Dissect(events[:0], answer)
	}
	if n := len(events); n == 0 || events[n-1].Answers != 1 || events[n-1].Outcome != protocols.OutcomeDone {
		b.Fatalf("the answer gives %d events, not those of its request", n)
	}
}

func BenchmarkReadPair(b *testing.B) { benchmarkPair(b, unhex(b, read), unhex(b, answer)) }

func BenchmarkWritePair(b *testing.B) {
	benchmarkPair(b,
		unhex(b, "03000025 02f080 3201 0000 0001 000e 0006 0501 120a10 04 0001 0001 84 000010 0004 0010 002a"),
		unhex(b, "03000016 02f080 3203 0000 0001 0002 0001 0000 0501 ff"))
}

// BenchmarkRead20Pair is how panels ask: as many variables at once as a message holds.
func BenchmarkRead20Pair(b *testing.B) {
	const items = 20
	request := unhex(b, "3201 0000 0001 00f2 0000 0414")
	reply := unhex(b, "3203 0000 0001 0002 0078 0000 0414")
	for i := range uint16(items) {
		request = append(request, unhex(b, "120a10 04 0001 0001 84 00")...)
		request = binary.BigEndian.AppendUint16(request, i*16)
		reply = append(reply, unhex(b, "ff040010 002a")...)
	}
	benchmarkPair(b, packet(request), packet(reply))
}
