package opcua

import (
	"encoding/binary"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// poll gives the messages of a poll of one value, and a conversation that saw it before.
func poll(b *testing.B) (d *conversation, request, response protocols.Message) {
	d = opened(b)
	request = protocols.Message{From: protocols.Client, Frame: 1, Transport: protocols.TransportTCP,
		Bytes: chunk("F", 2, ask(631), read(numeric(2, 7)))}
	response = protocols.Message{From: protocols.Server, Frame: 2, Transport: protocols.TransportTCP,
		Bytes: chunk("F", 2, answer(634, 0), doubles(1))}
	return d, request, response
}

// renumber gives a message of one chunk another request id.
func renumber(m protocols.Message, id uint32) { binary.LittleEndian.PutUint32(m.Bytes[20:], id) }

// BenchmarkReadPair is a poll of one value in steady state: the request and its answer.
func BenchmarkReadPair(b *testing.B) {
	d, request, response := poll(b)
	var events []protocols.Event
	var err error
	b.ReportAllocs()
	for b.Loop() {
		if events, err = d.Dissect(events[:0], request); err != nil {
			b.Fatal(err)
		}
		if events, err = d.Dissect(events[:0], response); err != nil || len(events) != 1 {
			b.Fatalf("%d events, %v", len(events), err)
		}
	}
}

// BenchmarkReadResponse is the answers alone. An answer needs its request, so the requests of a block are dissected
// with the clock stopped; each answer then takes its own from as many open ones as there may be, which is many more than
// clients keep open. The bytes are the same each time but for the request id.
func BenchmarkReadResponse(b *testing.B) {
	const block = maxPending
	d, request, response := poll(b)
	events := make([]protocols.Event, 0, 1)
	var err error
	ask := func() {
		for id := range uint32(block) {
			renumber(request, id)
			if events, err = d.Dissect(events[:0], request); err != nil {
				b.Fatal(err)
			}
		}
	}
	ask()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		id := uint32(i % block)
		if id == 0 && i > 0 {
			b.StopTimer()
			ask()
			b.StartTimer()
		}
		renumber(response, id)
		if events, err = d.Dissect(events[:0], response); err != nil || len(events) != 1 || events[0].Answers == 0 {
			b.Fatalf("%d events, %v", len(events), err)
		}
	}
}
