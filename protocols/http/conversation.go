package http

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// stage is what comes next from a side.
type stage uint8

const (
	atHead     stage = iota
	inLine           // the rest of a line that belongs to nothing
	inLongHead       // the lines of a head behind what was read of it
	inContent        // left bytes
	atChunk          // the size of a chunk
	inTrailer        // fields behind the last chunk
	untilClose       // content, or another protocol, until the connection closes
	afterGap         // nothing fits, until a segment begins with a head
)

// longestLine is how many bytes the size of a chunk and its extensions may have.
const longestLine = 1 << 10

// flow is where one side is in its messages.
type flow struct {
	stage   stage
	left    int64 // bytes of content, or of a chunk with the end of its line
	chunked bool
	full    bool // the present line has something in it
	odd     bool // it was told that something is no HTTP
	glance  glance
}

// conversation is the state of one conversation.
type conversation struct {
	sides   [2]flow
	depth   protocols.Depth
	pending []exchange
	gone    uint64 // requests forgotten for want of room
	told    [2]told
	host    string // that the client asked for, until a server answers for it
	proxied bool   // the server passes requests on
	request head
	user    uint64 // hash of the user last presented
	looked  bool   // at a page for its title
}

// Depth implements [protocols.Framer].
func (c *conversation) Depth() protocols.Depth { return c.depth }

// Next implements [protocols.Framer].
func (c *conversation) Next(from protocols.Side, b []byte) int {
	f := &c.sides[from]
	switch f.stage {
	case inContent:
		return int(min(f.left, int64(len(b))))
	case untilClose:
		return len(b)
	case atHead, afterGap:
		return nextHead(f.stage, from, b)
	case atChunk:
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return i + 1
		}
		if len(b) < longestLine {
			return 0
		}
		return longestLine
	}
	return nextLine(b)
}

// nextHead gives the length of a head, or of a line that begins none.
func nextHead(s stage, from protocols.Side, b []byte) int {
	switch begin(from, b) {
	case protocols.More:
		return 0
	case protocols.No:
		if s == afterGap {
			return len(b)
		}
		return nextLine(b)
	}
	if n := headEnd(b[:min(len(b), maxHead)]); n > 0 {
		return n
	}
	if len(b) < maxHead {
		return 0
	}
	return maxHead
}

func nextLine(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// longestMethod is how many bytes a method of a start line may have.
const longestMethod = 24

// begin decides whether b begins a head: more leniently than the probe, for methods that nobody knows.
func begin(from protocols.Side, b []byte) protocols.Match {
	if from == protocols.Server {
		if !begins(b, statusLine) {
			return protocols.No
		}
		return enough(b, len(statusLine), protocols.Yes)
	}
	for i, x := range b[:min(len(b), longestMethod)] {
		switch {
		case 'A' <= x && x <= 'Z', (x == '_' || x == '-') && i > 0:
			continue
		case x != ' ' || i < 2:
			return protocols.No
		case i+1 == len(b):
			return protocols.More
		case string(b[:i]) != "CONNECT" && strings.IndexByte("/*hH", b[i+1]) < 0:
			return protocols.No
		}
		return protocols.Yes
	}
	if len(b) < longestMethod {
		return protocols.More
	}
	return protocols.No
}

// Gap implements [protocols.Dissector].
func (c *conversation) Gap(from protocols.Side) {
	f := &c.sides[from]
	if f.stage != untilClose {
		*f = flow{stage: afterGap, odd: f.odd}
	}
	c.pending = c.pending[:0] // which answer is to which request is no longer known
}

// Unanswered implements [protocols.Asker].
func (c *conversation) Unanswered(ended bool) uint64 {
	n := c.gone
	c.gone = 0
	if ended {
		n += uint64(len(c.pending))
		c.pending = nil
	}
	return n
}

// Dissect implements [protocols.Dissector].
func (c *conversation) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	f := &c.sides[m.From]
	c.depth = protocols.DepthRecognised
	switch f.stage {
	case inContent:
		return c.content(dst, m, f), nil
	case untilClose:
		return c.glimpse(dst, m, f, m.Bytes), nil
	case atChunk:
		c.depth = protocols.DepthDecoded
		return c.chunk(dst, m, f)
	case inLongHead:
		if f.emptyLine(m.Bytes) {
			f.contentBegins()
		}
		return dst, nil
	case inTrailer:
		if f.emptyLine(m.Bytes) {
			return c.contentEnds(dst, m, f), nil
		}
		return dst, nil
	case inLine:
		return dst, f.oddLine(m.Bytes)
	}
	if begin(m.From, m.Bytes) != protocols.Yes {
		if f.stage == afterGap {
			return dst, nil
		}
		return dst, f.oddLine(m.Bytes)
	}
	return c.head(dst, m, f)
}

