package livetest

import (
	"encoding/binary"
	"net/netip"
)

// Datagram is what a frame for tests says; zero values are left out or plausible.
type Datagram struct {
	Src, Dst         netip.AddrPort
	Proto            uint8    // 6 TCP, 17 UDP
	Flags            uint8    // of TCP
	Seq, Ack         uint32   //
	VLANs            []uint16 // identifiers, outermost first
	Outer            uint16   // what the outermost tag is announced by; 0: 0x8100
	Payload          []byte
	SrcHost, DstHost byte // last bytes of the MAC addresses; 0: of the IP addresses
}

// Frame gives the Ethernet frame: headers are whole, the IP header's checksum is right, those of TCP and UDP are not
// there, as with a card that makes them.
func (d *Datagram) Frame() []byte {
	src, dst := d.Src.Addr(), d.Dst.Addr()
	host := func(given byte, a netip.Addr) byte {
		if given != 0 {
			return given
		}
		raw := a.AsSlice()
		return raw[len(raw)-1]
	}
	b := make([]byte, 0, 54+len(d.Payload)+8)
	b = append(b, 2, 0, 0, 0, 0, host(d.DstHost, dst), 2, 0, 0, 0, 0, host(d.SrcHost, src))
	for i, id := range d.VLANs {
		kind := uint16(0x8100)
		if i == 0 && d.Outer != 0 {
			kind = d.Outer
		}
		b = binary.BigEndian.AppendUint16(b, kind)
		b = binary.BigEndian.AppendUint16(b, id)
	}
	length := len(d.Payload) + 8
	if d.Proto == 6 {
		length = len(d.Payload) + 20
	}
	if src.Is4() {
		b = binary.BigEndian.AppendUint16(b, 0x0800)
		start := len(b)
		b = append(b, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(20+length))
		b = append(b, 0, 0, 0x40, 0, 64, d.Proto, 0, 0)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		binary.BigEndian.PutUint16(b[start+10:], checksum(b[start:]))
	} else {
		b = binary.BigEndian.AppendUint16(b, 0x86dd)
		b = append(b, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(length))
		b = append(b, d.Proto, 64)
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
	}
	b = binary.BigEndian.AppendUint16(b, d.Src.Port())
	b = binary.BigEndian.AppendUint16(b, d.Dst.Port())
	if d.Proto == 6 {
		b = binary.BigEndian.AppendUint32(b, d.Seq)
		b = binary.BigEndian.AppendUint32(b, d.Ack)
		b = append(b, 0x50, d.Flags, 0xff, 0xff, 0, 0, 0, 0)
	} else {
		b = binary.BigEndian.AppendUint16(b, uint16(length))
		b = append(b, 0, 0)
	}
	return append(b, d.Payload...)
}

// checksum is that of an IP header whose own field is zero (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
