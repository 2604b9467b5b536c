package http

import (
	"bytes"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Spec describes HTTP to the pipeline.
var Spec = protocols.Spec{
	Name: "http", TCP: []uint16{80, 8080, 8000, 8008, 8088}, Ordinary: true, Probe: probe,
	New: func() protocols.Dissector { return &conversation{} },
}

// patience is how many bytes of a request line are enough to tell that it is one.
const patience = 64

// methods are those of RFC 9110 §9.3, WebDAV and UPnP, each with the blank behind it.
var methods = []string{
	"GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "CONNECT ", "OPTIONS ", "TRACE ", "PATCH ", "PROPFIND ", "PROPPATCH ",
	"MKCOL ", "COPY ", "MOVE ", "LOCK ", "UNLOCK ", "REPORT ", "SEARCH ", "SUBSCRIBE ", "UNSUBSCRIBE ", "NOTIFY ",
	"RPC_IN_DATA ", "RPC_OUT_DATA ", "BITS_POST ",
}

const (
	preface    = "PRI * HTTP/2.0\r\n" // RFC 9113 §3.4
	statusLine = "HTTP/1."
)

// probe wants a status line, or a known method, the beginning of a target and, where the line is not long, the version
// behind it.
func probe(t protocols.Transport, b []byte) protocols.Match {
	switch {
	case t != protocols.TransportTCP:
		return protocols.No
	case len(b) == 0:
		return protocols.More
	case b[0] < 'A' || b[0] > 'Z': // nearly all of what is another's
		return protocols.No
	case begins(b, preface):
		return enough(b, len(preface), protocols.YesClient)
	case begins(b, statusLine):
		return probeStatus(b)
	}
	for _, method := range methods {
		if b[0] == method[0] && begins(b, method) {
			return probeRequest(b, method)
		}
	}
	return protocols.No
}

// probeStatus wants "HTTP/1.1 200".
func probeStatus(b []byte) protocols.Match {
	for i, set := range [...]string{"01", " ", "12345", "0123456789", "0123456789"} {
		if k := len(statusLine) + i; k < len(b) && strings.IndexByte(set, b[k]) < 0 {
			return protocols.No
		}
	}
	return enough(b, len(statusLine)+5, protocols.YesServer)
}

func probeRequest(b []byte, method string) protocols.Match {
	line, _, whole := bytes.Cut(b, []byte{'\n'})
	if !ascii(line) {
		return protocols.No
	}
	if len(b) > len(method) && method != "CONNECT " && strings.IndexByte("/*hH", b[len(method)]) < 0 {
		return protocols.No
	}
	switch {
	case whole && bytes.Contains(line, []byte(" "+statusLine)):
		return protocols.YesClient
	case whole:
		return protocols.No
	case len(b) < patience:
		return protocols.More
	}
	return protocols.YesClient
}

// begins reports that b begins with s, or may when more of it is there.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

func enough(b []byte, n int, yes protocols.Match) protocols.Match {
	if len(b) < n {
		return protocols.More
	}
	return yes
}

// ascii reports that b is printable ASCII, tabs and carriage returns.
func ascii(b []byte) bool {
	for _, x := range b {
		if (x < ' ' || x > '~') && x != '\t' && x != '\r' {
			return false
		}
	}
	return true
}
