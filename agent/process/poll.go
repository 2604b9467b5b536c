package process

import (
	"bytes"
	"math"

	"github.com/spanwatch/spanwatch/protocols"
)

// pollKey tells polls apart: who reads what of whom.
type pollKey struct {
	client, server protocols.Address
	object         protocols.Object
	kind           protocols.ValueType
	declared       protocols.Scalar
}

// poll is a read of several elements that comes again. An answer like the one before is only counted; the count is brought
// to the variables when somebody looks at them.
type poll struct {
	key    pollKey
	raw    []byte
	cells  []int32 // one an element, 0 where it found no room
	joined []int32 // numbers that several of the elements hold
	pages  []int32
	device int32
	rhythm rhythm
	same   uint64
	valid  bool // raw is what the variables hold
}

// rhythm is how often something comes.
type rhythm struct {
	at             int64
	rounds         uint32
	period, jitter float32 // seconds
}

// inertia is how many intervals the mean of intervals looks back.
const inertia = 16

func (r *rhythm) tick(at int64) {
	if r.rounds > 0 {
		d := float32(float64(at-r.at) / 1e9)
		weight := 1 / float32(min(r.rounds, inertia))
		if r.rounds > 1 {
			off := d - r.period
			r.jitter += float32((float32(math.Abs(float64(off))) - r.jitter) * weight)
		}
		r.period += float32((d - r.period) * weight)
	}
	r.rounds++
	r.at = at
}

// take ticks for all that an event stands for. Where it does not tell all the times, the interval before those it tells is
// left out.
func (r *rhythm) take(e *protocols.Event) {
	n, _, _ := e.Span()
	for at := range e.Moments {
		switch t := at.UnixNano(); {
		case n > protocols.FoldLatest:
			r.at, r.rounds = max(r.at, t), plus(r.rounds, n-protocols.FoldLatest)
			n = 0
		case t >= r.at:
			r.tick(t)
		}
	}
}

func (r *rhythm) seen(n uint64, at int64) seen {
	return seen{n: n, at: at, polled: true, timed: r.rounds > 1, period: r.period, jitter: r.jitter}
}

// polls is the table of polls.
type polls struct {
	at     map[pollKey]int32
	list   arena[poll]
	recent [recentPolls]recentPoll
	epoch  uint32 // grows when a poll is forgotten
}

const recentPolls = 1 << 12

// recentPoll is a shorter way to a poll, while nothing was forgotten.
type recentPoll struct {
	conv  *protocols.Conversation
	poll  int32
	epoch uint32
}

// find gives the poll that an event answers, 0 where there is none.
func (t *polls) find(e *protocols.Event) int32 {
	o := &e.Object
	h := (e.Conv.ID ^ uint64(o.First)<<32 ^ uint64(o.Count)<<16 ^ uint64(o.Unit)<<8 ^ uint64(len(o.Name))) * 0x9e3779b97f4a7c15
	r := &t.recent[h>>(64-12)]
	if r.conv == e.Conv && r.epoch == t.epoch {
		if q := t.list.at(r.poll); q.key.object == e.Object && q.key.kind == e.Values.Type && q.key.declared == e.Values.Declared {
			return r.poll
		}
	}
	i := t.at[keyOf(e)]
	if i != 0 {
		*r = recentPoll{e.Conv, i, t.epoch}
	}
	return i
}

func keyOf(e *protocols.Event) pollKey {
	return pollKey{e.Conv.Client.Address(), e.Conv.Server.Address(), e.Object, e.Values.Type, e.Values.Declared}
}

