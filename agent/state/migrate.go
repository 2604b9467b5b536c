package state

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spanwatch/spanwatch/agent/graph"
)

// migrations lead from each schema to the next one, the first from an empty file.
var migrations = [schema]func(*sql.Tx) error{
	statement(`
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE record (
	kind TEXT NOT NULL, -- device, edge, signal, alert, coverage
	id   TEXT NOT NULL,
	body BLOB NOT NULL, -- the record as JSON
	PRIMARY KEY (kind, id)
) WITHOUT ROWID;`),
	statement(`
CREATE TABLE variables (
	device TEXT PRIMARY KEY, -- its address
	body   BLOB NOT NULL     -- its process variables, as package process writes them, zstd
);`),
	nameCoverage,
	statement(`
CREATE TABLE earlier ( -- devices and edges as the runs before left them, from when the run at hand saves them
	kind TEXT NOT NULL,
	id   TEXT NOT NULL,
	body BLOB NOT NULL,
	PRIMARY KEY (kind, id)
) WITHOUT ROWID;
INSERT INTO meta SELECT 'begun', MIN(body ->> 'first_seen') FROM record WHERE kind = 'edge' HAVING COUNT(*) > 0;`),
}

func statement(text string) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.Exec(text)
		return err
	}
}

// nameCoverage gives coverage the names by which it is found again; until schema 2 it was numbered.
func nameCoverage(tx *sql.Tx) error {
	rows, err := tx.Query("SELECT body FROM record WHERE kind = 'coverage'")
	if err != nil {
		return err
	}
	defer rows.Close()
	bodies := make(map[string][]byte)
	for rows.Next() {
		var body []byte
		var c graph.Coverage
		if err := rows.Scan(&body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &c); err != nil {
			return err
		}
		bodies[coverageKey(&c)] = body
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM record WHERE kind = 'coverage'"); err != nil {
		return err
	}
	for id, body := range bodies {
		if _, err := tx.Exec("INSERT INTO record VALUES ('coverage', ?, ?)", id, body); err != nil {
			return err
		}
	}
	return nil
}

// recoverJournal lets the database take back a save that was cut short, before a reader that may not do so opens it.
func recoverJournal(path, mode string) (err error) {
	if _, missing := os.Stat(path + "-journal"); missing != nil || mode != "ro" {
		return nil
	}
	db, err := sql.Open("sqlite", "file:"+path+"?mode=rw&_pragma=busy_timeout(5000)")
	if err != nil {
		return fmt.Errorf("state: open %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var version int
	if err := db.QueryRow("PRAGMA user_version").Scan(&version); err != nil {
		return fmt.Errorf("state: the last save to %s was cut short and cannot be taken back: %w: run as a user who may write there", path, err)
	}
	return nil
}
