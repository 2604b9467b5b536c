package uplink

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alertLane   = spanwatchv1.Lane_LANE_ALERT
	routineLane = spanwatchv1.Lane_LANE_ROUTINE
)

func openSpool(t testing.TB, path string, budget int64) *Spool {
	t.Helper()
	s, err := OpenSpool(path, SpoolConfig{MaxBytes: budget})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// name gives what a record is about: the id that the test gave it, or "gap".
func name(r *spanwatchv1.Record) string {
	switch body := r.Body.(type) {
	case *spanwatchv1.Record_Alert:
		return body.Alert.Id
	case *spanwatchv1.Record_Device:
		return body.Device.Id
	case *spanwatchv1.Record_Gap:
		return "gap"
	}
	return "?"
}

// all gives everything in a lane behind a sequence number.
func all(t testing.TB, s *Spool, lane spanwatchv1.Lane, after uint64) []*spanwatchv1.Record {
	t.Helper()
	var out []*spanwatchv1.Record
	for {
		records, err := s.next(lane, after)
		if err != nil {
			t.Fatal(err)
		}
		if len(records) == 0 {
			return out
		}
		out = append(out, records...)
		after = records[len(records)-1].Sequence
	}
}

// crash gives a copy of the spool's file as a loss of power at this moment would leave it.
func crash(t testing.TB, path, to string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSpoolAgainstModel plays random appends, acknowledgements, refusals, restarts and losses of power against a list.
// What the spool gives must be the list's records in order, but for those that it says it dropped.
func TestSpoolAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "spool")
		if err != nil {
			t.Fatal(err)
		}
		path, generation := filepath.Join(dir, "0"), 0
		budget := rapid.SampledFrom([]int64{400, 2000, 1 << 20}).Draw(rt, "budget")
		s := openSpool(t, path, budget)
		defer func() { s.Close() }()

		epoch := s.epoch()
		var model [3][]string // by lane: names by sequence number - 1
		var acked [3]uint64
		var waiting []string // routine records not flushed
		n := 0
		lane := rapid.SampledFrom([]spanwatchv1.Lane{alertLane, routineLane})
		flushed := func() {
			model[routineLane] = append(model[routineLane], waiting...)
			waiting = nil
		}
		next := func() string { n++; return fmt.Sprint("r", n) }
		check := func() {
			if s.epoch() != epoch {
				rt.Fatal("the epoch changed")
			}
			records := 0
			for _, l := range []spanwatchv1.Lane{alertLane, routineLane} {
				at := acked[l]
				for _, r := range all(t, s, l, 0) {
					if g := r.GetGap(); g != nil {
						if g.FirstSequence != at+1 || g.LastSequence != r.Sequence || g.Dropped != r.Sequence-at {
							rt.Fatalf("lane %d: gap %v behind %d", l, g, at)
						}
					} else if r.Sequence != at+1 || name(r) != model[l][at] {
						rt.Fatalf("lane %d: record %d %s behind %d, want %s", l, r.Sequence, name(r), at, model[l][at])
					}
					at = r.Sequence
					records++
				}
				if at != uint64(len(model[l])) {
					rt.Fatalf("lane %d ends at %d, want %d", l, at, len(model[l]))
				}
			}
			if alerts, routine := s.Pending(); alerts+routine != records+len(waiting) {
				rt.Fatalf("%d + %d pending, want %d + %d", alerts, routine, records, len(waiting))
			}
			if s.blocks.bytes > budget {
				rt.Fatalf("%d bytes are over the budget", s.blocks.bytes)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) { check() },
			"alert": func(rt *rapid.T) {
				id := next()
				if err := s.Alert(detect.Alert{ID: id}); err != nil {
					rt.Fatal(err)
				}
				model[alertLane] = append(model[alertLane], id)
			},
			"device": func(rt *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(rt, "n") {
					id := next()
					if err := s.Device(inventory.Device{ID: id}); err != nil {
						rt.Fatal(err)
					}
					waiting = append(waiting, id)
				}
			},
			"flush": func(rt *rapid.T) {
				if err := s.Flush(); err != nil {
					rt.Fatal(err)
				}
				flushed()
			},
			"acknowledge": func(rt *rapid.T) {
				l := lane.Draw(rt, "lane")
				to := rapid.Uint64Range(0, uint64(len(model[l]))).Draw(rt, "to")
				if err := s.acknowledge(l, to); err != nil {
					rt.Fatal(err)
				}
				acked[l] = max(acked[l], to)
			},
			"refuse": func(rt *rapid.T) {
				l := lane.Draw(rt, "lane")
				at := rapid.Uint64Range(0, uint64(len(model[l])+1)).Draw(rt, "at")
				dropped := s.Dropped()
				found, err := s.refuse(l, at)
				if err != nil {
					rt.Fatal(err)
				}
				if found != (s.Dropped() > dropped) {
					rt.Fatal("refused and not counted, or counted and not refused")
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				flushed()
				s = openSpool(t, path, budget)
			},
			"lose power": func(rt *rapid.T) {
				generation++
				to := filepath.Join(dir, fmt.Sprint(generation))
				crash(t, path, to)
				s.Close()
				path, waiting = to, nil
				s = openSpool(t, path, budget)
			},
		})
	})
}

