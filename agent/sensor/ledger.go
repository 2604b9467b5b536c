package sensor

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/protocols"
)

// ledger keeps the alerts of a state directory across runs. The detector begins anew with every run; what it raised
// before neither falls nor comes back under a revision that the collector has already seen.
type ledger struct {
	earlier map[string]detect.Alert // as the runs before left them
	latest  map[string]detect.Alert // as they were told last, in this run or before
}

func newLedger(alerts []detect.Alert) *ledger {
	l := &ledger{earlier: make(map[string]detect.Alert), latest: make(map[string]detect.Alert)}
	for _, a := range alerts {
		l.earlier[a.ID], l.latest[a.ID] = a, a
	}
	return l
}

func level(a *detect.Alert) int    { return detect.LevelRank(a.Level) }
func severity(a *detect.Alert) int { return detect.SeverityRank(a.Severity) }

// risen takes an alert as the detector raises it, and reports whether it is to be told: an alert of an earlier run only
// once it is graver than it was.
func (l *ledger) risen(a *detect.Alert) bool {
	before, known := l.earlier[a.ID]
	told := l.latest[a.ID].Revision > before.Revision
	if known && !told && level(a) <= level(&before) && severity(a) <= severity(&before) {
		return false
	}
	return l.final(a)
}

// final takes an alert as it stands at the end of a run, and reports whether that is news.
func (l *ledger) final(a *detect.Alert) bool {
	if before, known := l.earlier[a.ID]; known {
		merge(a, &before)
	}
	if last, known := l.latest[a.ID]; known {
		a.Revision = last.Revision
		if same(a, &last) {
			return false
		}
		a.Revision++
	}
	l.latest[a.ID] = *a
	return true
}

// same reports whether two alerts say the same. They are compared as records: one of them may have been read back.
func same(a, b *detect.Alert) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// maxActions bounds what an alert recommends after many runs.
const maxActions = 12

// graver reports whether a says worse of what was done, or says it with more certainty, than b.
func graver(a, b *detect.Alert) bool {
	sure := func(x *detect.Alert) (confirmed, confidence int) {
		if x.Verdict == nil {
			return 0, 0
		}
		if x.Verdict.State == "confirmed" {
			confirmed = 1
		}
		return confirmed, int(x.Verdict.Confidence)
	}
	aConfirmed, aConfidence := sure(a)
	bConfirmed, bConfidence := sure(b)
	return cmp.Or(cmp.Compare(level(a), level(b)), cmp.Compare(severity(a), severity(b)),
		cmp.Compare(aConfirmed, bConfirmed), cmp.Compare(aConfidence, bConfidence)) > 0
}

// anotherRun stands between what the gravest run and another one of the same state directory have to say.
const anotherRun = " Another run on this sensor said: "

// both gives the gravest description, and behind it the other one where that says something else.
func both(gravest, other string) string {
	own, _, _ := strings.Cut(gravest, anotherRun)
	others, _, _ := strings.Cut(other, anotherRun)
	switch {
	case own != others:
		return own + anotherRun + others
	case len(other) > len(gravest):
		return other // the same, and already with what another run said
	}
	return gravest
}

// merge lets a keep what was known before: it never falls in level, severity or count, and forgets no deed.
func merge(a, before *detect.Alert) {
	gravest, other := a, before
	if graver(before, a) {
		gravest, other = before, a
	}
	description := both(gravest.Description, other.Description)
	a.Level, a.Title, a.Verdict = gravest.Level, gravest.Title, gravest.Verdict
	a.RecommendedActions = slices.Clone(gravest.RecommendedActions)
	for _, action := range other.RecommendedActions {
		if !slices.Contains(a.RecommendedActions, action) && len(a.RecommendedActions) < maxActions {
			a.RecommendedActions = append(a.RecommendedActions, action)
		}
	}
	a.Description = description
	if severity(before) > severity(a) {
		a.Severity = before.Severity
	}
	if before.Time.Before(a.Time) {
		a.Time = before.Time
	}
	if before.LastTime.After(a.LastTime) {
		a.LastTime = before.LastTime
	}
	a.Count = max(a.Count, before.Count)
	a.Techniques = slices.Compact(slices.Sorted(slices.Values(slices.Concat(a.Techniques, before.Techniques))))
	a.Evidence = union(a.Evidence, before.Evidence)
}

// maxEvidence bounds what an alert collects over many runs.
const maxEvidence = 200

// union gives the deeds of both, by time, each once: what was answered in one is answered. When there are too many the
// least grave go.
func union(a, b []detect.Evidence) []detect.Evidence {
	type deed struct {
		file            string
		frame           uint64
		time            int64
		message, object string
	}
	at := make(map[deed]int)
	var all []detect.Evidence
	for _, e := range slices.Concat(a, b) {
		d := deed{e.File, e.Frame, e.Time.UnixNano(), e.Message, e.Object}
		i, known := at[d]
		switch {
		case !known:
			at[d] = len(all)
			all = append(all, e)
		case all[i].Outcome <= protocols.OutcomeAsked:
			all[i] = e
		}
	}
	byTime := func(x, y detect.Evidence) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.File, y.File), cmp.Compare(x.Frame, y.Frame))
	}
	if len(all) > maxEvidence {
		slices.SortStableFunc(all, func(x, y detect.Evidence) int {
			return cmp.Or(cmp.Compare(detect.LevelRank(y.Level), detect.LevelRank(x.Level)), byTime(x, y))
		})
		all = all[:maxEvidence]
	}
	slices.SortStableFunc(all, byTime)
	return all
}
