package process

import (
	"math"

	"github.com/spanwatch/spanwatch/protocols"
)

// pair is the examination whether an element and those behind it hold one number, and what came of it.
type pair struct {
	cell   int32  // of the number; 0 while it is examined
	width  uint8  // elements
	last   uint32 // the four bytes at the last look
	began  bool
	n      uint32 // looks at which they had changed
	orders [2]evidence
	narrow evidence // of two bytes
	least  int32    // of the four bytes as a number with a sign
	most   int32
}

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

// joinAll looks at the elements of a message after they were observed: numbers that several of them hold are observed, and
// neighbours that changed are examined.
func (p *Process) joinAll(cells []int32, s *seen) {
	for k, i := range cells {
		if i == 0 {
			continue
		}
		c := p.cells.at(i)
		switch {
		case c.pair == alone || c.key.class != classWord && c.key.class != classByte:
			continue
		case c.pair > 0 && p.pairs.at(c.pair).cell != 0:
			pr := p.pairs.at(c.pair)
			if raw, ok := p.joinedRaw(pr, cells[k:]); ok {
				p.observe(pr.cell, raw, s)
			}
		case s.by == 0:
			p.examine(cells, k, s)
		}
	}
}

// joinedRaw puts the elements of a number together.
func (p *Process) joinedRaw(pr *pair, cells []int32) (uint64, bool) {
	if len(cells) < int(pr.width) {
		return 0, false
	}
	x, ok := p.together(cells[:pr.width])
	if ok && p.cells.at(pr.cell).flags&flagSwapped != 0 {
		x = x<<16&0xffff0000 | x>>16
	}
	return x, ok
}

// together gives the content of neighbours, the first one highest.
func (p *Process) together(cells []int32) (x uint64, ok bool) {
	for _, i := range cells {
		if i == 0 {
			return 0, false
		}
		c := p.cells.at(i)
		if c.count == 0 {
			return 0, false
		}
		if c.key.class == classByte {
			x = x<<8 | c.last&0xff
		} else {
			x = x<<16 | c.last&0xffff
		}
	}
	return x, true
}

// examine looks at the number that may begin with element k of a message.
func (p *Process) examine(cells []int32, k int, s *seen) {
	c := p.cells.at(cells[k])
	width := 2
	if c.key.class == classByte {
		if c.key.index%2 != 0 {
			return
		}
		width = 4
	}
	whole := k+width <= len(cells)
	if !whole {
		if c.key.class == classWord || k+2 > len(cells) {
			return
		}
		width = 2
	}
	x, ok := p.together(cells[k : k+width])
	if !ok {
		return
	}
	if c.pair == 0 {
		if !p.moved(cells[k : k+width]) {
			return
		}
		if p.pairs.n >= p.config.MaxPairs {
			p.stats.DroppedPairs++
			return
		}
		c.pair = p.pairs.add()
	}
	pr := p.pairs.at(c.pair)
	if !whole {
		x <<= 16
	}
	pr.look(uint32(x), whole, c.key.class)
	p.decide(cells, k, whole, s)
}

func (p *Process) moved(cells []int32) bool {
	for _, i := range cells {
		if p.cells.at(i).changes > 0 {
			return true
		}
	}
	return false
}

// look takes the content of the neighbours.
func (pr *pair) look(x uint32, whole bool, class class) {
	if !pr.began {
		pr.began, pr.last, pr.least, pr.most = true, x, int32(x), int32(x)
		return
	}
	if x == pr.last {
		return
	}
	pr.n++
	if whole {
		pr.least, pr.most = min(pr.least, int32(x)), max(pr.most, int32(x))
		pr.orders[0].look(x, pr.last, 16)
		pr.orders[0].fit(x, pr.last)
		if class == classWord {
			y, was := x<<16|x>>16, pr.last<<16|pr.last>>16
			pr.orders[1].look(y, was, 16)
			pr.orders[1].fit(y, was)
		}
	}
	if class == classByte && x>>16 != pr.last>>16 {
		pr.narrow.look(x>>16, pr.last>>16, 8)
	}
	pr.last = x
}

// decide makes neighbours one number where there is no doubt left.
func (p *Process) decide(cells []int32, k int, whole bool, s *seen) {
	c := p.cells.at(cells[k])
	pr := p.pairs.at(c.pair)
	width, orders := 2, 2
	if c.key.class == classByte {
		width, orders = 4, 1
	}
	if pr.n < leastLooks {
		return
	}
	for o := range orders {
		e := &pr.orders[o]
		switch {
		case !whole:
		case e.float(pr.n), e.integer(pr.n) && e.misfits*16 <= pr.n:
			if p.first32(cells, k, width) {
				p.join(cells, k, width, protocols.ValueFloat, o == 1, s)
			}
			return
		case e.integer(pr.n):
			kind := protocols.ValueUint
			if o == 0 && pr.least < 0 && pr.least > -1<<30 && pr.most < 1<<30 {
				kind = protocols.ValueInt
			}
			p.join(cells, k, width, kind, o == 1, s)
			return
		}
	}
	if e := &pr.narrow; c.key.class == classByte && e.integer(pr.n) && !pr.orders[0].maybeFloat(pr.n) && !p.floatBefore(cells, k) {
		p.join(cells, k, 2, protocols.ValueWords, false, s)
		return
	}
	gone := pr.orders[0].hopeless(pr.n)
	if orders == 2 {
		gone = gone && pr.orders[1].hopeless(pr.n)
	} else {
		gone = gone && pr.narrow.against > leastPoints
	}
	if gone {
		p.pairs.remove(c.pair)
		c.pair = alone
	}
}

