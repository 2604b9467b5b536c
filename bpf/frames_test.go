package bpf

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"pgregory.net/rapid"
)

func be(n uint16) []byte { return binary.BigEndian.AppendUint16(nil, n) }

func address(t *rapid.T, n int) []byte {
	b := make([]byte, n)
	b[0] = 10
	b[n-1] = rapid.Byte().Draw(t, "host")
	return b
}

// length is the right one, mostly.
func length(t *rapid.T, n int) uint16 {
	switch rapid.IntRange(0, 15).Draw(t, "length") {
	case 0:
		return 0
	case 1:
		return uint16(max(n-rapid.IntRange(0, 40).Draw(t, "short"), 0))
	case 2:
		return uint16(n + rapid.IntRange(0, 400).Draw(t, "long"))
	}
	return uint16(n)
}

func ip4(t *rapid.T, proto uint8, inner []byte) []byte {
	words := rapid.SampledFrom([]int{5, 5, 5, 5, 6, 15, 4}).Draw(t, "words")
	b := append([]byte{0x40 | byte(words), 0}, be(length(t, words*4+len(inner)))...)
	b = append(b, 0, 1, rapid.SampledFrom([]byte{0, 0, 0x40, 0x40, 0x40, 0x20, 1}).Draw(t, "fragment"), 0, 64, proto, 0, 0)
	b = append(append(b, address(t, 4)...), address(t, 4)...)
	for len(b) < words*4 {
		b = append(b, 1)
	}
	return append(b, inner...)
}

// ip6 may have extension headers.
func ip6(t *rapid.T, proto uint8, inner []byte) []byte {
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2, 16, 17}).Draw(t, "extensions") {
		next := rapid.SampledFrom([]uint8{0, 43, 44, 51, 60, 60, 135, 139, 140}).Draw(t, "extension")
		head := []byte{proto, 0, 0, 0, 0, 0, 0, 0}
		switch {
		case next == 44:
			copy(head[2:], be(rapid.SampledFrom([]uint16{0, 0, 0, 1, 8, 0xfff8}).Draw(t, "offset")))
		case next != 51 && rapid.Bool().Draw(t, "longer"):
			head[1] = 1
			head = append(head, make([]byte, 8)...)
		}
		inner = append(head, inner...)
		proto = next
	}
	b := append([]byte{0x60, 0, 0, 0}, be(length(t, len(inner)))...)
	b = append(b, proto, 64)
	b = append(append(b, address(t, 16)...), address(t, 16)...)
	return append(b, inner...)
}

func ethernet(t *rapid.T, ether uint16, inner []byte) []byte {
	b := []byte{2, 0, 0, 0, 0, rapid.Byte().Draw(t, "mac"), 2, 0, 0, 0, 0, 7}
	for range rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "tags") {
		b = append(b, be(rapid.SampledFrom([]uint16{0x8100, 0x88a8, 0x9100}).Draw(t, "tag"))...)
		b = append(b, be(rapid.Uint16().Draw(t, "vlan"))...)
	}
	if rapid.IntRange(0, 15).Draw(t, "snap") == 0 {
		b = append(b, be(length(t, 8+len(inner))%1501)...)
		b = append(b, 0xaa, 0xaa, 3, 0, 0, rapid.SampledFrom([]byte{0, 0, 0xf8, 1}).Draw(t, "organisation"))
	}
	return append(append(b, be(ether)...), inner...)
}

// gre flags with the fields they announce.
func gre(t *rapid.T, flags, kind uint16, inner []byte) []byte {
	flags |= rapid.SampledFrom([]uint16{0, 0, 0, 0x2000, 0x8000, 0xa000, 0x4000, 1, 0x81, 2}).Draw(t, "flags")
	b := append(be(flags), be(kind)...)
	for _, bit := range []uint16{0x8000, 0x2000, 0x1000} {
		if flags&bit != 0 {
			b = append(b, 0, 0, 0, 9)
		}
	}
	return append(b, inner...)
}

