package stream

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/capture/packet"
)

// udp is a datagram between two addresses.
func udp(from, to, payload string) *packet.Packet {
	f, t := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	return &packet.Packet{
		Src: f.Addr(), Dst: t.Addr(), SrcPort: f.Port(), DstPort: t.Port(), Proto: packet.ProtoUDP, Payload: []byte(payload),
	}
}

func expect(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	if got := r.take(); !slices.Equal(got, want) {
		t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func TestDatagrams(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{}, r)
	table.Packet(udp("10.0.0.1:47808", "10.0.0.2:47808", "ask"), 1, start, 60)
	table.Packet(udp("10.0.0.2:47808", "10.0.0.1:47808", "tell"), 2, start, 60)
	table.Packet(udp("10.0.0.1:47808", "10.0.0.2:47808", ""), 3, start, 60)
	cut := udp("10.0.0.1:47808", "10.0.0.2:47808", "cu")
	cut.Truncated, cut.Missing = true, 7
	table.Packet(cut, 4, start, 60)
	expect(t, r, "open 1", `> "ask" of 1`, `< "tell" of 2`, `> "cu" of 4`, "> gap 7")
	table.Packet(udp("10.0.0.1:47808", "10.0.0.2:47808", "late"), 5, start.Add(6*time.Minute), 60)
	expect(t, r, "close expired", "open 5", `> "late" of 5`)
	table.Advance(start.Add(11 * time.Minute))
	expect(t, r)
	table.Advance(start.Add(12 * time.Minute))
	expect(t, r, "close expired")
	table.Close()
	expect(t, r)
}

// TestLoopback: both ends have the same address; the ports tell them apart, and where those are equal too everything
// goes one way.
func TestLoopback(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{}, r)
	table.Packet(udp("127.0.0.1:5000", "127.0.0.1:502", "ask"), 1, start, 60)
	table.Packet(udp("127.0.0.1:502", "127.0.0.1:5000", "tell"), 2, start, 60)
	table.Packet(udp("127.0.0.1:502", "127.0.0.1:502", "self"), 3, start, 60)
	table.Packet(udp("127.0.0.1:502", "127.0.0.1:502", "self"), 4, start, 60)
	expect(t, r, "open 1", `> "ask" of 1`, `< "tell" of 2`, "open 3", `> "self" of 3`, `> "self" of 4`)
}

// TestFamilies: an IPv4 address and the IPv6 address that maps it are two hosts; so are protocols two conversations.
func TestFamilies(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{}, r)
	table.Packet(udp("10.0.0.1:1", "10.0.0.2:2", "a"), 1, start, 60)
	table.Packet(udp("[::ffff:10.0.0.1]:1", "[::ffff:10.0.0.2]:2", "b"), 2, start, 60)
	other := udp("10.0.0.1:1", "10.0.0.2:2", "c")
	other.Proto = 136
	table.Packet(other, 3, start, 60)
	expect(t, r, "open 1", `> "a" of 1`, "open 2", `> "b" of 2`, "open 3", `> "c" of 3`)
}

func TestEthernet(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{}, r)
	a, b := [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
	table.Packet(&packet.Packet{SrcMAC: b, DstMAC: a, EtherType: 0x8892, Payload: []byte("ask")}, 1, start, 60)
	table.Packet(&packet.Packet{SrcMAC: a, DstMAC: b, EtherType: 0x8892, Payload: []byte("tell")}, 2, start, 60)
	table.Packet(&packet.Packet{SrcMAC: a, DstMAC: b, EtherType: 3, Payload: []byte("llc")}, 3, start, 60)
	table.Packet(&packet.Packet{SrcMAC: a, DstMAC: b, EtherType: 4, Payload: []byte("llc4")}, 4, start, 60)
	expect(t, r, "open 1", `> "ask" of 1`, `< "tell" of 2`, "open 3", `> "llc" of 3`, `> "llc4" of 4`)
	if c := r.all[0]; c.EtherType != 0x8892 || c.A.MAC != b || c.B.MAC != a || c.A.Addr.IsValid() || c.Proto != 0 {
		t.Errorf("got %+v", c)
	}
	// What is no conversation.
	table.Packet(&packet.Packet{SrcMAC: a, DstMAC: b, EtherType: packet.EtherARP, ARP: packet.ARP{Op: 1}}, 5, start, 60)
	table.Packet(&packet.Packet{}, 6, start, 60)
	frag := udp("10.0.0.1:0", "10.0.0.2:0", "part")
	frag.Fragment = packet.Fragment{Is: true, More: true}
	table.Packet(frag, 7, start, 60)
	expect(t, r)
	if s := table.Stats(); s.Ignored != 3 || s.Opened != 2 || s.Conversations != 2 {
		t.Errorf("%+v", s)
	}
}

