package state

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
)

func newEdges() []graph.Edge {
	return []graph.Edge{
		{ID: "e1", ClientIP: "10.0.0.1", ServerIP: "10.0.0.2", Protocol: "x", FirstSeen: at, LastSeen: at, Baseline: graph.BaselineNew},
		{ID: "e2", ClientIP: "10.0.0.1", ServerIP: "10.0.0.3", Protocol: "x", FirstSeen: at, LastSeen: at, Baseline: graph.BaselineNew},
	}
}

// TestDecisionsHoldForLaterRuns: what was decided is in what is loaded, and in what a run that goes on saves.
func TestDecisionsHoldForLaterRuns(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "Plant1", Snapshot{Edges: newEdges()})
	running, err := Open(dir, "Plant1")
	if err != nil {
		t.Fatal(err)
	}
	defer running.Close()
	baselines := func(edges []graph.Edge) (text string) {
		for _, e := range edges {
			text += e.ID + " " + e.Baseline + " "
		}
		return text
	}
	decided := func() string {
		snap := Snapshot{Edges: newEdges()}
		if err := running.Decided(&snap); err != nil {
			t.Error(err)
		}
		return baselines(snap.Edges)
	}
	if got := decided(); got != "e1 new e2 new " {
		t.Errorf("before: %s", got)
	}
	if err := Decide(dir, graph.Decision{Time: at, Who: "ann@span", What: graph.DecisionApprove, Edge: "e1", Note: "work order"}); err != nil {
		t.Fatal(err)
	}
	if got, loaded := decided(), baselines(read(t, dir).Edges); got != "e1 approved e2 new " || loaded != got {
		t.Errorf("after an approval: %s, loaded %s", got, loaded)
	}
	if err := Decide(dir, graph.Decision{Time: at.Add(time.Hour), What: graph.DecisionUnlearn, Edge: "e1"}, graph.Decision{Time: at, What: graph.DecisionApprove, Edge: "e2"}); err != nil {
		t.Fatal(err)
	}
	if got := decided(); got != "e1 new e2 approved " {
		t.Errorf("after more: %s", got)
	}
	path := filepath.Join(dir, decisionsFile)
	log, err := os.ReadFile(path)
	if err != nil || strings.Count(string(log), "\n") != 3 || !strings.Contains(string(log), `"who":"ann@span","what":"approve","edge":"e1"`) {
		t.Errorf("%v, the audit log says\n%s", err, log)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, the audit log may be read by %v", err, info.Mode())
	}
	// A log that was spoiled is refused with its line; a run goes on with what it read before.
	if err := os.WriteFile(path, append(log, "rubbish\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	snap := Snapshot{Edges: newEdges()}
	if err := running.Decided(&snap); err == nil || !strings.Contains(err.Error(), ":4 is no decision") {
		t.Errorf("error %v", err)
	}
	if got := baselines(snap.Edges); got != "e1 new e2 approved " {
		t.Errorf("with a spoiled log: %s", got)
	}
}

// TestDecisionsCutShort: half a line, as the end of a machine leaves it, is no decision, and the next one takes its place.
func TestDecisionsCutShort(t *testing.T) {
	dir := t.TempDir()
	if err := Decide(dir, graph.Decision{What: graph.DecisionApprove, Edge: "e1"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, decisionsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(whole, whole[:len(whole)/2]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := readDecisions(path); err != nil || len(all) != 1 {
		t.Errorf("%d decisions, %v", len(all), err)
	}
	if err := Decide(dir, graph.Decision{What: graph.DecisionApprove, Edge: "e2"}); err != nil {
		t.Fatal(err)
	}
	if all, err := readDecisions(path); err != nil || len(all) != 2 || all[1].Edge != "e2" {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestDecisionsOnAFullDisk: a decision for which there is no room is refused, and spoils none of those before.
func TestDecisionsOnAFullDisk(t *testing.T) {
	disk := smallDisk(t, "size=64k")
	if err := Decide(disk, graph.Decision{What: graph.DecisionApprove, Edge: "e1"}); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 64<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	long := graph.Decision{What: graph.DecisionApprove, Edge: "e2", Note: strings.Repeat("x", 10_000)}
	if err := Decide(disk, long); err == nil {
		t.Error("a full disk took a decision")
	}
	path := filepath.Join(disk, decisionsFile)
	if all, err := readDecisions(path); err != nil || len(all) != 1 {
		t.Errorf("%d decisions, %v", len(all), err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := Decide(disk, long); err != nil {
		t.Fatal(err)
	}
	if all, err := readDecisions(path); err != nil || len(all) != 2 {
		t.Errorf("with room again: %d decisions, %v", len(all), err)
	}
}
