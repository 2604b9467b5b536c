package packet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var testTime = time.Unix(1_700_000_000, 0)

// datagramUDP is a UDP datagram with n bytes of payload.
func datagramUDP(n int) []byte {
	b := []byte{0xba, 0xc0, 0xba, 0xc1, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(b[4:], uint16(8+n))
	for i := range n {
		b = append(b, byte(i*7))
	}
	return b
}

// fragment is a decoded fragment of an IP payload.
func fragment(v6 bool, id uint32, off int, more bool, data []byte) *Packet {
	p := &Packet{
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2"), Proto: ProtoUDP, Payload: data,
		Fragment: Fragment{ID: id, Offset: uint16(off), More: more, Is: true},
	}
	if v6 {
		p.Src, p.Dst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	}
	return p
}

// TestDefragModel: a datagram cut anywhere, its fragments in any order and repeated, comes out whole exactly once, with
// the fragment that completes it.
func TestDefragModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := datagramUDP(rapid.IntRange(0, 400).Draw(t, "length"))
		v6 := rapid.Bool().Draw(t, "v6")
		cuts := rapid.SliceOfN(rapid.IntRange(1, len(want)/8+1), 0, 6).Draw(t, "cuts")
		ends := []int{0, len(want)}
		for _, c := range cuts {
			ends = append(ends, min(c*8, len(want)))
		}
		slices.Sort(ends)
		ends = slices.Compact(ends)
		var pieces []*Packet
		for i, end := range ends[1:] {
			pieces = append(pieces, fragment(v6, 9, ends[i], end < len(want), want[ends[i]:end]))
		}
		order := rapid.Permutation(pieces).Draw(t, "order")
		again := rapid.SliceOfN(rapid.IntRange(0, len(order)-1), 0, 3).Draw(t, "again")
		d := NewDefragmenter(DefragConfig{})
		feed := func(p Packet) bool {
			whole, err := d.Whole(&p, testTime)
			if err != nil {
				t.Fatal(err)
			}
			if !whole {
				return false
			}
			if p.Fragment.Is || p.SrcPort != 0xbac0 || p.DstPort != 0xbac1 || !bytes.Equal(p.Payload, want[8:]) {
				t.Fatalf("got %+v", p)
			}
			return true
		}
		for i, p := range order {
			if i == len(order)-1 {
				for _, j := range again { // repetitions before the last are harmless
					if j < i && feed(*order[j]) {
						t.Fatal("a repetition completed the datagram")
					}
				}
			}
			if whole := feed(*p); whole != (i == len(order)-1) {
				t.Fatalf("fragment %d of %d: whole is %v", i+1, len(order), whole)
			}
		}
		if s := d.Stats(); s.Whole != 1 || s.Overlaps != 0 || len(d.table) != 0 || d.bytes != 0 {
			t.Fatalf("%+v, %d datagrams and %d bytes left", s, len(d.table), d.bytes)
		}
	})
}

// TestDefragFirstCopyWins where fragments overlap, whichever side of the first they lie on.
func TestDefragFirstCopyWins(t *testing.T) {
	want := datagramUDP(56) // 64 bytes
	evil := bytes.Repeat([]byte{0xee}, 64)
	d := NewDefragmenter(DefragConfig{})
	steps := []*Packet{
		fragment(false, 1, 16, true, want[16:32]),
		fragment(false, 1, 8, true, slices.Concat(want[8:16], evil[:16])),  // evil from 16 on
		fragment(false, 1, 24, true, slices.Concat(evil[:8], want[32:48])), // evil from 24 to 32
		fragment(false, 1, 0, true, want[:16]),                             // the same again, partly
		fragment(false, 1, 64, true, evil[:8]),                             // beyond the end
		fragment(false, 1, 48, false, want[48:]),
	}
	for i, p := range steps {
		whole, err := d.Whole(p, testTime)
		if err != nil || whole != (i == len(steps)-1) {
			t.Fatalf("step %d: whole is %v, %v", i, whole, err)
		}
	}
	if got := steps[len(steps)-1]; !bytes.Equal(got.Payload, want[8:]) {
		t.Errorf("got  %x\nwant %x", got.Payload, want[8:])
	}
	if s := d.Stats(); s.Overlaps != 2 {
		t.Errorf("%d overlaps, want 2", s.Overlaps)
	}
}

// TestDefragLength: what the last fragment ends, nothing continues; and what follows the IPv6 header is told by the first
// fragment alone.
func TestDefragLength(t *testing.T) {
	want := datagramUDP(24) // 32 bytes
	d := NewDefragmenter(DefragConfig{})
	middle := fragment(true, 1, 8, true, want[8:16])
	middle.Proto = ProtoTCP
	last := fragment(true, 1, 16, false, want[16:])
	last.Proto = ProtoTCP
	beyond := fragment(true, 1, 24, true, append(bytes.Clone(want[24:32]), make([]byte, 16)...))
	for i, p := range []*Packet{last, beyond, middle, fragment(true, 1, 0, true, want[:8])} {
		whole, err := d.Whole(p, testTime)
		if err != nil || whole != (i == 3) {
			t.Fatalf("step %d: whole is %v, %v", i, whole, err)
		}
		if whole && (p.Proto != ProtoUDP || !bytes.Equal(p.Payload, want[8:])) {
			t.Errorf("got %+v", p)
		}
	}
	late := []*Packet{fragment(true, 2, 0, true, want[:16]), last}
	late[1].Fragment, late[1].Payload = Fragment{ID: 2, Offset: 16, Is: true}, want[16:]
	if whole, err := d.Whole(late[0], testTime); whole || err != nil {
		t.Fatalf("half a datagram: %v, %v", whole, err)
	}
	if whole, err := d.Whole(late[1], testTime); !whole || err != nil || late[1].Proto != ProtoUDP {
		t.Errorf("whole is %v, %v, protocol %d", whole, err, late[1].Proto)
	}
}