// TestUnreachable: the error of a router marks the conversation that it is about.
func TestUnreachable(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{}, r)
	table.Packet(udp("10.0.0.1:4000", "10.0.0.2:161", "ask"), 1, start, 60)
	ask := r.all[0]
	quote := func(icmpType uint8) *packet.Packet {
		return &packet.Packet{
			Src: netip.MustParseAddr("10.0.0.254"), Dst: ask.A.Addr, Proto: packet.ProtoICMP, ICMP: packet.ICMP{
				Type: icmpType, Code: 1, Quoted: true, Proto: packet.ProtoUDP, Src: ask.A.Addr, Dst: ask.B.Addr, SrcPort: 4000, DstPort: 161,
			},
		}
	}
	if table.Packet(quote(5), 2, start, 60); ask.Unreachable {
		t.Error("a redirect marks the conversation as unreachable")
	}
	if table.Packet(quote(3), 3, start, 60); !ask.Unreachable {
		t.Error("an unreachable does not mark the conversation")
	}
	// An error about another host goes to that host's worker: it is a conversation of its own.
	other := quote(3)
	other.ICMP.Dst = netip.MustParseAddr("10.0.0.3")
	if table.Packet(other, 4, start, 60); table.Stats().Conversations != 3 {
		t.Errorf("%d conversations, want 3", table.Stats().Conversations)
	}
}

// TestBuffered: what waits behind holes is bounded for a direction and for the table; the hole is given up then.
func TestBuffered(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{MaxBuffered: 1000, MaxBufferedTotal: 1 << 20}, r)
	feed(table, 1, step{flags: data, seq: 1000, data: "a"})
	r.take()
	// Segments of one byte count for what they take: the tenth or so is too many.
	for i := range uint32(20) {
		feed(table, uint64(2+i), step{flags: data, seq: 1010 + 2*i, data: "x"})
		if got := table.Stats().Buffered; got > 1000 {
			t.Fatalf("%d bytes are waiting", got)
		}
	}
	got := r.take()
	if len(got) < 2 || got[0] != "> gap 9" || got[1] != `> "x" of 2` || table.Stats().BufferFull == 0 {
		t.Errorf("got %v, %+v", got, table.Stats())
	}

	table = New(Config{MaxBufferedTotal: 2000}, r)
	for port := range uint16(100) {
		for _, seq := range []uint32{1000, 2000} {
			p := step{flags: data, seq: seq, data: "x"}.packet()
			p.SrcPort = 10_000 + port
			table.Packet(p, 1, start, 60)
		}
		if got := table.Stats().Buffered; got > 2000 {
			t.Fatalf("%d bytes are waiting in all", got)
		}
	}
	if table.Stats().BufferFull == 0 {
		t.Error("the total was never used up")
	}
}

