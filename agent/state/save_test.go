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

// written makes a state directory of the statements that stand in a file.
func written(t *testing.T, script string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("testdata", script))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(string(text)); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestEverySchemaOpens: what sensors of each schema left, after the same capture, is read as it is, taken up by a run, and
// joined by what that sees.
func TestEverySchemaOpens(t *testing.T) {
	for version := 1; version <= schema; version++ {
		t.Run(fmt.Sprint("schema ", version), func(t *testing.T) {
			dir := written(t, fmt.Sprintf("schema%d.sql", version))
			before := read(t, dir)
			ips := make(map[string]bool)
			for _, d := range before.Devices {
				for _, ip := range d.IPs {
					ips[ip] = true
				}
			}
			if len(before.Devices) != 3 || len(before.Edges) != 2 || len(before.Coverage) != 3 || !ips["10.20.10.11"] || before.Site != "Plant1" {
				t.Fatalf("%d devices, %d edges and %d records of coverage of %s", len(before.Devices), len(before.Edges), len(before.Coverage), before.Site)
			}
			if has := len(before.Process) > 0; has != (version >= withVariables) {
				t.Errorf("process variables: %v", has)
			}
			s, err := Open(dir, "")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			resumed, err := s.Resume()
			if err != nil || resumed.Begun.IsZero() || resumed.Begun.After(before.Edges[0].FirstSeen) || len(resumed.Process) != len(before.Process) {
				t.Errorf("%v, %d devices with variables, %v", resumed.Begun, len(resumed.Process), err)
			}
			s.Join(Joining{
				Device: func(now, before *inventory.Device) { now.FirstSeen = before.FirstSeen },
				Edge:   func(now, before *graph.Edge) { now.Packets += before.Packets },
			})
			again := Snapshot{Devices: []inventory.Device{before.Devices[0]}, Edges: []graph.Edge{before.Edges[0]}}
			again.Devices[0].FirstSeen = time.Now()
			if _, err := s.Save(again); err != nil {
				t.Fatal(err)
			}
			after, err := s.Load()
			if err != nil || len(after.Devices) != 3 || len(after.Edges) != 2 || !after.Devices[0].FirstSeen.Equal(before.Devices[0].FirstSeen) || after.Edges[0].Packets != 2*before.Edges[0].Packets {
				t.Errorf("%d devices, %d edges, %v", len(after.Devices), len(after.Edges), err)
			}
		})
	}
}

// TestPartsAreOneSave: what no part of a save has any more is removed, once the save before had it no more either.
func TestPartsAreOneSave(t *testing.T) {
	s := open1(t, t.TempDir())
	parts := func(ids ...string) (removed int) {
		t.Helper()
		for k, id := range ids {
			c, err := s.SavePart(Snapshot{Devices: []inventory.Device{{ID: id}}}, k == len(ids)-1)
			if err != nil {
				t.Fatal(err)
			}
			removed += c.Removed
		}
		return removed
	}
	if n := parts("a", "b", "c"); n != 0 {
		t.Errorf("%d removed", n)
	}
	if n := parts("a", "c"); n != 0 {
		t.Errorf("%d removed, though it may have slipped through", n)
	}
	if n := parts("c", "a"); n != 1 {
		t.Errorf("%d removed, want what is gone for good", n)
	}
	if n := parts("a"); n != 1 {
		t.Errorf("%d removed by a save in one part, want 1", n)
	}
	if got, err := s.Load(); err != nil || len(got.Devices) != 1 || got.Devices[0].ID != "a" {
		t.Errorf("%+v, %v", got.Devices, err)
	}
}

// TestEarlierRunsJoinOnce: however often a run saves, what it knows is joined with what the runs before knew, and not with
// what it said itself.
func TestEarlierRunsJoinOnce(t *testing.T) {
	dir := t.TempDir()
	saveOnce := func(packets ...uint64) (last uint64) {
		s, err := Open(dir, "Plant1")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.Join(Joining{Edge: func(now, before *graph.Edge) { now.Packets += before.Packets }})
		for _, n := range packets {
			e := graph.Edge{Client: "c", Server: "d", Packets: n}
			if _, err := s.Save(Snapshot{Edges: []graph.Edge{e}}); err != nil {
				t.Fatal(err)
			}
			if joined, err := s.JoinedEdge(e); err != nil {
				t.Fatal(err)
			} else {
				last = joined.Packets
			}
		}
		snap, err := s.Load()
		if err != nil || snap.Edges[0].Packets != last {
			t.Fatalf("%d packets are told, %d saved, %v", last, snap.Edges[0].Packets, err)
		}
		return last
	}
	if a, b, c := saveOnce(10), saveOnce(1, 2, 3), saveOnce(5); a != 10 || b != 13 || c != 18 {
		t.Errorf("%d, %d and %d packets, want 10, 13 and 18", a, b, c)
	}
}

func TestOlderSchemaIsReadAndMigrated(t *testing.T) {
	dir := written(t, "first.sql")
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
