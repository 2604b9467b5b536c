package enip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// message wraps a CIP message as SendRRData does.
func message(context byte, cip []byte) []byte {
	b := make([]byte, headerLen, headerLen+16+len(cip))
	b[0], b[12] = cmdSendRRData, context
	binary.LittleEndian.PutUint16(b[2:], uint16(16+len(cip)))
	b = append(b, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, itemUnconnectedData, 0, byte(len(cip)), byte(len(cip)>>8))
	return append(b, cip...)
}

func dissect(t *testing.T, d protocols.Dissector, from protocols.Side, frame uint64, b []byte) []protocols.Event {
	t.Helper()
	events, err := d.Dissect(nil, protocols.Message{From: from, Frame: frame, Bytes: b, Transport: protocols.TransportTCP})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// What breaks the specification gives an event that says how, and never more.
func TestMalformed(t *testing.T) {
	const (
		header = "6f00 %s 44332211 00000000 0000000000000000 00000000"
		packet = "00000000 0000 0200 0000 0000 b200"
	)
	for name, c := range map[string]struct{ text, reason string }{
		"shorter than a header":          {"6f00 0000 4433", "header"},
		"a length beyond the message":    {fmt.Sprintf(header, "ff00"), "length 255 of 0 bytes"},
		"no room for items":              {fmt.Sprintf(header, "0400") + "00000000", "items beyond 4 bytes"},
		"an item beyond the message":     {fmt.Sprintf(header, "1000") + packet + "0900", "items beyond"},
		"connected data without count":   {fmt.Sprintf(header, "1100") + "00000000 0000 0200 0000 0000 b100 0100 01", "items beyond"},
		"a path beyond the message":      {fmt.Sprintf(header, "1200") + packet + "0200 0e09", "no service and path"},
		"a segment that does not exist":  {fmt.Sprintf(header, "1400") + packet + "0400 0e01 ffff", "path ff ff is not valid"},
		"a symbol beyond the path":       {fmt.Sprintf(header, "1600") + packet + "0600 4c01 91ff 0100", "path 91 ff is not valid"},
		"a key of a format unknown":      {fmt.Sprintf(header, "1400") + packet + "0400 0e01 3409", "is not valid"},
		"more services than octets":      {fmt.Sprintf(header, "1800") + packet + "0800 0a02 20022401 ffff", "services beyond a packet of 2"},
		"a service that begins twice":    {fmt.Sprintf(header, "2200") + packet + "1200 0a02 20022401 0200 0600 0600 0100 0100 0100", "services beyond"},
		"a service of no octets":         {fmt.Sprintf(header, "1e00") + packet + "0e00 0a02 20022401 0200 0600 0800 0e00", "services beyond"},
		"an answer of two octets":        {fmt.Sprintf(header, "1200") + packet + "0200 cc00", "no answer in 2 bytes"},
		"a read without count":           {fmt.Sprintf(header, "1600") + packet + "0600 4c02 9102 4142", "Read Tag with 0 bytes"},
		"a write without type":           {fmt.Sprintf(header, "1700") + packet + "0700 4d02 9102 4142 01", "Write Tag with 1 bytes"},
		"a connection without a path":    {fmt.Sprintf(header, "1800") + packet + "0800 5402 20062401 0af0", "Forward_Open with 2 bytes"},
		"a carrier of nothing":           {fmt.Sprintf(header, "1a00") + packet + "0a00 5202 20062401 0a0e 0900", "message of 9 bytes beyond"},
		"PCCC of nobody":                 {fmt.Sprintf(header, "1800") + packet + "0800 4b02 20672401 0700", "PCCC in 2 bytes"},
		"an address without its element": {fmt.Sprintf(header, "2400") + packet + "1400 4b02 20672401 07 4d00 01020304 0f00 0100 a2 02 07", "with 2 bytes of data"},
		"a session of nothing":           {"6500 0000 00000000 00000000 0000000000000000 00000000", "RegisterSession with 0 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, detail := range []bool{false, true} {
				events, err := Spec.New().Dissect(nil, protocols.Message{Bytes: unhex(t, c.text), Transport: protocols.TransportTCP, Detail: detail})
				if !errors.Is(err, protocols.ErrMalformed) || !strings.Contains(err.Error(), c.reason) {
					t.Errorf("error %v, want one that says %q", err, c.reason)
				}
				if len(events) != 1 || !strings.Contains(events[0].Malformed, c.reason) {
					t.Errorf("events %+v, want one malformed", events)
				}
			}
		})
	}
}

