package sensor

import (
	"errors"
	"hash/maphash"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/process"
	"github.com/spanwatch/spanwatch/agent/state"
)

const (
	// saveEvery is how often what is known is written to the state directory: often enough that no more than five
	// seconds are lost, the time that writing takes included.
	saveEvery = 3 * time.Second
	// saveShare bounds the part of the analyst's time that goes into snapshots: one in so many. What takes longer than
	// saveSlice, or has more than saveRecords, is taken in parts, between which the analyst goes on. Who waits for it gets
	// it without pauses.
	saveShare   = 20
	saveSlice   = 10 * time.Millisecond
	saveRecords = 4096
	// saveBudget bounds the process variables that are saved at once, in bytes: those saved longest ago go first. Who asks
	// for a save gets all.
	saveBudget = 8 << 20
	// tellDevicesEvery and tellEdgesEvery are how often a device or an edge that has changed is told to the collector; what is new
	// is told at once.
	tellDevicesEvery = 30 * time.Second
	tellEdgesEvery   = 5 * time.Minute
)

// writer takes what a running sensor knows to its state directory and to the collector. The analyst's goroutine takes
// snapshots and hands them over; a goroutine of the writer's own does all that waits for a disk.
type writer struct {
	dir  *directory
	up   *link
	log  *slog.Logger
	jobs chan job
	done chan struct{}
	// unsaved are process variables of saves that failed, for the analyst.
	unsaved chan []process.Saved
	saving  atomic.Pointer[saving]

	// What follows is the analyst's.

	judged     bool
	final      bool
	fresh      bool                     // something was taken since the last snapshot
	next       time.Time                // when a snapshot is due, or the next part of the one that is being taken
	stock      *stock                   // the one that is being taken; nil: none
	waiting    []chan<- error           // answers that the next snapshot owes
	owed       []chan<- error           // answers that the one being taken owes
	toldHealth time.Time                // when the health was published last
	unraised   map[string]*detect.Alert // alerts that could not be committed

	// What follows is the writer's goroutine's.

	seed               maphash.Seed
	told               map[uint64]bool // by hash of kind and id: whether it has changed since it was told
	devicesAt, edgesAt time.Time
	tellsDevices       bool // with the snapshot at hand
	tellsEdges         bool
	judging            bool  // judged of the snapshot at hand
	sums               tally // of its parts so far
	failing            bool
	undecided          bool
}

// tally is what the parts of a snapshot came to.
type tally struct {
	parts, devices, edges int
	failed                bool // to be saved
	err                   error
}

// saving is how saving goes, for those who ask.
type saving struct {
	devices, edges, alerts int
	saved                  time.Time
	failed                 string
}

// job is a snapshot to be saved, or a part of one.
type job struct {
	snap    state.Snapshot
	last    bool
	final   bool // nothing follows: all that has changed is told
	judged  bool
	answers []chan<- error // of those who wait for it
}

func newWriter(dir *directory, up *link, judged bool, log *slog.Logger) *writer {
	w := &writer{
		dir: dir, up: up, log: log, jobs: make(chan job, 1), done: make(chan struct{}), unsaved: make(chan []process.Saved, 1), judged: judged,
		unraised: make(map[string]*detect.Alert), seed: maphash.MakeSeed(), told: make(map[uint64]bool),
	}
	w.saving.Store(new(saving))
	boundMemory()
	dir.state.Join(joining(func() bool { return w.judging }))
	go func() {
		defer close(w.done)
		for j := range w.jobs {
			w.save(&j, time.Now())
			for _, answer := range j.answers {
				answer <- w.sums.err
			}
			if j.last {
				w.sums = tally{}
			}
			boundMemory()
		}
	}()
	return w
}

// close waits until what was handed over is saved.
func (w *writer) close() {
	close(w.jobs)
	<-w.done
}

// offer hands over a snapshot, or a part of one, when one is due, or somebody waits for it, and the one before is being
// saved at least.
func (w *writer) offer(an *analyst, now time.Time) {
	hurry := len(w.waiting)+len(w.owed) > 0
	due := (w.stock != nil || w.fresh || w.saving.Load().failed != "") && !now.Before(w.next)
	if !due && !hurry || len(w.jobs) == cap(w.jobs) {
		return
	}
	w.step(an, now)
}

