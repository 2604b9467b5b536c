package packet

import (
	"encoding/binary"
	"net/netip"
)

// arp reads ARP for IPv4 over Ethernet; other kinds stay payload.
func (p *Packet) arp(b []byte) error {
	p.Payload = b
	if len(b) < 8 {
		return p.cut(b, errARP)
	}
	p.reach(b, 8)
	if binary.BigEndian.Uint16(b) != 1 || binary.BigEndian.Uint16(b[2:]) != EtherIPv4 || b[4] != 6 || b[5] != 4 {
		return nil
	}
	if len(b) < 28 {
		return p.cut(b, errARP)
	}
	p.ARP.Op = binary.BigEndian.Uint16(b[6:])
	copy(p.ARP.SenderMAC[:], b[8:])
	p.ARP.SenderIP = netip.AddrFrom4([4]byte(b[14:18]))
	copy(p.ARP.TargetMAC[:], b[18:])
	p.ARP.TargetIP = netip.AddrFrom4([4]byte(b[24:28]))
	p.Payload = b[:28:28]
	return nil
}

// ipv4 reads an IPv4 header (RFC 791 §3.1).
func (p *Packet) ipv4(b []byte, depth int) error {
	if len(b) < 20 {
		return p.cut(b, errIPv4)
	}
	p.reach(b, 20)
	if b[0]>>4 != 4 {
		p.Payload = b
		return errVersion
	}
	p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	p.TTL, p.Proto = b[8], b[9]
	header := int(b[0]&0xf) * 4
	if header < 20 {
		p.Payload = b[20:]
		return errIPv4Len
	}
	if header > len(b) {
		return p.cut(nil, errIPv4)
	}
	total := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case total == 0: // the sending host left segmentation, and the length, to its network card
	case total < header:
		p.Payload = b[header:]
		return errIPv4Tot
	case total < len(b):
		b = b[:total] // the rest is Ethernet padding
	case total > len(b):
		p.Truncated, p.Missing = true, total-len(b)
	}
	p.Payload = b[header:]
	if frag := binary.BigEndian.Uint16(b[6:]); frag&0x3fff != 0 {
		offset := int(frag&0x1fff) * 8
		p.Fragment = Fragment{
			ID: uint32(binary.BigEndian.Uint16(b[4:])), Offset: uint16(offset), More: frag&0x2000 != 0, Is: true,
		}
		if offset+len(p.Payload) > 65535 {
			return errFragment
		}
		return nil
	}
	return p.transport(p.Proto, p.Payload, depth)
}

// IPv6 extension headers (RFC 8200 §4).
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extAH          = 51
	extNone        = 59
	extDestination = 60
	extMobility    = 135
	extHIP         = 139
	extShim6       = 140
)

// ipv6 reads an IPv6 header and its extension headers.
func (p *Packet) ipv6(b []byte, depth int) error {
	if len(b) < 40 {
		return p.cut(b, errIPv6)
	}
	p.reach(b, 40)
	if b[0]>>4 != 6 {
		p.Payload = b
		return errVersion
	}
	p.Src, p.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	p.TTL, p.Proto = b[7], b[6]
	length := int(binary.BigEndian.Uint16(b[4:]))
	b = b[40:]
	switch {
	case length == 0: // a jumbogram, or a length left to the network card: what was captured
	case length < len(b):
		b = b[:length]
	case length > len(b):
		p.Truncated, p.Missing = true, length-len(b)
	}
	return p.extensions(b, depth)
}

// extensions walks the chain of extension headers that p.Proto begins.
func (p *Packet) extensions(b []byte, depth int) error {
	for range maxDepth {
		var size int
		switch p.Proto {
		case extNone:
			p.Payload = b
			return nil
		case extFragment:
			size = 8
		case extHopByHop, extRouting, extDestination, extMobility, extHIP, extShim6:
			if len(b) >= 2 {
				p.reach(b, 2)
				size = int(b[1])*8 + 8
			}
		case extAH:
			if len(b) >= 2 {
				p.reach(b, 2)
				size = int(b[1])*4 + 8
			}
		default:
			p.Payload = b
			return p.transport(p.Proto, b, depth)
		}
		if size == 0 || size > len(b) {
			return p.cut(b, errExt)
		}
		fragment := p.Proto == extFragment
		if fragment {
			p.reach(b, size)
		}
		head := b
		p.Proto, b = b[0], b[size:]
		if fragment {
			word := binary.BigEndian.Uint16(head[2:])
			f := Fragment{ID: binary.BigEndian.Uint32(head[4:]), Offset: word &^ 7, More: word&1 != 0}
			// An atomic fragment (RFC 6946) is a whole packet.
			if f.Is = f.Offset != 0 || f.More; f.Is {
				p.Fragment, p.Payload = f, b
				if int(f.Offset)+len(b) > 65535 {
					return errFragment
				}
				return nil
			}
		}
	}
	p.Payload = b
	return errDepth
}

// transport reads what follows IP: b is all that was captured of it, p.Missing what was not.
func (p *Packet) transport(proto uint8, b []byte, depth int) error {
	switch proto {
	case ProtoTCP:
		return p.tcp(b)
	case ProtoUDP:
		return p.udp(b, depth)
	case ProtoICMP, ProtoICMPv6:
		return p.icmp(b)
	case 4, 41, 47, 137:
		return p.ipTunnel(proto, b, depth)
	case extAH: // behind IPv4; extensions handles it behind IPv6
		return p.extensions(b, depth)
	}
	p.Payload = b
	return nil
}

// tcp reads a TCP header (RFC 9293 §3.1).
func (p *Packet) tcp(b []byte) error {
	if len(b) >= 4 {
		p.reach(b, 4)
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	if len(b) < 20 {
		p.Missing = 0
		return p.cut(nil, errTCP)
	}
	p.reach(b, 20)
	p.Seq, p.Ack = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	p.Flags, p.Window = TCPFlags(b[13]), binary.BigEndian.Uint16(b[14:])
	header := int(b[12]>>4) * 4
	if header < 20 || header > len(b) && p.Missing == 0 {
		p.Payload, p.Missing = nil, 0
		return errTCPLen
	}
	if header > len(b) { // cut within the options: the payload is missing whole
		p.Missing = max(p.Missing-(header-len(b)), 0)
		return p.cut(nil, nil)
	}
	p.Payload = b[header:]
	return nil
}

// udp reads a UDP header (RFC 768).
func (p *Packet) udp(b []byte, depth int) error {
	if len(b) >= 4 {
		p.reach(b, 4)
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	}
	if len(b) < 8 {
		p.Missing = 0
		return p.cut(nil, errUDP)
	}
	p.reach(b, 8)
	length := int(binary.BigEndian.Uint16(b[4:]))
	b = b[8:]
	p.Payload = b
	switch n := length - 8; {
	case length == 0: // left to the network card, or a jumbogram
	case n < 0:
		return errUDPLen
	case n < len(b):
		p.Payload, p.Missing = b[:n], 0
	default:
		p.Missing = n - len(b)
		p.Truncated = p.Missing > 0
	}
	if p.DstPort == portVXLAN || p.DstPort == portGeneve {
		p.udpTunnel(depth)
	}
	return nil
}
