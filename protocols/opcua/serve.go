package opcua

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

const (
	maxEvents   = 100  // things of which one message tells singly; the rest is counted
	maxAltering = 1000 // the same where they may be altered: nobody hides a write behind a hundred harmless ones
	maxWhole    = 32   // events of an answer that says one thing about everything its request named
)

// serve reads a whole message of a service.
func (d *conversation) serve() error {
	if d.service == nil {
		return d.unknown()
	}
	if d.detail != nil {
		d.detail.Service, d.detail.ServiceID = d.service.name, uint32(d.service.id)
	}
	skipNodeID(&d.body)
	if d.service.response {
		d.answer()
	} else {
		d.ask()
	}
	d.attach(false)
	return d.fault(d.service.name)
}

// parameters reads what follows the header, where it tells something.
func (d *conversation) parameters() {
	if d.service.read == nil || d.body.Failed() {
		return
	}
	d.service.read(d)
	if !d.joined && !d.truncated && !d.body.Failed() {
		d.security.guess(d.body.Len())
	}
}

// unknown reports a body that begins with no known service. Where nothing was lost before it, it breaks the
// specification unless it begins with some node id.
func (d *conversation) unknown() error {
	name := d.kind.name
	id := rawNodeID(&d.body)
	orphan := d.lost[d.From] || d.security.policy == ""
	if id != nil && !orphan {
		name = "service " + d.names.node(id)
	}
	d.emit(name, protocols.ActionNone, protocols.OutcomeUnknown)
	d.attach(false)
	if id == nil && !orphan {
		return fmt.Errorf("opcua: %w: no service at the start of a message", protocols.ErrMalformed)
	}
	return nil
}

// skipRequestHeader passes over the header of a request (Part 4, 7.33) and gives the audit entry in it.
func skipRequestHeader(c *wire.Cursor) (audit []byte) {
	skipNodeID(c)     // authentication token: a secret, it stays here
	c.Skip(8 + 4 + 4) // time, handle, wanted diagnostics
	audit = octets(c)
	c.Skip(4) // timeout
	extensionObject(c)
	return audit
}

// ask reads a request: its header and its parameters.
func (d *conversation) ask() {
	c := &d.body
	d.show(func(x *Detail) *string { return &x.AuditEntry }, skipRequestHeader(c))
	x := d.pending.begin()
	d.request = x
	d.parameters()
	s := d.service
	d.remainder(protocols.OutcomeAsked)
	if len(d.out) == d.first {
		d.emit(s.name, s.action, protocols.OutcomeAsked)
	}
	x.id, x.frame, x.service, x.user, x.detail = d.id, d.Frame, s, d.msgUser, d.detail
	x.excused = s.id == publishID || s.id == closeChannelID
	d.request = nil
	d.pending.put(x)
}

// target reports one thing that a request is about, and keeps it for the answer. It gives what it kept, nil when that
// was nothing.
func (d *conversation) target(o protocols.Object, action protocols.Action, v protocols.Values) *target {
	x := d.request
	limit := maxEvents
	if d.service.action.Alters() {
		limit = maxAltering
	}
	if x.told < limit {
		x.told++
		e := d.emit(d.service.name, action, protocols.OutcomeAsked)
		e.Object, e.Values = o, v
	} else {
		x.rest++
		if !d.service.keeps || len(x.targets) >= maxAltering {
			return nil
		}
	}
	x.targets = append(x.targets, target{object: o, action: action})
	return &x.targets[len(x.targets)-1]
}

// remainder counts in one event what the request named beyond its targets.
func (d *conversation) remainder(outcome protocols.Outcome) {
	if d.request.rest > 0 {
		d.emit(d.service.name, d.service.action, outcome).Object = protocols.Object{Area: areaNode, Count: d.request.rest}
	}
}

