package mms

import "github.com/spanwatch/spanwatch/protocols"

// reader reads the content of a service.
type reader func(*message, []byte)

// service is a row of a service table.
type service struct {
	name   string
	action protocols.Action
	area   string // what it is about
	ask    reader // of the request; nil: its first name is what it is about
	answer reader // of the response
}

// The actions of the table, by the effect on the plant.
const (
	read      = protocols.ActionRead
	browse    = protocols.ActionBrowse
	configure = protocols.ActionConfigure
	control   = protocols.ActionControl
	upload    = protocols.ActionUpload
	download  = protocols.ActionDownload
	file      = protocols.ActionFile
	alarm     = protocols.ActionAlarm
	subscribe = protocols.ActionSubscribe
)

// services are the confirmed services by the number of their tag (ISO 9506-2, ConfirmedServiceRequest).
var services = [...]service{
	0:  {name: "status", action: protocols.ActionIdentify, ask: none, answer: (*message).status},
	1:  {name: "getNameList", action: browse, ask: (*message).nameList},
	2:  {name: "identify", action: protocols.ActionIdentify, ask: none, answer: (*message).identity},
	3:  {name: "rename", action: configure, area: "object"},
	4:  {name: "read", action: read, area: "variable", ask: (*message).readRequest, answer: (*message).readResponse},
	5:  {name: "write", action: protocols.ActionWrite, area: "variable", ask: (*message).writeRequest, answer: (*message).writeResponse},
	6:  {name: "getVariableAccessAttributes", action: browse, area: "variable"},
	7:  {name: "defineNamedVariable", action: configure, area: "variable"},
	8:  {name: "defineScatteredAccess", action: configure, area: "variable"},
	9:  {name: "getScatteredAccessAttributes", action: browse, area: "variable"},
	10: {name: "deleteVariableAccess", action: configure, area: "variable"},
	11: {name: "defineNamedVariableList", action: configure, area: "variable-list"},
	12: {name: "getNamedVariableListAttributes", action: browse, area: "variable-list", answer: (*message).members},
	13: {name: "deleteNamedVariableList", action: configure, area: "variable-list", ask: (*message).deleteLists},
	14: {name: "defineNamedType", action: configure, area: "type"},
	15: {name: "getNamedTypeAttributes", action: browse, area: "type"},
	16: {name: "deleteNamedType", action: configure, area: "type"},
	17: {name: "input", action: read, area: "operator-station"},
	18: {name: "output", action: protocols.ActionWrite, area: "operator-station"},
	19: {name: "takeControl", action: configure, area: "semaphore"},
	20: {name: "relinquishControl", action: configure, area: "semaphore"},
	21: {name: "defineSemaphore", action: configure, area: "semaphore"},
	22: {name: "deleteSemaphore", action: configure, area: "semaphore"},
	23: {name: "reportSemaphoreStatus", action: browse, area: "semaphore"},
	24: {name: "reportPoolSemaphoreStatus", action: browse, area: "semaphore"},
	25: {name: "reportSemaphoreEntryStatus", action: browse, area: "semaphore"},
	26: {name: "initiateDownloadSequence", action: download, area: "domain"},
	27: {name: "downloadSegment", action: download, area: "domain"},
	28: {name: "terminateDownloadSequence", action: download, area: "domain"},
	29: {name: "initiateUploadSequence", action: upload, area: "domain"},
	30: {name: "uploadSegment", action: upload, ask: none},
	31: {name: "terminateUploadSequence", action: upload, ask: none},
	32: {name: "requestDomainDownload", action: download, area: "domain"},
	33: {name: "requestDomainUpload", action: upload, area: "domain"},
	34: {name: "loadDomainContent", action: download, area: "domain"},
	35: {name: "storeDomainContent", action: upload, area: "domain"},
	36: {name: "deleteDomain", action: download, area: "domain"},
	37: {name: "getDomainAttributes", action: browse, area: "domain"},
	38: {name: "createProgramInvocation", action: control, area: "program"},
	39: {name: "deleteProgramInvocation", action: control, area: "program"},
	40: {name: "start", action: control, area: "program"},
	41: {name: "stop", action: control, area: "program"},
	42: {name: "resume", action: control, area: "program"},
	43: {name: "reset", action: control, area: "program"},
	44: {name: "kill", action: control, area: "program"},
	45: {name: "getProgramInvocationAttributes", action: browse, area: "program"},
	46: {name: "obtainFile", action: file, area: "file"},
	47: {name: "defineEventCondition", action: configure, area: "event-condition"},
	48: {name: "deleteEventCondition", action: configure, area: "event-condition"},
	49: {name: "getEventConditionAttributes", action: browse, area: "event-condition"},
	50: {name: "reportEventConditionStatus", action: alarm, area: "event-condition"},
	51: {name: "alterEventConditionMonitoring", action: configure, area: "event-condition"},
	52: {name: "triggerEvent", action: control, area: "event-condition"},
	53: {name: "defineEventAction", action: configure, area: "event-action"},
	54: {name: "deleteEventAction", action: configure, area: "event-action"},
	55: {name: "getEventActionAttributes", action: browse, area: "event-action"},
	56: {name: "reportEventActionStatus", action: alarm, area: "event-action"},
	57: {name: "defineEventEnrollment", action: subscribe, area: "event-enrollment"},
	58: {name: "deleteEventEnrollment", action: configure, area: "event-enrollment"},
	59: {name: "alterEventEnrollment", action: configure, area: "event-enrollment"},
	60: {name: "reportEventEnrollmentStatus", action: alarm, area: "event-enrollment"},
	61: {name: "getEventEnrollmentAttributes", action: browse, area: "event-enrollment"},
	62: {name: "acknowledgeEventNotification", action: alarm, area: "event-enrollment"},
	63: {name: "getAlarmSummary", action: alarm, ask: none},
	64: {name: "getAlarmEnrollmentSummary", action: alarm, ask: none},
	65: {name: "readJournal", action: read, area: "journal"},
	66: {name: "writeJournal", action: protocols.ActionWrite, area: "journal"},
	67: {name: "initializeJournal", action: configure, area: "journal"},
	68: {name: "reportJournalStatus", action: browse, area: "journal"},
	69: {name: "createJournal", action: configure, area: "journal"},
	70: {name: "deleteJournal", action: configure, area: "journal"},
	71: {name: "getCapabilityList", action: browse, ask: none},
	72: {name: "fileOpen", action: file, area: "file"},
	73: {name: "fileRead", action: file, ask: none},
	74: {name: "fileClose", action: file, ask: none},
	75: {name: "fileRename", action: file, area: "file"},
	76: {name: "fileDelete", action: file, area: "file"},
	77: {name: "fileDirectory", action: file, area: "file"},
	78: {name: "additionalService", ask: none},
}

