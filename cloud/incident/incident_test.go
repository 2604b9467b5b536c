package incident

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/cloud/store"
)

var (
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
	night = time.Date(2026, 3, 14, 2, 58, 4, 0, time.UTC)
)

func alert(id, actor, target string, at time.Time) store.Alert {
	return store.Alert{
		ID: id, Site: "plant", Title: "Possible operational impact due to a compromised device", Rule: "compromise-impact",
		Severity: "medium", Level: "read", Time: at, LastTime: at, Actor: actor, Target: target, Revision: 1,
	}
}

func correlate(t interface{ Fatal(...any) }, e *Engine, alerts ...store.Alert) {
	if err := e.Correlate(context.Background(), "plant", alerts); err != nil {
		t.Fatal(err)
	}
}

func TestWhatBelongsTogether(t *testing.T) {
	base := alert("a", "eng", "plc1", night)
	for _, c := range []struct {
		name     string
		other    store.Alert
		together bool
		reason   string
	}{
		{"same actor", alert("b", "eng", "plc2", night.Add(time.Minute)), true, "Same actor as the alert of 02:58:04 UTC: eng."},
		{"same target", alert("b", "hmi", "plc1", night.Add(time.Minute)), true, ""},
		{"target becomes actor", alert("b", "plc1", "plc2", night.Add(time.Minute)), true, "Path: plc1 acts here after it was the target at 02:58:04 UTC."},
		{"actor becomes target", alert("b", "laptop", "eng", night.Add(time.Minute)), true, "Path: eng is the target here and the actor at 02:58:04 UTC."},
		{"nothing shared", alert("b", "hmi", "plc2", night), false, ""},
		{"at the window's edge", alert("b", "eng", "plc2", night.Add(Window)), true, ""},
		{"beyond the window", alert("b", "eng", "plc2", night.Add(Window+time.Second)), false, ""},
		{"before, beyond the window", alert("b", "eng", "plc2", night.Add(-Window-time.Second)), false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMemory()
			m.put(base, c.other)
			correlate(t, New(m, quiet), base, c.other)
			got := m.whole()
			if together := len(got) == 1; together != c.together {
				t.Fatalf("together = %v, want %v: %+v", together, c.together, got)
			}
			if c.reason != "" && got[0].Reasons[1].Text != c.reason {
				t.Errorf("reason = %q, want %q", got[0].Reasons[1].Text, c.reason)
			}
		})
	}
}

func TestAddressesOutsideTheSiteCount(t *testing.T) {
	m := newMemory()
	a, b := alert("a", "", "plc1", night), alert("b", "", "plc2", night)
	a.ActorIP, b.ActorIP = "198.51.100.7", "198.51.100.7"
	m.put(a, b)
	correlate(t, New(m, quiet), a, b)
	if got := m.whole(); len(got) != 1 {
		t.Fatalf("two alerts about one outside address gave %d incidents", len(got))
	}
}

func TestOtherSiteStaysApart(t *testing.T) {
	m := newMemory()
	a, b := alert("a", "eng", "plc1", night), alert("b", "eng", "plc1", night)
	b.Site = "harbour"
	m.put(a, b)
	e := New(m, quiet)
	correlate(t, e, a)
	if err := e.Correlate(context.Background(), "harbour", []store.Alert{b}); err != nil {
		t.Fatal(err)
	}
	if got := m.whole(); len(got) != 2 {
		t.Fatalf("got %d incidents, want one a site", len(got))
	}
}

func TestMergeKeepsTheOlderNumber(t *testing.T) {
	m := newMemory()
	a, b := alert("a", "eng", "plc1", night), alert("b", "hmi", "plc2", night.Add(time.Minute))
	bridge := alert("c", "eng", "plc2", night.Add(2*time.Minute))
	m.put(a, b, bridge)
	e := New(m, quiet)
	correlate(t, e, a)
	correlate(t, e, b)
	correlate(t, e, bridge)
	got := m.whole()
	if len(got) != 1 || got[0].ID != 1 || !slices.Equal(got[0].Alerts, []string{"a", "b", "c"}) {
		t.Fatalf("got %+v, want incident 1 with all alerts", got)
	}
	if gone := m.incidents[2]; gone.MergedInto != 1 || len(gone.Alerts) != 0 {
		t.Fatalf("incident 2 = %+v, want it merged into 1", gone)
	}
	if got, want := got[0].Reasons[1].Text, "Same target as the alert of 03:00:04 UTC: plc2."; got != want {
		t.Errorf("reason = %q, want %q", got, want)
	}
}

