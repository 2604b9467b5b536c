package sensor

import (
	"errors"
	"hash/maphash"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/process"
	"github.com/spanwatch/spanwatch/agent/state"
)

const (
	// saveEvery is how often what is known is written to the state directory: often enough that no more than five
	// seconds are lost, the time that writing takes included.
	saveEvery = 3 * time.Second
	// saveShare bounds the part of the analyst's time that goes into snapshots: one in so many.
	saveShare = 20
	// saveBudget bounds the process variables that are saved at once, in bytes: those saved longest ago go first. Who asks
	// for a save gets all.
	saveBudget = 8 << 20
	// tellDevices and tellEdges are how often a device or an edge that has changed is told to the collector; what is new
	// is told at once.
	tellDevices = 30 * time.Second
	tellEdges   = 5 * time.Minute
)

// writer takes what a running sensor knows to its state directory and to the collector. The analyst's goroutine takes
// snapshots and hands them over; a goroutine of the writer's own does all that waits for a disk.
type writer struct {
	dir    *directory
	up     *link
	before *memory
	log    *slog.Logger
	jobs   chan job
	done   chan struct{}
	// unsaved are process variables of saves that failed, for the analyst.
	unsaved chan []process.Saved
	saving  atomic.Pointer[saving]

	// What follows is the analyst's.

	judged     bool
	fresh      bool                     // something was taken since the last snapshot
	next       time.Time                // when a snapshot is due
	waiting    []chan<- error           // answers that the next snapshot owes
	toldHealth time.Time                // when the health was published last
	unraised   map[string]*detect.Alert // alerts that could not be committed

	// What follows is the writer's goroutine's.

	seed               maphash.Seed
	told               map[uint64]bool // by hash of kind and id: whether it has changed since it was told
	devicesAt, edgesAt time.Time
	failing            bool
}

// saving is how saving goes, for those who ask.
type saving struct {
	devices, edges, alerts int
	saved                  time.Time
	failed                 string
}

// job is a snapshot to be saved.
type job struct {
	snap    state.Snapshot
	judged  bool
	answers []chan<- error // of those who wait for it
}

func newWriter(dir *directory, up *link, before *state.Snapshot, judged bool, log *slog.Logger) *writer {
	w := &writer{
		dir: dir, up: up, before: newMemory(before), log: log, jobs: make(chan job, 1), done: make(chan struct{}), unsaved: make(chan []process.Saved, 1), judged: judged,
		unraised: make(map[string]*detect.Alert), seed: maphash.MakeSeed(), told: make(map[uint64]bool),
	}
	w.saving.Store(new(saving))
	go func() {
		defer close(w.done)
		for j := range w.jobs {
			err := w.save(&j, time.Now())
			for _, answer := range j.answers {
				answer <- err
			}
		}
	}()
	return w
}

// close waits until what was handed over is saved.
func (w *writer) close() {
	close(w.jobs)
	<-w.done
}

// offer hands over a snapshot when one is due, or somebody waits for it, and the one before is being saved at least.
func (w *writer) offer(an *analyst, site string, now time.Time) {
	due := (w.fresh || w.saving.Load().failed != "") && !now.Before(w.next)
	if !due && len(w.waiting) == 0 || len(w.jobs) == cap(w.jobs) {
		return
	}
	w.retry()
	select {
	case saved := <-w.unsaved:
		an.process.Unsaved(saved)
	default:
	}
	budget := saveBudget
	if len(w.waiting) > 0 {
		budget = 0
	}
	j := job{snap: an.snapshot(site, an.detector.Alerts()), judged: w.judged, answers: w.waiting}
	j.snap.Process = an.process.Save(budget)
	w.jobs <- j // there is room: nobody else sends
	w.fresh, w.waiting, w.next = false, nil, now.Add(max(saveEvery, saveShare*time.Since(now)))
}

