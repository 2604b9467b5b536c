package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// browse reads the parameters of a BrowseRequest (Part 4, 5.9.2).
func (d *conversation) browse() {
	c := &d.body
	skipNodeID(c) // view
	c.Skip(16)    // its time and version, maximum number of references
	for range d.count(leastBrowse) {
		raw := rawNodeID(c)
		c.Skip(4) // direction
		skipNodeID(c)
		c.Skip(9) // subtypes, masks
		if c.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionBrowse, protocols.Values{})
	}
}

// browsed reads the parameters of a BrowseResponse or BrowseNextResponse.
func (d *conversation) browsed() {
	c := &d.body
	for i := range d.count(leastStatus + 4 + 4) {
		s := status(c.LE32())
		point := octets(c)
		for i := count(c, leastReference); i > 0 && !c.Failed(); i-- {
			d.reference()
		}
		if c.Failed() {
			return
		}
		if i < len(d.request.targets) {
			d.continued.add(point, d.request.targets[i].object)
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// reference reads a ReferenceDescription (Part 4, 7.29): what a browsed node refers to.
func (d *conversation) reference() {
	c := &d.body
	skipNodeID(c)
	c.Skip(1) // direction
	raw := rawExpandedNodeID(c)
	c.Skip(2) // namespace of the name
	name := octets(c)
	localizedText(c)
	c.Skip(4) // node class
	skipExpandedNodeID(c)
	if d.detail != nil && !c.Failed() && len(d.detail.References) < maxListed {
		d.detail.References = append(d.detail.References, nodeText(raw)+" "+text(name))
	}
}

// browseNext reads the parameters of a BrowseNextRequest (Part 4, 5.9.3). A continuation point stands for the node whose
// references did not fit into an answer.
func (d *conversation) browseNext() {
	c := &d.body
	c.Skip(1) // only forget them
	for range d.count(4) {
		point := octets(c)
		if c.Failed() {
			return
		}
		d.target(d.continued[hash(hashSeed, point)], protocols.ActionBrowse, protocols.Values{})
	}
}

// translate reads the parameters of a TranslateBrowsePathsToNodeIdsRequest (Part 4, 5.9.4).
func (d *conversation) translate() {
	c := &d.body
	for range d.count(leastPath) {
		raw := rawNodeID(c)
		for i := count(c, leastPathElement); i > 0 && !c.Failed(); i-- {
			d.pathElement()
		}
		if c.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionBrowse, protocols.Values{})
	}
}

// pathElement passes over a RelativePathElement (Part 4, 7.31).
func (d *conversation) pathElement() {
	skipNodeID(&d.body)
	d.body.Skip(2) // inverse, subtypes
	skipQualifiedName(&d.body)
}

// translated reads the parameters of a TranslateBrowsePathsToNodeIdsResponse.
func (d *conversation) translated() {
	c := &d.body
	for range d.count(leastStatus + 4) {
		s := status(c.LE32())
		for i := count(c, leastNodeID+4); i > 0 && !c.Failed(); i-- {
			skipExpandedNodeID(c)
			c.Skip(4) // how much of the path is left
		}
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// registered reads the parameters of a RegisterNodesResponse: other ids for the nodes, by which the session may call
// them. What is done to them is still told under their own names.
func (d *conversation) registered() {
	for i := range d.count(leastNodeID) {
		alias := rawNodeID(&d.body)
		if d.body.Failed() {
			return
		}
		if i < len(d.request.targets) {
			d.names.alias(alias, d.request.targets[i].object.Name)
		}
	}
}

// nodeList reads the parameters of a RegisterNodesRequest or UnregisterNodesRequest (Part 4, 5.9.5 and 5.9.6).
func (d *conversation) nodeList() {
	for range d.count(leastNodeID) {
		raw := rawNodeID(&d.body)
		if d.body.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionBrowse, protocols.Values{})
	}
}

// Fewest bytes of the elements of the node management services.
const (
	leastNewNode      = 3*leastNodeID + 6 + 4 + leastExtension + leastNodeID
	leastNewReference = leastNodeID + leastNodeID + 1 + 4 + leastNodeID + 4
	leastOldReference = leastNodeID + leastNodeID + 1 + leastNodeID + 1
)

// addNodes reads the parameters of an AddNodesRequest (Part 4, 5.8.2). A node that leaves its id to the server is known
// by its parent.
func (d *conversation) addNodes() {
	c := &d.body
	for range d.count(leastNewNode) {
		parent := rawExpandedNodeID(c)
		skipNodeID(c)
		wanted := rawExpandedNodeID(c)
		skipQualifiedName(c)
		c.Skip(4) // node class
		extensionObject(c)
		skipExpandedNodeID(c)
		if c.Failed() {
			return
		}
		if isNull(wanted) {
			wanted = parent
		}
		d.target(d.node(wanted), protocols.ActionConfigure, protocols.Values{})
	}
}

// isNull reports whether an encoded id is the null id: number 0 of namespace 0.
func isNull(raw []byte) bool {
	for _, b := range raw[1:] {
		if b != 0 {
			return false
		}
	}
	return raw[0] <= formNumeric
}

// addedNodes reads the parameters of an AddNodesResponse.
func (d *conversation) addedNodes() {
	c := &d.body
	for range d.count(leastStatus + leastNodeID) {
		s := status(c.LE32())
		skipNodeID(c)
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}

// addReferences reads the parameters of an AddReferencesRequest (Part 4, 5.8.3).
func (d *conversation) addReferences() {
	c := &d.body
	for range d.count(leastNewReference) {
		raw := rawNodeID(c)
		skipNodeID(c)
		c.Skip(1) // direction
		octets(c) // server
		skipExpandedNodeID(c)
		c.Skip(4) // node class
		if c.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionConfigure, protocols.Values{})
	}
}

// deleteNodes reads the parameters of a DeleteNodesRequest (Part 4, 5.8.4).
func (d *conversation) deleteNodes() {
	for range d.count(leastNodeID + 1) {
		raw := rawNodeID(&d.body)
		d.body.Skip(1) // references as well
		if d.body.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionConfigure, protocols.Values{})
	}
}

// deleteReferences reads the parameters of a DeleteReferencesRequest (Part 4, 5.8.5).
func (d *conversation) deleteReferences() {
	c := &d.body
	for range d.count(leastOldReference) {
		raw := rawNodeID(c)
		skipNodeID(c)
		c.Skip(1) // direction
		skipExpandedNodeID(c)
		c.Skip(1) // both directions
		if c.Failed() {
			return
		}
		d.target(d.node(raw), protocols.ActionConfigure, protocols.Values{})
	}
}
