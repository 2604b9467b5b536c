package s7

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// szlRecords is the table of lists that tell about the device: what their records disclose.
var szlRecords = map[uint16]func([]protocols.Fact, szlList) []protocols.Fact{
	0x0011: each(moduleFacts), 0x0111: each(moduleFacts), 0x0f11: each(moduleFacts),
	0x001c: each(componentFacts), 0x011c: each(componentFacts), 0x0f1c: each(componentFacts), 0x021c: each(componentFacts),
	0x0132: each(protectionFacts), 0x0232: each(protectionFacts),
	0x0124: each(modeFacts), 0x0424: each(modeFacts), 0x0524: each(modeFacts),
	0x0019: lightFacts, 0x0119: lightFacts, 0x0074: lightFacts, 0x0174: lightFacts,
	0x00a0: bufferFacts, 0x01a0: bufferFacts,
}

// each reads a list whose records tell something each.
func each(read func([]protocols.Fact, []byte) []protocols.Fact) func([]protocols.Fact, szlList) []protocols.Fact {
	return func(facts []protocols.Fact, list szlList) []protocols.Fact {
		for record := range list.all {
			facts = read(facts, record)
		}
		return facts
	}
}

func fact(facts []protocols.Fact, key protocols.FactKey, value string) []protocols.Fact {
	if value == "" {
		return facts
	}
	return append(facts, protocols.Fact{About: protocols.Server, Key: key, Value: value})
}

// Records of list 0x11, module identification.
const (
	indexModule   = 0x0001
	indexHardware = 0x0006
	indexFirmware = 0x0007
)

// moduleFacts reads a record of module identification: index, order number (20 characters), module type, two versions.
func moduleFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	c := wire.New(record)
	index := c.U16()
	order := strings.TrimSpace(printable(c.Bytes(20)))
	c.Skip(2)
	version := c.Bytes(4)
	if c.Failed() {
		return facts
	}
	switch index {
	case indexModule:
		facts = fact(facts, protocols.FactOrderNumber, order)
		if strings.HasPrefix(order, "6ES7") {
			facts = fact(facts, protocols.FactModel, order)
			facts = fact(facts, protocols.FactVendor, "Siemens")
		}
	case indexHardware:
		facts = fact(facts, protocols.FactHardware, fmt.Sprint(uint16(version[0])<<8|uint16(version[1])))
	case indexFirmware:
		if version[0] == 'V' {
			facts = fact(facts, protocols.FactFirmware, fmt.Sprintf("V%d.%d.%d", version[1], version[2], version[3]))
		}
	}
	return facts
}

// Records of list 0x1c, component identification.
const (
	indexStation   = 0x0001
	indexName      = 0x0002
	indexPlant     = 0x0003
	indexCopyright = 0x0004
	indexSerial    = 0x0005
	indexType      = 0x0007
	indexCard      = 0x0008
	indexMaker     = 0x0009
	indexLocation  = 0x000b
)

// makerSiemens is the manufacturer's number of Siemens in profiles of PROFIBUS and PROFINET.
const makerSiemens = 0x2a

// componentFacts reads a record of component identification: index and text. In redundant systems the upper bits of the
// index name the rack.
func componentFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	index := uint16(record[0])<<8 | uint16(record[1])
	text, _, _ := bytes.Cut(record[2:], []byte{0})
	value := strings.TrimSpace(printable(text))
	switch index & 0x0fff {
	case indexStation:
		facts = fact(facts, protocols.FactName, value)
	case indexName:
		if value != "" {
			facts = append(facts, protocols.Fact{
				About: protocols.Server, Key: protocols.FactName, Value: value, Confidence: 90,
			})
		}
	case indexPlant:
		facts = fact(facts, protocols.FactPlant, value)
	case indexCopyright:
		if strings.Contains(value, "Siemens") {
			facts = fact(facts, protocols.FactVendor, "Siemens")
		}
	case indexSerial:
		facts = fact(facts, protocols.FactSerial, value)
	case indexType:
		facts = fact(facts, protocols.FactModel, value)
	case indexLocation:
		facts = fact(facts, protocols.FactLocation, value)
	case indexMaker:
		if len(record) >= 4 && record[2] == 0 && record[3] == makerSiemens {
			facts = fact(facts, protocols.FactVendor, "Siemens")
		}
	case indexCard:
		if value != "" {
			facts = append(facts, protocols.Fact{
				About: protocols.Server, Key: protocols.FactSerial, Value: value, Module: "memory card",
			})
		}
	}
	return facts
}

// indexProtection is the record of communication status that tells of protection.
const indexProtection = 0x0004

// protectionFacts reads that record: level by key switch, by parameter, and in force; then the switch's position.
func protectionFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	c := wire.New(record)
	index := c.U16()
	c.Skip(4)
	level := c.U16()
	if c.Failed() || index&0x0fff != indexProtection || level == 0 {
		return facts
	}
	return fact(facts, protocols.FactProtection, fmt.Sprintf("level %d", level))
}

// modes gives the operating mode by the lower four bits of the third byte of a mode record.
var modes = [16]string{
	1: "stop", 2: "stop", 3: "stop", 4: "stop", 5: "startup", 6: "startup", 7: "startup", 8: "run", 9: "run",
	10: "hold", 11: "run", 12: "run", 13: "defective",
}

// modeFacts reads a record of operating mode: event, flags, previous and present mode.
func modeFacts(facts []protocols.Fact, record []byte) []protocols.Fact {
	if len(record) < 4 {
		return facts
	}
	return fact(facts, protocols.FactMode, modes[record[3]&0x0f])
}
