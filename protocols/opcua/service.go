package opcua

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// service is one message of a service: its request, its response, or the fault that stands for any response.
type service struct {
	id       uint16 // binary encoding id in namespace 0
	name     string
	response bool
	answer   uint16 // of a request: the id of its response
	action   protocols.Action
	keeps    bool // of a request: its answer names more things than events tell of
	// read takes all parameters after the request or response header; nil when nothing in them is told.
	read func(d *conversation)
}

// pair is a service with both its messages.
type pair struct {
	name              string
	request, response uint16
	action            protocols.Action
	ask, answer       func(d *conversation)
}

// The binary encoding ids of services that are treated in some way of their own.
const (
	faultID             = 397
	closeChannelID      = 452
	registerNodesID     = 560
	queryNextResponseID = 624
	createItemsID       = 751
	publishID           = 826
)

// serviceRows are the messages of all services, the first of them for ids that belong to none; serviceIndex says which
// row an encoding id has. Each message on the wire asks for its row, so the index is an array.
var serviceRows, serviceIndex = index(serviceTable[:])

// serviceOf finds a service by its binary encoding id; nil when there is none.
func serviceOf(id uint32) *service {
	if id < uint32(len(serviceIndex)) && serviceIndex[id] != 0 {
		return &serviceRows[serviceIndex[id]]
	}
	return nil
}

// serviceTable has the services of Part 4 with the ids of Part 6, annex A (NodeIds.csv), Encoding_DefaultBinary.
var serviceTable = [...]pair{
	{"FindServers", 422, 425, protocols.ActionIdentify, (*conversation).askEndpoint, (*conversation).foundServers},
	{"FindServersOnNetwork", 12208, 12209, protocols.ActionIdentify, nil, (*conversation).foundOnNetwork},
	{"GetEndpoints", 428, 431, protocols.ActionIdentify, (*conversation).askEndpoint, (*conversation).gotEndpoints},
	{"RegisterServer", 437, 440, protocols.ActionConnect, (*conversation).registerServer, nil},
	{"RegisterServer2", 12211, 12212, protocols.ActionConnect, (*conversation).registerServer, nil},

	{"OpenSecureChannel", 446, 449, protocols.ActionConnect, (*conversation).openChannel, (*conversation).openedChannel},
	{"CloseSecureChannel", 452, 455, protocols.ActionConnect, nil, nil},

	{"CreateSession", 461, 464, protocols.ActionConnect, (*conversation).createSession, (*conversation).createdSession},
	{"ActivateSession", 467, 470, protocols.ActionLogin, (*conversation).activateSession, (*conversation).activatedSession},
	{"CloseSession", 473, 476, protocols.ActionConnect, nil, nil},
	{"Cancel", 479, 482, protocols.ActionConnect, nil, nil},

	{"AddNodes", 488, 491, protocols.ActionConfigure, (*conversation).addNodes, (*conversation).addedNodes},
	{"AddReferences", 494, 497, protocols.ActionConfigure, (*conversation).addReferences, (*conversation).statuses},
	{"DeleteNodes", 500, 503, protocols.ActionConfigure, (*conversation).deleteNodes, (*conversation).statuses},
	{"DeleteReferences", 506, 509, protocols.ActionConfigure, (*conversation).deleteReferences, (*conversation).statuses},

	{"Browse", 527, 530, protocols.ActionBrowse, (*conversation).browse, (*conversation).browsed},
	{"BrowseNext", 533, 536, protocols.ActionBrowse, (*conversation).browseNext, (*conversation).browsed},
	{"TranslateBrowsePathsToNodeIds", 554, 557, protocols.ActionBrowse, (*conversation).translate, (*conversation).translated},
	{"RegisterNodes", 560, 563, protocols.ActionBrowse, (*conversation).nodeList, (*conversation).registered},
	{"UnregisterNodes", 566, 569, protocols.ActionBrowse, (*conversation).nodeList, nil},
	{"QueryFirst", 615, 618, protocols.ActionBrowse, (*conversation).queryFirst, (*conversation).queried},
	{"QueryNext", 621, queryNextResponseID, protocols.ActionBrowse, (*conversation).queryNext, (*conversation).queried},

	{"Read", 631, 634, protocols.ActionRead, (*conversation).readNodes, (*conversation).readValues},
	{"HistoryRead", 664, 667, protocols.ActionRead, (*conversation).readHistory, (*conversation).historyValues},
	{"Write", 673, 676, protocols.ActionWrite, (*conversation).writeNodes, (*conversation).statuses},
	{"HistoryUpdate", 700, 703, protocols.ActionWrite, (*conversation).updateHistory, (*conversation).updatedHistory},
	{"Call", 712, 715, protocols.ActionControl, (*conversation).callMethods, (*conversation).calledMethods},

	{"CreateMonitoredItems", 751, 754, protocols.ActionSubscribe, (*conversation).monitor, (*conversation).monitored},
	{"ModifyMonitoredItems", 763, 766, protocols.ActionSubscribe, (*conversation).modify, (*conversation).modified},
	{"SetMonitoringMode", 769, 772, protocols.ActionSubscribe, (*conversation).monitoringMode, (*conversation).statuses},
	{"SetTriggering", 775, 778, protocols.ActionSubscribe, (*conversation).trigger, (*conversation).triggered},
	{"DeleteMonitoredItems", 781, 784, protocols.ActionSubscribe, (*conversation).deleteItems, (*conversation).deletedItems},
	{"CreateSubscription", 787, 790, protocols.ActionSubscribe, nil, (*conversation).createdSubscription},
	{"ModifySubscription", 793, 796, protocols.ActionSubscribe, (*conversation).modifySubscription, nil},
	{"SetPublishingMode", 799, 802, protocols.ActionSubscribe, (*conversation).publishing, (*conversation).statuses},
	{"Publish", 826, 829, protocols.ActionSubscribe, nil, (*conversation).published},
	{"Republish", 832, 835, protocols.ActionSubscribe, (*conversation).republish, (*conversation).republished},
	{"TransferSubscriptions", 841, 844, protocols.ActionSubscribe, (*conversation).transfer, (*conversation).transferred},
	{"DeleteSubscriptions", 847, 850, protocols.ActionSubscribe, (*conversation).subscriptions, (*conversation).statuses},
}

// index gives each message of the table its row.
func index(pairs []pair) (rows []service, byID []uint8) {
	rows = append(rows, service{}, service{id: faultID, name: "ServiceFault", response: true})
	for _, p := range pairs {
		rows = append(rows,
			service{id: p.request, name: p.name + "Request", answer: p.response, action: p.action, read: p.ask,
				keeps: p.request == createItemsID || p.request == registerNodesID},
			service{id: p.response, name: p.name + "Response", response: true, action: p.action, read: p.answer})
	}
	for i, r := range rows {
		for len(byID) <= int(r.id) {
			byID = append(byID, 0)
		}
		byID[r.id] = uint8(i)
	}
	return rows, byID
}

// knownService reads the encoding id at the start of a body and finds its service; nil when there is none. It is strict,
// because it also decides whether a body is readable at all: only the two forms in which the id of a service is written
// are taken (Part 6, 5.2.2.9).
func knownService(b []byte) *service {
	switch {
	case len(b) >= 4 && b[0] == formFourByte && b[1] == 0:
		return serviceOf(uint32(binary.LittleEndian.Uint16(b[2:])))
	case len(b) >= 7 && b[0] == formNumeric && b[1]|b[2] == 0:
		return serviceOf(binary.LittleEndian.Uint32(b[3:]))
	default:
		return nil
	}
}
