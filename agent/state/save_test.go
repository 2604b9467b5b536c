package state

import (
	"database/sql"
	"fmt"
	"hash/maphash"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
)

func open1(t *testing.T, dir string) *State {
	t.Helper()
	s, err := Open(dir, "Plant1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestOnlyChangesAreWritten(t *testing.T) {
	s := open1(t, t.TempDir())
	snap := crashing(1)
	for _, step := range []struct {
		name             string
		change           func()
		devices, edges   int
		written, removed int
	}{
		{"first", func() {}, 21, 21, 44, 0},
		{"nothing", func() {}, 0, 0, 0, 0},
		{"a device and an edge", func() { snap.Devices[3].Vendor, snap.Edges[4].Packets = "Works", 9 }, 1, 1, 2, 0},
		{"a device is another one", func() { snap.Devices[5].ID = "new" }, 1, 0, 1, 1},
		{"alerts that are not told again stay", func() { snap.Alerts = nil }, 0, 0, 0, 0},
		{"coverage is that of now", func() { snap.Coverage = nil }, 0, 0, 0, 1},
	} {
		step.change()
		c, err := s.Save(snap)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Devices) != step.devices || len(c.Edges) != step.edges || c.Written != step.written || c.Removed != step.removed {
			t.Errorf("%s: %d devices, %d edges, %d written, %d removed; want %d, %d, %d, %d", step.name,
				len(c.Devices), len(c.Edges), c.Written, c.Removed, step.devices, step.edges, step.written, step.removed)
		}
	}
	if got, err := s.Load(); err != nil || len(got.Alerts) != 1 || len(got.Devices) != 21 || len(got.Coverage) != 0 {
		t.Errorf("%d alerts, %d devices, %d of coverage, %v", len(got.Alerts), len(got.Devices), len(got.Coverage), err)
	}
}

