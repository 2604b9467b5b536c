package packet

import (
	"encoding/binary"
	"fmt"
)

// maxDepth bounds how many headers may nest: an attacker gains nothing by a longer chain than any network builds.
const maxDepth = 16

// The errors stand ready, so that a flood of broken frames costs no allocation.
var (
	errLink     = fmt.Errorf("%w: link header cut", ErrMalformed)
	errVLAN     = fmt.Errorf("%w: VLAN tag cut", ErrMalformed)
	errARP      = fmt.Errorf("%w: ARP cut", ErrMalformed)
	errVersion  = fmt.Errorf("%w: IP version is neither 4 nor 6", ErrMalformed)
	errIPv4     = fmt.Errorf("%w: IPv4 header cut", ErrMalformed)
	errIPv4Len  = fmt.Errorf("%w: IPv4 header length below 20", ErrMalformed)
	errIPv4Tot  = fmt.Errorf("%w: IPv4 total length below its header", ErrMalformed)
	errIPv6     = fmt.Errorf("%w: IPv6 header cut", ErrMalformed)
	errExt      = fmt.Errorf("%w: IPv6 extension header cut", ErrMalformed)
	errFragment = fmt.Errorf("%w: fragment beyond 65535 bytes", ErrMalformed)
	errTCP      = fmt.Errorf("%w: TCP header cut", ErrMalformed)
	errTCPLen   = fmt.Errorf("%w: TCP header length below 20 or beyond the segment", ErrMalformed)
	errUDP      = fmt.Errorf("%w: UDP header cut", ErrMalformed)
	errUDPLen   = fmt.Errorf("%w: UDP length below 8", ErrMalformed)
	errICMP     = fmt.Errorf("%w: ICMP header cut", ErrMalformed)
	errGRE      = fmt.Errorf("%w: GRE or ERSPAN header cut", ErrMalformed)
	errMPLS     = fmt.Errorf("%w: MPLS label stack cut", ErrMalformed)
	errPPP      = fmt.Errorf("%w: PPP header cut", ErrMalformed)
	errDepth    = fmt.Errorf("%w: headers nested too deeply", ErrMalformed)
)

// header is a kind of header to go on with.
type header uint8

const (
	headerEthernet header = iota + 1
	headerNull
	headerPPP
	headerCHDLC
	headerSLL
	headerSLL2
	headerRaw
	headerIPv4
	headerIPv6
	headerMPLS
)

// links says what frames of a link type, by its LINKTYPE_ number, begin with.
var links = map[uint16]header{
	0: headerNull, 1: headerEthernet, 9: headerPPP, 12: headerRaw, 14: headerRaw, 101: headerRaw, 104: headerCHDLC,
	108: headerNull, 113: headerSLL, 228: headerIPv4, 229: headerIPv6, 276: headerSLL2,
}

// Supports reports whether frames of a link type (LINKTYPE_ number) are decoded.
func Supports(link uint16) bool { return links[link] != 0 }

// Decode reads the headers of a frame that begins as link (a LINKTYPE_ number) says. It overwrites all of p; p.Payload
// borrows data. An error wraps ErrMalformed, and leaves what was readable before the fault; it is a LinkError for an
// unknown link.
func (p *Packet) Decode(link uint16, data []byte) error {
	*p = Packet{base: cap(data)}
	if link == 1 {
		return p.ethernet(data, 0)
	}
	if h := links[link]; h != 0 {
		return p.read(h, data, 0)
	}
	p.Payload = data
	return LinkError(link)
}

// read goes on with a kind of header. (A table of methods would be shorter, but what is called through it makes every
// Packet escape to the heap.)
func (p *Packet) read(h header, b []byte, depth int) error {
	switch h {
	case headerEthernet:
		// An Ethernet frame's VLANs are its own, also inside a tunnel that has others.
		p.VLANs = [2]uint16{}
		return p.ethernet(b, depth)
	case headerNull:
		return p.null(b)
	case headerPPP:
		return p.ppp(b, depth)
	case headerCHDLC:
		return p.chdlc(b)
	case headerSLL:
		return p.sll(b)
	case headerSLL2:
		return p.sll2(b)
	case headerIPv4:
		return p.ipv4(b, depth)
	case headerIPv6:
		return p.ipv6(b, depth)
	case headerMPLS:
		return p.mpls(b, depth)
	}
	return p.rawIP(b, depth)
}

// cut notes that the frame ends inside a header, and keeps the rest.
func (p *Packet) cut(rest []byte, err error) error {
	p.Truncated = true
	p.Payload = rest
	return err
}

