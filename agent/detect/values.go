package detect

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	pageElements = 64
	maxPages     = 32_768
	maxPending   = 1_024
	maxElements  = 2_048 // of one message: more than any protocol carries in one object
	maxScalar    = 64    // bytes of a value known by name
	shownValues  = 16
)

// pageKey is where a page of values lies.
type pageKey struct {
	device  protocols.Address
	unit    uint16
	hasUnit bool
	area    string
	name    string
	kind    protocols.ValueType
	page    uint32
}

// page is the last known values of consecutive elements, or of one thing as a whole.
type page struct {
	known  uint64
	values [pageElements]uint16
	whole  []byte
	seen   time.Time
}

// element is one value, or the lack of one.
type element struct {
	value uint16
	known bool
}

// content is the values of one object at one time: by element, or whole.
type content struct {
	kind     protocols.ValueType
	elements []element
	whole    []byte
}

// memory is the last known values of the plant, bounded by pages; the pages not seen for longest are forgotten.
type memory struct {
	pages   map[pageKey]*page
	limit   int
	evicted uint64
	pending []replaced // a ring
	next    int
}

// replaced is what a write took the place of, for the case that it is refused.
type replaced struct {
	conv   uint64
	device protocols.Address
	object protocols.Object
	before content
}

// countElements tells how many elements the values have; 0 for a value that is one whole.
func countElements(o protocols.Object, v protocols.Values) int {
	switch {
	case v.Type == protocols.ValueBits:
		return min(int(o.Count), len(v.Raw)*8, maxElements)
	case v.Type == protocols.ValueWords:
		return min(len(v.Raw)/2, maxElements)
	case v.Type == protocols.ValueBytes && o.Count > 0:
		return min(len(v.Raw), maxElements)
	default:
		return 0
	}
}

func valueAt(v protocols.Values, k int) uint16 {
	switch v.Type {
	case protocols.ValueBits:
		return uint16(v.Raw[k/8] >> (k % 8) & 1)
	case protocols.ValueWords:
		return uint16(v.Raw[2*k])<<8 | uint16(v.Raw[2*k+1])
	default:
		return uint16(v.Raw[k])
	}
}

// contentOf copies the values of a message.
func contentOf(o protocols.Object, v protocols.Values) content {
	c := content{kind: v.Type}
	n := countElements(o, v)
	if n == 0 {
		c.whole = slices.Clone(v.Raw[:min(len(v.Raw), maxScalar)])
		return c
	}
	c.elements = make([]element, n)
	for k := range c.elements {
		c.elements[k] = element{valueAt(v, k), true}
	}
	return c
}

func keyOf(device protocols.Address, o protocols.Object, kind protocols.ValueType, index uint32) pageKey {
	return pageKey{
		device: device, unit: o.Unit, hasUnit: o.HasUnit, area: o.Area, name: o.Name, kind: kind, page: index / pageElements,
	}
}

// learn stores the values that a message carried, without allocating for pages that are known.
func (m *memory) learn(device protocols.Address, o protocols.Object, v protocols.Values, now time.Time) {
	n := countElements(o, v)
	if n == 0 {
		if len(v.Raw) > 0 && len(v.Raw) <= maxScalar {
			p := m.page(keyOf(device, o, v.Type, o.First), now)
			p.whole = append(p.whole[:0], v.Raw...)
		}
		return
	}
	var p *page
	for k := range n {
		index := o.First + uint32(k)
		if p == nil || index%pageElements == 0 {
			p = m.page(keyOf(device, o, v.Type, index), now)
		}
		p.values[index%pageElements] = valueAt(v, k)
		p.known |= 1 << (index % pageElements)
	}
}

// recall gives the last known values of exactly the elements that v is about.
func (m *memory) recall(device protocols.Address, o protocols.Object, v protocols.Values) content {
	c := content{kind: v.Type}
	n := countElements(o, v)
	if n == 0 {
		if p := m.pages[keyOf(device, o, v.Type, o.First)]; p != nil {
			c.whole = slices.Clone(p.whole)
		}
		return c
	}
	c.elements = make([]element, n)
	var p *page
	for k := range c.elements {
		index := o.First + uint32(k)
		if k == 0 || index%pageElements == 0 {
			p = m.pages[keyOf(device, o, v.Type, index)]
		}
		if p != nil && p.known>>(index%pageElements)&1 == 1 {
			c.elements[k] = element{p.values[index%pageElements], true}
		}
	}
	return c
}

