package process

import "math"

// evidence is what speaks for one order of the words, and against it.
type evidence struct {
	biggest  float32
	misfits  uint32 // changes that a measured float does not make
	jumps    uint32 // changes of the low word by more than a 16th of its range
	moves    uint32 // changes of the high word
	wild     uint32 // of these, those by more than three
	against  uint32 // changes of the high word without a carry
	carried  uint32 // points for carries
	quarters uint8  // of the low word's range that were seen
}

const (
	leastLooks  = 16
	leastPoints = 16
	strongCarry = 3 // points for a carry that wraps the low word
	smallest    = 1e-6
	largest     = 1e9
)

// look compares two successive contents, the high word first. Bits is the width of a word.
func (e *evidence) look(x, last uint32, bits uint) {
	mask := uint32(1)<<bits - 1
	high, low := int32(x>>bits), int32(x&mask)
	highWas, lowWas := int32(last>>bits), int32(last&mask)
	span := int32(1) << bits
	step := low - lowWas
	if step >= span/16 || step <= -span/16 {
		e.jumps++
	}
	e.quarters |= 1 << (low / (span / 4))
	d := high - highWas
	if d > span/2 {
		d -= span
	} else if d < -span/2 {
		d += span
	}
	switch {
	case d == 0:
		return
	case d > 3 || d < -3:
		e.wild++
	case step != 0 && (d > 0) == (step < 0):
		e.carried++
		if (d == 1 || d == -1) && (step >= span/2 || step <= -span/2) {
			e.carried += strongCarry - 1
		}
	default:
		e.against++
	}
	e.moves++
}

// fit holds two successive contents against what a measured float does: it has an ordinary size and moves smoothly.
func (e *evidence) fit(x, last uint32) {
	f, was := math.Float32frombits(x), math.Float32frombits(last)
	if !ordinary(f) || !ordinary(was) {
		e.misfits++
		return
	}
	e.biggest = max(e.biggest, float32(math.Abs(float64(f))), float32(math.Abs(float64(was))))
	if math.Abs(float64(f-was)) > 0.3*float64(e.biggest) {
		e.misfits++
	}
}

func ordinary(f float32) bool {
	size := math.Abs(float64(f))
	return size >= smallest && size <= largest || math.Float32bits(f) == 0
}

// float reports that four bytes are a float beyond doubt: always an ordinary number that moves smoothly, while the low word
// alone jumps over its whole range.
func (e *evidence) float(n uint32) bool {
	return n >= leastLooks && e.misfits*16 <= n && e.jumps*2 >= n && e.moves*8 >= n && e.quarters == 0xf
}

// maybeFloat reports that it may turn out so.
func (e *evidence) maybeFloat(n uint32) bool {
	return n < leastLooks/2 && e.misfits == 0 || n >= leastLooks/2 && e.misfits*8 <= n && e.jumps*3 >= n && e.moves > 0
}

// integer reports that two words are one integer: the high word moves when the low word wraps, and only then.
func (e *evidence) integer(n uint32) bool {
	return e.carried >= leastPoints && e.against*16 <= e.carried && e.wild*8 <= n
}

// hopeless reports that two words have nothing to do with each other, whatever follows.
func (e *evidence) hopeless(n uint32) bool {
	return n >= 256 && e.misfits*4 > n && (e.against*2 > e.carried && e.against > 8 || e.wild*4 > n)
}
