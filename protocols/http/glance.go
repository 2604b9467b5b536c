package http

import (
	"bytes"
	"compress/gzip"
	"html"
	"io"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// view is what is looked for in a content.
type view uint8

const (
	glanceNothing view = iota
	glancePage         // the title of a page
	glanceZipped       // the same, compressed
	glanceForm         // the name of an uploaded file
)

// limits are how many bytes of a content are kept to look at.
var limits = [...]int{glancePage: 4 << 10, glanceZipped: 8 << 10, glanceForm: 2 << 10}

// maxInflated is how much of a compressed page is inflated.
const maxInflated = 16 << 10

// glance is the beginning of a content.
type glance struct {
	view view
	buf  []byte
}

func (g *glance) begin(v view) { g.view, g.buf = v, g.buf[:0] }
func (g *glance) open() bool   { return g.view != glanceNothing }
func (g *glance) end()         { *g = glance{} }

// glimpse takes bytes of a content that is looked at.
func (c *conversation) glimpse(dst []protocols.Event, m protocols.Message, f *flow, b []byte) []protocols.Event {
	g := &f.glance
	if !g.open() {
		return dst
	}
	limit := limits[g.view]
	g.buf = append(g.buf, b[:min(len(b), limit-len(g.buf))]...)
	full := len(g.buf) == limit
	switch g.view {
	case glancePage:
		return c.page(dst, m, f, title(g.buf), full)
	case glanceZipped:
		if full {
			return c.glimpsed(dst, m, f)
		}
	case glanceForm:
		return c.form(dst, m, f, full)
	}
	return dst
}

// glimpsed takes the end of a content.
func (c *conversation) glimpsed(dst []protocols.Event, m protocols.Message, f *flow) []protocols.Event {
	zipped := f.glance.view == glanceZipped
	if zipped {
		dst = c.page(dst, m, f, title(inflate(f.glance.buf)), true)
	}
	f.glance.end()
	return dst
}

// page tells the title once it is there, or gives up.
func (c *conversation) page(dst []protocols.Event, m protocols.Message, f *flow, title string, full bool) []protocols.Event {
	if title != "" {
		e := protocols.Event{
			From: m.From, Action: protocols.ActionConnect, Outcome: protocols.OutcomeDone, Message: "Page",
			Facts: []protocols.Fact{{About: protocols.Server, Key: protocols.FactTitle, Value: title, Confidence: entitled}},
		}
		if m.Detail {
			e.Detail = &Detail{Title: title}
		}
		dst = append(dst, e)
	}
	if title != "" || full {
		f.glance.end()
	}
	return dst
}

// form tells the name of an uploaded file once it is there (RFC 7578 §4.2), or gives up.
func (c *conversation) form(dst []protocols.Event, m protocols.Message, f *flow, full bool) []protocols.Event {
	const mark = `filename="`
	i := indexFold(f.glance.buf, mark)
	if i >= 0 {
		if name, _, whole := bytes.Cut(f.glance.buf[i+len(mark):], []byte{'"'}); whole {
			dst = c.uploads(dst, m, name)
			full = true
		}
	}
	if full {
		f.glance.end()
	}
	return dst
}

// uploads tells that the request in progress moves a file.
func (c *conversation) uploads(dst []protocols.Event, m protocols.Message, name []byte) []protocols.Event {
	if len(name) == 0 {
		return dst // the field for a file was left empty
	}
	object := file(name)
	if n := len(c.pending); n > 0 {
		c.pending[n-1].action, c.pending[n-1].object = protocols.ActionFile, object
	}
	e := protocols.Event{
		From: m.From, Action: protocols.ActionFile, Outcome: protocols.OutcomeAsked, Message: "Form", Object: object,
	}
	if m.Detail {
		e.Detail = &Detail{Filename: object.Name}
	}
	return append(dst, e)
}

// title gives the title of a page, in one line; empty where it is not there, or not yet.
func title(page []byte) string {
	i := indexFold(page, "<title")
	if i < 0 {
		return ""
	}
	_, rest, ok := bytes.Cut(page[i:], []byte{'>'})
	end := indexFold(rest, "</title")
	if !ok || end < 0 {
		return ""
	}
	s := strings.ToValidUTF8(string(rest[:end]), "")
	return text([]byte(strings.Join(strings.Fields(html.UnescapeString(s)), " ")))
}

// inflate gives the beginning of a compressed page. What is broken or cut off is read as far as it goes.
func inflate(b []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	page, _ := io.ReadAll(io.LimitReader(r, maxInflated))
	return page
}
