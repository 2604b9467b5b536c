package state

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/process"
	"github.com/spanwatch/spanwatch/protocols"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)

func snapshot() Snapshot {
	return Snapshot{
		Site:    "Plant1",
		Devices: []inventory.Device{{ID: "d1", Site: "Plant1", IPs: []string{"10.0.0.9"}, FirstSeen: at, LastSeen: at}},
		Edges:   []graph.Edge{{Client: "d2", Server: "d1", Protocol: "x", Port: 502, Actions: map[string]uint64{"read": 3}, FirstSeen: at, LastSeen: at}},
		Alerts: []detect.Alert{{ID: "a1", Level: "write", Time: at, LastTime: at, Evidence: []detect.Evidence{
			{Frame: 7, Time: at, Action: protocols.ActionWrite, Outcome: protocols.OutcomeRefused},
		}}},
		Coverage: []graph.Coverage{{ClientIP: "10.0.0.5", Port: 502, Packets: 9}, {Total: true, Packets: 9}},
	}
}

func save(t *testing.T, dir, site string, snap Snapshot) {
	t.Helper()
	s, err := Open(dir, site)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Save(snap)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir string) Snapshot {
	t.Helper()
	s, err := OpenRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	snap, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "state")
	save(t, dir, "Plant1", snapshot())
	if diff := cmp.Diff(snapshot(), read(t, dir)); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory's mode is %v, %v", info.Mode(), err)
	}
}

func TestLaterSnapshotAddsAndReplaces(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "Plant1", snapshot())
	later := snapshot()
	later.Devices[0].LastSeen = at.Add(time.Hour)
	later.Devices = append(later.Devices, inventory.Device{ID: "d9", FirstSeen: at, LastSeen: at})
	later.Edges, later.Alerts = nil, nil
	later.Coverage = later.Coverage[1:]
	save(t, dir, "", later)
	want := later
	want.Edges, want.Alerts = snapshot().Edges, snapshot().Alerts
	if diff := cmp.Diff(want, read(t, dir)); diff != "" {
		t.Error(diff)
	}
}

func TestSiteIsBound(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "Plant1", Snapshot{})
	if _, err := Open(dir, "Plant2"); !errors.Is(err, ErrSite) {
		t.Errorf("error %v, want that the state is of another site", err)
	}
	s, err := Open(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if site, err := s.Site(); site != "Plant1" || err != nil {
		t.Errorf("site %q, %v", site, err)
	}
	for _, name := range []string{"a\nb", " x", strings.Repeat("x", 201)} {
		if _, err := Open(t.TempDir(), name); err == nil {
			t.Errorf("%q was taken for the name of a site", name)
		}
	}
}

func TestRefused(t *testing.T) {
	newer := t.TempDir()
	save(t, newer, "Plant1", Snapshot{})
	db, err := sql.Open("sqlite", filepath.Join(newer, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "state.db"), []byte(strings.Repeat("no database ", 99)), 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{newer: "newer spanwatch-agent", damaged: "cannot be read", t.TempDir(): "holds no sensor state"} {
		if _, err := OpenRead(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	if _, err := Open(newer, "Plant1"); err == nil {
		t.Error("a newer state was opened to write")
	}
}

// firstSchema is how the directory looked before there were process variables.
const firstSchema = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record (kind TEXT NOT NULL, id TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
INSERT INTO meta VALUES ('site', 'Plant1');
INSERT INTO record VALUES ('device', 'd1', '{"id":"d1","site":"Plant1"}');
PRAGMA user_version = 1;`

func TestDirectoryOfTheVersionBeforeOpens(t *testing.T) {
	dir := t.TempDir()
	db, err := sql.Open("sqlite", filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(firstSchema); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if snap := read(t, dir); len(snap.Devices) != 1 || snap.Process != nil {
		t.Errorf("read as %+v before it is migrated", snap)
	}
	want := process.Saved{Device: "10.0.0.9", Body: []byte("variables")}
	save(t, dir, "Plant1", Snapshot{Process: []process.Saved{want}})
	snap := read(t, dir)
	if diff := cmp.Diff([]process.Saved{want}, snap.Process); diff != "" || len(snap.Devices) != 1 {
		t.Errorf("%d devices, variables %s", len(snap.Devices), diff)
	}
}
