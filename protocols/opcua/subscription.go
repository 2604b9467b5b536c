package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxItems is how many monitored items a conversation remembers.
const maxItems = 4096

// item is how notifications refer to a monitored item: by the subscription and a number that the client chose.
type item struct{ subscription, handle uint32 }

// items gives the monitored objects. When it is full it starts anew: notifications about forgotten items are counted
// without their object.
type items map[item]protocols.Object

func (m *items) add(key item, o protocols.Object) {
	if len(*m) >= maxItems {
		clear(*m)
	}
	if *m == nil {
		*m = make(items)
	}
	(*m)[key] = o
}

// Fewest bytes of the elements of the subscription services.
const (
	leastMonitored    = leastReadValue + 4 + 4 + 8 + leastExtension + 4 + 1
	leastCreated      = leastStatus + 4 + 8 + 4 + leastExtension
	leastNotification = 4 + 1
)

// monitor reads the parameters of a CreateMonitoredItemsRequest (Part 4, 5.13.2).
func (d *conversation) monitor() {
	c := &d.body
	subscription := c.LE32()
	c.Skip(4) // wanted timestamps
	for range d.count(leastMonitored) {
		raw, attribute := readValueID(c)
		c.Skip(4) // mode
		handle := c.LE32()
		c.Skip(8) // sampling interval
		extensionObject(c)
		c.Skip(5) // queue
		if c.Failed() {
			return
		}
		o := d.attribute(raw, attribute)
		d.items.add(item{subscription, handle}, o)
		d.target(o, protocols.ActionSubscribe, protocols.Values{})
	}
}

// monitored reads the parameters of a CreateMonitoredItemsResponse.
func (d *conversation) monitored() {
	c := &d.body
	for range d.count(leastCreated) {
		s := status(c.LE32())
		c.Skip(16) // id, sampling interval, queue
		extensionObject(c)
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// published reads the parameters of a PublishResponse (Part 4, 5.14.5).
func (d *conversation) published() {
	c := &d.body
	subscription := c.LE32()
	c.Skip(4 * count(c, 4)) // sequence numbers
	c.Skip(1)               // more to come
	d.notifications(subscription)
	c.Skip(4 * count(c, 4)) // results of acknowledgements
	skipDiagnostics(c)
}

// republished reads the parameters of a RepublishResponse (Part 4, 5.14.6). It does not say which subscription it is
// about, so its values have no object.
func (d *conversation) republished() { d.notifications(0) }

// The binary encodings of notification data (Part 4, 7.25).
const (
	dataChangeID = 811
	eventListID  = 916
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
			inner := wire.New(x.body)
			n := count(&inner, 8)
			d.emit(d.service.name, protocols.ActionAlarm, protocols.OutcomeDone).Object =
				protocols.Object{Area: areaEvent, Count: uint32(n)}
		}
	}
}

// changes reads a DataChangeNotification: the new values of monitored items. An item whose creation was not seen is
// known by the client's number for it.
func (d *conversation) changes(subscription uint32, b []byte) {
	c := wire.New(b)
	var rest uint32
	named := true
	for i := range count(&c, leastNotification) {
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
		o, known := d.items[item{subscription, handle}]
		if !known {
			o, named = protocols.Object{Area: areaItem, First: handle, Count: 1}, false
		}
		d.listNode(o.Name)
		values := protocols.Values{}
		if (o.First == 0 || !known) && !s.bad() {
			values = v.values()
		}
		e := d.emit(d.service.name, protocols.ActionSubscribe, s.outcome())
		e.Object, e.Values = o, values
	}
	if !named && d.detail != nil {
		d.detail.Nodes = nil // a list with holes would not match the values
	}
	if rest > 0 {
		d.emit(d.service.name, protocols.ActionSubscribe, protocols.OutcomeDone).Object =
			protocols.Object{Area: areaNode, Count: rest}
	}
}