// TestTails: the bytes kept for comparison are bounded; without room conflicts go unseen, and that is counted.
func TestTails(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{Tail: 256, MaxTailTotal: 1024}, r)
	for port := range uint16(20) {
		p := step{flags: data, seq: 1000, data: strings.Repeat("x", 300)}.packet()
		p.SrcPort = 10_000 + port
		table.Packet(p, 1, start, 60)
	}
	if s := table.Stats(); s.Tails > 1024 || s.Tails < 512 || s.TailsRefused == 0 {
		t.Errorf("%d bytes kept, %d refused", s.Tails, s.TailsRefused)
	}
	table.Close()
	if s := table.Stats(); s.Tails != 0 {
		t.Errorf("%d bytes kept after the end", s.Tails)
	}
}

// TestEviction: a scan pushes out scans, not conversations; among equals the longest idle goes.
func TestEviction(t *testing.T) {
	r := &recorder{t: t}
	table := New(Config{MaxConversations: 4}, r)
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }
	talk := func(n int, port uint16, payload string) {
		table.Packet(udp(fmt.Sprintf("10.0.0.1:%d", port), "10.0.0.2:502", payload), uint64(n), at(n), 60)
	}
	talk(1, 1001, "a")
	talk(2, 1002, "b")
	talk(3, 1003, "")
	talk(4, 1004, "")
	talk(5, 1003, "") // now 1004 is the longest idle without payload
	r.take()
	talk(6, 1006, "")
	expect(t, r, "close evicted", "open 6")
	if port := r.all[3].A.Port; r.open[r.all[3]] {
		t.Errorf("port %d is still there", port)
	}
	for n := 7; n < 100; n++ {
		talk(n, uint16(2000+n), "")
	}
	if !r.open[r.all[0]] || !r.open[r.all[1]] {
		t.Error("a scan pushed out conversations with payload")
	}
	for n := 100; n < 103; n++ {
		talk(n, uint16(2000+n), "x")
	}
	if r.open[r.all[0]] || !r.open[r.all[1]] {
		t.Error("not the longest idle went")
	}
	if s := table.Stats(); s.Conversations != 4 || s.Evicted != s.Opened-4 {
		t.Errorf("%+v", s)
	}
}

// TestNoAllocation: a packet of a conversation that is in order costs no allocation.
func TestNoAllocation(t *testing.T) {
	table := New(Config{}, discard{})
	p := step{flags: data, seq: 1, ack: 1, data: strings.Repeat("x", 100)}.packet()
	back := step{back: true, flags: data, seq: 1, data: strings.Repeat("y", 200)}.packet()
	datagram := udp("10.0.0.1:1", "10.0.0.2:2", "hello")
	frame := uint64(0)
	round := func() {
		frame++
		at := start.Add(time.Duration(frame) * time.Millisecond)
		table.Packet(p, frame, at, 154)
		p.Seq += 100
		back.Ack = p.Seq
		table.Packet(back, frame, at, 254)
		back.Seq += 200
		p.Ack = back.Seq
		table.Packet(datagram, frame, at, 60)
		table.Advance(at)
	}
	for range 100 {
		round() // until the tails have grown
	}
	if n := testing.AllocsPerRun(1000, round); n != 0 {
		t.Errorf("%v allocations for three packets", n)
	}
	if s := table.Stats(); s.OutOfOrder != 0 || s.Gaps != 0 || s.Opened != 2 {
		t.Errorf("that was not in order: %+v", s)
	}
}

type discard struct{}

func (discard) Open(*Conversation)                                           {}
func (discard) Data(*Conversation, Direction, []byte, uint64, time.Time)     {}
func (discard) Cut(*Conversation, Direction, []byte, int, uint64, time.Time) {}
func (discard) Gap(*Conversation, Direction, int)                            {}
func (discard) Overlap(*Conversation, Direction, uint64, time.Time)          {}
func (discard) Close(*Conversation, Reason)                                  {}

func BenchmarkPacket(b *testing.B) {
	table := New(Config{}, discard{})
	p := step{flags: data, seq: 1, ack: 1, data: strings.Repeat("x", 100)}.packet()
	at := start
	for b.Loop() {
		p.Seq += 100
		table.Packet(p, 1, at, 154)
	}
}
