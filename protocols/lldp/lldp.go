// Package lldp reads the Link Layer Discovery Protocol (IEEE 802.1AB): what a device tells its neighbour on the wire of
// itself, its port and where it is managed.
//
// A frame is about its sender. Its management address makes the same things known of the device at that address: a
// switch announces itself with the MACs of its ports, and is managed under another. Descriptions are read where they
// are plain; organisations' own TLVs are passed over, but for their form. A dissector has no state.
package lldp

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/nameplate"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Spec describes LLDP to the pipeline.
var Spec = protocols.Spec{
	Name: "lldp", EtherTypes: []uint16{0x88cc}, Ordinary: true, Probe: probe,
	New: func() protocols.Dissector { return dissector{} },
}

// The TLVs (IEEE 802.1AB §8.4, table 8-1).
const (
	tlvEnd = iota
	tlvChassis
	tlvPort
	tlvTTL
	tlvPortDescription
	tlvSystemName
	tlvSystemDescription
	tlvCapabilities
	tlvManagement
)

// The system's capabilities (§8.5.8).
const (
	capBridge     = 1 << 2
	capAccess     = 1 << 3
	capRouter     = 1 << 4
	forwards      = capBridge | capAccess | capRouter
	somethingElse = 1<<0 | 1<<5 | 1<<6 | 1<<7 // other, telephone, cable modem, station only
)

// Subtypes of the chassis id (§8.5.2.2) and numbers of address families.
const (
	subtypeMAC     = 4
	subtypeNetwork = 5
	familyIPv4     = 1
	familyIPv6     = 2
)

// message is one LLDPDU. Its texts are copies.
type message struct {
	chassisSubtype, portSubtype uint8
	chassis, port               string
	ttl                         uint16
	portDescription, name       string
	description                 string
	capabilities, enabled       uint16
	management                  []netip.Addr
}

const maxAddresses = 4

// parse reads an LLDPDU. What was read before a fault stays in m.
func (m *message) parse(b []byte) error {
	c := wire.New(b)
	for place := 1; c.Len() > 0; place++ {
		head := c.U16()
		kind, value := head>>9, c.Bytes(int(head&0x1ff))
		switch {
		case c.Failed():
			return malformed("TLV %d, of type %d, reaches over the end", place, kind)
		case place <= tlvTTL && int(kind) != place:
			return malformed("TLV %d is of type %d", place, kind) // §8.6: these three, in this order
		case kind == tlvEnd:
			return nil
		}
		if !m.take(kind, value) {
			return malformed("%d bytes in a TLV of type %d", len(value), kind)
		}
	}
	return malformed("no end after %d bytes", len(b))
}

// take reads the value of a TLV; false when it is too short.
func (m *message) take(kind uint16, value []byte) bool {
	c := wire.New(value)
	switch kind {
	case tlvChassis:
		m.chassisSubtype = c.U8()
		m.chassis = id(m.chassisSubtype, subtypeMAC, subtypeNetwork, c.Rest())
		return len(value) > 1
	case tlvPort:
		m.portSubtype = c.U8()
		m.port = id(m.portSubtype, subtypeMAC-1, subtypeNetwork-1, c.Rest())
		return len(value) > 1
	case tlvTTL:
		m.ttl = c.U16()
	case tlvPortDescription:
		m.portDescription = text(value)
	case tlvSystemName:
		m.name = text(value)
	case tlvSystemDescription:
		m.description = text(value)
	case tlvCapabilities:
		m.capabilities, m.enabled = c.U16(), c.U16()
	case tlvManagement:
		address := c.Bytes(int(c.U8()))
		if len(address) > 1 && len(m.management) < maxAddresses {
			if a := ip(address); a.IsValid() {
				m.management = append(m.management, a)
			}
		}
	}
	return !c.Failed()
}

// id gives the text of a chassis or port id: a MAC, an address, or what it says.
func id(subtype, mac, network uint8, b []byte) string {
	switch {
	case subtype == mac && len(b) == 6:
		return protocols.MAC(b).String()
	case subtype == network && ip(b).IsValid():
		return ip(b).String()
	}
	for _, x := range b {
		if x < ' ' || x >= 0x7f {
			return hex.EncodeToString(b)
		}
	}
	return text(b)
}

