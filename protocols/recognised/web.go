package recognised

import (
	"bytes"

	"github.com/spanwatch/spanwatch/protocols"
)

var web = []protocol{
	{name: "ssdp", title: "SSDP", udp: []uint16{1900}, look: lookSSDP, facts: factsHTTP},
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
