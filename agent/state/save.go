package state

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/netip"
	"strconv"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
)

// Changes are what a save found to be different from the one before, as places in the snapshot's lists.
type Changes struct {
	Devices, Edges []int
	Written        int // records of all kinds
	Removed        int
	Undecided      error // the operator's decisions cannot be read; those read before hold
}

// ledger knows what is saved: a digest for each record, found by the hash of its kind and id. That two records share a
// hash of 64 bits does not happen in the life of a sensor.
type ledger struct {
	keys    maphash.Hash
	digests *digester
	records map[uint64]entry
	round   uint32 // counts the saves of this process, tried or done
	parts   int    // of the save under way
	spoiled bool   // a part of it failed
}

type entry struct {
	digest uint64 // 0: not known, because another process saved the record
	round  uint32 // of the last save that had the record; 0 where another process saved it
	marks  marks
}

type marks uint8

const (
	// fleeting records are removed as soon as a save has them no more, whoever saved them.
	fleeting marks = 1 << iota
	// lasting records are never removed: what was raised is not taken back.
	lasting
	// inherited records were saved by another process first, and copied ones stand in the table of what that was.
	inherited
	copied
)

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
	l := &ledger{digests: newDigester(seed), records: make(map[uint64]entry)}
	l.keys.SetSeed(seed)
	if _, err := s.db.Exec("DELETE FROM earlier"); err != nil {
		return nil, fmt.Errorf("state: forget what the run before inherited: %w", err)
	}
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
		l.records[l.key(kind, id)] = entry{marks: inherited | marksOf(kind)}
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

func marksOf(kind string) marks {
	switch kind {
	case kindCoverage:
		return fleeting
	case kindAlert, kindSignal:
		return lasting
	default:
		return 0
	}
}

// Save stores a snapshot: it writes what differs from what is stored, and removes what this process stored before and
// the snapshot has no more, such as a device that turned out to be another one. What earlier processes stored stays, but
// for coverage, which is that of the present one alone. Devices and edges of the snapshot that are written take in what is
// known of them from earlier runs, and what the operator decided. All of it is stored, or nothing and an error.
func (s *State) Save(snap Snapshot) (Changes, error) { return s.SavePart(snap, true) }

// SavePart is one of several [State.Save], which together have the whole snapshot. Each part is stored, or nothing of it.
// What the parts have no more is removed by the last one when the parts before them had it no more either: the site goes
// on changing meanwhile.
func (s *State) SavePart(snap Snapshot, last bool) (Changes, error) {
	if s.saved == nil {
		var err error
		if s.saved, err = s.readLedger(); err != nil {
			return Changes{}, err
		}
	}
	l := s.saved
	if l.parts == 0 {
		l.round++
		l.spoiled = false
	}
	l.parts++
	w := &writing{State: s, ledger: l, round: l.round, staged: make(map[uint64]entry), seen: make(map[uint64]bool)}
	decisions, unread := s.decisions.refresh()
	w.decisions = graph.Sort(decisions)
	changes := Changes{Undecided: unread}
	err := s.transact(func(tx *sql.Tx) error { return w.all(tx, &snap, &changes, last) })
	l.spoiled = l.spoiled || err != nil
	if last {
		l.parts = 0
	}
	if err != nil {
		return Changes{Undecided: unread}, err
	}
	for key, e := range w.staged {
		l.records[key] = e
	}
	for _, key := range w.gone {
		delete(l.records, key)
	}
	changes.Written, changes.Removed = w.written, len(w.gone)
	return changes, nil
}

// writing is a save under way. The ledger learns of it only when it is done.
type writing struct {
	*State
	ledger    *ledger
	decisions graph.Decisions
	tx        *sql.Tx
	put       *sql.Stmt
	round     uint32
	staged    map[uint64]entry // of records that were written
	seen      map[uint64]bool
	gone      []uint64
	written   int
	err       error
}

func (w *writing) all(tx *sql.Tx, snap *Snapshot, changes *Changes, last bool) (err error) {
	w.tx = tx
	if w.put, err = tx.Prepare(put); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.put.Close()) }()
	for i := range snap.Devices {
		d := &snap.Devices[i]
		if w.write(kindDevice, d.ID, d, func(from []byte) error { return w.joinDevice(d, from) }) {
			changes.Devices = append(changes.Devices, i)
		}
	}
	for i := range snap.Edges {
		e := &snap.Edges[i]
		if w.write(kindEdge, EdgeKey(e), e, func(from []byte) error { return w.joinEdge(e, from) }) {
			changes.Edges = append(changes.Edges, i)
		}
	}
	for i := range snap.Alerts {
		w.write(kindAlert, snap.Alerts[i].ID, &snap.Alerts[i], nil)
	}
	for i := range snap.Signals {
		w.write(kindSignal, snap.Signals[i].ID, &snap.Signals[i], nil)
	}
	for i := range snap.Coverage {
		w.write(kindCoverage, coverageKey(&snap.Coverage[i]), &snap.Coverage[i], nil)
	}
	if last {
		if err := w.removeVanished(); err != nil {
			return err
		}
	}
	if err := w.begun(snap.Begun); w.err != nil || err != nil {
		return errors.Join(w.err, err)
	}
	return saveVariables(tx, snap.Process)
}

// begun keeps the earliest time of a packet.
func (w *writing) begun(at time.Time) error {
	if at.IsZero() {
		return nil
	}
	_, err := w.tx.Exec("INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value WHERE unixepoch(excluded.value, 'subsec') < unixepoch(value, 'subsec')",
		keyBegun, at.UTC().Format(time.RFC3339Nano))
	return err
}

// put stores a record. An alert that was stored since the snapshot was taken is not replaced by an earlier revision.
const put = `INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body
	WHERE excluded.kind <> 'alert' OR excluded.body ->> 'revision' >= record.body ->> 'revision'`

// write stores a record where it differs from what is stored, and reports whether it did. Join takes in what earlier runs
// knew of it, nil where they did not, and what was decided.
func (w *writing) write(kind, id string, record any, join func(earlier []byte) error) bool {
	if w.err != nil {
		return false
	}
	key := w.ledger.key(kind, id)
	for w.seen[key] { // edges over two transports may share an id
		id += " again"
		key = w.ledger.key(kind, id)
	}
	w.seen[key] = true
	digest := w.ledger.digests.digest(record) + w.State.decisions.read
	e, known := w.ledger.records[key]
	if e.round = w.round; known && e.digest == digest {
		w.ledger.records[key] = e
		return false
	}
	e.digest, e.marks = digest, e.marks|marksOf(kind)
	if join != nil {
		var earlier []byte
		if earlier, w.err = w.inherit(&e, kind, id); w.err == nil {
			w.err = join(earlier)
		}
	}
	w.staged[key] = e
	body, err := json.Marshal(record)
	if err == nil && w.err == nil {
		_, err = w.put.Exec(kind, id, body)
	}
	w.err = errors.Join(w.err, err)
	w.written++
	return w.err == nil
}

// removeVanished removes what the snapshot has no more. In the parts of a large one, something may have slipped through
// that moved meanwhile: it must have been missing twice.
func (w *writing) removeVanished() error {
	if w.err != nil || w.ledger.spoiled {
		return w.err
	}
	oldest := w.round
	if w.ledger.parts > 1 {
		oldest--
	}
	vanished := make(map[uint64]bool)
	for key, e := range w.ledger.records {
		if e.marks&lasting == 0 && (e.round > 0 || e.marks&fleeting != 0) && e.round < oldest && !w.seen[key] {
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
