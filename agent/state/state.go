// Package state keeps what the sensor knows in its state directory, so that the commands that show devices, edges,
// alerts and coverage work when no sensor runs, and a restart forgets nothing that was shown.
//
// The directory is 0700 and holds state.db (SQLite), beside the uplink's spool and the sensor's identity. A state belongs
// to one site for good. A directory written by a newer program is refused, one of an older program is migrated forward.
//
// A save writes what has changed since the last one, all of it or nothing: whenever the process or the machine ends, the
// directory opens and holds the last save that was completed, or a later one. What cannot be saved, for want of room, is
// saved by the next save that succeeds. The save of a large site may go in parts, each of which is such a save.
//
// What earlier runs knew of a device or an edge joins what is saved of it: see [State.Join]. It is read when it is needed,
// so that a start does not wait for it, nor memory hold it.
//
// [State.Save] is for one goroutine, [State.SaveAlert] and [State.Site] are for any; several processes may read while one
// writes.
package state

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	_ "modernc.org/sqlite" // the database driver

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/process"
)

// schema is the version of the tables below. Raise it with every change, and add a row to migrations.
const schema = 4

// ErrSite is wrapped when the directory belongs to another site.
var ErrSite = errors.New("state belongs to another site")

// State is an open state directory.
type State struct {
	dir     string
	db      *sql.DB
	version int     // of the tables; an older one where the directory is only read
	saved   *ledger // what the records say, as they were saved last; nil before the first save

	decisions decisions
	joining   Joining
}

// Snapshot is what a sensor knows at one moment.
type Snapshot struct {
	Site     string
	Devices  []inventory.Device
	Edges    []graph.Edge
	Signals  []detect.Signal
	Alerts   []detect.Alert
	Coverage []graph.Coverage
	// Process is the process variables of devices: when it is saved, of those that have news since they were saved last.
	Process []process.Saved
	// Begun is when the first packet was seen; a state keeps the earliest.
	Begun time.Time
}

// DefaultSite is the site of a new directory that was not told one.
const DefaultSite = "default"

// MaxSite is the longest name of a site, in bytes.
const MaxSite = 200

// Open opens the directory, makes it when it is not there, and binds a new one to site. An empty site stands for the one
// that the directory is bound to.
func Open(dir, site string) (*State, error) {
	if len(site) > MaxSite || strings.ContainsFunc(site, unicode.IsControl) || strings.TrimSpace(site) != site {
		return nil, fmt.Errorf("state: %q cannot be the name of a site: give up to %d bytes of plain text", site, MaxSite)
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("state: %s is a file: name a directory with --state", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state: cannot make the directory: %w", err)
	}
	// The file is made here because the database driver would let everybody read it.
	f, err := os.OpenFile(filepath.Join(dir, "state.db"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state: %w: run as a user who may write there, or name another directory with --state", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	s, err := open(dir, "rw")
	if err != nil {
		return nil, err
	}
	if err := s.bind(site); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenRead opens a directory that a sensor has written, to read only.
func OpenRead(dir string) (*State, error) {
	if _, err := os.Stat(filepath.Join(dir, "state.db")); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("state: %s holds no sensor state: name the directory that run or replay was given with --state", dir)
	} else if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return open(dir, "ro")
}

func open(dir, mode string) (*State, error) {
	path := filepath.Join(dir, "state.db")
	if err := recoverJournal(path, mode); err != nil {
		return nil, err
	}
	// No write-ahead log: reading one needs the right to write beside it.
	dsn := "file:" + path + "?mode=" + mode + "&_pragma=busy_timeout(5000)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("state: open %s: %w", path, err)
	}
	db.SetMaxOpenConns(1)
	s := &State{dir: dir, db: db, decisions: decisions{dir: dir, size: -1}}
	if err := s.migrate(path, mode); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *State) migrate(path, mode string) error {
	var version int
	if err := s.db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("state: %s cannot be read: %w", path, err)
	}
	switch {
	case version > schema:
		return fmt.Errorf("state: %s was written by a newer spanwatch-agent (schema %d, this program knows %d): upgrade the program", path, version, schema)
	case version == 0 && mode == "ro":
		return fmt.Errorf("state: %s holds no records yet", path)
	case version == schema || mode == "ro":
		s.version = version // the records of older schemas are read as they are
		return nil
	}
	s.version = schema
	return s.transact(func(tx *sql.Tx) error {
		for _, migrate := range migrations[version:] {
			if err := migrate(tx); err != nil {
				return fmt.Errorf("from schema %d: %w", version, err)
			}
		}
		_, err := tx.Exec(fmt.Sprintf("PRAGMA user_version = %d", schema))
		return err
	})
}

func (s *State) bind(site string) error {
	if _, err := s.db.Exec("INSERT OR IGNORE INTO meta VALUES ('site', ?)", cmp.Or(site, DefaultSite)); err != nil {
		return fmt.Errorf("state: bind site: %w", err)
	}
	bound, err := s.Site()
	if err != nil {
		return err
	}
	if site != "" && bound != site {
		return fmt.Errorf("%w: %s is of %q, not %q: choose another directory with --state", ErrSite, s.dir, bound, site)
	}
	return nil
}

// Site gives the site that the directory is bound to.
func (s *State) Site() (string, error) {
	var site string
	if err := s.db.QueryRow("SELECT value FROM meta WHERE key = 'site'").Scan(&site); err != nil {
		return "", fmt.Errorf("state: read site: %w", err)
	}
	return site, nil
}

// SaveAlert stores one alert at once.
func (s *State) SaveAlert(a *detect.Alert) error {
	body, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("state: alert %s: %w", a.ID, err)
	}
	if _, err := s.db.Exec(put, kindAlert, a.ID, body); err != nil {
		return fmt.Errorf("state: write alert: %w", err)
	}
	return nil
}