// unconfirmed are the unconfirmed services (ISO 9506-2, UnconfirmedService).
var unconfirmed = [...]service{
	0: {name: "informationReport", action: subscribe, area: "variable", ask: (*message).informationReport},
	1: {name: "unsolicitedStatus", action: protocols.ActionIdentify, ask: (*message).status},
	2: {name: "eventNotification", action: alarm, area: "event-enrollment"},
}

// none reads nothing: the request names nothing.
func none(*message, []byte) {}

// pdu is a kind of MMS PDU (ISO 9506-2, MMSpdu).
type pdu struct {
	name    string
	outcome protocols.Outcome
	answers bool
}

// pdus are the kinds by the number of their tag.
var pdus = [...]pdu{
	0:  {"confirmed-RequestPDU", protocols.OutcomeAsked, false},
	1:  {"confirmed-ResponsePDU", protocols.OutcomeDone, true},
	2:  {"confirmed-ErrorPDU", protocols.OutcomeRefused, true},
	3:  {"unconfirmed-PDU", protocols.OutcomeDone, false},
	4:  {"rejectPDU", protocols.OutcomeRefused, true},
	5:  {"cancel-RequestPDU", protocols.OutcomeAsked, false},
	6:  {"cancel-ResponsePDU", protocols.OutcomeDone, false},
	7:  {"cancel-ErrorPDU", protocols.OutcomeRefused, false},
	8:  {"initiate-RequestPDU", protocols.OutcomeAsked, false},
	9:  {"initiate-ResponsePDU", protocols.OutcomeDone, false},
	10: {"initiate-ErrorPDU", protocols.OutcomeRefused, false},
	11: {"conclude-RequestPDU", protocols.OutcomeAsked, false},
	12: {"conclude-ResponsePDU", protocols.OutcomeDone, false},
	13: {"conclude-ErrorPDU", protocols.OutcomeRefused, false},
}

// Numbers of PDUs that are looked at closer.
const (
	confirmedRequest  = 0
	confirmedResponse = 1
	confirmedError    = 2
	unconfirmedPDU    = 3
	rejectPDU         = 4
	initiateRequest   = 8
	initiateResponse  = 9
)