// TestDefragBounds: datagrams that never end give way by number, by bytes and by time; impossible fragments are refused.
func TestDefragBounds(t *testing.T) {
	part := make([]byte, 1000)
	t.Run("number", func(t *testing.T) {
		d := NewDefragmenter(DefragConfig{MaxDatagrams: 10})
		for id := range uint32(100) {
			d.Whole(fragment(false, id, 0, true, part), testTime)
		}
		if s := d.Stats(); len(d.table) != 10 || s.Evicted != 90 {
			t.Errorf("%d kept, %d evicted", len(d.table), s.Evicted)
		}
	})
	t.Run("bytes", func(t *testing.T) {
		d := NewDefragmenter(DefragConfig{MaxBytes: 10_000})
		for id := range uint32(100) {
			for off := range 3 {
				d.Whole(fragment(true, id, 4000*off, true, part), testTime)
			}
		}
		if s := d.Stats(); d.bytes > 10_000 || d.bytes < 5_000 || s.Evicted == 0 {
			t.Errorf("%d bytes kept, %d evicted", d.bytes, s.Evicted)
		}
	})
	t.Run("time", func(t *testing.T) {
		d := NewDefragmenter(DefragConfig{Timeout: time.Second})
		d.Whole(fragment(false, 1, 0, true, datagramUDP(8)), testTime)
		whole, _ := d.Whole(fragment(false, 1, 16, false, part[:8]), testTime.Add(2*time.Second))
		if s := d.Stats(); whole || s.Expired != 1 {
			t.Errorf("whole %v after the time was over, %+v", whole, s)
		}
	})
	t.Run("refused", func(t *testing.T) {
		d := NewDefragmenter(DefragConfig{})
		d.Whole(fragment(false, 1, 65528, false, part), testTime) // beyond 65535
		d.Whole(fragment(false, 1, 0, true, part[:7]), testTime)  // not the last, and not 8 bytes
		d.Whole(fragment(false, 1, 8, false, nil), testTime)      // nothing
		if s := d.Stats(); s.Refused != 3 || len(d.table) != 0 {
			t.Errorf("%+v and %d kept", s, len(d.table))
		}
	})
}

// TestDefragTunnel: a fragmented tunnel whose inner packet is a fragment too.
func TestDefragTunnel(t *testing.T) {
	inner := datagramUDP(24) // 32 bytes, in two inner fragments
	innerIP := func(off int, more bool, data []byte) []byte {
		b := unhex(t, "4500 0000 0005 0000 40 11 0000 0a000001 0a000002")
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(data)))
		frag := uint16(off / 8)
		if more {
			frag |= 0x2000
		}
		binary.BigEndian.PutUint16(b[6:], frag)
		return append(b, data...)
	}
	d := NewDefragmenter(DefragConfig{})
	var last *Packet
	for i, in := range [][]byte{innerIP(0, true, inner[:16]), innerIP(16, false, inner[16:])} {
		for j, part := range [][]byte{in[:16], in[16:]} {
			last = fragment(false, uint32(i), 16*j, j == 0, part)
			last.Proto, last.Src, last.Dst = 4, netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("192.168.0.2")
			whole, err := d.Whole(last, testTime)
			if err != nil || whole != (i == 1 && j == 1) {
				t.Fatalf("outer %d, part %d: whole is %v, %v", i, j, whole, err)
			}
		}
	}
	if last.Src != netip.MustParseAddr("10.0.0.1") || last.SrcPort != 0xbac0 || !bytes.Equal(last.Payload, inner[8:]) {
		t.Errorf("got %+v", last)
	}
}

// TestHash: everything between two hosts stays together, and different pairs spread.
func TestHash(t *testing.T) {
	together := []string{
		ethTCP,
		macs + "0800 4500 001c 0007 2000 40 06 0000 0a000001 0a000002 c000 01f6 00000064",                                                       // a fragment
		macs + "8100 000a 0800 4500 001c 0007 0000 40 11 0000 0a000002 0a000001 0035 0036 0008 0000",                                            // the other way, another protocol
		outer("2f") + "1000 88be 00000001 1017 0001 00000000" + ethTCP,                                                                          // mirrored
		macs + "0800 4500 0038 0001 0000 40 01 0000 ac100001 0a000001 03 01 0000 00000000" + "4500 0020 0001 0000 40 11 0000 0a000001 0a000002", // a router's error about them
	}
	want := Hash(1, unhex(t, together[0]))
	for _, h := range together {
		if got := Hash(1, unhex(t, h)); got != want {
			t.Errorf("%s hashes to %#x, want %#x", h, got, want)
		}
	}
	frame := unhex(t, ethTCP)
	var workers [4]int
	for i := range 1000 {
		binary.BigEndian.PutUint16(frame[14+14:], uint16(i)) // 10.0.x.x to 10.0.0.2
		workers[Hash(1, frame)%4]++
	}
	for w, n := range workers {
		if n < 150 || n > 350 {
			t.Errorf("worker %d gets %d of 1000 pairs", w, n)
		}
	}
	if a, b := Hash(1, unhex(t, macs+"8892 fefe")), Hash(1, unhex(t, "02000000000a 02000000000b 8892 feff")); a != b {
		t.Errorf("without IP %#x one way, %#x the other", a, b)
	}
}
