package modbus

import (
	"encoding/binary"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"pgregory.net/rapid"
)

func readRequest(transaction, ref, qty uint16) []byte {
	b := []byte{0, 0, 0, 0, 0, 6, 1, 3, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b, transaction)
	binary.BigEndian.PutUint16(b[8:], ref)
	binary.BigEndian.PutUint16(b[10:], qty)
	return b
}

func readAnswer(transaction uint16, registers int) []byte {
	b := make([]byte, 9+2*registers)
	binary.BigEndian.PutUint16(b, transaction)
	b[5], b[6], b[7], b[8] = byte(3+2*registers), 1, 3, byte(2*registers)
	return b
}

func dissect(t interface{ Fatal(...any) }, d protocols.Dissector, from protocols.Side, frame uint64, b []byte) protocols.Event {
	events, err := d.Dissect(nil, protocols.Message{From: from, Bytes: b, Frame: frame, Transport: protocols.TransportTCP})
	if err != nil || len(events) != 1 {
		t.Fatal("events", len(events), "error", err)
	}
	return events[0]
}

// A well-known sensor stops at 500 unanswered requests. Here the oldest are forgotten, and every request is an event.
func TestFloodOfRequestsNeverStopsParsing(t *testing.T) {
	d := &dissector{}
	for i := range uint16(5000) {
		if e := dissect(t, d, protocols.Client, uint64(i)+1, readRequest(i, i, 1)); e.Object.First != uint32(i) {
			t.Fatalf("request %d: %+v", i, e.Object)
		}
	}
	if n, c := len(d.pending.open), cap(d.pending.requests); n != maxPending || c > 2*maxPending {
		t.Errorf("%d requests kept in %d places, want %d", n, c, maxPending)
	}
	if e := dissect(t, d, protocols.Server, 5001, readAnswer(4999, 1)); e.Object.First != 4999 || e.Object.Count != 1 {
		t.Errorf("answer to the newest: %+v", e.Object)
	}
	if e := dissect(t, d, protocols.Server, 5002, readAnswer(7, 1)); e.Object.Count != 0 || e.Values.Raw != nil {
		t.Errorf("answer to a forgotten request: %+v", e)
	}
}

// With distinct transactions in the window, whatever the order of answers, each gets its own request's address.
func TestAnswersFindTheirRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &dissector{}
		open := map[uint16]uint16{} // transaction to address
		var order []uint16
		next := uint16(rapid.Uint16().Draw(t, "first transaction"))
		for frame := range uint64(rapid.IntRange(1, 200).Draw(t, "messages")) {
			if len(order) == 0 || len(order) < maxPending && rapid.Bool().Draw(t, "ask") {
				ref := rapid.Uint16().Draw(t, "address")
				dissect(t, d, protocols.Client, frame, readRequest(next, ref, 2))
				open[next] = ref
				order = append(order, next)
				next++
				continue
			}
			i := rapid.IntRange(0, len(order)-1).Draw(t, "which")
			transaction := order[i]
			order = append(order[:i], order[i+1:]...)
			e := dissect(t, d, protocols.Server, frame, readAnswer(transaction, 2))
			if e.Object.First != uint32(open[transaction]) || e.Object.Count != 2 || len(e.Values.Raw) != 4 {
				t.Fatalf("answer %d: %+v, want address %d", transaction, e.Object, open[transaction])
			}
		}
	})
}

// Requests that came in one frame with one transaction were asked in one go: their answers come in order.
func TestRequestsOfOneFrameAreAnsweredInOrder(t *testing.T) {
	d := &dissector{}
	dissect(t, d, protocols.Client, 1, readRequest(0, 500, 2)) // never answered
	for _, ref := range []uint16{10, 20, 30} {
		dissect(t, d, protocols.Client, 2, readRequest(0, ref, 2))
	}
	for _, ref := range []uint32{10, 20, 30} {
		if e := dissect(t, d, protocols.Server, 3, readAnswer(0, 2)); e.Object.First != ref {
			t.Errorf("got address %d, want %d", e.Object.First, ref)
		}
	}
	if e := dissect(t, d, protocols.Server, 4, readAnswer(0, 2)); e.Object.Count != 0 {
		t.Errorf("answer to nothing got %+v", e.Object)
	}
}

// A scan of all functions was logged in part by well-known parsers, and a malformed message blinded one for the rest of
// the connection. Here each is an event, in whatever pieces the stream comes, and what follows is read.
func TestFunctionScanIsSeenWhole(t *testing.T) {
	var stream []byte
	for code := range 127 {
		stream = append(stream, 0, byte(code), 0, 0, 0, 6, 1, byte(code+1), 0xde, 0xad, 0xbe, 0xef)
	}
	stream = append(stream, 1, 0, 0, 0, 0, 6, 1, 5, 0, 1, 0xff, 1) // a coil value that is none
	stream = append(stream, readRequest(0x0101, 107, 3)...)
	d := &dissector{}
	var events []protocols.Event
	for frame := uint64(1); len(stream) > 0; frame++ {
		n := length(stream)
		if n <= 0 || n > len(stream) {
			t.Fatalf("length %d with %d bytes left", n, len(stream))
		}
		before := len(events)
		m := protocols.Message{From: protocols.Client, Bytes: stream[:n], Frame: frame, Transport: protocols.TransportTCP}
		events, _ = d.Dissect(events, m) // most do not fit their functions, and say so
		if len(events) == before {
			t.Errorf("no event for %x", stream[:n])
		}
		stream = stream[n:]
	}
	for i, e := range events {
		if e.Message == "" || e.Outcome != protocols.OutcomeAsked || e.Object.Unit != 1 {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if e := dissect(t, d, protocols.Server, 1000, readAnswer(0x0101, 3)); e.Object.First != 107 || e.Answers == 0 {
		t.Errorf("after the scan: %+v", e)
	}
	if n := d.Unanswered(true); n != 128 {
		t.Errorf("%d unanswered, want 127 functions and a coil", n)
	}
}
