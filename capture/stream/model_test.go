package stream

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/capture/packet"
	"pgregory.net/rapid"
)

// sink collects one direction's bytes, with the frame that each came from; a lost byte has frame 0.
type sink struct {
	discard
	bytes   []byte
	frames  []uint64
	overlap int
	unknown bool
}

func (s *sink) Data(_ *Conversation, d Direction, b []byte, frame uint64, _ time.Time) {
	if d != AtoB {
		return
	}
	s.bytes = append(s.bytes, b...)
	for range b {
		s.frames = append(s.frames, frame)
	}
}

func (s *sink) Cut(c *Conversation, d Direction, b []byte, n int, frame uint64, at time.Time) {
	s.Data(c, d, b, frame, at)
	s.Gap(c, d, n)
}

func (s *sink) Gap(_ *Conversation, d Direction, n int) {
	if d != AtoB {
		return
	}
	s.unknown = s.unknown || n < 0
	s.bytes = append(s.bytes, make([]byte, max(n, 0))...)
	s.frames = append(s.frames, make([]uint64, max(n, 0))...)
}

func (s *sink) Overlap(*Conversation, Direction, uint64, time.Time) { s.overlap++ }

// TestStreamModel: a stream cut anywhere, its segments overlapping, in any order, repeated and partly dropped, is
// delivered exactly: every byte that was in some segment, with the frame that had it first, and gaps for the rest.
func TestStreamModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "stream")
		isn := rapid.SampledFrom([]uint32{0, 0xffffff80, 0x7fffff80, 12345}).Draw(t, "isn")
		type cut struct{ from, to int }
		var cuts []cut
		for at := 0; at < len(stream); {
			n := rapid.IntRange(1, 40).Draw(t, "length")
			overlap := min(rapid.IntRange(0, 5).Draw(t, "overlap"), at)
			to := min(at+n, len(stream))
			cuts = append(cuts, cut{at - overlap, to})
			at = to
		}
		cuts = rapid.Permutation(cuts).Draw(t, "order")
		for range rapid.IntRange(0, 3).Draw(t, "repeated") {
			cuts = append(cuts, rapid.SampledFrom(cuts).Draw(t, "again"))
		}
		dropped := rapid.IntRange(0, len(cuts)-1).Draw(t, "dropped")
		cuts = cuts[dropped:]

		s := &sink{}
		table := New(Config{}, s)
		feed(table, 1, step{flags: syn, seq: isn}, step{back: true, flags: syn | ack, seq: 9, ack: isn + 1})
		want, frames := make([]byte, len(stream)), make([]uint64, len(stream))
		frame := uint64(3)
		for _, c := range cuts {
			feed(table, frame, step{flags: data, seq: isn + 1 + uint32(c.from), ack: 10, data: string(stream[c.from:c.to])})
			for i := c.from; i < c.to; i++ {
				if frames[i] == 0 {
					want[i], frames[i] = stream[i], frame
				}
			}
			frame++
		}
		// The end: the receiver has everything, what the sensor saw and what it did not.
		feed(table, frame,
			step{flags: fin | ack, seq: isn + 1 + uint32(len(stream)), ack: 10},
			step{back: true, flags: ack, seq: 10, ack: isn + 2 + uint32(len(stream))})
		table.Close()
		if !bytes.Equal(s.bytes, want) || s.unknown || s.overlap != 0 {
			t.Fatalf("got  %x\nwant %x\n%d overlaps", s.bytes, want, s.overlap)
		}
		for i, f := range s.frames {
			if f != frames[i] {
				t.Fatalf("byte %d came with frame %d, want %d", i, f, frames[i])
			}
		}
		if st := table.Stats(); st.Strays != 0 || st.Resyncs != 0 || st.BufferFull != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// TestCutModel: where the capture kept only the beginning of each segment, all beginnings are delivered in their places,
