package s7

import "github.com/spanwatch/spanwatch/protocols"

const (
	// maxPending is how many requests of a conversation may await their answers. Controllers accept some ten at a time.
	maxPending = 64
	// maxKept is how much of a request is kept for its answer: more than the parameter of any PDU that devices agree on.
	maxKept = 1024
)

// request is a request that was seen earlier.
type request struct {
	kind  uint32 // function, or group and subfunction
	ref   uint16
	asker protocols.Side
	frame uint64
	age   uint64
	raw   []byte
	// excused says that bytes were lost among which the answer may have been.
	excused bool
	poll    bool // a job that poll read
}

// table keeps requests by asker and reference. A full table forgets its oldest entry. The zero value is ready. Entries
// [0:used) are live; the rest keep their buffers for reuse, so that a steady exchange allocates nothing.
type table struct {
	entries []request
	used    int
	clock   uint64
	evicted uint64
	silent  uint64 // requests given up without an answer, since they were asked for
}

// put remembers a request; one with the same reference replaces an older one, which then was never answered.
// What it gives is valid until the next one.
func (t *table) put(asker protocols.Side, ref uint16, kind uint32, frame uint64, raw []byte) *request {
	i := t.find(asker, ref)
	switch {
	case i >= 0:
		t.giveUp(i)
	case t.used < maxPending:
		if t.used == len(t.entries) {
			t.entries = append(t.entries, request{})
		}
		i = t.used
		t.used++
	default:
		i = t.oldest()
		t.evicted++
		t.giveUp(i)
	}
	t.clock++
	e := &t.entries[i]
	e.kind, e.ref, e.asker, e.frame, e.age, e.excused = kind, ref, asker, frame, t.clock, false
	e.poll = false
	e.raw = append(e.raw[:0], raw[:min(len(raw), maxKept)]...)
	return e
}

// take finds and removes the request of that kind; nil when there is none. What it gives is valid until the next put.
func (t *table) take(asker protocols.Side, ref uint16, kind uint32) *request {
	i := t.find(asker, ref)
	if i < 0 || t.entries[i].kind != kind {
		return nil
	}
	return t.answered(i)
}

// takeAny finds and removes the request, whatever its kind.
func (t *table) takeAny(asker protocols.Side, ref uint16) *request {
	i := t.find(asker, ref)
	if i < 0 {
		return nil
	}
	return t.answered(i)
}

func (t *table) answered(i int) *request {
	q := t.remove(i)
	if t.used > 0 {
		t.passOver(q.asker, q.age)
	}
	return q
}

// get finds the request of that kind and leaves it there.
func (t *table) get(asker protocols.Side, ref uint16, kind uint32) *request {
	if i := t.find(asker, ref); i >= 0 && t.entries[i].kind == kind {
		return &t.entries[i]
	}
	return nil
}

func (t *table) remove(i int) *request {
	t.used--
	if i < t.used {
		t.entries[i], t.entries[t.used] = t.entries[t.used], t.entries[i]
	}
	return &t.entries[t.used]
}

// giveUp counts entry i as a request without an answer, unless that may have been lost on the way to the sensor.
func (t *table) giveUp(i int) {
	if !t.entries[i].excused {
		t.silent++
	}
}

// passOver gives up the asker's requests that are maxPending older than the one at hand, which was answered: devices
// may answer out of turn, but not so late.
func (t *table) passOver(asker protocols.Side, age uint64) {
	for i := t.used - 1; i >= 0; i-- {
		if e := &t.entries[i]; e.asker == asker && e.age+maxPending <= age {
			t.giveUp(i)
			t.remove(i)
		}
	}
}

// excuse tells that answers to the asker may have been lost. What it asked stays, for they may also come yet.
func (t *table) excuse(asker protocols.Side) {
	for i := range t.entries[:t.used] {
		if e := &t.entries[i]; e.asker == asker {
			e.excused = true
		}
	}
}

// unanswered gives how many requests were given up since the last call; when the conversation ended, all are.
func (t *table) unanswered(ended bool) uint64 {
	if ended {
		for i := range t.entries[:t.used] {
			t.giveUp(i)
		}
		t.used = 0
	}
	n := t.silent
	t.silent = 0
	return n
}

func (t *table) find(asker protocols.Side, ref uint16) int {
	for i := range t.entries[:t.used] {
		if t.entries[i].ref == ref && t.entries[i].asker == asker {
			return i
		}
	}
	return -1
}

func (t *table) oldest() int {
	oldest := 0
	for i := range t.entries[:t.used] {
		if t.entries[i].age < t.entries[oldest].age {
			oldest = i
		}
	}
	return oldest
}
