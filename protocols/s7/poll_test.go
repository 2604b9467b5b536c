package s7

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
	"pgregory.net/rapid"
)

var addresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// drawJob and drawResults give the messages of a poll, and what may be taken for one.
func drawJob(t *rapid.T) []byte {
	fn, count := rapid.SampledFrom([]byte{fnReadVar, fnWriteVar}).Draw(t, "function"), rapid.IntRange(1, 3).Draw(t, "count")
	param, data := []byte{fn, byte(count)}, []byte(nil)
	for range count {
		spec := []byte{specification, absoluteLen, syntaxAny, 0, 0, 0, 0, rapid.SampledFrom([]byte{0, 1}).Draw(t, "block"), 0, 0, 0, 0}
		spec[3] = rapid.SampledFrom([]byte{1, 2, 4, 8, 0x1d, 0x77}).Draw(t, "type")
		spec[5] = rapid.SampledFrom([]byte{1, 2}).Draw(t, "elements")
		spec[8] = rapid.SampledFrom([]byte{areaDB, areaDI, 0x83, areaTimer, 0x77}).Draw(t, "area")
		spec[11] = rapid.Byte().Draw(t, "address")
		param = append(param, spec...)
		if fn == fnWriteVar {
			data = append(data, drawResult(t, 0)...)
		}
	}
	return drawHeader(t, rosctrJob, param, nil, data)
}

func drawResults(t *rapid.T) []byte {
	fn, count := rapid.SampledFrom([]byte{fnReadVar, fnWriteVar}).Draw(t, "function"), rapid.IntRange(1, 3).Draw(t, "count")
	var data []byte
	for range count {
		code := rapid.SampledFrom([]byte{codeSuccess, codeNone, codeReserved}).Draw(t, "code")
		if fn == fnWriteVar {
			data = append(data, code)
		} else {
			data = append(data, drawResult(t, code)...)
		}
	}
	return drawHeader(t, rosctrAckData, []byte{fn, byte(count)}, []byte{0, 0}, data)
}

func drawResult(t *rapid.T, code byte) []byte {
	n := rapid.IntRange(0, 4).Draw(t, "bytes")
	b := append([]byte{code, 0x09, 0, byte(n)}, make([]byte, n)...)
	if n%2 == 1 {
		b = append(b, 0)
	}
	return b
}

func drawHeader(t *rapid.T, rosctr byte, param, fault, data []byte) []byte {
	b := []byte{idClassic, rosctr, 0, 0, 0, rapid.SampledFrom([]byte{0, 1, 2}).Draw(t, "reference")}
	b = binary.BigEndian.AppendUint16(b, uint16(len(param)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(append(append(b, fault...), param...), data...)
}

// open shows what a table has open, and how many requests it gave up.
func open(t *table) string {
	s := fmt.Sprint(t.silent)
	for _, r := range t.entries[:t.used] {
		s += fmt.Sprintf("\n%v %d %d in %d, excused %v: % x", r.asker, r.ref, r.kind, r.frame, r.excused, r.raw)
	}
	return s
}

// What is read in one go is read as the tables read it, and leaves the same behind; so is what only looks like a poll.
func TestPollsAreReadAsByTheTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quick, tables := new(conversation), new(conversation)
		for frame := range uint64(rapid.IntRange(1, 30).Draw(t, "messages")) {
			from := protocols.Side(rapid.IntRange(0, 1).Draw(t, "from"))
			b := drawJob(t)
			if from == protocols.Server {
				b = drawResults(t)
			}
			if rapid.IntRange(0, 3).Draw(t, "spoil") == 0 {
				b[rapid.IntRange(1, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
			if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
				b = b[:rapid.IntRange(1, len(b)).Draw(t, "length")]
			}
			m := protocols.Message{From: from, Bytes: b, Missing: rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "missing"), Frame: frame + 1, Transport: protocols.TransportTCP}
			got, err := quick.message(nil, &m, b)
			want, fault := tables.tabular(nil, &m, b)
			if diff := cmp.Diff(want, got, addresses); diff != "" || fmt.Sprint(err) != fmt.Sprint(fault) {
				t.Fatalf("% x from the %s: error %v, want %v\n%s", b, from, err, fault, diff)
			}
			for i := range got {
				if cap(got[i].Values.Raw) != cap(want[i].Values.Raw) {
					t.Fatalf("% x: values may be written beyond their end", b)
				}
			}
			if diff := cmp.Diff(open(&tables.asked), open(&quick.asked)); diff != "" {
				t.Fatalf("after % x from the %s is open\n%s", b, from, diff)
			}
		}
	})
}
