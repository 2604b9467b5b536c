package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// Fewest bytes of the elements of the subscription services.
const (
	leastParameters   = 4 + 8 + leastExtension + 4 + 1
	leastMonitored    = leastReadValue + 4 + leastParameters
	leastModified     = 4 + leastParameters
	leastRevised      = leastStatus + 8 + 4 + leastExtension
	leastCreated      = leastRevised + 4
	leastNotification = 4 + 1
)

// subscription reads the number of a subscription. The server chose it for this session alone, so it is no object.
func (d *conversation) subscription() uint32 {
	n := d.body.LE32()
	if d.detail != nil && d.detail.Subscription == nil && !d.body.Failed() {
		d.detail.Subscription = shown(n)
	}
	return n
}

// createdSubscription reads the parameters of a CreateSubscriptionResponse (Part 4, 5.14.2).
func (d *conversation) createdSubscription() {
	d.subscription()
	d.body.Skip(16) // publishing interval, lifetime, keep-alive
}

// modifySubscription reads the parameters of a ModifySubscriptionRequest (Part 4, 5.14.3).
func (d *conversation) modifySubscription() {
	d.subscription()
	d.body.Skip(8 + 4 + 4 + 4 + 1) // publishing interval, lifetime, keep-alive, most notifications, priority
	d.target(protocols.Object{Area: areaSubscription}, protocols.ActionSubscribe, protocols.Values{})
}

// publishing reads the parameters of a SetPublishingModeRequest (Part 4, 5.14.4).
func (d *conversation) publishing() {
	d.body.Skip(1) // enabled
	d.subscriptions()
}

// subscriptions reads an array of subscriptions, which a request changes, takes over or deletes (Part 4, 5.14.4, 5.14.7
// and 5.14.8).
func (d *conversation) subscriptions() {
	for range d.count(4) {
		d.subscription()
		if d.body.Failed() {
			return
		}
		d.target(protocols.Object{Area: areaSubscription}, protocols.ActionSubscribe, protocols.Values{})
	}
}

// transfer reads the parameters of a TransferSubscriptionsRequest: a session takes over what another one subscribed.
func (d *conversation) transfer() {
	d.subscriptions()
	d.body.Skip(1) // initial values
}

// transferred reads the parameters of a TransferSubscriptionsResponse.
func (d *conversation) transferred() {
	c := &d.body
	for range d.count(leastStatus + 4) {
		s := status(c.LE32())
		c.Skip(4 * count(c, 4)) // sequence numbers that may be asked for again
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// monitor reads the parameters of a CreateMonitoredItemsRequest (Part 4, 5.13.2).
func (d *conversation) monitor() {
	c := &d.body
	d.request.subscription = d.subscription()
	c.Skip(4) // wanted timestamps
	for range d.count(leastMonitored) {
		raw, attribute := d.readValueID()
		c.Skip(4) // mode
		handle, filter := d.monitoring()
		if c.Failed() {
			return
		}
		m := monitored{object: d.attribute(raw, attribute)}
		if attribute == attributeEventNotifier {
			m.object.Area, m.object.First = areaEvent, 0
			m.fields = eventFieldsOf(filter)
		}
		d.items.add(item{d.request.subscription, handle}, m)
		if t := d.target(m.object, protocols.ActionSubscribe, protocols.Values{}); t != nil {
			t.number = handle
		}
	}
}

// monitoring reads MonitoringParameters (Part 4, 7.21).
func (d *conversation) monitoring() (handle uint32, filter extension) {
	c := &d.body
	handle = c.LE32()
	c.Skip(8) // sampling interval
	filter = extensionObject(c)
	c.Skip(5) // queue
	return handle, filter
}

// monitored reads the parameters of a CreateMonitoredItemsResponse.
func (d *conversation) monitored() {
	c := &d.body
	x := d.request
	for i := range d.count(leastCreated) {
		s, number := status(c.LE32()), c.LE32()
		c.Skip(12) // sampling interval, queue
		extensionObject(c)
		if c.Failed() {
			return
		}
		if i < len(x.targets) && !s.bad() {
			d.items.number(item{x.subscription, number}, x.targets[i].number)
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// modify reads the parameters of a ModifyMonitoredItemsRequest (Part 4, 5.13.3).
func (d *conversation) modify() {
	c := &d.body
	d.request.subscription = d.subscription()
	c.Skip(4) // wanted timestamps
	for range d.count(leastModified) {
		number := c.LE32()
		handle, _ := d.monitoring()
		if c.Failed() {
			return
		}
		d.item(number)
		d.items.rename(item{d.request.subscription, number}, handle)
	}
}

// modified reads the parameters of a ModifyMonitoredItemsResponse.
func (d *conversation) modified() {
	c := &d.body
	for range d.count(leastRevised) {
		s := status(c.LE32())
		c.Skip(12) // sampling interval, queue
		extensionObject(c)
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// item reports what a request does to the item with a server's number, under the name of what it watches.
func (d *conversation) item(number uint32) {
	m, known := d.items.numbered(item{d.request.subscription, number})
	if !known {
		m.object = protocols.Object{Area: areaItem}
	}
	if t := d.target(m.object, protocols.ActionSubscribe, protocols.Values{}); t != nil {
		t.number = number
	}
}

// itemList reads an array of items.
func (d *conversation) itemList() {
	for range d.count(4) {
		number := d.body.LE32()
		if d.body.Failed() {
			return
		}
		d.item(number)
	}
}

// monitoringMode reads the parameters of a SetMonitoringModeRequest (Part 4, 5.13.4).
func (d *conversation) monitoringMode() {
	d.request.subscription = d.subscription()
	d.body.Skip(4) // mode
	d.itemList()
}

// trigger reads the parameters of a SetTriggeringRequest (Part 4, 5.13.5): the items that another one shall trigger, and
// those that it no longer shall.
func (d *conversation) trigger() {
	d.request.subscription = d.subscription()
	d.body.Skip(4) // the item that triggers
	d.itemList()
	d.itemList()
}

// triggered reads the parameters of a SetTriggeringResponse.
func (d *conversation) triggered() {
	d.statuses()
	d.statuses()
}

// deleteItems reads the parameters of a DeleteMonitoredItemsRequest (Part 4, 5.13.6).
func (d *conversation) deleteItems() {
	d.request.subscription = d.subscription()
	d.itemList()
}

// deletedItems reads the parameters of a DeleteMonitoredItemsResponse.
func (d *conversation) deletedItems() {
	c := &d.body
	x := d.request
	for i := range d.count(leastStatus) {
		s := status(c.LE32())
		if c.Failed() {
			return
		}
		if i < len(x.targets) && !s.bad() {
			d.items.remove(item{x.subscription, x.targets[i].number})
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}
