package process

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// Saved is the variables of one device in the form in which they are kept.
type Saved struct {
	Device string // its address: who saves it again replaces it
	Body   []byte
}

const savedVersion = 1

var errDamaged = errors.New("the saved variables are damaged")

// Save gives the devices whose variables have news since they were saved last, those saved longest ago first, until their
// bodies have budget bytes; 0: all. What is given counts as saved.
func (p *Process) Save(budget int) []Saved {
	p.settleAll()
	var due []int32
	for i := range p.devices {
		if d := &p.devices[i]; d.dirty && d.elements > 0 {
			due = append(due, int32(i))
		}
	}
	slices.SortFunc(due, func(a, b int32) int {
		return cmp.Or(cmp.Compare(p.devices[a].saved, p.devices[b].saved), cmp.Compare(a, b))
	})
	var saved []Saved
	total := 0
	p.saves++
	for _, i := range due {
		if budget > 0 && total >= budget {
			break
		}
		body := p.encode(i)
		total += len(body)
		saved = append(saved, Saved{p.devices[i].at.Address().String(), body})
		p.devices[i].dirty, p.devices[i].saved = false, p.saves
	}
	return saved
}

// Unsaved tells that what [Process.Save] gave could not be kept: it is news again.
func (p *Process) Unsaved(saved []Saved) {
	for i := range saved {
		if at, err := endpoint(saved[i].Device); err == nil {
			if dev, ok := p.deviceAt[at.Address()]; ok {
				p.devices[dev].dirty = true
			}
		}
	}
}

// encode gives the variables of a device as bytes.
func (p *Process) encode(dev int32) []byte {
	d := &p.devices[dev]
	e := encoder{writers: make(map[int32]uint64), names: make(map[int32]uint64)}
	e.uint(savedVersion)
	e.text(d.at.Address().String())
	e.text(p.deviceID(dev))
	e.time(p.first)
	e.time(p.last)
	e.int(p.learnUntil)
	e.uint(uint64(d.elements))
	for _, i := range p.sorted(dev) {
		p.encodeCell(&e, i)
	}
	return e.b
}

func (p *Process) encodeCell(e *encoder, i int32) {
	c := p.cells.at(i)
	k := c.key
	e.name(k.area, p.names.text)
	e.name(k.name, p.names.text)
	for _, x := range []uint64{uint64(k.index), uint64(k.unit), uint64(k.class), uint64(k.marks), uint64(c.kind), uint64(c.size), uint64(c.flags), c.count} {
		e.uint(x)
	}
	if c.pair == alone {
		e.uint(1)
	} else {
		e.uint(0)
	}
	e.uint(c.last)
	e.uint(c.prev)
	e.int(c.at)
	e.int(c.changed - c.at)
	for _, x := range []float64{c.min, c.max, c.mean, c.low, c.high} {
		e.float(x)
	}
	for _, x := range []float32{c.step, c.rate, c.period, c.jitter} {
		e.uint(uint64(math.Float32bits(x)))
	}
	for _, x := range []uint32{c.changes, c.outside, c.odd, c.negative, c.learnt, uint32(c.ups), uint32(c.downs)} {
		e.uint(uint64(x))
	}
	e.int(int64(c.lowest))
	e.int(int64(c.highest))
	e.uint(uint64(c.signed))
	e.uint(uint64(c.unsigned))
	if c.deed == 0 {
		e.uint(0)
	} else {
		d := p.deeds.at(c.deed)
		e.uint(1)
		e.change(change{at: d.at, before: d.before, value: d.after, by: d.by, how: d.outcome, known: d.known}, p.writers.list)
	}
	history := p.changes(c)
	e.uint(uint64(len(history)))
	for _, ch := range history {
		e.change(ch, p.writers.list)
	}
	t := p.texts[i]
	if t == nil {
		e.uint(0)
		return
	}
	e.uint(recentTexts)
	for k := range t.recent {
		r := &t.recent[(t.next+k)%recentTexts] // oldest first
		e.uint(r.digest)
		e.text(string(r.value))
	}
}

// Load takes in what was saved. Devices that are known already keep what they have. Call it before the first event.
func (p *Process) Load(saved []Saved) error {
	for i := range saved {
		if err := p.decode(saved[i].Body); err != nil {
			return fmt.Errorf("process: variables of %s: %w", saved[i].Device, err)
		}
	}
	return nil
}

