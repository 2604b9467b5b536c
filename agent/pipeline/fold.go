package pipeline

import (
	"bytes"
	"hash/maphash"
	"math/bits"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	// foldFor is how long, in packet time, events that repeat are gathered before they are told.
	foldFor = 5 * time.Second
	// maxFolds bounds the kinds of events of one conversation that are gathered, maxFoldsHeld those of a worker.
	maxFolds     = 64
	maxFoldsHeld = 1 << 14
	// maxFoldValues is up to how many bytes of values an event is gathered.
	maxFoldValues = 512
)

// folding is what the conversations of a worker have in common.
type folding struct {
	seed  maphash.Seed
	held  int               // slots in use
	spare []protocols.Event // events on their way behind what is told before them
}

// folds is what a conversation repeats. An event is told when it is new; afterwards the same again is only counted, until
// it is time to tell how often, something else happens in the conversation that matters, or its values change.
type folds struct {
	keys  []uint64 // what the event of each slot is about
	slots []fold
	next  int // where to look first: polls go round
	give  int // the slot that gives way next
	since time.Time
	open  [2]int // slots with something to tell, by who sends such events
	// lively says that the last answer was news: then the next request is told at once, for it must not come behind its
	// answer, which may be news too.
	lively bool
}

// fold is one kind of event.
type fold struct {
	event       protocols.Event // the last one; its values lie in values
	values      []byte
	count       uint64
	first, last time.Time
	latest      [protocols.FoldLatest]time.Time // a ring; the next place is count modulo its length
}

// fold takes out of the batch those events from index before on that repeat, and keeps the values of the others. What
// matters by itself is preceded by what the conversation had gathered, so that the order of deeds stays.
func (w *Worker) fold(c *conversation, before int, at time.Time) {
	b, f := w.batch, &c.folds
	events := b.Events[before:]
	open := f.open[0]+f.open[1] > 0
	matters := open && at.Sub(f.since) >= foldFor
	for i := range events {
		matters = matters || open && !repeatable(&events[i])
	}
	if !matters {
		// The common cases need no room: everything repeats, or the one event is told with nothing before it.
		n := 0
		for n < len(events) && repeatable(&events[n]) && f.repeats(w.folding.key(&events[n]), &events[n], at) {
			n++
		}
		if n == len(events) {
			b.Events = b.Events[:before]
			return
		}
		if len(events) == 1 && f.open == [2]int{} {
			w.foldOne(c, &events[0], at)
			return
		}
		events = events[n:]
	}
	w.folding.spare = append(w.folding.spare[:0], events...)
	b.Events = b.Events[:before]
	if matters {
		w.unfold(c, at)
	}
	for i := range w.folding.spare {
		e := &w.folding.spare[i]
		if repeatable(e) && f.repeats(w.folding.key(e), e, at) {
			continue
		}
		w.foldOne(c, e, at)
		b.Events = append(b.Events, *e)
	}
	clear(w.folding.spare)
}

// foldOne makes an event that is told what may repeat, and keeps its values.
func (w *Worker) foldOne(c *conversation, e *protocols.Event, at time.Time) {
	if repeatable(e) {
		w.begin(c, w.folding.key(e), e, at)
	}
	e.Values.Raw = w.batch.keep(e.Values.Raw)
}

// repeatable reports whether an event may be told late: nothing is altered, refused, logged in to, disclosed or wrong.
func repeatable(e *protocols.Event) bool {
	switch e.Action {
	case protocols.ActionNone, protocols.ActionConnect, protocols.ActionRead, protocols.ActionSubscribe:
		return (e.Outcome == protocols.OutcomeAsked || e.Outcome == protocols.OutcomeDone) && e.Facts == nil && e.Malformed == "" &&
			len(e.Values.Raw) <= maxFoldValues
	}
	return false
}

// key tells what an event is about, whatever its values.
func (f *folding) key(e *protocols.Event) uint64 {
	o := &e.Object
	h := maphash.String(f.seed, e.Message)
	h ^= uint64(e.From) | uint64(e.Action)<<8 | uint64(e.Outcome)<<16 | uint64(o.Unit)<<24 | uint64(e.Part)<<40
	h = (h ^ uint64(o.First)<<32 ^ uint64(o.Count)) * 0x9e3779b97f4a7c15
	if o.Name != "" {
		h ^= maphash.String(f.seed, o.Name)
	}
	return bits.RotateLeft64(h, 29) | 1
}

