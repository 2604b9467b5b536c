package pipeline

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// release holds what workers hand over until all of them have passed its time, and hands it on in order.
type release struct {
	sink  func(*Batch) error
	marks []time.Time // by worker; zero until its first portion
	ended []bool
	open  int // workers that have not ended

	events  queue[protocols.Event]
	flows   queue[protocols.Flow]
	notices queue[protocols.Notice]
	passed  time.Time // the mark of what was handed on

	lent   []lent // portions whose events are still held: their values lie in the batch
	idle   []lent // given back by done
	merged Batch
}

// lent is a batch and the time of its last event.
type lent struct {
	worker int
	batch  *Batch
	until  time.Time
}

func newRelease(workers int, sink func(*Batch) error) *release {
	return &release{
		sink: sink, marks: make([]time.Time, workers), ended: make([]bool, workers), open: workers,
		events: queue[protocols.Event]{
			at: func(e *protocols.Event) time.Time { return e.Time },
			order: func(x, y *protocols.Event) int {
				return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Place(), y.Place()))
			},
		},
		flows: queue[protocols.Flow]{
			at: func(f *protocols.Flow) time.Time { return f.Last },
			order: func(x, y *protocols.Flow) int {
				return cmp.Or(x.Last.Compare(y.Last), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Frame, y.Frame), cmp.Compare(x.Conv.ID, y.Conv.ID))
			},
		},
		notices: queue[protocols.Notice]{
			at: func(n *protocols.Notice) time.Time { return n.Time },
			order: func(x, y *protocols.Notice) int {
				return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Frame, y.Frame))
			},
		},
	}
}

// take adds a portion and hands on what has become due.
func (r *release) take(p portion) error {
	b := p.batch
	l := lent{worker: p.worker, batch: b}
	late := uint64(0)
	for i := range b.Events {
		e := &b.Events[i]
		if !e.Time.After(r.passed) {
			late++
		}
		if e.Time.After(l.until) {
			l.until = e.Time
		}
	}
	r.events.add(b.Events)
	r.flows.add(b.Flows)
	r.notices.add(b.Notices)
	r.merged.Bindings = append(r.merged.Bindings, b.Bindings...)
	r.merged.Stats.Add(&b.Stats)
	r.merged.Stats.Late += late
	r.lent = append(r.lent, l)
	if p.mark.After(r.marks[p.worker]) {
		r.marks[p.worker] = p.mark
	}
	if p.last {
		r.ended[p.worker] = true
		r.open--
	}
	due, all := r.due()
	if !all && due.IsZero() {
		return nil
	}
	return r.hand(due, all)
}

// due is the time that every worker has passed; all says that none is left.
func (r *release) due() (mark time.Time, all bool) {
	all = true
	for i, m := range r.marks {
		if r.ended[i] {
			continue
		}
		if all || m.Before(mark) {
			mark = m
		}
		all = false
	}
	return mark, all
}

// hand gives sink what is not younger than mark.
func (r *release) hand(mark time.Time, all bool) error {
	b := &r.merged
	b.Events = r.events.until(b.Events[:0], mark, all)
	b.Flows = r.flows.until(b.Flows[:0], mark, all)
	b.Notices = r.notices.until(b.Notices[:0], mark, all)
	if mark.After(r.passed) {
		r.passed = mark
	}
	err := r.sink(b)
	b.reset()
	r.lent = slices.DeleteFunc(r.lent, func(l lent) bool {
		if !all && l.until.After(mark) {
			return false
		}
		r.idle = append(r.idle, l)
		return true
	})
	return err
}

// done gives the batches that are not needed any more.
func (r *release) done() []lent {
	idle := r.idle
	r.idle = r.idle[:0]
	return idle
}

// queue holds records until they are due.
type queue[T any] struct {
	at    func(*T) time.Time
	order func(x, y *T) int
	held  []T
}

func (q *queue[T]) add(list []T) { q.held = append(q.held, list...) }

// until appends to dst what is not younger than mark, in order. Records that compare equal keep the order in which they
// came.
func (q *queue[T]) until(dst []T, mark time.Time, all bool) []T {
	if len(q.held) == 0 {
		return dst
	}
	arrange(q.held, q.order)
	n := len(q.held)
	if !all {
		n, _ = slices.BinarySearchFunc(q.held, mark, func(record T, mark time.Time) int {
			if q.at(&record).After(mark) {
				return 1
			}
			return -1
		})
	}
	dst = append(dst, q.held[:n]...)
	rest := copy(q.held, q.held[n:])
	clear(q.held[rest:])
	q.held = q.held[:rest]
	return dst
}

// arrange sorts records; those that compare equal keep their order. Records are large, and mostly in order or nearly so:
// their places are sorted, and each record that moves does so once.
func arrange[T any](list []T, order func(x, y *T) int) {
	for i := 1; ; i++ {
		if i >= len(list) {
			return
		}
		if order(&list[i-1], &list[i]) > 0 {
			break
		}
	}
	places := make([]int32, len(list))
	for i := range places {
		places[i] = int32(i)
	}
	slices.SortFunc(places, func(a, b int32) int { return cmp.Or(order(&list[a], &list[b]), cmp.Compare(a, b)) })
	for i := range places {
		if int(places[i]) == i {
			continue
		}
		moved, to := list[i], i // the record at places[to] comes to place to, and so round
		for int(places[to]) != i {
			from := int(places[to])
			list[to], places[to] = list[from], int32(to)
			to = from
		}
		list[to], places[to] = moved, int32(to)
	}
}
