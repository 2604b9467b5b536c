package enip

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// unhex reads bytes written for people.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	// Read Tag "Level" over connection 0x00350102, one element; and its answer, REAL 12.5.
	readLevel = "7000 2200 44332211 00000000 0000000000000000 00000000  00000000 0000 0200 a100 0400 02013500 b100 0e00 0100" +
		"4c04 91054c6576656c00 0100"
	levelRead = "7000 2000 44332211 00000000 0000000000000000 00000000  00000000 0000 0200 a100 0400 1700fe80 b100 0c00 0100" +
		"cc000000 ca00 00004841"
	// One message of an I/O connection.
	outputs = "0200 0280 0800 01000010 05000000 b100 0800 0700 01000000 aabb"
)

// BenchmarkReadPair is the exchange that plants consist of: one tag is asked for and given.
func BenchmarkReadPair(b *testing.B) {
	d := Spec.New()
	ask := protocols.Message{From: protocols.Client, Frame: 1, Bytes: unhex(b, readLevel), Transport: protocols.TransportTCP}
	reply := protocols.Message{From: protocols.Server, Frame: 2, Bytes: unhex(b, levelRead), Transport: protocols.TransportTCP}
	var events []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		events, _ = d.Dissect(events[:0], ask)
		events, _ = d.Dissect(events[:0], reply)
	}
}

// BenchmarkConnectedData is the message that passes a thousand times a second.
func BenchmarkConnectedData(b *testing.B) {
	d := Spec.New()
	m := protocols.Message{From: protocols.Client, Frame: 1, Bytes: unhex(b, outputs), Transport: protocols.TransportUDP}
	var events []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		events, _ = d.Dissect(events[:0], m)
	}
}