func (f *folds) find(key uint64) int {
	if f.next < len(f.keys) && f.keys[f.next] == key {
		return f.next
	}
	for i, k := range f.keys {
		if k == key {
			return i
		}
	}
	return -1
}

// repeats counts an event that the conversation has told before just so.
func (f *folds) repeats(key uint64, e *protocols.Event, at time.Time) bool {
	if e.From == protocols.Client && f.lively {
		return false
	}
	i := f.find(key)
	if i < 0 || !f.slots[i].same(e) {
		return false
	}
	f.lively = false
	f.next = i + 1
	if f.next == len(f.slots) {
		f.next = 0
	}
	s := &f.slots[i]
	if s.count == 0 {
		if f.open[0]+f.open[1] == 0 {
			f.since = at
		}
		f.open[e.From]++
		s.first = at
	}
	s.latest[s.count%protocols.FoldLatest] = at
	s.count++
	s.last = at
	s.event.Frame, s.event.Source, s.event.Answers, s.event.PDU = e.Frame, e.Source, e.Answers, e.PDU
	return true
}

// same reports whether an event says what the slot's does.
func (s *fold) same(e *protocols.Event) bool {
	o := &s.event
	return o.Conv == e.Conv && o.Message == e.Message && o.Object == e.Object && o.Action == e.Action && o.Outcome == e.Outcome &&
		o.From == e.From && o.Part == e.Part && o.Protocol == e.Protocol && o.Carrier == e.Carrier && secured(o.Security, e.Security) &&
		o.Values.Type == e.Values.Type && o.Values.Declared == e.Values.Declared && (o.Answers == 0) == (e.Answers == 0) && bytes.Equal(s.values, e.Values.Raw)
}

// secured reports whether two events tell the same of the protection.
func secured(a, b *protocols.Security) bool { return a == b || a != nil && b != nil && *a == *b }

// begin makes an event that is told now what may repeat. What its slot had gathered is told before it.
func (w *Worker) begin(c *conversation, key uint64, e *protocols.Event, at time.Time) {
	f := &c.folds
	if f.lively = e.From == protocols.Server; f.lively {
		w.requests(c, at)
	}
	i := f.find(key)
	switch {
	case i >= 0:
		w.tell(c, i, at)
	case len(f.slots) < maxFolds && w.folding.held < maxFoldsHeld:
		w.folding.held++
		f.keys, f.slots = append(f.keys, 0), append(f.slots, fold{})
		i = len(f.slots) - 1
	case len(f.slots) > 0: // another kind gives way
		f.give = (f.give + 1) % len(f.slots)
		i = f.give
		w.tell(c, i, at)
	default:
		return
	}
	s := &f.slots[i]
	f.keys[i], f.next = key, i+1
	s.event = *e
	s.values = append(s.values[:0], e.Values.Raw...)
	s.event.Values.Raw = nil
}

// tell appends to the batch what a slot has gathered. Its place is that of the conversation's latest message.
func (w *Worker) tell(c *conversation, i int, at time.Time) {
	s := &c.folds.slots[i]
	if s.count == 0 {
		return
	}
	from := s.event.From
	if from == protocols.Server {
		w.requests(c, at)
	}
	b := w.batch
	b.Events = append(b.Events, s.event)
	e := &b.Events[len(b.Events)-1]
	e.Time, e.Fold = at, &protocols.Fold{
		Count: s.count, First: s.first, Last: s.last, At: c.number.frame & (1<<sourceShift - 1),
	}
	e.Fold.Latest = s.moments()
	e.Values.Raw = b.keep(s.values)
	s.count = 0
	c.folds.open[from]--
}

// moments gives the times in the ring, ascending.
func (s *fold) moments() []time.Time {
	if s.count <= protocols.FoldLatest {
		return slices.Clone(s.latest[:s.count])
	}
	next := s.count % protocols.FoldLatest
	return slices.Concat(s.latest[next:], s.latest[:next])
}

// requests tells the requests that a conversation has gathered: none may come behind its answer.
func (w *Worker) requests(c *conversation, at time.Time) {
	for i := 0; c.folds.open[protocols.Client] > 0; i++ {
		if c.folds.slots[i].event.From == protocols.Client {
			w.tell(c, i, at)
		}
	}
}

// unfold tells all that a conversation has gathered.
func (w *Worker) unfold(c *conversation, at time.Time) {
	w.requests(c, at)
	for i := 0; c.folds.open[protocols.Server] > 0; i++ {
		w.tell(c, i, at)
	}
}