// ethernet reads an Ethernet II or IEEE 802.3 header.
func (p *Packet) ethernet(b []byte, depth int) error {
	if len(b) < 14 {
		return p.cut(b, errLink)
	}
	p.reach(b, 14)
	copy(p.DstMAC[:], b)
	copy(p.SrcMAC[:], b[6:])
	return p.ether(binary.BigEndian.Uint16(b[12:]), b[14:], depth)
}

// ether goes on behind an EtherType.
func (p *Packet) ether(kind uint16, b []byte, depth int) error {
	// 802.1Q, 802.1ad and the number that switches used before it.
	for tags := 0; kind == 0x8100 || kind == 0x88a8 || kind == 0x9100; tags++ {
		if len(b) < 4 {
			p.EtherType = kind
			return p.cut(b, errVLAN)
		}
		p.reach(b, 4)
		if tags < len(p.VLANs) {
			p.VLANs[tags] = binary.BigEndian.Uint16(b) & 0xfff
		}
		kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	p.EtherType = kind
	switch kind {
	case EtherIPv4:
		return p.ipv4(b, depth)
	case EtherIPv6:
		return p.ipv6(b, depth)
	case EtherARP:
		return p.arp(b)
	case etherMPLS, etherMPLSMulti:
		return p.mpls(b, depth)
	case etherPPPoE:
		return p.pppoe(b, depth)
	}
	if kind <= 1500 {
		return p.llc(b, depth)
	}
	p.Payload = b
	return nil
}

// llc reads an IEEE 802.2 header behind a length (in p.EtherType): what SNAP wraps is decoded, the rest is payload.
func (p *Packet) llc(b []byte, depth int) error {
	if n := int(p.EtherType); n < len(b) {
		b = b[:n] // the rest is padding
	} else if n > len(b) {
		p.Truncated, p.Missing = true, n-len(b)
	}
	p.Payload = b
	if len(b) < 8 {
		return nil
	}
	p.reach(b, 8)
	// DSAP and SSAP AA, unnumbered information, organisation 00-00-00 or 00-00-F8: an EtherType follows.
	if b[0] != 0xaa || b[1] != 0xaa || b[2] != 3 || b[3] != 0 || b[4] != 0 || b[5] != 0 && b[5] != 0xf8 {
		return nil
	}
	if kind := binary.BigEndian.Uint16(b[6:]); kind > 1500 && depth < maxDepth {
		p.Truncated, p.Missing = false, 0
		return p.ether(kind, b[8:], depth+1)
	}
	return nil
}

// null reads the address family of a BSD loopback, in either byte order: a file may have been written on another
// machine than the one that reads it.
func (p *Packet) null(b []byte) error {
	if len(b) < 4 {
		return p.cut(b, errLink)
	}
	family := binary.LittleEndian.Uint32(b)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(b)
	}
	switch family {
	case 2: // AF_INET, everywhere
		return p.ipv4(b[4:], 0)
	case 10, 24, 28, 30: // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS; Windows writes 23 or 24
		return p.ipv6(b[4:], 0)
	}
	return p.rawIP(b[4:], 0)
}

// sll reads the header of Linux's "any" device.
func (p *Packet) sll(b []byte) error {
	if len(b) < 16 {
		return p.cut(b, errLink)
	}
	if binary.BigEndian.Uint16(b[4:]) == 6 {
		copy(p.SrcMAC[:], b[6:])
	}
	return p.cooked(binary.BigEndian.Uint16(b[14:]), b[16:])
}

// sll2 reads the second version of that header.
func (p *Packet) sll2(b []byte) error {
	if len(b) < 20 {
		return p.cut(b, errLink)
	}
	if b[11] == 6 {
		copy(p.SrcMAC[:], b[12:])
	}
	return p.cooked(binary.BigEndian.Uint16(b), b[20:])
}

// cooked goes on behind a protocol field of the "any" device, where 4 stands for an 802.2 frame without its length.
func (p *Packet) cooked(kind uint16, b []byte) error {
	if kind == 4 {
		p.EtherType = uint16(min(len(b), 1500))
		return p.llc(b, 0)
	}
	if kind <= 1500 {
		p.EtherType, p.Payload = kind, b
		return nil
	}
	return p.ether(kind, b, 0)
}

// chdlc reads Cisco's HDLC header: address, control, EtherType.
func (p *Packet) chdlc(b []byte) error {
	if len(b) < 4 {
		return p.cut(b, errLink)
	}
	return p.ether(binary.BigEndian.Uint16(b[2:]), b[4:], 0)
}

// rawIP goes by the version nibble.
func (p *Packet) rawIP(b []byte, depth int) error {
	if len(b) == 0 {
		return p.cut(b, errVersion)
	}
	p.reach(b, 1)
	switch b[0] >> 4 {
	case 4:
		return p.ipv4(b, depth)
	case 6:
		return p.ipv6(b, depth)
	}
	p.Payload = b
	return errVersion
}
