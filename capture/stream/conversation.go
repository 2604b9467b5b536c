package stream

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/spanwatch/spanwatch/capture/packet"
)

// Direction tells the two ways of a conversation apart.
type Direction uint8

// The directions. A is the end that sent the first packet seen.
const (
	AtoB Direction = 0
	BtoA Direction = 1
)

// Initiator says which way a TCP connection was opened.
type Initiator uint8

// The initiators.
const (
	InitiatorUnknown Initiator = iota // no handshake was seen, or there is none
	InitiatorA
	InitiatorB
)

// Reason says why a conversation was closed.
type Reason uint8

// The reasons.
const (
	ReasonFinished Reason = iota // both sides sent FIN, or one RST
	ReasonExpired                // idle longer than the timeout
	ReasonEvicted                // the table was full
	ReasonEnd                    // the capture ended
	ReasonReused                 // a new connection between the same ports began
)

// String gives a lower-case word.
func (r Reason) String() string {
	return [...]string{"finished", "expired", "evicted", "end", "reused", "unknown"}[min(int(r), 5)]
}

// Endpoint is one end of a conversation.
type Endpoint struct {
	Addr netip.Addr // invalid where there is no IP
	Port uint16     // 0 where there are no ports
	MAC  [6]byte    // as in the first packet; zero where there is no Ethernet
}

// Conversation is all packets between two endpoints: an innermost five-tuple, or without IP two MAC addresses and an
// EtherType. Its exported fields are for reading.
type Conversation struct {
	// ID is made of the endpoints, the frame number and the time of the first packet: the same in every run and for any
	// number of workers.
	ID        uint64
	A, B      Endpoint
	Proto     uint8  // IP protocol number; 0 where there is no IP
	EtherType uint16 // where there is no IP; 0 stands for every IEEE 802.3 frame with an LLC header
	VLANs     [2]uint16

	Initiator             Initiator
	SYN, SYNACK, RST, FIN bool // seen
	Unreachable           bool // an ICMP error said that one end could not be reached

	Packets [2]uint64 // seen, by Direction
	// Counted and Bytes are what of these counts here, see [Table.Read]; bytes are lengths on the wire.
	Counted, Bytes [2]uint64
	First, Last    time.Time
	FirstFrame     uint64

	// User belongs to the handler.
	User any

	key        key
	aLow       bool // A is the low end of key
	half       [2]half
	class      class
	prev, next *Conversation
}

// key is a five-tuple without direction: low is the lesser end.
type key struct {
	low, high         [16]byte
	lowPort, highPort uint16
	proto             uint8
	family            uint8 // 4, 6, or 0 for Ethernet: an IPv4 address and its mapped twin are two hosts
}

// keyOf gives a packet's key and whether its source is the low end; ok is false for what is no conversation.
func keyOf(p *packet.Packet) (k key, low, ok bool) {
	if p.Fragment.Is {
		return k, false, false
	}
	if p.Src.IsValid() {
		k, low = makeKey(p.Src, p.Dst, p.SrcPort, p.DstPort, p.Proto)
		if p.ICMP.Quoted {
			// Errors about different pairs of hosts are different conversations, as packet.Hash has it.
			k.lowPort = p.ICMP.QuotedHash()
			k.highPort = k.lowPort
		}
		return k, low, true
	}
	if p.ARP.Op != 0 || p.EtherType == packet.EtherARP || p.SrcMAC == [6]byte{} && p.DstMAC == [6]byte{} {
		return k, false, false
	}
	kind := etherType(p)
	k.lowPort, k.highPort = kind, kind
	low = bytes.Compare(p.SrcMAC[:], p.DstMAC[:]) <= 0
	a, b := p.SrcMAC, p.DstMAC
	if !low {
		a, b = b, a
	}
	copy(k.low[:], a[:])
	copy(k.high[:], b[:])
	return k, low, true
}

// etherType is the kind of an Ethernet conversation. The length of an 802.3 frame is no kind.
func etherType(p *packet.Packet) uint16 {
	if p.EtherType <= 1500 {
		return 0
	}
	return p.EtherType
}

func makeKey(src, dst netip.Addr, srcPort, dstPort uint16, proto uint8) (k key, low bool) {
	a, b := src.As16(), dst.As16()
	c := bytes.Compare(a[:], b[:])
	low = c < 0 || c == 0 && srcPort <= dstPort
	k.proto, k.family = proto, 6
	if src.Is4() {
		k.family = 4
	}
	if low {
		k.low, k.high, k.lowPort, k.highPort = a, b, srcPort, dstPort
	} else {
		k.low, k.high, k.lowPort, k.highPort = b, a, dstPort, srcPort
	}
	return k, low
}

// id is FNV-1a over key, frame and time; never 0.
func (k *key) id(frame uint64, at time.Time) uint64 {
	var b [54]byte
	copy(b[:], k.low[:])
	copy(b[16:], k.high[:])
	binary.BigEndian.PutUint16(b[32:], k.lowPort)
	binary.BigEndian.PutUint16(b[34:], k.highPort)
	b[36], b[37] = k.proto, k.family
	binary.BigEndian.PutUint64(b[38:], frame)
	binary.BigEndian.PutUint64(b[46:], uint64(at.UnixNano()))
	h := uint64(14695981039346656037)
	for _, x := range b {
		h = (h ^ uint64(x)) * 1099511628211
	}
	return max(h, 1)
}

// direction gives the way of a packet whose source is the low end of the key or is not. Where both ends are the same
// address and port every packet goes the same way.
func (c *Conversation) direction(low bool) Direction {
	if low == c.aLow {
		return AtoB
	}
	return BtoA
}

// count notes a packet; counted says that it counts here.
func (c *Conversation) count(d Direction, at time.Time, wire int, counted bool) {
	c.Packets[d]++
	if counted {
		c.Counted[d]++
		c.Bytes[d] += uint64(max(wire, 0))
	}
	if at.After(c.Last) {
		c.Last = at
	}
}

// class is which list a conversation is in: by what times it out, and by whether it carried payload, which is worth
// keeping.
type class uint8

const (
	classTCP class = iota
	classDatagram
	classFinished
	classOpening // a SYN that nothing was heard of yet: what a scan leaves behind
	classes
	withPayload = classes // added to the above
)

// list holds conversations in the order of their last packets.
type list struct {
	oldest, newest *Conversation
	length         int
}

func (l *list) push(c *Conversation) {
	c.prev, c.next = l.newest, nil
	if l.newest != nil {
		l.newest.next = c
	} else {
		l.oldest = c
	}
	l.newest = c
	l.length++
}

func (l *list) remove(c *Conversation) {
	l.length--
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.oldest = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		l.newest = c.prev
	}
	c.prev, c.next = nil, nil
}
