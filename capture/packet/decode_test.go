package packet

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// What is missing was on the wire only if the frame was so much longer there.
func TestWire(t *testing.T) {
	frame := unhex(t, ethTCP) // whose IP header says 2 bytes of payload
	for _, c := range []struct {
		kept, wire int
		cut        bool
	}{{56, 56, false}, {55, 56, true}, {54, 56, true}, {54, 54, false}, {54, 55, false}, {54, 60, true}, {56, 90, false}} {
		var p Packet
		if err := p.Decode(1, frame[:c.kept]); err != nil {
			t.Fatal(err)
		}
		if p.Wire(c.wire, c.kept); p.Cut != c.cut || len(p.Payload)+p.Missing != 2 {
			t.Errorf("%d of %d bytes kept: cut is %v, %d bytes and %d missing", c.kept, c.wire, p.Cut, len(p.Payload), p.Missing)
		}
	}
}

// unhex turns annotated hexadecimal into bytes: what stands behind a # is a comment.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var clean strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		clean.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(clean.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The pieces that the cases are put together from.
const (
	macs   = "02000000000b 02000000000a " // to B from A
	hiTCP  = "c000 01f6 00000064 000000c8 5018 0400 0000 0000 6869 "
	ip4TCP = "4500 002a 0001 0000 40 06 0000 0a000001 0a000002 " + hiTCP
	ip6TCP = "60000000 0016 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002 " + hiTCP
	ethTCP = macs + "0800 " + ip4TCP
	// Outer headers of tunnels, with lengths left to the network card.
	outer4 = "02000000000d 02000000000c 0800 4500 0000 0001 0000 40 %PROTO% 0000 c0a80001 c0a80002 "
)

func outer(proto string) string { return strings.Replace(outer4, "%PROTO%", proto, 1) }

var (
	macA, macB = [6]byte{2, 0, 0, 0, 0, 10}, [6]byte{2, 0, 0, 0, 0, 11}
	macC, macD = [6]byte{2, 0, 0, 0, 0, 12}, [6]byte{2, 0, 0, 0, 0, 13}
	a4, b4     = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	c4, d4     = netip.MustParseAddr("192.168.0.1"), netip.MustParseAddr("192.168.0.2")
	a6, b6     = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
)

