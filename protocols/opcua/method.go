package opcua

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// wellKnown is what a method of the specification is called and does.
type wellKnown struct {
	name   string
	action protocols.Action
}

// methods are methods of namespace 0 that a client may call (Part 6, annex A, NodeIds.csv): by their number in a type, and
// in the instance where every server has the same one. Any other method is taken for one that acts on the plant.
var methods = map[string]wellKnown{
	// Of a subscription (Part 5, 9.1; Part 9, 5.5.7 and 5.5.8): they change what a client is told.
	"i=3875":  {"ConditionRefresh", protocols.ActionSubscribe},
	"i=12912": {"ConditionRefresh2", protocols.ActionSubscribe},
	"i=11489": {"GetMonitoredItems", protocols.ActionSubscribe},
	"i=11492": {"GetMonitoredItems", protocols.ActionSubscribe},
	"i=12871": {"ResendData", protocols.ActionSubscribe},
	"i=12873": {"ResendData", protocols.ActionSubscribe},
	"i=12746": {"SetSubscriptionDurable", protocols.ActionSubscribe},
	"i=12749": {"SetSubscriptionDurable", protocols.ActionSubscribe},
	// Of a file (Part 20, 4.2 and 4.3).
	"i=11580": {"Open", protocols.ActionFile},
	"i=11583": {"Close", protocols.ActionFile},
	"i=11585": {"Read", protocols.ActionFile},
	"i=11588": {"Write", protocols.ActionFile},
	"i=11590": {"GetPosition", protocols.ActionFile},
	"i=11593": {"SetPosition", protocols.ActionFile},
	"i=13387": {"CreateDirectory", protocols.ActionFile},
	"i=13390": {"CreateFile", protocols.ActionFile},
	"i=13393": {"DeleteFileSystemObject", protocols.ActionFile},
	"i=13395": {"MoveOrCopy", protocols.ActionFile},
	"i=15746": {"GenerateFileForRead", protocols.ActionFile},
	"i=15749": {"GenerateFileForWrite", protocols.ActionFile},
	"i=15751": {"CloseAndCommit", protocols.ActionFile},
	"i=11615": {"ExportNamespace", protocols.ActionFile},
	// Of an alarm (Part 9, 5.5 to 5.8): who calls them makes operators see it otherwise, or not at all.
	"i=9027":  {"Enable", protocols.ActionConfigure},
	"i=9028":  {"Disable", protocols.ActionConfigure},
	"i=9029":  {"AddComment", protocols.ActionConfigure},
	"i=9069":  {"Respond", protocols.ActionConfigure},
	"i=24312": {"Respond2", protocols.ActionConfigure},
	"i=9111":  {"Acknowledge", protocols.ActionConfigure},
	"i=9113":  {"Confirm", protocols.ActionConfigure},
	"i=2947":  {"Unshelve", protocols.ActionConfigure},
	"i=2948":  {"OneShotShelve", protocols.ActionConfigure},
	"i=2949":  {"TimedShelve", protocols.ActionConfigure},
	"i=24758": {"Unshelve2", protocols.ActionConfigure},
	"i=24760": {"OneShotShelve2", protocols.ActionConfigure},
	"i=24756": {"TimedShelve2", protocols.ActionConfigure},
	"i=16402": {"Silence", protocols.ActionConfigure},
	"i=16403": {"Suppress", protocols.ActionConfigure},
	"i=24316": {"Suppress2", protocols.ActionConfigure},
	"i=17868": {"Unsuppress", protocols.ActionConfigure},
	"i=24318": {"Unsuppress2", protocols.ActionConfigure},
	"i=17869": {"RemoveFromService", protocols.ActionConfigure},
	"i=24320": {"RemoveFromService2", protocols.ActionConfigure},
	"i=17870": {"PlaceInService", protocols.ActionConfigure},
	"i=24322": {"PlaceInService2", protocols.ActionConfigure},
	"i=18199": {"Reset", protocols.ActionConfigure},
	"i=24324": {"Reset2", protocols.ActionConfigure},
	// Of certificates and trust (Part 12, 7.8 and 7.10).
	"i=12527": {"Open", protocols.ActionConfigure},
	"i=12535": {"Write", protocols.ActionConfigure},
	"i=12543": {"OpenWithMasks", protocols.ActionConfigure},
	"i=12546": {"CloseAndUpdate", protocols.ActionConfigure},
	"i=12548": {"AddCertificate", protocols.ActionConfigure},
	"i=12550": {"RemoveCertificate", protocols.ActionConfigure},
	"i=12647": {"Open", protocols.ActionConfigure},
	"i=12655": {"Write", protocols.ActionConfigure},
	"i=12663": {"OpenWithMasks", protocols.ActionConfigure},
	"i=12666": {"CloseAndUpdate", protocols.ActionConfigure},
	"i=12668": {"AddCertificate", protocols.ActionConfigure},
	"i=12670": {"RemoveCertificate", protocols.ActionConfigure},
	"i=12616": {"UpdateCertificate", protocols.ActionConfigure},
	"i=13737": {"UpdateCertificate", protocols.ActionConfigure},
	"i=12731": {"CreateSigningRequest", protocols.ActionConfigure},
	"i=12737": {"CreateSigningRequest", protocols.ActionConfigure},
	"i=12734": {"ApplyChanges", protocols.ActionConfigure},
	"i=12740": {"ApplyChanges", protocols.ActionConfigure},
	"i=25698": {"CancelChanges", protocols.ActionConfigure},
	"i=25708": {"CancelChanges", protocols.ActionConfigure},
	"i=25699": {"ResetToServerDefaults", protocols.ActionConfigure},
	"i=25709": {"ResetToServerDefaults", protocols.ActionConfigure},
	"i=25710": {"SetAdminPassword", protocols.ActionConfigure},
	"i=18006": {"UpdateCredential", protocols.ActionConfigure},
	"i=18008": {"DeleteCredential", protocols.ActionConfigure},
	// The same, and only looked at.
	"i=12775": {"GetRejectedList", protocols.ActionBrowse},
	"i=12777": {"GetRejectedList", protocols.ActionBrowse},
	"i=23526": {"GetRejectedList", protocols.ActionBrowse},
	"i=32296": {"GetCertificates", protocols.ActionBrowse},
	"i=32333": {"GetCertificates", protocols.ActionBrowse},
	// Of users and roles (Part 18, 4 and 5).
	"i=15624": {"AddIdentity", protocols.ActionConfigure},
	"i=15626": {"RemoveIdentity", protocols.ActionConfigure},
	"i=15997": {"AddRole", protocols.ActionConfigure},
	"i=16000": {"RemoveRole", protocols.ActionConfigure},
	"i=16301": {"AddRole", protocols.ActionConfigure},
	"i=16304": {"RemoveRole", protocols.ActionConfigure},
	"i=16176": {"AddApplication", protocols.ActionConfigure},
	"i=16178": {"RemoveApplication", protocols.ActionConfigure},
	"i=16180": {"AddEndpoint", protocols.ActionConfigure},
	"i=16182": {"RemoveEndpoint", protocols.ActionConfigure},
	"i=24269": {"AddUser", protocols.ActionConfigure},
	"i=24271": {"ModifyUser", protocols.ActionConfigure},
	"i=24273": {"RemoveUser", protocols.ActionConfigure},
	"i=24275": {"ChangePassword", protocols.ActionConfigure},
	"i=24304": {"AddUser", protocols.ActionConfigure},
	"i=24306": {"ModifyUser", protocols.ActionConfigure},
	"i=24308": {"RemoveUser", protocols.ActionConfigure},
	"i=24310": {"ChangePassword", protocols.ActionConfigure},
	// Of publishing to others (Part 14, 8 and 9).
	"i=14645": {"Enable", protocols.ActionConfigure},
	"i=14646": {"Disable", protocols.ActionConfigure},
	"i=17407": {"Enable", protocols.ActionConfigure},
	"i=17408": {"Disable", protocols.ActionConfigure},
	"i=15215": {"GetSecurityKeys", protocols.ActionConfigure},
	"i=17364": {"SetSecurityKeys", protocols.ActionConfigure},
	"i=17366": {"AddConnection", protocols.ActionConfigure},
	"i=17369": {"RemoveConnection", protocols.ActionConfigure},
	"i=25459": {"Open", protocols.ActionConfigure},
	"i=25467": {"Write", protocols.ActionConfigure},
	"i=25477": {"CloseAndUpdate", protocols.ActionConfigure},
	// Of programs and of the server itself (Part 10, 5.2; Part 5, 9.1).
	"i=2426":  {"Start", protocols.ActionControl},
	"i=2427":  {"Suspend", protocols.ActionControl},
	"i=2428":  {"Resume", protocols.ActionControl},
	"i=2429":  {"Halt", protocols.ActionControl},
	"i=2430":  {"Reset", protocols.ActionControl},
	"i=12883": {"RequestServerStateChange", protocols.ActionControl},
	"i=12886": {"RequestServerStateChange", protocols.ActionControl},
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
		known, ok := methods[method]
		if !ok {
			known = wellKnown{method, protocols.ActionControl}
		}
		d.target(protocols.Object{Area: areaMethod, Name: d.names.method(object, known.name)}, known.action, values)
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