// head takes a head and gets ready for the content behind it.
func (c *conversation) head(dst []protocols.Event, m protocols.Message, f *flow) ([]protocols.Event, error) {
	c.depth = protocols.DepthDecoded
	h := &c.request
	h.parse(m.Bytes)
	f.stage, f.left, f.chunked, f.full = atHead, max(h.length, 0), h.chunked, false
	if string(h.version) == "HTTP/2.0" {
		dst = c.preface(dst, m, h)
	} else if m.From == protocols.Client {
		dst = c.asked(dst, m, h, f)
	} else {
		dst = c.answered(dst, m, h, f)
	}
	if headEnd(m.Bytes) == 0 {
		f.stage, f.full = inLongHead, !bytes.HasSuffix(m.Bytes, []byte{'\n'})
	} else if f.stage != untilClose {
		f.contentBegins()
	}
	fault := h.fault
	*h = head{} // it borrows the message
	if fault != "" {
		return dst, fmt.Errorf("http: %w: %s", protocols.ErrMalformed, fault)
	}
	return dst, nil
}

// contentBegins sets what follows a head.
func (f *flow) contentBegins() {
	switch {
	case f.chunked:
		f.stage, f.left = atChunk, 0
	case f.left > 0:
		f.stage = inContent
	default:
		f.stage = atHead
	}
}

// content takes the next bytes of a content or a chunk.
func (c *conversation) content(dst []protocols.Event, m protocols.Message, f *flow) []protocols.Event {
	n := min(int64(len(m.Bytes)), f.left)
	f.left -= n
	if f.glance.open() {
		b := m.Bytes[:n]
		if f.chunked && f.left < lineEnd { // the end of the line is no content
			b = b[:max(0, n-(lineEnd-f.left))]
		}
		dst = c.glimpse(dst, m, f, b)
	}
	switch {
	case f.left > 0:
	case f.chunked:
		f.stage = atChunk
	default:
		dst = c.contentEnds(dst, m, f)
	}
	return dst
}

// lineEnd is the number of bytes behind a chunk (RFC 9112 §7.1).
const lineEnd = 2

// contentEnds is reached behind the last byte of a message.
func (c *conversation) contentEnds(dst []protocols.Event, m protocols.Message, f *flow) []protocols.Event {
	f.stage, f.full = atHead, false
	return c.glimpsed(dst, m, f)
}

// chunk takes the line with the size of a chunk, in hexadecimal.
func (c *conversation) chunk(dst []protocols.Event, m protocols.Message, f *flow) ([]protocols.Event, error) {
	var size int64
	digits := 0
	for _, x := range m.Bytes {
		v := hexDigit(x)
		if v < 0 {
			break
		}
		size, digits = size<<4|v, digits+1
		if digits > 12 {
			break
		}
	}
	switch {
	case digits == 0 || digits > 12 || !bytes.HasSuffix(m.Bytes, []byte{'\n'}):
		f.odd = true // told here; what follows are lines until a head begins
		f.stage = inLine
		if bytes.HasSuffix(m.Bytes, []byte{'\n'}) {
			f.stage = atHead
		}
		return dst, fmt.Errorf("http: %w: size of a chunk begins %.16q", protocols.ErrMalformed, m.Bytes)
	case size == 0:
		f.stage, f.full = inTrailer, false
	default:
		f.stage, f.left = inContent, size+lineEnd
	}
	return dst, nil
}

func hexDigit(x byte) int64 {
	switch {
	case '0' <= x && x <= '9':
		return int64(x - '0')
	case 'a' <= x && x <= 'f':
		return int64(x-'a') + 10
	case 'A' <= x && x <= 'F':
		return int64(x-'A') + 10
	}
	return -1
}

// emptyLine takes a line, or a piece of one, and reports whether an empty line has ended.
func (f *flow) emptyLine(b []byte) bool {
	f.full = f.full || len(bytes.TrimRight(b, "\r\n")) > 0
	if len(b) == 0 || b[len(b)-1] != '\n' {
		return false
	}
	empty := !f.full
	f.full = false
	return empty
}

// oddLine takes a piece of a line that belongs to no message. Empty ones are nothing (RFC 9112 §2.2), and one that is
// not is told once.
func (f *flow) oddLine(b []byte) error {
	full := len(bytes.TrimRight(b, "\r\n")) > 0
	f.stage = inLine
	if len(b) > 0 && b[len(b)-1] == '\n' {
		f.stage = atHead
	}
	if !full || f.odd {
		return nil
	}
	f.odd = true
	return fmt.Errorf("http: %w: a line that begins no message", protocols.ErrMalformed)
}