// in whatever order they come and whether or not anybody acknowledges them.
func TestCutModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "stream")
		kept := rapid.IntRange(1, 30).Draw(t, "kept")
		want := make([]byte, len(stream))
		var steps []step
		for at := 0; at < len(stream); {
			to := min(at+rapid.IntRange(1, 60).Draw(t, "length"), len(stream))
			n := copy(want[at:to], stream[at:min(to, at+kept)])
			steps = append(steps, step{flags: data, seq: 101 + uint32(at), ack: 501, data: string(stream[at : at+n]), missing: to - at - n, cut: at+n < to})
			if rapid.Bool().Draw(t, "twice") {
				steps = append(steps, steps[len(steps)-1])
			}
			at = to
		}
		steps = rapid.Permutation(steps).Draw(t, "order")
		s := &sink{}
		table := New(Config{}, s)
		feed(table, 1, handshake...)
		feed(table, 4, steps...)
		if table.Close(); s.unknown || s.overlap != 0 || !bytes.Equal(s.bytes, want) {
			t.Fatalf("%d overlaps\ngot  %x\nwant %x", s.overlap, s.bytes, want)
		}
	})
}

// TestAcknowledgedModel: wherever the receiver acknowledges, and however the mirror disturbs the order, what is
// delivered and what is lost add up to the stream, each byte in its place.
func TestAcknowledgedModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stream := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "stream")
		var steps []step
		for at := 0; at < len(stream); {
			to := min(at+rapid.IntRange(1, 30).Draw(t, "length"), len(stream))
			if rapid.IntRange(0, 9).Draw(t, "lost") > 0 {
				steps = append(steps, step{flags: data, seq: 101 + uint32(at), ack: 501, data: string(stream[at:to])})
			}
			if rapid.Bool().Draw(t, "acknowledge") {
				steps = append(steps, step{back: true, flags: ack, seq: 501, ack: 101 + uint32(to)})
			}
			at = to
		}
		for range rapid.IntRange(0, 5).Draw(t, "swaps") {
			if len(steps) > 1 {
				i := rapid.IntRange(1, len(steps)-1).Draw(t, "swap")
				steps[i-1], steps[i] = steps[i], steps[i-1]
			}
		}
		steps = append(steps, step{flags: fin | ack, seq: 101 + uint32(len(stream)), ack: 501},
			step{back: true, flags: ack, seq: 501, ack: 102 + uint32(len(stream))})
		s := &sink{}
		table := New(Config{}, s)
		feed(table, 1, handshake...)
		feed(table, 4, steps...)
		table.Close()
		if len(s.bytes) != len(stream) || s.unknown || s.overlap != 0 {
			t.Fatalf("%d bytes, %d overlaps; the stream has %d", len(s.bytes), s.overlap, len(stream))
		}
		for i, f := range s.frames {
			if f != 0 && s.bytes[i] != stream[i] {
				t.Fatalf("byte %d is %#x, want %#x", i, s.bytes[i], stream[i])
			}
		}
	})
}

// TestConflictModel: of bytes that come in two versions the first is delivered, and the conflict is told if and only if
// there is one within the tail or what waits.
func TestConflictModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		versions := [2][]byte{bytes.Repeat([]byte("a"), 60), bytes.Repeat([]byte("a"), 60)}
		for range rapid.IntRange(0, 2).Draw(t, "differences") {
			versions[1][rapid.IntRange(0, 59).Draw(t, "where")] = 'b'
		}
		want := make([]byte, 60)
		conflicts := 0
		s := &sink{}
		table := New(Config{}, s)
		feed(table, 1, handshake...)
		for range rapid.IntRange(1, 12).Draw(t, "segments") {
			from := rapid.IntRange(0, 58).Draw(t, "from")
			to := min(from+rapid.IntRange(2, 20).Draw(t, "length"), 60)
			b := versions[rapid.IntRange(0, 1).Draw(t, "version")][from:to]
			differs := false
			for i, x := range b {
				if want[from+i] == 0 {
					want[from+i] = x
				}
				differs = differs || want[from+i] != x
			}
			if differs {
				conflicts++
			}
			feed(table, 4, step{flags: data, seq: 101 + uint32(from), ack: 501, data: string(b)})
		}
		table.Close()
		if got := bytes.TrimRight(want, "\x00"); !bytes.Equal(s.bytes, got) || s.overlap != conflicts {
			t.Fatalf("got %q with %d overlaps\nwant %q with %d", s.bytes, s.overlap, got, conflicts)
		}
	})
}