// read takes values that a device told.
func (p *Process) read(e *protocols.Event) {
	n, _, last := e.Span()
	at := last.UnixNano()
	if e.Object.Count <= 1 || e.Action != protocols.ActionRead {
		p.told(e, at)
		return
	}
	i := p.polls.find(e)
	if i != 0 {
		q := p.polls.list.at(i)
		if q.valid && at >= q.rhythm.at && bytes.Equal(q.raw, e.Values.Raw) {
			q.rhythm.take(e)
			q.same += n
			p.stats.Folded += n
			p.devices[q.device].dirty = true
			return
		}
	}
	l := layoutOf(&e.Object, &e.Values)
	if l.class == classSingle {
		p.told(e, at)
		return
	}
	if i == 0 {
		i = p.newPoll(keyOf(e), e, l)
	}
	if i == 0 {
		p.several(e, l, at)
		return
	}
	p.answer(i, e, l, at)
}

// answer takes the answer to a poll that is not like the one before.
func (p *Process) answer(i int32, e *protocols.Event, l layout, at int64) {
	q := p.polls.list.at(i)
	for _, pg := range q.pages {
		p.settlePage(pg)
	}
	late := p.stats.Late
	n := min(l.n, len(q.cells))
	ordered := at >= q.rhythm.at
	q.rhythm.take(e)
	times, _, _ := e.Span()
	s := q.rhythm.seen(times, at)
	if p.elements(q.cells[:n], e, l, &s) {
		for _, pg := range q.pages {
			p.spoilPage(pg)
		}
	}
	p.devices[q.device].dirty = true
	cells := q.cells
	p.declare(cells[:n], e, l)
	p.joinAll(cells[:n], &s)
	if q = p.polls.list.at(i); q.cells == nil {
		return // neighbours became one number, so the poll begins anew
	}
	q.raw = append(q.raw[:0], e.Values.Raw...)
	q.valid = ordered && late == p.stats.Late && n == len(q.cells) && at > p.devices[q.device].until
}

// elements observes the elements of a message, and reports whether one has changed.
func (p *Process) elements(cells []int32, e *protocols.Event, l layout, s *seen) bool {
	changed := false
	for k, i := range cells {
		if i != 0 && p.observe(i, l.raw(e.Values.Raw, k), s) {
			changed = true
		}
	}
	return changed
}

// several takes the values of several elements whose poll found no room.
func (p *Process) several(e *protocols.Event, l layout, at int64) {
	dev := p.device(&e.Conv.Server)
	cells := p.find(dev, &e.Object, l, true, false)
	for k, i := range cells {
		if i != 0 && (k == 0 || (e.Object.First+uint32(k))%pageSize == 0) {
			p.settlePolls(i)
		}
	}
	n, _, _ := e.Span()
	s := seen{n: n, at: at}
	if p.elements(cells, e, l, &s) {
		for _, i := range cells {
			p.spoilPolls(i)
		}
	}
	p.declare(cells, e, l)
	p.joinAll(cells, &s)
	p.devices[dev].dirty = true
}

// told takes values without neighbours, and those that a device sends of its own accord.
func (p *Process) told(e *protocols.Event, at int64) {
	l := layoutOf(&e.Object, &e.Values)
	if l.class != classSingle {
		p.several(e, l, at)
		return
	}
	dev := p.device(&e.Conv.Server)
	n, _, _ := e.Span()
	for k, i := range p.find(dev, &e.Object, l, true, false) {
		if i == 0 {
			continue
		}
		c := p.cells.at(i)
		raw := l.raw(e.Values.Raw, k)
		if c.kind != l.kind || c.size != l.size {
			c.kind, c.size = l.kind, l.size
		}
		if l.size == 0 && (c.count == 0 || c.last != raw) && (c.count == 0 || at >= c.at) {
			p.keepText(i, raw, e.Values.Raw)
		}
		s := seen{n: n, at: at}
		if e.Action == protocols.ActionRead {
			s.polled = true
			if c.count == 0 || at > c.at {
				r := rhythm{c.at, uint32(min(c.count, inertia)), c.period, c.jitter}
				if c.flags&flagTimed == 0 {
					r.rounds = min(r.rounds, 1)
				}
				r.take(e)
				s.timed, s.period, s.jitter = r.rounds > 1, r.period, r.jitter
			}
		}
		p.observe(i, raw, &s)
	}
	p.devices[dev].dirty = true
}

