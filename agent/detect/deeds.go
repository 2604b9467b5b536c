package detect

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// pair is an actor and a target, by address.
type pair struct{ actor, target protocols.Address }

func (p pair) compare(o pair) int {
	return cmp.Or(p.actor.Compare(o.actor), p.target.Compare(o.target))
}

// record is everything that an actor did to a target.
type record struct {
	pair
	actorAt, targetAt protocols.Endpoint
	contact           tally // conversations
	ports             []uint16
	actions           []*tally // messages, by kind; nil before the first
	serving           *tally   // OT conversations in which the actor was the one asked
	objects           map[touched]*times
	moreObjects       uint64 // altered objects that found no room
	first, last       time.Time
	began             time.Time // of the first contact, if its opening was seen and is not older than the sensor's watch

	reached  Level         // the highest level, whatever verdicts say; LevelNone: nobody ever answered
	queued   Level         // the queue it is in
	place    *list.Element // there
	kin      *actor
	kinPlace *list.Element // among the records of its actor
}

// actor is an asking address with its records.
type actor struct {
	records list.List
	news    int // grows with every deed that may change what the actor's records say together
}

// touched is an object under an action that alters, uploads or transfers.
type touched struct {
	action protocols.Action
	object protocols.Object
}

func (t touched) compare(o touched) int {
	return cmp.Or(cmp.Compare(t.action, o.action), cmp.Compare(t.object.Area, o.object.Area),
		cmp.Compare(t.object.Unit, o.object.Unit), cmp.Compare(t.object.Name, o.object.Name),
		cmp.Compare(t.object.First, o.object.First), cmp.Compare(t.object.Count, o.object.Count))
}

type times struct {
	first, last time.Time
	refused     bool // and never done
	done        bool
}

// deed is one message kept as evidence.
type deed struct {
	time     time.Time
	conv     *protocols.Conversation
	frame    uint64
	source   uint16
	protocol string
	message  string
	action   protocols.Action
	outcome  protocols.Outcome
	object   protocols.Object
	before   string
	after    string
	halts    bool // a change of mode that stops or restarts
}

const (
	maxTallies = 16 // spans of time a tally is summed over
	maxPorts   = 8
	maxObjects = 64
)

// room is how many deeds of one kind are kept as evidence.
type room struct{ first, last int }

var (
	roomAltering = room{8, 4}
	roomGlancing = room{3, 2}
)

// tally counts deeds of one kind, in total and by spans of time, with the first and latest as evidence.
type tally struct {
	spans  []span // in order of time
	width  time.Duration
	total  count  // of all spans
	earned []deed // the first ones
	recent []deed // the latest ones, a ring
	next   int
	halts  bool
}

// count is how many requests were seen, and how many answers of either kind.
type count struct{ asked, done, refused uint64 }

// span sums deeds that lie close together; first and last are exact.
type span struct {
	first, last          time.Time
	asked, done, refused uint64
}

func (s *span) merge(o span) {
	if o.first.Before(s.first) {
		s.first = o.first
	}
	if o.last.After(s.last) {
		s.last = o.last
	}
	s.asked += o.asked
	s.done += o.done
	s.refused += o.refused
}

// count is the number of deeds: requests, or answers where these were seen more often.
func (s *span) count() uint64 { return max(s.asked, s.done+s.refused) }

// add counts a deed into its span of time. Spans stay few: when there are too many, neighbours join and the width
// doubles, so a long life is remembered coarsely and a short one finely.
func (t *tally) add(o span) {
	if t.width == 0 {
		t.width = time.Second
	}
	t.total.asked += o.asked
	t.total.done += o.done
	t.total.refused += o.refused
	at := o.first.UnixNano() / int64(t.width)
	if n := len(t.spans); n > 0 && t.spans[n-1].first.UnixNano()/int64(t.width) == at { // as mostly: time goes on
		t.spans[n-1].merge(o)
		return
	}
	k, found := slices.BinarySearchFunc(t.spans, at, func(s span, at int64) int {
		return cmp.Compare(s.first.UnixNano()/int64(t.width), at)
	})
	if found {
		t.spans[k].merge(o)
		return
	}
	t.spans = slices.Insert(t.spans, k, o)
	for len(t.spans) > maxTallies {
		t.width *= 2
		joined := t.spans[:1]
		for _, s := range t.spans[1:] {
			last := &joined[len(joined)-1]
			if last.first.UnixNano()/int64(t.width) == s.first.UnixNano()/int64(t.width) {
				last.merge(s)
			} else {
				joined = append(joined, s)
			}
		}
		t.spans = joined
	}
}

// keep stores a deed as evidence; it tells whether the deed is among the first.
func (t *tally) keep(d deed, r room) bool {
	t.halts = t.halts || d.halts
	if len(t.earned) < r.first {
		t.earned = append(t.earned, d)
		return true
	}
	if len(t.recent) < r.last {
		t.recent = append(t.recent, d)
		return false
	}
	t.recent[t.next] = d
	t.next = (t.next + 1) % r.last
	return false
}

// answer gives the outcome to the kept request that the event answers: the one of that frame, or where that is not known
// the oldest of the conversation that still waits, about the same object. It tells whether there was one.
func (t *tally) answer(e *protocols.Event) bool {
	for _, kept := range [][]deed{t.earned, t.recent} {
		for k := range kept {
			d := &kept[k]
			asked := e.Answers == 0 || d.frame == e.Answers
			if asked && d.conv.ID == e.Conv.ID && d.outcome == protocols.OutcomeAsked && d.object == e.Object {
				d.outcome = e.Outcome
				return true
			}
		}
	}
	return false
}

func (r *record) seen(first, last time.Time) {
	if first.Before(r.first) {
		r.first = first
	}
	if last.After(r.last) {
		r.last = last
	}
}

func (r *record) port(p uint16) {
	if p != 0 && !slices.Contains(r.ports, p) && len(r.ports) < maxPorts {
		r.ports = append(r.ports, p)
		slices.Sort(r.ports)
	}
}

// touch notes an object that was altered, or taken out of the device whole.
func (r *record) touch(e *protocols.Event) {
	if e.Object == (protocols.Object{}) || !e.Action.Alters() && e.Action != protocols.ActionUpload && e.Action != protocols.ActionFile {
		return
	}
	t := touched{e.Action, e.Object}
	if r.objects == nil {
		r.objects = make(map[touched]*times)
	}
	w := r.objects[t]
	if w == nil {
		if len(r.objects) >= maxObjects {
			r.moreObjects++
			return
		}
		w = &times{first: e.Time, last: e.Time}
		r.objects[t] = w
	}
	if e.Time.Before(w.first) {
		w.first = e.Time
	}
	if e.Time.After(w.last) {
		w.last = e.Time
	}
	w.refused = w.refused || e.Outcome == protocols.OutcomeRefused
	w.done = w.done || e.Outcome == protocols.OutcomeDone
}
