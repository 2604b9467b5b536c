package s7

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"pgregory.net/rapid"
)

// model is a table without reuse of memory: the requests in the order of their arrival.
type model []modelEntry

type modelEntry struct {
	asker protocols.Side
	ref   uint16
	kind  uint32
	raw   []byte
}

func (m model) find(asker protocols.Side, ref uint16) int {
	for i, e := range m {
		if e.asker == asker && e.ref == ref {
			return i
		}
	}
	return -1
}

func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var real table
		var want model
		for step := range rapid.IntRange(1, 400).Draw(t, "steps") {
			asker := protocols.Side(rapid.IntRange(0, 1).Draw(t, "asker"))
			ref := uint16(rapid.IntRange(0, 60).Draw(t, "ref"))
			kind := uint32(rapid.IntRange(4, 5).Draw(t, "kind"))
			i := want.find(asker, ref)
			if rapid.Bool().Draw(t, "put") {
				raw := fmt.Appendf(nil, "request %d", step)
				real.put(asker, ref, kind, uint64(step), raw)
				if i >= 0 {
					want = append(want[:i], want[i+1:]...)
				} else if len(want) == maxPending {
					want = want[1:]
				}
				want = append(want, modelEntry{asker, ref, kind, raw})
				continue
			}
			got := real.take(asker, ref, kind)
			if known := i >= 0 && want[i].kind == kind; (got != nil) != known {
				t.Fatalf("known %v, want %v", got != nil, known)
			} else if known {
				if !bytes.Equal(got.raw, want[i].raw) {
					t.Fatalf("request %q, want %q", got.raw, want[i].raw)
				}
				want = append(want[:i], want[i+1:]...)
			}
		}
		if real.used != len(want) || len(real.entries) > maxPending {
			t.Fatalf("%d of %d entries used, want %d", real.used, len(real.entries), len(want))
		}
	})
}

func TestTableCountsWhatItForgets(t *testing.T) {
	var real table
	for ref := range uint16(maxPending + 10) {
		real.put(protocols.Client, ref, 4, 1, make([]byte, 2*maxKept))
	}
	if real.evicted != 10 {
		t.Errorf("%d evicted, want 10", real.evicted)
	}
	if real.take(protocols.Client, 9, 4) != nil {
		t.Error("the tenth request is still there")
	}
	if got := real.take(protocols.Client, 10, 4); got == nil || len(got.raw) != maxKept {
		t.Errorf("the eleventh: %+v, want %d bytes", got, maxKept)
	}
}

// A client that walks through every data block must not fill the memory with their names.
func TestNamesAreBounded(t *testing.T) {
	var n names
	for db := range uint16(5 * maxNames) {
		it := item{syntax: syntaxAny, area: areaDB, typ: 0x02, db: db, count: 1}
		if got, want := n.variable(&it), fmt.Sprintf("DB%d", db); got != want {
			t.Fatalf("name %q, want %q", got, want)
		}
		if len(n.variables) > maxNames {
			t.Fatalf("%d names kept", len(n.variables))
		}
	}
	if n.resets != 4 {
		t.Errorf("%d resets, want 4", n.resets)
	}
}
