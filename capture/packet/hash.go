package packet

import (
	"encoding/binary"
	"net/netip"
)

// Hash spreads frames over workers: it is the same for every frame between two hosts, in either direction, of whatever
// protocol, fragmented or not, so that a worker sees whole conversations. It goes by the innermost pair of IP
// addresses; for an ICMP error by the pair it quotes, so that it reaches the worker of the conversation it is about;
// without IP by the pair of MAC addresses. Link is a LINKTYPE_ number. A fragmented tunnel goes by the addresses of the
// datagram that was fragmented.
func Hash(link uint16, data []byte) uint32 {
	var p Packet
	// An error leaves what was readable, and that is what there is to go by.
	_ = p.Decode(link, data)
	return p.Hash()
}

// Hash is [Hash] of a decoded packet.
func (p *Packet) Hash() uint32 {
	var a, b uint64
	switch {
	case p.ICMP.Quoted:
		return p.ICMP.hash()
	case p.Src.IsValid():
		a, b = fold(p.Src), fold(p.Dst)
	default:
		a, b = word(p.SrcMAC), word(p.DstMAC)
	}
	return both(a, b)
}

// QuotedHash is the same for every error about packets between the same two hosts.
func (c *ICMP) QuotedHash() uint16 { return uint16(c.hash()) }

func (c *ICMP) hash() uint32 { return both(fold(c.Src), fold(c.Dst)) }

// both mixes before it adds, addition being what makes the order of the two indifferent.
func both(a, b uint64) uint32 { return uint32(mix(mix(a)+mix(b)) >> 32) }

func fold(a netip.Addr) uint64 {
	b := a.As16()
	return mix(binary.BigEndian.Uint64(b[:8])) ^ binary.BigEndian.Uint64(b[8:])
}

func word(m [6]byte) uint64 {
	return uint64(binary.BigEndian.Uint16(m[:]))<<32 | uint64(binary.BigEndian.Uint32(m[2:]))
}

// mix is the finalizer of SplitMix64: every bit of x changes about half of the result.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
