package modbus

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// UMAS is Schneider Electric's engineering protocol in function 90: a pairing key, which names the reservation the
// request is made under, and a function of its own. It is not published; names and layouts are those that public
// research agrees upon, and were checked against captures.

// A UMAS answer has one of these where the request has its function.
const (
	umasDone  = 0xfe
	umasError = 0xfd
)

// umasFunctions is indexed by UMAS function. In UMAS's own words an upload goes into the controller and a download
// out of it: the actions say what happens, the names keep the protocol's.
var umasFunctions = completeUMAS([256]meaning{
	0x01: {"Init Comms", protocols.ActionConnect, ""},
	0x02: {"Read ID", protocols.ActionIdentify, "device-identification"},
	0x03: {"Read Project Info", protocols.ActionIdentify, "program"},
	0x04: {"Read PLC Info", protocols.ActionIdentify, "plc"},
	0x06: {"Read Card Info", protocols.ActionIdentify, "memory-card"},
	0x0a: {"Repeat", protocols.ActionRead, "diagnostic"},
	0x10: {"Take PLC Reservation", protocols.ActionLogin, "plc"},
	0x11: {"Release PLC Reservation", protocols.ActionConnect, "plc"},
	0x12: {"Keep Alive", protocols.ActionConnect, ""},
	0x20: {"Read Memory Block", protocols.ActionRead, "memory-block"},
	0x22: {"Read Variables", protocols.ActionRead, "variable"},
	0x23: {"Write Variables", protocols.ActionWrite, "variable"},
	0x24: {"Read Coils Registers", protocols.ActionRead, "variable"},
	0x25: {"Write Coils Registers", protocols.ActionWrite, "variable"},
	0x26: {"Read Data Dictionary", protocols.ActionBrowse, "variable"},
	0x30: {"Initialize Upload", protocols.ActionDownload, "program"},
	0x31: {"Upload Block", protocols.ActionDownload, "program"},
	0x32: {"End Upload", protocols.ActionDownload, "program"},
	0x33: {"Initialize Download", protocols.ActionUpload, "program"},
	0x34: {"Download Block", protocols.ActionUpload, "program"},
	0x35: {"End Download", protocols.ActionUpload, "program"},
	0x39: {"Read Ethernet Master Data", protocols.ActionRead, "ethernet-master"},
	0x40: {"Start PLC", protocols.ActionControl, "plc"},
	0x41: {"Stop PLC", protocols.ActionControl, "plc"},
	0x42: {"Init PLC", protocols.ActionControl, "plc"},
	0x50: {"Monitor PLC", protocols.ActionRead, "variable"},
	0x58: {"Check PLC", protocols.ActionRead, "plc"},
	0x60: {"Set Breakpoint", protocols.ActionControl, "program"},
	0x70: {"Read IO Object", protocols.ActionRead, "io-object"},
	0x71: {"Write IO Object", protocols.ActionWrite, "io-object"},
	0x73: {"Get Status Module", protocols.ActionRead, "module"},
})

// completeUMAS names the codes that the table does not know and says of all whose they are.
func completeUMAS(table [256]meaning) [256]meaning {
	for code := range table {
		m := &table[code]
		if m.name == "" {
			m.name = fmt.Sprintf("Function 0x%02X", code)
		}
		m.name = "UMAS " + m.name
	}
	return table
}

// umasRequest: pairing key, function, the function's own fields.
func umasRequest(c *wire.Cursor, m *message) {
	m.takeUMAS(c)
	if m.has&hasUMAS == 0 {
		return
	}
	m.meaning = &umasFunctions[m.umas]
	fields := wire.New(m.data)
	switch m.umas {
	case 0x20: // range, block, offset, length; little-endian as everything in UMAS
		fields.Skip(1)
		m.umasBlock, m.first, m.count = fields.LE16(), fields.LE32(), uint32(fields.LE16())
	case 0x31, 0x34: // a word that is 1, block
		fields.Skip(2)
		m.first, m.count = uint32(fields.LE16()), 1
	}
	if fields.Failed() {
		m.fail("message ends within its fields", len(m.data))
	}
}

// umasAnswer: pairing key, status, the answer's fields.
func umasAnswer(c *wire.Cursor, m *message) {
	m.takeUMAS(c)
	if m.has&hasUMAS != 0 && m.umas != umasDone && m.umas != umasError {
		m.fail("UMAS status is neither 254 nor 253", int(m.umas))
	}
}

func (m *message) takeUMAS(c *wire.Cursor) {
	key, function := c.U8(), c.U8()
	if c.Failed() {
		return
	}
	m.key, m.umas = key, function
	m.has |= hasUMAS
	m.data = c.Rest()
}

// umasStatus translates an answer's status.
var umasStatus = map[uint8]string{umasDone: "ok", umasError: "error"}

// umasOutcome says the same in our words.
func (m *message) umasOutcome() protocols.Outcome {
	switch m.umas {
	case umasDone:
		return protocols.OutcomeDone
	case umasError:
		return protocols.OutcomeRefused
	default:
		return protocols.OutcomeUnknown
	}
}

// Where messages have what is told here: the text's length byte before each text, and the firmware's version as two
// bytes of decimal digits, minor first.
const (
	umasHostAt    = 5  // Take PLC Reservation: who asks
	umasVersionAt = 8  // answer to Read ID
	umasModelAt   = 23 // answer to Read ID: the controller's designation
	umasProjectAt = 39 // answer to Read Project Info, first part: the project's name
)

// umasConfidence is less than whole: the layouts are not published.
const umasConfidence = 90

// umasPart tells requests of one conversation apart: the function, and of what it reads which part.
func (m *message) umasPart() uint16 {
	part := uint16(m.umas) << 8
	if len(m.data) > 0 {
		part |= uint16(m.data[0])
	}
	return part
}

// umasFacts gives what a UMAS message discloses. An answer says nothing without its request.
func (m *message) umasFacts(asked *request) []protocols.Fact {
	if m.has&hasUMAS == 0 || m.isAnswer() && asked == nil {
		return nil
	}
	part := m.umasPart()
	if asked != nil {
		part = asked.part
	}
	var facts []protocols.Fact
	tell := func(about protocols.Side, key protocols.FactKey, value string) {
		if value != "" {
			facts = append(facts, protocols.Fact{About: about, Key: key, Value: value, Confidence: umasConfidence})
		}
	}
	switch function := uint8(part >> 8); {
	case !m.isAnswer():
		if function == 0x10 {
			tell(protocols.Client, protocols.FactName, countedText(m.data, umasHostAt))
		}
	case m.umas != umasDone:
	case function == 0x02:
		tell(protocols.Server, protocols.FactVendor, "Schneider Electric")
		if model := countedText(m.data, umasModelAt); model != "" {
			version := binary.LittleEndian.Uint16(m.data[umasVersionAt:])
			tell(protocols.Server, protocols.FactModel, model)
			tell(protocols.Server, protocols.FactFirmware, fmt.Sprintf("%x.%02x", version>>8, version&0xff))
		}
	case function == 0x40:
		tell(protocols.Server, protocols.FactMode, "run")
	case function == 0x41:
		tell(protocols.Server, protocols.FactMode, "stop")
	case part == 0x0300:
		tell(protocols.Server, protocols.FactApplication, countedText(m.data, umasProjectAt))
	}
	return facts
}

// countedText reads printable text at an offset that has its length in the byte before it.
func countedText(b []byte, at int) string {
	if len(b) < at || at+int(b[at-1]) > len(b) {
		return ""
	}
	return longestText(b[at : at+int(b[at-1])])
}
