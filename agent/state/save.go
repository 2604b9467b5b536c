package state

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"net/netip"
	"strconv"

	"github.com/spanwatch/spanwatch/agent/graph"
)

// Changes are what a save found to be different from the one before, as places in the snapshot's lists.
type Changes struct {
	Devices, Edges []int
	Written        int // records of all kinds
	Removed        int
}

// ledger knows what is saved: a digest for each record, found by the hash of its kind and id. That two records share a
// hash of 64 bits does not happen in the life of a sensor.
type ledger struct {
	keys    maphash.Hash
	digests *digester
	records map[uint64]*entry
	round   uint32 // counts the saves of this process, tried or done
}

type entry struct {
	digest uint64 // 0: not known, because another process saved the record
	round  uint32 // of the last save that had the record; 0 where another process saved it
	// fleeting records are removed as soon as a save has them no more, whoever saved them.
	fleeting bool
	// lasting records are never removed: what was raised is not taken back.
	lasting bool
}

func (l *ledger) key(kind, id string) uint64 {
	l.keys.Reset()
	l.keys.WriteString(kind)
	l.keys.WriteByte(0)
	l.keys.WriteString(id)
	return l.keys.Sum64()
}

// readLedger makes the ledger of what stands in the directory.
func (s *State) readLedger() (*ledger, error) {
	seed := maphash.MakeSeed()
	l := &ledger{digests: newDigester(seed), records: make(map[uint64]*entry)}
	l.keys.SetSeed(seed)
	rows, err := s.db.Query("SELECT kind, id FROM record")
	if err != nil {
		return nil, fmt.Errorf("state: read records: %w", err)
	}
	defer rows.Close()
	var kind, id string
	for rows.Next() {
		if err := rows.Scan(&kind, &id); err != nil {
			return nil, fmt.Errorf("state: read records: %w", err)
		}
		l.records[l.key(kind, id)] = &entry{fleeting: kind == kindCoverage}
	}
	return l, rows.Err()
}

// The kinds of records.
const (
	kindDevice   = "device"
	kindEdge     = "edge"
	kindSignal   = "signal"
	kindAlert    = "alert"
	kindCoverage = "coverage"
)

// Save stores a snapshot: it writes what differs from what is stored, and removes what this process stored before and
// the snapshot has no more, such as a device that turned out to be another one. What earlier processes stored stays, but
// for coverage, which is that of the present one alone. All of it is stored, or nothing and an error.
func (s *State) Save(snap Snapshot) (Changes, error) {
	if s.saved == nil {
		var err error
		if s.saved, err = s.readLedger(); err != nil {
			return Changes{}, err
		}
	}
	s.saved.round++
	w := &writing{ledger: s.saved, round: s.saved.round, staged: make(map[uint64]*entry)}
	defer func() {
		if w.put != nil {
			w.put.Close()
		}
	}()
	var changes Changes
	err := s.transact(func(tx *sql.Tx) error {
		w.tx = tx
		for i := range snap.Devices {
			if w.write(kindDevice, snap.Devices[i].ID, &snap.Devices[i]) {
				changes.Devices = append(changes.Devices, i)
			}
		}
		for i := range snap.Edges {
			if w.write(kindEdge, EdgeKey(&snap.Edges[i]), &snap.Edges[i]) {
				changes.Edges = append(changes.Edges, i)
			}
		}
		for i := range snap.Alerts {
			w.write(kindAlert, snap.Alerts[i].ID, &snap.Alerts[i])
		}
		for i := range snap.Signals {
			w.write(kindSignal, snap.Signals[i].ID, &snap.Signals[i])
		}
		for i := range snap.Coverage {
			w.write(kindCoverage, coverageKey(&snap.Coverage[i]), &snap.Coverage[i])
		}
		if err := w.removeVanished(); err != nil {
			return err
		}
		return saveVariables(tx, snap.Process)
	})
	if err != nil {
		return Changes{}, err
	}
	for key, e := range w.staged {
		s.saved.records[key] = e
	}
	for _, key := range w.gone {
		delete(s.saved.records, key)
	}
	changes.Written, changes.Removed = w.written, len(w.gone)
	return changes, nil
}

