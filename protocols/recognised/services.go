package recognised

import "github.com/spanwatch/spanwatch/protocols"

// services are what every network runs.
var services = []protocol{
	{name: "ntp", title: "NTP", udp: []uint16{123}, look: lookNTP},
}

const (
	ntpSize   = 48
	ntpClient = 3
	ntpServer = 4
	ntpModes  = 5       // broadcast; above are control messages of another form
	ntpYear   = 1 << 31 // seconds of 1968: no clock on a network is earlier
)

// lookNTP wants a header of which every field is plausible (RFC 5905 §7.3) and a size that leaves extensions or a
// digest.
func lookNTP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if len(b) > 0 && (b[0]>>3&7 < 1 || b[0]>>3&7 > 4 || b[0]&7 < 1 || b[0]&7 > ntpModes) {
		return no()
	}
	if !h.within(1, 0, 16) || !h.within(2, 0, 24) && !h.within(2, 0xfa, 0xff) {
		return no()
	}
	if len(b) < 4 {
		return more()
	}
	if len(b) < ntpSize || len(b)%4 != 0 || len(b) > 1024 {
		return no()
	}
	switch mode := b[0] & 7; {
	case mode == ntpClient && h.zero(4, 36) && (h.among(3, "\x00\x20") || b[3] >= 0x80):
		return protocols.YesClient, "client" // one that keeps its clock to itself and sends a random time
	case b[3] != 0 && (b[3] < 0xd8 || b[3] > 0xfd): // between 2⁻⁴⁰ s and an eighth of a second
		return no()
	case h.u32(4)>>16 > 0x100, h.u32(8)>>16 > 0x100: // delay and dispersion over 256 seconds
		return no()
	case h.u32(40) < ntpYear:
		return no()
	case mode == ntpClient:
		return protocols.YesClient, "client"
	case mode == ntpServer:
		return protocols.YesServer, "server"
	}
	return protocols.Yes, ""
}
