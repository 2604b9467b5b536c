package pipeline

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/all"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

// segment is a piece of one side's stream; the order of segments is the order on the wire.
type segment struct {
	from  protocols.Side
	seq   int
	bytes []byte
}

// whole gives a segment a message.
func whole(c protocoltest.Case) []segment {
	var next [2]int
	var list []segment
	for _, b := range c.Blocks {
		list = append(list, segment{b.From, next[b.From], b.Bytes})
		next[b.From] += len(b.Bytes)
	}
	return list
}

// cut divides every segment into pieces of at most n bytes.
func pieces(list []segment, n int) []segment {
	var out []segment
	for _, s := range list {
		for at := 0; at < len(s.bytes); at += n {
			out = append(out, segment{s.from, s.seq + at, s.bytes[at:min(at+n, len(s.bytes))]})
		}
	}
	return out
}

// each replaces every segment by several.
func each(list []segment, f func(segment) []segment) []segment {
	var out []segment
	for _, s := range list {
		out = append(out, f(s)...)
	}
	return out
}

func other(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

// link is how frames are wrapped.
type link struct {
	vlans     []uint16
	ipv6      bool
	fragments int // bytes of IP payload per fragment; 0: whole
	port      uint16
	handshake bool
}

// evasions are ways to say the same that must give the same events.
var evasions = []struct {
	name     string
	segments func([]segment) []segment
	link     link
}{
	{"one byte a segment", func(l []segment) []segment { return pieces(l, 1) }, link{}},
	{"three bytes a segment", func(l []segment) []segment { return pieces(l, 3) }, link{}},
	{"seven bytes a segment, with handshake", func(l []segment) []segment { return pieces(l, 7) }, link{handshake: true}},
	{"several messages a segment", func(l []segment) []segment {
		var out []segment
		for _, s := range l {
			if n := len(out); n > 0 && out[n-1].from == s.from {
				out[n-1].bytes = append(out[n-1].bytes[:len(out[n-1].bytes):len(out[n-1].bytes)], s.bytes...)
			} else {
				out = append(out, s)
			}
		}
		return out
	}, link{}},
	{"second half first", func(l []segment) []segment {
		// The first segment of a side opens its stream: what comes before it was never expected.
		seen := map[protocols.Side]bool{}
		return each(l, func(s segment) []segment {
			half := len(s.bytes) / 2
			if !seen[s.from] || half == 0 {
				seen[s.from] = true
				return []segment{s}
			}
			return []segment{{s.from, s.seq + half, s.bytes[half:]}, {s.from, s.seq, s.bytes[:half]}}
		})
	}, link{}},
	{"everything twice", func(l []segment) []segment {
		return each(l, func(s segment) []segment { return []segment{s, s} })
	}, link{}},
	{"repeated with other content", func(l []segment) []segment {
		return each(pieces(l, 5), func(s segment) []segment { return []segment{s, {s.from, s.seq, other(s.bytes)}} })
	}, link{}},
	{"repeated with other content and one byte more", func(l []segment) []segment {
		return each(pieces(l, 4), func(s segment) []segment {
			if len(s.bytes) < 4 {
				return []segment{s}
			}
			return []segment{{s.from, s.seq, s.bytes[:3]}, {s.from, s.seq, append(other(s.bytes[:3]), s.bytes[3])}}
		})
	}, link{}},
	{"VLAN", nil, link{vlans: []uint16{10}}},
	{"QinQ", nil, link{vlans: []uint16{10, 20}}},
	{"IPv6", nil, link{ipv6: true}},
	{"IPv6 in fragments of 16 bytes", nil, link{ipv6: true, fragments: 16}},
	{"IP fragments of 8 bytes", nil, link{fragments: 8}},
	{"another port", nil, link{port: 40404, handshake: true}},
}

// Every conversation of every protocol gives the same events however it is brought.
func TestEvasions(t *testing.T) {
	ran := 0
	for _, folder := range slices.Sorted(maps.Keys(homes)) {
		cases, err := protocoltest.Load(filepath.Join("../../protocols", folder, "testdata"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if c.Uncut || gapped(c) {
				continue
			}
			if (c.Name == "malformed" || c.Name == "hostile") && slices.ContainsFunc(cases, func(x protocoltest.Case) bool { return x.Name == "read" }) {
				// It begins with nonsense, so that segment boundaries tell what it is: let it begin with a sound exchange.
				c.Blocks = append(slices.Clone(named(t, cases, "read").Blocks[:2]), c.Blocks...)
			}
			want := events(t, c, whole(c), link{})
			if len(want) == 0 {
				continue
			}
			for _, e := range evasions {
				if c.Transport == protocols.TransportUDP && (e.segments != nil || e.link.port != 0) {
					continue // a datagram cannot be cut
				}
				if c.Name == "pairing" && e.name == "several messages a segment" {
					continue // requests that share a transaction are told apart by whether they were asked in one go
				}
				if folder == "http" && (c.Name == "files" || c.Name == "hostile") && e.name == "second half first" {
					continue // two messages in one segment: the second is whole in the frame that comes first
				}
				segments := whole(c)
				if e.segments != nil {
					segments = e.segments(segments)
				}
				ran++
				if diff := cmp.Diff(want, events(t, c, segments, e.link)); diff != "" {
					t.Errorf("%s/%s, %s (- plain, + evasive):\n%s", folder, c.Name, e.name, diff)
				}
			}
		}
	}
	if ran < 900 {
		t.Errorf("only %d combinations ran", ran)
	}
}

func named(t *testing.T, cases []protocoltest.Case, name string) protocoltest.Case {
	t.Helper()
	i := slices.IndexFunc(cases, func(c protocoltest.Case) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("there is no case %q", name)
	}
	return cases[i]
}

func gapped(c protocoltest.Case) bool {
	for _, b := range c.Blocks {
		if b.Gap {
			return true
		}
	}
	return false
}

// events replays segments and gives what was said, without the places where it stood.
func events(t *testing.T, c protocoltest.Case, segments []segment, how link) []string {
	t.Helper()
	w := newWire(t)
	port := homePort(c)
	if how.port != 0 {
		port = how.port
	}
	var next [2]int // the highest byte each side has sent
	if how.handshake {
		w.wrap(how, protocols.Client, port, c.Transport, -1, 0, nil, true)
	}
	for _, s := range segments {
		w.wrap(how, s.from, port, c.Transport, s.seq, next[s.from.Other()], s.bytes, false)
		next[s.from] = max(next[s.from], s.seq+len(s.bytes))
	}
	var list []string
	err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs()}}, func(b *Batch) error {
		for i := range b.Events {
			e := &b.Events[i]
			list = append(list, fmt.Sprintf("%s %s %s: %s %s %s %s", e.Protocol, e.From, e.Message, e.Action, e.Outcome, e.Object, e.Malformed))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// homePort is where the protocol of a case is served.
func homePort(c protocoltest.Case) uint16 {
	folder := filepath.Base(filepath.Dir(filepath.Dir(c.Dir)))
	return homes[folder]
}

// homes are the protocols that conversations are recorded of, and where they are served.
var homes = map[string]uint16{
	"modbus": 502, "s7": 102, "opcua": 4840, "enip": 44818, "dnp3": 20000, "iec104": 2404, "bacnet": 47808, "mms": 102,
	"http": 80, "tls": 443, "ssh": 22,
}

// wrap adds the frames of one segment.
func (w *wire) wrap(how link, from protocols.Side, port uint16, t protocols.Transport, seq, ack int, payload []byte, syn bool) {
	client := layers.TCPPort(49152)
	src, dst := client, layers.TCPPort(port)
	ip := [2][]byte{{10, 0, 0, 5}, {10, 0, 0, 9}}
	if how.ipv6 {
		ip = [2][]byte{append([]byte{0xfd}, make([]byte, 15)...), append([]byte{0xfd, 1}, make([]byte, 14)...)}
	}
	if from == protocols.Server {
		src, dst = dst, src
		ip[0], ip[1] = ip[1], ip[0]
	}
	var inner gopacket.SerializableLayer = &layers.TCP{
		SrcPort: src, DstPort: dst, Seq: uint32(1000 + seq), Ack: uint32(1000 + ack), ACK: !syn, SYN: syn, PSH: !syn, Window: 8192,
	}
	proto := layers.IPProtocolTCP
	if t == protocols.TransportUDP {
		inner, proto = &layers.UDP{SrcPort: layers.UDPPort(src), DstPort: layers.UDPPort(dst)}, layers.IPProtocolUDP
	}
	body := w.serialize(inner, gopacket.Payload(payload))
	step := len(body)
	if how.fragments > 0 {
		step = how.fragments
	}
	w.packets++
	for at := 0; at < len(body); at += step {
		piece, more := body[at:min(at+step, len(body))], at+step < len(body)
		w.frame(how, ip, proto, piece, at, more, len(body) > step)
	}
}

func (w *wire) frame(how link, ip [2][]byte, proto layers.IPProtocol, piece []byte, at int, more, fragment bool) {
	kind := layers.EthernetTypeIPv4
	if how.ipv6 {
		kind = layers.EthernetTypeIPv6
	}
	outer := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: mac(hmi), DstMAC: mac(plc), EthernetType: kind}}
	for i, id := range how.vlans {
		next := kind
		if i+1 < len(how.vlans) {
			next = layers.EthernetTypeDot1Q
		}
		outer = append(outer, &layers.Dot1Q{VLANIdentifier: id, Type: next})
		outer[0].(*layers.Ethernet).EthernetType = layers.EthernetTypeDot1Q
	}
	if how.ipv6 {
		next := proto
		if fragment {
			flag := byte(0)
			if more {
				flag = 1
			}
			// RFC 8200 §4.5: next header, reserved, offset in units of 8 bytes with the flag, identification.
			header := []byte{byte(proto), 0, byte(at >> 8), byte(at)&^7 | flag, 0, 0, 0, byte(w.packets)}
			piece = append(header, piece...)
			next = layers.IPProtocolIPv6Fragment
		}
		outer = append(outer, &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: next, SrcIP: ip[0], DstIP: ip[1]})
	} else {
		header := &layers.IPv4{
			Version: 4, TTL: 64, Protocol: proto, SrcIP: ip[0], DstIP: ip[1], Id: uint16(w.packets), FragOffset: uint16(at / 8),
		}
		if more {
			header.Flags = layers.IPv4MoreFragments
		}
		outer = append(outer, header)
	}
	data := w.serialize(append(outer, gopacket.Payload(piece))...)
	n := uint64(len(w.frames) + 1)
	w.frames = append(w.frames, capture.Frame{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(n) * time.Millisecond),
		Data: data, WireLength: len(data), Link: capture.LinkEthernet, Number: n,
	})
}

