package sensor

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/pipeline"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/protocols/all"
)

// known replays a capture with the lab's verdicts and gives what is known at the end.
func known(t *testing.T, path string, fold bool) state.Snapshot {
	t.Helper()
	source, err := openCaptures([]string{path}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	verdicts, err := readVerdicts("../../scripts/lab/fixtures/verdicts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	an, err := newAnalyst(Config{Site: "Plant1", Captures: []string{path}, Log: slog.New(slog.DiscardHandler)}, verdicts, new(state.Resumed),
		func(*detect.Alert) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	err = pipeline.Replay(t.Context(), source, pipeline.ReplayConfig{Config: pipeline.Config{Specs: all.Specs(), Fold: fold}, Workers: 1}, an.take)
	if err != nil {
		t.Fatal(err)
	}
	snap, err := an.finish()
	if err != nil {
		t.Fatal(err)
	}
	for i := range snap.Alerts {
		snap.Alerts[i].Revision = 0 // counts that nobody is told of twice
	}
	return snap
}

// Gathering what repeats takes nothing from what the sensor knows.
func TestGatheringChangesNothing(t *testing.T) {
	captures, _ := filepath.Glob("../../scripts/lab/fixtures/*.pcap.gz")
	if len(captures) == 0 {
		t.Fatal("the recorded plant is missing")
	}
	for _, folder := range []string{"modbus", "s7comm", "opcua", "mixed"} {
		more, _ := filepath.Glob(filepath.Join("../../../shared/pcaps", folder, "*.pcap.gz"))
		captures = append(captures, more[:min(len(more), 12)]...)
	}
	for _, path := range captures {
		if info, err := os.Stat(path); err != nil || info.Size() > 2<<20 {
			continue
		}
		each, gathered := known(t, path, false), known(t, path, true)
		for name, records := range map[string][2]any{
			"devices": {each.Devices, gathered.Devices}, "edges": {each.Edges, gathered.Edges}, "alerts": {each.Alerts, gathered.Alerts},
		} {
			a, b := text(t, records[0]), text(t, records[1])
			if diff := cmp.Diff(a, b); diff != "" {
				t.Errorf("%s: %s differ (- each event, + gathered):\n%s", filepath.Base(path), name, diff)
			}
		}
	}
}

func text(t *testing.T, records any) string {
	t.Helper()
	body, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, body, "", " "); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
