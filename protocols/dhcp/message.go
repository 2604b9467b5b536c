package dhcp

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The fixed part of a message (RFC 2131 §2) and the magic cookie in front of its options (RFC 2132 §2).
const (
	opRequest = 1
	opReply   = 2

	fixed  = 236 // up to the magic cookie
	cookie = 0x63825363
	maxHW  = 16 // bytes of chaddr
)

// The options that are read (RFC 2132; 81: RFC 4702).
const (
	optPad         = 0
	optRouter      = 3
	optHostName    = 12
	optDomainName  = 15
	optRequested   = 50
	optMessageType = 53
	optServer      = 54
	optVendorClass = 60
	optFQDN        = 81
	optEnd         = 255
)

// kind is what a message type means (RFC 2132 §9.6, RFC 3203, RFC 4388).
type kind struct {
	name    string
	outcome protocols.Outcome
}

const (
	typeRequest = 3
	typeACK     = 5
	typeInform  = 8
)

var kinds = [...]kind{
	0:           {"Boot Request", protocols.OutcomeAsked}, // without the option: the older BOOTP
	1:           {"DHCP Discover", protocols.OutcomeAsked},
	2:           {"DHCP Offer", protocols.OutcomeDone},
	typeRequest: {"DHCP Request", protocols.OutcomeAsked},
	4:           {"DHCP Decline", protocols.OutcomeAsked},
	typeACK:     {"DHCP ACK", protocols.OutcomeDone},
	6:           {"DHCP NAK", protocols.OutcomeRefused},
	7:           {"DHCP Release", protocols.OutcomeAsked},
	typeInform:  {"DHCP Inform", protocols.OutcomeAsked},
	9:           {"DHCP Force Renew", protocols.OutcomeAsked},
	10:          {"DHCP Lease query", protocols.OutcomeAsked},
	11:          {"DHCP Lease Unassigned", protocols.OutcomeDone},
	12:          {"DHCP Lease Unknown", protocols.OutcomeRefused},
	13:          {"DHCP Lease Active", protocols.OutcomeDone},
}

// message is one message. Its texts are copies.
type message struct {
	op, htype, hlen                uint8
	xid                            uint32
	ciaddr, yiaddr, siaddr, giaddr netip.Addr
	chaddr                         []byte // borrowed
	kind                           uint8
	requested, server              netip.Addr
	routers                        []netip.Addr
	hostName, domainName           string
	vendorClass, fqdn              string
}

// parse reads a message. What could be read is in m even when there is an error.
func (m *message) parse(b []byte) error {
	c := wire.New(b)
	m.op, m.htype, m.hlen = c.U8(), c.U8(), c.U8()
	c.Skip(1) // hops
	m.xid = c.U32()
	c.Skip(4) // secs, flags
	m.ciaddr, m.yiaddr, m.siaddr, m.giaddr = address(&c), address(&c), address(&c), address(&c)
	chaddr := c.Bytes(maxHW)
	c.Skip(64 + 128) // sname, file
	if magic := c.U32(); c.Failed() || magic != cookie {
		return fmt.Errorf("dhcp: %w: %d bytes without the magic cookie", protocols.ErrMalformed, len(b))
	}
	if m.hlen > maxHW {
		return fmt.Errorf("dhcp: %w: hardware address of %d bytes", protocols.ErrMalformed, m.hlen)
	}
	m.chaddr = chaddr[:m.hlen]
	for c.Len() > 0 {
		code := c.U8()
		if code == optPad {
			continue
		}
		if code == optEnd {
			return m.check()
		}
		value := c.Bytes(int(c.U8()))
		if c.Failed() {
			return fmt.Errorf("dhcp: %w: option %d reaches over the end", protocols.ErrMalformed, code)
		}
		m.option(code, value)
	}
	return m.check() // BOOTP has no end option
}

func (m *message) check() error {
	if int(m.kind) >= len(kinds) {
		return fmt.Errorf("dhcp: %w: message type %d", protocols.ErrMalformed, m.kind)
	}
	return nil
}

func (m *message) option(code uint8, value []byte) {
	switch code {
	case optMessageType:
		if len(value) == 1 {
			m.kind = value[0]
		}
	case optRequested:
		m.requested = ipv4(value)
	case optServer:
		m.server = ipv4(value)
	case optRouter:
		for ; len(value) >= 4 && len(m.routers) < maxRouters; value = value[4:] {
			if router := ipv4(value[:4]); router.IsValid() {
				m.routers = append(m.routers, router)
			}
		}
	case optHostName:
		m.hostName = text(value)
	case optDomainName:
		m.domainName = strings.Trim(text(value), ".")
	case optVendorClass:
		m.vendorClass = text(value)
	case optFQDN:
		m.fqdn = fqdn(value)
	}
}

const maxRouters = 4

// fqdn reads option 81 (RFC 4702 §2): flags, two obsolete bytes, and a name in the format of DNS or, from older
// clients, as text.
func fqdn(value []byte) string {
	const canonical = 0x04 // flag E
	if len(value) < 3 {
		return ""
	}
	flags, name := value[0], value[3:]
	if flags&canonical == 0 {
		return strings.Trim(text(name), ".")
	}
	var labels []string
	for c := wire.New(name); c.Len() > 0; {
		label := c.Bytes(int(c.U8()))
		if len(label) == 0 || len(label) > 63 {
			break
		}
		labels = append(labels, text(label))
	}
	return strings.Join(labels, ".")
}

// text takes a text that a client may have ended with a zero.
func text(b []byte) string { return strings.TrimSpace(strings.TrimRight(string(b), "\x00")) }

func address(c *wire.Cursor) netip.Addr { return ipv4(c.Bytes(4)) }

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// ipv4 gives an address that can belong to a host; invalid otherwise.
func ipv4(b []byte) netip.Addr {
	a, ok := netip.AddrFromSlice(b)
	if !ok || !a.Is4() || a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a == broadcast {
		return netip.Addr{}
	}
	return a
}

// name gives the specification's name of the message.
func (m *message) name() string {
	switch {
	case m.kind == 0 && m.op == opReply:
		return "Boot Reply"
	case int(m.kind) < len(kinds):
		return kinds[m.kind].name
	default:
		return fmt.Sprintf("DHCP message type %d", m.kind)
	}
}

func (m *message) outcome() protocols.Outcome {
	switch {
	case m.kind == 0 && m.op == opReply:
		return protocols.OutcomeDone
	case int(m.kind) < len(kinds):
		return kinds[m.kind].outcome
	default:
		return protocols.OutcomeUnknown
	}
}
