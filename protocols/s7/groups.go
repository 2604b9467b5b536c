package s7

import "github.com/spanwatch/spanwatch/protocols"

// Function groups of userdata.
const (
	groupMode       = 0x0
	groupProgrammer = 0x1
	groupCyclic     = 0x2
	groupBlocks     = 0x3
	groupCPU        = 0x4
	groupSecurity   = 0x5
	groupPBC        = 0x6
	groupTime       = 0x7
	groupNC         = 0xf
)

// Subfunctions that are referred to elsewhere.
const (
	subVariableStatus = 0x02
	subModifyVariable = 0x08
	subCyclicTransfer = 0x01
	subChangeDriven   = 0x05
)

// group is a function group: what its subfunctions are, and what one that the table lacks counts as.
type group struct {
	name   string
	action protocols.Action
	subs   []*function // by subfunction
	any    *function   // whatever the subfunction, where it is not told apart
}

var groups = [16]*group{
	groupMode: {name: "Mode-transition", action: protocols.ActionAlarm, subs: []*function{
		0x00: {name: "Mode-transition STOP", action: protocols.ActionAlarm, answer: pushMode},
		0x01: {name: "Mode-transition warm restart", action: protocols.ActionAlarm, answer: pushMode},
		0x02: {name: "Mode-transition RUN", action: protocols.ActionAlarm, answer: pushMode},
		0x03: {name: "Mode-transition hot restart", action: protocols.ActionAlarm, answer: pushMode},
		0x04: {name: "Mode-transition HOLD", action: protocols.ActionAlarm, answer: pushMode},
		0x06: {name: "Mode-transition cold restart", action: protocols.ActionAlarm, answer: pushMode},
		0x09: {name: "Mode-transition RUN_R", action: protocols.ActionAlarm, answer: pushMode},
		0x0b: {name: "Mode-transition LINK-UP", action: protocols.ActionAlarm, answer: pushMode},
		0x0c: {name: "Mode-transition UPDATE", action: protocols.ActionAlarm, answer: pushMode},
	}},
	groupProgrammer: {name: "Programmer commands", action: protocols.ActionRead, subs: []*function{
		0x01:              {name: "Block status", action: protocols.ActionRead},
		subVariableStatus: {name: "Variable status", action: protocols.ActionRead, read: readVarTab, answer: answerVarTab},
		0x03:              {name: "Output ISTACK", action: protocols.ActionRead},
		0x04:              {name: "Output BSTACK", action: protocols.ActionRead},
		0x05:              {name: "Output LSTACK", action: protocols.ActionRead},
		0x06:              {name: "Time measurement from line to line", action: protocols.ActionRead},
		0x07:              {name: "Force selection", action: protocols.ActionRead},
		subModifyVariable: {name: "Modify variable", action: protocols.ActionWrite, read: readVarTab, answer: answerVarTab},
		0x09:              {name: "Force", action: protocols.ActionWrite},
		0x0a:              {name: "Breakpoint", action: protocols.ActionControl},
		0x0b:              {name: "Exit HOLD", action: protocols.ActionControl},
		0x0c:              {name: "Memory reset", action: protocols.ActionControl},
		0x0d:              {name: "Disable job", action: protocols.ActionSubscribe},
		0x0e:              {name: "Enable job", action: protocols.ActionSubscribe},
		0x0f:              {name: "Delete job", action: protocols.ActionSubscribe},
		0x10:              {name: "Read job list", action: protocols.ActionRead},
		0x11:              {name: "Read job", action: protocols.ActionRead},
		0x12:              {name: "Replace job", action: protocols.ActionSubscribe},
		0x13:              {name: "Block status v2", action: protocols.ActionRead},
		0x16:              {name: "Flash LED", action: protocols.ActionIdentify},
	}},
	groupCyclic: {name: "Cyclic services", action: protocols.ActionSubscribe, subs: []*function{
		subCyclicTransfer: {name: "Cyclic transfer", action: protocols.ActionSubscribe, read: readCyclic, answer: answerCyclic},
		0x04:              {name: "Unsubscribe", action: protocols.ActionSubscribe},
		subChangeDriven:   {name: "Change driven transfer", action: protocols.ActionSubscribe, read: readCyclic, answer: answerCyclic},
		0x07:              {name: "Change driven transfer modify", action: protocols.ActionSubscribe},
		0x08:              {name: "RDREC", action: protocols.ActionRead},
	}},
	groupBlocks: {name: "Block functions", action: protocols.ActionBrowse, subs: []*function{
		0x01: {name: "List blocks", action: protocols.ActionBrowse, answer: answerBlockCounts},
		0x02: {name: "List blocks of type", action: protocols.ActionBrowse, read: readBlockKind, answer: answerBlockList},
		0x03: {name: "Get block info", action: protocols.ActionBrowse, read: readBlockName, answer: answerBlockInfo},
	}},
	groupCPU: {name: "CPU functions", action: protocols.ActionAlarm, subs: []*function{
		0x01: {name: "Read SZL", action: protocols.ActionIdentify, read: readSZL, answer: answerSZL},
		0x02: {name: "Message service", action: protocols.ActionSubscribe, read: readMessageService},
		0x03: {name: "Diagnostic message", action: protocols.ActionAlarm, answer: pushDiagnostic},
		0x05: {name: "ALARM_8 indication", action: protocols.ActionAlarm, answer: pushAlarm},
		0x06: {name: "NOTIFY indication", action: protocols.ActionAlarm, answer: pushAlarm},
		0x07: {name: "ALARM_8 lock", action: protocols.ActionConfigure},
		0x08: {name: "ALARM_8 unlock", action: protocols.ActionConfigure},
		0x09: {name: "SCAN indication", action: protocols.ActionAlarm, answer: pushAlarm},
		0x0b: {name: "ALARM ack", action: protocols.ActionAlarm, read: readAlarmAck},
		0x0c: {name: "ALARM ack indication", action: protocols.ActionAlarm, answer: pushAlarm},
		0x0d: {name: "ALARM lock indication", action: protocols.ActionAlarm},
		0x0e: {name: "ALARM unlock indication", action: protocols.ActionAlarm},
		0x11: {name: "ALARM_SQ indication", action: protocols.ActionAlarm, answer: pushAlarm},
		0x12: {name: "ALARM_S indication", action: protocols.ActionAlarm, answer: pushAlarm},
		0x13: {name: "ALARM query", action: protocols.ActionAlarm},
		0x16: {name: "NOTIFY_8 indication", action: protocols.ActionAlarm, answer: pushAlarm},
	}},
	groupSecurity: {name: "Security", action: protocols.ActionLogin, subs: []*function{
		0x01: {name: "PLC password", action: protocols.ActionLogin},
		0x02: {name: "Clear password", action: protocols.ActionConnect},
	}},
	groupPBC: {name: "PBC BSEND/BRECV", any: &function{
		name: "PBC BSEND/BRECV", action: protocols.ActionWrite, read: readBlockSend, answer: answerBlockSend,
	}},
	groupTime: {name: "Time functions", action: protocols.ActionRead, subs: []*function{
		0x01: {name: "Read clock", action: protocols.ActionRead, read: readClock, answer: answerClock},
		0x02: {name: "Set clock", action: protocols.ActionConfigure, read: readClock},
		0x03: {name: "Read clock (following)", action: protocols.ActionRead, read: readClock, answer: answerClock},
		0x04: {name: "Set clock", action: protocols.ActionConfigure, read: readClock},
	}},
	groupNC: {name: "NC programming", action: protocols.ActionDownload, subs: []*function{
		0x01: {name: "NC request download", action: protocols.ActionDownload},
		0x02: {name: "NC download block", action: protocols.ActionDownload},
		0x03: {name: "NC continue download", action: protocols.ActionDownload},
		0x04: {name: "NC download ended", action: protocols.ActionDownload},
		0x06: {name: "NC start upload", action: protocols.ActionUpload},
		0x07: {name: "NC upload", action: protocols.ActionUpload},
		0x08: {name: "NC continue upload", action: protocols.ActionUpload},
	}},
}

// lookup gives the row of a subfunction. One that the table lacks has its group's action and its number as name.
func (h udHead) lookup() *function {
	g := groups[h.group]
	if g == nil {
		return unknown("Userdata group", h.group)
	}
	if g.any != nil {
		return g.any
	}
	if int(h.sub) < len(g.subs) && g.subs[h.sub] != nil {
		return g.subs[h.sub]
	}
	f := unknown(g.name, h.sub)
	f.action = g.action
	return f
}

// transitionModes gives the mode that a mode transition leads to, by subfunction.
var transitionModes = map[uint8]string{
	0x00: "stop", 0x01: "startup", 0x02: "run", 0x03: "startup", 0x04: "hold", 0x06: "startup", 0x09: "run",
	0x0b: "run", 0x0c: "run",
}
