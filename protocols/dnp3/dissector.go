package dnp3

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// dissector is the state of one conversation.
type dissector struct {
	pending   pending
	fragments [2]fragment
	asked     [2]linkAsked // link services that await their answer, by side
	files     [4]openFile
	nextFile  int
	mode      int // index in modes of what the indications said last
}

var _ protocols.Asker = (*dissector)(nil)

// linkAsked is a link service that a side asked for.
type linkAsked struct {
	frame      uint64
	outstation uint16
}

// openFile is the name behind a handle.
type openFile struct {
	handle uint32
	name   string
}

// Gap implements [protocols.Dissector].
func (d *dissector) Gap(from protocols.Side) {
	d.fragments[from].reset()
	d.pending.gap(from == protocols.Client)
	d.asked = [2]linkAsked{}
}

// Unanswered implements [protocols.Asker].
func (d *dissector) Unanswered(ended bool) uint64 {
	n := d.pending.unanswered(ended)
	for i := range d.asked {
		if ended && d.asked[i].frame != 0 {
			n++
			d.asked[i] = linkAsked{}
		}
	}
	return n
}

// Dissect implements [protocols.Dissector]. A datagram may hold several frames.
func (d *dissector) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	first := len(dst)
	for b := m.Bytes; len(b) > 0; {
		n := length(b)
		if n <= 0 || n > len(b) {
			dst = append(dst, protocols.Event{
				From: m.From, Action: protocols.ActionConnect, Message: "Link Frame",
				Malformed: fmt.Sprintf("%d bytes that are no whole link frame", len(b)),
			})
			break
		}
		dst = d.frame(dst, m, b[:n], len(dst) == first)
		b = b[n:]
	}
	for i := first; i < len(dst); i++ {
		if reason := dst[i].Malformed; reason != "" {
			return dst, fmt.Errorf("dnp3: %w: %s", protocols.ErrMalformed, reason)
		}
	}
	return dst, nil
}

// frame reads one link frame.
func (d *dissector) frame(dst []protocols.Event, m protocols.Message, b []byte, leads bool) []protocols.Event {
	h := readLink(b)
	var detail *Detail
	if m.Detail && leads {
		detail = h.detail()
	}
	e := protocols.Event{
		From: m.From, Action: protocols.ActionConnect, Message: h.function.name, Outcome: h.function.outcome,
		Object: protocols.Object{Area: "link", Unit: h.outstation(), HasUnit: true},
	}
	if detail != nil {
		e.Detail = detail
	}
	switch {
	case !h.sound:
		e.Message, e.Malformed = "Link Frame", "checksum of the link header is wrong"
		return append(dst, e)
	case h.function.name == "":
		e.Message = fmt.Sprintf("link function %d", h.control&codeMask)
		e.Malformed = "link function " + fmt.Sprint(h.control&codeMask) + " is not known"
		return append(dst, e)
	case h.function.data:
		return d.segment(dst, e, m, &h, b[headLen:], detail)
	case h.user > 0:
		e.Malformed = fmt.Sprintf("%d octets of user data behind a link service", h.user)
	}
	d.service(&e, m, &h, detail)
	return append(dst, e)
}

// service pairs link services with their answers.
func (d *dissector) service(e *protocols.Event, m protocols.Message, h *link, detail *Detail) {
	if h.control&primary != 0 {
		if d.asked[m.From].frame != 0 {
			d.pending.givenUp++
		}
		d.asked[m.From] = linkAsked{m.Frame, h.outstation()}
		return
	}
	if q := &d.asked[m.From.Other()]; q.frame != 0 && q.outstation == h.outstation() {
		e.Answers = q.frame
		*q = linkAsked{}
	}
	if detail != nil {
		detail.RequestFrame = e.Answers
	}
}

// The transport segment (IEEE 1815-2012, 8.2.1): a sequence number, and whether it is the first and the last.
const (
	transportFin  = 0x80
	transportFir  = 0x40
	transportMask = 0x3f
)

// segment reads what user data carry.
func (d *dissector) segment(dst []protocols.Event, e protocols.Event, m protocols.Message, h *link, b []byte, detail *Detail) []protocols.Event {
	f := &d.fragments[m.From]
	if h.user == 0 {
		e.Malformed = "user data without a transport segment"
		return append(dst, e)
	}
	f.compact()
	kept := len(f.data)
	var bad int
	f.data, bad = appendUser(f.data, b)
	if bad > 0 {
		f.reset()
		e.Malformed = fmt.Sprintf("checksum of block %d is wrong", bad)
		return append(dst, e)
	}
	t := f.data[kept]
	f.data = append(f.data[:kept], f.data[kept+1:]...)
	if detail != nil {
		detail.transport(t)
	}
	switch {
	case t&transportFir != 0:
		f.begin(h, kept)
	case !f.active || f.source != h.source || f.destination != h.destination || (f.next != t&transportMask):
		f.reset()
		e.Message = "Transport Segment"
		return append(dst, e)
	}
	f.next, f.final = (t+1)&transportMask, t&transportFin != 0
	e.Object.Area = ""
	r := reader{d: d, f: f, e: e, m: m, link: *h, detail: detail, dst: dst, first: len(dst)}
	return r.read()
}
