package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// published reads the parameters of a PublishResponse (Part 4, 5.14.5).
func (d *conversation) published() {
	c := &d.body
	subscription := d.subscription()
	c.Skip(4 * count(c, 4)) // sequence numbers
	c.Skip(1)               // more to come
	d.notifications(subscription)
	c.Skip(4 * count(c, 4)) // results of acknowledgements
	skipDiagnostics(c)
}

// republish reads the parameters of a RepublishRequest (Part 4, 5.14.6).
func (d *conversation) republish() {
	d.request.subscription = d.subscription()
	d.body.Skip(4) // sequence number
}

// republished reads the parameters of a RepublishResponse (Part 4, 5.14.6): a message that was lost, once more. Only the
// request says which subscription it is about.
func (d *conversation) republished() { d.notifications(d.request.subscription) }

// The binary encodings of notification data (Part 4, 7.25).
const (
	dataChangeID   = 811
	statusChangeID = 820
	eventListID    = 916
)

// notifications reads a NotificationMessage (Part 4, 7.26).
func (d *conversation) notifications(subscription uint32) {
	c := &d.body
	c.Skip(12) // sequence number, time
	for range d.count(leastExtension) {
		x := extensionObject(c)
		if c.Failed() {
			return
		}
		switch x.id() {
		case dataChangeID:
			d.changes(subscription, x.body)
		case eventListID:
			d.events(subscription, x.body)
		case statusChangeID:
			d.statusChange(x.body)
		}
	}
}

// changes reads a DataChangeNotification: the new values of monitored items. An item whose creation was not seen is
// known by the client's number for it.
func (d *conversation) changes(subscription uint32, b []byte) {
	c := wire.New(b)
	n := count(&c, leastNotification)
	if c.Failed() {
		d.body.Fail()
	}
	var rest uint32
	named := true
	for i := range n {
		handle := c.LE32()
		v, s := dataValue(&c, 0)
		if c.Failed() {
			d.body.Fail()
			return
		}
		d.value(v, s)
		if i >= maxEvents {
			rest++
			continue
		}
		m, known := d.items.byHandle[item{subscription, handle}]
		o := m.object
		if !known {
			o, named = protocols.Object{Area: areaItem, First: handle, Count: 1}, false
		}
		d.listNode(o.Name)
		e := d.emit(d.service.name, protocols.ActionSubscribe, s.outcome())
		e.Object = o
		if (o.First == 0 || !known) && !s.bad() {
			e.Values = v.values()
			d.identity(o.Name, v)
		}
	}
	if !named && d.detail != nil {
		d.detail.Nodes = nil // a list with holes would not match the values
	}
	if rest > 0 {
		d.emit(d.service.name, protocols.ActionSubscribe, protocols.OutcomeDone).Object =
			protocols.Object{Area: areaNode, Count: rest}
	}
}

// leastEvent is the fewest bytes of an EventFieldList.
const leastEvent = 4 + 4

// events reads an EventNotificationList: what happened, or an alarm, each in the fields that the client selected. Events
// are told by their source and with their text, where the selection was seen; the others are counted.
func (d *conversation) events(subscription uint32, b []byte) {
	c := wire.New(b)
	n := count(&c, leastEvent)
	if c.Failed() {
		d.body.Fail()
		return
	}
	unnamed := uint32(n)
	for i := range n {
		m, known := d.items.byHandle[item{subscription, c.LE32()}]
		source, message := d.eventFields(&c, m.fields)
		if c.Failed() {
			d.body.Fail()
			return
		}
		if !known || i >= maxEvents {
			continue
		}
		unnamed--
		e := d.emit(d.service.name, protocols.ActionAlarm, protocols.OutcomeDone)
		e.Object = protocols.Object{Area: areaEvent, Name: m.object.Name}
		if len(source) > 0 {
			e.Object.Name = d.names.text(source)
		}
		if len(message) > 0 {
			e.Values = protocols.Values{Type: protocols.ValueText, Raw: message}
		}
	}
	if unnamed > 0 || n == 0 {
		d.emit(d.service.name, protocols.ActionAlarm, protocols.OutcomeDone).Object =
			protocols.Object{Area: areaEvent, Count: unnamed}
	}
}

// eventFields walks the fields of one event and gives the texts of those that say where it came from and what it is.
func (d *conversation) eventFields(c *wire.Cursor, f eventFields) (source, message []byte) {
	var list []any
	for i := range count(c, 1) {
		v := variant(c, 0)
		if c.Failed() {
			return nil, nil
		}
		if d.detail != nil && len(list) < maxElements {
			list = append(list, v.render())
		}
		switch i + 1 {
		case int(f.source):
			source = v.text()
		case int(f.message):
			message = v.text()
		}
	}
	if d.detail != nil && len(d.detail.Events) < maxElements {
		d.detail.Events = append(d.detail.Events, list)
	}
	return source, message
}

// statusChange reads a StatusChangeNotification: what became of the subscription as a whole.
func (d *conversation) statusChange(b []byte) {
	c := wire.New(b)
	s := status(c.LE32())
	if skipDiagnostic(&c); c.Failed() {
		d.body.Fail()
		return
	}
	if d.detail != nil && d.detail.Error == "" {
		d.detail.Error = s.String()
	}
	d.emit(d.service.name, protocols.ActionSubscribe, s.outcome()).Object = protocols.Object{Area: areaSubscription}
}
