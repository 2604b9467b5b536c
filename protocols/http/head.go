package http

import (
	"bytes"
	"strconv"
	"strings"
)

// maxHead is how much of a head is read. What a longer one has behind that is passed over.
const maxHead = 8 << 10

// head is a request or a response without its content. All slices are borrowed.
type head struct {
	method, target, version []byte // of a request
	status                  int    // of a response

	host, agent, server, powered, via []byte
	authorization, challenge          []byte
	kind, encoding, disposition       []byte // of the content
	upgrade                           []byte
	length                            int64 // of the content; -1: not told
	chunked                           bool
	fault                             string // what is wrong with the way its content is framed
}

// fields are the header fields that are read, under their names in lower case (RFC 9110, RFC 6266, RFC 7239).
var fields = map[string]func(h *head, value []byte){
	"host":                func(h *head, v []byte) { h.host = v },
	"user-agent":          func(h *head, v []byte) { h.agent = v },
	"server":              func(h *head, v []byte) { h.server = v },
	"x-powered-by":        func(h *head, v []byte) { h.powered = v },
	"via":                 func(h *head, v []byte) { h.via = v },
	"forwarded":           func(h *head, v []byte) { h.via = v },
	"x-forwarded-for":     func(h *head, v []byte) { h.via = v },
	"authorization":       func(h *head, v []byte) { h.authorization = v },
	"proxy-authorization": func(h *head, v []byte) { h.authorization = v },
	"www-authenticate":    func(h *head, v []byte) { h.challenge = v },
	"content-type":        func(h *head, v []byte) { h.kind = v },
	"content-encoding":    func(h *head, v []byte) { h.encoding = v },
	"content-disposition": func(h *head, v []byte) { h.disposition = v },
	"upgrade":             func(h *head, v []byte) { h.upgrade = v },
	"content-length":      (*head).setLength,
	"transfer-encoding":   func(h *head, v []byte) { h.chunked = h.chunked || hasFold(v, "chunked") },
}

const longestField = 24 // bytes of a name; none that is read has more

// parse reads a start line and the fields behind it (RFC 9112 §2.1). Lines that are no fields are passed over.
func (h *head) parse(b []byte) {
	*h = head{length: -1}
	line, rest, _ := bytes.Cut(b, []byte{'\n'})
	h.start(bytes.TrimRight(line, "\r"))
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte{'\n'})
		name, value, ok := bytes.Cut(line, []byte{':'})
		if !ok || len(name) > longestField {
			continue
		}
		var lower [longestField]byte
		for i, x := range name {
			if 'A' <= x && x <= 'Z' {
				x += 'a' - 'A'
			}
			lower[i] = x
		}
		if set := fields[string(lower[:len(name)])]; set != nil {
			set(h, bytes.TrimSpace(value))
		}
	}
	if h.chunked && h.length >= 0 {
		h.fault = "content framed in two ways" // RFC 9112 §6.3: how requests are smuggled past a filter
	}
}

// start reads "GET /x HTTP/1.1" or "HTTP/1.1 200 OK".
func (h *head) start(line []byte) {
	if bytes.HasPrefix(line, []byte(statusLine)) {
		for _, x := range line[min(len(line), len(statusLine)+2):min(len(line), len(statusLine)+5)] {
			if x < '0' || x > '9' {
				h.fault = "status is no number"
				return
			}
			h.status = h.status*10 + int(x-'0')
		}
		h.version = line[:min(len(line), len(statusLine)+1)]
		return
	}
	method, rest, _ := bytes.Cut(line, []byte{' '})
	h.method, h.target = method, rest
	if i := bytes.LastIndexByte(rest, ' '); i >= 0 {
		h.target, h.version = bytes.TrimSpace(rest[:i]), rest[i+1:]
	}
}

// setLength reads Content-Length, of which there may be several that agree (RFC 9110 §8.6).
func (h *head) setLength(v []byte) {
	n, err := strconv.ParseInt(string(v), 10, 62) // no allocation: the string does not outlive the call
	switch {
	case err != nil || n < 0:
		h.fault = "content length is no number"
	case h.length >= 0 && h.length != n:
		h.fault = "two content lengths"
	default:
		h.length = n
	}
}

// path gives the target without its query.
func (h *head) path() []byte {
	p, _, _ := bytes.Cut(h.target, []byte{'?'})
	return p
}

// forwarded reports whether somebody passed the message on, so that it tells nothing about who sends it.
func (h *head) forwarded() bool { return h.via != nil }

// toProxy reports whether a request is for somebody else's page.
func (h *head) toProxy() bool {
	return string(h.method) == "CONNECT" || len(h.target) > 0 && h.target[0] != '/' && bytes.Contains(h.target, []byte("://"))
}

// headEnd gives where the head at the start of b ends: behind its first empty line. 0 when that is not there yet.
func headEnd(b []byte) int {
	for i := 0; ; {
		k := bytes.IndexByte(b[i:], '\n')
		if k < 0 {
			return 0
		}
		i += k + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}

// parameter gives the value of name=value or name="value" in a list such as a challenge; nil where it is not there.
func parameter(list []byte, name string) []byte {
	for i := 0; i+len(name) < len(list); i++ {
		if !equalFold(list[i:i+len(name)], name) || list[i+len(name)] != '=' || i > 0 && strings.IndexByte(" ,;\t", list[i-1]) < 0 {
			continue
		}
		v := list[i+len(name)+1:]
		if len(v) > 0 && v[0] == '"' {
			v, _, _ = bytes.Cut(v[1:], []byte{'"'})
			return v
		}
		if end := bytes.IndexAny(v, ",; \t"); end >= 0 {
			v = v[:end]
		}
		return v
	}
	return nil
}

// hasFold reports whether b holds word, which is in lower case, in any case.
func hasFold(b []byte, word string) bool { return indexFold(b, word) >= 0 }

// indexFold gives where word, which is in lower case, begins in b in any case; -1 where it does not.
func indexFold(b []byte, word string) int {
	for i := 0; i+len(word) <= len(b); i++ {
		if equalFold(b[i:i+len(word)], word) {
			return i
		}
	}
	return -1
}

func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, x := range b {
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if x != word[i] {
			return false
		}
	}
	return true
}
