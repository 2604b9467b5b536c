package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestReadsInOrder(t *testing.T) {
	c := New([]byte{
		0x01,       // U8
		0x02, 0x03, // U16
		0x04, 0x05, 0x06, // U24
		0x07, 0x08, 0x09, 0x0a, // U32
		0x0b, 0x0c, // LE16
		0x0d, 0x0e, 0x0f, 0x10, // LE32
		0xaa, 0xbb, // Rest
	})
	got := []uint64{uint64(c.U8()), uint64(c.U16()), uint64(c.U24()), uint64(c.U32()), uint64(c.LE16()), uint64(c.LE32())}
	want := []uint64{0x01, 0x0203, 0x040506, 0x0708090a, 0x0c0b, 0x100f0e0d}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if rest := c.Rest(); !cmp.Equal(rest, []byte{0xaa, 0xbb}) || c.Failed() {
		t.Errorf("rest % x, failed %v", rest, c.Failed())
	}
}

// A failed cursor must stay failed and give zeros: a dissector checks once, at the end.
func TestFailureSticks(t *testing.T) {
	for name, length := range map[string]int{"past the end": 5, "negative": -1, "largest": int(^uint(0) >> 1)} {
		c := New([]byte{1, 2, 3, 4})
		if b := c.Bytes(length); b != nil || !c.Failed() {
			t.Errorf("%s: got % x, failed %v", name, b, c.Failed())
		}
		if c.U8() != 0 || c.Len() != 0 || c.Rest() != nil && len(c.Rest()) != 0 {
			t.Errorf("%s: reads after the failure are not zero", name)
		}
	}
}

// Whatever is asked of it, a cursor moves forward only and never past the slice.
func TestNeverLeavesTheSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
		c := New(b[:len(b):len(b)])
		last := 0
		for range rapid.IntRange(0, 20).Draw(t, "reads") {
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 0:
				c.U8()
			case 1:
				c.U16()
			case 2:
				c.LE64()
			case 3:
				c.Bytes(rapid.IntRange(-3, 50).Draw(t, "n"))
			case 4:
				c.U24()
			case 5:
				c.Peek(rapid.IntRange(-3, 50).Draw(t, "peek"))
			case 6:
				c.U64()
			}
			if c.Offset() < last || c.Offset() > len(b) {
				t.Fatalf("offset %d after %d of %d bytes", c.Offset(), last, len(b))
			}
			last = c.Offset()
		}
	})
}
