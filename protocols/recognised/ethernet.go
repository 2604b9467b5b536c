package recognised

import (
	"bytes"

	"github.com/spanwatch/spanwatch/protocols"
)

var ethernet = []protocol{
	{name: "goose", title: "GOOSE", ether: []uint16{0x88b8}, plant: true, look: lookGOOSE},
	{name: "sv", title: "Sampled Values", ether: []uint16{0x88ba}, plant: true, look: lookSampledValues},
	{
		name: "profinet", title: "PROFINET", udp: []uint16{34964, 34962, 34963}, ether: []uint16{0x8892}, plant: true,
		look: lookPROFINET,
	},
	{name: "ethercat", title: "EtherCAT", udp: []uint16{34980}, ether: []uint16{0x88a4}, plant: true, look: lookEtherCAT},
}

// process wants the header that GOOSE and Sampled Values share (IEC 61850-8-1, annex C.2): APPID, a length that fits
// the frame, and behind two reserved words the tag of the PDU, whose first element has the tag inner.
func process(h head, tag, inner byte) protocols.Match {
	const header = 8
	if len(h) < header+2 {
		return protocols.More
	}
	if n := h.u16(2); n < header+2 || n > len(h) || !h.is(header, tag) {
		return protocols.No
	}
	n, next, state := h.ber(header + 1)
	if state != protocols.Yes || n == 0 || next >= len(h) || h[next] != inner {
		return protocols.No
	}
	return protocols.Yes
}

func lookGOOSE(_ protocols.Transport, b []byte) (protocols.Match, string) {
	return process(b, 0x61, 0x80), "GOOSE"
}

func lookSampledValues(_ protocols.Transport, b []byte) (protocols.Match, string) {
	return process(b, 0x60, 0x80), "SavPdu"
}

// profinetRPC is the tail that the UUIDs of PROFINET's interfaces share: dea0000N-6c97-11d1-8271-00a02442df7d, and of
// its objects (IEC 61158-6-10, 4.10.3.2), in the byte order of DCE/RPC's little endian, from the second byte on.
var (
	profinetInterface = []byte{0x00, 0xa0, 0xde, 0x97, 0x6c, 0xd1, 0x11, 0x82, 0x71, 0x00, 0xa0, 0x24, 0x42, 0xdf, 0x7d}
	profinetBig       = []byte{0xde, 0xa0, 0x00}
	profinetBigTail   = []byte{0x6c, 0x97, 0x11, 0xd1, 0x82, 0x71, 0x00, 0xa0, 0x24, 0x42, 0xdf, 0x7d}
)

// frames are the ranges of PROFINET frame identifiers (IEC 61158-6-10, table 27) and what a frame of them is called.
var frames = [...]struct {
	first, last int
	name        string
}{
	{0x0020, 0x0021, "PTCP Sync"}, {0x0080, 0x0081, "PTCP Sync"}, {0x0100, 0x0fff, "RT_CLASS_3"},
	{0x8000, 0xbbff, "RT_CLASS_1"}, {0xbc00, 0xbfff, "RT_CLASS_1 multicast"},
	{0xc000, 0xf7ff, "RT_CLASS_UDP"}, {0xf800, 0xfbff, "RT_CLASS_UDP"},
	{0xfc01, 0xfc01, "Alarm High"}, {0xfe01, 0xfe01, "Alarm Low"},
	{0xff00, 0xff01, "PTCP Announce"}, {0xff20, 0xff21, "PTCP FollowUp"}, {0xff40, 0xff43, "PTCP Delay"},
}

// lookPROFINET wants the frame identifier of real-time data, alarms or clock synchronisation; over UDP the RPC header
// with PROFINET's interfaces. DCP is another's.
func lookPROFINET(t protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if t == protocols.TransportUDP {
		return lookPROFINETRPC(h)
	}
	if len(b) < 6 {
		return more()
	}
	id := h.u16(0)
	for _, f := range frames {
		if id >= f.first && id <= f.last {
			return protocols.Yes, f.name
		}
	}
	return no()
}

var rpcTypes = map[byte]struct {
	name string
	side protocols.Match
}{
	0: {"Request", protocols.YesClient}, 1: {"Ping", protocols.YesClient}, 2: {"Response", protocols.YesServer},
	3: {"Fault", protocols.YesServer}, 4: {"Working", protocols.YesServer}, 5: {"No Call", protocols.YesServer},
	6: {"Reject", protocols.YesServer}, 7: {"Acknowledge", protocols.Yes}, 8: {"Cancel", protocols.Yes},
	9: {"Fragment Acknowledge", protocols.Yes}, 10: {"Cancel Acknowledge", protocols.Yes},
}

// lookPROFINETRPC wants a connectionless RPC header (C706, 12.5) whose interface is one of PROFINET's.
func lookPROFINETRPC(h head) (protocols.Match, string) {
	const header, interfaceAt = 80, 24
	if !h.is(0, 4) {
		return no()
	}
	if len(h) < 2 {
		return more()
	}
	kind, known := rpcTypes[h[1]]
	if !known || len(h) < header {
		return no()
	}
	id := h[interfaceAt : interfaceAt+16]
	little := bytes.Equal(id[1:], profinetInterface)
	big := bytes.HasPrefix(id, profinetBig) && bytes.Equal(id[4:], profinetBigTail)
	if !little && !big {
		return no()
	}
	return kind.side, kind.name
}

// lookEtherCAT wants the header of a frame of commands (ETG.1000.4, 5.3): length, type, and a first datagram with a known
// command that fits; or one of network variables.
func lookEtherCAT(t protocols.Transport, b []byte) (protocols.Match, string) {
	const header, datagram, commands, variables = 2, 12, 1, 4
	h := head(b)
	if len(b) < header {
		return more()
	}
	n, kind := h.l16(0)&0x07ff, h.l16(0)>>12
	if h.l16(0)&0x0800 != 0 || header+n > len(b) || t == protocols.TransportUDP && header+n != len(b) {
		return no()
	}
	switch kind {
	case commands:
		if n < datagram || h[header] > 14 || h.l16(header+6)&0x07ff > n-datagram {
			return no()
		}
		return protocols.Yes, "EtherCAT commands"
	case variables:
		if n < 8 {
			return no()
		}
		return protocols.Yes, "Network variables"
	}
	return no()
}