// raise commits an alert. One that finds no room is kept, and committed when there is: the sensor goes on.
func (w *writer) raise(a *detect.Alert) error {
	err := w.commit(a)
	if err == nil {
		delete(w.unraised, a.ID)
		return nil
	}
	if len(w.unraised) == 0 {
		w.log.Error("an alert cannot be committed; it is kept in memory until it can", "alert", a.ID, "error", err)
	}
	kept := *a
	w.unraised[a.ID] = &kept
	return nil
}

func (w *writer) commit(a *detect.Alert) error {
	if err := w.up.raise(*a); err != nil || w.dir.temporary {
		return err
	}
	return w.dir.state.SaveAlert(a)
}

// retry commits what could not be committed before.
func (w *writer) retry() {
	for _, a := range w.unraised {
		if w.commit(a) != nil {
			return
		}
		delete(w.unraised, a.ID)
	}
}

// save writes a snapshot and spools what has changed since it was told.
func (w *writer) save(j *job, now time.Time) error {
	w.before.remember(&j.snap, j.judged)
	if err := w.dir.state.Decided(&j.snap); err != nil {
		w.log.Error("the operator's decisions on the baseline cannot be read; those read before hold", "error", err)
	}
	changes, err := w.dir.state.Save(j.snap)
	told := *w.saving.Load()
	if err != nil {
		told.failed = err.Error()
		w.giveBack(j.snap.Process)
		if !w.failing {
			w.log.Error("what is known cannot be saved; it is tried again until it can", "error", err)
		}
	} else {
		told = saving{devices: len(j.snap.Devices), edges: len(j.snap.Edges), alerts: len(j.snap.Alerts), saved: now.UTC()}
		if w.failing {
			w.log.Info("what is known can be saved again")
		}
		err = w.tell(&j.snap, &changes, now)
	}
	w.failing = told.failed != ""
	w.saving.Store(&told)
	return err
}

// giveBack tells the analyst that process variables could not be saved. What an earlier failure left there joins them.
func (w *writer) giveBack(saved []process.Saved) {
	for i := range saved {
		saved[i].Body = nil
	}
	select {
	case earlier := <-w.unsaved:
		saved = append(saved, earlier...)
	default:
	}
	w.unsaved <- saved // there is room: nobody else sends
}

// tell spools what is new, and at times what has changed.
func (w *writer) tell(snap *state.Snapshot, changes *state.Changes, now time.Time) (err error) {
	if w.up.spool == nil {
		return nil
	}
	for _, i := range changes.Devices {
		if d := &snap.Devices[i]; w.note("device", d.ID) {
			err = errors.Join(err, w.up.spool.Device(*d))
		}
	}
	for _, i := range changes.Edges {
		if e := &snap.Edges[i]; w.note("edge", state.EdgeKey(e)) {
			err = errors.Join(err, w.up.spool.Edge(*e))
		}
	}
	if now.Sub(w.devicesAt) >= tellDevices {
		w.devicesAt = now
		for i := range snap.Devices {
			if d := &snap.Devices[i]; w.outdated("device", d.ID) {
				err = errors.Join(err, w.up.spool.Device(*d))
			}
		}
	}
	if now.Sub(w.edgesAt) >= tellEdges {
		w.edgesAt = now
		for i := range snap.Edges {
			if e := &snap.Edges[i]; w.outdated("edge", state.EdgeKey(e)) {
				err = errors.Join(err, w.up.spool.Edge(*e))
			}
		}
		for i := range snap.Coverage {
			err = errors.Join(err, w.up.spool.Coverage(snap.Coverage[i]))
		}
	}
	return errors.Join(err, w.up.spool.Flush())
}

// note remembers that a record has changed, and reports whether it is new.
func (w *writer) note(kind, id string) bool {
	key := maphash.String(w.seed, kind+" "+id)
	_, known := w.told[key]
	w.told[key] = known // a new one is told now
	return !known
}

// outdated reports whether a record has changed since it was told, which it is now.
func (w *writer) outdated(kind, id string) bool {
	key := maphash.String(w.seed, kind+" "+id)
	changed := w.told[key]
	if changed {
		w.told[key] = false
	}
	return changed
}