func TestClosedIncidentReopensWithANewAlert(t *testing.T) {
	m := newMemory()
	a, b := alert("a", "eng", "plc1", night), alert("b", "eng", "plc2", night)
	m.put(a, b)
	e := New(m, quiet)
	correlate(t, e, a)
	closed := m.incidents[1]
	closed.Status = StatusClosed
	m.incidents[1] = closed
	correlate(t, e, a)
	if got := m.incidents[1].Status; got != StatusClosed {
		t.Fatalf("status = %q after an alert that was there already", got)
	}
	correlate(t, e, b)
	if got := m.incidents[1].Status; got != StatusActive {
		t.Fatalf("status = %q after a new alert, want active", got)
	}
}

func TestCorrelateTwiceSavesOnce(t *testing.T) {
	m := newMemory()
	a := alert("a", "eng", "plc1", night)
	m.put(a)
	e := New(m, quiet)
	correlate(t, e, a, a)
	correlate(t, e, a)
	correlate(t, New(m, quiet), a)
	if m.saves != 1 {
		t.Fatalf("%d saves, want 1", m.saves)
	}
}

func TestFailedSaveIsMadeUpFor(t *testing.T) {
	for fail := 1; fail <= 4; fail++ {
		m := newMemory()
		a, b := alert("a", "eng", "plc1", night), alert("b", "hmi", "plc2", night)
		bridge := alert("c", "eng", "plc2", night)
		m.put(a, b, bridge)
		e := New(m, quiet)
		correlate(t, e, a)
		if fail > 1 {
			correlate(t, e, b)
		}
		m.failAfter = fail
		if err := e.Correlate(context.Background(), "plant", []store.Alert{b, bridge}); err == nil && fail < 4 {
			t.Fatalf("save %d failed and nobody said so", fail)
		}
		m.failAfter = 0
		if err := New(m, quiet).CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
		correlate(t, e, bridge)
		if got := m.whole(); len(got) != 1 || len(got[0].Alerts) != 3 {
			t.Errorf("failure at save %d: got %+v, want one incident with three alerts", fail, got)
		}
	}
}

func TestCatchUpSeesWhatRose(t *testing.T) {
	m := newMemory()
	a, closed := alert("a", "eng", "plc1", night), alert("b", "hmi", "plc2", night)
	m.put(a, closed)
	correlate(t, New(m, quiet), a, closed)
	shut := m.incidents[2]
	shut.Status = StatusClosed
	m.incidents[2] = shut

	a.Level, a.Severity, a.Revision = "control", "high", 2
	m.put(a) // and the collector ends before it correlates
	e := New(m, quiet)
	if err := e.CatchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := m.incidents[1]; got.Level != "control" || got.Severity != "high" {
		t.Errorf("incident = %+v, want it as grave as its alert", got)
	}
	if m.saves != 3 {
		t.Errorf("%d saves, want the two at first and one more", m.saves)
	}
}

// history is alerts as they come in: batches, in which later revisions of an alert may arrive.
type history [][]store.Alert

func drawAlerts(t *rapid.T) []store.Alert {
	device := rapid.SampledFrom([]string{"", "d1", "d2", "d3", "d4", "d5", "d6", "d7"})
	n := rapid.IntRange(1, 14).Draw(t, "alerts")
	var alerts []store.Alert
	for i := range n {
		a := alert(fmt.Sprintf("a%02d", i), device.Draw(t, "actor"), device.Draw(t, "target"), night.Add(time.Duration(rapid.IntRange(0, 12).Draw(t, "hours"))*9*time.Hour))
		a.Level = rapid.SampledFrom(levels).Draw(t, "level")
		a.Severity = rapid.SampledFrom(severities).Draw(t, "severity")
		a.LastTime = a.Time.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "lasts")) * 10 * time.Hour)
		alerts = append(alerts, a)
	}
	return alerts
}

