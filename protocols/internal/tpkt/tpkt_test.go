package tpkt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLength(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		want  int
	}{
		{"nothing yet", "", 0},
		{"three bytes of the header", "03 00 00", 0},
		{"a header", "03 00 00 16", 22},
		{"the reserved byte is not looked at", "03 7f 00 16", 22},
		{"the longest packet", "03 00 ff ff", 65535},
		{"shorter than its own header", "03 00 00 03", -1},
		{"version 4", "04", -1},
	} {
		if got := Length(unhex(t, c.bytes)); got != c.want {
			t.Errorf("%s: length %d, want %d", c.name, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		want  PDU
	}{
		{
			"connection request with TSAPs and size",
			"03000016 11 e0 0000 0001 00  c0 01 0a  c1 02 0100  c2 02 0102",
			PDU{Type: CR, SrcRef: 1, Size: 1024, SrcTSAP: []byte{1, 0}, DstTSAP: []byte{1, 2}},
		},
		{
			"connection confirm of class 2",
			"0300000b 06 d0 0001 0044 20",
			PDU{Type: CC, DstRef: 1, SrcRef: 0x44, Class: 2},
		},
		{
			"a size that no class has",
			"0300000e 09 e0 0000 0001 00  c0 01 ff",
			PDU{Type: CR, SrcRef: 1},
		},
		{
			"an RDP cookie where parameters belong",
			"03000012 0d e0 0000 0000 00  43 6f 6f 6b 69 65 3a",
			PDU{Type: CR, Strange: true},
		},
		{
			"a parameter that goes beyond the header",
			"0300000e 09 e0 0000 0000 00  c1 10 01",
			PDU{Type: CR, Strange: true},
		},
		{"the last data", "03000009 02 f0 80 32 01", PDU{Type: DT, Last: true, Payload: []byte{0x32, 1}}},
		{"data without data", "03000007 02 f0 00", PDU{Type: DT, Payload: []byte{}}},
		{
			"data of a higher class",
			"0300000a 04 f0 0044 85 32",
			PDU{Type: DT, DstRef: 0x44, Last: true, Number: 5, Payload: []byte{0x32}},
		},
		{"disconnect request", "0300000b 06 80 0001 0044 02", PDU{Type: DR, DstRef: 1, SrcRef: 0x44, Reason: 2}},
		{"disconnect confirm", "0300000a 05 c0 0001 0044", PDU{Type: DC, DstRef: 1, SrcRef: 0x44}},
		{"error", "03000009 04 70 0001 03", PDU{Type: ER, DstRef: 1, Reason: 3}},
		{"acknowledgement", "03000009 04 60 0001 03", PDU{Type: AK, DstRef: 1}},
	} {
		got, err := Parse(unhex(t, c.bytes))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got.Type != c.want.Type || got.Last != c.want.Last || got.Number != c.want.Number ||
			got.DstRef != c.want.DstRef || got.SrcRef != c.want.SrcRef || got.Class != c.want.Class ||
			got.Reason != c.want.Reason || got.Size != c.want.Size || got.Strange != c.want.Strange ||
			!bytes.Equal(got.SrcTSAP, c.want.SrcTSAP) || !bytes.Equal(got.DstTSAP, c.want.DstTSAP) ||
			!bytes.Equal(got.Payload, c.want.Payload) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":                    "",
		"a packet that is a header":  "03000004",
		"no code":                    "03000005 01",
		"a header beyond the packet": "03000007 05 f0 80",
		"a header of 255 bytes":      "03000007 ff f0 80",
		"a header without bytes":     "03000007 00 f0 80",
		"an unknown code":            "03000007 02 30 80",
		"half a connection request":  "03000009 04 e0 0000 00",
		"data without its number":    "03000006 01 f0",
	} {
		if p, err := Parse(unhex(t, text)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v and %+v, want ErrMalformed", name, err, p)
		}
	}
}

// A stop that was cut into two fragments once went unseen by a well-known parser.
func TestReassemblerJoinsFragments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Reassembler
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			want := rapid.SliceOfN(rapid.Byte(), 1, 9000).Draw(t, "message")
			rest := want
			for {
				n := rapid.IntRange(0, len(rest)).Draw(t, "piece")
				last := n == len(rest) && rapid.Bool().Draw(t, "last")
				got, whole, err := r.Add(PDU{Type: DT, Last: last, Payload: rest[:n]})
				rest = rest[n:]
				if err != nil || whole != last {
					t.Fatalf("whole %v, error %v after a fragment with last %v", whole, err, last)
				}
				if last {
					if !bytes.Equal(got, want) {
						t.Fatalf("joined %d bytes, want %d", len(got), len(want))
					}
					break
				}
			}
		}
		if r.Pending() != 0 || r.Dropped() != 0 {
			t.Fatalf("%d bytes pending, %d messages dropped", r.Pending(), r.Dropped())
		}
	})
}

