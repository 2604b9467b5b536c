package recognised

import (
	"bytes"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

var files = []protocol{
	{name: "smb", title: "SMB", tcp: []uint16{445, 139}, look: lookSMB, facts: factsSMB},
	{name: "ftp", title: "FTP", tcp: []uint16{21}, look: lookFTP, facts: factsFTP},
}

const (
	nbssHeader = 4 // NetBIOS session service: type and 24 bits of length (RFC 1002 §4.3.1)
	nbssNames  = "\x81\x00\x00\x44\x20"
)

// lookSMB wants the marks of SMB 1, 2 or its encrypted form in a session message, or a session request.
func lookSMB(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if h.text(0, nbssNames) {
		for i := len(nbssNames); i < len(nbssNames)+32; i++ {
			if !h.within(i, 'A', 'P') {
				return no()
			}
		}
		return h.enough(len(nbssNames)+32, protocols.YesClient, "Session Request")
	}
	if !h.is(0, 0) || !h.among(nbssHeader, "\xff\xfe\xfd") || !h.text(nbssHeader+1, "SMB") {
		return no()
	}
	if len(b) < nbssHeader+20 {
		return more()
	}
	const response = 0x80
	switch b[nbssHeader] {
	case 0xff: // [MS-CIFS] 2.2.3.1: the flags tell answers
		return side(b[nbssHeader+9]&response != 0), "SMB"
	case 0xfe: // [MS-SMB2] 2.2.1: so do these
		return side(b[nbssHeader+16]&1 != 0), "SMB2"
	}
	return protocols.Yes, "SMB2 TRANSFORM_HEADER"
}

// ftpReplies are replies that no other protocol of the kind gives (RFC 959 §4.2.2, RFC 2428).
var ftpReplies = []string{"227 ENTERING PASSIVE MODE", "229 ENTERING EXTENDED PASSIVE MODE", "331 ", "230 ", "257 \""}

// ftpCommands are commands that no other protocol of the kind has.
var ftpCommands = []string{"PASV\r\n", "EPSV\r\n", "SYST\r\n", "TYPE I\r\n", "TYPE A\r\n", "CWD ", "STOR ", "MDTM "}

// lookFTP wants a greeting that says FTP, or what only FTP says. USER and the greeting's code alone are other
// protocols' too. Only the beginning of a line is looked at.
func lookFTP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b[:min(len(b), patience)])
	line, whole := h.line()
	whole = whole || len(h) == patience
	if !line.ascii() {
		return no()
	}
	for _, c := range ftpCommands {
		if h.fold(0, c) {
			return h.enough(len(c), protocols.YesClient, strings.TrimRight(c[:4], " "))
		}
	}
	if !h.among(0, "2") && !h.text(0, "331 ") {
		return no()
	}
	for _, r := range ftpReplies {
		if !h.fold(0, r) {
			continue
		}
		switch {
		case len(h) < len(r):
			return more()
		case r == "331 " || r == "230 ":
			return lookFTPLogin(h, line, whole)
		}
		return protocols.YesServer, "Reply " + r[:3]
	}
	if !h.text(0, "220 ") && !h.text(0, "220-") {
		return no()
	}
	if says(line, "FTP") && !says(line, "SMTP") {
		return protocols.YesServer, "Reply 220"
	}
	if whole {
		return no()
	}
	return more()
}

// lookFTPLogin wants the words that servers use when they ask for a password, or let somebody in.
func lookFTPLogin(h, line head, whole bool) (protocols.Match, string) {
	if says(line, "PASSWORD") || says(line, "LOGIN SUCCESSFUL") || says(line, "LOGGED IN") {
		return protocols.YesServer, ftpLogin[h[0]&1]
	}
	if whole {
		return no()
	}
	return more()
}

var ftpLogin = [2]string{"Reply 230", "Reply 331"}

// says reports whether a word, in capitals, stands in h in any case.
func says(h head, word string) bool {
	for i := 0; i+len(word) <= len(h); i++ {
		if h.fold(i, word) {
			return true
		}
	}
	return false
}

// factsFTP gives the greeting's text, as the software that it names and as it stands.
func factsFTP(from protocols.Side, b []byte) (facts []protocols.Fact, more bool) {
	if !bytes.HasPrefix(b, []byte("220")) {
		return nil, false
	}
	line, whole := head(b).line()
	if !whole {
		return nil, true
	}
	facts = application(from, line[min(len(line), 4):])
	return append(facts, banner(from, line)...), false
}

// factsSMB reads the names of a session request: of the one that is called, and of the one that calls.
func factsSMB(from protocols.Side, b []byte) (facts []protocols.Fact, more bool) {
	const called, calling = len(nbssNames), len(nbssNames) + 32 + 2 // an end and a length between them
	h := head(b)
	if from != protocols.Client || !h.text(0, nbssNames) {
		return nil, false
	}
	if len(b) < calling+32 {
		return nil, true
	}
	facts = netbiosName(nil, protocols.Server, b[called:called+32])
	return netbiosName(facts, protocols.Client, b[calling:calling+32]), false
}

// netbiosName appends a name that stands in half octets, 'A' for 0 (RFC 1001 §14.1). The last octet is a service, and a
// name that begins with an asterisk is nobody's.
func netbiosName(facts []protocols.Fact, about protocols.Side, half []byte) []protocols.Fact {
	var name [15]byte
	for i := range name {
		high, low := half[2*i]-'A', half[2*i+1]-'A'
		if high > 15 || low > 15 {
			return facts
		}
		name[i] = high<<4 | low
	}
	if s := printable(name[:]); s != "" && s[0] != '*' {
		facts = append(facts, protocols.Fact{About: about, Key: protocols.FactName, Value: s, Confidence: claimed})
	}
	return facts
}