// Load gives everything that is stored.
func (s *State) Load() (Snapshot, error) {
	var snap Snapshot
	var err error
	if snap.Site, err = s.Site(); err != nil {
		return snap, err
	}
	err = errors.Join(
		load(s, kindDevice, &snap.Devices),
		load(s, kindEdge, &snap.Edges),
		load(s, kindSignal, &snap.Signals),
		load(s, kindAlert, &snap.Alerts),
		load(s, kindCoverage, &snap.Coverage),
	)
	slices.SortStableFunc(snap.Coverage, compareCoverage)
	if err == nil {
		err = s.Decided(&snap)
	}
	if err == nil {
		snap.Process, err = s.variables()
	}
	return snap, err
}

// Resumed is what a run takes up from those before it; devices and edges it joins as it saves them.
type Resumed struct {
	Alerts  []detect.Alert
	Process []process.Saved
	Begun   time.Time // when the first packet was seen; zero: never
}

// Resume gives what a run takes up from those before it.
func (s *State) Resume() (r Resumed, err error) {
	if r.Begun, err = s.begun(); err != nil {
		return r, err
	}
	if err = load(s, kindAlert, &r.Alerts); err == nil {
		r.Process, err = s.variables()
	}
	return r, err
}

// keyBegun is where the time of the first packet stands.
const keyBegun = "begun"

func (s *State) begun() (at time.Time, err error) {
	var text string
	err = s.db.QueryRow("SELECT value FROM meta WHERE key = ?", keyBegun).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return at, nil
	}
	if err == nil {
		at, err = time.Parse(time.RFC3339Nano, text)
	}
	if err != nil {
		return at, fmt.Errorf("state: read when it began: %w", err)
	}
	return at, nil
}

func load[R any](s *State, kind string, records *[]R) error {
	rows, err := s.db.Query("SELECT body FROM record WHERE kind = ? ORDER BY id", kind)
	if err != nil {
		return fmt.Errorf("state: read %s records: %w", kind, err)
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		var record R
		if err := rows.Scan(&body); err != nil {
			return fmt.Errorf("state: read %s record: %w", kind, err)
		}
		if err := json.Unmarshal(body, &record); err != nil {
			return fmt.Errorf("state: %s record is damaged: %w", kind, err)
		}
		*records = append(*records, record)
	}
	return rows.Err()
}

// Close releases the directory.
func (s *State) Close() error { return s.db.Close() }

func (s *State) transact(do func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(context.Background(), nil)
	if err != nil {
		return fmt.Errorf("state: begin: %w", err)
	}
	if err := do(tx); err != nil {
		return errors.Join(fmt.Errorf("state: write: %w", err), tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("state: commit: %w", err)
	}
	return nil
}
