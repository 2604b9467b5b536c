package mms

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/tpkt"
)

// conversation is the state of one connection.
type conversation struct {
	fragments [2]tpkt.Reassembler // DT fragments, by sender
	lossy     [2]bool             // bytes of this sender were lost: what comes next may be a tail
	m         message
	names     names
	pending   pending
}

// Gap implements [protocols.Dissector]. What was asked meanwhile is unknown.
func (c *conversation) Gap(from protocols.Side) {
	c.fragments[from].Gap()
	c.lossy[from] = true
	c.pending.forget(from)
}

// Unanswered implements [protocols.Asker].
func (c *conversation) Unanswered(ended bool) uint64 {
	n := c.pending.given
	c.pending.given = 0
	if ended {
		n += uint64(c.pending.used)
		c.pending.used = 0
	}
	return n
}

// Dissect implements [protocols.Dissector] for one TPKT packet.
func (c *conversation) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	p, err := tpkt.Parse(in.Bytes)
	if err != nil {
		return odd(dst, in, err)
	}
	if p.Type != tpkt.DT {
		return connection(dst, in, p), nil
	}
	b, whole, err := c.fragments[in.From].Add(p)
	switch {
	case err != nil:
		return odd(dst, in, err)
	case !whole || len(b) == 0:
		return dst, nil
	}
	lossy := c.lossy[in.From]
	c.lossy[in.From] = false
	var l layers
	body, err := l.open(b)
	switch {
	case err != nil && lossy:
		return dst, nil // the tail of a message whose beginning was lost
	case err != nil:
		return odd(dst, in, err)
	case body == nil:
		return append(dst, protocols.Event{
			From: in.From, Protocol: labelCOTP, Carrier: true, Action: protocols.ActionConnect, Outcome: protocols.OutcomeDone,
			Message: l.title(),
		}), nil
	}
	m := &c.m
	m.names = &c.names
	m.reset(in.From)
	m.read(body)
	dst = c.events(dst, in, &l)
	return dst, m.err
}

// title names a message of the layers below MMS.
func (l *layers) title() string {
	if l.session == sessionData {
		return "presentation data"
	}
	return sessionNames[l.session]
}

// connection turns a transport PDU other than data into an event; mere acknowledgements give none.
func connection(dst []protocols.Event, in protocols.Message, p tpkt.PDU) []protocols.Event {
	e := protocols.Event{
		From: in.From, Protocol: labelCOTP, Carrier: true, Action: protocols.ActionConnect, Outcome: protocols.OutcomeDone,
		Message: p.Type.String(),
	}
	switch p.Type {
	case tpkt.CR:
		e.Outcome = protocols.OutcomeAsked
	case tpkt.ER:
		e.Outcome = protocols.OutcomeRefused
	case tpkt.CC, tpkt.DR, tpkt.DC:
	default:
		return dst
	}
	return append(dst, e)
}

// odd reports what cannot be told to be MMS at all: it belongs to the transport.
func odd(dst []protocols.Event, in protocols.Message, err error) ([]protocols.Event, error) {
	dst = append(dst, protocols.Event{From: in.From, Protocol: labelCOTP, Carrier: true, Message: "malformed"})
	return dst, fmt.Errorf("mms: %w: %w", protocols.ErrMalformed, err)
}

// events gives one event an object, never more than the message has bytes.
func (c *conversation) events(dst []protocols.Event, in protocols.Message, l *layers) []protocols.Event {
	m := &c.m
	e := protocols.Event{From: in.From, Action: protocols.ActionConnect, Outcome: pdus[m.kind].outcome, Message: m.title()}
	if m.row != nil {
		e.Action = m.row.action
	} else if m.named || m.invoked {
		e.Action = protocols.ActionNone
	}
	if l.login && m.kind == initiateRequest {
		e.Action = protocols.ActionLogin
	}
	start := len(dst)
	r := c.pair()
	if r != nil {
		e.Answers = r.frame
		if m.row == nil && r.service < uint8(len(services)) {
			e.Action = services[r.service].action
		}
		dst = c.answer(dst, e, r, len(in.Bytes))
	}
	for i := range m.items[:min(len(m.items), len(in.Bytes))] {
		dst = append(dst, m.items[i].event(e))
	}
	if len(dst) == start {
		for i := range m.results {
			if m.results[i].refused {
				e.Outcome = protocols.OutcomeRefused
			}
		}
		dst = append(dst, e)
	}
	if m.kind == confirmedRequest && m.invoked {
		c.pending.put(m, in.Frame, dst[start:])
	}
	dst[start].Facts = m.facts
	if in.Detail {
		dst[start].Detail = m.detail(r)
	}
	return dst
}

// event gives the event of an item; e holds what all have in common.
func (it *item) event(e protocols.Event) protocols.Event {
	e.Object, e.Values = it.object, it.values
	if it.action != protocols.ActionNone {
		e.Action = it.action
	}
	if it.refused {
		e.Outcome = protocols.OutcomeRefused
	}
	return e
}

// pair finds the request of an answer; nil where there is none.
func (c *conversation) pair() *request {
	m := &c.m
	if !pdus[m.kind].answers || !m.invoked {
		return nil
	}
	return c.pending.take(m)
}

// answer gives the events of an answer about the objects of its request, each with its result.
func (c *conversation) answer(dst []protocols.Event, e protocols.Event, r *request, limit int) []protocols.Event {
	m := &c.m
	single := len(m.results) == 1 && len(r.deeds) == 1
	for i := range r.deeds[:min(len(r.deeds), limit)] {
		d := &r.deeds[i]
		it := item{object: d.object, action: d.action}
		if i < len(m.results) && (single || !r.listed) {
			result := &m.results[i]
			it.values, it.refused = result.values, result.refused
			if d.plate != "" && result.values.Type == protocols.ValueText {
				m.tell(d.plate, result.values.Raw)
			}
		} else if r.listed {
			for k := range m.results {
				it.refused = it.refused || m.results[k].refused
			}
		}
		dst = append(dst, it.event(e))
	}
	return dst
}

// title names the message: the service, or the PDU where it has none.
func (m *message) title() string {
	switch {
	case m.row != nil:
		return m.row.name
	case m.named:
		return "service-" + strconv.Itoa(int(m.service))
	default:
		return pdus[m.kind].name
	}
}

func hexadecimal(b []byte) string { return hex.EncodeToString(b[:min(len(b), maxShown)]) }