func drawHistory(t *rapid.T, alerts []store.Alert, label string) history {
	var events []store.Alert
	for _, a := range alerts {
		early := a
		early.LastTime, early.Level, early.Severity = a.Time, "contact", "low"
		a.Revision = 2
		events = append(events, early, a)
	}
	events = rapid.Permutation(events).Draw(t, label)
	var h history
	for len(events) > 0 {
		n := rapid.IntRange(1, len(events)).Draw(t, "batch")
		h = append(h, events[:n])
		events = events[n:]
	}
	return h
}

func replay(t *rapid.T, h history) *memory {
	m := newMemory()
	e := New(m, quiet)
	for i, batch := range h {
		m.put(batch...)
		if rapid.Bool().Draw(t, "restart") {
			e = New(m, quiet)
			if err := e.CatchUp(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		correlate(t, e, batch...)
		if i == len(h)-1 {
			correlate(t, e, batch...)
		}
	}
	return m
}

// model partitions alerts the slow way: whole sets, joined until no two share a device within the window.
func model(alerts []store.Alert) [][]string {
	type set struct {
		ids, devices []string
		first, last  time.Time
	}
	var sets []*set
	for _, a := range alerts {
		sets = append(sets, &set{[]string{a.ID}, devicesOf(a), a.Time, a.LastTime})
	}
	for again := true; again; {
		again = false
		for i := 0; i < len(sets); i++ {
			for j := i + 1; j < len(sets); j++ {
				a, b := sets[i], sets[j]
				shares := slices.ContainsFunc(a.devices, func(d string) bool { return slices.Contains(b.devices, d) })
				if !shares || a.first.After(b.last.Add(Window)) || b.first.After(a.last.Add(Window)) {
					continue
				}
				a.ids, a.devices = append(a.ids, b.ids...), append(a.devices, b.devices...)
				if b.first.Before(a.first) {
					a.first = b.first
				}
				if b.last.After(a.last) {
					a.last = b.last
				}
				sets = slices.Delete(sets, j, j+1)
				again = true
				j--
			}
		}
	}
	var out [][]string
	for _, s := range sets {
		slices.Sort(s.ids)
		out = append(out, s.ids)
	}
	slices.SortFunc(out, slices.Compare)
	return out
}

func TestPartitionDoesNotDependOnTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		alerts := drawAlerts(t)
		one := replay(t, drawHistory(t, alerts, "one"))
		two := replay(t, drawHistory(t, alerts, "two"))

		var got [][]string
		for _, i := range one.whole() {
			got = append(got, slices.Sorted(slices.Values(i.Alerts)))
			if len(i.Reasons) != len(i.Alerts) || slices.ContainsFunc(i.Reasons, func(r store.Reason) bool { return r.Text == "" }) {
				t.Fatalf("an alert without a reason: %+v", i)
			}
		}
		slices.SortFunc(got, slices.Compare)
		if diff := cmp.Diff(model(alerts), got); diff != "" {
			t.Fatalf("partition differs from the model (-model +got):\n%s", diff)
		}
		apart := cmpopts.IgnoreFields(store.Incident{}, "ID")
		if diff := cmp.Diff(one.whole(), two.whole(), apart); diff != "" {
			t.Fatalf("the order of arrival shows:\n%s", diff)
		}
		for id, a := range one.alerts {
			i := one.incidents[a.Incident]
			if i.MergedInto != 0 || !slices.Contains(i.Alerts, id) {
				t.Fatalf("alert %s points to incident %+v", id, i)
			}
		}
		for id, i := range one.incidents {
			if i.MergedInto > id {
				t.Fatalf("incident %d was merged into the younger %d", id, i.MergedInto)
			}
		}
	})
}
