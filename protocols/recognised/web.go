package recognised

import (
	"bytes"

	"github.com/spanwatch/spanwatch/protocols"
)

var web = []protocol{
	{name: "ssdp", title: "SSDP", udp: []uint16{1900}, look: lookSSDP, facts: factsHTTP},
	{name: "tls", title: "TLS", tcp: []uint16{443, 8443, 993, 995, 636, 8883}, look: lookTLS},
}

// factsHTTP reads the software from the header of a response, or a request.
func factsHTTP(from protocols.Side, b []byte) (facts []protocols.Fact, more bool) {
	rest := head(b)
	for {
		line, whole := rest.line()
		if !whole {
			return nil, true
		}
		if len(line) == 0 {
			return nil, false
		}
		rest = rest[bytes.IndexByte(rest, '\n')+1:]
		for _, field := range [...]string{"SERVER:", "USER-AGENT:"} {
			if len(line) > len(field) && line.fold(0, field) {
				return application(from, line[len(field):]), false
			}
		}
	}
}

// searches are the first lines of SSDP, and a header that goes with each (UPnP Device Architecture 2.0, 1.2 and 1.3).
var searches = [...]struct {
	line, header, name string
	side               protocols.Match
}{
	{"M-SEARCH * HTTP/1.1\r\n", "\nST:", "M-SEARCH", protocols.YesClient},
	{"NOTIFY * HTTP/1.1\r\n", "\nNTS:", "NOTIFY", protocols.Yes},
	{"HTTP/1.1 200 OK\r\n", "\nST:", "Response", protocols.YesServer},
}

// lookSSDP wants the first line and the header of a search, an announcement or an answer.
func lookSSDP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	for _, s := range searches {
		switch {
		case !h.text(0, s.line):
		case len(h) < len(s.line):
			return more()
		case says(h, s.header):
			return s.side, s.name
		}
	}
	return no()
}

// Content types of TLS records, and the handshake messages that open a conversation (RFC 8446 §4 and §5.1).
const (
	tlsChange      = 20
	tlsAlert       = 21
	tlsHandshake   = 22
	tlsApplication = 23
	clientHello    = 1
	serverHello    = 2
	tlsHeader      = 5
	tlsRecordMax   = 1<<14 + 2048
	smallestHello  = tlsHeader + 38
)

// lookTLS wants a hello; in the middle of a conversation a record behind which the segment ends, or the next record
// begins.
func lookTLS(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if !recordHeader(h) {
		return no()
	}
	if len(b) < tlsHeader {
		return more()
	}
	size := tlsHeader + h.u16(3)
	if b[0] == tlsHandshake && h.within(5, clientHello, serverHello) {
		if !h.is(6, 0) || !h.is(9, 3) || !h.within(10, 0, 4) || size < smallestHello {
			return no()
		}
		if len(b) < 11 {
			return more()
		}
		if b[5] == serverHello {
			return protocols.YesServer, "Server Hello"
		}
		return protocols.YesClient, "Client Hello"
	}
	switch {
	case b[0] == tlsChange && (size != tlsHeader+1 || !h.is(5, 1)):
		return no()
	case b[0] == tlsAlert && size == tlsHeader+2 && !h.within(5, 1, 2), b[0] == tlsAlert && size != tlsHeader+2 && size < 23:
		return no()
	case b[0] == tlsHandshake && size < smallestHello, b[0] == tlsApplication && size < 21:
		return no()
	case len(b) < size:
		return h.open()
	case !recordHeader(h[size:]):
		return no()
	}
	return protocols.Yes, ""
}

// recordHeader reports that h begins, as far as it goes, with the header of a record, or is empty.
func recordHeader(h head) bool {
	return h.within(0, tlsChange, tlsApplication) && h.is(1, 3) && h.within(2, 0, 4) && h.be16(3, 1, tlsRecordMax)
}