func TestReassemblerBoundsFragmentsThatNeverEnd(t *testing.T) {
	var r Reassembler
	faults := 0
	for range 1000 {
		if _, whole, err := r.Add(PDU{Type: DT, Payload: make([]byte, 1000)}); whole {
			t.Fatal("a message without an end is whole")
		} else if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatalf("error %v, want ErrMalformed", err)
			}
			faults++
		}
		if r.Pending() > MaxMessage {
			t.Fatalf("%d bytes pending", r.Pending())
		}
	}
	if faults != 1 || r.Dropped() != 1 {
		t.Errorf("%d faults told and %d messages counted, want one each", faults, r.Dropped())
	}
	if _, whole, err := r.Add(PDU{Type: DT, Last: true, Payload: []byte{1}}); whole || err != nil {
		t.Errorf("the end of the dropped message: whole %v, error %v", whole, err)
	}
	if got, whole, _ := r.Add(PDU{Type: DT, Last: true, Payload: []byte{2}}); !whole || !bytes.Equal(got, []byte{2}) {
		t.Errorf("the next message: whole %v, %x", whole, got)
	}
}

func TestReassemblerGap(t *testing.T) {
	var r Reassembler
	r.Add(PDU{Type: DT, Payload: []byte{1, 2}})
	r.Gap()
	if got, whole, _ := r.Add(PDU{Type: DT, Last: true, Payload: []byte{3}}); !whole || !bytes.Equal(got, []byte{3}) {
		t.Errorf("after a gap: whole %v, %x", whole, got)
	}
	if r.Dropped() != 1 {
		t.Errorf("%d messages counted, want 1", r.Dropped())
	}
}

// Of a message in fragments that the capture cut, what is before the first hole is given; what is behind it does not pass
// for its continuation, and the next message is whole again.
func TestReassemblerCut(t *testing.T) {
	var r Reassembler
	add := func(p PDU) (string, int) {
		b, whole, err := r.Add(p)
		if err != nil || whole != p.Last {
			t.Fatalf("whole is %v, %v", whole, err)
		}
		return string(b), r.Missing()
	}
	add(PDU{Payload: []byte("ab")})
	add(PDU{Payload: []byte("cd"), Missing: 3})
	add(PDU{Payload: []byte("ef")})
	if b, missing := add(PDU{Payload: []byte("gh"), Missing: 1, Last: true}); b != "abcd" || missing != 3+2+2+1 {
		t.Errorf("%q with %d bytes missing", b, missing)
	}
	add(PDU{Missing: 4})
	if _, ok := r.Whole([]byte("\x03\x00\x00\x08\x02\xf0\x80x")); ok {
		t.Error("the end of a message in progress passes for a whole one")
	}
	if b, missing := add(PDU{Payload: []byte("x"), Last: true}); b != "" || missing != 5 {
		t.Errorf("%q with %d bytes missing", b, missing)
	}
	if b, missing := add(PDU{Payload: []byte("ab"), Last: true}); b != "ab" || missing != 0 {
		t.Errorf("%q with %d bytes missing", b, missing)
	}
}

func TestReassemblerCopiesOnlyFragments(t *testing.T) {
	var r Reassembler
	p := PDU{Type: DT, Last: true, Payload: []byte{1, 2, 3}}
	if n := testing.AllocsPerRun(100, func() { r.Add(p) }); n != 0 {
		t.Errorf("%v allocations for a message in one piece", n)
	}
}

// The short way must give what the long one gives, wherever it may be taken: and it must be taken for what is common.
func TestWholeIsParseAndAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var short, long Reassembler
		for range rapid.IntRange(1, 20).Draw(t, "packets") {
			header := rapid.SampledFrom([]string{"\x02\xf0\x80", "\x02\xf0\x00", "\x02\xf1\x85", "\x04\xf0\x00\x01\x80", "\x02\x10\x80", "\x06\xe0"}).Draw(t, "header")
			rest := rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(t, "rest")
			packet := append([]byte{version, 0, 0, byte(headerLen + len(header) + len(rest))}, header...)
			packet = append(packet, rest...)
			if rapid.Bool().Draw(t, "cut") {
				packet = packet[:rapid.IntRange(0, len(packet)).Draw(t, "length")]
			}
			open := long.Pending() > 0
			p, err := Parse(packet)
			var want []byte
			whole := false
			if err == nil && p.Type == DT {
				want, whole, _ = long.Add(p)
			}
			got, ok := short.Whole(packet)
			if ok && (!whole || !bytes.Equal(got, want)) {
				t.Fatalf("% x: %q, want %q, whole %v", packet, got, want, whole)
			}
			if common := len(packet) > headerLen && packet[headerLen] == 2; !ok && whole && common && !open {
				t.Fatalf("% x is whole, and passed over", packet)
			}
			if !ok && err == nil && p.Type == DT {
				short.Add(p)
			}
			if short.Pending() != long.Pending() {
				t.Fatalf("% x: %d bytes wait, want %d", packet, short.Pending(), long.Pending())
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(unhex(f, "03000016 11 e0 0000 0001 00  c0 01 0a  c1 02 0100  c2 02 0102"))
	f.Add(unhex(f, "03000009 02 f0 80 32 01"))
	f.Add(unhex(f, "0300000b 06 80 0001 0044 02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse(b)
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("error %v", err)
		}
		if len(p.Payload)+len(p.SrcTSAP)+len(p.DstTSAP) > len(b) {
			t.Fatalf("%d bytes give %+v", len(b), p)
		}
	})
}
