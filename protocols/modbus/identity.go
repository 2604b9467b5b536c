package modbus

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// encapsulated is an interface that function 43 carries, by its MEI type.
type encapsulated struct {
	meaning
	request, answer func(*wire.Cursor, *message)
}

// The MEI types (V1.1b3 §6.19).
const (
	meiCANopen              = 13
	meiDeviceIdentification = 14
)

var interfaces = map[uint8]*encapsulated{
	meiCANopen: {meaning{"CANopen General Reference", protocols.ActionRead, "canopen-object"}, canopen, canopen},
	meiDeviceIdentification: {
		meaning{"Read Device Identification", protocols.ActionIdentify, "device-identification"},
		identificationRequest, identificationAnswer,
	},
}

// canopenWrite is the reference whose access flag says that it writes.
var canopenWrite = meaning{"CANopen General Reference", protocols.ActionWrite, "canopen-object"}

func interfaceRequest(c *wire.Cursor, m *message) {
	if e := m.takeInterface(c); e != nil {
		e.request(c, m)
	}
}

func interfaceAnswer(c *wire.Cursor, m *message) {
	if e := m.takeInterface(c); e != nil {
		e.answer(c, m)
	}
}

func (m *message) takeInterface(c *wire.Cursor) *encapsulated {
	m.take8(c, hasMEI, &m.mei)
	e := interfaces[m.mei]
	if e == nil || m.has&hasMEI == 0 {
		m.keepData(c.Rest())
		return nil
	}
	m.meaning = &e.meaning
	return e
}

// canopen reads as much of CiA 309-2 as tells what is accessed: access flag, reserved, node, index, subindex. The
// rest depends on the object.
func canopen(c *wire.Cursor, m *message) {
	if c.U8()&1 != 0 {
		m.meaning = &canopenWrite
	}
	c.Skip(1)
	m.node, m.index, m.subindex = c.U8(), c.U16(), c.U8()
	m.keepData(c.Rest())
}

// identificationRequest: read device id code, object id (§6.21).
func identificationRequest(c *wire.Cursor, m *message) {
	m.takeReadDevice(c)
	m.take8(c, hasDeviceObject, &m.deviceObject)
	m.first, m.count = uint32(m.deviceObject), 1
}

func (m *message) takeReadDevice(c *wire.Cursor) {
	m.take8(c, hasReadDevice, &m.readDevice)
	if m.has&hasReadDevice != 0 && (m.readDevice == 0 || m.readDevice > 4) {
		m.fail("read device id code out of range", int(m.readDevice))
	}
}

// identificationAnswer: read device id code, conformity level, more follows, next object, number of objects, and the
// objects as id, length, value (§6.21).
func identificationAnswer(c *wire.Cursor, m *message) {
	m.takeReadDevice(c)
	m.conformity, m.more, m.next = c.U8(), c.U8(), c.U8()
	if !c.Failed() {
		m.has |= hasStream
	}
	number := int(c.U8())
	m.data = c.Rest()
	list := wire.New(m.data)
	for ; number > 0 && list.Len() > 0; number-- {
		list.Skip(1)
		list.Skip(int(list.U8()))
	}
	switch {
	case list.Failed() || number > 0:
		m.fail("device identification ends within its objects", number)
	case list.Len() > 0:
		m.fail(faultBehind, list.Len())
		m.data = m.data[:list.Offset()] // what is behind the last object is none
	}
}

// deviceFacts says what the objects of a device identification tell, and how much they can be trusted to: vendors
// differ in which of code, name and model they fill with what people call the device.
var deviceFacts = map[uint8]struct {
	key        protocols.FactKey
	confidence uint8
}{
	0: {protocols.FactVendor, 0},
	1: {protocols.FactModel, 90}, // product code
	2: {protocols.FactFirmware, 0},
	3: {protocols.FactURL, 0},
	4: {protocols.FactModel, 80}, // product name
	5: {protocols.FactModel, 95}, // model name
	6: {protocols.FactApplication, 0},
}

// eachObject calls f with the objects of a device identification that are whole.
func (m *message) eachObject(f func(id uint8, value []byte)) {
	list := wire.New(m.data)
	for list.Len() > 0 {
		id := list.U8()
		value := list.Bytes(int(list.U8()))
		if list.Failed() {
			return
		}
		f(id, value)
	}
}

// serverFacts gives what an answer of functions 17 and 43 discloses about the server.
func (m *message) serverFacts(*request) []protocols.Fact {
	var facts []protocols.Fact
	switch {
	case m.from != protocols.Server || m.refused:
	case m.has&hasMEI != 0 && m.mei == meiDeviceIdentification:
		m.eachObject(func(id uint8, value []byte) {
			meant, known := deviceFacts[id]
			if text := printable(value); known && text != "" {
				facts = append(facts, protocols.Fact{
					About: protocols.Server, Key: meant.key, Value: text, Confidence: meant.confidence,
				})
			}
		})
	case m.code == 17:
		facts = m.serverIDFacts()
	}
	return facts
}

// serverIDConfidence is low: what a server id looks like is each vendor's own affair.
const serverIDConfidence = 50

// serverIDFacts reads function 17's answer: a server id of the vendor's own length, the run indicator, and what the
// vendor likes to add (§6.13). The longest printable part, if any, is the device's text about itself. Where the id
// is the usual single byte, the second one is the run indicator.
func (m *message) serverIDFacts() []protocols.Fact {
	var facts []protocols.Fact
	if len(m.data) >= 2 && !isPrintable(m.data[0]) && (m.data[1] == 0 || m.data[1] == 0xff) {
		mode := "stop"
		if m.data[1] == 0xff {
			mode = "run"
		}
		facts = append(facts, protocols.Fact{
			About: protocols.Server, Key: protocols.FactMode, Value: mode, Confidence: serverIDConfidence,
		})
	}
	if text := longestText(m.data); len(text) >= 4 {
		facts = append(facts, protocols.Fact{
			About: protocols.Server, Key: protocols.FactModel, Value: text, Confidence: serverIDConfidence,
		})
	}
	return facts
}

func isPrintable(b byte) bool { return b >= 0x20 && b < 0x7f }

// longestText gives the longest run of printable ASCII without surrounding spaces.
func longestText(b []byte) string {
	best := ""
	for len(b) > 0 {
		n := 0
		for n < len(b) && isPrintable(b[n]) {
			n++
		}
		if text := strings.TrimSpace(string(b[:n])); len(text) > len(best) {
			best = text
		}
		b = b[min(n+1, len(b)):]
	}
	return best
}

// printable gives text for people: valid UTF-8 without control characters and padding.
func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "")))
}