func (p *Process) decode(body []byte) error {
	d := decoder{b: body}
	if v := d.uint(); v != savedVersion {
		return fmt.Errorf("%w: version %d", errDamaged, v)
	}
	at, err := endpoint(d.text())
	if err != nil {
		return err
	}
	id, first, last, learnUntil := d.text(), d.time(), d.time(), d.int()
	if _, known := p.deviceAt[at.Address()]; known || d.failed {
		return nil
	}
	dev := p.device(&at)
	p.devices[dev].id, p.devices[dev].until = id, last.UnixNano()
	p.restored = learnUntil
	p.Clock(first)
	p.Clock(last)
	for n := d.uint(); n > 0 && !d.failed; n-- {
		p.decodeCell(&d, dev)
	}
	if d.failed {
		return errDamaged
	}
	return nil
}

func (p *Process) decodeCell(d *decoder, dev int32) {
	var c cell
	c.key = key{device: dev, area: p.names.number(d.name()), name: p.names.number(d.name())}
	c.key.index, c.key.unit, c.key.class, c.key.marks = uint32(d.uint()), uint16(d.uint()), class(d.uint()), marks(d.uint())
	c.kind, c.size, c.flags, c.count = protocols.ValueType(d.uint()), uint8(d.uint()), flags(d.uint()), d.uint()
	c.pair = -int32(min(d.uint(), 1))
	c.last, c.prev = d.uint(), d.uint()
	c.at = d.int()
	c.changed = c.at + d.int()
	for _, x := range []*float64{&c.min, &c.max, &c.mean, &c.low, &c.high} {
		*x = d.float()
	}
	for _, x := range []*float32{&c.step, &c.rate, &c.period, &c.jitter} {
		*x = math.Float32frombits(uint32(d.uint()))
	}
	for _, x := range []*uint32{&c.changes, &c.outside, &c.odd, &c.negative, &c.learnt} {
		*x = uint32(d.uint())
	}
	c.ups, c.downs = uint16(d.uint()), uint16(d.uint())
	c.lowest, c.highest = int16(d.int()), int16(d.int())
	c.signed, c.unsigned = uint8(d.uint()), uint8(d.uint())
	i := p.place(&c, d)
	if d.uint() == 1 {
		ch := p.decodeChange(d)
		if i != 0 {
			p.deedOf(p.cells.at(i), deed{at: ch.at, before: ch.before, after: ch.value, by: ch.by, outcome: ch.how, known: ch.known})
		}
	}
	for n := d.uint(); n > 0 && !d.failed; n-- {
		if ch := p.decodeChange(d); i != 0 {
			p.remember(i, ch)
		}
	}
	for n := d.uint(); n > 0 && !d.failed; n-- {
		digest, value := d.uint(), d.text()
		if i != 0 && value != "" {
			p.keepText(i, digest, []byte(value))
		}
	}
}

// place puts a variable where it is found again; 0 where it found no room or makes no sense.
func (p *Process) place(c *cell, d *decoder) int32 {
	k := c.key
	if d.failed || k.class > classJoinedBytes || c.size > 8 || p.cellAt(k) != 0 {
		d.failed = true
		return 0
	}
	i := p.newCell(k, &protocols.Object{}, layout{class: k.class, kind: c.kind, size: c.size, n: 1}, false)
	if i == 0 {
		return 0
	}
	c.next, c.flags = p.cells.at(i).next, c.flags|flagLoaded
	*p.cells.at(i) = *c
	switch {
	case k.class == classSingle:
		p.singleAt[k] = i
	case k.class >= classJoined:
		p.singleAt[k] = i
		p.attach(c, i)
	default:
		at := p.pageAt[k.page()]
		if at == 0 {
			at = p.pages.add()
			p.pageAt[k.page()] = at
		}
		p.pages.at(at).cells[k.index%pageSize] = i
	}
	return i
}

// attach ties a joined number to its first element, which stands before it.
func (p *Process) attach(c *cell, i int32) {
	k, width := c.key, c.size
	k.class = classByte
	if c.key.class == classJoined {
		k.class, width = classWord, c.size/2
	}
	if head := p.cellAt(k); head != 0 {
		at := p.pairs.add()
		*p.pairs.at(at) = pair{cell: i, width: width}
		p.cells.at(head).pair = at
	}
}

func endpoint(text string) (e protocols.Endpoint, err error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return protocols.Endpoint{Addr: a}, nil
	}
	n, err := fmt.Sscanf(text, "%02x:%02x:%02x:%02x:%02x:%02x", &e.MAC[0], &e.MAC[1], &e.MAC[2], &e.MAC[3], &e.MAC[4], &e.MAC[5])
	if n != len(e.MAC) || err != nil {
		return e, fmt.Errorf("%w: %q is no address", errDamaged, text)
	}
	return e, nil
}
