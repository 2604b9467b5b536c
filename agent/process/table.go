package process

import (
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	chunkSize = 1024
	pageSize  = 16
	maxShapes = 6     // polls that a page knows of
	maxCount  = 2_048 // elements of one message: more than any protocol carries in one object
)

// arena is room for many values of one type in few pieces of memory. Index 0 is never given out.
type arena[T any] struct {
	chunks []*[chunkSize]T
	used   int32 // indexes given out so far, with 0
	free   []int32
	n      int
}

func (a *arena[T]) at(i int32) *T { return &a.chunks[i/chunkSize][i%chunkSize] }

func (a *arena[T]) add() int32 {
	a.n++
	if last := len(a.free) - 1; last >= 0 {
		i := a.free[last]
		a.free = a.free[:last]
		return i
	}
	a.used = max(a.used, 1)
	if int(a.used)/chunkSize >= len(a.chunks) {
		a.chunks = append(a.chunks, new([chunkSize]T))
	}
	i := a.used
	a.used++
	return i
}

func (a *arena[T]) remove(i int32) {
	var zero T
	*a.at(i) = zero
	a.free = append(a.free, i)
	a.n--
}

// class is what an element is one of.
type class uint8

const (
	classSingle class = iota // a value without neighbours
	classBit
	classWord
	classByte
	classJoined // a number held by several elements, of which index is the first
	classJoinedBytes
)

// key tells variables apart; with the number of a page as index, pages.
type key struct {
	device, area, name int32
	index              uint32
	unit               uint16
	class              class
	marks              marks
}

// marks are what an object is known by.
type marks uint8

const (
	markUnit  marks = 1 << iota // unit means something
	markIndex                   // index means something
)

// page is where 16 neighbours are found, and who polls them.
type page struct {
	cells [pageSize]int32
	polls [maxShapes]int32
}

// names gives numbers to texts that stay: areas and names of objects that have variables.
type names struct {
	at   map[string]int32
	text []string
}

func newNames() names { return names{at: map[string]int32{"": 0}, text: []string{""}} }

func (n *names) find(text string) (int32, bool) {
	i, ok := n.at[text]
	return i, ok
}

func (n *names) number(text string) int32 {
	if i, ok := n.at[text]; ok {
		return i
	}
	i := int32(len(n.text))
	n.at[text] = i
	n.text = append(n.text, text)
	return i
}

// layout is how the bytes of a message fall into elements.
type layout struct {
	class class
	kind  protocols.ValueType // of an element
	size  uint8               // bytes of an element; 0: the bytes are one whole that is no number
	n     int
	guess bool // the kind is
}

func layoutOf(o *protocols.Object, v *protocols.Values) layout {
	switch n := len(v.Raw); v.Type {
	case protocols.ValueBits:
		return layout{class: classBit, kind: v.Type, size: 1, n: min(int(o.Count), n*8, maxCount)}
	case protocols.ValueWords:
		return layout{class: classWord, kind: v.Type, size: 2, n: min(n/2, maxCount)}
	case protocols.ValueBool:
		return layout{class: classSingle, kind: v.Type, size: 1, n: 1}
	case protocols.ValueInt, protocols.ValueUint, protocols.ValueFloat:
		if n > 8 {
			return layout{class: classSingle, kind: protocols.ValueBytes, size: 0, n: 1}
		}
		return layout{class: classSingle, kind: v.Type, size: uint8(n), n: 1}
	case protocols.ValueBytes:
		switch count := int(o.Count); {
		case count > 1 && count < n && n%count == 0 && (n/count == 2 || n/count == 4 || n/count == 8):
			return layout{class: classSingle, kind: protocols.ValueUint, size: uint8(n / count), n: min(count, maxCount), guess: true}
		case count > 0 && (count != 1 || n == 1):
			return layout{class: classByte, kind: v.Type, size: 1, n: min(n, maxCount)}
		}
	}
	return layout{class: classSingle, kind: v.Type, size: 0, n: 1}
}

// raw gives element k as it stands on the wire, as a number.
func (l layout) raw(b []byte, k int) uint64 {
	switch l.class {
	case classBit:
		return uint64(b[k/8] >> (k % 8) & 1)
	case classWord:
		return uint64(b[2*k])<<8 | uint64(b[2*k+1])
	case classByte:
		return uint64(b[k])
	}
	if l.size == 0 {
		return digest(b)
	}
	if l.kind == protocols.ValueBool {
		return uint64(min(b[0], 1))
	}
	var x uint64
	for i := range int(l.size) {
		x |= uint64(b[k*int(l.size)+i]) << (8 * i)
	}
	return x
}

// digest is FNV-1a, which is the same in every run.
func digest(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, x := range b {
		h = (h ^ uint64(x)) * 1099511628211
	}
	return h
}

// find gives the variables of a message in p.scratch, 0 where there is none. With create they are made as far as there is
// room; those that are written find it where others do not.
func (p *Process) find(dev int32, o *protocols.Object, l layout, create, written bool) []int32 {
	p.scratch = p.scratch[:0]
	k := key{device: dev, unit: o.Unit, class: l.class}
	if o.HasUnit {
		k.marks |= markUnit
	}
	if o.Count > 0 {
		k.marks |= markIndex
	}
	var okArea, okName bool
	k.area, okArea = p.names.find(o.Area)
	k.name, okName = p.names.find(o.Name)
	if !okArea || !okName {
		if !create || !p.room(dev, written) {
			if create {
				p.leaveOut(k, o, l.n)
			}
			for range l.n {
				p.scratch = append(p.scratch, 0)
			}
			return p.scratch
		}
		k.area, k.name = p.names.number(o.Area), p.names.number(o.Name)
	}
	var at int32
	for n := range l.n {
		k.index = o.First + uint32(n)
		if l.class == classSingle {
			i := p.singleAt[k]
			if i == 0 && create {
				if i = p.newCell(k, o, l, written); i != 0 {
					p.singleAt[k] = i
				}
			}
			p.scratch = append(p.scratch, i)
			continue
		}
		if slot := k.index % pageSize; n == 0 || slot == 0 {
			at = p.pageAt[k.page()]
		}
		p.scratch = append(p.scratch, p.onPage(&at, k, o, l, create, written))
	}
	return p.scratch
}