// TestTailModel: the ring compares like the plain bytes that went through it, as far as it holds them.
func TestTailModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 256
		var ring tail
		var all []byte // since the last forget
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "forget") == 0 {
				ring.forget()
				all = all[:0]
			}
			b := make([]byte, rapid.IntRange(0, 400).Draw(t, "bytes"))
			for i := range b {
				b[i] = byte((len(all) + i) * 167 >> 3)
			}
			ring.add(b, limit, 1<<20)
			all = append(all, b...)
			if held := min(len(all), limit); ring.n != held || len(ring.buf) > limit {
				t.Fatalf("%d bytes held of %d, in %d", ring.n, len(all), len(ring.buf))
			}
			back := rapid.IntRange(1, 500).Draw(t, "back")
			probe := make([]byte, rapid.IntRange(0, back).Draw(t, "length"))
			want := true
			for i := range probe {
				if at := len(all) - back + i; at >= 0 {
					probe[i] = all[at]
				}
			}
			if i := rapid.IntRange(-1, len(probe)-1).Draw(t, "change"); i >= 0 {
				probe[i] ^= 1
				want = back-i > ring.n // beyond what is held nothing differs
			}
			if got := ring.match(back, probe); got != want {
				t.Fatalf("match(%d, %d bytes) is %v, want %v; %d held", back, len(probe), got, want, ring.n)
			}
		}
	})
}

// script turns fuzzed bytes into packets, eight bytes each, of a few hosts; times never go back.
func script(b []byte, each func(p *packet.Packet, frame uint64, at time.Time)) {
	at := start
	for frame := uint64(1); len(b) >= 8 && frame <= 4000; frame++ {
		op := b[:8]
		b = b[8:]
		s := step{
			back: op[0]&1 != 0, flags: packet.TCPFlags(op[1]), data: string(b[:min(len(b), int(op[5]&0x3f))]),
			seq: uint32(int32(int16(binary.BigEndian.Uint16(op[2:])))), ack: uint32(int32(int8(op[4]))) << (op[0] >> 6 * 4),
		}
		p := s.packet()
		if op[0]&2 != 0 {
			p.SrcPort, p.DstPort = p.SrcPort+1, p.DstPort+1
		}
		if op[0]&4 != 0 {
			p.Proto = packet.ProtoUDP
		}
		if op[0]&8 != 0 {
			p.Seq <<= 12
		}
		if op[0]&16 != 0 {
			p.Truncated, p.Missing, p.Cut = true, int(op[6]), op[0]&32 != 0 && op[6] > 0
		}
		at = at.Add(time.Duration(op[7]) * time.Duration(op[7]) * time.Second / 8)
		each(p, frame, at)
	}
}

// FuzzTable: whatever is sent, conversations open before and close after everything that is told of them, the bounds
// hold, and sweeping changes nothing but when a conversation is closed.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\x00\x02\x00\x64\x00\x00\x00\x00" + "\x01\x12\x01\xf4\x65\x00\x00\x00" + "\x00\x18\x00\x65\x00\x05\x00\x00hello world, hello world"))
	f.Add([]byte("\x08\x18\x00\x65\x00\x3f\x00\x00" + "\x18\x18\x00\x01\x7f\x3f\xff\x10" + "\x41\x14\x00\x65\x10\x00\x00\xff" + "\x04\x00\x00\x00\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		run := func(config Config, sweep bool) *recorder {
			r := &recorder{t: t, by: make(map[uint64][]string)}
			table := New(config, r)
			config = table.config
			script(b, func(p *packet.Packet, frame uint64, at time.Time) {
				if sweep {
					table.Advance(at)
				}
				table.Packet(p, frame, at, 60)
				if s := table.Stats(); s.Buffered > config.MaxBufferedTotal || s.Tails > config.MaxTailTotal || s.Conversations > config.MaxConversations ||
					s.Buffered < 0 || s.Tails < 0 {
					t.Fatalf("bounds broken: %+v", s)
				}
			})
			table.Close()
			s := table.Stats()
			if len(r.open) != 0 || s.Buffered != 0 || s.Tails != 0 || s.Conversations != 0 ||
				s.Opened != s.Finished+s.Expired+s.Evicted+s.Ended+s.Reused {
				t.Fatalf("after the end %d are open and %+v", len(r.open), s)
			}
			return r
		}
		run(Config{MaxConversations: 3, MaxBuffered: 600, MaxBufferedTotal: 900, Tail: 256, MaxTailTotal: 1024}, false)
		plain, swept := run(Config{}, false), run(Config{}, true)
		if d := cmp.Diff(plain.by, swept.by); d != "" {
			t.Fatalf("sweeping changes what is told:\n%s", d)
		}
	})
}
