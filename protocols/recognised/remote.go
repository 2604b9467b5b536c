package recognised

import (
	"bytes"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// remote are the ways to work on a machine from afar. RDP stands with what rides on COTP.
var remote = []protocol{
	{name: "vnc", title: "VNC", tcp: []uint16{5900, 5901}, look: lookVNC, facts: factsVNC},
	{name: "telnet", title: "Telnet", tcp: []uint16{23}, look: lookTelnet, later: greetTelnet},
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

// factsVNC gives the version that the server offers.
func factsVNC(from protocols.Side, b []byte) (facts []protocols.Fact, more bool) {
	if from == protocols.Client {
		return nil, false
	}
	return banner(from, b[:min(len(b), len("RFB 003.008"))]), false
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

// prompts are how servers ask who is there.
var prompts = []string{"LOGIN:", "USERNAME:", "USER NAME:", "USER:", "PASSWORD:"}

// greetTelnet reads what a server shows before it asks who is there: the first line, and the name before "login:".
func greetTelnet(from protocols.Side, b []byte) (facts []protocols.Fact, more bool) {
	if from == protocols.Client {
		return nil, false
	}
	words := spoken(b)
	prompt := -1
	for i := 0; i < len(words) && prompt < 0; i++ {
		for _, p := range prompts {
			if len(words)-i >= len(p) && words[i:].fold(0, p) {
				prompt = i
			}
		}
	}
	if prompt < 0 {
		return nil, true
	}
	shown := words[:prompt]
	last := bytes.LastIndexAny(shown, "\r\n") + 1
	for line := range bytes.FieldsFuncSeq(shown[:last], func(r rune) bool { return r == '\r' || r == '\n' }) {
		if facts = banner(from, line); facts != nil {
			break
		}
	}
	if name := printable(shown[last:]); words[prompt:].fold(0, "LOGIN:") && name != "" && !strings.ContainsAny(name, " :") {
		facts = append(facts, protocols.Fact{About: from, Key: protocols.FactName, Value: name, Confidence: claimed})
	}
	return facts, false
}

// spoken gives b without the commands in it.
func spoken(b []byte) head {
	var words head
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] != telnetIAC:
			words = append(words, b[i])
		case i+1 < len(b) && b[i+1] == telnetSub:
			end := bytes.Index(b[i:], []byte{telnetIAC, telnetEnd})
			if end < 0 {
				return words
			}
			i += end + 1
		default:
			i += 2
		}
	}
	return words
}
