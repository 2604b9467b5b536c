package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// timed is a source of empty frames at given seconds; fail, if set, is returned before io.EOF.
type timed struct {
	index  uint16
	at     []int64
	number uint64
	fail   error
	closed int
}

func (s *timed) Next(f *Frame) error {
	if len(s.at) == 0 {
		err := io.EOF
		if s.fail != nil {
			err, s.fail = s.fail, nil
		}
		return err
	}
	s.number++
	*f = Frame{Time: time.Unix(s.at[0], 0), Source: s.index, Number: s.number}
	s.at = s.at[1:]
	return nil
}

func (s *timed) Close() error { s.closed++; return nil }

type turn struct {
	at     int64
	source uint16
	number uint64
}

// TestMergeModel: whatever the times, the merge equals the obvious loop: again and again the least head.
func TestMergeModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(0, 9), 0, 8), 1, 6).Draw(t, "times")
		var sources []Source
		for i, l := range lists {
			sources = append(sources, &timed{index: uint16(i), at: slices.Clone(l)})
		}
		var want []turn
		taken := make([]int, len(lists))
		for {
			best := -1
			for i, l := range lists {
				if taken[i] < len(l) && (best < 0 || l[taken[i]] < lists[best][taken[best]]) {
					best = i
				}
			}
			if best < 0 {
				break
			}
			want = append(want, turn{lists[best][taken[best]], uint16(best), uint64(taken[best] + 1)})
			taken[best]++
		}
		m := Merge(sources...)
		var got []turn
		var f Frame
		for {
			err := m.Next(&f)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, turn{f.Time.Unix(), f.Source, f.Number})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

// TestMergeDamage: a damaged source ends alone, and is told once.
func TestMergeDamage(t *testing.T) {
	for _, early := range [][]int64{{2}, nil} {
		broken := &timed{at: early, fail: &DamagedError{Name: "b", Packets: uint64(len(early)), Err: io.ErrUnexpectedEOF}}
		good := &timed{index: 1, at: []int64{1, 3, 4}}
		m := Merge(broken, good)
		frames, damages := 0, 0
		var f Frame
		for {
			err := m.Next(&f)
			if err == io.EOF {
				break
			}
			var d *DamagedError
			switch {
			case err == nil:
				frames++
			case errors.As(err, &d):
				damages++
			default:
				t.Fatal(err)
			}
		}
		if frames != 3+len(early) || damages != 1 {
			t.Errorf("%d frames and %d damages, want %d and 1", frames, damages, 3+len(early))
		}
		if err := m.Close(); err != nil || broken.closed == 0 || good.closed == 0 {
			t.Errorf("close: %v, sources closed %d and %d times", err, broken.closed, good.closed)
		}
		if err := m.Next(&f); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	}
}

// TestNoAllocation: reading a frame costs no allocation, in either format and merged.
func TestNoAllocation(t *testing.T) {
	const n = 2000
	classic := unhex(t, pcapCases[0].hex)[:24]
	blocks := unhex(t, ngHead)
	for i := range uint32(n) {
		classic = binary.LittleEndian.AppendUint32(classic, i)
		classic = append(classic, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4)
		blocks = append(blocks, unhex(t, ngPacket)...)
	}
	open := func(b []byte) Source {
		f, err := NewReader(bytes.NewReader(b), "x", 0)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, s := range map[string]Source{
		"pcap": open(classic), "pcapng": open(blocks), "merged": Merge(open(classic), open(blocks), open(classic)),
	} {
		var f Frame
		if err := s.Next(&f); err != nil {
			t.Fatal(err)
		}
		if a := testing.AllocsPerRun(n-10, func() {
			if err := s.Next(&f); err != nil {
				t.Fatal(err)
			}
		}); a != 0 {
			t.Errorf("%s: %v allocations a frame", name, a)
		}
	}
}
