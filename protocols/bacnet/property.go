package bacnet

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// propertyOf takes an object, a property and an index under the numbers 0, 1 and 2, as most services have them.
func propertyOf(c *wire.Cursor) reference {
	return object(number(c, 0)).propertyUnder(c, 1)
}

// propertyUnder takes a property under the number n, and its index under the next.
func (r reference) propertyUnder(c *wire.Cursor, n uint8) reference {
	property := number(c, n)
	index, ok := optional(c, n+1)
	if !ok {
		index = none
	}
	return r.of(property, index)
}

// readProperty reads request and answer (15.5).
func (m *message) readProperty(c *wire.Cursor) {
	it := item{ref: propertyOf(c)}
	it.action = readAction(it.ref)
	if m.apdu.kind == complexAck {
		m.content(&it, list(c, 3))
	}
	m.add(c, it)
}

// readMultiple reads request and answer (15.7): properties by object. A property that could not be read has an error in
// the place of its value.
func (m *message) readMultiple(c *wire.Cursor) {
	answer := m.apdu.kind == complexAck
	first := uint8(0)
	if answer {
		first = 2
	}
	for c.Len() > 0 && !m.full() {
		o := object(number(c, 0))
		inside := list(c, 1)
		for inside.Len() > 0 && !m.full() {
			it := item{ref: o.propertyUnder(&inside, first)}
			it.action = readAction(it.ref)
			switch {
			case !answer:
			case opens(&inside, 4):
				m.content(&it, list(&inside, 4))
			default:
				it.refused = true
				m.errorOf(list(&inside, 5))
			}
			m.add(&inside, it)
		}
		m.check(c, &inside)
	}
}

// writeProperty reads the request (15.9).
func (m *message) writeProperty(c *wire.Cursor) {
	it := item{ref: propertyOf(c)}
	m.command(c, &it, 3)
	m.add(c, it)
}

// command takes the value of a property under the number n, and the priority under the next.
func (m *message) command(c *wire.Cursor, it *item, n uint8) {
	it.action = writeAction(it.ref)
	m.content(it, list(c, n))
	if priority, ok := optional(c, n+1); ok {
		it.ref.priority = uint8(min(priority, 255))
	}
}

// writeMultiple reads the request (15.10).
func (m *message) writeMultiple(c *wire.Cursor) {
	for c.Len() > 0 && !m.full() {
		o := object(number(c, 0))
		inside := list(c, 1)
		for inside.Len() > 0 && !m.full() {
			it := item{ref: o.propertyUnder(&inside, 0)}
			m.command(&inside, &it, 2)
			m.add(&inside, it)
		}
		m.check(c, &inside)
	}
}

// readRange reads request and answer (15.8); of the latter the records as they are.
func (m *message) readRange(c *wire.Cursor) {
	it := item{ref: propertyOf(c)}
	if m.apdu.kind == complexAck {
		primitive(c, 3) // first, last, more
		number(c, 4)    // how many
		if opens(c, 5) {
			content := list(c, 5)
			it.values = protocols.Values{Type: protocols.ValueBytes, Raw: content.Rest()}
		}
	}
	m.add(c, it)
}

// changeList reads the requests by which a list grows or shrinks (15.1, 15.2).
func (m *message) changeList(c *wire.Cursor) {
	it := item{ref: propertyOf(c)}
	m.content(&it, list(c, 3))
	m.add(c, it)
}

// createObject reads the request (15.3): an object, or a type of which the device chooses the instance.
func (m *message) createObject(c *wire.Cursor) {
	what := list(c, 0)
	if has(&what, 1) {
		m.add(c, item{ref: object(number(&what, 1))})
	} else if kind := number(&what, 0); !what.Failed() {
		m.about(c, protocols.Object{Area: reference{kind: uint16(kind)}.area()})
	}
	m.check(c, &what)
}

// oneObject reads what is an object alone (15.3.1.3, 15.4).
func (m *message) oneObject(c *wire.Cursor) {
	m.add(c, item{ref: object(unsigned(c, application(c, tagObject)))})
}

// readAction tells what reading a property means.
func readAction(r reference) protocols.Action {
	switch r.property {
	case 76, 96, 97, 209, 371: // object-list, what is supported, structured-object-list, property-list
		return protocols.ActionBrowse
	}
	if _, ok := identity[r.property]; ok && r.kind == typeDevice {
		return protocols.ActionIdentify
	}
	return protocols.ActionNone
}

// writeAction tells what writing a property means: a value of the process, or a setting; or what a program does.
func writeAction(r reference) protocols.Action {
	switch r.property {
	case propPresentValue, 81, 104, 108, 162: // out-of-service, relinquish-default, setpoint, setting
		return protocols.ActionWrite
	case 90, 160: // program-change, and the mode of a life safety object
		return protocols.ActionControl
	default:
		return protocols.ActionConfigure
	}
}
