package modbus

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// function is a row of the function table.
type function struct {
	meaning
	limit uint16 // the largest quantity the specification allows; 0: none told
	// request and answer read what follows the function code; nil where the specification tells nothing.
	request, answer func(*wire.Cursor, *message)
	// facts gives what a message discloses about a device; nil where it discloses nothing.
	facts func(m *message, asked *request) []protocols.Fact
}

// functions is indexed by function code. Names are those of V1.1b3 §6; the rows without layouts are the codes that its
// Annex A reserves and that Modicon's protocol reference PI-MBUS-300 names.
var functions = complete([128]function{
	1:  {meaning{"Read Coils", protocols.ActionRead, "coil"}, 2000, readRange, bitsAnswer, nil},
	2:  {meaning{"Read Discrete Inputs", protocols.ActionRead, "discrete-input"}, 2000, readRange, bitsAnswer, nil},
	3:  {meaning{"Read Holding Registers", protocols.ActionRead, "holding-register"}, 125, readRange, wordsAnswer, nil},
	4:  {meaning{"Read Input Registers", protocols.ActionRead, "input-register"}, 125, readRange, wordsAnswer, nil},
	5:  {meaning{"Write Single Coil", protocols.ActionWrite, "coil"}, 0, singleCoil, singleCoil, nil},
	6:  {meaning{"Write Single Register", protocols.ActionWrite, "holding-register"}, 0, singleRegister, singleRegister, nil},
	7:  {meaning{"Read Exception Status", protocols.ActionRead, "exception-status"}, 0, nothing, exceptionStatus, nil},
	8:  {meaning{"Diagnostics", protocols.ActionRead, "diagnostic"}, 0, diagnosticFields, diagnosticFields, nil},
	9:  {meaning: meaning{"Program 484", protocols.ActionDownload, "program"}},
	10: {meaning: meaning{"Poll 484", protocols.ActionRead, "program"}},
	11: {meaning{"Get Comm Event Counter", protocols.ActionRead, "diagnostic"}, 0, nothing, eventCounter, nil},
	12: {meaning{"Get Comm Event Log", protocols.ActionRead, "diagnostic"}, 0, nothing, eventLog, nil},
	13: {meaning: meaning{"Program Controller", protocols.ActionDownload, "program"}},
	14: {meaning: meaning{"Poll Controller", protocols.ActionRead, "program"}},
	15: {meaning{"Write Multiple Coils", protocols.ActionWrite, "coil"}, 1968, writeBits, rangeEcho, nil},
	16: {meaning{"Write Multiple Registers", protocols.ActionWrite, "holding-register"}, 123, writeWords, rangeEcho, nil},
	17: {meaning{"Report Server ID", protocols.ActionIdentify, "device-identification"}, 0, nothing, serverID, (*message).serverFacts},
	18: {meaning: meaning{"Program 884/M84", protocols.ActionDownload, "program"}},
	19: {meaning: meaning{"Reset Comm Link 884/M84", protocols.ActionControl, "diagnostic"}},
	20: {meaning{"Read File Record", protocols.ActionRead, "file"}, 0, fileReadRequest, fileReadAnswer, nil},
	21: {meaning{"Write File Record", protocols.ActionWrite, "file"}, 0, fileWrite, fileWrite, nil},
	22: {meaning{"Mask Write Register", protocols.ActionWrite, "holding-register"}, 0, maskWrite, maskWrite, nil},
	23: {meaning{"Read/Write Multiple Registers", protocols.ActionWrite, "holding-register"}, 125, readWriteRequest, wordsAnswer, nil},
	24: {meaning{"Read FIFO Queue", protocols.ActionRead, "fifo"}, 31, fifoRequest, fifoAnswer, nil},
	43: {meaning{"Encapsulated Interface Transport", protocols.ActionRead, ""}, 0, interfaceRequest, interfaceAnswer, (*message).serverFacts},
	90: {meaning{"UMAS", protocols.ActionNone, ""}, 0, umasRequest, umasAnswer, (*message).umasFacts},
})

// complete names the codes that the table does not know, so that they are events like all others.
func complete(table [128]function) [128]function {
	for code := range table {
		if f := &table[code]; f.name == "" {
			f.name = fmt.Sprintf("Function %d", code)
		}
	}
	return table
}

// readHalf is the reading half of function 23, whose row is about the writing one.
var readHalf = meaning{"Read/Write Multiple Registers", protocols.ActionRead, "holding-register"}

// functionless is the row of a message without a function code.
var functionless = function{meaning: meaning{name: "Message without Function"}}

// exceptions are the names of exception codes (V1.1b3 §7; 7 from PI-MBUS-300).
var exceptions = [...]string{
	1: "Illegal Function", 2: "Illegal Data Address", 3: "Illegal Data Value", 4: "Server Device Failure", 5: "Acknowledge",
	6: "Server Device Busy", 7: "Negative Acknowledge", 8: "Memory Parity Error", 10: "Gateway Path Unavailable",
	11: "Gateway Target Device Failed to Respond",
}

// diagnostics are the sub-functions of function 8 (V1.1b3 §6.8.1; 21 from PI-MBUS-300).
var diagnostics = [...]*meaning{
	0:  diagnostic("Return Query Data", protocols.ActionRead),
	1:  diagnostic("Restart Communications Option", protocols.ActionControl),
	2:  diagnostic("Return Diagnostic Register", protocols.ActionRead),
	3:  diagnostic("Change ASCII Input Delimiter", protocols.ActionConfigure),
	4:  diagnostic("Force Listen Only Mode", protocols.ActionControl),
	10: diagnostic("Clear Counters and Diagnostic Register", protocols.ActionConfigure),
	11: diagnostic("Return Bus Message Count", protocols.ActionRead),
	12: diagnostic("Return Bus Communication Error Count", protocols.ActionRead),
	13: diagnostic("Return Bus Exception Error Count", protocols.ActionRead),
	14: diagnostic("Return Server Message Count", protocols.ActionRead),
	15: diagnostic("Return Server No Response Count", protocols.ActionRead),
	16: diagnostic("Return Server NAK Count", protocols.ActionRead),
	17: diagnostic("Return Server Busy Count", protocols.ActionRead),
	18: diagnostic("Return Bus Character Overrun Count", protocols.ActionRead),
	20: diagnostic("Clear Overrun Counter and Flag", protocols.ActionConfigure),
	21: diagnostic("Get/Clear Modbus Plus Statistics", protocols.ActionConfigure),
}

func diagnostic(name string, action protocols.Action) *meaning {
	return &meaning{"Diagnostics: " + name, action, "diagnostic"}
}