// newPoll makes a poll; 0 where it finds no room at its pages.
func (p *Process) newPoll(k pollKey, e *protocols.Event, l layout) int32 {
	dev := p.device(&e.Conv.Server)
	cells := p.find(dev, &e.Object, l, true, false)
	var pages []int32
	for n, i := range cells {
		if i == 0 {
			continue
		}
		at := p.pageAt[p.cells.at(i).key.page()]
		if len(pages) > 0 && pages[len(pages)-1] == at {
			continue
		}
		if p.pages.at(at).polls[maxShapes-1] != 0 || n > maxCount {
			return 0
		}
		pages = append(pages, at)
	}
	if len(pages) == 0 {
		return 0
	}
	if p.polls.list.n >= p.config.MaxPolls {
		p.forgetAllPolls()
	}
	i := p.polls.list.add()
	q := p.polls.list.at(i)
	*q = poll{key: k, device: dev, cells: append([]int32(nil), cells...), pages: pages}
	for _, c := range cells {
		if c != 0 && p.cells.at(c).pair > 0 {
			if at := p.pairs.at(p.cells.at(c).pair).cell; at != 0 {
				q.joined = append(q.joined, at)
			}
		}
	}
	p.polls.at[k] = i
	for _, at := range pages {
		pg := p.pages.at(at)
		for n := range pg.polls {
			if pg.polls[n] == 0 {
				pg.polls[n] = i
				break
			}
		}
	}
	return i
}

// settle brings what was counted to the variables.
func (p *Process) settle(q *poll) {
	if q.same == 0 {
		return
	}
	s := q.rhythm.seen(q.same, q.rhythm.at)
	for _, i := range q.cells {
		if i != 0 {
			p.repeat(i, &s)
		}
	}
	for _, i := range q.joined {
		p.repeat(i, &s)
	}
	q.same = 0
}

// settleAll brings all that was counted to the variables.
func (p *Process) settleAll() {
	for i := int32(1); i < p.polls.list.used; i++ {
		p.settle(p.polls.list.at(i))
	}
}

func (p *Process) settlePage(at int32) {
	for _, i := range p.pages.at(at).polls {
		if i == 0 {
			return
		}
		p.settle(p.polls.list.at(i))
	}
}

// spoilPage makes the polls of a page look at their variables again.
func (p *Process) spoilPage(at int32) {
	for _, i := range p.pages.at(at).polls {
		if i == 0 {
			return
		}
		p.polls.list.at(i).valid = false
	}
}

// pageOf gives the page of a variable; 0 where it has none.
func (p *Process) pageOf(i int32) int32 {
	if i == 0 {
		return 0
	}
	if k := p.cells.at(i).key; k.class != classSingle && k.class < classJoined {
		return p.pageAt[k.page()]
	}
	return 0
}

func (p *Process) settlePolls(i int32) {
	if at := p.pageOf(i); at != 0 {
		p.settlePage(at)
	}
}

func (p *Process) spoilPolls(i int32) {
	if at := p.pageOf(i); at != 0 {
		p.spoilPage(at)
	}
}

// forgetPolls forgets the polls of a page.
func (p *Process) forgetPolls(at int32) {
	for p.pages.at(at).polls[0] != 0 {
		p.forgetPoll(p.pages.at(at).polls[0])
	}
}

func (p *Process) forgetPoll(i int32) {
	q := p.polls.list.at(i)
	p.settle(q)
	for _, at := range q.pages {
		pg := p.pages.at(at)
		n := 0
		for _, other := range pg.polls {
			if other != i && other != 0 {
				pg.polls[n] = other
				n++
			}
		}
		clear(pg.polls[n:])
	}
	delete(p.polls.at, q.key)
	p.polls.epoch++
	p.polls.list.remove(i)
}

func (p *Process) forgetAllPolls() {
	for i := int32(1); i < p.polls.list.used; i++ {
		if p.polls.list.at(i).cells != nil {
			p.forgetPoll(i)
		}
	}
}
