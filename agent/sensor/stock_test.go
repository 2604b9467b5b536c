package sensor

import (
	"log/slog"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/process"
	"github.com/spanwatch/spanwatch/agent/state"
)

// TestStockInPartsIsTheWhole: however small the parts of a snapshot, together they say what one taken at once does, while
// what is known grows meanwhile.
func TestStockInPartsIsTheWhole(t *testing.T) {
	s := largeSite{40}
	analysts := make([]*analyst, 2)
	for k := range analysts {
		an, err := newAnalyst(Config{Site: "Harbour"}, nil, new(state.Resumed), nil)
		if err != nil {
			t.Fatal(err)
		}
		for round := range 3 {
			s.round(an, round)
		}
		analysts[k] = an
	}
	whole, last := analysts[0].takeStock(nil, true).part(func(*state.Snapshot) bool { return false })
	if !last || len(whole.Devices) != s.devices || len(whole.Edges) != s.devices*edgesEach || len(whole.Process) != s.devices {
		t.Fatalf("%d devices, %d edges, variables of %d", len(whole.Devices), len(whole.Edges), len(whole.Process))
	}
	var sum state.Snapshot
	stock := analysts[1].takeStock(nil, true)
	for parts := 0; ; parts++ {
		part, last := stock.part(func(*state.Snapshot) bool { return true })
		sum.Devices, sum.Edges = append(sum.Devices, part.Devices...), append(sum.Edges, part.Edges...)
		sum.Coverage, sum.Process = append(sum.Coverage, part.Coverage...), append(sum.Process, part.Process...)
		if last {
			if sum.Site, sum.Begun = part.Site, part.Begun; parts < s.devices {
				t.Errorf("%d parts", parts)
			}
			break
		}
	}
	order := gocmp.Options{
		cmpopts.SortSlices(func(a, b inventory.Device) bool { return a.ID < b.ID }),
		cmpopts.SortSlices(func(a, b graph.Edge) bool { return a.ID < b.ID }),
		cmpopts.SortSlices(func(a, b process.Saved) bool { return a.Device < b.Device }),
		cmpopts.EquateEmpty(),
	}
	if diff := gocmp.Diff(whole, sum, order); diff != "" {
		t.Error(diff)
	}
	if z := sum.Edges[0].ServerZone; z == "" || z == graph.ZoneExternal {
		t.Errorf("an edge within the site ends in zone %q", z)
	}
}

// TestStockOfWhatChanges: what goes away while a snapshot is being taken is left out, and nothing is told twice.
func TestStockOfWhatChanges(t *testing.T) {
	an, err := newAnalyst(Config{Site: "Harbour"}, nil, new(state.Resumed), nil)
	if err != nil {
		t.Fatal(err)
	}
	small, grown := largeSite{20}, largeSite{30}
	small.round(an, 0)
	stock := an.takeStock(nil, true)
	devices, edges := make(map[string]int), make(map[string]int)
	for round := 1; ; round++ {
		part, last := stock.part(func(*state.Snapshot) bool { return true })
		for k := range part.Devices {
			devices[part.Devices[k].ID]++
		}
		for k := range part.Edges {
			edges[part.Edges[k].ID]++
		}
		if last {
			break
		}
		grown.round(an, round)
	}
	for _, told := range []map[string]int{devices, edges} {
		for id, n := range told {
			if n != 1 {
				t.Errorf("%s is told %d times", id, n)
			}
		}
	}
	if len(devices) != small.devices || len(edges) < small.devices*edgesEach {
		t.Errorf("%d devices and %d edges", len(devices), len(edges))
	}
}

// TestLearningGoesOn: a restart is no new beginning of the learning time.
func TestLearningGoesOn(t *testing.T) {
	dir := t.TempDir()
	result, err := Replay(t.Context(), Config{Site: "Plant1", StateDir: dir, Captures: []string{fixtures + "/plant-normal.pcap.gz"}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := state.Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	before, err := s.Resume()
	if first := *result.Summary.PacketTimeFirst; err != nil || before.Begun.Before(first) || before.Begun.Sub(first) > time.Second {
		t.Errorf("learning began at %v, want %v: %v", before.Begun, first, err)
	}
	an, err := newAnalyst(Config{Site: "Plant1"}, nil, &before, nil)
	if err != nil {
		t.Fatal(err)
	}
	site := largeSite{20}
	site.round(an, 365*24*60*60) // months later
	edges := an.graph.Edges()
	for k := range edges {
		if edges[k].Baseline != graph.BaselineNew {
			t.Fatalf("what is first seen after the learning time is %s", edges[k].Baseline)
		}
	}
}
