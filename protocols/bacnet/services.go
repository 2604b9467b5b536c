package bacnet

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// reader reads what a service carries behind the header.
type reader func(*message, *wire.Cursor)

// service is a row of a service table.
type service struct {
	name     string
	action   protocols.Action
	ask      reader // of the request; nil: not read
	answer   reader // of the complex acknowledgement
	outcome  protocols.Outcome
	notifies bool // the one that serves asks for an acknowledgement
}

var unknownService = service{outcome: protocols.OutcomeUnknown}

// confirmed are the confirmed services by their number (21, BACnetConfirmedServiceChoice).
var confirmed = [...]service{
	0:  {name: "acknowledgeAlarm", action: protocols.ActionAlarm, ask: (*message).acknowledgeAlarm},
	1:  {name: "confirmedCOVNotification", action: protocols.ActionSubscribe, ask: (*message).covNotification, notifies: true},
	2:  {name: "confirmedEventNotification", action: protocols.ActionAlarm, ask: (*message).eventNotification, notifies: true},
	3:  {name: "getAlarmSummary", action: protocols.ActionAlarm, answer: (*message).alarmSummary},
	4:  {name: "getEnrollmentSummary", action: protocols.ActionAlarm, answer: (*message).alarmSummary},
	5:  {name: "subscribeCOV", action: protocols.ActionSubscribe, ask: (*message).subscribe},
	6:  {name: "atomicReadFile", action: protocols.ActionFile, ask: (*message).file},
	7:  {name: "atomicWriteFile", action: protocols.ActionFile, ask: (*message).file},
	8:  {name: "addListElement", action: protocols.ActionConfigure, ask: (*message).changeList},
	9:  {name: "removeListElement", action: protocols.ActionConfigure, ask: (*message).changeList},
	10: {name: "createObject", action: protocols.ActionConfigure, ask: (*message).createObject, answer: (*message).oneObject},
	11: {name: "deleteObject", action: protocols.ActionConfigure, ask: (*message).oneObject},
	12: {name: "readProperty", action: protocols.ActionRead, ask: (*message).readProperty, answer: (*message).readProperty},
	13: {name: "readPropertyConditional", action: protocols.ActionRead},
	14: {name: "readPropertyMultiple", action: protocols.ActionRead, ask: (*message).readMultiple, answer: (*message).readMultiple},
	15: {name: "writeProperty", action: protocols.ActionWrite, ask: (*message).writeProperty},
	16: {name: "writePropertyMultiple", action: protocols.ActionWrite, ask: (*message).writeMultiple},
	17: {name: "deviceCommunicationControl", action: protocols.ActionControl, ask: (*message).communication},
	18: {name: "confirmedPrivateTransfer", ask: (*message).privateTransfer, answer: (*message).privateTransfer},
	19: {name: "confirmedTextMessage", ask: (*message).textMessage},
	20: {name: "reinitializeDevice", action: protocols.ActionControl, ask: (*message).reinitialize},
	21: {name: "vtOpen", action: protocols.ActionConnect},
	22: {name: "vtClose", action: protocols.ActionConnect},
	23: {name: "vtData", action: protocols.ActionConfigure},
	24: {name: "authenticate", action: protocols.ActionLogin},
	25: {name: "requestKey", action: protocols.ActionLogin},
	26: {name: "readRange", action: protocols.ActionRead, ask: (*message).readRange, answer: (*message).readRange},
	27: {name: "lifeSafetyOperation", action: protocols.ActionControl, ask: (*message).lifeSafety},
	28: {name: "subscribeCOVProperty", action: protocols.ActionSubscribe, ask: (*message).subscribe},
	29: {name: "getEventInformation", action: protocols.ActionAlarm, answer: (*message).eventInformation},
	30: {name: "subscribeCOVPropertyMultiple", action: protocols.ActionSubscribe, ask: (*message).subscribeMultiple},
	31: {
		name: "confirmedCOVNotificationMultiple", action: protocols.ActionSubscribe, ask: (*message).covMultiple,
		notifies: true,
	},
	32: {name: "confirmedAuditNotification", action: protocols.ActionAlarm, notifies: true},
	33: {name: "auditLogQuery", action: protocols.ActionAlarm},
	34: {name: "authRequest", action: protocols.ActionLogin},
}

// unconfirmed are the unconfirmed services by their number (21, BACnetUnconfirmedServiceChoice).
var unconfirmed = [...]service{
	0: {name: "i-Am", action: protocols.ActionIdentify, ask: (*message).iAm, outcome: protocols.OutcomeDone},
	1: {name: "i-Have", action: protocols.ActionBrowse, ask: (*message).iHave, outcome: protocols.OutcomeDone},
	2: {
		name: "unconfirmedCOVNotification", action: protocols.ActionSubscribe, ask: (*message).covNotification,
		outcome: protocols.OutcomeDone,
	},
	3: {
		name: "unconfirmedEventNotification", action: protocols.ActionAlarm, ask: (*message).eventNotification,
		outcome: protocols.OutcomeDone,
	},
	4:  {name: "unconfirmedPrivateTransfer", ask: (*message).privateTransfer, outcome: protocols.OutcomeUnknown},
	5:  {name: "unconfirmedTextMessage", ask: (*message).textMessage, outcome: protocols.OutcomeUnknown},
	6:  {name: "timeSynchronization", action: protocols.ActionConfigure, ask: (*message).clock, outcome: protocols.OutcomeAsked},
	7:  {name: "who-Has", action: protocols.ActionBrowse, ask: (*message).whoHas, outcome: protocols.OutcomeAsked},
	8:  {name: "who-Is", action: protocols.ActionIdentify, ask: (*message).whoIs, outcome: protocols.OutcomeAsked},
	9:  {name: "utcTimeSynchronization", action: protocols.ActionConfigure, ask: (*message).clock, outcome: protocols.OutcomeAsked},
	10: {name: "writeGroup", action: protocols.ActionWrite, ask: (*message).writeGroup, outcome: protocols.OutcomeAsked},
	11: {
		name: "unconfirmedCOVNotificationMultiple", action: protocols.ActionSubscribe, ask: (*message).covMultiple,
		outcome: protocols.OutcomeDone,
	},
	12: {name: "unconfirmedAuditNotification", action: protocols.ActionAlarm, outcome: protocols.OutcomeDone},
	13: {name: "who-Am-I", action: protocols.ActionIdentify, ask: (*message).whoAmI, outcome: protocols.OutcomeAsked},
	14: {name: "you-Are", action: protocols.ActionConfigure, ask: (*message).youAre, outcome: protocols.OutcomeAsked},
}