// restore puts back what a refused write had replaced.
func (m *memory) restore(device protocols.Address, o protocols.Object, c content, now time.Time) {
	if len(c.whole) > 0 {
		p := m.page(keyOf(device, o, c.kind, o.First), now)
		p.whole = append(p.whole[:0], c.whole...)
	}
	for k, e := range c.elements {
		index := o.First + uint32(k)
		p := m.page(keyOf(device, o, c.kind, index), now)
		bit := uint64(1) << (index % pageElements)
		p.values[index%pageElements] = e.value
		if p.known |= bit; !e.known {
			p.known &^= bit
		}
	}
}

func (m *memory) page(k pageKey, now time.Time) *page {
	p := m.pages[k]
	if p == nil {
		if len(m.pages) >= m.limit {
			m.evict()
		}
		p = &page{}
		m.pages[k] = p
	}
	if now.After(p.seen) {
		p.seen = now
	}
	return p
}

// evict forgets the quarter of the pages not seen for longest.
func (m *memory) evict() {
	keys := make([]pageKey, 0, len(m.pages))
	for k := range m.pages {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b pageKey) int {
		return cmp.Or(m.pages[a].seen.Compare(m.pages[b].seen), a.compare(b))
	})
	for _, k := range keys[:len(keys)/4+1] {
		delete(m.pages, k)
		m.evicted++
	}
}

func (k pageKey) compare(o pageKey) int {
	return cmp.Or(k.device.Compare(o.device), cmp.Compare(k.area, o.area), cmp.Compare(k.name, o.name),
		cmp.Compare(k.unit, o.unit), cmp.Compare(k.kind, o.kind), cmp.Compare(k.page, o.page))
}

// event keeps the memory up with a message. For a request that writes it gives the values before and after; what it
// gives for other messages is empty.
func (m *memory) event(device protocols.Address, e *protocols.Event) (before, after content) {
	carries := e.Values.Type != protocols.ValueNone && len(e.Values.Raw) > 0
	switch {
	case e.Action == protocols.ActionWrite && e.From == protocols.Client && carries:
		before, after = m.recall(device, e.Object, e.Values), contentOf(e.Object, e.Values)
		m.learn(device, e.Object, e.Values, e.Time)
		m.await(replaced{e.Conv.ID, device, e.Object, before})
	case e.Action == protocols.ActionWrite && e.From == protocols.Server:
		if r, ok := m.settle(e.Conv.ID, device, e.Object); ok && e.Outcome == protocols.OutcomeRefused {
			m.restore(device, e.Object, r.before, e.Time)
		}
	case e.From == protocols.Server && e.Outcome != protocols.OutcomeRefused && carries &&
		(e.Action == protocols.ActionRead || e.Action == protocols.ActionSubscribe):
		m.learn(device, e.Object, e.Values, e.Time)
	}
	return before, after
}

func (m *memory) await(r replaced) {
	if len(m.pending) < maxPending {
		m.pending = append(m.pending, r)
		return
	}
	m.pending[m.next] = r
	m.next = (m.next + 1) % maxPending
}

// settle takes out the oldest write of a conversation to an object that still waits for its answer.
func (m *memory) settle(conv uint64, device protocols.Address, o protocols.Object) (replaced, bool) {
	for k := range m.pending {
		p := &m.pending[(m.next+k)%len(m.pending)]
		if p.conv == conv && p.device == device && p.object == o {
			r := *p
			*p = replaced{}
			return r, true
		}
	}
	return replaced{}, false
}

// String gives the values for people, "?" where one is not known; empty when none is.
func (c content) String() string {
	if len(c.elements) == 0 {
		if len(c.whole) == 0 {
			return ""
		}
		return string(protocols.Values{Type: c.kind, Raw: c.whole}.Append(nil, 0, shownValues))
	}
	if !slices.ContainsFunc(c.elements, func(e element) bool { return e.known }) {
		return ""
	}
	var b []byte
	for k, e := range c.elements {
		if c.kind != protocols.ValueBytes && k > 0 {
			b = append(b, ", "...)
		}
		if k >= shownValues {
			b = append(b, "…"...)
			break
		}
		switch {
		case !e.known && c.kind == protocols.ValueBytes:
			b = append(b, "??"...)
		case !e.known:
			b = append(b, '?')
		case c.kind == protocols.ValueBytes:
			b = hex.AppendEncode(b, []byte{byte(e.value)})
		default:
			b = strconv.AppendUint(b, uint64(e.value), 10)
		}
	}
	return string(b)
}
