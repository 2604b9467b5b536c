package packet

import (
	"encoding/binary"
	"net/netip"
)

// icmp reads an ICMP or ICMPv6 message; of an error also which packet it is about.
func (p *Packet) icmp(b []byte) error {
	if len(b) < 4 {
		p.Missing = 0
		return p.cut(nil, errICMP)
	}
	p.reach(b, 4)
	p.ICMP.Type, p.ICMP.Code = b[0], b[1]
	if len(b) < 8 {
		p.Payload = nil
		return nil
	}
	p.Payload = b[8:]
	switch {
	case p.Proto == ProtoICMP && icmpErrors&(1<<min(p.ICMP.Type, 31)) != 0:
		p.quote4(b[8:])
	case p.Proto == ProtoICMPv6 && p.ICMP.Type >= 1 && p.ICMP.Type <= 4:
		p.quote6(b[8:])
	}
	return nil
}

// icmpErrors has a bit for each ICMP type that quotes a packet: unreachable, source quench, redirect, time exceeded,
// parameter problem.
const icmpErrors = 1<<3 | 1<<4 | 1<<5 | 1<<11 | 1<<12

func (p *Packet) quote4(b []byte) {
	if len(b) < 20 {
		return
	}
	p.reach(b, 20)
	if b[0]>>4 != 4 {
		return
	}
	c := &p.ICMP
	c.Quoted, c.Proto = true, b[9]
	c.Src, c.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	if binary.BigEndian.Uint16(b[6:])&0x1fff == 0 {
		c.ports(b, int(b[0]&0xf)*4)
	}
}

func (p *Packet) quote6(b []byte) {
	if len(b) < 40 {
		return
	}
	p.reach(b, 40)
	if b[0]>>4 != 6 {
		return
	}
	c := &p.ICMP
	c.Quoted, c.Proto = true, b[6]
	c.Src, c.Dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	c.ports(b, 40)
}

// ports reads the ports behind the quoted IP header.
func (c *ICMP) ports(b []byte, at int) {
	if (c.Proto == ProtoTCP || c.Proto == ProtoUDP) && at >= 20 && len(b) >= at+4 {
		c.SrcPort, c.DstPort = binary.BigEndian.Uint16(b[at:]), binary.BigEndian.Uint16(b[at+2:])
	}
}
