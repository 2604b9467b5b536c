package modbus

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
	"pgregory.net/rapid"
)

var addresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// What is read in one go is read as the tables read it, and leaves the same behind; so is what only looks like a poll.
func TestPollsAreReadAsByTheTables(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quick, tables := &dissector{}, &dissector{}
		for frame := range uint64(rapid.IntRange(1, 60).Draw(t, "messages")) {
			b := readRequest(rapid.Uint16Range(0, 2).Draw(t, "transaction"), rapid.Uint16().Draw(t, "reference"), rapid.Uint16Range(1, 18).Draw(t, "quantity"))
			from := protocols.Side(rapid.IntRange(0, 1).Draw(t, "from"))
			if from == protocols.Server {
				b = readAnswer(0, rapid.IntRange(1, 18).Draw(t, "registers"))
				b[1] = byte(rapid.IntRange(0, 2).Draw(t, "answered"))
			}
			b[7] = byte(rapid.IntRange(1, 4).Draw(t, "function"))
			if rapid.IntRange(0, 3).Draw(t, "spoil") == 0 {
				b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
			}
			if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
				b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
			}
			in := protocols.Message{From: from, Bytes: b, Missing: rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "missing"), Frame: frame/2 + 1, Transport: protocols.TransportTCP}
			got, err := quick.Dissect(nil, in)
			want, fault := tables.message(nil, &in)
			if diff := cmp.Diff(want, got, addresses); diff != "" || (err == nil) != (fault == nil) {
				t.Fatalf("% x from the %s: error %v, want %v\n%s", b, from, err, fault, diff)
			}
			if len(got) > 0 && cap(got[0].Values.Raw) != cap(want[0].Values.Raw) {
				t.Fatalf("% x: values may be written beyond their end", b)
			}
			if !slices.Equal(quick.pending.open, tables.pending.open) || !reflect.DeepEqual(quick.pending.requests, tables.pending.requests) {
				t.Fatalf("after % x from the %s %+v is pending, want %+v", b, from, quick.pending, tables.pending)
			}
		}
		if quick.Unanswered(true) != tables.Unanswered(true) {
			t.Fatal("another number of requests was left unanswered")
		}
	})
}