func (k key) page() key {
	k.index /= pageSize
	return k
}

func (p *Process) onPage(at *int32, k key, o *protocols.Object, l layout, create, written bool) int32 {
	slot := k.index % pageSize
	if *at != 0 {
		if i := p.pages.at(*at).cells[slot]; i != 0 {
			return i
		}
	}
	if !create {
		return 0
	}
	i := p.newCell(k, o, l, written)
	if i == 0 {
		return 0
	}
	// Making room may have removed the page.
	if *at = p.pageAt[k.page()]; *at == 0 {
		*at = p.pages.add()
		p.pageAt[k.page()] = *at
	}
	p.pages.at(*at).cells[slot] = i
	return i
}

func (p *Process) newCell(k key, o *protocols.Object, l layout, written bool) int32 {
	if !p.room(k.device, written) {
		p.leaveOut(k, o, 1)
		return 0
	}
	i := p.cells.add()
	c, d := p.cells.at(i), &p.devices[k.device]
	c.key, c.kind, c.size = k, l.kind, l.size
	if l.guess {
		c.flags |= flagGuess
	}
	c.next, d.head = d.head, i
	d.elements++
	return i
}

// room reports whether a device may have one more variable; for one that is written it makes room.
func (p *Process) room(dev int32, written bool) bool {
	full := func() bool {
		return p.devices[dev].elements >= p.config.MaxPerDevice || p.cells.n >= p.config.MaxVariables
	}
	if !full() {
		return true
	}
	if written {
		p.evict(dev)
	}
	return !full()
}

// evict removes the variable of a device that was not seen for longest among those that nobody wrote.
func (p *Process) evict(dev int32) {
	victim := int32(0)
	for i := p.devices[dev].head; i != 0; i = p.cells.at(i).next {
		c := p.cells.at(i)
		spared := c.deed != 0 || c.count == 0 || c.key.class >= classJoined || c.flags&flagMember != 0
		if !spared && (victim == 0 || c.at < p.cells.at(victim).at) && !slices.Contains(p.scratch, i) {
			victim = i
		}
	}
	if victim != 0 {
		p.drop(victim)
		p.stats.Evicted++
	}
}

// drop removes a variable and what belongs to it.
func (p *Process) drop(i int32) {
	c := p.cells.at(i)
	d := &p.devices[c.key.device]
	for at := &d.head; *at != 0; at = &p.cells.at(*at).next {
		if *at == i {
			*at = c.next
			break
		}
	}
	d.elements--
	if at := p.pageOf(i); at != 0 {
		p.forgetPolls(at)
		p.dropExaminations(c.key)
		pg := p.pages.at(at)
		pg.cells[c.key.index%pageSize] = 0
		if pg.cells == [pageSize]int32{} {
			delete(p.pageAt, c.key.page())
			p.pages.remove(at)
		}
	} else {
		delete(p.singleAt, c.key)
	}
	for b := c.history; b != 0; {
		older := p.blocks.at(b).older
		p.blocks.remove(b)
		b = older
	}
	if c.deed != 0 {
		p.deeds.remove(c.deed)
	}
	delete(p.texts, i)
	p.cells.remove(i)
}

// dropExaminations ends the examinations in which an element takes part.
func (p *Process) dropExaminations(k key) {
	for range 4 {
		if i := p.cellAt(k); i != 0 {
			if c := p.cells.at(i); c.pair > 0 && p.pairs.at(c.pair).cell == 0 {
				p.pairs.remove(c.pair)
				c.pair = 0
			}
		}
		if k.index == 0 {
			return
		}
		k.index--
	}
}

// cellAt gives a variable by its key; 0 where there is none.
func (p *Process) cellAt(k key) int32 {
	if k.class == classSingle || k.class >= classJoined {
		return p.singleAt[k]
	}
	if at := p.pageAt[k.page()]; at != 0 {
		return p.pages.at(at).cells[k.index%pageSize]
	}
	return 0
}

// bitmap counts distinct keys without keeping them: at least as many as it tells.
type bitmap struct{ bits []uint64 }

const bitmapBits = 1 << 19

func (b *bitmap) add(h uint64) bool {
	if b.bits == nil {
		b.bits = make([]uint64, bitmapBits/64)
	}
	h ^= h >> 29
	word, bit := h%bitmapBits/64, uint64(1)<<(h%64)
	fresh := b.bits[word]&bit == 0
	b.bits[word] |= bit
	return fresh
}

func (p *Process) leaveOut(k key, o *protocols.Object, n int) {
	h := digest([]byte(o.Area))*31 + digest([]byte(o.Name)) + uint64(k.device)<<40 + uint64(k.unit)<<20 + uint64(k.class)
	first := k.index
	if n > 1 {
		first = o.First
	}
	for i := range n {
		if p.left.add((h + uint64(first) + uint64(i)) * 0x9e3779b97f4a7c15) {
			p.stats.LeftOut++
		}
	}
}
