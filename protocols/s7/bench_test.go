package s7

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// BenchmarkReadPair is the exchange that plants consist of: one variable is asked for and given.
func BenchmarkReadPair(b *testing.B) {
	d := Spec.New()
	ask := protocols.Message{From: protocols.Client, Frame: 1, Bytes: unhex(b, read)}
	reply := protocols.Message{From: protocols.Server, Frame: 2, Bytes: unhex(b, answer)}
	var events []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		events, _ = d.Dissect(events[:0], ask)
		events, _ = d.Dissect(events[:0], reply)
	}
}
