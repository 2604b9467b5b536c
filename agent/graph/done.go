package graph

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/cadence"
	"github.com/spanwatch/spanwatch/protocols"
)

// done is what was asked and answered over an edge.
type done struct {
	acts     []act                      // in the order in which they were first seen
	objects  []counted                  // in order: most edges have few, and a map takes room for many
	paces    *[2]cadence.Beats[touched] // of requests that alter nothing, and of those that do; nil: none
	security []Security                 // see [done.ways]
	recent   int                        // the place in objects that was asked for last
	beyond   uint64                     // distinct objects that found no room, as far as they can be told apart
}

// act is what was done of one action.
type act struct {
	action protocols.Action
	exchanges
}

// exchanges counts the requests and the answers about something, an exchange showing as both or as one of them, and tells
// when the first and the last were: Unix nanoseconds.
type exchanges struct {
	asked, told uint64
	first, last int64
}

func (x *exchanges) count() uint64 { return max(x.asked, x.told) }

func (x exchanges) plus(o exchanges) exchanges {
	if x.count() == 0 {
		return o
	}
	return exchanges{x.asked + o.asked, x.told + o.told, min(x.first, o.first), max(x.last, o.last)}
}

// exchangesOf gives what an event stands for.
func exchangesOf(ev *protocols.Event) exchanges {
	n, first, last := ev.Span()
	x := exchanges{first: first.UnixNano(), last: last.UnixNano()}
	if ev.From == protocols.Client {
		x.asked = n
	} else {
		x.told = n
	}
	return x
}

// touched is an object under an action.
type touched struct {
	action protocols.Action
	object protocols.Object
}

func (t touched) compare(o touched) int {
	return cmp.Or(-cmp.Compare(t.action, o.action), t.object.Compare(o.object))
}

// counted is what was done with an object.
type counted struct {
	touched
	exchanges
}

// object finds the place of an object, and tells whether it is known.
func (d *done) object(t touched) (place int, known bool) {
	// An answer is about what its request is about, and polls go round.
	for k := d.recent; k < min(d.recent+2, len(d.objects)); k++ {
		if d.objects[k].touched == t {
			d.recent = k
			return k, true
		}
	}
	place, known = slices.BinarySearchFunc(d.objects, t, func(c counted, t touched) int { return c.compare(t) })
	d.recent = place
	return place, known
}

// act gives what was done of an action, creating it.
func (d *done) act(a protocols.Action) *act {
	for k := range d.acts {
		if d.acts[k].action == a {
			return &d.acts[k]
		}
	}
	d.acts = append(d.acts, act{action: a})
	return &d.acts[len(d.acts)-1]
}

// count tells how many exchanges an event stands for that were not counted yet.
func (d *done) count(ev *protocols.Event) uint64 {
	a := d.act(ev.Action)
	before := a.count()
	a.exchanges = a.plus(exchangesOf(ev))
	if ev.From == protocols.Client {
		n, _, _ := ev.Span()
		return n
	}
	return a.count() - before
}

// touch counts an object and tells whether it found room.
func (d *done) touch(ev *protocols.Event, limit int) bool {
	t, now := touched{ev.Action, ev.Object}, exchangesOf(ev)
	place, known := d.object(t)
	if known {
		d.objects[place].exchanges = d.objects[place].plus(now)
		return true
	}
	if len(d.objects) < limit {
		d.objects = slices.Insert(d.objects, place, counted{t, now})
		return true
	}
	// An altered object takes the place of one that was only looked at: those come last.
	if last := len(d.objects) - 1; t.action.Alters() && !d.objects[last].action.Alters() {
		d.objects = slices.Insert(d.objects[:last], place, counted{t, now})
	}
	return false
}

// pace times a request and tells how much of the room it took.
func (d *done) pace(ev *protocols.Event, room int) (taken int) {
	if ev.From != protocols.Client || ev.Action <= protocols.ActionConnect || int(ev.Action) >= actionCount {
		return 0
	}
	if d.paces == nil {
		if room <= 0 {
			return 0
		}
		d.paces = new([2]cadence.Beats[touched])
	}
	paces := &d.paces[0]
	if ev.Action.Alters() {
		paces = &d.paces[1]
	}
	for at := range ev.Moments {
		if paces.Add(touched{ev.Action, ev.Object}, at, touched.compare, room > taken) {
			taken++
		}
	}
	return taken
}

// timed is how many requests have their pace measured.
func (d *done) timed() int {
	if d.paces == nil {
		return 0
	}
	return d.paces[0].Len() + d.paces[1].Len()
}

// measure gives the pace of the edge: that of what is read, and of what is altered where nothing is read.
func (d *done) measure() (interval, jitter time.Duration, steady bool) {
	if d.paces == nil {
		return 0, 0, false
	}
	for k := range d.paces {
		i, j, s := d.paces[k].Measure()
		if interval == 0 || s && !steady {
			interval, jitter, steady = i, j, s
		}
	}
	return interval, jitter, steady
}

func (d *done) merge(o *done) {
	for k := range o.acts {
		a := d.act(o.acts[k].action)
		a.exchanges = a.plus(o.acts[k].exchanges)
	}
	d.beyond += o.beyond
	if o.paces != nil {
		if d.paces == nil {
			d.paces = new([2]cadence.Beats[touched])
		}
		for k := range d.paces {
			d.paces[k].Merge(&o.paces[k], touched.compare)
		}
	}
	for _, w := range o.security {
		d.secured(w)
	}
	for _, c := range o.objects {
		if place, known := d.object(c.touched); known {
			d.objects[place].exchanges = d.objects[place].plus(c.exchanges)
		} else {
			d.objects = slices.Insert(d.objects, place, c)
		}
	}
}

// recordDone fills in what was done, the gravest first.
func (g *Graph) recordDone(v *Edge, d *done) {
	v.Count, v.Security = uint64(len(d.objects))+d.beyond, d.ways()
	interval, jitter, steady := d.measure()
	v.Interval, v.Jitter, v.Periodic = interval.Seconds(), jitter.Seconds(), steady
	for k := range d.acts {
		a := &d.acts[k]
		if a.count() == 0 {
			continue
		}
		name, first := a.action.String(), time.Unix(0, a.first).UTC()
		v.Actions[name] = a.count()
		v.Acts = append(v.Acts, Act{name, a.count(), first, time.Unix(0, a.last).UTC(), g.baseline(first)})
	}
	slices.SortFunc(v.Acts, func(a, b Act) int { return -compareActions(a.Action, b.Action) })
	for k := range d.objects[:min(len(d.objects), g.config.MaxObjects)] {
		c := &d.objects[k]
		first := time.Unix(0, c.first).UTC()
		v.Objects = append(v.Objects, Object{
			c.action.String(), c.object.String(), c.count(), first, time.Unix(0, c.last).UTC(), g.baseline(first),
		})
	}
}

// compareActions orders the names of actions by their strength.
func compareActions(a, b string) int {
	return cmp.Compare(strength(a), strength(b))
}

// strength gives the action of a name; a name that is none is as weak as no action.
func strength(name string) protocols.Action {
	var a protocols.Action
	if a.UnmarshalText([]byte(name)) != nil {
		return protocols.ActionNone
	}
	return a
}
