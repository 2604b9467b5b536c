package sensor

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/protocols"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func alertOf(level, severity string, frames ...uint64) detect.Alert {
	a := detect.Alert{
		ID: "a", Level: level, Severity: severity, Revision: 1, Time: noon, LastTime: noon, Count: uint64(len(frames)),
		Description: level + " " + severity, Techniques: []string{"T0801"},
	}
	for _, f := range frames {
		a.Evidence = append(a.Evidence, detect.Evidence{Frame: f, Time: noon.Add(time.Duration(f) * time.Second), Level: level})
	}
	return a
}

// reopen gives the ledger that the next run begins with: the alerts as the state directory gives them back.
func reopen(t *testing.T, l *ledger) *ledger {
	t.Helper()
	var alerts []detect.Alert
	for _, a := range l.latest {
		text, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var back detect.Alert
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		alerts = append(alerts, back)
	}
	return newLedger(alerts)
}

func TestAlertsAcrossRuns(t *testing.T) {
	l := newLedger(nil)
	steps := []struct {
		name     string
		newRun   bool
		final    bool
		alert    detect.Alert
		told     bool
		level    string
		severity string
		revision uint64
		deeds    int
	}{
		{"raised", false, false, alertOf("read", "medium", 1), true, "read", "medium", 1, 1},
		{"rises", false, false, alertOf("write", "medium", 1, 2), true, "write", "medium", 2, 2},
		{"as it was", false, true, alertOf("write", "medium", 1, 2), false, "write", "medium", 2, 2},
		{"again, on its way up", true, false, alertOf("read", "medium", 1), false, "write", "medium", 2, 2},
		{"again, as it was", false, true, alertOf("write", "medium", 1, 2), false, "write", "medium", 2, 2},
		{"a firmer verdict", true, false, alertOf("write", "high", 1, 2), true, "write", "high", 3, 2},
		{"less in another capture", true, true, alertOf("contact", "low", 9), true, "write", "high", 4, 3},
		{"worse, by a weaker verdict", true, false, alertOf("control", "medium", 10), true, "control", "high", 5, 4},
	}
	for _, s := range steps {
		if s.newRun {
			l = reopen(t, l)
		}
		a := s.alert
		told := l.risen
		if s.final {
			told = l.final
		}
		if got := told(&a); got != s.told {
			t.Errorf("%s: told %v, want %v", s.name, got, s.told)
		}
		kept := l.latest["a"]
		got := []any{kept.Level, kept.Severity, kept.Revision, len(kept.Evidence)}
		if diff := cmp.Diff([]any{s.level, s.severity, s.revision, s.deeds}, got); diff != "" {
			t.Errorf("%s:\n%s", s.name, diff)
		}
	}
	if d := l.latest["a"].Description; d != "control medium"+anotherRun+"write high" {
		t.Errorf("the description is %q, want the gravest first and the other behind it", d)
	}
	// A suspicion in a later run takes nothing from a certainty.
	sure, unsure := alertOf("write", "high", 1), alertOf("write", "high", 1)
	sure.Verdict, unsure.Verdict = &detect.Verdict{State: "confirmed", Confidence: 50}, &detect.Verdict{State: "suspected", Confidence: 90}
	l = newLedger([]detect.Alert{sure})
	if l.final(&unsure) || unsure.Verdict.State != "confirmed" {
		t.Errorf("verdict %+v after a weaker one", unsure.Verdict)
	}
}

// A deed that one run saw without its answer, and another with it, is one deed, answered.
func TestAnsweredDeedIsOne(t *testing.T) {
	asked, done := alertOf("write", "high", 7).Evidence, alertOf("write", "high", 7).Evidence
	asked[0].Outcome, done[0].Outcome = protocols.OutcomeAsked, protocols.OutcomeDone
	for _, all := range [][]detect.Evidence{union(asked, done), union(done, asked)} {
		if len(all) != 1 || all[0].Outcome != protocols.OutcomeDone {
			t.Errorf("%+v, want the one deed, done", all)
		}
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	var many []uint64
	for f := range uint64(300) {
		many = append(many, f)
	}
	weak, grave := alertOf("read", "low", many...), alertOf("control", "high", 1000)
	all := union(weak.Evidence, grave.Evidence)
	if len(all) != maxEvidence || all[len(all)-1].Level != "control" {
		t.Errorf("%d deeds, the last of level %s; want %d with the gravest among them", len(all), all[len(all)-1].Level, maxEvidence)
	}
}