func TestRecordsOfOneNameAreKeptApart(t *testing.T) {
	s := open1(t, t.TempDir())
	twins := Snapshot{Site: "Plant1", Edges: []graph.Edge{{Client: "a", Server: "b", Packets: 1}, {Client: "a", Server: "b", Packets: 2}}}
	for range 2 {
		if _, err := s.Save(twins); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Load()
	if diff := cmp.Diff(twins, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestAlertIsNotReplacedByAnEarlierRevision(t *testing.T) {
	s := open1(t, t.TempDir())
	for _, a := range []detect.Alert{{ID: "a", Revision: 2}, {ID: "b", Revision: 1}} {
		if err := s.SaveAlert(&a); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Save(Snapshot{Alerts: []detect.Alert{{ID: "a", Revision: 1}, {ID: "b", Revision: 3}}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil || got.Alerts[0].Revision != 2 || got.Alerts[1].Revision != 3 {
		t.Errorf("%v, %v", got.Alerts, err)
	}
}

// TestSavesAddUpLikeAMap: any row of saves, with restarts in between, leaves what a map would.
func TestSavesAddUpLikeAMap(t *testing.T) {
	base := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		dir := filepath.Join(base, fmt.Sprint(runs))
		model, own := map[string]uint16{}, map[string]bool{}
		s, err := Open(dir, "Plant1")
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { s.Close() }()
		for range rapid.IntRange(1, 8).Draw(rt, "saves") {
			if rapid.IntRange(0, 3).Draw(rt, "restart") == 0 {
				if err := s.Close(); err != nil {
					rt.Fatal(err)
				}
				if s, err = Open(dir, ""); err != nil {
					rt.Fatal(err)
				}
				own = map[string]bool{}
			}
			var snap Snapshot
			now := map[string]bool{}
			for _, id := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), rapid.ID).Draw(rt, "devices") {
				n := rapid.Uint16Range(0, 2).Draw(rt, "content")
				snap.Devices = append(snap.Devices, inventory.Device{ID: id, VLANs: []uint16{n}})
				model[id], now[id] = n, true
			}
			for id := range own {
				if !now[id] {
					delete(model, id)
				}
			}
			own = now
			if _, err := s.Save(snap); err != nil {
				rt.Fatal(err)
			}
			got, err := s.Load()
			if err != nil {
				rt.Fatal(err)
			}
			held := map[string]uint16{}
			for _, d := range got.Devices {
				held[d.ID] = d.VLANs[0]
			}
			if diff := cmp.Diff(model, held); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

func TestOlderSchemaIsReadAndMigrated(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile(filepath.Join("testdata", "schema1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(string(script)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	want := Snapshot{Site: "Plant1", Devices: []inventory.Device{{ID: "d1"}}, Coverage: []graph.Coverage{
		{ClientIP: "10.0.0.5", Port: 502, Packets: 9}, {ClientIP: "10.0.0.40", Port: 502, Packets: 7}, {Total: true, Packets: 16},
	}}
	if diff := cmp.Diff(want, read(t, dir)); diff != "" {
		t.Errorf("read without migration: %s", diff)
	}
	s := open1(t, dir)
	got, err := s.Load()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("migrated: %s, %v", diff, err)
	}
	want.Coverage = want.Coverage[1:]
	if c, err := s.Save(want); err != nil || c.Removed != 1 {
		t.Errorf("what earlier coverage had more is not removed: %+v, %v", c, err)
	}
}

// large is a site as large as a sensor holds.
func large(devices, edges int) Snapshot {
	var snap Snapshot
	for i := range devices {
		d := inventory.Device{ID: fmt.Sprintf("%020x", i), Site: "Plant1", IPs: []string{fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)}, Vendor: "Works", FirstSeen: at, LastSeen: at}
		for range 6 {
			d.Facts = append(d.Facts, inventory.Fact{Key: "model", Value: "a controller", Source: "x: told", Confidence: 100, FirstSeen: at, LastSeen: at})
		}
		snap.Devices = append(snap.Devices, d)
	}
	for i := range edges {
		snap.Edges = append(snap.Edges, graph.Edge{
			Client: snap.Devices[i%devices].ID, Server: snap.Devices[i/devices*7%devices].ID, ClientIP: "10.0.0.1", ServerIP: fmt.Sprint(i), Protocol: "x", Port: 502,
			Actions: map[string]uint64{"read": 9, "write": 3}, Objects: []graph.Object{{Action: "write", Object: "register 1", Count: 3}, {Action: "read", Object: "register 1-9", Count: 9}},
			FirstSeen: at, LastSeen: at,
		})
		snap.Coverage = append(snap.Coverage, graph.Coverage{ClientIP: "10.0.0.1", ServerIP: fmt.Sprint(i), Port: 502, Protocol: "x", Packets: 9})
	}
	return snap
}

// BenchmarkSave saves a large site of which one record in a hundred has changed.
func BenchmarkSave(b *testing.B) {
	s, err := Open(b.TempDir(), "Plant1")
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	snap := large(10_000, 100_000)
	if _, err := s.Save(snap); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		for i := n % 100; i < len(snap.Edges); i += 100 {
			snap.Edges[i].LastSeen = at.Add(time.Duration(n) * time.Second)
			snap.Coverage[i].Packets++
		}
		for i := n % 100; i < len(snap.Devices); i += 100 {
			snap.Devices[i].LastSeen = at.Add(time.Duration(n) * time.Second)
		}
		if c, err := s.Save(snap); err != nil || c.Written != 2100 {
			b.Fatal(c, err)
		}
	}
}

func TestDigestTellsEverything(t *testing.T) {
	snap := large(1, 1)
	e := &snap.Edges[0]
	s := newDigester(maphash.MakeSeed())
	seen := map[uint64]string{s.digest(e): "as it was"}
	if again := large(1, 1); s.digest(e) != s.digest(&again.Edges[0]) {
		t.Fatal("the same record has two digests")
	}
	for _, step := range []struct {
		name   string
		change func()
	}{
		{"text", func() { e.Client = "x" }}, {"between texts", func() { e.Client, e.Server = e.Client+e.Server, "" }}, {"number", func() { e.Port++ }},
		{"time", func() { e.LastSeen = e.LastSeen.Add(1) }}, {"value in a map", func() { e.Actions["read"]++ }}, {"key of a map", func() { e.Actions["x"] = 0 }},
		{"swapped values", func() { e.Actions["read"], e.Actions["write"] = e.Actions["write"], e.Actions["read"] }},
		{"in a list", func() { e.Objects[1].Count++ }}, {"end of a list", func() { e.Objects = e.Objects[:1] }}, {"empty list", func() { e.Objects = nil }},
	} {
		step.change()
		d := s.digest(e)
		if other, known := seen[d]; known {
			t.Errorf("%q has the digest of %q", step.name, other)
		}
		seen[d] = step.name
	}
}