// answer reads a response: its header (Part 4, 7.34) and its parameters.
func (d *conversation) answer() {
	c := &d.body
	c.Skip(8 + 4) // time, handle
	d.result = status(c.LE32())
	told := !c.Failed()
	skipRemarks(c)
	if c.Failed() && d.cut {
		d.answerCut(told)
		return
	}
	if c.Failed() {
		d.emit(d.service.name, d.service.action, protocols.OutcomeUnknown)
		return
	}
	d.pair()
	if d.detail != nil {
		d.detail.ServiceResult = d.result.String()
	}
	if d.service.id == faultID || d.result.bad() {
		d.settle(protocols.OutcomeRefused)
		return
	}
	d.parameters()
	outcome := protocols.OutcomeDone
	if c.Failed() {
		outcome = protocols.OutcomeUnknown
	}
	if d.results > 0 && d.refused == d.results {
		outcome = protocols.OutcomeRefused
	}
	if len(d.out) == d.first {
		d.settle(outcome)
	} else {
		d.remainder(outcome)
	}
}

// answerCut reports a response whose header the capture cut, be it behind its result.
func (d *conversation) answerCut(told bool) {
	d.pair()
	if told && d.detail != nil {
		d.detail.ServiceResult = d.result.String()
	}
	if d.service.id == faultID || d.result.bad() {
		d.settle(protocols.OutcomeRefused)
		return
	}
	d.settle(protocols.OutcomeUnknown)
}

// skipRemarks passes over the end of a response header: diagnostics, their strings, and an extension. Hardly any
// response has them.
func skipRemarks(c *wire.Cursor) {
	const none = 1 + 4 + leastExtension
	if b := c.Ahead(); len(b) >= none && b[0]|b[5]|b[6]|b[7] == 0 {
		if n := binary.LittleEndian.Uint32(b[1:]); n == 0 || n == 1<<32-1 {
			c.Skip(none)
			return
		}
	}
	skipDiagnostic(c)
	skipStrings(c, 1)
	extensionObject(c)
}

// pair finds the request of an answer. An answer of another service than the request's is none of its.
func (d *conversation) pair() {
	x := d.pending.take(d.id)
	if x != nil && d.service.id != faultID && d.service.id != x.service.answer {
		d.pending.giveUp(x)
		x = nil
	}
	if x == nil {
		d.request = d.pending.begin()
		return
	}
	d.request, d.answered, d.msgUser = x, true, x.user
	if d.detail != nil {
		d.detail.RequestFrame = x.frame
		if x.detail != nil {
			d.detail.Nodes, d.detail.Methods = x.detail.Nodes, x.detail.Methods
		}
	}
}

// settle reports the same outcome for everything that the request named.
func (d *conversation) settle(outcome protocols.Outcome) {
	s := d.service
	action := s.action
	if d.answered {
		action = d.request.service.action
	}
	for i, t := range d.request.targets[:d.request.told] {
		if i == maxWhole {
			d.request.rest += uint32(d.request.told - maxWhole)
			break
		}
		d.emit(s.name, t.action, outcome).Object = t.object
	}
	if d.request.rest > 0 {
		d.emit(s.name, action, outcome).Object = protocols.Object{Area: areaNode, Count: d.request.rest}
	}
	if len(d.out) == d.first {
		d.emit(s.name, action, outcome)
	}
}

// concluded reports the result for the next of the request's targets. Without a request it is only counted.
func (d *conversation) concluded(s status, v protocols.Values) {
	i := d.results
	d.results++
	if s.bad() {
		d.refused++
		if d.detail != nil && d.detail.Error == "" {
			d.detail.Error = s.String()
		}
	}
	if i < d.request.told {
		t := &d.request.targets[i]
		e := d.emit(d.service.name, t.action, s.outcome())
		e.Object, e.Values = t.object, v
	}
}

// count reads the length of the outermost array of a message. Of a truncated message what is there is read.
func (d *conversation) count(least int) int {
	if d.truncated {
		return max(0, min(int(int32(d.body.LE32())), d.body.Len()/least))
	}
	return count(&d.body, least)
}
