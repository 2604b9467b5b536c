// Package cdp reads the Cisco Discovery Protocol: what a device tells its neighbour on the wire of itself.
//
// Cisco publishes the format in the documentation of its network management ("Frame Formats", Cisco Discovery
// Protocol). A frame is about its sender; its addresses make the same things known of the device at these addresses.
// Others speak the protocol, too: the vendor is Cisco where the platform or the software says so. A dissector has no
// state.
package cdp

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/nameplate"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Spec describes CDP to the pipeline: an IEEE 802.3 frame with Cisco's organisation code and protocol 2000.
var Spec = protocols.Spec{
	Name: "cdp", EtherTypes: []uint16{0}, Ordinary: true, Probe: probe,
	New: func() protocols.Dissector { return dissector{} },
}

var snap = []byte{0xaa, 0xaa, 0x03, 0x00, 0x00, 0x0c, 0x20, 0x00}

// The types of TLVs that are read.
const (
	tlvDevice       = 0x0001
	tlvAddresses    = 0x0002
	tlvPort         = 0x0003
	tlvCapabilities = 0x0004
	tlvSoftware     = 0x0005
	tlvPlatform     = 0x0006
	tlvSystemName   = 0x0014
	tlvManagement   = 0x0016
)

// The capabilities: what forwards, and what is something else besides.
const (
	forwards      = 0x01 | 0x02 | 0x04 | 0x08 // router, transparent bridge, source-route bridge, switch
	somethingElse = 0x10 | 0x80               // host, phone
)

// message is one advertisement. Its texts are copies.
type message struct {
	version, ttl       uint8
	device, port       string
	name               string
	software, platform string
	capabilities       uint32
	addresses          []netip.Addr
}

const maxAddresses = 4

// parse reads an advertisement behind its SNAP header. What was read before a fault stays in m.
func (m *message) parse(b []byte) error {
	if !bytes.HasPrefix(b, snap) {
		return malformed("no SNAP header of CDP")
	}
	c := wire.New(b[len(snap):])
	m.version, m.ttl = c.U8(), c.U8()
	c.Skip(2) // checksum: a frame with a wrong one is still something that somebody sent
	for c.Len() > 0 {
		kind, size := c.U16(), int(c.U16())
		value := c.Bytes(size - 4)
		if c.Failed() {
			return malformed("TLV %#x of %d bytes", kind, size)
		}
		if !m.take(kind, value) {
			return malformed("%d bytes in TLV %#x", len(value), kind)
		}
	}
	if c.Failed() {
		return malformed("%d bytes", len(b))
	}
	return nil
}

func (m *message) take(kind uint16, value []byte) bool {
	switch kind {
	case tlvDevice:
		m.device = text(value)
	case tlvPort:
		m.port = text(value)
	case tlvSystemName:
		m.name = text(value)
	case tlvSoftware:
		m.software = strings.ReplaceAll(text(value), "\n", " ")
	case tlvPlatform:
		m.platform = text(value)
	case tlvCapabilities:
		c := wire.New(value)
		m.capabilities = c.U32()
		return !c.Failed()
	case tlvAddresses, tlvManagement:
		return m.list(value)
	}
	return true
}

// list reads a list of addresses, each behind the protocol that it is of: NLPID 0xcc is IPv4.
func (m *message) list(value []byte) bool {
	const nlpid, ipv4 = 1, 0xcc
	c := wire.New(value)
	for n := c.U32(); n > 0 && c.Len() > 0; n-- {
		kind, protocol := c.U8(), c.Bytes(int(c.U8()))
		address := c.Bytes(int(c.U16()))
		if c.Failed() {
			return false
		}
		a, ok := netip.AddrFromSlice(address)
		known := kind == nlpid && len(protocol) == 1 && protocol[0] == ipv4 && a.Is4() || kind == 2 && a.Is6()
		if ok && known && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() && len(m.addresses) < maxAddresses &&
			!slices.Contains(m.addresses, a) {
			m.addresses = append(m.addresses, a)
		}
	}
	return !c.Failed()
}

func text(b []byte) string { return strings.TrimSpace(strings.TrimRight(string(b), "\x00")) }

func malformed(format string, args ...any) error {
	return fmt.Errorf("cdp: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}

// probe asks for the SNAP header, a version that exists, and a first TLV that fits.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportEthernet || !bytes.HasPrefix(b, snap) {
		return protocols.No
	}
	c := wire.New(b[len(snap):])
	version := c.U8()
	c.Skip(3 + 2)
	size := int(c.U16())
	c.Skip(size - 4)
	if c.Failed() || version < 1 || version > 2 {
		return protocols.No
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
	if m.version == 0 {
		return dst, err
	}
	e := protocols.Event{
		From: in.From, Action: protocols.ActionIdentify, Outcome: protocols.OutcomeDone, Message: "CDP advertisement",
	}
	if err == nil {
		e.Facts = m.facts(nil, protocols.Fact{About: in.From}, announced)
		for _, a := range m.addresses {
			e.Facts = m.facts(e.Facts, protocols.Fact{Addr: a}, told)
		}
	}
	if in.Detail {
		e.Detail = m.detail()
	}
	return append(dst, e), err
}

const (
	announced = 90 // by the device itself
	told      = 80 // told of an address that the device says is its own
	forwarder = 70
)

func (m *message) facts(dst []protocols.Fact, like protocols.Fact, confidence uint8) []protocols.Fact {
	add := func(key protocols.FactKey, value string, confidence uint8) {
		like.Key, like.Value, like.Confidence = key, value, confidence
		dst = append(dst, like)
	}
	name := m.name
	if name == "" {
		name = m.device
	}
	if name != "" {
		dst = append(dst, nameplate.Name(like, name, confidence))
	}
	model, cisco := strings.CutPrefix(m.platform, "cisco ")
	if !cisco {
		model, cisco = strings.CutPrefix(m.platform, "Cisco ")
	}
	if cisco || strings.Contains(m.software, "Cisco ") {
		add(protocols.FactVendor, "Cisco", confidence)
	}
	if model != "" {
		add(protocols.FactModel, model, confidence)
	}
	for _, f := range nameplate.Append(nil, like, m.software) {
		if f.Key == protocols.FactFirmware {
			add(f.Key, f.Value, f.Confidence)
		}
	}
	if m.capabilities&forwards != 0 && m.capabilities&somethingElse == 0 {
		add(protocols.FactRole, "network", forwarder)
	}
	return dst
}

// Detail is the detail field of a dissect record, under Cisco's names.
type Detail struct {
	Version         uint8    `json:"version"`
	TTL             uint8    `json:"ttl"`
	DeviceID        string   `json:"device_id,omitempty"`
	SystemName      string   `json:"system_name,omitempty"`
	PortID          string   `json:"port_id,omitempty"`
	Platform        string   `json:"platform,omitempty"`
	SoftwareVersion string   `json:"software_version,omitempty"`
	Capabilities    uint32   `json:"capabilities,omitempty"`
	Addresses       []string `json:"addresses,omitempty"`
}

func (m *message) detail() *Detail {
	d := &Detail{
		Version: m.version, TTL: m.ttl, DeviceID: m.device, SystemName: m.name, PortID: m.port, Platform: m.platform,
		SoftwareVersion: m.software, Capabilities: m.capabilities,
	}
	for _, a := range m.addresses {
		d.Addresses = append(d.Addresses, a.String())
	}
	return d
}
