package opcua

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
	"pgregory.net/rapid"
)

var addresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// drawRead gives a request for values or its answer, and what may be taken for one.
func drawRead(t *rapid.T, from protocols.Side) []byte {
	id := rapid.Uint32Range(1, 3).Draw(t, "request id")
	n := rapid.IntRange(0, 3).Draw(t, "values")
	var parts [][]byte
	if from == protocols.Client {
		parts = [][]byte{ask(readRequestID), make([]byte, 12), le32(uint32(n))}
	} else {
		parts = [][]byte{answer(readResponseID, rapid.SampledFrom([]status{0, 0, 0, 0x80010000}).Draw(t, "result")), le32(uint32(n))}
	}
	for range n {
		if from == protocols.Client {
			node := rapid.SampledFrom([][]byte{numeric(2, 7), numeric(2, 8), numeric(0, 2261)}).Draw(t, "node")
			parts = append(parts, node, le32(rapid.SampledFrom([]uint32{attributeValue, 1}).Draw(t, "attribute")), null, le16(0), null)
		} else {
			value := rapid.SampledFrom([][]byte{
				{1, byte(typeInt32), 1, 0, 0, 0}, {3, byte(typeByte), 9, 0, 0, 0x40, 0}, {2, 0, 0, 1, 0x80}, {0}, {1, byte(typeString), 1, 0, 0, 0, 'a'},
			}).Draw(t, "value")
			parts = append(parts, value)
		}
	}
	if from == protocols.Server {
		parts = append(parts, rapid.SampledFrom([][]byte{null, le32(0)}).Draw(t, "diagnostics"))
	}
	b := chunk(rapid.SampledFrom([]string{"F", "F", "F", "F", "C", "A"}).Draw(t, "chunk"), id, parts...)
	if rapid.IntRange(0, 3).Draw(t, "spoil") == 0 {
		b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
	}
	if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "length")]
	}
	return b
}

// left shows what a message leaves behind for those after it.
func left(d *conversation) string {
	s := fmt.Sprintln(d.security, d.sequence, d.user, d.pending.unanswered, d.pending.targets, len(d.partials.open))
	for _, w := range d.pending.open {
		x := w.x
		s += fmt.Sprintln(w.id, x.id, x.excused, x.frame, x.service.name, x.targets, x.told, x.rest, x.user, x.subscription)
	}
	return s
}

// What is read in one go is read as the services' own readers read it, and leaves the same behind; so is what only looks
// like a poll.
func TestPollsAreReadAsByTheServices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		quick, services := new(conversation), new(conversation)
		if rapid.Bool().Draw(t, "opened") {
			open := frame("OPNF", le32(0), str(policyPrefix+policyNone), null, null, le32(1), le32(1), ask(446),
				le32(0), le32(0), le32(1), null, le32(60000))
			for _, d := range []*conversation{quick, services} {
				if _, err := d.Dissect(nil, protocols.Message{Bytes: open, Frame: 1}); err != nil {
					t.Fatal(err)
				}
			}
		}
		for n := range uint64(rapid.IntRange(1, 30).Draw(t, "messages")) {
			from := protocols.Side(rapid.IntRange(0, 1).Draw(t, "from"))
			m := protocols.Message{From: from, Bytes: drawRead(t, from), Frame: n + 2, Transport: protocols.TransportTCP}
			m.Missing = rapid.SampledFrom([]int{0, 0, 0, 2}).Draw(t, "missing")
			got, err := quick.Dissect(nil, m)
			want, fault := services.read(nil, m)
			if diff := cmp.Diff(want, got, addresses); diff != "" || fmt.Sprint(err) != fmt.Sprint(fault) {
				t.Fatalf("% x from the %s: error %v, want %v\n%s", m.Bytes, from, err, fault, diff)
			}
			if diff := cmp.Diff(left(services), left(quick)); diff != "" {
				t.Fatalf("after % x from the %s\n%s", m.Bytes, from, diff)
			}
		}
	})
}
