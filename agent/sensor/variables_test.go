package sensor

import (
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/process"
)

const fixtures = "../../scripts/lab/fixtures"

func replayAttack(t *testing.T, dir string, workers int) map[string]process.Variable {
	t.Helper()
	result, err := Replay(t.Context(), Config{
		Site: "Plant1", StateDir: dir, Captures: []string{filepath.Join(fixtures, "plant-attack.pcap.gz")}, Workers: workers,
		LearnUntil: time.Date(2026, 11, 23, 15, 45, 10, 0, time.UTC), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]process.Variable)
	for _, v := range result.Variables {
		all[v.IP+" "+v.Object] = v
	}
	return all
}

// TestVariablesOfThePlant holds what the laptop wrote, step by step of the recording's timeline, against the variables.
func TestVariablesOfThePlant(t *testing.T) {
	dir := t.TempDir()
	all := replayAttack(t, dir, 2)
	const laptop = "10.20.30.66"
	writes := map[string]string{ // by variable: before and after each write of the laptop, in order
		"10.20.10.11 holding-register 0 unit 1":  "320→85 written, 85→82 written",
		"10.20.10.11 holding-register 1 unit 1":  "620→980 written",
		"10.20.10.12 holding-register 0 unit 1":  "180→255 written, 255→258 written",
		"10.20.10.12 holding-register 1 unit 1":  "350→900 written",
		"10.20.10.13 holding-register 0 unit 1":  "420→515 written, 515→518 written",
		"10.20.10.13 holding-register 1 unit 1":  "540→970 written",
		"10.20.20.30 ns=1;s=HighLift.Setpoint":   "4.2→5.9 written",
		"10.20.10.14 holding-register 0 unit 1":  "2302→2302 written",
		"10.20.20.30 ns=1;s=HighLift.Pressure":   "",
		"10.20.10.13 holding-register 8 unit 1":  "",
		"10.20.10.11 holding-register 20 unit 1": "absent",
	}
	for name, want := range writes {
		v, known := all[name]
		if !known {
			if want != "absent" {
				t.Errorf("there is no %s", name)
			}
			continue
		}
		var got []string
		for _, c := range v.History {
			if c.By == laptop {
				got = append(got, c.Before.String()+"→"+c.Value.String()+" "+c.How)
			}
		}
		if diff := cmp.Diff(want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if wrote := v.LastWriter == laptop; wrote != (want != "") {
			t.Errorf("%s was written last by %q", name, v.LastWriter)
		}
		learnt := v.Envelope != nil // nobody polls the meter's holding registers
		if want != "" && (learnt && v.Outside == 0 || v.LastWrite.Device == "") {
			t.Errorf("%s: %d values outside %+v, written by device %q", name, v.Outside, v.Envelope, v.LastWrite.Device)
		}
	}
	for name, want := range map[string]string{
		"10.20.10.21 DB1 0-3": "float32", "10.20.10.21 DB1 4-7": "float32", "10.20.10.21 DB1 12-15": "float32",
		"10.20.20.30 ns=1;s=Intake.Level": "float64", "10.20.10.11 coil 0 unit 1": "bool",
	} {
		if v := all[name]; v.Type != want || v.Guessed {
			t.Errorf("%s is %q, guessed %v, want %q", name, v.Type, v.Guessed, want)
		}
	}
	if v := all["10.20.10.11 input-register 0 unit 1"]; v.Period < 1.9 || v.Period > 2.1 || v.Stale {
		t.Errorf("an input that is polled every two seconds has the period %v, stale %v", v.Period, v.Stale)
	}
	// Replayed again with the same state, and with another number of workers, nothing is counted twice.
	if diff := cmp.Diff(all, replayAttack(t, dir, 1)); diff != "" {
		t.Error(diff)
	}
}
