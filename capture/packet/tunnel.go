package packet

import "encoding/binary"

const (
	portVXLAN  = 4789
	portGeneve = 6081

	etherTEB       = 0x6558 // transparent Ethernet bridging
	etherERSPAN    = 0x88be // types I and II
	etherERSPAN3   = 0x22eb
	etherPPP       = 0x880b
	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
	etherPPPoE     = 0x8864
)

// enter decodes what a tunnel carries. An IP tunnel hides the link addresses of the inner hosts, so they are forgotten;
// the VLAN the tunnel runs in stays unless an inner Ethernet header tells its own. What turns out not to be a packet
// leaves the outer one in place, with b as its payload.
func (p *Packet) enter(b []byte, depth int, inner header) error {
	p.Payload = b
	if depth >= maxDepth {
		return errDepth
	}
	outer := *p
	*p = Packet{Tunnels: outer.Tunnels + 1, VLANs: outer.VLANs, Reach: outer.Reach, base: outer.base}
	err := p.read(inner, b, depth+1)
	if err != nil && !p.Src.IsValid() {
		outer.Reach = p.Reach
		*p = outer
	}
	return err
}

// ipTunnel goes into what IP carries under a tunnel's protocol number.
func (p *Packet) ipTunnel(proto uint8, b []byte, depth int) error {
	switch proto {
	case 4: // IP in IP (RFC 2003)
		return p.enter(b, depth, headerIPv4)
	case 41: // IPv6 (RFC 4213)
		return p.enter(b, depth, headerIPv6)
	case 137: // MPLS in IP (RFC 4023)
		return p.enter(b, depth, headerMPLS)
	}
	return p.gre(b, depth)
}

// gre reads generic routing encapsulation (RFC 2784, 2890; version 1 as PPTP has it, RFC 2637).
func (p *Packet) gre(b []byte, depth int) error {
	p.Payload = b
	if len(b) < 4 {
		return p.cut(b, errGRE)
	}
	p.reach(b, 4)
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	const checksum, routing, key, sequence, ack = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
	if flags&routing != 0 || flags&7 > 1 {
		return nil // source routes are not in use; the payload is opaque
	}
	size := 4
	for _, bit := range [...]uint16{checksum, key, sequence} {
		if flags&bit != 0 {
			size += 4
		}
	}
	if flags&7 == 1 && flags&ack != 0 {
		size += 4
	}
	if len(b) < size {
		return p.cut(nil, errGRE)
	}
	b = b[size:]
	switch kind {
	case etherTEB:
		return p.enter(b, depth, headerEthernet)
	case etherERSPAN:
		if flags&sequence == 0 { // type I has no header of its own
			return p.enter(b, depth, headerEthernet)
		}
		return p.erspan(b, 8, depth)
	case etherERSPAN3:
		size = 12
		if len(b) >= size {
			p.reach(b, size)
			if b[11]&1 != 0 { // a platform's own subheader follows
				size = 20
			}
		}
		return p.erspan(b, size, depth)
	case etherPPP:
		return p.enter(b, depth, headerPPP)
	case EtherIPv4:
		return p.enter(b, depth, headerIPv4)
	case EtherIPv6:
		return p.enter(b, depth, headerIPv6)
	case etherMPLS, etherMPLSMulti:
		return p.enter(b, depth, headerMPLS)
	}
	p.Payload = b
	return nil
}

// erspan reads the header of a mirrored frame (draft-foschiano-erspan §4); its VLAN is that of the mirrored port, which
// an untagged frame does not tell itself.
func (p *Packet) erspan(b []byte, size, depth int) error {
	if len(b) < size {
		return p.cut(b, errGRE)
	}
	p.reach(b, size)
	vlan := binary.BigEndian.Uint16(b) & 0xfff
	tunnels := p.Tunnels
	err := p.enter(b[size:], depth, headerEthernet)
	if p.Tunnels == tunnels+1 && p.VLANs[0] == 0 {
		p.VLANs[0] = vlan
	}
	return err
}

