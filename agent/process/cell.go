package process

import (
	"math"

	"github.com/spanwatch/spanwatch/protocols"
)

// cell is one variable. It holds no pointers, and there may be half a million.
type cell struct {
	key     key
	next    int32 // of the same device
	pair    int32 // the pair that begins here; alone where it was found to stand for itself
	deed    int32 // the last write
	history int32 // the newest block of changes

	last, prev  uint64 // as on the wire
	count       uint64
	at, changed int64 // Unix nanoseconds: last seen, last changed

	min, max, mean float64
	low, high      float64 // the envelope: the range of the learning time

	step   float32 // mean change of the learning time
	rate   float32 // of the last change, per second
	period float32 // seconds between two answers
	jitter float32 // mean deviation from it

	changes  uint32
	outside  uint32 // observations out of the envelope
	odd      uint32 // observations that are no number
	negative uint32 // of a word: observations that would be negative numbers
	learnt   uint32 // observations of the learning time

	lowest, highest int16  // of a word: the range if it has a sign
	ups, downs      uint16 // changes of the learning time, by direction
	signed          uint8  // times that a word passed zero as only a number with a sign does
	unsigned        uint8  // times that it passed 32768 as only one without does

	kind  protocols.ValueType
	size  uint8
	flags flags
}

type flags uint8

const (
	flagPolled  flags = 1 << iota // a poll reads it: period means something
	flagTimed                     // period was measured
	flagOutside                   // the last value is out of the envelope
	flagMember                    // part of a joined number, which shows instead
	flagSwapped                   // of a joined number: the low word comes first
	flagGuess                     // the kind is a guess
	flagLoaded                    // it was saved by an earlier run
	flagTold                      // the type was told by who asks for it, not found
)

const alone = -1 // for cell.pair

// number gives what a raw value means; NaN for what is no number.
func (c *cell) number(raw uint64) float64 { return number(c.kind, c.size, raw) }