func udp(t *rapid.T, port uint16, inner []byte) []byte {
	b := append(be(rapid.SampledFrom([]uint16{4789, 40000}).Draw(t, "source")), be(port)...)
	return append(append(append(b, be(length(t, 8+len(inner)))...), 0, 0), inner...)
}

// payload is what ends a frame: an EtherType and an IP protocol with their bytes.
func payload(t *rapid.T) (ether uint16, proto uint8, b []byte) {
	rest := make([]byte, rapid.SampledFrom([]int{0, 1, 6, 30, 200}).Draw(t, "rest"))
	ports := append(be(rapid.SampledFrom([]uint16{502, 40000}).Draw(t, "source")), be(rapid.SampledFrom([]uint16{502, 40000}).Draw(t, "port"))...)
	switch rapid.IntRange(0, 7).Draw(t, "payload") {
	case 0, 1:
		words := rapid.SampledFrom([]byte{5, 5, 8, 15, 4}).Draw(t, "words")
		b := append(ports, 0, 0, 0, 1, 0, 0, 0, 1, words<<4, rapid.Byte().Draw(t, "flags"), 4, 0, 0, 0, 0, 0)
		return 0, 6, append(append(b, make([]byte, max(int(words)*4-20, 0))...), rest...)
	case 2:
		return 0, 17, udp(t, 502, rest)
	case 3: // ICMP that may quote
		quoted := ip4(t, 17, udp(t, 502, nil))
		return 0, 1, append([]byte{rapid.SampledFrom([]byte{0, 3, 4, 5, 8, 11, 12, 35}).Draw(t, "type"), 0, 0, 0, 0, 0, 0, 0}, quoted...)
	case 4:
		quoted := ip6(t, 17, udp(t, 502, nil))
		return 0, 58, append([]byte{rapid.SampledFrom([]byte{1, 2, 4, 5, 128}).Draw(t, "type"), 0, 0, 0, 0, 0, 0, 0}, quoted...)
	case 5:
		return 0, rapid.SampledFrom([]uint8{59, 50, 89, 4, 41, 47, 137, 51}).Draw(t, "proto"), rest
	case 6:
		return 0x0806, 0, append([]byte{0, 1, 8, 0, 6, 4, 0, 1}, rest...)
	}
	return rapid.SampledFrom([]uint16{0x88cc, 0x8892, 0x8864, 0x8847, 100}).Draw(t, "ether"), 0, rest
}

