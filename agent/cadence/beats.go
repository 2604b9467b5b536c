package cadence

import "time"

// slots is how many things a Beats times.
const slots = 4

// Beats times what is done again and again, one Pace for each thing: of all things the first by order, so that which are
// timed does not depend on what came first. The zero value times nothing yet.
type Beats[K comparable] struct {
	all []beat[K]
}

type beat[K comparable] struct {
	key  K
	pace Pace
}

// Add tells that something was done. Compare orders things; room says whether memory for one more may be taken. Add
// reports whether it was.
func (b *Beats[K]) Add(key K, at time.Time, compare func(a, b K) int, room bool) (taken bool) {
	for k := range b.all {
		if b.all[k].key == key {
			b.all[k].pace.Add(at)
			return false
		}
	}
	k := 0
	for k < len(b.all) && compare(key, b.all[k].key) > 0 {
		k++
	}
	if k == slots || len(b.all) < slots && !room {
		return false
	}
	if taken = len(b.all) < slots; taken {
		b.all = append(b.all, beat[K]{})
	}
	copy(b.all[k+1:], b.all[k:])
	b.all[k] = beat[K]{key: key}
	b.all[k].pace.Add(at)
	return taken
}

// Len is how many things are timed.
func (b *Beats[K]) Len() int { return len(b.all) }

// Merge adds what another Beats timed.
func (b *Beats[K]) Merge(o *Beats[K], compare func(a, b K) int) {
	merged := Beats[K]{}
	for _, from := range [][]beat[K]{b.all, o.all} {
		for i := range from {
			merged.insert(&from[i], compare)
		}
	}
	*b = merged
}

func (b *Beats[K]) insert(x *beat[K], compare func(a, b K) int) {
	k := 0
	for ; k < len(b.all); k++ {
		if order := compare(x.key, b.all[k].key); order == 0 {
			b.all[k].pace.Merge(&x.pace)
			return
		} else if order < 0 {
			break
		}
	}
	if k == slots {
		return
	}
	if len(b.all) < slots {
		b.all = append(b.all, beat[K]{})
	}
	copy(b.all[k+1:], b.all[k:])
	b.all[k] = *x
}

// Measure gives the pace of the steadiest thing: among those at a steady pace the quickest, else the pace of the first
// that has any.
func (b *Beats[K]) Measure() (interval, jitter time.Duration, steady bool) {
	for k := range b.all {
		i, j, s := b.all[k].pace.Measure()
		if i > 0 && (interval == 0 || s && !steady || s == steady && s && i < interval) {
			interval, jitter, steady = i, j, s
		}
	}
	return interval, jitter, steady
}
