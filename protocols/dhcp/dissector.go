package dhcp

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Spec describes DHCP to the pipeline.
var Spec = protocols.Spec{
	Name: "dhcp", UDP: []uint16{67, 68}, CallsBack: true, Ordinary: true, Probe: probe,
	New: func() protocols.Dissector { return &dissector{} },
}

// probe asks for the magic cookie behind a fixed part that can be true. Op tells who speaks.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportUDP || len(b) < fixed+4 || binary.BigEndian.Uint32(b[fixed:]) != cookie || b[2] > maxHW {
		return protocols.No
	}
	switch b[0] {
	case opRequest:
		return protocols.YesClient
	case opReply:
		return protocols.YesServer
	default:
		return protocols.No
	}
}

// How sure a name is: what was acknowledged, what a host that has its address says, what is only asked for.
const (
	acknowledged = 90
	stated       = 80
	wished       = 70
	routing      = 50 // a router by the word of whoever answers first
)

// maxAsked bounds the requests remembered: those of a relay for many clients may be under way at once.
const maxAsked = 16

// dissector is the state of one conversation: what clients said of themselves, by transaction, the oldest first.
type dissector struct {
	asked []claim
}

// claim is what a client said of itself.
type claim struct {
	xid                         uint32
	hostName, fqdn, vendorClass string
}

// Gap implements [protocols.Dissector]. Datagrams that are lost void nothing: transactions have numbers.
func (d *dissector) Gap(protocols.Side) {}

// Dissect implements [protocols.Dissector].
func (d *dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	var m message
	err := m.parse(in.Bytes)
	if m.chaddr == nil {
		return dst, err
	}
	e := protocols.Event{From: in.From, Action: protocols.ActionConnect, Outcome: m.outcome(), Message: m.name()}
	if err == nil {
		e.Facts = d.facts(&m)
	}
	if in.Detail {
		e.Detail = m.detail()
	}
	return append(dst, e), err
}

// facts gives what a message tells of the host whose address it is about, and of routers.
func (d *dissector) facts(m *message) []protocols.Fact {
	said := claim{m.xid, m.hostName, m.fqdn, m.vendorClass}
	switch {
	case m.op == opReply && m.kind == typeACK:
		domain := m.domainName
		if asked, ok := d.take(m.xid); ok {
			said.vendorClass = asked.vendorClass
			if said.hostName == "" {
				said.hostName = asked.hostName
			}
			if said.fqdn == "" {
				said.fqdn = asked.fqdn
			}
		}
		if said.fqdn == "" && said.hostName != "" && domain != "" && !strings.Contains(said.hostName, ".") {
			said.fqdn = said.hostName + "." + domain
		}
		facts := said.facts(first(m.yiaddr, m.ciaddr), acknowledged)
		for _, router := range m.routers {
			facts = append(facts, protocols.Fact{Addr: router, Key: protocols.FactRole, Value: "network", Confidence: routing})
		}
		return facts
	case m.op == opRequest && m.kind == typeRequest:
		d.remember(said)
		return said.facts(first(m.ciaddr, m.requested), wished)
	case m.op == opRequest && m.kind == typeInform:
		d.remember(said)
		return said.facts(m.ciaddr, stated)
	default:
		return nil
	}
}

func first(a, b netip.Addr) netip.Addr {
	if a.IsValid() {
		return a
	}
	return b
}

func (d *dissector) remember(c claim) {
	d.take(c.xid)
	if len(d.asked) == maxAsked {
		d.asked = append(d.asked[:0], d.asked[1:]...)
	}
	d.asked = append(d.asked, c)
}

// take gives what was said in a transaction and forgets it.
func (d *dissector) take(xid uint32) (claim, bool) {
	for i, c := range d.asked {
		if c.xid == xid {
			d.asked = append(d.asked[:i], d.asked[i+1:]...)
			return c, true
		}
	}
	return claim{}, false
}

// systems are the vendor classes by which clients of operating systems are known.
var systems = []struct{ prefix, os string }{
	{"MSFT ", "Windows"},
	{"android-dhcp-", "Android"},
	{"dhcpcd-", "Linux or BSD"},
	{"udhcp", "Linux (BusyBox)"},
}

func (c *claim) facts(about netip.Addr, confidence uint8) []protocols.Fact {
	if !about.IsValid() {
		return nil
	}
	var facts []protocols.Fact
	add := func(key protocols.FactKey, value string) {
		if value != "" {
			facts = append(facts, protocols.Fact{Addr: about, Key: key, Value: value, Confidence: confidence})
		}
	}
	switch {
	case strings.Contains(c.hostName, "."):
		add(protocols.FactFQDN, c.hostName)
	default:
		add(protocols.FactName, c.hostName)
	}
	switch {
	case strings.Contains(c.fqdn, "."):
		add(protocols.FactFQDN, c.fqdn)
	case c.fqdn != c.hostName:
		add(protocols.FactName, c.fqdn)
	}
	add(protocols.FactApplication, c.vendorClass)
	for _, s := range systems {
		if strings.HasPrefix(c.vendorClass, s.prefix) {
			add(protocols.FactOS, s.os)
		}
	}
	return facts
}

// Detail is the detail field of a dissect record, under the names of RFC 2131 and RFC 2132.
type Detail struct {
	Op          uint8    `json:"op"`
	HType       uint8    `json:"htype"`
	XID         uint32   `json:"xid"`
	CIAddr      string   `json:"ciaddr,omitempty"`
	YIAddr      string   `json:"yiaddr,omitempty"`
	SIAddr      string   `json:"siaddr,omitempty"`
	GIAddr      string   `json:"giaddr,omitempty"`
	CHAddr      string   `json:"chaddr,omitempty"` // hexadecimal
	MessageType uint8    `json:"message_type,omitempty"`
	HostName    string   `json:"host_name,omitempty"`
	DomainName  string   `json:"domain_name,omitempty"`
	FQDN        string   `json:"client_fqdn,omitempty"`
	VendorClass string   `json:"vendor_class_identifier,omitempty"`
	Requested   string   `json:"requested_ip_address,omitempty"`
	Server      string   `json:"server_identifier,omitempty"`
	Routers     []string `json:"router,omitempty"`
}

func (m *message) detail() *Detail {
	d := &Detail{
		Op: m.op, HType: m.htype, XID: m.xid, CHAddr: hex.EncodeToString(m.chaddr), MessageType: m.kind,
		HostName: m.hostName, DomainName: m.domainName, FQDN: m.fqdn, VendorClass: m.vendorClass,
		CIAddr: shown(m.ciaddr), YIAddr: shown(m.yiaddr), SIAddr: shown(m.siaddr), GIAddr: shown(m.giaddr),
		Requested: shown(m.requested), Server: shown(m.server),
	}
	for _, r := range m.routers {
		d.Routers = append(d.Routers, shown(r))
	}
	return d
}

func shown(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