// tunnel puts something around what begins as ether or proto says; it gives how the new beginning is announced.
func tunnel(t *rapid.T, ether uint16, proto uint8, b []byte) (uint16, uint8, []byte) {
	if ether == 0 { // IP is needed first
		if rapid.Bool().Draw(t, "version 6") {
			return 0x86dd, 0, ip6(t, proto, b)
		}
		if rapid.IntRange(0, 9).Draw(t, "ah") == 0 {
			b, proto = append([]byte{proto, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, b...), 51
		}
		return 0x0800, 0, ip4(t, proto, b)
	}
	isIP := ether == 0x0800 || ether == 0x86dd
	switch kind := rapid.IntRange(0, 11).Draw(t, "tunnel"); {
	case kind == 0 && isIP:
		return 0, map[uint16]uint8{0x0800: 4, 0x86dd: 41}[ether], b
	case kind == 1 && isIP:
		return 0, 47, gre(t, 0, ether, b)
	case kind == 2 && isIP, kind == 3:
		label := []byte{0, 1, byte(rapid.IntRange(0, 1).Draw(t, "bottom")), 64}
		if kind == 3 {
			b = ethernet(t, ether, b)
			if rapid.Bool().Draw(t, "control word") {
				b = append([]byte{0, 0, 0, 0}, b...)
			}
		}
		b = append(label, b...)
		if label[2] == 0 {
			b = append([]byte{0, 1, 0, 64}, b...)
		}
		if rapid.Bool().Draw(t, "in IP") {
			return 0, 137, b
		}
		return 0x8847, 0, b
	case kind == 4 && isIP:
		ppp := map[uint16][]byte{0x0800: {0, 0x21}, 0x86dd: {0, 0x57}}[ether]
		if rapid.Bool().Draw(t, "compressed") {
			ppp = ppp[1:]
		}
		if rapid.Bool().Draw(t, "framed") {
			ppp = append([]byte{0xff, 3}, ppp...)
		}
		b = append(ppp, b...)
		if rapid.Bool().Draw(t, "in GRE") {
			return 0, 47, gre(t, 0x3001, 0x880b, b)
		}
		return 0x8864, 0, append(append([]byte{0x11, 0, 0, 1}, be(length(t, len(b)))...), b...)
	case kind == 5:
		return 0, 47, gre(t, 0, 0x6558, ethernet(t, ether, b))
	case kind == 6: // ERSPAN type I
		return 0, 47, gre(t, 0, 0x88be, ethernet(t, ether, b))
	case kind == 7: // type II
		return 0, 47, gre(t, 0x1000, 0x88be, append([]byte{0x10, 9, 0, 0, 0, 0, 0, 0}, ethernet(t, ether, b)...))
	case kind == 8: // type III
		head := []byte{0x20, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		if rapid.Bool().Draw(t, "subheader") {
			head[11] = 1
			head = append(head, make([]byte, 8)...)
		}
		return 0, 47, gre(t, 0x1000, 0x22eb, append(head, ethernet(t, ether, b)...))
	case kind == 9 && isIP:
		return 0, 17, udp(t, 6081, append([]byte{1, 0, byte(ether >> 8), byte(ether), 0, 0, 1, 0, 1, 2, 3, 4}, b...))
	case kind == 10:
		return 0, 17, udp(t, 6081, append([]byte{0, 0, 0x65, 0x58, 0, 0, 1, 0}, ethernet(t, ether, b)...))
	}
	return 0, 17, udp(t, 4789, append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, ethernet(t, ether, b)...))
}

// frameGenerator makes frames of all kinds, whole and broken.
func frameGenerator(t *rapid.T) []byte {
	ether, proto, b := payload(t)
	for range rapid.IntRange(0, 7).Draw(t, "depth") {
		ether, proto, b = tunnel(t, ether, proto, b)
	}
	if ether == 0 {
		ether, _, b = tunnel(t, ether, proto, b)
	}
	b = ethernet(t, ether, b)
	switch rapid.IntRange(0, 5).Draw(t, "damage") {
	case 0:
		b = b[:rapid.IntRange(min(14, len(b)), len(b)).Draw(t, "cut")]
	case 1:
		for range rapid.IntRange(1, 4).Draw(t, "faults") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "fault")
		}
	case 2:
		b = append(b, make([]byte, rapid.IntRange(1, 60).Draw(t, "padding"))...)
	}
	return b
}

// TestRandomParity: whatever is put into whatever, and however it is broken, the programs and the Go decoder agree.
func TestRandomParity(t *testing.T) {
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, name, Config{Flows: 1 << 18})
			rapid.Check(t, func(rt *rapid.T) {
				for range 20 {
					b := frameGenerator(rt)
					if r.compare("random", b); r.faults > 0 {
						rt.FailNow()
					}
				}
			})
			t.Logf("%d frames, %d conversations, %+v", r.frames, len(r.model), r.totals)
			if !r.hash {
				if o := r.totals.Other; o.NoIP == 0 || o.Fragments == 0 || o.Quotes == 0 || o.Malformed == 0 || o.Beyond == 0 || r.totals.Flows < uint64(r.frames/10) {
					t.Errorf("something was never made: %+v", r.totals)
				}
				r.drained()
			}
		})
	}
}