// floatBefore reports whether the bytes may be the second half of a float.
func (p *Process) floatBefore(cells []int32, k int) bool {
	if k < 2 || cells[k-2] == 0 {
		return false
	}
	before := p.cells.at(cells[k-2])
	return before.pair > 0 && p.pairs.at(before.pair).orders[0].maybeFloat(p.pairs.at(before.pair).n)
}

// first32 reports whether a float begins here and not one place earlier: in a row of floats the low word of one and the high
// word of the next look like a float with its words swapped. What begins the row decides.
func (p *Process) first32(cells []int32, k, width int) bool {
	step, before := width/2, 0
	for at := k - step; at >= 0 && cells[at] != 0; at -= step {
		c := p.cells.at(cells[at])
		if c.pair <= 0 {
			break
		}
		pr := p.pairs.at(c.pair)
		if pr.cell != 0 || !pr.orders[0].maybeFloat(pr.n) && !(width == 2 && pr.orders[1].maybeFloat(pr.n)) {
			break
		}
		before++
	}
	return before%2 == 0
}

// join makes elements one number.
func (p *Process) join(cells []int32, k, width int, kind protocols.ValueType, swapped bool, s *seen) int32 {
	head := p.cells.at(cells[k])
	bytes := width
	joined := head.key
	joined.class = classJoinedBytes
	if head.key.class == classWord {
		bytes, joined.class = 2*width, classJoined
	}
	p.releasePairs(cells, k, width)
	i := p.newCell(joined, &protocols.Object{}, layout{kind: kind, size: uint8(bytes), n: 1}, false)
	if i == 0 {
		p.standAlone(cells[k])
		return 0
	}
	p.singleAt[joined] = i
	if swapped {
		p.cells.at(i).flags |= flagSwapped
	}
	for _, m := range cells[k : k+width] {
		p.standAlone(m)
		p.cells.at(m).flags |= flagMember
	}
	at := p.pairs.add()
	*p.pairs.at(at) = pair{cell: i, width: uint8(width)}
	p.cells.at(cells[k]).pair = at
	if raw, ok := p.joinedRaw(p.pairs.at(at), cells[k:]); ok {
		p.observe(i, raw, s)
	}
	// The polls of these pages know nothing of the number yet.
	for _, m := range cells[k : k+width] {
		if pg := p.pageOf(m); pg != 0 {
			p.forgetPolls(pg)
		}
	}
	return i
}

// standAlone ends the examination of what begins at a variable.
func (p *Process) standAlone(i int32) {
	c := p.cells.at(i)
	if c.pair > 0 && p.pairs.at(c.pair).cell == 0 {
		p.pairs.remove(c.pair)
		c.pair = alone
	} else if c.pair == 0 {
		c.pair = alone
	}
}

// releasePairs takes numbers of two bytes apart that a number of four takes in, and ends what is examined one place before.
func (p *Process) releasePairs(cells []int32, k, width int) {
	for at := max(0, k-3); at < k+width; at++ {
		if cells[at] == 0 {
			continue
		}
		c := p.cells.at(cells[at])
		if c.pair <= 0 {
			continue
		}
		pr := p.pairs.at(c.pair)
		switch {
		case pr.cell == 0 && at < k && (c.key.class == classByte && at > k-4 || at == k-1):
			p.standAlone(cells[at])
		case pr.cell != 0 && at+int(pr.width) > k:
			p.takeApart(cells[at])
		}
	}
}

// takeApart makes the elements of a number variables of their own again.
func (p *Process) takeApart(head int32) {
	c := p.cells.at(head)
	pr := p.pairs.at(c.pair)
	k := c.key
	for n := range uint32(pr.width) {
		k.index = c.key.index + n
		if i := p.cellAt(k); i != 0 {
			p.cells.at(i).flags &^= flagMember
		}
	}
	if pg := p.pageOf(head); pg != 0 {
		p.forgetPolls(pg)
	}
	p.drop(pr.cell)
	p.pairs.remove(c.pair)
	c.pair = alone
}

// declare joins elements by what the asker says they are: a REAL, an INT.
func (p *Process) declare(cells []int32, e *protocols.Event, l layout) {
	d, width := e.Declared, int(e.Declared.Size)
	if l.class != classByte || d.Kind == protocols.ValueNone || width < 2 || width > 4 || l.n%width != 0 {
		return
	}
	kind := d.Kind
	if kind == protocols.ValueUint && width == 2 {
		kind = protocols.ValueWords
	}
	s := seen{n: 1, at: e.Time.UnixNano()}
	for k := 0; k+width <= len(cells); k += width {
		if _, ok := p.together(cells[k : k+width]); !ok {
			continue
		}
		c := p.cells.at(cells[k])
		if c.flags&flagMember != 0 {
			if c.pair > 0 {
				if n := p.cells.at(p.pairs.at(c.pair).cell); int(n.size) == width && n.flags&flagTold == 0 {
					n.kind = kind
					n.flags |= flagTold
				}
			}
			continue
		}
		if i := p.join(cells, k, width, kind, false, &s); i != 0 {
			p.cells.at(i).flags |= flagTold
		}
	}
}