// Packets in carriers in packets end somewhere: each layer takes octets from the one around it.
func TestCarriersInCarriers(t *testing.T) {
	inner := []byte{0x0e, 3, 0x20, 1, 0x24, 1, 0x30, 7}
	for range 40 {
		through := append([]byte{svcUnconnectedSend, 2, 0x20, 6, 0x24, 1, 5, 0x9d, byte(len(inner)), byte(len(inner) >> 8)}, inner...)
		inner = append(through, 1, 0, 1, 0)
	}
	d := &conversation{}
	if events := dissect(t, d, protocols.Client, 1, message(1, inner)); len(events) != 1 || events[0].Message != "Unconnected_Send" {
		t.Errorf("events %+v", events)
	}
	if len(d.outer)+len(d.calls) > maxDepth {
		t.Errorf("%d layers were read, want at most %d", len(d.outer)+len(d.calls), maxDepth)
	}
}

// A client that asks and is not answered fills no memory; what was forgotten is counted, what is left is still paired.
func TestRequestsAreBounded(t *testing.T) {
	d := &conversation{}
	packet := []byte{svcMultiple, 2, 0x20, 2, 0x24, 1, 100, 0}
	for i := range 100 {
		packet = binary.LittleEndian.AppendUint16(packet, uint16(2+200+8*i))
	}
	for range 100 {
		packet = append(packet, 0x0e, 3, 0x20, 1, 0x24, 1, 0x30, 7)
	}
	for i := range 100 {
		dissect(t, d, protocols.Client, uint64(i+1), message(byte(i), packet))
	}
	if n := len(d.pending.requests); n != maxPending {
		t.Errorf("%d requests wait, want %d", n, maxPending)
	}
	if n := len(d.pending.parts); n != maxParts {
		t.Errorf("%d parts are kept, want %d", n, maxParts)
	}
	if n := d.Unanswered(false); n != 100-maxPending {
		t.Errorf("%d requests given up, want %d", n, 100-maxPending)
	}
	answer := []byte{svcMultiple | replyBit, 0, 0, 0, 1, 0, 4, 0, 0x8e, 0, 0, 0}
	for context, known := range map[byte]bool{99: true, 60: false} {
		events := dissect(t, d, protocols.Server, 200, message(context, answer))
		if len(events) != 1 || events[0].Answers == 0 || (events[0].Object.Name != "") != known {
			t.Errorf("answer %d: %+v", context, events)
		}
	}
	if n := d.Unanswered(true); n != maxPending-2 {
		t.Errorf("%d requests open at the end, want %d", n, maxPending-2)
	}
	if n := d.Unanswered(true); n != 0 {
		t.Errorf("%d requests given up twice", n)
	}
}

// Requests that nobody could have answered are no failures, nor are those whose answer was lost on the way to the sensor.
func TestWhatIsNotUnanswered(t *testing.T) {
	get := []byte{0x0e, 3, 0x20, 1, 0x24, 1, 0x30, 7}
	list := make([]byte, headerLen)
	list[0] = cmdListIdentity
	for name, run := range map[string]func(d *conversation){
		"the answer is lost":   func(d *conversation) { dissect(t, d, 0, 1, message(1, get)); d.Gap(protocols.Server) },
		"the question is lost": func(d *conversation) { dissect(t, d, 0, 1, message(1, get)); d.Gap(protocols.Client) },
		"a broadcast": func(d *conversation) {
			_, _ = d.Dissect(nil, protocols.Message{Bytes: list, Transport: protocols.TransportUDP})
		},
		"nobody answers to these": func(d *conversation) { dissect(t, d, 0, 1, make([]byte, headerLen)) },
	} {
		d := &conversation{}
		run(d)
		if n := d.Unanswered(true); n != 0 {
			t.Errorf("%s: %d unanswered", name, n)
		}
	}
	d := &conversation{}
	for i := range 3 {
		dissect(t, d, protocols.Client, uint64(i+1), message(1, get))
	}
	if events := dissect(t, d, protocols.Server, 4, message(1, []byte{0x8e, 0, 0, 0})); events[0].Answers != 3 {
		t.Errorf("the answer goes to frame %d, want the newest of one context", events[0].Answers)
	}
	if n := d.Unanswered(false); n != 2 {
		t.Errorf("%d passed over, want 2", n)
	}
}

