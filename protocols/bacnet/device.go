package bacnet

import (
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// whoIs reads which devices are called (16.10.1).
func (m *message) whoIs(c *wire.Cursor) {
	low, high, ok := limits(c)
	o := protocols.Object{Area: "device"}
	if ok {
		m.limits(low, high)
		o.Name = "device " + strconv.FormatUint(uint64(low), 10)
		if low != high {
			o.Name += "-" + strconv.FormatUint(uint64(high), 10)
		}
	}
	m.about(c, o)
}

// limits takes a range of device instances, if there is one.
func limits(c *wire.Cursor) (low, high uint32, ok bool) {
	if low, ok = optional(c, 0); ok {
		high = number(c, 1)
	}
	return low, high, ok
}

// iAm reads which device is there, and whose it is (16.10.2).
func (m *message) iAm(c *wire.Cursor) {
	ref := object(unsigned(c, application(c, tagObject)))
	m.maxAPDU = unsigned(c, application(c, tagUnsigned))
	application(c, tagEnumerated) // segmentation
	vendor := unsigned(c, application(c, tagUnsigned))
	if !c.Failed() {
		m.vendor, m.hasVendor = vendor, true
		m.tell(protocols.FactVendor, vendors[vendor], byNumber)
	}
	m.add(c, item{ref: ref})
}

// whoHas reads which object is sought, by its identifier or its name (16.9.1).
func (m *message) whoHas(c *wire.Cursor) {
	if low, high, ok := limits(c); ok {
		m.limits(low, high)
	}
	if id, ok := optional(c, 2); ok {
		m.add(c, item{ref: object(id)})
		return
	}
	name := primitive(c, 3)
	m.about(c, protocols.Object{Area: "object", Name: text(name)})
}

// iHave reads which device has an object, and how it is called (16.9.2).
func (m *message) iHave(c *wire.Cursor) {
	m.device(unsigned(c, application(c, tagObject)))
	it := item{ref: object(unsigned(c, application(c, tagObject)))}
	it.values = m.text(application(c, tagText))
	m.add(c, it)
}

// whoAmI reads the call of a device without an identity of its own (16.11.1).
func (m *message) whoAmI(c *wire.Cursor) {
	m.identifyByVendor(c, true)
}

// youAre reads which identity such a device is given (16.11.2).
func (m *message) youAre(c *wire.Cursor) {
	m.identifyByVendor(c, false)
	if c.Len() > 0 {
		if t := next(c); !t.context && t.number == tagObject {
			m.add(c, item{ref: object(unsigned(c, t.content))})
		}
	}
}

// identifyByVendor takes vendor, model and serial number; own says that they are the sender's.
func (m *message) identifyByVendor(c *wire.Cursor, own bool) {
	vendor := unsigned(c, application(c, tagUnsigned))
	model := text(application(c, tagText))
	serial := text(application(c, tagText))
	m.about(c, protocols.Object{Area: "device", Name: "device " + model + " " + serial})
	if own && !c.Failed() {
		m.vendor, m.hasVendor = vendor, true
		m.tell(protocols.FactVendor, vendors[vendor], byNumber)
		m.tell(protocols.FactModel, model, 0)
		m.tell(protocols.FactSerial, serial, 0)
	}
}

// What is asked of a device's communication (16.1), and of its operating state (16.4).
var (
	communications = []string{"enable", "disable", "disable-initiation"}
	states         = []string{
		"coldstart", "warmstart", "start-backup", "end-backup", "start-restore", "end-restore", "abort-restore",
		"activate-changes",
	}
)

// communication reads by whom a device is silenced, and for how many minutes.
func (m *message) communication(c *wire.Cursor) {
	m.minutes, m.hasMinutes = optional(c, 0)
	what := number(c, 1)
	m.password = has(c, 2)
	m.about(c, protocols.Object{
		Area: "device-communication", Name: named(at(communications, int(min(what, 1<<20))), "state-", uint64(what)),
	})
}

// reinitialize reads into what state a device is sent.
func (m *message) reinitialize(c *wire.Cursor) {
	what := number(c, 0)
	m.password = has(c, 1)
	m.about(c, protocols.Object{Area: "device-state", Name: named(at(states, int(min(what, 1<<20))), "state-", uint64(what))})
}

// clock reads the time that a device is set to (16.7, 16.8).
func (m *message) clock(c *wire.Cursor) {
	date, time := next(c), next(c)
	start := len(m.scratch)
	m.scratch = append(m.appendTag(m.scratch, date), ' ')
	m.scratch = m.appendTag(m.scratch, time)
	m.about(c, protocols.Object{Area: "clock"})
	m.values = protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
}

// file reads which file is read or written (14.1, 14.2).
func (m *message) file(c *wire.Cursor) {
	ref := object(unsigned(c, application(c, tagObject)))
	for n := uint8(0); n < 2; n++ { // as a stream, or as records
		if opens(c, n) {
			inside := list(c, n)
			m.position = fileText(&inside)
			m.check(c, &inside)
		}
	}
	m.add(c, item{ref: ref})
}

// fileText gives where in the file, and how much.
func fileText(c *wire.Cursor) *FilePosition {
	start := application(c, tagSigned)
	t := next(c)
	p := &FilePosition{Start: signed(start)}
	switch t.number {
	case tagUnsigned:
		p.Count = unsigned(c, t.content)
	case tagOctets:
		p.Count = uint32(len(t.content))
	}
	return p
}

// FilePosition is where in a file is read or written, and how many octets or records.
type FilePosition struct {
	Start int64  `json:"start"`
	Count uint32 `json:"count"`
}

// privateTransfer reads whose own service is asked (16.2, 16.3). What it does is the vendor's secret.
func (m *message) privateTransfer(c *wire.Cursor) {
	vendor, service := number(c, 0), number(c, 1)
	m.vendor, m.hasVendor = vendor, true
	name := strconv.AppendUint([]byte("vendor "), uint64(vendor), 10)
	name = strconv.AppendUint(append(name, " service "...), uint64(service), 10)
	m.about(c, protocols.Object{Area: "private-transfer", Name: string(name)})
}

// textMessage reads what is shown to somebody (16.5, 16.6).
func (m *message) textMessage(c *wire.Cursor) {
	m.device(number(c, 0))
	if opens(c, 1) {
		list(c, 1) // class of the message
	}
	number(c, 2) // urgent or not
	m.about(c, protocols.Object{Area: "text-message"})
	m.values = m.text(primitive(c, 3))
}

// writeGroup reads which group of channels is commanded (15.11).
func (m *message) writeGroup(c *wire.Cursor) {
	group, priority := number(c, 0), number(c, 1)
	name := strconv.AppendUint([]byte("group "), uint64(group), 10)
	name = strconv.AppendUint(append(name, " priority "...), uint64(priority), 10)
	m.about(c, protocols.Object{Area: "group", Name: string(name)})
}