func number(kind protocols.ValueType, size uint8, raw uint64) float64 {
	switch kind {
	case protocols.ValueInt:
		shift := 64 - 8*uint(size)
		return float64(int64(raw<<shift) >> shift)
	case protocols.ValueFloat:
		if size == 4 {
			return float64(math.Float32frombits(uint32(raw)))
		}
		if size == 8 {
			return math.Float64frombits(raw)
		}
		return math.NaN()
	case protocols.ValueBits, protocols.ValueBool, protocols.ValueWords, protocols.ValueUint:
		return float64(raw)
	case protocols.ValueBytes:
		if size == 1 {
			return float64(raw)
		}
	}
	return math.NaN()
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// seen is the circumstances of an observation.
type seen struct {
	n              uint64 // for how many observations it stands
	at             int64  // of the last of them
	by             int32  // who wrote the value; 0: it was read
	polled, timed  bool
	period, jitter float32
}

// observe takes a value of variable i and reports whether it is a new one.
func (p *Process) observe(i int32, raw uint64, s *seen) bool {
	c := p.cells.at(i)
	if p.settled(c, s.at) {
		return false
	}
	x := c.number(raw)
	first := c.count == 0
	c.add(raw, x, s.n)
	learning := s.at <= p.learnUntil
	if learning {
		c.learn(x, s.n)
	}
	if !first && s.at < c.at {
		p.stats.Late += s.n
		return false
	}
	if s.polled {
		c.flags |= flagPolled
	}
	if s.timed {
		c.period, c.jitter = s.period, s.jitter
		c.flags |= flagTimed
	}
	changed := first || raw != c.last
	switch {
	case first:
		c.last, c.prev, c.changed = raw, raw, s.at
	case changed:
		p.change(i, c, raw, x, learning, s)
	}
	if !learning {
		c.judge(x, s.n)
	}
	c.at = s.at
	return changed
}

// settled reports whether an earlier run saw what happened at a time: nothing is counted twice when captures are replayed
// again with the same state.
func (p *Process) settled(c *cell, at int64) bool {
	return c.flags&flagLoaded != 0 && at <= p.devices[c.key.device].until
}

// add counts a value n times into what does not depend on order.
func (c *cell) add(raw uint64, x float64, n uint64) {
	c.count += n
	if !finite(x) {
		c.odd = plus(c.odd, n)
		return
	}
	numbers := c.count - min(uint64(c.odd), c.count)
	if numbers == n {
		c.min, c.max, c.mean = x, x, x
	} else {
		c.min, c.max = min(c.min, x), max(c.max, x)
		// The conversion keeps some processors from rounding once where others round twice.
		c.mean += float64((x - c.mean) * (float64(n) / float64(numbers)))
	}
	if c.kind == protocols.ValueWords {
		signed := int16(raw)
		if numbers == n {
			c.lowest, c.highest = signed, signed
		}
		c.lowest, c.highest = min(c.lowest, signed), max(c.highest, signed)
		if signed < 0 {
			c.negative = plus(c.negative, n)
		}
	}
}

// learn widens the envelope.
func (c *cell) learn(x float64, n uint64) {
	if !finite(x) {
		return
	}
	if c.learnt == 0 {
		c.low, c.high = x, x
	} else {
		c.low, c.high = min(c.low, x), max(c.high, x)
	}
	c.learnt = plus(c.learnt, n)
}

// change takes a value that differs from the one before.
func (p *Process) change(i int32, c *cell, raw uint64, x float64, learning bool, s *seen) {
	by, how := s.by, byRead
	if by != 0 {
		how = byWrite
	} else if writer := p.claimed(c, raw); writer != 0 {
		by, how = writer, byWrite
	}
	if s.by == 0 {
		if how == byRead {
			p.remember(i, change{at: s.at, before: c.last, value: raw, how: how})
		}
		if how == byWrite {
			p.deedOf(c, deed{at: s.at, before: c.last, after: raw, by: by, outcome: byWrite, known: true})
		}
	}
	c.changes = plus(c.changes, 1)
	if c.kind == protocols.ValueWords {
		c.cross(uint16(c.last), uint16(raw))
	}
	before := c.number(c.last)
	c.prev, c.last = c.last, raw
	if d := c.distance(before, x); finite(d) {
		if seconds := float64(s.at-c.at) / 1e9; seconds > 0 {
			c.rate = float32(d / seconds)
		}
		if learning {
			c.stride(d)
		}
	}
	c.changed = s.at
	if c.signed >= 3 && c.hasSign() && c.flags&flagTold == 0 {
		c.giveSign()
	}
}

// distance is the way from one number to the next. Until it is known whether a word has a sign it is the shorter one.
func (c *cell) distance(from, to float64) float64 {
	d := to - from
	if c.kind == protocols.ValueWords && math.Abs(d) > 1<<15 {
		d -= math.Copysign(1<<16, d)
	}
	return d
}

// stride learns how the variable moves.
func (c *cell) stride(d float64) {
	if d > 0 {
		c.ups += min(1, math.MaxUint16-c.ups)
	} else {
		c.downs += min(1, math.MaxUint16-c.downs)
	}
	size := float32(math.Abs(d))
	c.step += (size - c.step) / float32(uint32(c.ups)+uint32(c.downs))
}

// near is how far apart two words are at most that follow each other smoothly.
const near = 1 << 13

// cross looks at how a word passes the two places where it shows whether it has a sign.
func (c *cell) cross(from, to uint16) {
	switch d, u := math.Abs(float64(int16(to))-float64(int16(from))), math.Abs(float64(to)-float64(from)); {
	case d <= near && u > 1<<15 && c.signed < math.MaxUint8:
		c.signed++
	case u <= near && d > 1<<15 && c.unsigned < math.MaxUint8:
		c.unsigned++
	}
}

// farthest is how far from zero a word with a sign goes: analogue inputs end at 27648.
const farthest = 7 << 12

// hasSign reports whether a word looks as if it had a sign: it passed zero as only such a number does, nothing speaks against
// it, and it stays away from the end of the range.
func (c *cell) hasSign() bool {
	return c.kind == protocols.ValueWords && c.signed > 0 && c.unsigned == 0 && c.lowest >= -farthest && c.highest <= farthest
}

// giveSign turns a word and what is known of it into a number with a sign.
func (c *cell) giveSign() {
	c.kind, c.size = protocols.ValueInt, 2
	numbers := c.count - min(uint64(c.odd), c.count)
	c.mean -= 65536 * float64(c.negative) / float64(max(numbers, 1))
	c.min, c.max = float64(c.lowest), float64(c.highest)
	c.low, c.high = c.min, c.max
}

// leastSteps is how many changes must all go one way before a variable is taken for a counter.
const leastSteps = 8

// counter reports whether the variable only ever went one way: its range says nothing about tomorrow.
func (c *cell) counter() bool {
	return c.ups >= leastSteps && c.downs == 0 || c.downs >= leastSteps && c.ups == 0
}

// bounds gives the envelope: what was learnt, widened by a typical step. A counter has none, nor has what was never seen
// in the learning time.
func (c *cell) bounds() (low, high float64, ok bool) {
	if c.learnt == 0 || c.counter() || c.kind == protocols.ValueText {
		return 0, 0, false
	}
	margin := float64(c.step)
	if c.kind == protocols.ValueBits || c.kind == protocols.ValueBool {
		margin = 0
	}
	return c.low - margin, c.high + margin, true
}

// judge holds a value of the time after learning against the envelope.
func (c *cell) judge(x float64, n uint64) {
	c.flags &^= flagOutside
	low, high, ok := c.bounds()
	if ok && !(x >= low && x <= high) {
		c.flags |= flagOutside
		c.outside = plus(c.outside, n)
	}
}

// repeat counts more observations of the last value.
func (p *Process) repeat(i int32, s *seen) {
	c := p.cells.at(i)
	if c.count == 0 {
		return
	}
	c.add(c.last, c.number(c.last), s.n)
	if c.flags&flagOutside != 0 {
		c.outside = plus(c.outside, s.n)
	} else if s.at <= p.learnUntil && c.learnt > 0 {
		c.learnt = plus(c.learnt, s.n)
	}
	c.at = max(c.at, s.at)
	c.flags |= flagPolled
	if s.timed {
		c.period, c.jitter = s.period, s.jitter
		c.flags |= flagTimed
	}
}

// plus adds without passing the largest number.
func plus(a uint32, n uint64) uint32 {
	return uint32(min(uint64(a)+n, math.MaxUint32))
}
