package sensor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

// join saves what one run knew, and then what another did with the same state, as that is saved.
func join(t *testing.T, before, now *state.Snapshot, judged bool) {
	t.Helper()
	dir := t.TempDir()
	for _, snap := range []*state.Snapshot{before, now} {
		s, err := state.Open(dir, "Plant1")
		if err != nil {
			t.Fatal(err)
		}
		s.Join(joining(func() bool { return judged }))
		if _, err := s.Save(*snap); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALaterRunForgetsNothing(t *testing.T) {
	before := state.Snapshot{
		Devices: []inventory.Device{{
			ID: "d", Vendor: "Siemens", Model: "CPU 315", Names: []string{"PLC-1"}, IPs: []string{"10.0.0.9"}, Type: "plc", Category: "OT",
			Criticality: "high", FirstSeen: noon, LastSeen: noon.Add(time.Hour), Compromise: inventory.Compromise{State: "confirmed"},
			Facts: []inventory.Fact{{Key: "model", Value: "CPU 315", Source: "s", FirstSeen: noon, LastSeen: noon}},
		}},
		Edges: []graph.Edge{{Client: "c", Server: "d", Actions: map[string]uint64{"read": 9, "write": 1}, Packets: 30, FirstSeen: noon, LastSeen: noon}},
	}
	now := func() state.Snapshot {
		return state.Snapshot{
			Devices: []inventory.Device{{
				ID: "d", Model: "CPU 317", IPs: []string{"10.0.0.10"}, Type: "workstation", Category: "Endpoint", Criticality: "low",
				FirstSeen: noon.Add(-time.Hour), LastSeen: noon, Compromise: inventory.Compromise{State: "none"},
			}},
			Edges: []graph.Edge{{Client: "c", Server: "d", Actions: map[string]uint64{"read": 4}, Packets: 50, FirstSeen: noon, LastSeen: noon.Add(time.Hour)}},
		}
	}
	want := state.Snapshot{
		Devices: []inventory.Device{{
			ID: "d", Vendor: "Siemens", Model: "CPU 317", Names: []string{"PLC-1"}, IPs: []string{"10.0.0.10", "10.0.0.9"}, Type: "plc",
			Category: "OT", Criticality: "high", FirstSeen: noon.Add(-time.Hour), LastSeen: noon.Add(time.Hour),
			Compromise: inventory.Compromise{State: "confirmed"}, Facts: before.Devices[0].Facts,
		}},
		Edges: []graph.Edge{{
			Client: "c", Server: "d", Actions: map[string]uint64{"read": 9, "write": 1}, Packets: 50, FirstSeen: noon, LastSeen: noon.Add(time.Hour),
		}},
	}
	got := now()
	join(t, &before, &got, false)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = now()
	join(t, &before, &got, true)
	if got.Devices[0].Compromise.State != "none" {
		t.Error("a run with verdicts of its own kept a compromise of an earlier one")
	}
}

// TestTheRunThatSawItFirstJudges: what an earlier run learnt is known later, and what was new then stays new.
func TestTheRunThatSawItFirstJudges(t *testing.T) {
	edge := func(baseline string, at time.Time, objects ...graph.Object) graph.Edge {
		return graph.Edge{
			ID: "e", Client: "c", Server: "d", Actions: map[string]uint64{}, FirstSeen: at, LastSeen: at, Baseline: baseline,
			Acts: []graph.Act{{Action: "read", Count: 1, FirstSeen: at, LastSeen: at, Baseline: baseline}}, Objects: objects,
		}
	}
	for name, c := range map[string]struct{ before, now, want string }{
		"learnt before":    {graph.BaselineLearning, graph.BaselineNew, graph.BaselineKnown},
		"still learning":   {graph.BaselineLearning, graph.BaselineLearning, graph.BaselineLearning},
		"new before":       {graph.BaselineNew, graph.BaselineLearning, graph.BaselineNew},
		"approved before":  {graph.BaselineApproved, graph.BaselineNew, graph.BaselineApproved},
		"known both times": {graph.BaselineKnown, graph.BaselineKnown, graph.BaselineKnown},
	} {
		before := state.Snapshot{Edges: []graph.Edge{edge(c.before, noon, graph.Object{Action: "read", Object: "old", FirstSeen: noon, Baseline: c.before})}}
		got := state.Snapshot{Edges: []graph.Edge{edge(c.now, noon.Add(time.Hour), graph.Object{Action: "read", Object: "new", FirstSeen: noon.Add(time.Hour), Baseline: c.now})}}
		join(t, &before, &got, false)
		e := got.Edges[0]
		if e.Baseline != c.want || e.Acts[0].Baseline != c.want || !e.Acts[0].FirstSeen.Equal(noon) || len(e.Objects) != 2 || e.Objects[0].Baseline != c.now || e.Objects[1].Baseline != c.before {
			t.Errorf("%s: %+v", name, e)
		}
	}
	later := state.Snapshot{Edges: []graph.Edge{edge(graph.BaselineKnown, noon)}}
	old := state.Snapshot{Edges: []graph.Edge{edge(graph.BaselineNew, noon.Add(time.Hour))}}
	join(t, &old, &later, false)
	if got := later.Edges[0].Baseline; got != graph.BaselineKnown {
		t.Errorf("a run that saw it earlier is overruled: %s", got)
	}
}

// TestHistoryGoesOn: modes, changes and addresses of earlier runs stay.
func TestHistoryGoesOn(t *testing.T) {
	change := func(hours int, to string) inventory.Change {
		return inventory.Change{Time: noon.Add(time.Duration(hours) * time.Hour), Key: "mode", To: to}
	}
	before := state.Snapshot{Devices: []inventory.Device{{
		ID: "d", Mode: "stop", FirstSeen: noon, LastSeen: noon, Changes: []inventory.Change{change(1, "stop"), change(0, "run")},
		Addresses: []inventory.Address{{IP: "10.0.0.9", MAC: "m", FirstSeen: noon, LastSeen: noon}, {IP: "10.0.0.8", MAC: "m", FirstSeen: noon, LastSeen: noon}},
	}}}
	now := state.Snapshot{Devices: []inventory.Device{{
		ID: "d", FirstSeen: noon, LastSeen: noon, Changes: []inventory.Change{change(2, "run"), change(1, "stop")},
		Addresses: []inventory.Address{{IP: "10.0.0.9", MAC: "m", FirstSeen: noon.Add(time.Hour), LastSeen: noon.Add(time.Hour)}},
	}}}
	join(t, &before, &now, false)
	d := now.Devices[0]
	if diff := cmp.Diff([]inventory.Change{change(2, "run"), change(1, "stop"), change(0, "run")}, d.Changes); diff != "" || d.Mode != "stop" {
		t.Errorf("mode %s, changes %s", d.Mode, diff)
	}
	if len(d.Addresses) != 2 || !d.Addresses[0].FirstSeen.Equal(noon) || !d.Addresses[0].LastSeen.Equal(noon.Add(time.Hour)) {
		t.Errorf("addresses %+v", d.Addresses)
	}
}
