package sensor

import (
	"encoding/json"
	"errors"
	"hash/maphash"
	"time"

	"github.com/spanwatch/spanwatch/agent/state"
)

// tellEdges is how often an edge whose counters have grown is told to the collector; what is new is told at once.
const tellEdges = 5 * time.Minute

// writer takes what a running sensor knows to its state directory and to the collector. It is used by the analyst's
// goroutine.
type writer struct {
	dir    *directory
	up     *link
	before *state.Snapshot
	judged bool
	told   *told

	saved, toldHealth      time.Time
	devices, edges, alerts int
}

// told is what the collector knows of devices and edges: digests of their records, by id.
type told struct {
	seed           maphash.Seed
	devices, edges map[string]uint64
	edgesAt        time.Time
}

func newTold() *told {
	return &told{seed: maphash.MakeSeed(), devices: make(map[string]uint64), edges: make(map[string]uint64)}
}

// changed reports whether a record differs from what was told under its id, and remembers it.
func (t *told) changed(known map[string]uint64, id string, record any) bool {
	body, err := json.Marshal(record)
	if err != nil {
		return true // the spool will say what is wrong with it
	}
	digest := maphash.Bytes(t.seed, body)
	if old, ok := known[id]; ok && old == digest {
		return false
	}
	known[id] = digest
	return true
}

// saveBudget bounds the process variables that are saved at once, in bytes: those saved longest ago go first.
const saveBudget = 8 << 20

// write saves a snapshot and spools what has changed since the last one. Of process variables it saves as many as the
// budget allows; 0: all.
func (w *writer) write(an *analyst, site string, budget int) error {
	w.saved = time.Now()
	snap := an.snapshot(site, an.detector.Alerts())
	remember(&snap, w.before, w.judged)
	snap.Process = an.process.Save(budget)
	w.devices, w.edges, w.alerts = len(snap.Devices), len(snap.Edges), len(snap.Alerts)
	err := w.dir.state.Save(snap)
	if err != nil {
		an.process.Unsaved(snap.Process)
	}
	if w.up.spool == nil {
		return err
	}
	for i := range snap.Devices {
		if d := &snap.Devices[i]; w.told.changed(w.told.devices, d.ID, d) {
			err = errors.Join(err, w.up.spool.Device(*d))
		}
	}
	all := w.saved.Sub(w.told.edgesAt) >= tellEdges
	if all {
		w.told.edgesAt = w.saved
		for i := range snap.Coverage {
			err = errors.Join(err, w.up.spool.Coverage(snap.Coverage[i]))
		}
	}
	for i := range snap.Edges {
		e := &snap.Edges[i]
		id := state.EdgeKey(e)
		if _, known := w.told.edges[id]; (all || !known) && w.told.changed(w.told.edges, id, e) {
			err = errors.Join(err, w.up.spool.Edge(*e))
		}
	}
	return errors.Join(err, w.up.spool.Flush())
}
