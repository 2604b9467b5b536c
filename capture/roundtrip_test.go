package capture

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"pgregory.net/rapid"
)

// packets draws records with times of a resolution and what a writer is told of them.
func packets(unit time.Duration) *rapid.Generator[[]record] {
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) record {
		data := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "data")
		return record{
			nanos: rapid.Int64Range(0, 1<<32-1).Draw(t, "seconds")*second + rapid.Int64Range(0, second-1).Draw(t, "fraction")/int64(unit)*int64(unit),
			data:  string(data),
			wire:  len(data) + rapid.IntRange(0, 2000).Draw(t, "cut"),
			link:  LinkEthernet,
		}
	}))
}

func info(r record) gopacket.CaptureInfo {
	return gopacket.CaptureInfo{Timestamp: time.Unix(0, r.nanos).UTC(), CaptureLength: len(r.data), Length: r.wire}
}

// TestRoundTrip: what another implementation writes is read as it was.
func TestRoundTrip(t *testing.T) {
	type writer interface {
		WritePacket(gopacket.CaptureInfo, []byte) error
	}
	formats := []struct {
		name string
		unit time.Duration
		open func(io.Writer) (writer, func() error, error)
	}{
		{"pcap in microseconds", time.Microsecond, func(w io.Writer) (writer, func() error, error) {
			p := pcapgo.NewWriter(w)
			return p, func() error { return nil }, p.WriteFileHeader(65535, layers.LinkTypeEthernet)
		}},
		{"pcap in nanoseconds", 1, func(w io.Writer) (writer, func() error, error) {
			p := pcapgo.NewWriterNanos(w)
			return p, func() error { return nil }, p.WriteFileHeader(65535, layers.LinkTypeEthernet)
		}},
		{"pcapng", 1, func(w io.Writer) (writer, func() error, error) {
			p, err := pcapgo.NewNgWriter(w, layers.LinkTypeEthernet)
			if err != nil {
				return nil, nil, err
			}
			return p, p.Flush, nil
		}},
	}
	for _, format := range formats {
		t.Run(format.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				want := packets(format.unit).Draw(rt, "packets")
				var out bytes.Buffer
				w, flush, err := format.open(&out)
				if err != nil {
					rt.Fatal(err)
				}
				for _, r := range want {
					if err := w.WritePacket(info(r), []byte(r.data)); err != nil {
						rt.Fatal(err)
					}
				}
				if err := flush(); err != nil {
					rt.Fatal(err)
				}
				f, err := NewReader(&out, "x", 0)
				if err != nil {
					rt.Fatal(err)
				}
				got, err := readAll(t, f)
				if err != io.EOF || !slices.Equal(got, want) {
					rt.Fatalf("%v\ngot  %v\nwant %v", err, got, want)
				}
			})
		})
	}
}

// FuzzOpen feeds anything to the reader: frames stay within bounds, and it ends in io.EOF or damage.
func FuzzOpen(f *testing.F) {
	for _, c := range slices.Concat(pcapCases, pcapngCases) {
		f.Add(unhex(f, c.hex))
	}
	f.Add(gzipped(f, unhex(f, pcapCases[0].hex)))
	f.Add(zstandard(f, unhex(f, pcapngCases[1].hex)))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := NewReader(bytes.NewReader(b), "fuzz", 0)
		if err != nil {
			return
		}
		defer file.Close()
		var fr Frame
		for n := 0; ; n++ {
			err := file.Next(&fr)
			if err != nil {
				var d *DamagedError
				if err != io.EOF && (!errors.As(err, &d) || d.Packets != uint64(n)) {
					t.Fatalf("ended with %v after %d frames", err, n)
				}
				return
			}
			if len(fr.Data) > MaxFrame || fr.WireLength < len(fr.Data) || fr.Time.Year() < 1970 || fr.Time.Year() > 9999 {
				t.Fatalf("frame of %d bytes, %d on the wire, at %v", len(fr.Data), fr.WireLength, fr.Time)
			}
			if n > 1<<20 {
				return // a compressed bomb of empty frames: it streams
			}
		}
	})
}
