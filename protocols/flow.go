package protocols

import (
	"cmp"
	"encoding/hex"
	"net/netip"
	"slices"
	"time"
)

// MAC is an Ethernet address; the zero value means that none was seen.
type MAC [6]byte

// IsZero reports whether no address is set.
func (m MAC) IsZero() bool { return m == MAC{} }

// IsGroup reports whether the address is a multicast or broadcast address.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// String gives the usual colon form.
func (m MAC) String() string {
	var b [17]byte
	for i, x := range m {
		if i > 0 {
			b[3*i-1] = ':'
		}
		hex.Encode(b[3*i:], []byte{x})
	}
	return string(b[:])
}

// Transport is what carries a protocol's messages.
type Transport uint8

// The transports.
const (
	TransportOther Transport = iota // IP without ports, or no IP
	TransportTCP
	TransportUDP
	TransportICMP
	TransportEthernet
)

// String gives the lower-case name.
func (t Transport) String() string {
	return [...]string{"other", "tcp", "udp", "icmp", "ethernet"}[min(int(t), 4)]
}

// Endpoint is one end of a conversation. Addr is invalid where there is no IP; MAC is zero where there is no Ethernet.
type Endpoint struct {
	Addr netip.Addr
	Port uint16
	MAC  MAC
}

// String gives "10.0.0.5:502", "[fe80::1]:502", or the MAC where there is no IP.
func (e Endpoint) String() string {
	if !e.Addr.IsValid() {
		return e.MAC.String()
	}
	return netip.AddrPortFrom(e.Addr, e.Port).String()
}

// Address is the address of one end without its port: the IP, or the MAC where there is no IP. It is comparable.
type Address struct {
	IP  netip.Addr
	MAC MAC
}

// Address gives the endpoint's address. An IPv4 address and its IPv6-mapped form are one.
func (e Endpoint) Address() Address {
	if e.Addr.IsValid() {
		return Address{IP: e.Addr.Unmap()}
	}
	return Address{MAC: e.MAC}
}

// String gives the IP, or the MAC where there is none.
func (a Address) String() string {
	if a.IP.IsValid() {
		return a.IP.String()
	}
	return a.MAC.String()
}

// Compare orders addresses: those without IP first.
func (a Address) Compare(o Address) int {
	return cmp.Or(a.IP.Compare(o.IP), slices.Compare(a.MAC[:], o.MAC[:]))
}

// Conversation is who talks to whom. It never changes once published: a conversation that turns out to run the other
// way round is a new Conversation value.
type Conversation struct {
	ID        uint64 // the same for the same five-tuple and start; unique within a run for practical purposes
	Client    Endpoint
	Server    Endpoint
	Transport Transport
	VLANs     [2]uint16 // outermost first; 0: none
	// Proven is true when handshake or content settled which end is the client; false when it is a guess from ports.
	Proven bool
}

// Flow is what passed in one conversation since it was last reported: sums to add, times to widen.
type Flow struct {
	Conv        *Conversation
	Protocol    string    // label of the protocol that was recognised, or empty
	Ordinary    bool      // the protocol serves any network: see [Spec.Ordinary]
	Packets     [2]uint64 // by Side
	Bytes       [2]uint64 // frame lengths on the wire, by Side
	First, Last time.Time
	Frame       uint64 // the number of the first frame counted here
	Source      uint16

	// Opened counts conversations that this flow stands for (1 in the first report of each), Refused those whose
	// opening was answered with a reset or an ICMP unreachable, Answered those in which the other side
	// sent anything but a refusal.
	Opened, Refused, Answered uint64
	// Began is true in the first report of a conversation whose opening handshake was seen, in part at least; false for
	// one that may be older than the capture, and where there are no handshakes.
	Began bool

	Coverage Coverage
}

// Coverage counts payload bytes by how well they were understood. The parts are disjoint.
type Coverage struct {
	Decoded    uint64 // dissected into events
	Recognised uint64 // the protocol is known, its content was not read
	Opaque     uint64 // no protocol recognised
	Encrypted  uint64 // encrypted, metadata only
	Gap        uint64 // lost before the sensor saw them
	Malformed  uint64 // messages, not bytes: those that broke their specification
	Messages   uint64 // messages dissected
	Unanswered uint64 // requests that were left without an answer
	Conflicts  uint64 // segments that repeat bytes with different content; the first copy was read
}

// Add adds o to c.
func (c *Coverage) Add(o Coverage) {
	c.Decoded += o.Decoded
	c.Recognised += o.Recognised
	c.Opaque += o.Opaque
	c.Encrypted += o.Encrypted
	c.Gap += o.Gap
	c.Malformed += o.Malformed
	c.Messages += o.Messages
	c.Unanswered += o.Unanswered
	c.Conflicts += o.Conflicts
}

// NoticeKind says what a [Notice] is about.
type NoticeKind uint8

// The kinds of notices.
const (
	// NoticeConflict is a segment, or a fragment of a datagram, that repeats bytes with different content. The first copy
	// was read; a receiver may have taken the other, so somebody may be hiding what he says.
	NoticeConflict NoticeKind = iota + 1
)

// Notice is something that the transport of a conversation showed, apart from its messages. Where only the hosts are
// known, as with fragments, the conversation has no ports and From is its client.
type Notice struct {
	Kind   NoticeKind
	Conv   *Conversation
	From   Side
	Time   time.Time
	Source uint16
	Frame  uint64 // 1-based, in its source
}

// Binding says that an IP address was used by a MAC on this link at a time: from ARP, neighbour discovery, or the
// source addresses of a frame. It is first-hand only when OnLink: other frames may come through a router.
type Binding struct {
	Time   time.Time
	Addr   netip.Addr
	MAC    MAC
	VLAN   uint16
	OnLink bool
}
