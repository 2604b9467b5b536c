package opcua

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	maxEvents   = 100  // things of which one message tells singly; the rest is counted
	maxAltering = 1000 // the same where they may be altered: nobody hides a write behind a hundred harmless ones
	maxWhole    = 32   // events of an answer that says one thing about everything its request named
)

// serve reads a whole message of a service.
func (d *conversation) serve() error {
	d.service = knownService(d.body)
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
	if !d.joined && !d.body.Failed() {
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
	d.emit(name, protocols.ActionNone, protocols.OutcomeUnknown, protocols.Object{}, protocols.Values{})
	d.attach(false)
	if id == nil && !orphan {
		return fmt.Errorf("opcua: %w: no service at the start of a message", protocols.ErrMalformed)
	}
	return nil
}

// ask reads a request: its header (Part 4, 7.33) and its parameters.
func (d *conversation) ask() {
	c := &d.body
	skipNodeID(c) // authentication token: a secret, it stays here
	c.Skip(8)     // time
	c.Skip(8)     // handle, wanted diagnostics
	octets(c)     // audit entry
	c.Skip(4)     // timeout
	extensionObject(c)
	d.request.targets = d.pending.list()
	d.parameters()
	s := d.service
	d.remainder(protocols.OutcomeAsked)
	if len(d.out) == d.first {
		d.emit(s.name, s.action, protocols.OutcomeAsked, protocols.Object{}, protocols.Values{})
	}
	x := d.request
	x.id, x.frame, x.service, x.user = d.id, d.Frame, s, d.msgUser
	if d.detail != nil {
		x.nodes, x.methods = d.detail.Nodes, d.detail.Methods
	}
	d.request = exchange{}
	d.pending.put(x)
}

// target reports one thing that a request is about, and keeps it for the answer.
func (d *conversation) target(o protocols.Object, action protocols.Action, v protocols.Values) {
	limit := maxEvents
	if d.service.action.Alters() {
		limit = maxAltering
	}
	if len(d.request.targets) >= limit {
		d.request.rest++
		return
	}
	d.request.targets = append(d.request.targets, target{o, action})
	d.emit(d.service.name, action, protocols.OutcomeAsked, o, v)
}

// remainder counts in one event what the request named beyond its targets.
func (d *conversation) remainder(outcome protocols.Outcome) {
	if d.request.rest > 0 {
		d.emit(d.service.name, d.service.action, outcome, protocols.Object{Area: areaNode, Count: d.request.rest}, protocols.Values{})
	}
}

// answer reads a response: its header (Part 4, 7.34) and its parameters.
func (d *conversation) answer() {
	c := &d.body
	c.Skip(8) // time
	c.Skip(4) // handle
	d.result = status(c.LE32())
	skipDiagnostic(c)
	skipStrings(c, 1)
	extensionObject(c)
	if c.Failed() {
		d.emit(d.service.name, d.service.action, protocols.OutcomeUnknown, protocols.Object{}, protocols.Values{})
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

// pair finds the request of an answer. An answer of another service than the request's is none of its.
func (d *conversation) pair() {
	d.request, d.answered = d.pending.take(d.id)
	if !d.answered {
		return
	}
	if s := d.request.service; d.service.id != faultID && d.service.id != s.answer {
		d.pending.recycle(d.request.targets)
		d.request, d.answered = exchange{}, false
		return
	}
	d.msgUser = d.request.user
	if d.detail != nil {
		d.detail.RequestFrame = d.request.frame
		d.detail.Nodes, d.detail.Methods = d.request.nodes, d.request.methods
	}
}

// settle reports the same outcome for everything that the request named.
func (d *conversation) settle(outcome protocols.Outcome) {
	s := d.service
	action := s.action
	if d.answered {
		action = d.request.service.action
	}
	for i, t := range d.request.targets {
		if i == maxWhole {
			d.request.rest += uint32(len(d.request.targets) - maxWhole)
			break
		}
		d.emit(s.name, t.action, outcome, t.object, protocols.Values{})
	}
	if d.request.rest > 0 {
		d.emit(s.name, action, outcome, protocols.Object{Area: areaNode, Count: d.request.rest}, protocols.Values{})
	}
	if len(d.out) == d.first {
		d.emit(s.name, action, outcome, protocols.Object{}, protocols.Values{})
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
	if i < len(d.request.targets) {
		t := d.request.targets[i]
		d.emit(d.service.name, t.action, s.outcome(), t.object, v)
	}
}

// count reads the length of the outermost array of a message. Of a truncated message what is there is read.
func (d *conversation) count(least int) int {
	if d.truncated {
		return max(0, min(int(int32(d.body.LE32())), d.body.Len()/least))
	}
	return count(&d.body, least)
}