func TestSequenceNumbersNeverRepeat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := openSpool(t, path, 0)
	for i := range uint64(3) {
		if err := s.Alert(detect.Alert{ID: "a"}); err != nil {
			t.Fatal(err)
		}
		got := all(t, s, alertLane, 0)
		if len(got) != 1 || got[0].Sequence != i+1 {
			t.Fatalf("round %d: %v", i, got)
		}
		if err := s.acknowledge(alertLane, i+1); err != nil {
			t.Fatal(err)
		}
		s.Close()
		s = openSpool(t, path, 0)
	}
	s.Close()
}

func TestBudgetDropsRoutineFirstAndAlertsLast(t *testing.T) {
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 4000)
	defer s.Close()
	// Texts that do not compress.
	text := func(i int) string {
		b := make([]byte, 300)
		for j := range b {
			b[j] = byte('!' + (i*7919+j*104729+j*j*31+i*j*17)%90)
		}
		return string(b)
	}
	for i := range 4 {
		if err := s.Alert(detect.Alert{ID: fmt.Sprint("a", i), Description: text(i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		if err := s.Device(inventory.Device{ID: fmt.Sprint("d", i), Names: []string{text(100 + i)}}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if alerts := all(t, s, alertLane, 0); len(alerts) != 4 {
		t.Fatalf("routine records pushed alerts out: %v", alerts)
	}
	routine := all(t, s, routineLane, 0)
	if g := routine[0].GetGap(); g == nil || g.FirstSequence != 1 || s.Dropped() != g.Dropped || len(routine) != 41-int(g.Dropped) {
		t.Fatalf("got %d records beginning with %v, and %d dropped", len(routine), routine[0], s.Dropped())
	}
	if name(routine[len(routine)-1]) != "d39" {
		t.Fatal("the newest went first")
	}
	for i := range 40 {
		if err := s.Alert(detect.Alert{ID: fmt.Sprint("b", i), Description: text(200 + i)}); err != nil {
			t.Fatal(err)
		}
	}
	if routine := all(t, s, routineLane, 0); len(routine) != 1 || routine[0].GetGap().GetDropped() != 40 {
		t.Fatalf("alerts were dropped before routine records: %v", routine)
	}
	alerts := all(t, s, alertLane, 0)
	if alerts[0].GetGap() == nil || name(alerts[len(alerts)-1]) != "b39" {
		t.Fatalf("got %v", alerts)
	}
}

func TestDroppingWhatIsOnItsWay(t *testing.T) {
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	defer s.Close()
	for i := range 6 {
		if err := s.Device(inventory.Device{ID: fmt.Sprint("d", i)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	// One to three were sent, then everything had to go for an alert.
	before := s.blocks.bytes
	for i := range uint64(2) {
		if err := s.Alert(detect.Alert{ID: "a"}); err != nil {
			t.Fatal(err)
		}
		s.blocks.budget = s.blocks.bytes - before
		if err := s.acknowledge(alertLane, i+1); err != nil {
			t.Fatal(err)
		}
	}
	got := all(t, s, routineLane, 3)
	if len(got) != 1 || !proto.Equal(got[0].GetGap(), &spanwatchv1.Gap{FirstSequence: 4, LastSequence: 6, Dropped: 3}) {
		t.Fatalf("got %v", got)
	}
	// The collector got the three all the same.
	if err := s.acknowledge(routineLane, 3); err != nil {
		t.Fatal(err)
	}
	got = all(t, s, routineLane, 0)
	if len(got) != 1 || !proto.Equal(got[0].GetGap(), &spanwatchv1.Gap{FirstSequence: 4, LastSequence: 6, Dropped: 3}) {
		t.Fatalf("got %v", got)
	}
}

func TestHostileTextIsSpooled(t *testing.T) {
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	defer s.Close()
	if err := s.Alert(detect.Alert{ID: "a", Description: "x\xffy", Techniques: []string{"T\xc3"}, Verdict: &detect.Verdict{Name: "\x80"}}); err != nil {
		t.Fatal(err)
	}
	if err := errFirst(s.Edge(graph.Edge{Client: "\xfe", Actions: map[string]uint64{"re\xffad": 3}}), s.Flush()); err != nil {
		t.Fatal(err)
	}
	a := all(t, s, alertLane, 0)[0].GetAlert()
	if a.Description != "x\uFFFDy" || a.Techniques[0] != "T\uFFFD" || a.Verdict.Name != "\uFFFD" {
		t.Errorf("got %v", a)
	}
	e := all(t, s, routineLane, 0)[0].GetEdge()
	if e.Client != "\uFFFD" || e.Actions["re\uFFFDad"] != 3 || len(e.Actions) != 1 {
		t.Errorf("got %v", e)
	}
}

func errFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestRecordTooLarge(t *testing.T) {
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	defer s.Close()
	err := s.Alert(detect.Alert{ID: "big", Description: strings.Repeat("x", maxRecord)})
	if err == nil || !strings.Contains(err.Error(), "alert big") {
		t.Errorf("got %v", err)
	}
}

func TestDamagedBlockBecomesAGap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spool.db")
	s := openSpool(t, path, 0)
	for i := range 3 {
		if err := s.Alert(detect.Alert{ID: fmt.Sprint("a", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.blocks.db.Exec(`UPDATE block SET data = x'00ff00ff' WHERE last = 2`); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openSpool(t, path, 0)
	defer s.Close()
	var got []string
	for _, r := range all(t, s, alertLane, 0) {
		got = append(got, name(r))
	}
	if strings.Join(got, " ") != "a0 gap a2" || s.Dropped() != 1 {
		t.Errorf("got %v, %d dropped", got, s.Dropped())
	}
	if alerts, _ := s.Pending(); alerts != 3 {
		t.Errorf("%d pending", alerts)
	}
}

func TestOldCopyBeginsANewEpoch(t *testing.T) {
	dir := t.TempDir()
	s := openSpool(t, filepath.Join(dir, "spool.db"), 0)
	defer s.Close()
	for range 2 {
		if err := s.Alert(detect.Alert{ID: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	epoch := s.epoch()
	for _, c := range []struct {
		acked uint64
		goOn  bool
	}{{0, true}, {1, true}, {2, true}, {3, false}} {
		goOn, err := s.resume([]*spanwatchv1.Ack{{Epoch: epoch, Lane: alertLane, Sequence: c.acked},
			{Epoch: epoch, Lane: 77, Sequence: 1}, {Epoch: "other", Lane: alertLane, Sequence: 99}})
		if err != nil || goOn != c.goOn || (s.epoch() == epoch) != c.goOn {
			t.Errorf("%d: %v %v", c.acked, goOn, err)
		}
	}
}

func TestOpenSpoolRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string
	}{
		"no spool": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a spool ", 500)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "is damaged"},
		"a newer schema": {func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(`PRAGMA user_version = 99`); err != nil {
				t.Fatal(err)
			}
		}, "has schema 99"},
		"one that is in use": {func(t *testing.T, path string) {
			s := openSpool(t, path, 0)
			t.Cleanup(func() { s.Close() })
		}, "in use"},
		"a place that is not there": {func(t *testing.T, path string) { os.Remove(filepath.Dir(path)) }, "cannot open the spool"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir", "spool.db")
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			c.prepare(t, path)
			s, err := OpenSpool(path, SpoolConfig{})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
