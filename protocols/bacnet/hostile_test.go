package bacnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// datagram puts the header of BACnet/IP before a network layer.
func datagram(t testing.TB, npdu string) []byte {
	b := unhex(t, npdu)
	return append([]byte{bvlc, 0x0a, byte((len(b) + 4) >> 8), byte(len(b) + 4)}, b...)
}

func dissect(t testing.TB, d protocols.Dissector, from protocols.Side, frame uint64, b []byte) ([]protocols.Event, error) {
	t.Helper()
	return d.Dissect(nil, protocols.Message{From: from, Frame: frame, Bytes: b, Transport: protocols.TransportUDP, Detail: true})
}

// What is not BACnet must not be taken for it, and who speaks is told where the message shows it.
func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		want  protocols.Match
	}{
		{"nothing", "", protocols.No},
		{"a header alone", "81 0a 0004", protocols.No},
		{"a request", "81 0a 0011 0104 0005010c 0c00800001 1955", protocols.YesClient},
		{"an answer", "81 0a 0009 0100 20010f", protocols.YesServer},
		{"a notification that wants an answer", "81 0a 000a 0104 00050101", protocols.YesServer},
		{"its answer", "81 0a 0009 0100 200101", protocols.YesClient},
		{"who is there", "81 0b 0008 0100 1008", protocols.Yes},
		{"longer than the datagram", "81 0a 0012 0104 0005010c 0c00800001 1955", protocols.No},
		{"a text behind it, which stacks leave out of the length", "81 0a 0009 0100 20010f 6869", protocols.YesServer},
		{"a table with half an entry", "81 03 0009 0a000001ba", protocols.No},
		{"a registration with something behind it", "81 05 0006 003c 00", protocols.No},
		{"version 2 of the network layer", "81 0a 0009 0200 20010f", protocols.No},
		{"a reserved bit", "81 0a 0009 0110 20010f", protocols.No},
		{"an unknown kind", "81 0a 0009 0100 80010f", protocols.No},
		{"BACnet/IPv6", "82 01 0009 0100 20010f", protocols.No},
	} {
		if got := probe(protocols.TransportUDP, unhex(t, c.bytes)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if got := probe(protocols.TransportTCP, unhex(t, c.bytes)); got != protocols.No {
			t.Errorf("%s over TCP: %v", c.name, got)
		}
	}
}

// A flood of requests must neither grow the table nor hide that nobody answered.
func TestUnansweredRequests(t *testing.T) {
	d := Spec.New().(*dissector)
	request := datagram(t, "0104 0005000c 0c00800001 1955")
	for i := range 200 {
		request[8] = byte(i)
		if _, err := dissect(t, d, protocols.Client, uint64(i+1), request); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.Unanswered(false); n != 200-maxPending || len(d.pending.requests) != maxPending {
		t.Errorf("%d given up, %d kept", n, len(d.pending.requests))
	}
	answer := datagram(t, "0100 20c70c")
	events, err := dissect(t, d, protocols.Server, 201, answer)
	if err != nil || len(events) != 1 || events[0].Answers != 200 || events[0].Object.Name != "analog-value 1 present-value" {
		t.Fatalf("events %+v, error %v", events, err)
	}
	passed := d.Unanswered(false)
	if want := uint64(maxPending - 1 - patience); passed != want {
		t.Errorf("%d passed over, want %d", passed, want)
	}
	if n := d.Unanswered(true); n != patience {
		t.Errorf("%d open at the end, want %d", n, patience)
	}
}

// A request that is repeated because its answer is late is one request.
func TestRepeatedRequestCountsOnce(t *testing.T) {
	d := Spec.New().(*dissector)
	for frame := range uint64(3) {
		if _, err := dissect(t, d, protocols.Client, frame+1, datagram(t, "0104 0005010c 0c00800001 1955")); err != nil {
			t.Fatal(err)
		}
	}
	if n := d.Unanswered(true); n != 1 {
		t.Errorf("%d unanswered, want 1", n)
	}
	if _, err := dissect(t, d, protocols.Client, 4, datagram(t, "0104 0005020c 0c00800001 1955")); err != nil {
		t.Fatal(err)
	}
	d.Gap(protocols.Client)
	if n := d.Unanswered(true); n != 0 {
		t.Errorf("%d unanswered after a gap, want none", n)
	}
}

// Segments that never end must not take the sensor's memory, and their beginning is told.
func TestEndlessSegments(t *testing.T) {
	d := Spec.New().(*dissector)
	first := datagram(t, "0104 0c05010002 0f 0c00800001 1955 3e 44 42280000 3f"+strings.Repeat("00", 1000))
	for i := range 100 {
		for part := range d.segments.parts {
			first[8], first[9] = byte(part), byte(i)
			events, err := dissect(t, d, protocols.Client, 1, first)
			if err != nil || len(events) != 1 || !events[0].Continued {
				t.Fatalf("segment %d: %+v, %v", i, events, err)
			}
		}
	}
	for _, p := range d.segments.parts {
		if len(p.bytes) > maxJoined {
			t.Errorf("%d bytes kept", len(p.bytes))
		}
	}
	last := datagram(t, "0104 0805016402 0f 00")
	events, err := dissect(t, d, protocols.Client, 2, last)
	if !errors.Is(err, protocols.ErrMalformed) || len(events) != 1 || events[0].Object.Name != "analog-value 1 present-value" {
		t.Errorf("events %+v, error %v", events, err)
	}
}

// A password of device management is nobody's business but the device's.
func TestPasswordIsNotShown(t *testing.T) {
	events, err := dissect(t, Spec.New(), protocols.Client, 1, datagram(t, "0104 00050114 0900 1d0700 736563726574"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(events[0].Detail)
	if err != nil || bytes.Contains(text, []byte("secret")) || !bytes.Contains(text, []byte(`"password":true`)) {
		t.Errorf("%s, %v", text, err)
	}
}

// BenchmarkReadPair is the exchange that buildings consist of.
func BenchmarkReadPair(b *testing.B) {
	d := Spec.New()
	ask := protocols.Message{From: protocols.Client, Frame: 1, Transport: protocols.TransportUDP, Bytes: datagram(b, "0104 0005010c 0c00800003 1955")}
	reply := protocols.Message{From: protocols.Server, Frame: 2, Transport: protocols.TransportUDP, Bytes: datagram(b, "0100 30010c 0c00800003 1955 3e 44 42280000 3f")}
	var events []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		events, _ = d.Dissect(events[:0], ask)
		events, _ = d.Dissect(events[:0], reply)
	}
}
