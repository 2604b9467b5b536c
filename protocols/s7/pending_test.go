package s7

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"pgregory.net/rapid"
)

// model is a table without reuse of memory: the requests in the order of their arrival.
type model struct {
	entries []modelEntry
	puts    int
	silent  uint64
}

type modelEntry struct {
	asker   protocols.Side
	ref     uint16
	kind    uint32
	raw     []byte
	at      int // number of puts so far
	excused bool
}

func (m *model) find(asker protocols.Side, ref uint16) int {
	return slices.IndexFunc(m.entries, func(e modelEntry) bool { return e.asker == asker && e.ref == ref })
}

func (m *model) giveUp(i int) {
	if !m.entries[i].excused {
		m.silent++
	}
	m.entries = slices.Delete(m.entries, i, i+1)
}

func (m *model) put(e modelEntry) {
	if i := m.find(e.asker, e.ref); i >= 0 {
		m.giveUp(i)
	} else if len(m.entries) == maxPending {
		m.giveUp(0)
	}
	m.puts++
	e.at = m.puts
	m.entries = append(m.entries, e)
}

// take gives the bytes of the request that is answered, and gives up those that the answer passed over.
func (m *model) take(asker protocols.Side, ref uint16, kind uint32) []byte {
	i := m.find(asker, ref)
	if i < 0 || m.entries[i].kind != kind {
		return nil
	}
	answered := m.entries[i]
	m.entries = slices.Delete(m.entries, i, i+1)
	for len(m.entries) > 0 {
		late := func(e modelEntry) bool { return e.asker == asker && answered.at-e.at >= maxPending }
		if i = slices.IndexFunc(m.entries, late); i < 0 {
			break
		}
		m.giveUp(i)
	}
	return answered.raw
}

func (m *model) unanswered(ended bool) uint64 {
	for ended && len(m.entries) > 0 {
		m.giveUp(0)
	}
	n := m.silent
	m.silent = 0
	return n
}

func TestTableAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var real table
		var want model
		for step := range rapid.IntRange(1, 400).Draw(t, "steps") {
			asker := protocols.Side(rapid.IntRange(0, 1).Draw(t, "asker"))
			ref := uint16(rapid.IntRange(0, 60).Draw(t, "ref"))
			kind := uint32(rapid.IntRange(4, 5).Draw(t, "kind"))
			switch deed := rapid.IntRange(0, 40).Draw(t, "deed"); {
			case deed < 20:
				raw := fmt.Appendf(nil, "request %d", step)
				real.put(asker, ref, kind, uint64(step), raw)
				want.put(modelEntry{asker: asker, ref: ref, kind: kind, raw: raw})
			case deed < 39:
				var raw []byte
				if got := real.take(asker, ref, kind); got != nil {
					raw = got.raw
				}
				if expected := want.take(asker, ref, kind); !bytes.Equal(raw, expected) {
					t.Fatalf("request %q, want %q", raw, expected)
				}
			case deed < 40:
				real.excuse(asker)
				for i := range want.entries {
					want.entries[i].excused = want.entries[i].excused || want.entries[i].asker == asker
				}
			default:
				ended := rapid.IntRange(0, 9).Draw(t, "ended") == 9
				if got, expected := real.unanswered(ended), want.unanswered(ended); got != expected {
					t.Fatalf("%d unanswered, want %d", got, expected)
				}
			}
			if real.used != len(want.entries) || len(real.entries) > maxPending {
				t.Fatalf("%d of %d entries used, want %d", real.used, len(real.entries), len(want.entries))
			}
		}
		if got, expected := real.unanswered(true), want.unanswered(true); got != expected {
			t.Fatalf("%d unanswered at the end, want %d", got, expected)
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
		if got, want := n.variable(&it, it.oneBit()), fmt.Sprintf("DB%d", db); got != want {
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
