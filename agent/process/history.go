package process

import (
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	blockSize = 4
	maxBlocks = 4 // of one variable
)

// how a value came about.
type how uint8

const (
	byRead    how = iota // a device told it
	byWrite              // it was written
	byAsking             // somebody asked to write it, and no answer was seen
	byRefused            // somebody asked to write it, and was refused
)

var howNames = [...]string{byRead: "seen", byWrite: "written", byAsking: "asked", byRefused: "refused"}

// change is one entry of a history.
type change struct {
	at            int64
	before, value uint64
	by            int32
	how           how
	known         bool // before is known
}

// block is some changes of one variable, oldest first.
type block struct {
	changes [blockSize]change
	n       uint8
	older   int32
}

// deed is the last write of a variable that was done, or asked for and not answered.
type deed struct {
	at            int64
	before, after uint64
	by            int32
	outcome       how
	known         bool // before is known
}

// remember adds a change to a history. Room is shared by all variables; the last quarter is for what was written.
func (p *Process) remember(i int32, ch change) {
	c := p.cells.at(i)
	ch.known = ch.known || ch.how == byRead
	if c.history != 0 {
		if b := p.blocks.at(c.history); b.n < blockSize {
			b.changes[b.n] = ch
			b.n++
			return
		}
	}
	limit := p.config.MaxChanges / blockSize
	if ch.how == byRead && c.deed == 0 {
		limit -= limit / 4
	}
	depth, oldest, younger := 0, int32(0), int32(0)
	for b := c.history; b != 0; b = p.blocks.at(b).older {
		depth++
		if p.blocks.at(b).older != 0 {
			younger = b
		}
		oldest = b
	}
	at := oldest
	switch {
	case depth < maxBlocks && p.blocks.n < limit:
		at = p.blocks.add()
		p.blocks.at(at).older = c.history
	case depth == 0:
		p.stats.DroppedChanges++
		return
	case depth > 1:
		p.blocks.at(younger).older = 0
		*p.blocks.at(at) = block{older: c.history}
	default:
		*p.blocks.at(at) = block{}
	}
	if depth == maxBlocks || at == oldest {
		p.stats.DroppedChanges += blockSize
	}
	b := p.blocks.at(at)
	b.changes[0], b.n = ch, 1
	c.history = at
}

// history gives the remembered changes, oldest first.
func (p *Process) changes(c *cell) []change {
	var all []change
	for b := c.history; b != 0; b = p.blocks.at(b).older {
		x := p.blocks.at(b)
		for k := int(x.n) - 1; k >= 0; k-- {
			all = append(all, x.changes[k])
		}
	}
	slices.Reverse(all)
	return all
}

// newest finds the latest change that is an attempt to write, among those of the newest block and the one before it.
func (p *Process) attempt(c *cell, fits func(*change) bool) *change {
	for b, depth := c.history, 0; b != 0 && depth < 2; b, depth = p.blocks.at(b).older, depth+1 {
		x := p.blocks.at(b)
		for k := int(x.n) - 1; k >= 0; k-- {
			if ch := &x.changes[k]; ch.how == byAsking && fits(ch) {
				return ch
			}
		}
	}
	return nil
}

// claimed gives who asked to write the value that a device tells now, without an answer having been seen. The attempt is a
// write from then on.
func (p *Process) claimed(c *cell, raw uint64) int32 {
	if c.history == 0 {
		return 0
	}
	ch := p.attempt(c, func(ch *change) bool { return ch.value == raw })
	if ch == nil {
		return 0
	}
	ch.how = byWrite
	return ch.by
}

// deedOf keeps the last write of a variable.
func (p *Process) deedOf(c *cell, d deed) {
	if c.deed == 0 {
		c.deed = p.deeds.add()
	}
	*p.deeds.at(c.deed) = d
}

// writers gives numbers to addresses that wrote something. 0 stands for nobody.
type writers struct {
	at   map[protocols.Address]int32
	list []protocols.Endpoint
}

func newWriters() writers {
	return writers{at: make(map[protocols.Address]int32), list: make([]protocols.Endpoint, 2)}
}

// unknownWriter stands for a writer that found no room.
const unknownWriter = 1

func (p *Process) writer(at *protocols.Endpoint) int32 {
	a := at.Address()
	if i, ok := p.writers.at[a]; ok {
		return i
	}
	if len(p.writers.list) > p.config.MaxWriters {
		p.stats.DroppedWriters++
		return unknownWriter
	}
	i := int32(len(p.writers.list))
	p.writers.at[a] = i
	p.writers.list = append(p.writers.list, protocols.Endpoint{Addr: at.Addr, MAC: at.MAC})
	return i
}
