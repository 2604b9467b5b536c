package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// methodActions are the methods of the specification that do not change the server: those that belong to a
// subscription, and those that read or write a file (Part 5, 9.1 and annex C; Part 9, 5.5). Any other method is taken
// for one that acts on the plant.
var methodActions = map[string]protocols.Action{
	"i=3875":  protocols.ActionSubscribe, // ConditionRefresh
	"i=12912": protocols.ActionSubscribe, // ConditionRefresh2
	"i=11492": protocols.ActionSubscribe, // GetMonitoredItems
	"i=12873": protocols.ActionSubscribe, // ResendData
	"i=12749": protocols.ActionSubscribe, // SetSubscriptionDurable
	"i=11580": protocols.ActionFile,      // Open
	"i=11583": protocols.ActionFile,      // Close
	"i=11585": protocols.ActionFile,      // Read
	"i=11588": protocols.ActionFile,      // Write
	"i=11590": protocols.ActionFile,      // GetPosition
	"i=11593": protocols.ActionFile,      // SetPosition
	"i=13387": protocols.ActionFile,      // CreateDirectory
	"i=13390": protocols.ActionFile,      // CreateFile
	"i=13393": protocols.ActionFile,      // DeleteFileSystemObject
	"i=13395": protocols.ActionFile,      // MoveOrCopy
}

// callMethods reads the parameters of a CallRequest (Part 4, 5.12.2).
func (d *conversation) callMethods() {
	c := &d.body
	for range d.count(leastCall) {
		rawObject, rawMethod := rawNodeID(c), rawNodeID(c)
		arguments := count(c, 1)
		if c.Failed() {
			return
		}
		object, method := d.names.node(rawObject), d.names.node(rawMethod)
		d.listNode(object)
		d.listMethod(method)
		var values protocols.Values
		for i := range arguments {
			v := variant(c, 0)
			if c.Failed() {
				break
			}
			d.value(v, 0)
			if i == 0 && arguments == 1 {
				values = v.values()
			}
		}
		action, harmless := methodActions[method]
		if !harmless {
			action = protocols.ActionControl
		}
		d.target(protocols.Object{Area: areaMethod, Name: d.names.method(object, method)}, action, values)
	}
}

// calledMethods reads the parameters of a CallResponse.
func (d *conversation) calledMethods() {
	c := &d.body
	for range d.count(leastStatus + 4 + 4 + 4) {
		s := status(c.LE32())
		c.Skip(4 * count(c, 4)) // a status for each argument
		skipDiagnostics(c)
		for i := count(c, 1); i > 0 && !c.Failed(); i-- {
			if v := variant(c, 0); !c.Failed() {
				d.value(v, 0)
			}
		}
		if c.Failed() {
			return
		}
		d.concluded(s, protocols.Values{})
	}
	skipDiagnostics(c)
}