// udpTunnel goes into what rides on a tunnel's UDP port. The port is only a hint: what does not fit is a datagram like
// any other.
func (p *Packet) udpTunnel(depth int) {
	b := p.Payload
	if len(b) < 8 {
		return
	}
	p.reach(b, 8)
	switch p.DstPort {
	case portVXLAN: // RFC 7348 §5: flags with the I bit, 24 bits reserved, network identifier, 8 bits reserved
		if b[0]&0x08 != 0 && b[7] == 0 {
			p.attempt(b[8:], depth, headerEthernet)
		}
	case portGeneve: // RFC 8926 §3.4: version 0, length of options in words, EtherType of the payload
		if b[0]>>6 != 0 || len(b) < 8+int(b[0]&0x3f)*4 {
			return
		}
		rest := b[8+int(b[0]&0x3f)*4:]
		switch binary.BigEndian.Uint16(b[2:]) {
		case etherTEB:
			p.attempt(rest, depth, headerEthernet)
		case EtherIPv4, EtherIPv6:
			p.attempt(rest, depth, headerRaw)
		}
	}
}

// attempt enters a tunnel and stays outside without complaint where it finds no packet.
func (p *Packet) attempt(b []byte, depth int, inner header) {
	payload, tunnels := p.Payload, p.Tunnels
	if err := p.enter(b, depth, inner); err != nil && p.Tunnels == tunnels {
		p.Payload = payload
	}
}

// mpls skips a label stack (RFC 3032 §2.1). What follows tells itself by its first nibble: IP, or a pseudowire's control
// word (RFC 4385 §3) before Ethernet; else it is Ethernet without one.
func (p *Packet) mpls(b []byte, depth int) error {
	p.Payload = b
	for bottom := false; !bottom; b = b[4:] {
		if len(b) < 4 {
			return p.cut(b, errMPLS)
		}
		p.reach(b, 4)
		bottom = b[2]&1 != 0
	}
	if depth >= maxDepth {
		return errDepth
	}
	if len(b) == 0 {
		p.Payload = b
		return nil
	}
	p.reach(b, 1)
	switch b[0] >> 4 {
	case 4:
		p.Tunnels++
		return p.ipv4(b, depth+1)
	case 6:
		p.Tunnels++
		return p.ipv6(b, depth+1)
	case 0:
		if len(b) < 4 {
			return p.cut(b, errMPLS)
		}
		b = b[4:]
	}
	return p.enter(b, depth, headerEthernet)
}

// pppoe reads a PPPoE session header (RFC 2516 §4).
func (p *Packet) pppoe(b []byte, depth int) error {
	p.Payload = b
	if len(b) < 6 {
		return p.cut(b, errPPP)
	}
	p.reach(b, 6)
	if b[0] != 0x11 || b[1] != 0 {
		return nil
	}
	if n := int(binary.BigEndian.Uint16(b[4:])); n < len(b)-6 {
		b = b[:6+n]
	}
	p.Tunnels++
	return p.ppp(b[6:], depth+1)
}

// ppp reads PPP with or without the HDLC address and control bytes (RFC 1662 §3.1), and with the protocol field
// whole or compressed to one byte (§2).
func (p *Packet) ppp(b []byte, depth int) error {
	if len(b) >= 2 {
		p.reach(b, 2)
		if b[0] == 0xff && b[1] == 3 {
			b = b[2:]
		}
	}
	p.Payload = b
	if depth > maxDepth {
		return errDepth
	}
	if len(b) < 2 {
		return p.cut(b, errPPP)
	}
	p.reach(b, 2)
	kind := uint16(b[0])
	if b = b[1:]; kind&1 == 0 {
		kind, b = kind<<8|uint16(b[0]), b[1:]
	}
	p.Payload = b
	switch kind {
	case 0x21:
		return p.ipv4(b, depth)
	case 0x57:
		return p.ipv6(b, depth)
	}
	return nil
}
