package iec104

import "github.com/spanwatch/spanwatch/protocols"

// class is the direction and purpose of a type.
type class uint8

const (
	monitor  class = iota // process information from the controlled station
	command               // asked by the controlling station and mirrored by the controlled one
	file                  // either way
	security              // authentication, either way
)

// Type identifications that decide something.
const (
	typeInterrogation = 100
	typeCounters      = 101
	typeRead          = 102
	typeClock         = 103
	typeTimedTest     = 107
	typeFileCall      = 122
	typeFileAck       = 124
	typeSegment       = 125
	typeDirectory     = 126
	typeQueryLog      = 127
)

// kind is a row of the type identifications.
type kind struct {
	name     string
	selects  string // the name when the select bit is set; empty where there is none
	class    class
	action   protocols.Action
	area     string
	element  *element
	time     int // octets of the time tag behind the element
	causes   causeSet
	station  bool // about the station as a whole: the address says nothing
	variable bool // the element's size is its own matter
}

// size gives the octets of an information object without its address.
func (k *kind) size() int { return k.element.size + k.time }

// Octets of time tags (IEC 60870-5-101, 7.2.6.18 to 20).
const (
	untimed    = 0
	cp24       = 3
	cp56       = 7
	selectName = " select"
)

// types are by type identification: IEC 60870-5-101, 7.2.1, IEC 60870-5-104, table 1, and IEC 60870-5-7.
var types = func() (t [256]kind) {
	for code, k := range map[uint8]kind{
		1: monitored("M_SP_NA_1", "single-point", &singlePoint, untimed), 2: monitored("M_SP_TA_1", "single-point", &singlePoint, cp24),
		3: monitored("M_DP_NA_1", "double-point", &doublePoint, untimed), 4: monitored("M_DP_TA_1", "double-point", &doublePoint, cp24),
		5: monitored("M_ST_NA_1", "step-position", &stepPosition, untimed), 6: monitored("M_ST_TA_1", "step-position", &stepPosition, cp24),
		7: monitored("M_BO_NA_1", "bitstring", &bitstring, untimed), 8: monitored("M_BO_TA_1", "bitstring", &bitstring, cp24),
		9: monitored("M_ME_NA_1", measured, &normalized, untimed), 10: monitored("M_ME_TA_1", measured, &normalized, cp24),
		11: monitored("M_ME_NB_1", measured, &scaled, untimed), 12: monitored("M_ME_TB_1", measured, &scaled, cp24),
		13: monitored("M_ME_NC_1", measured, &float, untimed), 14: monitored("M_ME_TC_1", measured, &float, cp24),
		15: monitored("M_IT_NA_1", "integrated-total", &counter, untimed), 16: monitored("M_IT_TA_1", "integrated-total", &counter, cp24),
		17: alarm("M_EP_TA_1", &protectionEvent, cp24), 18: alarm("M_EP_TB_1", &protectionStart, cp24), 19: alarm("M_EP_TC_1", &protectionOutput, cp24),
		20: monitored("M_PS_NA_1", "packed-single-points", &packedPoints, untimed), 21: monitored("M_ME_ND_1", measured, &bareNormalized, untimed),
		30: monitored("M_SP_TB_1", "single-point", &singlePoint, cp56), 31: monitored("M_DP_TB_1", "double-point", &doublePoint, cp56),
		32: monitored("M_ST_TB_1", "step-position", &stepPosition, cp56), 33: monitored("M_BO_TB_1", "bitstring", &bitstring, cp56),
		34: monitored("M_ME_TD_1", measured, &normalized, cp56), 35: monitored("M_ME_TE_1", measured, &scaled, cp56),
		36: monitored("M_ME_TF_1", measured, &float, cp56), 37: monitored("M_IT_TB_1", "integrated-total", &counter, cp56),
		38: alarm("M_EP_TD_1", &protectionEvent, cp56), 39: alarm("M_EP_TE_1", &protectionStart, cp56), 40: alarm("M_EP_TF_1", &protectionOutput, cp56),
		41: monitored("S_IT_TC_1", "integrated-total", &counter, cp56),
		45: process("C_SC_NA_1", "single-command", &singleCommand, untimed), 46: process("C_DC_NA_1", "double-command", &doubleCommand, untimed),
		47: process("C_RC_NA_1", "step-command", &stepCommand, untimed), 48: process("C_SE_NA_1", setpoint, &normalizedSetpoint, untimed),
		49: process("C_SE_NB_1", setpoint, &scaledSetpoint, untimed), 50: process("C_SE_NC_1", setpoint, &floatSetpoint, untimed),
		51: process("C_BO_NA_1", "bitstring-command", &bitstringCommand, untimed), 58: process("C_SC_TA_1", "single-command", &singleCommand, cp56),
		59: process("C_DC_TA_1", "double-command", &doubleCommand, cp56), 60: process("C_RC_TA_1", "step-command", &stepCommand, cp56),
		61: process("C_SE_TA_1", setpoint, &normalizedSetpoint, cp56), 62: process("C_SE_TB_1", setpoint, &scaledSetpoint, cp56),
		63: process("C_SE_TC_1", setpoint, &floatSetpoint, cp56), 64: process("C_BO_TA_1", "bitstring-command", &bitstringCommand, cp56),
		70: {name: "M_EI_NA_1", action: protocols.ActionAlarm, area: "initialisation", element: &initialisation, causes: monitorCauses, station: true},

		typeInterrogation: system("C_IC_NA_1", protocols.ActionRead, "interrogation", &interrogation),
		typeCounters:      system("C_CI_NA_1", protocols.ActionRead, "counter-interrogation", &counterInterrogation),
		typeRead:          {name: "C_RD_NA_1", class: command, action: protocols.ActionRead, area: "information-object", element: &nothing, causes: commandCauses},
		typeClock:         system("C_CS_NA_1", protocols.ActionConfigure, "clock", &clock),
		104:               system("C_TS_NA_1", protocols.ActionConnect, "test", &testPattern),
		105:               system("C_RP_NA_1", protocols.ActionControl, "process", &reset),
		106:               system("C_CD_NA_1", protocols.ActionConfigure, "transmission-delay", &delay),
		typeTimedTest:     system("C_TS_TA_1", protocols.ActionConnect, "test", &timedTest),
		110:               parameter("P_ME_NA_1", &normalizedParameter), 111: parameter("P_ME_NB_1", &scaledParameter),
		112: parameter("P_ME_NC_1", &floatParameter), 113: parameter("P_AC_NA_1", &activation),

		120: files("F_FR_NA_1", &fileReady), 121: files("F_SR_NA_1", &sectionReady), typeFileCall: files("F_SC_NA_1", &fileCall),
		123: files("F_LS_NA_1", &lastSection), typeFileAck: files("F_AF_NA_1", &fileAck), typeSegment: files("F_SG_NA_1", &segment),
		typeDirectory: files("F_DR_TA_1", &directory), typeQueryLog: files("F_SC_NB_1", &queryLog),

		81: authentication("S_CH_NA_1"), 82: authentication("S_RP_NA_1"), 83: authentication("S_AR_NA_1"), 84: authentication("S_KR_NA_1"),
		85: authentication("S_KS_NA_1"), 86: authentication("S_KC_NA_1"), 87: authentication("S_ER_NA_1"), 90: authentication("S_US_NA_1"),
		91: authentication("S_UQ_NA_1"), 92: authentication("S_UR_NA_1"), 93: authentication("S_UK_NA_1"), 94: authentication("S_UA_NA_1"),
		95: authentication("S_UC_NA_1"),
	} {
		t[code] = k
	}
	t[typeSegment].variable, t[typeDirectory].action = true, protocols.ActionBrowse
	for _, code := range []uint8{typeClock, typeTimedTest, typeDirectory, typeQueryLog} {
		t[code].time = cp56
	}
	return t
}()

