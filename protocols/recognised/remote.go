package recognised

import (
	"bytes"

	"github.com/spanwatch/spanwatch/protocols"
)

// remote are the ways to work on a machine from afar. RDP stands with what rides on COTP.
var remote = []protocol{
	{name: "vnc", title: "VNC", tcp: []uint16{5900, 5901}, look: lookVNC},
	{name: "telnet", title: "Telnet", tcp: []uint16{23}, look: lookTelnet},
}

// lookVNC wants the protocol version of RFB (RFC 6143 §7.1.1).
func lookVNC(_ protocols.Transport, b []byte) (protocols.Match, string) {
	const digits = "0123456789"
	h := head(b)
	if !h.text(0, "RFB 00") || !h.among(6, digits) || !h.is(7, '.') || !h.is(11, '\n') {
		return no()
	}
	for i := 8; i < 11; i++ {
		if !h.among(i, digits) {
			return no()
		}
	}
	return h.enough(12, protocols.Yes, "ProtocolVersion")
}

// Telnet commands (RFC 854).
const (
	telnetEnd       = 240
	telnetSub       = 250
	telnetWill      = 251
	telnetDont      = 254
	telnetIAC       = 255
	telnetOptionMax = 49 // above are options that nobody implements, but for 255
)

// lookTelnet wants a negotiation of two options or more and nothing else before them.
func lookTelnet(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	i := 0
	for range 2 {
		if !h.is(i, telnetIAC) || !h.within(i+1, telnetSub, telnetDont) || !h.within(i+2, 0, telnetOptionMax) {
			return no()
		}
		if len(h) < i+3 {
			return more()
		}
		if h[i+1] >= telnetWill {
			i += 3
			continue
		}
		end := bytes.Index(h[i:], []byte{telnetIAC, telnetEnd})
		if end < 0 {
			return h.open()
		}
		i += end + 2
	}
	return protocols.Yes, "Option Negotiation"
}