// tcp4 is what the frame ip4TCP says, with changes.
func tcp4(change ...func(*Packet)) Packet {
	p := Packet{
		EtherType: EtherIPv4, Src: a4, Dst: b4, Proto: ProtoTCP, TTL: 64, SrcPort: 49152, DstPort: 502,
		Seq: 100, Ack: 200, Flags: PSH | ACK, Window: 1024, Payload: []byte("hi"),
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

func tcp6(change ...func(*Packet)) Packet {
	return tcp4(append([]func(*Packet){func(p *Packet) { p.EtherType, p.Src, p.Dst = EtherIPv6, a6, b6 }}, change...)...)
}

func onLink(p *Packet)  { p.SrcMAC, p.DstMAC = macA, macB }
func noType(p *Packet)  { p.EtherType = 0 }
func srcOnly(p *Packet) { p.SrcMAC = macA }
func vlans(v ...uint16) func(*Packet) {
	return func(p *Packet) { copy(p.VLANs[:], v) }
}
func tunnels(n uint8) func(*Packet) { return func(p *Packet) { p.Tunnels = n } }

var decodeCases = []struct {
	name string
	link uint16
	hex  string
	want Packet
	err  error
}{
	{"Ethernet, IPv4, TCP", 1, ethTCP, tcp4(onLink), nil},
	{"Ethernet padding is not payload", 1, ethTCP + "000000000000", tcp4(onLink), nil},
	{"IPv4 and TCP options are skipped", 1, macs + `0800
		4700 0036 0001 0000 40 06 0000 0a000001 0a000002 01010101 94040000   # 8 bytes of options
		c000 01f6 00000064 000000c8 6018 0400 0000 0000 01010402 6869`, tcp4(onLink), nil},
	{"802.1Q", 1, macs + "8100 600a 0800" + ip4TCP, tcp4(onLink, vlans(10)), nil},
	{"QinQ by 802.1ad", 1, macs + "88a8 0064 8100 000a 0800" + ip4TCP, tcp4(onLink, vlans(100, 10)), nil},
	{"QinQ by the old number, three tags deep", 1, macs + "9100 0064 8100 000a 8100 000b 0800" + ip4TCP, tcp4(onLink, vlans(100, 10)), nil},
	{"priority tag", 1, macs + "8100 e000 0800" + ip4TCP, tcp4(onLink), nil},
	{"total length 0 of a host that leaves segmentation to its card", 1, macs + `0800
		4500 0000 0001 0000 40 06 0000 0a000001 0a000002` + hiTCP, tcp4(onLink), nil},
	{"cut by the snap length inside the payload", 1, macs + `0800
		4500 0064 0001 0000 40 06 0000 0a000001 0a000002` + hiTCP, tcp4(onLink, func(p *Packet) { p.Truncated, p.Missing = true, 58 }), nil},
	{"cut inside the TCP options", 1, macs + `0800
		4500 0030 0001 0000 40 06 0000 0a000001 0a000002
		c000 01f6 00000064 000000c8 6018 0400 0000 0000`, tcp4(onLink, func(p *Packet) { p.Payload, p.Truncated, p.Missing = nil, true, 4 }), nil},
	{"Ethernet, IPv6, TCP", 1, macs + "86dd" + ip6TCP, tcp6(onLink), nil},
	{"IPv6 with hop-by-hop, routing, destination options and authentication", 1, macs + `86dd
		60000000 0046 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002
		2b 00 050200000000                        # hop-by-hop: router alert
		3c 00 000000000000                        # routing
		33 00 010400000000                        # destination options
		06 04 0000 00000001 00000001 000000000000000000000000   # authentication, 24 bytes
		` + hiTCP, tcp6(onLink), nil},
	{"IPv6 atomic fragment", 1, macs + `86dd
		60000000 001e 2c 40 20010db8000000000000000000000001 20010db8000000000000000000000002
		06 00 0000 00000007` + hiTCP, tcp6(onLink), nil},
	{"IPv4 with authentication header", 1, macs + `0800
		4500 0042 0001 0000 40 33 0000 0a000001 0a000002
		06 04 0000 00000001 00000001 000000000000000000000000` + hiTCP, tcp4(onLink), nil},
	{"BSD loopback, little-endian", 0, "02000000" + ip4TCP, tcp4(noType), nil},
	{"BSD loopback, big-endian", 0, "00000002" + ip4TCP, tcp4(noType), nil},
	{"BSD loopback, IPv6 of macOS", 0, "1e000000" + ip6TCP, tcp6(noType), nil},
	{"OpenBSD loopback, IPv6", 108, "00000018" + ip6TCP, tcp6(noType), nil},
	{"Linux cooked", 113, "0000 0001 0006 02000000000a 0000 0800" + ip4TCP, tcp4(srcOnly), nil},
	{"Linux cooked with a tag", 113, "0000 0001 0006 02000000000a 0000 8100 000a 0800" + ip4TCP, tcp4(srcOnly, vlans(10)), nil},
	{"Linux cooked v2", 276, "86dd 0000 00000001 0001 00 06 02000000000a 0000" + ip6TCP, tcp6(srcOnly), nil},
	{"raw IP, version 4", 101, ip4TCP, tcp4(noType), nil},
	{"raw IP, version 6, BSD's number", 12, ip6TCP, tcp6(noType), nil},
	{"raw IPv4", 228, ip4TCP, tcp4(noType), nil},
	{"raw IPv6", 229, ip6TCP, tcp6(noType), nil},
	{"Cisco HDLC", 104, "0f00 0800" + ip4TCP, tcp4(), nil},
	{"PPP with HDLC framing", 9, "ff03 0021" + ip4TCP, tcp4(noType), nil},
	{"PPP with a protocol field of one byte", 9, "57" + ip6TCP, tcp6(noType), nil},
	{"LLC and SNAP", 1, macs + "0032 aaaa03 000000 0800" + ip4TCP, tcp4(onLink), nil},
	{"LLC without SNAP is payload up to its length", 1, macs + "0003 424203 00000000", Packet{
		SrcMAC: macA, DstMAC: macB, EtherType: 3, Payload: []byte{0x42, 0x42, 3},
	}, nil},
	{"a kind that is not decoded", 1, macs + "8892 feff05", Packet{
		SrcMAC: macA, DstMAC: macB, EtherType: 0x8892, Payload: []byte{0xfe, 0xff, 5},
	}, nil},
	{"ARP request, padded", 1, macs + "0806 0001 0800 06 04 0001 02000000000a 0a000001 000000000000 0a000002 00000000", Packet{
		SrcMAC: macA, DstMAC: macB, EtherType: EtherARP,
		ARP:     ARP{Op: 1, SenderMAC: macA, SenderIP: a4, TargetIP: b4},
		Payload: []byte("\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x0a\x0a\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0a\x00\x00\x02"),
	}, nil},
	{"UDP, padded behind its own length", 101, `4500 0020 0001 0000 40 11 0000 0a000001 0a000002
		bac0 bac1 000a 0000 6869 0000`, Packet{
		Src: a4, Dst: b4, Proto: ProtoUDP, TTL: 64, SrcPort: 47808, DstPort: 47809, Payload: []byte("hi"),
	}, nil},
	{"ICMP port unreachable quotes a UDP datagram", 101, `4500 0038 0001 0000 40 01 0000 0a000002 0a000001
		03 03 0000 00000000
		4500 0020 0001 0000 40 11 0000 0a000001 0a000002 bac0 bac1 000a 0000`, Packet{
		Src: b4, Dst: a4, Proto: ProtoICMP, TTL: 64,
		ICMP:    ICMP{Type: 3, Code: 3, Quoted: true, Proto: ProtoUDP, Src: a4, Dst: b4, SrcPort: 47808, DstPort: 47809},
		Payload: []byte("\x45\x00\x00\x20\x00\x01\x00\x00\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\xba\xc0\xba\xc1\x00\x0a\x00\x00"),
	}, nil},
	{"ICMP error about a later fragment, which has no ports", 101, `4500 0038 0001 0000 40 01 0000 0a000002 0a000001
		0b 01 0000 00000000
		4500 0020 0001 0002 40 11 0000 0a000001 0a000002 bac0 bac1 000a 0000`, Packet{
		Src: b4, Dst: a4, Proto: ProtoICMP, TTL: 64, ICMP: ICMP{Type: 11, Code: 1, Quoted: true, Proto: ProtoUDP, Src: a4, Dst: b4},
		Payload: []byte("\x45\x00\x00\x20\x00\x01\x00\x02\x40\x11\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\xba\xc0\xba\xc1\x00\x0a\x00\x00"),
	}, nil},
	{"ICMPv6 echo quotes nothing", 101, `60000000 000a 3a 40 20010db8000000000000000000000001 20010db8000000000000000000000002
		80 00 0000 00010001 6869`, Packet{
		Src: a6, Dst: b6, Proto: ProtoICMPv6, TTL: 64, ICMP: ICMP{Type: 128}, Payload: []byte("hi"),
	}, nil},
	{"ICMPv6 unreachable quotes a TCP segment", 101, `60000000 0034 3a 40 20010db8000000000000000000000002 20010db8000000000000000000000001
		01 04 0000 00000000
		60000000 0016 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002 c000 01f6`, Packet{
		Src: b6, Dst: a6, Proto: ProtoICMPv6, TTL: 64,
		ICMP: ICMP{Type: 1, Code: 4, Quoted: true, Proto: ProtoTCP, Src: a6, Dst: b6, SrcPort: 49152, DstPort: 502},
		Payload: []byte("\x60\x00\x00\x00\x00\x16\x06\x40\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
			"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xc0\x00\x01\xf6"),
	}, nil},
	{"IPv4 first fragment", 101, "4500 001c 0007 2000 40 06 0000 0a000001 0a000002 c000 01f6 00000064", Packet{
		Src: a4, Dst: b4, Proto: ProtoTCP, TTL: 64, Fragment: Fragment{ID: 7, More: true, Is: true},
		Payload: []byte("\xc0\x00\x01\xf6\x00\x00\x00\x64"),
	}, nil},
	{"IPv6 last fragment", 101, `60000000 000a 2c 40 20010db8000000000000000000000001 20010db8000000000000000000000002
		06 00 0010 12345678 6869`, Packet{
		Src: a6, Dst: b6, Proto: ProtoTCP, TTL: 64, Fragment: Fragment{ID: 0x12345678, Offset: 16, Is: true}, Payload: []byte("hi"),
	}, nil},

	// Tunnels.
	{"IP in IP hides the inner hosts' MAC addresses", 1, outer("04") + ip4TCP, tcp4(noType, tunnels(1)), nil},
	{"the VLAN around an IP tunnel stays", 1, "02000000000d 02000000000c 8100 0007 0800 4500 0000 0001 0000 40 29 0000 c0a80001 c0a80002" + ip6TCP,
		tcp6(noType, tunnels(1), vlans(7)), nil},
	{"6in4", 1, outer("29") + ip6TCP, tcp6(noType, tunnels(1)), nil},
	{"GRE", 1, outer("2f") + "0000 0800" + ip4TCP, tcp4(noType, tunnels(1)), nil},
	{"GRE with checksum, key and sequence number", 1, outer("2f") + "b000 86dd 00000000 00000001 00000002" + ip6TCP, tcp6(noType, tunnels(1)), nil},
	{"GRE carrying Ethernet with a tag", 1, outer("2f") + "0000 6558" + macs + "8100 000a 0800" + ip4TCP, tcp4(onLink, vlans(10), tunnels(1)), nil},
	{"ERSPAN type I", 1, outer("2f") + "0000 88be" + ethTCP, tcp4(onLink, tunnels(1)), nil},
	{"ERSPAN type II, the mirrored port's VLAN", 1, outer("2f") + "1000 88be 00000001 1017 0001 00000000" + ethTCP, tcp4(onLink, vlans(23), tunnels(1)), nil},
	{"ERSPAN type II, the frame's own tag wins", 1, outer("2f") + "1000 88be 00000001 1017 0001 00000000" + macs + "8100 000a 0800" + ip4TCP,
		tcp4(onLink, vlans(10), tunnels(1)), nil},
	{"ERSPAN type III", 1, outer("2f") + "1000 22eb 00000001 2017 0001 00000000 00000000" + ethTCP, tcp4(onLink, vlans(23), tunnels(1)), nil},
	{"ERSPAN type III with a subheader", 1, outer("2f") + "1000 22eb 00000001 2017 0001 00000000 00000001 0000000000000000" + ethTCP,
		tcp4(onLink, vlans(23), tunnels(1)), nil},
	{"PPTP", 1, outer("2f") + "3081 880b 002e 0001 00000001 00000001 ff03 0021" + ip4TCP, tcp4(noType, tunnels(1)), nil},
	{"VXLAN", 1, outer("11") + "c001 12b5 0000 0000 0800 0000 00002a00" + ethTCP, tcp4(onLink, tunnels(1)), nil},
	{"Geneve with an option", 1, outer("11") + "c001 17c1 0000 0000 0100 6558 00002a00 00000000" + ethTCP, tcp4(onLink, tunnels(1)), nil},
	{"MPLS with two labels", 1, macs + "8847 00010040 00011140" + ip4TCP, tcp4(onLink, tunnels(1), func(p *Packet) { p.EtherType = 0x8847 }), nil},
	{"MPLS pseudowire with a control word", 1, "02000000000d 02000000000c 8847 00011140 00000000" + ethTCP, tcp4(onLink, tunnels(1)), nil},
	{"PPPoE", 1, macs + "8864 11 00 0001 002c 0021" + ip4TCP, tcp4(onLink, tunnels(1), func(p *Packet) { p.EtherType = 0x8864 }), nil},
	{"VXLAN in GRE in IP", 1, outer("04") + "4500 0000 0001 0000 40 2f 0000 c0a80001 c0a80002 0000 0800" +
		"4500 0000 0001 0000 40 11 0000 c0a80001 c0a80002 c001 12b5 0000 0000 0800 0000 00002a00" + ethTCP, tcp4(onLink, tunnels(3)), nil},
	{"another protocol on VXLAN's port is a datagram", 1, outer("11") + "c001 12b5 000a 0000 6869", Packet{
		SrcMAC: macC, DstMAC: macD, EtherType: EtherIPv4, Src: c4, Dst: d4, Proto: ProtoUDP, TTL: 64, SrcPort: 49153, DstPort: 4789, Payload: []byte("hi"),
	}, nil},
	{"a frame without IP in VXLAN is that frame", 1, outer("11") + "c001 12b5 0000 0000 0800 0000 00002a00" + macs + "8892 fefe05", Packet{
		SrcMAC: macA, DstMAC: macB, EtherType: 0x8892, Payload: []byte{0xfe, 0xfe, 5}, Tunnels: 1,
	}, nil},

	// What is broken leaves what was readable.
	{"no frame at all", 1, "", Packet{Truncated: true}, errLink},
	{"half an Ethernet header", 1, "0200 0000", Packet{Truncated: true, Payload: []byte{2, 0, 0, 0}}, errLink},
	{"half a tag", 1, macs + "8100 00", Packet{SrcMAC: macA, DstMAC: macB, EtherType: 0x8100, Truncated: true, Payload: []byte{0}}, errVLAN},
	{"half an IPv4 header", 1, macs + "0800 4500", Packet{
		SrcMAC: macA, DstMAC: macB, EtherType: EtherIPv4, Truncated: true, Payload: []byte{0x45, 0},
	}, errIPv4},
	{"IPv4 header length 16", 101, "4400 0014 0001 0000 40 06 0000 0a000001 0a000002", Packet{
		Src: a4, Dst: b4, Proto: ProtoTCP, TTL: 64, Payload: []byte{},
	}, errIPv4Len},
	{"IPv4 total length 8", 101, "4500 0008 0001 0000 40 06 0000 0a000001 0a000002", Packet{
		Src: a4, Dst: b4, Proto: ProtoTCP, TTL: 64, Payload: []byte{},
	}, errIPv4Tot},
	{"IPv4 fragment beyond 65535", 101, "4500 0016 0001 1fff 40 11 0000 0a000001 0a000002 " + strings.Repeat("00", 8), Packet{
		Src: a4, Dst: b4, Proto: ProtoUDP, TTL: 64, Payload: []byte{0, 0}, Fragment: Fragment{ID: 1, Offset: 65528, Is: true},
	}, nil},
	{"IPv4 fragment that ends beyond 65535", 101, "4500 001c 0001 1fff 40 11 0000 0a000001 0a000002 " + strings.Repeat("00", 8), Packet{
		Src: a4, Dst: b4, Proto: ProtoUDP, TTL: 64, Payload: make([]byte, 8), Fragment: Fragment{ID: 1, Offset: 65528, Is: true},
	}, errFragment},
	{"version 5 under the EtherType of IPv4", 1, macs + "0800 " + strings.Repeat("55", 20), Packet{
		SrcMAC: macA, DstMAC: macB, EtherType: EtherIPv4, Payload: []byte(strings.Repeat("\x55", 20)),
	}, errVersion},
	{"IPv6 extension header longer than the packet", 101, `60000000 0008 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002
		06 ff 000000000000`, Packet{
		Src: a6, Dst: b6, TTL: 64, Truncated: true, Payload: []byte{6, 0xff, 0, 0, 0, 0, 0, 0},
	}, errExt},
	{"an endless chain of extension headers", 101, "60000000 00a0 00 40 20010db8000000000000000000000001 20010db8000000000000000000000002" +
		strings.Repeat("00 00 000000000000", 20), Packet{
		Src: a6, Dst: b6, TTL: 64, Payload: make([]byte, 32),
	}, errDepth},
	{"TCP header cut behind its ports", 101, "4500 0018 0001 0000 40 06 0000 0a000001 0a000002 c000 01f6", Packet{
		Src: a4, Dst: b4, Proto: ProtoTCP, TTL: 64, SrcPort: 49152, DstPort: 502, Truncated: true,
	}, errTCP},
	{"TCP header length beyond the segment", 101, "4500 0028 0001 0000 40 06 0000 0a000001 0a000002 c000 01f6 00000064 000000c8 f018 0400 0000 0000", tcp4(noType, func(p *Packet) {
		p.Payload = nil
	}), errTCPLen},
	{"UDP length 3", 101, "4500 001c 0001 0000 40 11 0000 0a000001 0a000002 c000 01f6 0003 0000", Packet{
		Src: a4, Dst: b4, Proto: ProtoUDP, TTL: 64, SrcPort: 49152, DstPort: 502, Payload: []byte{},
	}, errUDPLen},
	{"GRE with garbage inside stays outside", 1, outer("2f") + "0000 0800 ffff", Packet{
		SrcMAC: macC, DstMAC: macD, EtherType: EtherIPv4, Src: c4, Dst: d4, Proto: 47, TTL: 64, Payload: []byte{0xff, 0xff},
	}, errIPv4},
	{"an MPLS stack without bottom", 1, macs + "8847 00010040 00010040", Packet{
		SrcMAC: macA, DstMAC: macB, EtherType: 0x8847, Truncated: true, Payload: []byte{},
	}, errMPLS},
	{"a link type that is not decoded", 105, "0800", Packet{Payload: []byte{8, 0}}, LinkError(105)},
}

func TestDecode(t *testing.T) {
	// One struct for all: nothing of a frame may show in the next.
	var p Packet
	for _, c := range decodeCases {
		t.Run(c.name, func(t *testing.T) {
			b := unhex(t, c.hex)
			err := p.Decode(c.link, b)
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if _, link := c.err.(LinkError); c.err != nil && errors.Is(err, ErrMalformed) == link { //nolint:errorlint // the table's own values
				t.Errorf("error %v wraps ErrMalformed: %v", err, !link)
			}
			opts := cmp.Options{
				cmpopts.EquateComparable(netip.Addr{}), cmpopts.EquateEmpty(),
				cmpopts.IgnoreFields(Packet{}, "Reach"), cmpopts.IgnoreUnexported(Packet{}),
			}
			if d := cmp.Diff(c.want, p, opts); d != "" {
				t.Error(d)
			}
			if got := Supports(c.link); got == (c.link == 105) {
				t.Errorf("Supports(%d) is %v", c.link, got)
			}
		})
	}
}

// TestReach: what lies beyond Reach has no say in whose packet it is.
func TestReach(t *testing.T) {
	type identity struct {
		src, dst, quotedSrc, quotedDst netip.Addr
		proto, tunnels                 uint8
		ports                          [2]uint16
		flags                          TCPFlags
		fragment, quoted               bool
		vlans                          [2]uint16
		err                            error
	}
	of := func(p *Packet, err error) identity {
		return identity{
			p.Src, p.Dst, p.ICMP.Src, p.ICMP.Dst, p.Proto, p.Tunnels, [2]uint16{p.SrcPort, p.DstPort}, p.Flags, p.Fragment.Is,
			p.ICMP.Quoted, p.VLANs, err,
		}
	}
	var p Packet
	for _, c := range decodeCases {
		b := unhex(t, c.hex)
		want := of(&p, p.Decode(c.link, b))
		if c.link != 1 || want.err != nil {
			continue
		}
		if p.Reach < 14 || p.Reach > len(b) {
			t.Errorf("%s: reach %d of %d bytes", c.name, p.Reach, len(b))
			continue
		}
		for i := p.Reach; i < len(b); i++ {
			b[i] ^= 0xa5
		}
		if got := of(&p, p.Decode(c.link, b)); got != want {
			t.Errorf("%s: beyond %d bytes something else makes it\n%+v, not\n%+v", c.name, p.Reach, got, want)
		}
	}
}

// TestDecodeCut: whatever is cut off the end of a frame, decoding reads nothing beyond what is there, and an error names
// the reason.
func TestDecodeCut(t *testing.T) {
	var p Packet
	for _, c := range decodeCases {
		whole := unhex(t, c.hex)
		for n := range whole {
			b := make([]byte, n) // exactly as long, so that a read beyond it panics
			copy(b, whole)
			if err := p.Decode(c.link, b); err != nil && !strings.HasPrefix(err.Error(), "packet: ") {
				t.Errorf("%s cut to %d: %v", c.name, n, err)
			}
			if p.Missing < 0 || p.Missing > 0 && !p.Truncated {
				t.Errorf("%s cut to %d: %d missing, truncated %v", c.name, n, p.Missing, p.Truncated)
			}
		}
	}
}

// TestNestingIsBounded: tunnels in tunnels end in an error, not in a deep stack.
func TestNestingIsBounded(t *testing.T) {
	header := unhex(t, "4500 0000 0001 0000 40 04 0000 0a000001 0a000002")
	var b []byte
	for range 4000 {
		b = append(b, header...)
	}
	var p Packet
	if err := p.Decode(101, b); !errors.Is(err, errDepth) || p.Tunnels > maxDepth || !p.Src.IsValid() {
		t.Errorf("%v after %d tunnels, want %v", err, p.Tunnels, errDepth)
	}
}

// TestDecodeAllocates nothing, broken frames included.
func TestDecodeAllocates(t *testing.T) {
	var p Packet
	for _, c := range decodeCases {
		if c.link == 105 {
			continue
		}
		b := unhex(t, c.hex)
		if n := testing.AllocsPerRun(10, func() { _ = p.Decode(c.link, b) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
		if n := testing.AllocsPerRun(10, func() { Hash(c.link, b) }); n != 0 {
			t.Errorf("%s: %v allocations in Hash", c.name, n)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	frame := unhex(b, ethTCP)
	var p Packet
	for b.Loop() {
		if err := p.Decode(1, frame); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzDecode: no panic, no read beyond the frame, and what is reported holds together.
func FuzzDecode(f *testing.F) {
	for _, c := range decodeCases {
		f.Add(c.link, unhex(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, link uint16, b []byte) {
		var p Packet
		err := p.Decode(link, b)
		if !Supports(link) {
			if err != error(LinkError(link)) { //nolint:errorlint // the very value
				t.Fatalf("link type %d: %v", link, err)
			}
			return
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		if len(p.Payload) > len(b) || p.Missing < 0 || p.Missing > 65535 || p.Tunnels > 2*maxDepth+1 || p.Src.IsValid() != p.Dst.IsValid() {
			t.Fatalf("%d bytes give %+v", len(b), p)
		}
		q := p
		q.Src, q.Dst, q.SrcMAC, q.DstMAC = p.Dst, p.Src, p.DstMAC, p.SrcMAC
		q.ICMP.Src, q.ICMP.Dst = p.ICMP.Dst, p.ICMP.Src
		if p.Hash() != q.Hash() || p.Hash() != Hash(link, b) {
			t.Fatalf("hash %#x one way, %#x the other, %#x by the frame", p.Hash(), q.Hash(), Hash(link, b))
		}
		d := NewDefragmenter(DefragConfig{})
		if whole, err := d.Whole(&p, testTime); err == nil && whole == p.Fragment.Is {
			t.Fatalf("whole %v, but fragment is %v", whole, p.Fragment)
		}
	})
}
