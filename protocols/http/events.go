package http

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// maxPending bounds the requests that wait for their answer.
const maxPending = 16

// exchange is a request until it is answered.
type exchange struct {
	frame  uint64
	head   bool // it asks for no content
	tunnel bool
	login  bool // it presented a user that was not presented before
	user   bool // it presented a user
	steps  bool // and needs several requests for it
	action protocols.Action
	object protocols.Object
}

// moves are the methods that put a file on the server, or change one there (RFC 9110 §9.3, RFC 4918, [MC-BUP]).
var moves = map[string]bool{
	"PUT": true, "DELETE": true, "MOVE": true, "COPY": true, "MKCOL": true, "BITS_POST": true,
}

// asked gives the events of a request.
func (c *conversation) asked(dst []protocols.Event, m protocols.Message, h *head, f *flow) []protocols.Event {
	x := exchange{
		frame: m.Frame, head: string(h.method) == "HEAD", tunnel: string(h.method) == "CONNECT",
		user: h.authorization != nil, steps: inSteps(h.authorization),
	}
	c.proxied = c.proxied || h.toProxy()
	name := methodName(h.method)
	before := len(dst)
	facts := c.clientFacts(h)
	if x.user && c.presents(h.authorization) {
		x.login = true
		e := protocols.Event{From: m.From, Action: protocols.ActionLogin, Outcome: protocols.OutcomeAsked, Message: name, Facts: facts}
		if user := userName(h.authorization); user != "" {
			e.Facts = append(e.Facts, protocols.Fact{About: protocols.Client, Key: protocols.FactUser, Value: user})
		}
		dst, facts = append(dst, e), nil
	}
	if moves[name] || name == "POST" && hasFold(h.kind, "application/octet-stream") {
		x.action, x.object = protocols.ActionFile, file(h.path())
		dst = append(dst, protocols.Event{
			From: m.From, Action: x.action, Outcome: protocols.OutcomeAsked, Message: name, Object: x.object, Facts: facts,
		})
	} else if len(dst) == before && (facts != nil || !c.told[m.From].spoken) {
		dst = append(dst, protocols.Event{
			From: m.From, Action: protocols.ActionConnect, Outcome: protocols.OutcomeAsked, Message: name, Facts: facts,
		})
	}
	if len(dst) > before {
		c.told[m.From].spoken = true
		if m.Detail {
			dst[before].Detail = h.detail(0)
		}
	}
	if name == "POST" && hasFold(h.kind, "multipart/form-data") {
		f.glance.begin(glanceForm)
	}
	c.remember(x)
	return dst
}

// preface gives the event of a client that speaks HTTP/2, which is not read.
func (c *conversation) preface(dst []protocols.Event, m protocols.Message, h *head) []protocols.Event {
	c.passOver()
	e := protocols.Event{From: m.From, Action: protocols.ActionConnect, Outcome: protocols.OutcomeAsked, Message: "HTTP/2 Preface"}
	if m.Detail {
		e.Detail = h.detail(0)
	}
	return append(dst, e)
}

func (c *conversation) remember(x exchange) {
	if len(c.pending) == maxPending {
		c.pending = append(c.pending[:0], c.pending[1:]...)
		c.gone++
	}
	c.pending = append(c.pending, x)
}

// answered gives the events of a response. Those come in the order of the requests (RFC 9112 §9.3.2).
func (c *conversation) answered(dst []protocols.Event, m protocols.Message, h *head, f *flow) []protocols.Event {
	var x exchange
	if len(c.pending) > 0 {
		x = c.pending[0]
		if h.status >= 200 {
			c.pending = append(c.pending[:0], c.pending[1:]...)
		}
	}
	e := protocols.Event{
		From: m.From, Action: protocols.ActionConnect, Outcome: outcome(h.status), Message: "Response",
		Facts: c.serverFacts(h), Answers: x.frame,
	}
	before := len(dst)
	denied := h.status == 401 || h.status == 403 || h.status == 407
	if x.steps && denied && inSteps(h.challenge) {
		x.login, x.user, c.user = false, false, 0 // a step on the way: the next request presents the user
	}
	if h.status >= 200 && (x.login || x.user && denied) {
		login := e
		login.Action = protocols.ActionLogin
		dst, e.Facts = append(dst, login), nil
	}
	switch {
	case h.status < 200 && h.status != 101:
	case x.action != protocols.ActionNone:
		e.Action, e.Object = x.action, x.object
		dst = append(dst, e)
	case hasFold(h.disposition, "attachment"):
		e.Action, e.Object = protocols.ActionFile, file(parameter(h.disposition, "filename"))
		dst = append(dst, e)
	case len(dst) == before && (e.Facts != nil || !c.told[m.From].spoken):
		dst = append(dst, e)
	}
	if len(dst) > before {
		c.told[m.From].spoken = true
		if m.Detail {
			dst[before].Detail = h.detail(x.frame)
		}
	}
	c.follows(h, x, f)
	return dst
}

// follows settles what comes behind a response (RFC 9112 §6.3).
func (c *conversation) follows(h *head, x exchange, f *flow) {
	switch {
	case h.status == 101, x.tunnel && h.status/100 == 2:
		c.passOver()
		return
	case h.status < 200, x.head, h.status == 204, h.status == 304:
		f.left, f.chunked = 0, false
		return
	case !h.chunked && h.length < 0:
		f.stage = untilClose
	}
	if h.status != 200 || c.looked || c.proxied || h.forwarded() || !hasFold(h.kind, "text/html") {
		return
	}
	switch {
	case h.encoding == nil, equalFold(h.encoding, "identity"):
		f.glance.begin(glancePage)
	case hasFold(h.encoding, "gzip"):
		f.glance.begin(glanceZipped)
	default:
		return
	}
	c.looked = true
}

// passOver gives the connection up to what is not HTTP/1: another version, a tunnel, an upgrade.
func (c *conversation) passOver() {
	for i := range c.sides {
		c.sides[i] = flow{stage: untilClose}
	}
	c.pending = nil
}

// outcome reads a status code (RFC 9110 §15). A redirection has done what was asked for as far as the server would.
func outcome(status int) protocols.Outcome {
	switch {
	case status == 101, status >= 200 && status < 400:
		return protocols.OutcomeDone
	case status >= 400:
		return protocols.OutcomeRefused
	default:
		return protocols.OutcomeUnknown
	}
}

// file names a file by its path, as far as that is text.
func file(path []byte) protocols.Object {
	return protocols.Object{Area: "file", Name: text(path)}
}

// methodNames are the names of known methods, so that naming one allocates nothing.
var methodNames = func() map[string]string {
	names := make(map[string]string)
	for _, m := range methods {
		names[m[:len(m)-1]] = m[:len(m)-1]
	}
	return names
}()

func methodName(b []byte) string {
	if name, ok := methodNames[string(b)]; ok {
		return name
	}
	return text(b)
}