const (
	measured = "measured-value"
	setpoint = "setpoint"
)

// monitored is a type of process values.
func monitored(name, area string, e *element, time int) kind {
	return kind{name: name, action: protocols.ActionSubscribe, area: area, element: e, time: time, causes: monitorCauses}
}

// alarm is a type of events that protection equipment reports.
func alarm(name string, e *element, time int) kind {
	return kind{name: name, action: protocols.ActionAlarm, area: "protection", element: e, time: time, causes: monitorCauses}
}

// process is a command to the process.
func process(name, area string, e *element, time int) kind {
	k := kind{name: name, class: command, action: protocols.ActionWrite, area: area, element: e, time: time, causes: commandCauses}
	if e.order != nil {
		k.selects = name + selectName
	}
	return k
}

// system is a command to the station.
func system(name string, action protocols.Action, area string, e *element) kind {
	return kind{name: name, class: command, action: action, area: area, element: e, causes: commandCauses, station: true}
}

// parameter is a command that sets a limit, a threshold or a filter of a measured value.
func parameter(name string, e *element) kind {
	return kind{name: name, class: command, action: protocols.ActionConfigure, area: "parameter", element: e, causes: parameterCauses}
}

func files(name string, e *element) kind {
	return kind{name: name, class: file, action: protocols.ActionFile, area: "file", element: e, causes: fileCauses}
}

// authentication is a message of IEC 60870-5-7, of which only the name is read.
func authentication(name string) kind {
	return kind{
		name: name, class: security, action: protocols.ActionLogin, area: "authentication", element: &nothing,
		causes: securityCauses, station: true, variable: true,
	}
}
