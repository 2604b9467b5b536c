package s7

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxSubscriptions is how many subscriptions of a conversation are known, the oldest making room for the newest, and
// maxSubscribed how many variables of each.
const (
	maxSubscriptions = 4
	maxSubscribed    = 128
)

// subscription is what a client wants to be told of.
type subscription struct {
	id    uint32 // 0 until the controller gave it one
	seq   uint16 // of the request that created it
	items []subscribed
}

// subscribed is one variable of a subscription, under the number that notifications call it by.
type subscribed struct {
	number uint32
	object protocols.Object
}

// Codes before the items of a notification.
const (
	itemEnd     = 0x00
	itemValue   = 0x92 // 32-bit number, value
	itemValue2  = 0x9b // number of variable length, value
	itemUnknown = 0x9c // 32-bit number, and a value that is not sent
	itemRefused = 0x13 // 32-bit number: the variable cannot be read
)

// itemsAre tells for each code how the number is written and what follows.
var itemsAre = map[uint8]struct{ vlq, value, refused bool }{
	itemValue:   {value: true},
	itemValue2:  {vlq: true, value: true},
	itemUnknown: {},
	itemRefused: {refused: true},
	0x03:        {refused: true},
	0x81:        {refused: true},
	0x83:        {refused: true},
}

// referenceMark begins each variable in the list of a subscription; the lower half counts its identifiers.
const referenceMark = 0x8004

// subscribe takes the variables of a new subscription from its attributes.
func (s *plus) subscribe(c *conversation, w *plusObjects) {
	sub := &s.subs[s.nextSub]
	s.nextSub = (s.nextSub + 1) % maxSubscriptions
	sub.id, sub.seq, sub.items = 0, s.seq, sub.items[:0]
	for w.next() && w.mark == markAttribute {
		if w.attr == attrReferences {
			r := wire.New(w.value.Raw)
			sub.references(c, &r)
		}
	}
}

// references reads the list of variables: mark, count of those given up, count of those wanted, and for each mark,
// number, zero, area, checksum, identifiers.
func (s *subscription) references(c *conversation, r *wire.Cursor) {
	_, _ = vlq(r)
	_, _ = vlq(r)
	_, _ = vlq(r)
	for len(s.items) < maxSubscribed {
		mark, ok := vlq(r)
		if !ok || mark>>16 != referenceMark {
			return
		}
		number, _ := vlq(r)
		_, _ = vlq(r)
		where, _ := vlq(r)
		_, _ = vlq(r)
		object, ok := c.path(uint32(where), mark&0xffff, r)
		if !ok {
			return
		}
		s.items = append(s.items, subscribed{uint32(number), object})
	}
}

// subscribedAs notes the identifier that the controller gave to a subscription: count, identifiers.
func (s *plus) subscribedAs(seq uint16, r *wire.Cursor) {
	count := r.U8()
	id, ok := vlq(r)
	if !ok || count == 0 {
		return
	}
	for i := range s.subs {
		if sub := &s.subs[i]; sub.seq == seq && sub.id == 0 && len(sub.items) > 0 {
			sub.id = uint32(id)
			return
		}
	}
}

// notification reads what a controller pushes: subscription, six bytes, credit, since version 3 a sequence number, a
// counter of changes, and items up to a zero.
func (c *conversation) notification(ev *protocols.Event, version uint8, r *wire.Cursor) {
	id := r.U32()
	ev.Message, ev.Action, ev.Outcome = "Notification", protocols.ActionSubscribe, protocols.OutcomeDone
	ev.Object = protocols.Object{Area: "subscription", Name: c.names.object(id)}
	if r.Failed() {
		return
	}
	items := *r // what comes after the identifier need not be understood
	items.Skip(7)
	if version >= 3 {
		_, _ = vlq(&items)
	}
	if changes := items.U8(); changes == 0 {
		items.Skip(9) // time stamp, and the counter again
	}
	for len(c.plus.vars) < maxVariables {
		is, ok := itemsAre[items.U8()]
		if !ok || items.Failed() {
			return
		}
		var number uint64
		if is.vlq {
			number, _ = vlq(&items)
		} else {
			number = uint64(items.U32())
		}
		c.plus.vars = append(c.plus.vars, variable{object: c.plus.subscribedObject(id, uint32(number), ev), refused: is.refused})
		v := &c.plus.vars[len(c.plus.vars)-1]
		if is.value {
			if v.values, ok = plusValue(&items, &v.scalar); !ok {
				v.values = protocols.Values{}
				return
			}
		}
		if items.Failed() {
			c.plus.vars = c.plus.vars[:len(c.plus.vars)-1]
			return
		}
	}
}

// subscribedObject names a variable of a subscription: as the client asked for it, else by its number.
func (s *plus) subscribedObject(id, number uint32, ev *protocols.Event) protocols.Object {
	for i := range s.subs {
		if s.subs[i].id != id {
			continue
		}
		for _, it := range s.subs[i].items {
			if it.number == number {
				return it.object
			}
		}
	}
	o := ev.Object
	o.First, o.Count = number, 1
	return o
}

// path reads the identifiers of a variable and names it.
func (c *conversation) path(where uint32, steps uint64, r *wire.Cursor) (protocols.Object, bool) {
	var path [maxSteps]uint64
	depth := 0
	for i := uint64(0); i < steps && !r.Failed(); i++ {
		if step, ok := vlq(r); ok && depth < maxSteps {
			path[depth] = step
			depth++
		}
	}
	if r.Failed() {
		return protocols.Object{}, false
	}
	return c.names.address(where, path[:depth]), true
}