// Paths without end are forgotten in turn, and so are connections.
func TestTablesAreBounded(t *testing.T) {
	var s targets
	for i := range 3 * maxTargets {
		path := []byte{0x21, 0, byte(i), byte(i >> 8)}
		if got := s.find(path).object.Name; !strings.HasPrefix(strings.ToLower(got), fmt.Sprintf("class 0x%02x", i)) && classes[uint32(i)] == nil {
			t.Fatalf("path %x is %q", path, got)
		}
		if len(s.known) > maxTargets || s.bytes > maxTargetBytes {
			t.Fatalf("%d paths of %d bytes are kept", len(s.known), s.bytes)
		}
	}
	if s.resets == 0 {
		t.Error("nothing was forgotten")
	}
	long := append([]byte{0x91, 200}, make([]byte, 200)...)
	for i := range 1000 {
		binary.LittleEndian.PutUint16(long[2:], uint16(i))
		if s.find(long); s.bytes > maxTargetBytes {
			t.Fatalf("%d bytes of paths are kept", s.bytes)
		}
	}
	var p pairs
	for i := range uint32(3 * maxPairs) {
		p.put(i+1, i+1000, true)
	}
	if _, ok := p.of(1000); ok {
		t.Error("the oldest pair is still known")
	}
	if asks, ok := p.of(3*maxPairs + 999); !ok || asks != 3*maxPairs {
		t.Errorf("the newest pair is %d, %v", asks, ok)
	}
}

// A flood of I/O connections is told up to a number, and counted from there on.
func TestStreamsAreBounded(t *testing.T) {
	d := &conversation{}
	b := unhex(t, outputs)
	told := 0
	for i := range 10 * maxStreams {
		binary.LittleEndian.PutUint32(b[6:], uint32(i))
		for range 2 {
			events, err := d.Dissect(nil, protocols.Message{Bytes: b, Transport: protocols.TransportUDP})
			if err != nil {
				t.Fatal(err)
			}
			told += len(events)
		}
	}
	if told != maxStreams || d.streams.untold != 2*9*maxStreams {
		t.Errorf("%d told, %d not, want %d and %d", told, d.streams.untold, maxStreams, 2*9*maxStreams)
	}
}

// Two connections of one session count for themselves: equal counts are told apart by what the first answers taught.
func TestConnectionsOfOneSession(t *testing.T) {
	ask, reply := unhex(t, readLevel), unhex(t, levelRead)
	send := func(b []byte, connection uint32, count uint16) []byte {
		b = append([]byte(nil), b...)
		binary.LittleEndian.PutUint32(b[36:], connection)
		binary.LittleEndian.PutUint16(b[44:], count)
		return b
	}
	d := &conversation{}
	dissect(t, d, protocols.Client, 1, send(ask, 1, 7))
	dissect(t, d, protocols.Server, 2, send(reply, 101, 7)) // teaches 101 → 1
	dissect(t, d, protocols.Client, 3, send(ask, 1, 8))
	dissect(t, d, protocols.Client, 4, send(ask, 2, 8))
	for _, c := range []struct {
		connection uint32
		want       uint64
	}{{102, 4}, {101, 3}} { // what 101 answers is known, so 102 answers the other
		if got := dissect(t, d, protocols.Server, 5, send(reply, c.connection, 8))[0].Answers; got != c.want {
			t.Errorf("connection %d answers frame %d, want %d", c.connection, got, c.want)
		}
	}
	dissect(t, d, protocols.Client, 6, send(ask, 1, 9))
	if got := dissect(t, d, protocols.Server, 7, send(reply, 102, 9))[0].Answers; got != 0 {
		t.Errorf("an answer whose question was lost goes to frame %d of another connection", got)
	}
	if got := dissect(t, d, protocols.Server, 8, send(reply, 101, 9))[0].Answers; got != 6 {
		t.Errorf("the answer goes to frame %d, want 6", got)
	}
}

