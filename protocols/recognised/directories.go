package recognised

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

var directories = []protocol{
	{name: "ldap", title: "LDAP", tcp: []uint16{389, 3268}, udp: []uint16{389}, look: lookLDAP},
}

// ldapOperations are those of RFC 4511 §4 by their tag, with the tags that their first element may have.
var ldapOperations = map[byte]struct {
	name   string
	inner  string
	server bool
}{
	0x60: {"BindRequest", "\x02", false}, 0x61: {"BindResponse", "\x0a", true},
	0x63: {"SearchRequest", "\x04", false}, 0x64: {"SearchResultEntry", "\x04", true}, 0x65: {"SearchResultDone", "\x0a", true},
	0x66: {"ModifyRequest", "\x04", false}, 0x67: {"ModifyResponse", "\x0a", true},
	0x68: {"AddRequest", "\x04", false}, 0x69: {"AddResponse", "\x0a", true}, 0x6b: {"DelResponse", "\x0a", true},
	0x6c: {"ModifyDNRequest", "\x04", false}, 0x6d: {"ModifyDNResponse", "\x0a", true},
	0x6e: {"CompareRequest", "\x04", false}, 0x6f: {"CompareResponse", "\x0a", true},
	0x73: {"SearchResultReference", "\x04", true}, 0x77: {"ExtendedRequest", "\x80", false}, 0x78: {"ExtendedResponse", "\x0a", true},
}

// lookLDAP wants a message with an identifier and an operation whose first element is of the right type and, where it
// has a fixed size, of that.
func lookLDAP(t protocols.Transport, b []byte) (protocols.Match, string) {
	const sequence, integer, enumerated = 0x30, 0x02, 0x0a
	h := head(b)
	if !h.is(0, sequence) {
		return no()
	}
	n, i, state := h.ber(1)
	if state != protocols.Yes {
		return state, ""
	}
	if n < 7 || !h.fills(t, i+n) || !h.is(i, integer) || !h.within(i+1, 1, 4) {
		return no()
	}
	if len(b) < i+2 {
		return more()
	}
	i += 2 + int(b[i+1])
	if i >= len(b) {
		return more()
	}
	operation, known := ldapOperations[b[i]]
	if !known {
		return no()
	}
	_, i, state = h.ber(i + 1)
	if state != protocols.Yes {
		return state, ""
	}
	if i < len(b) && strings.IndexByte(operation.inner, b[i]) < 0 || (h.is(i, integer) || h.is(i, enumerated)) && !h.is(i+1, 1) {
		return no()
	}
	if h.is(i, integer) && !h.within(i+2, 2, 3) {
		return no() // version
	}
	return h.enough(i+3, side(operation.server), operation.name)
}
