package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxItems is how many monitored items a conversation remembers.
const maxItems = 4096

// item is how messages refer to a monitored item: by the subscription and a number. Notifications use the number that
// the client chose, its handle; requests about the item use the one that the server chose.
type item struct{ subscription, number uint32 }

// monitored is what a monitored item watches.
type monitored struct {
	object protocols.Object
	fields eventFields
}

// items finds monitored items by either number. A table that is full starts anew: notifications about forgotten items
// have no object.
type items struct {
	byHandle map[item]monitored
	handles  map[item]uint32 // by the server's number
}

// add notes what the client wants to be told of under a handle.
func (t *items) add(key item, m monitored) {
	if len(t.byHandle) >= maxItems {
		clear(t.byHandle)
	}
	if t.byHandle == nil {
		t.byHandle = make(map[item]monitored)
	}
	t.byHandle[key] = m
}

// number notes the server's number of the item with the given handle.
func (t *items) number(key item, handle uint32) {
	if len(t.handles) >= maxItems {
		clear(t.handles)
	}
	if t.handles == nil {
		t.handles = make(map[item]uint32)
	}
	t.handles[key] = handle
}

// numbered finds the item that the server gave a number.
func (t *items) numbered(key item) (monitored, bool) {
	handle, ok := t.handles[key]
	if !ok {
		return monitored{}, false
	}
	m, ok := t.byHandle[item{key.subscription, handle}]
	return m, ok
}

// rename gives the item with a server's number another handle.
func (t *items) rename(key item, handle uint32) {
	m, ok := t.numbered(key)
	if !ok || t.handles[key] == handle {
		return
	}
	delete(t.byHandle, item{key.subscription, t.handles[key]})
	t.add(item{key.subscription, handle}, m)
	t.number(key, handle)
}

// remove forgets the item with a server's number.
func (t *items) remove(key item) {
	if handle, ok := t.handles[key]; ok {
		delete(t.byHandle, item{key.subscription, handle})
		delete(t.handles, key)
	}
}

// The monitoring filter that subscribes to events, and the attribute that it watches (Part 4, 7.22.3).
const (
	eventFilterID          = 727
	attributeEventNotifier = 12
)

// eventFields are the places, from 1, of the fields of an event that say what happened; 0 where a filter selects none.
type eventFields struct{ source, message uint16 }

// eventFieldsOf reads the select clauses of an EventFilter: which fields of the events the client wants, in which order.
// A filter that cannot be read selects nothing.
func eventFieldsOf(x extension) (f eventFields) {
	if x.id() != eventFilterID {
		return f
	}
	c := wire.New(x.body)
	for i := range count(&c, leastSelect) {
		skipNodeID(&c) // type of event
		var name []byte
		steps := count(&c, 6)
		for range steps {
			c.Skip(2)
			name = octets(&c)
			if c.Failed() {
				return f
			}
		}
		c.Skip(4) // attribute
		octets(&c)
		if c.Failed() || i >= 1<<16-1 {
			return f
		}
		switch {
		case steps != 1:
		case string(name) == "SourceName":
			f.source = uint16(i + 1)
		case string(name) == "Message":
			f.message = uint16(i + 1)
		}
	}
	return f
}

const leastSelect = leastNodeID + 4 + 4 + 4
