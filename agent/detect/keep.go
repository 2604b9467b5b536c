package detect

import (
	"container/list"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// deeds are all records, bounded.
type deeds struct {
	records map[pair]*record
	actors  map[protocols.Address]*actor
	queues  [levelCount]list.List // the records by level, each in the order of last use
	limit   int
	silent  int // how many of them may be contacts that nobody answered
	evicted uint64
}

// record gives the record of a pair, creating it. Whoever changes it calls [deeds.used]. Where another record made room
// it gives that one too.
func (d *deeds) record(from, to protocols.Endpoint, at time.Time) (r, gone *record) {
	p := pair{from.Address(), to.Address()}
	if r := d.records[p]; r != nil {
		return r, nil
	}
	if silent := &d.queues[LevelNone]; silent.Len() >= d.silent {
		gone = silent.Front().Value.(*record)
	} else if len(d.records) >= d.limit {
		gone = d.worst()
	}
	if gone != nil {
		d.forget(gone)
	}
	kin := d.actors[p.actor]
	if kin == nil {
		kin = &actor{}
		d.actors[p.actor] = kin
	}
	r = &record{pair: p, actorAt: from, targetAt: to, first: at, last: at, kin: kin}
	d.records[p] = r
	r.place, r.kinPlace = d.queues[LevelNone].PushBack(r), kin.records.PushBack(r)
	kin.news++
	return r, gone
}

// used notes that a record was used and may have risen.
func (d *deeds) used(r *record) {
	if r.reached == r.queued {
		d.queues[r.queued].MoveToBack(r.place)
		return
	}
	d.queues[r.queued].Remove(r.place)
	r.queued, r.place = r.reached, d.queues[r.reached].PushBack(r)
}

// worst gives the record to forget first: what nobody answered before what only met, that before what read, and so on;
// among equals the least recently used.
func (d *deeds) worst() *record {
	for l := range d.queues {
		if first := d.queues[l].Front(); first != nil {
			return first.Value.(*record)
		}
	}
	return nil
}

func (d *deeds) forget(r *record) {
	d.queues[r.queued].Remove(r.place)
	delete(d.records, r.pair)
	if r.kin.records.Remove(r.kinPlace); r.kin.records.Len() == 0 {
		delete(d.actors, r.actor)
	}
	d.evicted++
}

// rise notes a level reached.
func (r *record) rise(l Level) { r.reached = max(r.reached, l) }
