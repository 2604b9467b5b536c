package modbus

import (
	"errors"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// exchange measures a conversation in which count requests are open when the oldest of them is answered.
func exchange(b *testing.B, count uint16, ask, tell []byte) {
	d := &dissector{}
	dst := make([]protocols.Event, 0, 4)
	request := protocols.Message{From: protocols.Client, Bytes: ask, Frame: 1, Transport: protocols.TransportTCP}
	answer := protocols.Message{From: protocols.Server, Bytes: tell, Frame: 2, Transport: protocols.TransportTCP}
	send := func(m *protocols.Message, transaction uint16) {
		m.Bytes[0], m.Bytes[1] = byte(transaction>>8), byte(transaction)
		var err error
		if dst, err = d.Dissect(dst[:0], *m); err != nil && !errors.Is(err, protocols.ErrMalformed) {
			b.Fatal(err)
		}
	}
	next := uint16(0)
	for ; next < count-1; next++ {
		send(&request, next)
	}
	b.ReportAllocs()
	for b.Loop() {
		send(&request, next)
		send(&answer, next-count+1)
		next++
	}
}

// What every plant does all day.
func BenchmarkReadPair(b *testing.B) {
	d := &dissector{}
	dst := make([]protocols.Event, 0, 4)
	ask := protocols.Message{From: protocols.Client, Bytes: readRequest(1, 107, 10), Frame: 1, Transport: protocols.TransportTCP}
	tell := protocols.Message{From: protocols.Server, Bytes: readAnswer(1, 10), Frame: 2, Transport: protocols.TransportTCP}
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = d.Dissect(dst[:0], ask); err != nil {
			b.Fatal(err)
		}
		if dst, err = d.Dissect(dst[:0], tell); err != nil {
			b.Fatal(err)
		}
	}
}

// A client that asks far ahead of the answers.
func BenchmarkReadPairAmong60(b *testing.B) {
	exchange(b, 60, readRequest(1, 107, 10), readAnswer(1, 10))
}

func BenchmarkPair(b *testing.B) {
	for _, p := range []struct{ name, ask, tell string }{
		{"coils", "0001 0000 0006 01 01 0013 0013", "0001 0000 0006 01 01 03 cd6b05"},
		{"write register", "0001 0000 0006 01 06 0001 0003", "0001 0000 0006 01 06 0001 0003"},
		{"write registers", "0001 0000 000b 01 10 0001 0002 04 000a0102", "0001 0000 0006 01 10 0001 0002"},
		{"write coils", "0001 0000 0009 01 0f 0013 000a 02 cd01", "0001 0000 0006 01 0f 0013 000a"},
		{"read and write", "0001 0000 000d 01 17 0000 0001 0010 0001 02 0007", "0001 0000 0005 01 17 02 00ff"},
		{"exception", "0001 0000 0006 01 03 0000 0001", "0001 0000 0003 01 83 02"},
		{"diagnostics", "0001 0000 0006 01 08 000b 0000", "0001 0000 0006 01 08 000b 0007"},
		{"file record", "0001 0000 000a 01 14 07 06 0004 0001 0002", "0001 0000 0009 01 14 06 05 06 0dfe 0020"},
		{"identification", "0001 0000 0005 01 2b 0e 01 00", "0001 0000 000f 01 2b 0e 01 01 00 00 01 02 05 56322e3131"},
		{"umas", "0001 0000 0007 00 5a 00 22 010203", "0001 0000 0006 00 5a 00 fe 0000"},
		{"unknown function", "0001 0000 0006 01 41 00000000", "0001 0000 0003 01 c1 01"},
		{"malformed", "0001 0000 0006 01 05 0001 ff01", "0001 0000 0003 01 85 03"},
	} {
		b.Run(p.name, func(b *testing.B) { exchange(b, 1, unhex(b, p.ask), unhex(b, p.tell)) })
	}
}
