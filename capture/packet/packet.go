// Package packet reads the headers of one frame, from the link to TCP and UDP, through tunnels to the innermost IP.
//
// [Packet.Decode] fills a struct that the caller reuses; it allocates nothing and keeps no state. A frame that breaks
// off or contradicts itself gives an error that wraps [ErrMalformed], with everything that was readable before in
// place. [Defragmenter] puts IP fragments together, within bounds; [Hash] spreads frames over workers so that whatever
// two hosts say to each other stays together.
//
// The package refuses to interpret: checksums are not verified (capturing hosts leave them to their network card) and
// payload is handed on as bytes. Nothing here is shared; a Packet or Defragmenter is used by one goroutine.
package packet

import (
	"errors"
	"fmt"
	"net/netip"
)

// ErrMalformed is wrapped by every error about a frame's content.
var ErrMalformed = errors.New("packet: malformed")

// LinkError is the error for frames of a link type that is not decoded; it does not wrap ErrMalformed.
type LinkError uint16

// Error names the number, as the list of link types has it.
func (e LinkError) Error() string {
	return fmt.Sprintf("packet: link type %d is not supported; capture on an Ethernet interface", uint16(e))
}

// TCPFlags are the flag bits of a TCP header (RFC 9293 §3.1).
type TCPFlags uint8

// The flags.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// Has reports whether all of f are set.
func (t TCPFlags) Has(f TCPFlags) bool { return t&f == f }

// IP protocol numbers.
const (
	ProtoICMP   = 1
	ProtoTCP    = 6
	ProtoUDP    = 17
	ProtoICMPv6 = 58
)

// EtherTypes that consumers of frames without IP ask for. Values up to 1500 in [Packet.EtherType] are IEEE 802.3
// lengths: the frame has an LLC header, which its Payload begins with.
const (
	EtherIPv4 = 0x0800
	EtherARP  = 0x0806
	EtherIPv6 = 0x86dd
)

// Packet is what the headers of one frame say. Where a frame carries tunnels, everything is that of the innermost
// packet.
type Packet struct {
	SrcMAC, DstMAC [6]byte   // zero where the link has none, or where an IP tunnel hides whose they are
	EtherType      uint16    // of the innermost Ethernet, SLL or like header; 0 on raw IP
	VLANs          [2]uint16 // VLAN identifiers, outermost first; 0: none

	Src, Dst netip.Addr // invalid where there is no IP
	Proto    uint8      // what follows the IP header and its extensions
	TTL      uint8      // time to live, or hop limit
	Fragment Fragment

	SrcPort, DstPort uint16 // of TCP and UDP
	Seq, Ack         uint32
	Flags            TCPFlags
	Window           uint16 // unscaled

	ARP  ARP
	ICMP ICMP

	// Payload is what follows the headers that were read: a TCP segment's or UDP datagram's data, the data of a
	// fragment, or what follows the EtherType. It borrows the frame (or the Defragmenter's buffer).
	Payload []byte
	// Truncated says that the capture cut the packet; Missing is how many bytes of Payload are not there.
	Truncated bool
	Missing   int
	// Cut says that the missing bytes were on the wire: see [Packet.Wire]. Without it the packet may say that it is longer
	// than it ever was, and no receiver would take it.
	Cut bool
	// Tunnels counts the tunnel headers that were passed to get here.
	Tunnels uint8
	// Reach is how far into the frame headers were looked at, in bytes, also within a tunnel that turned out to be none: who
	// sees only so much of the frame comes to the same result. It says nothing of a datagram put together from fragments.
	Reach int

	base int // capacity of the frame, from which that of a part of it tells the part's offset
}

// reach notes that the first n bytes of b, a part of the frame, were looked at.
func (p *Packet) reach(b []byte, n int) { p.Reach = p.base - cap(b) + n }

// Wire tells how long the frame was on the wire, of which captured bytes were decoded.
func (p *Packet) Wire(length, captured int) {
	p.Cut = p.Missing > 0 && length-captured >= p.Missing
}

// Fragment is where a packet's payload belongs in its datagram. A first fragment is not decoded beyond IP either: its
// ports are known when the datagram is whole.
type Fragment struct {
	ID     uint32
	Offset uint16 // in bytes
	More   bool   // not the last fragment
	Is     bool   // the packet is a fragment
}

// ARP is an ARP packet for IPv4 over Ethernet (RFC 826); Op 0 means that the frame has none.
type ARP struct {
	Op                   uint16 // 1 request, 2 reply
	SenderMAC, TargetMAC [6]byte
	SenderIP, TargetIP   netip.Addr
}

// ICMP is the head of an ICMP or ICMPv6 message.
type ICMP struct {
	Type, Code uint8
	// Quoted is set when the message is an error that quotes the packet it is about (RFC 792, RFC 4443 §3).
	Quoted           bool
	Proto            uint8
	Src, Dst         netip.Addr // of the packet quoted
	SrcPort, DstPort uint16
}

// Unreachable reports whether the message says that the quoted packet could not be delivered.
func (p *Packet) Unreachable() bool {
	return p.ICMP.Quoted && (p.Proto == ProtoICMP && p.ICMP.Type == 3 || p.Proto == ProtoICMPv6 && p.ICMP.Type == 1)
}
