package s7

import "github.com/spanwatch/spanwatch/protocols"

const (
	// maxPending is how many requests of a conversation may await their answers. Controllers accept some ten at a time.
	maxPending = 64
	// maxKept is how much of a request is kept for its answer: more than the parameter of any PDU that devices agree on.
	maxKept = 1024
)

// request is a request that was seen earlier. raw is valid until the next change of its table.
type request struct {
	known bool
	kind  uint32 // function, or group and subfunction
	frame uint64
	raw   []byte
}

type entry struct {
	request
	asker protocols.Side
	ref   uint16
	age   uint64
}

// table keeps requests by asker and reference. A full table forgets its oldest entry. The zero value is ready. Entries
// [0:used) are live; the rest keep their buffers for reuse, so that a steady exchange allocates nothing.
type table struct {
	entries []entry
	used    int
	clock   uint64
	evicted uint64
}

// put remembers a request; one with the same reference replaces an older one, which then was never answered.
func (t *table) put(asker protocols.Side, ref uint16, kind uint32, frame uint64, raw []byte) {
	i := t.find(asker, ref)
	switch {
	case i >= 0:
	case t.used < maxPending:
		if t.used == len(t.entries) {
			t.entries = append(t.entries, entry{})
		}
		i = t.used
		t.used++
	default:
		i = t.oldest()
		t.evicted++
	}
	t.clock++
	e := &t.entries[i]
	kept := append(e.raw[:0], raw[:min(len(raw), maxKept)]...)
	*e = entry{request{true, kind, frame, kept}, asker, ref, t.clock}
}

// take finds and removes the request of that kind; zero when there is none.
func (t *table) take(asker protocols.Side, ref uint16, kind uint32) request {
	if i := t.find(asker, ref); i >= 0 && t.entries[i].kind == kind {
		return t.remove(i)
	}
	return request{}
}

// takeAny finds and removes the request, whatever its kind.
func (t *table) takeAny(asker protocols.Side, ref uint16) request {
	if i := t.find(asker, ref); i >= 0 {
		return t.remove(i)
	}
	return request{}
}

// get finds the request of that kind and leaves it there.
func (t *table) get(asker protocols.Side, ref uint16, kind uint32) request {
	if i := t.find(asker, ref); i >= 0 && t.entries[i].kind == kind {
		return t.entries[i].request
	}
	return request{}
}

func (t *table) remove(i int) request {
	t.used--
	t.entries[i], t.entries[t.used] = t.entries[t.used], t.entries[i]
	return t.entries[t.used].request
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
