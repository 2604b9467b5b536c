package bacnet

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Confidence in what is told, per cent.
const (
	byNumber = 80 // the vendor of an identifier: devices are sold under other names
	freeText = 50 // a description that somebody wrote
	declared = 70
)

// identity are the properties of a device object (12.11) that say what the device is.
var identity = map[uint32]struct {
	key        protocols.FactKey
	confidence uint8
}{
	12:  {protocols.FactApplication, declared}, // application-software-version
	28:  {protocols.FactPlant, freeText},       // description
	44:  {protocols.FactFirmware, 0},           // firmware-revision
	58:  {protocols.FactLocation, 0},           // location
	70:  {protocols.FactModel, 0},              // model-name
	77:  {protocols.FactName, 0},               // object-name
	112: {protocols.FactMode, 0},               // system-status
	120: {protocols.FactVendor, byNumber},      // vendor-identifier
	121: {protocols.FactVendor, 0},             // vendor-name
	372: {protocols.FactSerial, 0},             // serial-number
}

// modes are the states of a device (21, BACnetDeviceStatus) as operating modes.
var modes = []string{"run", "run", "stop", "stop", "stop", "run"}

// identify takes from a property of the device object what it says of the device.
func (m *message) identify(r reference, t tag) {
	row, ok := identity[r.property]
	switch {
	case !ok:
	case t.number == tagText:
		m.tell(row.key, text(t.content), row.confidence)
	case t.number == tagEnumerated && r.property == 112 && len(t.content) == 1:
		m.tell(row.key, at(modes, int(t.content[0])), row.confidence)
	case t.number == tagUnsigned && r.property == 120 && len(t.content) <= 2:
		var v uint32
		for _, x := range t.content {
			v = v<<8 | uint32(x)
		}
		m.tell(row.key, vendors[v], row.confidence)
	}
}

// maxFacts is how many facts a message may tell.
const maxFacts = 32

// tell adds a fact about the sender; where it stands on another IP network, about its address.
func (m *message) tell(key protocols.FactKey, value string, confidence uint8) {
	value = strings.TrimSpace(strings.ToValidUTF8(strings.Trim(value, "\x00"), "\ufffd"))
	if value == "" || len(m.facts) >= maxFacts {
		return
	}
	f := protocols.Fact{About: m.from, Key: key, Value: value, Confidence: confidence}
	if a := m.net.source.addr(); a.IsValid() {
		f.Addr = a
	} else if a := m.link.origin.Addr(); a.IsValid() && m.net.control&controlSource == 0 {
		f.Addr = a
	}
	m.facts = append(m.facts, f)
}
