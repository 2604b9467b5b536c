package bacnet

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Bounds of what is kept of one message, between messages.
const (
	maxItems    = 512
	keptItems   = 64
	keptScratch = 4 << 10
)

// item is one object or property that a message is about.
type item struct {
	ref     reference
	values  protocols.Values
	action  protocols.Action // none: the service's
	refused bool
}

// message is one message taken apart. Its slices borrow the message or the dissector's memory.
type message struct {
	from   protocols.Side
	link   link
	net    network
	apdu   apdu
	cursor wire.Cursor // behind the header; here because readers are called through a table

	items   []item
	object  protocols.Object // what the message is about, where it has no items
	values  protocols.Values
	scratch []byte
	facts   []protocols.Fact
	err     error

	errorClass, errorCode uint32
	hasError              bool

	instance    uint32 // of the device that the message names as its own
	hasInstance bool
	low, high   uint32
	limited     bool
	vendor      uint32
	hasVendor   bool
	maxAPDU     uint32
	minutes     uint32
	hasMinutes  bool
	password    bool
	position    *FilePosition
}

func (m *message) reset(from protocols.Side) {
	items, scratch := m.items, m.scratch
	if cap(items) > keptItems {
		items = nil
	}
	if cap(scratch) > keptScratch {
		scratch = nil
	}
	clear(items)
	*m = message{from: from, items: items[:0], scratch: scratch[:0]}
}

// full reports that no more items are kept.
func (m *message) full() bool { return len(m.items) >= maxItems }

// add keeps an item that could be read.
func (m *message) add(c *wire.Cursor, it item) {
	if !c.Failed() && !m.full() {
		m.items = append(m.items, it)
	}
}

// about names what the message is about, if it could be read.
func (m *message) about(c *wire.Cursor, o protocols.Object) {
	if !c.Failed() {
		m.object = o
	}
}

// check makes c fail where what stands inside it could not be read.
func (m *message) check(c, inside *wire.Cursor) {
	if inside.Failed() {
		c.Fail()
	}
}

func (m *message) limits(low, high uint32) { m.low, m.high, m.limited = low, high, true }

// device notes which device the message names as its sender.
func (m *message) device(id uint32) { m.instance, m.hasInstance = id&anyDevice, true }

// errorOf reads class and code (20.1.7).
func (m *message) errorOf(c wire.Cursor) {
	class, code := unsigned(&c, application(&c, tagEnumerated)), unsigned(&c, application(&c, tagEnumerated))
	if !c.Failed() {
		m.errorClass, m.errorCode, m.hasError = class, code, true
	}
}

// read reads what is behind the header.
func (m *message) read() {
	a := &m.apdu
	m.cursor = wire.New(a.body)
	c := &m.cursor
	row := a.row()
	switch {
	case a.kind == errorPDU:
		if opens(c, 0) { // services that tell more than class and code
			m.errorOf(list(c, 0))
		} else {
			m.errorOf(*c)
		}
	case (a.kind == confirmedRequest || a.kind == unconfirmedRequest) && row.ask != nil:
		row.ask(m, c)
	case a.kind == complexAck && row.answer != nil:
		row.answer(m, c)
	}
	if c.Failed() {
		m.fail(malformed("%s of %d bytes", row.name, len(a.body)))
	}
}

// fail keeps the first fault.
func (m *message) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// unit gives the station behind a router that the objects of the message belong to.
func (m *message) unit() (uint16, bool) {
	switch {
	case m.apdu.fromOwner():
		return m.net.source.unit() // none where there is no source
	case m.net.destination.network != allNetworks:
		return m.net.destination.unit()
	default:
		return 0, false
	}
}
