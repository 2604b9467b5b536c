package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The areas of objects.
const (
	areaNode     = "node"
	areaMethod   = "method" // its name is OBJECT METHOD
	areaSession  = "session"
	areaUser     = "user"
	areaEndpoint = "endpoint"
	areaItem     = "monitored-item"
	areaEvent    = "event" // its name is the node, or the source, of the events

	areaSubscription = "subscription"
)

// attributeValue is the attribute that holds a variable's value (Part 6, annex A, AttributeIds.csv).
const attributeValue = 13

// node names a node and lists it in the detail.
func (d *conversation) node(raw []byte) protocols.Object {
	if d.detail != nil {
		d.listNode(nodeText(raw))
	}
	return protocols.Object{Area: areaNode, Name: d.names.node(raw)}
}

// attribute names an attribute of a node. The value is what a node is about and has no number of its own; any other
// attribute shows as the object's first element.
func (d *conversation) attribute(raw []byte, id uint32) protocols.Object {
	o := d.node(raw)
	if id != attributeValue {
		o.First = id
	}
	return o
}

// readValueID takes a ReadValueId (Part 4, 7.29).
func (d *conversation) readValueID() (raw []byte, attribute uint32) {
	c := &d.body
	raw, attribute = rawNodeID(c), c.LE32()
	d.indexRange(raw, octets(c))
	skipQualifiedName(c)
	return raw, attribute
}

// Fewest bytes of the elements of a request's array.
const (
	leastNodeID      = 2
	leastReadValue   = leastNodeID + 4 + 4 + 6
	leastWriteValue  = leastNodeID + 4 + 4 + 1
	leastHistory     = leastNodeID + 4 + 6 + 4
	leastBrowse      = leastNodeID + 4 + leastNodeID + 1 + 4 + 4
	leastPath        = leastNodeID + 4
	leastPathElement = leastNodeID + 1 + 1 + 6
	leastExtension   = leastNodeID + 1
	leastCall        = leastNodeID + leastNodeID + 4
	leastStatus      = 4
	leastReference   = leastNodeID + 1 + leastNodeID + 6 + 1 + 4 + leastNodeID
)

// readNodes reads the parameters of a ReadRequest (Part 4, 5.11.2).
func (d *conversation) readNodes() {
	c := &d.body
	c.Skip(12) // maximum age, wanted timestamps
	for range d.count(leastReadValue) {
		raw, attribute := d.readValueID()
		if c.Failed() {
			return
		}
		d.target(d.attribute(raw, attribute), protocols.ActionRead, protocols.Values{})
	}
}

// readValues reads the parameters of a ReadResponse. Only the values of variables are values of the process.
func (d *conversation) readValues() {
	c := &d.body
	for range d.count(1) {
		v, s := dataValue(c, 0)
		if c.Failed() {
			return
		}
		d.value(v, s)
		values := protocols.Values{}
		if i := d.results; i < len(d.request.targets) && !s.bad() {
			if o := d.request.targets[i].object; o.First == 0 {
				values = v.values()
				d.identity(o.Name, v)
			}
		}
		d.concluded(s, values)
	}
	skipDiagnostics(c)
}

// writeNodes reads the parameters of a WriteRequest (Part 4, 5.11.4).
func (d *conversation) writeNodes() {
	c := &d.body
	for range d.count(leastWriteValue) {
		raw, attribute := rawNodeID(c), c.LE32()
		d.indexRange(raw, octets(c))
		v, s := dataValue(c, 0)
		if c.Failed() {
			return
		}
		o := d.attribute(raw, attribute)
		d.value(v, s)
		values := protocols.Values{}
		if o.First == 0 {
			values = v.values()
		}
		d.target(o, protocols.ActionWrite, values)
	}
}

// statuses reads the parameters of a response that has a status for each thing, and no more.
func (d *conversation) statuses() {
	for range d.count(leastStatus) {
		s := status(d.body.LE32())
		if d.body.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(&d.body)
}

// histories are the structures that say what a history is asked for, or how it is changed (Part 11, 6.5 and 6.9), by their
// binary encoding.
var histories = map[uint32]string{
	646: "ReadEventDetails", 649: "ReadRawModifiedDetails", 652: "ReadProcessedDetails", 655: "ReadAtTimeDetails",
	23500: "ReadAnnotationDataDetails",
	682:   "UpdateDataDetails", 11300: "UpdateStructureDataDetails", 685: "UpdateEventDetails",
	688: "DeleteRawModifiedDetails", 691: "DeleteAtTimeDetails", 694: "DeleteEventDetails",
}

// history shows which of the histories' structures a message holds first.
func (d *conversation) history(x extension) {
	if d.detail != nil && d.detail.History == "" && len(x.typeID) > 0 {
		d.detail.History = histories[x.id()]
	}
}

// readHistory reads the parameters of a HistoryReadRequest (Part 4, 5.11.3).
func (d *conversation) readHistory() {
	c := &d.body
	d.history(extensionObject(c))
	c.Skip(5) // wanted timestamps, release of continuation points
	for range d.count(leastHistory) {
		raw := rawNodeID(c)
		d.indexRange(raw, octets(c))
		skipQualifiedName(c)
		octets(c) // continuation point
		if c.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionRead, protocols.Values{})
	}
}

// historyValues reads the parameters of a HistoryReadResponse.
func (d *conversation) historyValues() {
	c := &d.body
	for range d.count(leastStatus + 4 + leastExtension) {
		s := status(c.LE32())
		octets(c) // continuation point
		extensionObject(c)
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// updateHistory reads the parameters of a HistoryUpdateRequest (Part 4, 5.11.5): all its structures begin with the node
// (Part 11, 6.9).
func (d *conversation) updateHistory() {
	for range d.count(leastExtension) {
		x := extensionObject(&d.body)
		if d.body.Failed() {
			return
		}
		d.history(x)
		inner := wire.New(x.body)
		if raw := rawNodeID(&inner); raw != nil {
			d.target(d.node(raw), protocols.ActionWrite, protocols.Values{})
		}
	}
}

// updatedHistory reads the parameters of a HistoryUpdateResponse.
func (d *conversation) updatedHistory() {
	c := &d.body
	for range d.count(leastStatus + 4 + 4) {
		s := status(c.LE32())
		c.Skip(4 * count(c, 4)) // a status for each operation
		skipDiagnostics(c)
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}
