package bacnet

import (
	"fmt"
	"net/netip"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Bits of the control octet (6.2.2).
const (
	controlMessage     = 0x80
	controlDestination = 0x20
	controlSource      = 0x08
	controlReserved    = 0x50
)

// allNetworks is the destination of what is for everybody.
const allNetworks = 0xffff

// station is a device behind a router: the number of its network and its address there. It is comparable.
type station struct {
	network uint16
	size    uint8
	address [7]byte
}

// read takes a network number and an address; one that is longer than any known is cut.
func (s *station) read(c *wire.Cursor) {
	s.network, s.size = c.U16(), c.U8()
	copy(s.address[:], c.Bytes(int(s.size)))
}

// unit gives the address as a unit: stations on a serial bus have one octet.
func (s *station) unit() (uint16, bool) {
	return uint16(s.address[0]), s.size == 1
}

// addr gives the address as that of a device on another IP network (J.1.2); invalid where it is none.
func (s *station) addr() netip.Addr {
	if s.size != 6 || s.address[4] != 0xba || s.address[5]&0xf0 != 0xc0 {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(s.address[:4]))
}

func (s *station) String() string {
	return fmt.Sprintf("%x", s.address[:min(int(s.size), len(s.address))])
}

// network is the header of the network layer (6.2).
type network struct {
	control     uint8
	destination station
	source      station
	hops        uint8
	kind        uint8 // of a network layer message
}

func (n *network) isMessage() bool { return n.control&controlMessage != 0 }

// parse reads the header and gives what is behind it.
func (n *network) parse(b []byte) ([]byte, error) {
	c := wire.New(b)
	version := c.U8()
	n.control = c.U8()
	if n.control&controlDestination != 0 {
		n.destination.read(&c)
	}
	if n.control&controlSource != 0 {
		n.source.read(&c)
	}
	if n.control&controlDestination != 0 {
		n.hops = c.U8()
	}
	if n.isMessage() {
		n.kind = c.U8()
	}
	switch {
	case c.Failed():
		return nil, malformed("network header in %d bytes", len(b))
	case version != 1:
		return nil, malformed("network layer of version %d", version)
	case n.control&controlReserved != 0:
		return nil, malformed("control octet 0x%02x", n.control)
	}
	return c.Rest(), nil
}

// networkMessage is a message of the network layer.
type networkMessage struct {
	name    string
	action  protocols.Action
	outcome protocols.Outcome
	lists   bool // network numbers follow
	skip    int  // octets before them
}

// networkMessages are those of clause 6.4 and 24 by their number.
var networkMessages = [...]networkMessage{
	0x00: {"Who-Is-Router-To-Network", protocols.ActionBrowse, protocols.OutcomeAsked, true, 0},
	0x01: {"I-Am-Router-To-Network", protocols.ActionBrowse, protocols.OutcomeDone, true, 0},
	0x02: {"I-Could-Be-Router-To-Network", protocols.ActionBrowse, protocols.OutcomeDone, true, 0},
	0x03: {"Reject-Message-To-Network", protocols.ActionConnect, protocols.OutcomeRefused, true, 1},
	0x04: {"Router-Busy-To-Network", protocols.ActionConnect, protocols.OutcomeUnknown, true, 0},
	0x05: {"Router-Available-To-Network", protocols.ActionConnect, protocols.OutcomeUnknown, true, 0},
	0x06: {"Initialize-Routing-Table", protocols.ActionConfigure, protocols.OutcomeAsked, false, 0},
	0x07: {"Initialize-Routing-Table-Ack", protocols.ActionConfigure, protocols.OutcomeDone, false, 0},
	0x08: {"Establish-Connection-To-Network", protocols.ActionConnect, protocols.OutcomeAsked, true, 0},
	0x09: {"Disconnect-Connection-To-Network", protocols.ActionConnect, protocols.OutcomeAsked, true, 0},
	0x0a: {"Challenge-Request", protocols.ActionLogin, protocols.OutcomeAsked, false, 0},
	0x0b: {"Security-Payload", protocols.ActionNone, protocols.OutcomeUnknown, false, 0},
	0x0c: {"Security-Response", protocols.ActionLogin, protocols.OutcomeUnknown, false, 0},
	0x0d: {"Request-Key-Update", protocols.ActionLogin, protocols.OutcomeAsked, false, 0},
	0x0e: {"Update-Key-Set", protocols.ActionConfigure, protocols.OutcomeAsked, false, 0},
	0x0f: {"Update-Distribution-Key", protocols.ActionConfigure, protocols.OutcomeAsked, false, 0},
	0x10: {"Request-Master-Key", protocols.ActionLogin, protocols.OutcomeAsked, false, 0},
	0x11: {"Set-Master-Key", protocols.ActionConfigure, protocols.OutcomeAsked, false, 0},
	0x12: {"What-Is-Network-Number", protocols.ActionBrowse, protocols.OutcomeAsked, false, 0},
	0x13: {"Network-Number-Is", protocols.ActionBrowse, protocols.OutcomeDone, true, 0},
}

// rejectMessageReasons are why a router did not forward (6.4.4).
var rejectMessageReasons = [...]string{
	"other", "not-directly-connected", "network-busy", "unknown-message", "message-too-long", "security-error",
	"addressing-error",
}

// routes are the fact that a device routes, which who says so shows.
var routes = [2][]protocols.Fact{
	protocols.Client: {{About: protocols.Client, Key: protocols.FactRole, Value: "gateway", Confidence: 60}},
	protocols.Server: {{About: protocols.Server, Key: protocols.FactRole, Value: "gateway", Confidence: 60}},
}

const maxNetworks = 64 // of which a message is about, that are told

// networkMessage gives the event of a message of the network layer.
func (d *dissector) networkMessage(dst []protocols.Event, in protocols.Message, l *link, n *network, body []byte) ([]protocols.Event, error) {
	row := networkMessage{name: "Network Layer Message " + fmt.Sprint(n.kind)}
	if int(n.kind) < len(networkMessages) {
		row = networkMessages[n.kind]
	}
	e := protocols.Event{From: in.From, Action: row.action, Outcome: row.outcome, Message: row.name}
	if n.kind == 0x01 && n.control&controlSource == 0 && !l.origin.IsValid() {
		e.Facts = routes[in.From]
	}
	var networks []uint16
	c := wire.New(body)
	reason := c.Peek(0)
	c.Skip(row.skip)
	for row.lists && c.Len() >= 2 && len(networks) < maxNetworks {
		networks = append(networks, c.U16())
	}
	if len(networks) > 0 {
		e.Object = protocols.Object{Area: "network", Name: fmt.Sprintf("network %d", networks[0])}
	}
	if in.Detail {
		detail := l.detail(n)
		detail.NetworkMessage, detail.Networks = ptr(n.kind), networks
		if row.skip > 0 {
			detail.Reason = named(at(rejectMessageReasons[:], int(reason)), "reason-", uint64(reason))
		}
		e.Detail = detail
	}
	dst = append(dst, e)
	if c.Failed() {
		return dst, malformed("%s of %d bytes", row.name, len(body))
	}
	return dst, nil
}

// at gives the text of a number; empty where there is none.
func at(table []string, i int) string {
	if i >= 0 && i < len(table) {
		return table[i]
	}
	return ""
}