// step takes a part of a snapshot and hands it over.
func (w *writer) step(an *analyst, now time.Time) {
	if w.stock == nil {
		w.retry()
		select {
		case saved := <-w.unsaved:
			an.process.Unsaved(saved)
		default:
		}
		w.stock = an.takeStock(an.detector.Alerts(), len(w.waiting) > 0)
		w.fresh, w.owed, w.waiting = false, w.waiting, nil
	}
	hurry := len(w.owed)+len(w.waiting) > 0
	snap, last := w.stock.part(func(s *state.Snapshot) bool {
		return 4*len(s.Devices)+len(s.Edges) >= saveRecords || len(s.Process) > 0 || !hurry && time.Since(now) >= saveSlice
	})
	j := job{snap: snap, last: last, final: w.final, judged: w.judged}
	pause := saveShare * time.Since(now)
	if last {
		j.answers, w.owed, w.stock = w.owed, nil, nil
		pause = max(pause, saveEvery)
	}
	w.next = now.Add(pause)
	w.jobs <- j
}

// finish hands over all that is known, and waits until it is saved.
func (w *writer) finish(an *analyst) error {
	answer := make(chan error, 1)
	w.waiting, w.final = append(w.waiting, answer), true
	for w.stock != nil || len(w.waiting) > 0 {
		w.step(an, time.Now())
	}
	return <-answer
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

// save writes a snapshot, or a part of one, and spools what has changed since it was told.
func (w *writer) save(j *job, now time.Time) {
	if w.sums.parts++; w.sums.parts == 1 {
		w.tellsDevices = j.final || now.Sub(w.devicesAt) >= tellDevicesEvery
		w.tellsEdges = j.final || now.Sub(w.edgesAt) >= tellEdgesEvery
	}
	w.judging = j.judged
	changes, err := w.dir.state.SavePart(j.snap, j.last)
	if changes.Undecided != nil && !w.undecided {
		w.log.Error("the operator's decisions on the baseline cannot be read; those read before hold", "error", changes.Undecided)
	}
	w.undecided = changes.Undecided != nil
	told := *w.saving.Load()
	w.sums.devices, w.sums.edges = w.sums.devices+len(j.snap.Devices), w.sums.edges+len(j.snap.Edges)
	if err != nil {
		told.failed, w.sums.failed = err.Error(), true
		w.giveBack(j.snap.Process)
		if !w.failing {
			w.log.Error("what is known cannot be saved; it is tried again until it can", "error", err)
		}
		w.failing = true
	} else {
		err = w.tell(j, &changes)
	}
	w.sums.err = errors.Join(w.sums.err, err)
	if j.last && !w.sums.failed {
		told = saving{devices: w.sums.devices, edges: w.sums.edges, alerts: len(j.snap.Alerts), saved: now.UTC()}
		if w.failing {
			w.log.Info("what is known can be saved again")
		}
		w.failing = false
	}
	if j.last {
		w.devicesAt, w.edgesAt = since(w.tellsDevices, now, w.devicesAt), since(w.tellsEdges, now, w.edgesAt)
	}
	w.saving.Store(&told)
}

// since gives the time at which something was done last.
func since(done bool, now, before time.Time) time.Time {
	if done {
		return now
	}
	return before
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
func (w *writer) tell(j *job, changes *state.Changes) (err error) {
	if w.up.spool == nil {
		return nil
	}
	err = errors.Join(w.tellDevices(j.snap.Devices, changes.Devices), w.tellEdges(j.snap.Edges, changes.Edges))
	if w.tellsEdges {
		for i := range j.snap.Coverage {
			err = errors.Join(err, w.up.spool.Coverage(j.snap.Coverage[i]))
		}
	}
	return errors.Join(err, w.up.spool.Flush())
}

func (w *writer) tellDevices(devices []inventory.Device, changed []int) (err error) {
	for _, i := range changed {
		if d := &devices[i]; w.note("device", d.ID) {
			err = errors.Join(err, w.up.spool.Device(*d))
		}
	}
	for i := 0; w.tellsDevices && i < len(devices); i++ {
		if d := devices[i]; w.outdated("device", d.ID) {
			var unread error
			if _, now := slices.BinarySearch(changed, i); !now { // what changes has joined already what earlier runs knew
				d, unread = w.dir.state.Joined(d)
			}
			err = errors.Join(err, unread, w.up.spool.Device(d))
		}
	}
	return err
}

func (w *writer) tellEdges(edges []graph.Edge, changed []int) (err error) {
	for _, i := range changed {
		if e := &edges[i]; w.note("edge", state.EdgeKey(e)) {
			err = errors.Join(err, w.up.spool.Edge(*e))
		}
	}
	for i := 0; w.tellsEdges && i < len(edges); i++ {
		if e := edges[i]; w.outdated("edge", state.EdgeKey(&e)) {
			var unread error
			if _, now := slices.BinarySearch(changed, i); !now {
				e, unread = w.dir.state.JoinedEdge(e)
			}
			err = errors.Join(err, unread, w.up.spool.Edge(e))
		}
	}
	return err
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
