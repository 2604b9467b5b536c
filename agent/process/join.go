package process

import "github.com/spanwatch/spanwatch/protocols"

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
		default:
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
	return p.order(pr, x), ok
}

// order puts the words of a number that stand in their places into the order of their weight.
func (p *Process) order(pr *pair, x uint64) uint64 {
	if p.cells.at(pr.cell).flags&flagSwapped != 0 {
		return x<<16&0xffff0000 | x>>16
	}
	return x
}

// compose gives the number that values of its elements make.
func (p *Process) compose(pr *pair, values []uint64) (x uint64) {
	bits := 8 * int(p.cells.at(pr.cell).size) / int(pr.width)
	for _, v := range values[:pr.width] {
		x = x<<bits | v
	}
	return p.order(pr, x)
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
	d, width := e.Values.Declared, int(e.Values.Declared.Size)
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