// ip reads an address behind the number of its family; invalid when it is another, or nobody's.
func ip(b []byte) netip.Addr {
	if len(b) == 5 && b[0] == familyIPv4 || len(b) == 17 && b[0] == familyIPv6 {
		if a, ok := netip.AddrFromSlice(b[1:]); ok && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() {
			return a
		}
	}
	return netip.Addr{}
}

func text(b []byte) string { return strings.TrimSpace(strings.TrimRight(string(b), "\x00")) }

func malformed(format string, args ...any) error {
	return fmt.Errorf("lldp: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}

// probe asks for the three TLVs with which every LLDPDU begins.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportEthernet {
		return protocols.No
	}
	c := wire.New(b)
	for want := uint16(tlvChassis); want <= tlvTTL; want++ {
		head := c.U16()
		c.Skip(int(head & 0x1ff))
		if c.Failed() || head>>9 != want || head&0x1ff < 2 {
			return protocols.No
		}
	}
	return protocols.YesClient
}

// dissector has no state: a frame stands for itself.
type dissector struct{}

// Gap implements [protocols.Dissector].
func (dissector) Gap(protocols.Side) {}

// Dissect implements [protocols.Dissector].
func (dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	var m message
	err := m.parse(in.Bytes)
	if m.chassisSubtype == 0 {
		return dst, err
	}
	e := protocols.Event{From: in.From, Action: protocols.ActionIdentify, Outcome: protocols.OutcomeDone, Message: "LLDPDU"}
	if err == nil {
		e.Facts = m.facts(nil, protocols.Fact{About: in.From}, announced)
		for _, a := range m.management {
			e.Facts = m.facts(e.Facts, protocols.Fact{Addr: a}, managed)
		}
	}
	if in.Detail {
		e.Detail = m.detail()
	}
	return append(dst, e), err
}

const (
	announced = 90 // by the device itself
	managed   = 80 // told of the address where it says it is managed
	forwarder = 58 // above what reading from a switch says of it, below what programming a controller does
)

func (m *message) facts(dst []protocols.Fact, like protocols.Fact, confidence uint8) []protocols.Fact {
	const subtypeLocal = 7
	switch {
	case m.name != "":
		dst = append(dst, nameplate.Name(like, m.name, confidence))
	case m.chassisSubtype == subtypeLocal && m.chassis != "" && !strings.Contains(m.chassis, " "):
		dst = append(dst, nameplate.Name(like, m.chassis, confidence-10)) // PROFINET devices: the name of station
	}
	dst = nameplate.Append(dst, like, m.description)
	if m.enabled&forwards != 0 && m.enabled&somethingElse == 0 {
		like.Key, like.Value, like.Confidence = protocols.FactRole, "network", forwarder
		dst = append(dst, like)
	}
	return dst
}

// Detail is the detail field of a dissect record, under the names of IEEE 802.1AB.
type Detail struct {
	ChassisIDSubtype    uint8    `json:"chassis_id_subtype"`
	ChassisID           string   `json:"chassis_id"`
	PortIDSubtype       uint8    `json:"port_id_subtype"`
	PortID              string   `json:"port_id"`
	TTL                 uint16   `json:"ttl"`
	PortDescription     string   `json:"port_description,omitempty"`
	SystemName          string   `json:"system_name,omitempty"`
	SystemDescription   string   `json:"system_description,omitempty"`
	SystemCapabilities  uint16   `json:"system_capabilities,omitempty"`
	EnabledCapabilities uint16   `json:"enabled_capabilities,omitempty"`
	ManagementAddresses []string `json:"management_addresses,omitempty"`
}

func (m *message) detail() *Detail {
	d := &Detail{
		ChassisIDSubtype: m.chassisSubtype, ChassisID: m.chassis, PortIDSubtype: m.portSubtype, PortID: m.port, TTL: m.ttl,
		PortDescription: m.portDescription, SystemName: m.name, SystemDescription: m.description,
		SystemCapabilities: m.capabilities, EnabledCapabilities: m.enabled,
	}
	for _, a := range m.management {
		d.ManagementAddresses = append(d.ManagementAddresses, a.String())
	}
	return d
}