// writing is a save under way. The ledger learns of it only when it is done.
type writing struct {
	ledger  *ledger
	tx      *sql.Tx
	put     *sql.Stmt
	round   uint32
	staged  map[uint64]*entry // of records that were written
	gone    []uint64
	written int
	err     error
}

// put stores a record. An alert that was stored since the snapshot was taken is not replaced by an earlier revision.
const put = `INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body
	WHERE excluded.kind <> 'alert' OR excluded.body ->> 'revision' >= record.body ->> 'revision'`

// has reports whether a save has come across the record.
func (w *writing) has(key uint64) bool {
	if _, staged := w.staged[key]; staged {
		return true
	}
	e := w.ledger.records[key]
	return e != nil && e.round == w.round
}

// write stores a record where it differs from what is stored, and reports whether it did.
func (w *writing) write(kind, id string, record any) bool {
	if w.err != nil {
		return false
	}
	key := w.ledger.key(kind, id)
	for w.has(key) { // edges over two transports may share an id
		id += " again"
		key = w.ledger.key(kind, id)
	}
	digest := w.ledger.digests.digest(record)
	if before := w.ledger.records[key]; before != nil && before.digest == digest {
		before.round = w.round
		return false
	}
	w.staged[key] = &entry{digest: digest, round: w.round, fleeting: kind == kindCoverage, lasting: kind == kindAlert || kind == kindSignal}
	if w.put == nil {
		if w.put, w.err = w.tx.Prepare(put); w.err != nil {
			return false
		}
	}
	body, err := json.Marshal(record)
	if err == nil {
		_, err = w.put.Exec(kind, id, body)
	}
	w.err = err
	w.written++
	return w.err == nil
}

// removeVanished removes what the snapshot has no more.
func (w *writing) removeVanished() error {
	if w.err != nil {
		return w.err
	}
	vanished := make(map[uint64]bool)
	for key, e := range w.ledger.records {
		if !e.lasting && (e.round > 0 || e.fleeting) && !w.has(key) {
			vanished[key] = true
		}
	}
	if len(vanished) == 0 {
		return nil
	}
	rows, err := w.tx.Query("SELECT kind, id FROM record")
	if err != nil {
		return err
	}
	defer rows.Close()
	var doomed [][2]string
	for rows.Next() {
		var kind, id string
		if err := rows.Scan(&kind, &id); err != nil {
			return err
		}
		if key := w.ledger.key(kind, id); vanished[key] {
			doomed, w.gone = append(doomed, [2]string{kind, id}), append(w.gone, key)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, d := range doomed {
		if _, err := w.tx.Exec("DELETE FROM record WHERE kind = ? AND id = ?", d[0], d[1]); err != nil {
			return err
		}
	}
	return nil
}

// EdgeKey tells edges apart.
func EdgeKey(e *graph.Edge) string {
	return e.Client + " " + e.Server + " " + e.Protocol + " " + strconv.Itoa(int(e.Port)) + " " + e.ClientIP + " " + e.ServerIP
}

// coverageKey tells records of coverage apart.
func coverageKey(c *graph.Coverage) string {
	if c.Total {
		return "total"
	}
	return c.ClientIP + " " + c.ServerIP + " " + strconv.Itoa(int(c.Port)) + " " + c.Protocol
}

// compareCoverage sorts as [graph.Graph.Coverage] does: by addresses, those without IP first, and the total last.
func compareCoverage(a, b graph.Coverage) int {
	if a.Total != b.Total {
		if a.Total {
			return 1
		}
		return -1
	}
	address := func(x, y string) int {
		p, _ := netip.ParseAddr(x)
		q, _ := netip.ParseAddr(y)
		return cmp.Or(p.Compare(q), cmp.Compare(x, y))
	}
	return cmp.Or(address(a.ClientIP, b.ClientIP), address(a.ServerIP, b.ServerIP), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
}