func (w *wire) serialize(list ...gopacket.SerializableLayer) []byte {
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true}, list...); err != nil {
		w.t.Fatal(err)
	}
	return buffer.Bytes()
}

// A first message that nobody understands must not silence a conversation.
func TestOddFirstMessage(t *testing.T) {
	cases, err := protocoltest.Load("../../protocols/modbus/testdata")
	if err != nil {
		t.Fatal(err)
	}
	c := named(t, cases, "read")
	plain := events(t, c, whole(c), link{})
	for name, odd := range map[string][]byte{
		"function 0": {0, 9, 0, 0, 0, 2, 1, 0}, "text": []byte("hello"), "zeros": make([]byte, 40), "one byte": {0xff},
	} {
		list := []segment{{protocols.Client, 0, odd}}
		for _, s := range whole(c) {
			if s.from == protocols.Client {
				s.seq += len(odd)
			}
			list = append(list, s)
		}
		got := strings.Join(events(t, c, list, link{}), "\n")
		if !strings.HasSuffix(got, strings.Join(plain, "\n")) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A capture that begins within the messages of both sides, seen byte by byte, must not silence a conversation: every
// offset is the start of a segment, and none of a message.
func TestMidStreamByteByByte(t *testing.T) {
	for _, folder := range []string{"modbus", "s7"} {
		cases, err := protocoltest.Load(filepath.Join("../../protocols", folder, "testdata"))
		if err != nil {
			t.Fatal(err)
		}
		c := named(t, cases, "read")
		first := [2]int{} // what the capture misses, and where whole messages begin
		for _, b := range c.Blocks[:2] {
			first[b.From] = len(b.Bytes)
		}
		for missed := 1; missed < 9; missed++ {
			var seen, list []segment
			for range 20 { // as long as it takes to see through a length that is none
				at := [2]int{first[0] * len(list) / 2, first[1] * len(list) / 2}
				for _, b := range c.Blocks[:2] {
					list = append(list, segment{b.From, at[b.From], b.Bytes})
				}
			}
			for _, s := range pieces(list, 1) {
				if s.seq >= first[s.from]-missed {
					seen = append(seen, s)
				}
			}
			want, got := events(t, c, whole(c)[:2], link{}), events(t, c, seen, link{})
			if len(got) < 2*10 || !slices.Equal(got[len(got)-2:], want[len(want)-2:]) {
				t.Errorf("%s, %d bytes of the first messages: %d events, %v", folder, missed, len(got), got)
			}
		}
	}
}

// A capture that begins within the first messages of both sides, in whatever pieces, tells everything from the second whole
// message of each side on, and nothing that nobody said.
func TestMidStreamInPieces(t *testing.T) {
	// Of these not everything is told.
	unsettled := []string{"modbus/exceptions", "modbus/malformed", "modbus/pairing", "s7/tls", "s7/tls-hello"}
	// Of these nothing is told where just three bytes are missing.
	silent := []string{"s7/connect", "s7/upload"}
	ran := 0
	for _, folder := range []string{"modbus", "s7", "opcua"} {
		cases, err := protocoltest.Load(filepath.Join("../../protocols", folder, "testdata"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if c.Uncut || gapped(c) || c.Transport != protocols.TransportTCP || slices.Contains(unsettled, folder+"/"+c.Name) {
				continue
			}
			var first, blocks [2]int
			var rest []segment
			for _, s := range whole(c) {
				if blocks[s.from]++; blocks[s.from] == 1 {
					first[s.from] = len(s.bytes)
				} else {
					rest = append(rest, s)
				}
			}
			if min(first[0], first[1]) == 0 || min(blocks[0], blocks[1]) < 4 {
				continue
			}
			want := events(t, c, rest, link{})
			for _, size := range []int{1, 3} {
				for missed := 1; missed < 8; missed++ {
					if missed == 3 && slices.Contains(silent, folder+"/"+c.Name) {
						continue
					}
					list := each(whole(c), func(s segment) []segment {
						if s.seq > 0 {
							return []segment{s}
						}
						n := min(missed, len(s.bytes))
						return []segment{{s.from, n, s.bytes[n:]}}
					})
					got := events(t, c, pieces(list, size), link{})
					ran++
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s/%s, %d bytes missing, %d a segment (- whole, + pieces):\n%s", folder, c.Name, missed, size, diff)
					}
				}
			}
		}
	}
	if ran < 350 {
		t.Errorf("only %d combinations ran", ran)
	}
}

// A message with a wrong length costs itself and what was sent with it, not what follows: a scan of functions that nobody
// answers is counted to the last.
func TestWrongLengthHidesNothing(t *testing.T) {
	cases, err := protocoltest.Load("../../protocols/modbus/testdata")
	if err != nil {
		t.Fatal(err)
	}
	c := named(t, cases, "read")
	for name, wrong := range map[string][]byte{
		"too short": {0, 1, 0, 0, 0, 2, 1, 3, 0, 0, 0, 1}, "too long": {0, 1, 0, 0, 0, 32, 1, 3, 0, 0, 0, 1},
		"huge": {0, 1, 0, 0, 255, 255, 1, 3, 0, 0, 0, 1}, "text": []byte("what is this?"),
	} {
		list := append(whole(c)[:2:2], segment{protocols.Client, len(c.Blocks[0].Bytes), wrong})
		at := len(c.Blocks[0].Bytes) + len(wrong)
		const scanned = 120
		for f := byte(1); f <= scanned; f++ {
			list = append(list, segment{protocols.Client, at, []byte{0, f, 0, 0, 0, 6, 1, f, 0, 0, 0, 0}})
			at += 12
		}
		if got := events(t, c, list, link{}); len(got) < scanned {
			t.Errorf("%s: %d events: %v", name, len(got), got)
		}
	}
}

// A scan is counted from its first request on, also where its first requests are too short for the functions that they name
// and prove nothing; whether anybody answers, and whether the capture saw the connection begin.
func TestScanOfShortRequests(t *testing.T) {
	for name, body := range map[string][]byte{"function alone": {}, "half an address": {0}, "nothing of it": {0, 0, 0, 0}} {
		for _, answered := range []bool{false, true} {
			for _, handshake := range []bool{false, true} {
				var list []segment
				var at [2]int
				say := func(from protocols.Side, b ...byte) {
					list = append(list, segment{from, at[from], b})
					at[from] += len(b)
				}
				for f := byte(1); f < 128; f++ {
					say(protocols.Client, append([]byte{0, f, 0, 0, 0, byte(2 + len(body)), 1, f}, body...)...)
					if answered {
						say(protocols.Server, 0, f, 0, 0, 0, 3, 1, f|0x80, 1)
					}
				}
				c := protocoltest.Case{Dir: "../../protocols/modbus/testdata/scan", Transport: protocols.TransportTCP}
				want := 127
				if answered {
					want *= 2
				}
				if got := events(t, c, list, link{handshake: handshake}); len(got) < want {
					t.Errorf("%s, answered %v, handshake %v: %d events, want %d; the first is %q", name, answered, handshake, len(got), want, got[:min(1, len(got))])
				}
			}
		}
	}
}

// A chunk that says to be longer than both sides agreed, or than anybody agrees where that was not seen, is malformed and
// hides nothing that follows it, in its segment or later.
func TestFalseChunkSize(t *testing.T) {
	cases, err := protocoltest.Load("../../protocols/opcua/testdata")
	if err != nil {
		t.Fatal(err)
	}
	c := named(t, cases, "values")
	sizes := map[string][]byte{
		"beyond what was agreed": {0, 0, 2, 0}, "2 MiB": {0, 0, 0x20, 0}, "16 MiB": {0, 0, 0, 1},
	}
	for name, size := range sizes {
		for _, first := range []int{0, 4} { // with Hello and Acknowledge, and without
			if first > 0 && name == "beyond what was agreed" {
				continue
			}
			for _, own := range []bool{true, false} {
				plain := whole(c)[first:]
				want := events(t, c, plain, link{})
				lie := append([]byte("MSGF"), size...)
				var list []segment
				shift := 0
				for i, s := range plain {
					if s.from == protocols.Client {
						s.seq += shift
					}
					if s.from == protocols.Client && first+i >= 6 && shift == 0 {
						shift = len(lie)
						if own {
							list = append(list, segment{s.from, s.seq, lie})
							s.seq += shift
						} else {
							s.bytes = append(slices.Clone(lie), s.bytes...)
						}
					}
					list = append(list, s)
				}
				got := events(t, c, list, link{})
				faulty := slices.IndexFunc(got, func(s string) bool { return strings.Contains(s, "chunk of") })
				if faulty < 0 {
					t.Errorf("%s, from block %d, alone %v: no chunk is malformed", name, first+1, own)
					continue
				}
				if diff := cmp.Diff(want, slices.Delete(got, faulty, faulty+1)); diff != "" {
					t.Errorf("%s, from block %d, alone %v:\n%s", name, first+1, own, diff)
				}
			}
		}
	}
}

// A gap hides the message that it cuts, not the malformed one behind it.
func TestMalformedMessageBehindAGap(t *testing.T) {
	cases, err := protocoltest.Load("../../protocols/modbus/testdata")
	if err != nil {
		t.Fatal(err)
	}
	c := named(t, cases, "read")
	list := whole(c)[:2:2]
	at := len(c.Blocks[0].Bytes) + 5
	// Mask Write Register without its masks, between five lost bytes and five more.
	list = append(list, segment{protocols.Client, at, []byte{0, 9, 0, 0, 0, 4, 1, 22, 0, 4}},
		segment{protocols.Client, at + 15, []byte{0, 10, 0, 0, 0, 6, 1, 3, 0, 4, 0, 1}})
	got := events(t, c, list, link{})
	if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "Mask Write Register") }) {
		t.Errorf("%v", got)
	}
}
