package dnp3

import "github.com/spanwatch/spanwatch/protocols"

// function is a row of the application functions.
type function struct {
	name   string
	action protocols.Action // ActionNone: what the objects say
	data   bool             // objects carry values
	silent bool             // expects no response
}

// Application functions that decide something.
const (
	funcConfirm     = 0
	funcRead        = 1
	funcWrite       = 2
	funcResponse    = 129
	funcUnsolicited = 130
	funcAuthAnswer  = 131
)

// functions are by code (IEEE 1815-2012, 4.2.2.5, table 4-2).
var functions = [256]function{
	funcConfirm: {"Confirm", protocols.ActionConnect, false, true},
	funcRead:    {"Read", protocols.ActionNone, false, false}, funcWrite: {"Write", protocols.ActionNone, true, false},
	3: {"Select", protocols.ActionWrite, true, false}, 4: {"Operate", protocols.ActionWrite, true, false},
	5: {"Direct Operate", protocols.ActionWrite, true, false}, 6: {"Direct Operate No Ack", protocols.ActionWrite, true, true},
	7: {"Immediate Freeze", protocols.ActionWrite, false, false}, 8: {"Immediate Freeze No Ack", protocols.ActionWrite, false, true},
	9: {"Freeze and Clear", protocols.ActionWrite, false, false}, 10: {"Freeze and Clear No Ack", protocols.ActionWrite, false, true},
	11: {"Freeze at Time", protocols.ActionWrite, false, false}, 12: {"Freeze at Time No Ack", protocols.ActionWrite, false, true},
	13: {"Cold Restart", protocols.ActionControl, false, false}, 14: {"Warm Restart", protocols.ActionControl, false, false},
	15: {"Initialize Data", protocols.ActionControl, false, false}, 16: {"Initialize Application", protocols.ActionControl, true, false},
	17: {"Start Application", protocols.ActionControl, true, false}, 18: {"Stop Application", protocols.ActionControl, true, false},
	19: {"Save Configuration", protocols.ActionConfigure, false, false},
	20: {"Enable Unsolicited Responses", protocols.ActionConfigure, false, false},
	21: {"Disable Unsolicited Responses", protocols.ActionConfigure, false, false},
	22: {"Assign Class", protocols.ActionConfigure, false, false}, 23: {"Delay Measurement", protocols.ActionConnect, false, false},
	24: {"Record Current Time", protocols.ActionConfigure, false, false}, 25: {"Open File", protocols.ActionFile, true, false},
	26: {"Close File", protocols.ActionFile, true, false}, 27: {"Delete File", protocols.ActionConfigure, true, false},
	28: {"Get File Information", protocols.ActionBrowse, true, false}, 29: {"Authenticate File", protocols.ActionLogin, true, false},
	30: {"Abort File Transfer", protocols.ActionFile, true, false}, 31: {"Activate Configuration", protocols.ActionConfigure, true, false},
	32: {"Authenticate Request", protocols.ActionLogin, true, false}, 33: {"Authenticate Request No Ack", protocols.ActionLogin, true, true},
	funcResponse: {"Response", protocols.ActionNone, true, false}, funcUnsolicited: {"Unsolicited Response", protocols.ActionNone, true, false},
	funcAuthAnswer: {"Authenticate Response", protocols.ActionLogin, true, false},
}

// The internal indications (4.2.2.6), the first octet in the low bits.
const (
	iinLocal     = 1 << 5
	iinTrouble   = 1 << 6
	iinCorrupt   = 1 << 13
	iinRefused   = 1<<8 | 1<<9 | 1<<10 | 1<<12
	iinOctets    = 2
	modeUnknown  = 0
	modeRunning  = 1
	modeFirstBad = 2
)

var indications = [16]string{
	"broadcast", "class 1 events", "class 2 events", "class 3 events", "need time", "local control", "device trouble", "device restart",
	"function not supported", "object unknown", "parameter error", "event buffer overflow", "already executing", "configuration corrupt",
	"reserved 1", "reserved 2",
}

// indicated lists the indications that are set.
func indicated(iin uint16) []string {
	var names []string
	for i, name := range indications {
		if iin>>i&1 != 0 {
			names = append(names, name)
		}
	}
	return names
}

// modes are the facts that indications give, worst last.
var modes = [][]protocols.Fact{
	modeRunning:      {{About: protocols.Server, Key: protocols.FactMode, Value: "run"}},
	modeFirstBad:     {{About: protocols.Server, Key: protocols.FactMode, Value: "local control"}},
	modeFirstBad + 1: {{About: protocols.Server, Key: protocols.FactMode, Value: "trouble"}},
	modeFirstBad + 2: {{About: protocols.Server, Key: protocols.FactMode, Value: "configuration corrupt"}},
}

// mode gives the index in modes of what the indications say.
func mode(iin uint16) int {
	switch {
	case iin&iinCorrupt != 0:
		return modeFirstBad + 2
	case iin&iinTrouble != 0:
		return modeFirstBad + 1
	case iin&iinLocal != 0:
		return modeFirstBad
	default:
		return modeRunning
	}
}
