// Package cadence tells whether something is repeated at a steady pace, as controllers are polled.
//
// It keeps the latest moments of what is repeated and nothing else, so that the order in which moments are told does not
// matter: the same moments give the same pace. Pace and jitter are medians: an outage, or a retry, moves neither.
//
// Its types are values without locks. Their clock is the caller's.
package cadence

import (
	"slices"
	"time"
)

const (
	// kept is how many moments tell a pace.
	kept = 12
	// enough is how many moments there must be before it is called a pace.
	enough = 8
	// share of the intervals, in per cent, must lie within tolerance of the median for the pace to be steady.
	share     = 70
	tolerance = 25
)

// Pace is the latest moments at which something happened. The zero value knows none.
type Pace struct {
	n  uint8
	at [kept]int64 // Unix nanoseconds, ascending
}

// Add tells of a moment. One that is known changes nothing.
func (p *Pace) Add(at time.Time) { p.add(at.UnixNano()) }

func (p *Pace) add(t int64) {
	if p.n > 0 && t > p.at[p.n-1] { // the common case
		if p.n == kept {
			copy(p.at[:], p.at[1:])
			p.n--
		}
		p.at[p.n] = t
		p.n++
		return
	}
	k, known := slices.BinarySearch(p.at[:p.n], t)
	switch {
	case known:
	case p.n < kept:
		copy(p.at[k+1:p.n+1], p.at[k:p.n])
		p.at[k] = t
		p.n++
	case k > 0:
		copy(p.at[:k-1], p.at[1:k])
		p.at[k-1] = t
	}
}

// Merge adds the moments of another Pace.
func (p *Pace) Merge(o *Pace) {
	for _, t := range o.at[:o.n] {
		p.add(t)
	}
}

// Measure gives the median interval between moments, the median deviation from it, and whether the pace is steady. All
// are zero as long as too few moments are known.
func (p *Pace) Measure() (interval, jitter time.Duration, steady bool) {
	if p.n < enough {
		return 0, 0, false
	}
	var gaps, off [kept - 1]int64
	n := int(p.n) - 1
	for k := range n {
		gaps[k] = p.at[k+1] - p.at[k]
	}
	middle := median(gaps[:n])
	near := 0
	for k, g := range gaps[:n] {
		off[k] = max(g-middle, middle-g)
		if off[k] <= middle*tolerance/100 {
			near++
		}
	}
	return time.Duration(middle), time.Duration(median(off[:n])), near*100 >= n*share
}

// median sorts the values and gives the middle one, of two the lower.
func median(values []int64) int64 {
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
