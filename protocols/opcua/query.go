package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// maxContinued is how many unfinished answers a conversation remembers.
const maxContinued = 256

// continued says what an unfinished answer was about, by the hash of the point at which it goes on. A table that is full
// starts anew: what goes on from a forgotten point has no object.
type continued map[uint64]protocols.Object

func (t *continued) add(point []byte, o protocols.Object) {
	if len(point) == 0 {
		return
	}
	if len(*t) >= maxContinued {
		clear(*t)
	}
	if *t == nil {
		*t = make(continued)
	}
	(*t)[hash(hashSeed, point)] = o
}

// Fewest bytes of the elements of a query.
const (
	leastNodeType = leastNodeID + 1 + 4
	leastData     = 4 + 4 + 4
	leastFilter   = 4 + 4
	leastDataSet  = leastNodeID + leastNodeID + 4
)

// queryFirst reads the parameters of a QueryFirstRequest (Part 4, 5.10.3): it is about the types of the nodes that it
// looks for.
func (d *conversation) queryFirst() {
	c := &d.body
	skipNodeID(c) // view
	c.Skip(12)    // its time and version
	for range d.count(leastNodeType) {
		raw := rawExpandedNodeID(c)
		c.Skip(1) // subtypes
		for i := count(c, leastData); i > 0 && !c.Failed(); i-- {
			for j := count(c, leastPathElement); j > 0 && !c.Failed(); j-- {
				d.pathElement()
			}
			c.Skip(4) // attribute
			octets(c) // index range
		}
		if c.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionBrowse, protocols.Values{})
	}
	for i := count(c, leastFilter); i > 0 && !c.Failed(); i-- {
		c.Skip(4) // operator
		for j := count(c, leastExtension); j > 0 && !c.Failed(); j-- {
			extensionObject(c)
		}
	}
	c.Skip(8) // most data sets and references
}

// queried reads the parameters of a QueryFirstResponse or QueryNextResponse up to the point where it goes on.
func (d *conversation) queried() {
	c := &d.body
	for i := d.count(leastDataSet); i > 0 && !c.Failed(); i-- {
		skipExpandedNodeID(c)
		skipExpandedNodeID(c)
		for j := count(c, 1); j > 0 && !c.Failed(); j-- {
			variant(c, 0)
		}
	}
	point := octets(c)
	if len(d.request.targets) > 0 && !c.Failed() {
		d.continued.add(point, d.request.targets[0].object)
	}
	if d.service.id == queryNextResponseID || c.Failed() {
		return
	}
	d.parsed() // the types
	d.parsed() // the filter
}

// parsed passes over what a server says about the parts of a query, and the diagnostics after it.
func (d *conversation) parsed() {
	c := &d.body
	for i := count(c, leastStatus+4+4); i > 0 && !c.Failed(); i-- {
		c.Skip(leastStatus)
		c.Skip(leastStatus * count(c, leastStatus))
		skipDiagnostics(c)
	}
	skipDiagnostics(c)
}

// queryNext reads the parameters of a QueryNextRequest (Part 4, 5.10.4).
func (d *conversation) queryNext() {
	c := &d.body
	c.Skip(1) // only forget it
	point := octets(c)
	if !c.Failed() {
		d.target(d.continued[hash(hashSeed, point)], protocols.ActionBrowse, protocols.Values{})
	}
}
