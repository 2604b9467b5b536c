package profinet

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/nameplate"
)

// Spec describes DCP to the pipeline.
var Spec = protocols.Spec{
	Name: "profinet-dcp", EtherTypes: []uint16{0x8892}, Probe: probe,
	New: func() protocols.Dissector { return dissector{} },
}

// probe asks for a frame id of DCP with a service that belongs to it. The type tells who speaks.
func probe(t protocols.Transport, b []byte) protocols.Match {
	var m message
	if t != protocols.TransportEthernet || len(b) < 12 {
		return protocols.No
	}
	if frame := binary.BigEndian.Uint16(b); frame < frameHello || frame > frameLast || services[b[2]] == "" || m.parse(b) != nil {
		return protocols.No
	}
	switch m.kind {
	case typeRequest:
		return protocols.YesClient
	case typeSuccess, typeUnsupported:
		return protocols.YesServer
	default:
		return protocols.No
	}
}

// dissector has no state.
type dissector struct{}

// Gap implements [protocols.Dissector].
func (dissector) Gap(protocols.Side) {}

// Dissect implements [protocols.Dissector].
func (dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	var m message
	err := m.parse(in.Bytes)
	if m.service == 0 {
		return dst, err
	}
	e := protocols.Event{
		From: in.From, Action: protocols.ActionIdentify, Outcome: m.outcome(), Message: m.title(),
	}
	if err == nil && (m.kind == typeSuccess || m.service == serviceHello) && m.service != serviceSet {
		e.Facts = m.facts(in.From)
	}
	if m.service != serviceSet {
		if in.Detail {
			e.Detail = m.detail()
		}
		return append(dst, e), err
	}
	before := len(dst)
	for _, b := range m.blocks {
		if b != blockStart && b != blockEnd && b != blockResponse {
			e.Action, e.Object = effect(b), protocols.Object{Area: "dcp", Name: m.about(b)}
			dst = append(dst, e)
		}
	}
	for _, a := range m.answers {
		e.Action, e.Object = effect(a.block), protocols.Object{Area: "dcp", Name: a.block.String()}
		if e.Outcome = protocols.OutcomeDone; a.err != 0 {
			e.Outcome = protocols.OutcomeRefused
		}
		dst = append(dst, e)
	}
	if len(dst) == before {
		e.Action = protocols.ActionConfigure
		dst = append(dst, e)
	}
	if in.Detail {
		dst[before].Detail = m.detail()
	}
	return dst, err
}

// effect tells what setting a block does to the device.
func effect(b block) protocols.Action {
	switch b {
	case blockFactory, blockReset:
		return protocols.ActionControl // the device loses name, address and data, and starts anew
	case blockSignal:
		return protocols.ActionIdentify // it blinks
	default:
		return protocols.ActionConfigure
	}
}

// about names what is set, with the new value where it is short.
func (m *message) about(b block) string {
	switch {
	case b == blockName && m.name != "":
		return b.String() + " " + strconv.Quote(m.name)
	case (b == blockIP || b == blockSuite) && m.ip.address.IsValid():
		return b.String() + " " + m.ip.address.String()
	default:
		return b.String()
	}
}

func (m *message) outcome() protocols.Outcome {
	switch {
	case m.service == serviceHello:
		return protocols.OutcomeDone
	case m.kind == typeRequest:
		return protocols.OutcomeAsked
	case m.kind == typeSuccess:
		return protocols.OutcomeDone
	default:
		return protocols.OutcomeRefused
	}
}

// vendors are those of the PROFIBUS and PROFINET International list that plants are full of.
var vendors = map[uint16]string{
	0x001a: "ABB", 0x002a: "Siemens", 0x00b0: "Phoenix Contact", 0x010c: "HMS Industrial Networks", 0x011d: "WAGO",
	0x011e: "Hilscher", 0x0120: "Beckhoff", 0x014d: "Festo",
}

// The roles of a device (bits).
const (
	roleDevice     = 1
	roleController = 2
	roleMulti      = 4
	roleSupervisor = 8
)

const (
	certain = 90 // of itself
	claimed = 80 // of the address that it says is its own
	typed   = 70 // the vendor's name for the type of station
	played  = 55 // a role
)

// facts gives what a device says of itself, and the same of its address.
func (m *message) facts(from protocols.Side) []protocols.Fact {
	facts := m.describe(nil, protocols.Fact{About: from}, certain)
	if a := m.ip.address; a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() {
		facts = m.describe(facts, protocols.Fact{Addr: a}, claimed)
	}
	return facts
}

func (m *message) describe(dst []protocols.Fact, like protocols.Fact, confidence uint8) []protocols.Fact {
	add := func(key protocols.FactKey, value string, confidence uint8) {
		if value != "" {
			like.Key, like.Value, like.Confidence = key, value, confidence
			dst = append(dst, like)
		}
	}
	add(protocols.FactName, m.name, confidence)
	add(protocols.FactModel, m.station, typed)
	if m.hasID {
		add(protocols.FactVendor, vendors[m.vendorID], confidence)
	}
	for _, f := range nameplate.Append(nil, like, m.station) {
		if f.Key == protocols.FactRole {
			add(f.Key, f.Value, f.Confidence)
		}
	}
	switch {
	case m.role&roleController != 0:
		add(protocols.FactRole, "plc", played)
	case m.role&roleSupervisor != 0:
		add(protocols.FactRole, "engineering-station", played)
	case m.role&(roleDevice|roleMulti) != 0:
		add(protocols.FactRole, "io", played)
	}
	return dst
}

// Detail is the detail field of a dissect record, under the names of IEC 61158-6-10.
type Detail struct {
	FrameID       uint16   `json:"frame_id"`
	ServiceID     uint8    `json:"service_id"`
	ServiceType   uint8    `json:"service_type"`
	XID           uint32   `json:"xid"`
	Blocks        []string `json:"blocks,omitempty"`
	NameOfStation string   `json:"name_of_station,omitempty"`
	TypeOfStation string   `json:"type_of_station,omitempty"`
	VendorID      *uint16  `json:"vendor_id,omitempty"`
	DeviceID      *uint16  `json:"device_id,omitempty"`
	DeviceRole    uint8    `json:"device_role,omitempty"`
	IPAddress     string   `json:"ip_address,omitempty"`
	SubnetMask    string   `json:"subnet_mask,omitempty"`
	Gateway       string   `json:"standard_gateway,omitempty"`
	BlockErrors   []int    `json:"block_errors,omitempty"` // one an answered block, in the order of the blocks
}

func (m *message) detail() *Detail {
	d := &Detail{
		FrameID: m.frame, ServiceID: m.service, ServiceType: m.kind, XID: m.xid, NameOfStation: m.name,
		TypeOfStation: m.station, DeviceRole: m.role, IPAddress: shown(m.ip.address), SubnetMask: shown(m.ip.mask),
		Gateway: shown(m.ip.gateway),
	}
	for _, a := range m.answers {
		d.BlockErrors = append(d.BlockErrors, int(a.err))
	}
	for _, b := range m.blocks {
		d.Blocks = append(d.Blocks, b.String())
	}
	if m.hasID {
		d.VendorID, d.DeviceID = &m.vendorID, &m.deviceID
	}
	return d
}

func shown(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