// A sensor that joins late may conclude wrongly which connections belong together; it does not stay with it.
func TestWrongConclusionsPass(t *testing.T) {
	d := &conversation{}
	d.pairs.put(1, 102, false)
	ask, reply := unhex(t, readLevel), unhex(t, levelRead)
	for _, c := range []struct {
		asks, answers byte
		want          uint64
	}{{2, 102, 0}, {1, 101, 5}, {2, 102, 7}} {
		ask[36], ask[37], ask[38], reply[36], reply[37], reply[38], reply[39] = c.asks, 0, 0, c.answers, 0, 0, 0
		ask[44]++
		reply[44] = ask[44]
		frame := uint64(2*ask[44] - 1)
		dissect(t, d, protocols.Client, frame, ask)
		if got := dissect(t, d, protocols.Server, frame+1, reply)[0].Answers; got != c.want {
			t.Errorf("connection %d answers frame %d, want %d", c.answers, got, c.want)
		}
	}
}

// Where nothing is known of two connections, an answer that may be either's is given to none.
func TestAmbiguousConnections(t *testing.T) {
	ask, reply := unhex(t, readLevel), unhex(t, levelRead)
	d := &conversation{}
	dissect(t, d, protocols.Client, 1, ask)
	ask[36]++
	dissect(t, d, protocols.Client, 2, ask)
	if got := dissect(t, d, protocols.Server, 3, reply)[0].Answers; got != 0 {
		t.Errorf("the answer goes to frame %d", got)
	}
}

// Strangers on the port are not taken for EtherNet/IP, and the beginning of a message is not refused.
func TestProbe(t *testing.T) {
	list := "6300 0000 00000000 00000000 0000000000000000 00000000"
	nop := "0000 0000 00000000 00000000 0000000000000000 00000000"
	for _, c := range []struct {
		name, text string
		transport  protocols.Transport
		want       protocols.Match
	}{
		{"a request for a list", list, protocols.TransportTCP, protocols.YesClient},
		{"the same with zeros behind", list + "000000000000", protocols.TransportTCP, protocols.No},
		{"a list with something else behind", list + "2a0e1e0018024c0f", protocols.TransportTCP, protocols.No},
		{"a small number among zeros", "6300 0000 00000000 00000000 0000000000002c0e 00000000", protocols.TransportTCP, protocols.More},
		{"a list with a token", "6300 0000 00000000 00000000 0000c1debed10000 00000000", protocols.TransportTCP, protocols.YesClient},
		{"two lists", list + list, protocols.TransportTCP, protocols.YesClient},
		{"a list as a datagram", list, protocols.TransportUDP, protocols.YesClient},
		{"a datagram that is longer", list + "00", protocols.TransportUDP, protocols.No},
		{"a datagram that is shorter", list[:40], protocols.TransportUDP, protocols.No},
		{"NOP alone", nop, protocols.TransportTCP, protocols.More},
		{"NOP and a list", nop + list, protocols.TransportTCP, protocols.YesClient},
		{"NOP and NOP", nop + nop, protocols.TransportTCP, protocols.No},
		{"options", "6300 0000 00000000 00000000 0000000000000000 01000000", protocols.TransportTCP, protocols.No},
		{"a status that does not exist", "6300 0000 00000000 33000000 0000000000000000 00000000", protocols.TransportTCP, protocols.No},
		{"a session that is closed without having been", "6600 0000 00000000 00000000 0000000000000000 00000000", protocols.TransportTCP, protocols.No},
		{"an interface other than CIP", strings.Replace(readLevel, "00000000 0000 0200", "00000001 0000 0200", 1), protocols.TransportTCP, protocols.No},
		{"a tag that is asked for", readLevel, protocols.TransportTCP, protocols.YesClient},
		{"a tag that is given", levelRead, protocols.TransportTCP, protocols.YesServer},
		{"outputs", outputs, protocols.TransportUDP, protocols.Yes},
		{"outputs over TCP", outputs, protocols.TransportTCP, protocols.No},
		{"outputs and more", outputs + "00", protocols.TransportUDP, protocols.No},
		{"over Ethernet", readLevel, protocols.TransportEthernet, protocols.No},
	} {
		if got := probe(c.transport, unhex(t, c.text)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for text, want := range map[string]int{"": 0, "70": 0, "0001": -1, "7000 04": 0, "7000 0400": 28, "7000 ffff": -1, "0300 0000": 24} {
		if got := length(unhex(t, text)); got != want {
			t.Errorf("length of %q is %d, want %d", text, got, want)
		}
	}
}