// tunnelled are frames that another's code made, around the same conversation.
func tunnelled(t testing.TB) map[string][]byte {
	mac := func(n byte) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, n} }
	eth := func(kind layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: mac(1), DstMAC: mac(2), EthernetType: kind}
	}
	ipv4 := func(proto layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: proto, SrcIP: net.IP{192, 0, 2, 1}, DstIP: net.IP{192, 0, 2, 2}}
	}
	inner := func() []gopacket.SerializableLayer {
		ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: net.IP{10, 0, 0, 2}, DstIP: net.IP{10, 0, 0, 1}}
		tcp := &layers.TCP{SrcPort: 50000, DstPort: 502, PSH: true, ACK: true, Window: 1000}
		if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
			t.Fatal(err)
		}
		return []gopacket.SerializableLayer{ip, tcp, gopacket.Payload("tunnelled")}
	}
	tagged := func(id uint16, kind layers.EthernetType) *layers.Dot1Q {
		return &layers.Dot1Q{VLANIdentifier: id, Type: kind}
	}
	udp := func(port layers.UDPPort) *layers.UDP {
		u := &layers.UDP{SrcPort: 40000, DstPort: port}
		if err := u.SetNetworkLayerForChecksum(ipv4(layers.IPProtocolUDP)); err != nil {
			t.Fatal(err)
		}
		return u
	}
	const ip4 = layers.EthernetTypeIPv4
	stacks := map[string][]gopacket.SerializableLayer{
		"plain":  {eth(ip4)},
		"802.1Q": {eth(layers.EthernetTypeDot1Q), tagged(10, ip4)},
		"QinQ":   {eth(layers.EthernetTypeQinQ), tagged(20, layers.EthernetTypeDot1Q), tagged(10, ip4)},
		"MPLS":   {eth(layers.EthernetTypeMPLSUnicast), &layers.MPLS{Label: 17, TTL: 64, StackBottom: true}},
		"GRE":    {eth(ip4), ipv4(layers.IPProtocolGRE), &layers.GRE{Protocol: ip4, KeyPresent: true, Key: 7}},
		"bridged GRE": {
			eth(ip4), ipv4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeTransparentEthernetBridging}, eth(ip4),
		},
		"ERSPAN II": {
			eth(ip4), ipv4(layers.IPProtocolGRE), &layers.GRE{Protocol: layers.EthernetTypeERSPAN, SeqPresent: true},
			&layers.ERSPANII{Version: 1, VLANIdentifier: 30}, eth(ip4),
		},
		"VXLAN":    {eth(ip4), ipv4(layers.IPProtocolUDP), udp(4789), &layers.VXLAN{ValidIDFlag: true, VNI: 5}, eth(ip4)},
		"IP in IP": {eth(ip4), ipv4(layers.IPProtocolIPv4)},
	}
	frames := make(map[string][]byte)
	for name, stack := range stacks {
		buffer := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(stack, inner()...)...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		frames[name] = buffer.Bytes()
	}
	// What it does not write: the inner frame with headers by hand in front.
	plain := frames["plain"]
	outer := "02000000000d 02000000000c 0800 4500 0000 0001 0000 40 %P 0000 c0000201 c0000202 "
	for name, head := range map[string]string{
		"ERSPAN I":   strings.Replace(outer, "%P", "2f", 1) + "0000 88be",
		"ERSPAN III": strings.Replace(outer, "%P", "2f", 1) + "1000 22eb 00000001 200a0000 00000000 00000001 0000000000000000",
		"Geneve":     strings.Replace(outer, "%P", "11", 1) + "9c40 17c1 0000 0000 01006558 00000100 00000000",
		"EoMPLS":     "02000000000d 02000000000c 8847 00010140 00000000",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(head, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		frames[name] = append(b, plain...)
	}
	return frames
}

// TestTunnels: every tunnel leads to the conversation inside, in both programs.
func TestTunnels(t *testing.T) {
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, name, Config{})
			for tunnel, b := range tunnelled(t) {
				r.compare(tunnel, b)
				if n := len(r.model); n > 1 {
					t.Fatalf("%s leads to another conversation", tunnel)
				}
			}
		})
	}
}
