package detect

import (
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// met takes in that packets passed; a conversation is one contact however long it lives.
func (r *record) met(f *protocols.Flow) {
	r.seen(f.First, f.Last)
	r.port(f.Conv.Server.Port)
	outcome := protocols.OutcomeAsked
	switch {
	case f.Refused > 0:
		outcome = protocols.OutcomeRefused
	case f.Answered > 0:
		outcome = protocols.OutcomeDone
	}
	// A report tells of its first and its last packet; what lay between is not known to have been contact at any
	// given time.
	r.contact.add(span{first: f.First, last: f.First, asked: f.Opened})
	r.contact.add(span{first: f.Last, last: f.Last, done: f.Answered, refused: f.Refused})
	if f.Answered+f.Refused > 0 {
		r.rise(LevelContact)
	}
	if f.Opened == 0 {
		r.contact.settle(f.Conv, outcome)
		return
	}
	label := f.Protocol
	if label == "" {
		label = f.Conv.Transport.String()
	}
	r.contact.keep(deed{
		time: f.First, conv: f.Conv, frame: f.Frame, source: f.Source, protocol: label,
		action: protocols.ActionConnect, outcome: outcome,
	}, roomGlancing)
}

// said names what a deed was: a contact has no message.
func (d *deed) said() string {
	if d.message != "" {
		return d.message
	}
	transport := d.conv.Transport.String()
	if p := d.conv.Server.Port; p != 0 {
		return fmt.Sprintf("conversation with %s port %d", strings.ToUpper(transport), p)
	}
	return "conversation over " + transport
}

// settle gives a kept contact its outcome.
func (t *tally) settle(c *protocols.Conversation, outcome protocols.Outcome) {
	if outcome == protocols.OutcomeAsked {
		return
	}
	for _, kept := range [][]deed{t.earned, t.recent} {
		for k := range kept {
			if d := &kept[k]; d.conv.ID == c.ID && d.outcome != protocols.OutcomeRefused {
				d.outcome = outcome
				return
			}
		}
	}
}

// did takes in a message and tells whether it is news: the first of its kind, one more kept as evidence, an object not
// altered before, or the first answer of its kind.
func (r *record) did(e *protocols.Event, before, after content) (news bool) {
	_, first, last := e.Span()
	r.seen(first, last)
	r.port(e.Conv.Server.Port)
	kind := kindOf(e.Action, e.Object)
	r.rise(max(meanings[kind].level, LevelContact))
	if r.actions == nil {
		r.actions = make([]*tally, kindCount)
	}
	t := r.actions[kind]
	if t == nil {
		t = &tally{}
		r.actions[kind] = t
		news = true
	}
	limit := roomGlancing
	if e.Action.Alters() {
		limit = roomAltering
	}
	objects := len(r.objects)
	r.touch(e)
	news = news || len(r.objects) > objects
	was := t.total
	t.add(spanOf(e))
	now := t.total
	d := deedOf(e)
	d.before, d.after = before.String(), after.String()
	switch {
	case e.From == protocols.Client:
		return t.keep(d, limit) || news
	case t.answer(e):
		t.halts = t.halts || d.halts
		return news || was.done == 0 && now.done > 0 || was.refused == 0 && now.refused > 0
	case now.done+now.refused > now.asked:
		return t.keep(d, limit) || news // its request went unseen
	default:
		return news
	}
}

// answered takes in that the actor answered the target in an OT conversation.
func (r *record) answered(e *protocols.Event) (news bool) {
	if e.From != protocols.Server {
		return false
	}
	n, first, last := e.Span()
	r.seen(first, last)
	r.rise(LevelContact)
	if r.serving == nil {
		r.serving = &tally{}
		news = true
	}
	r.serving.add(span{first: first, last: last, done: n})
	if len(r.serving.earned) == 0 {
		d := deedOf(e)
		d.action = protocols.ActionConnect
		r.serving.keep(d, roomGlancing)
	}
	return news
}

func spanOf(e *protocols.Event) span {
	n, first, last := e.Span()
	s := span{first: first, last: last}
	switch {
	case e.From == protocols.Client:
		s.asked = n
	case e.Outcome == protocols.OutcomeRefused:
		s.refused = n
	default:
		s.done = n
	}
	return s
}

func deedOf(e *protocols.Event) deed {
	_, _, last := e.Span()
	d := deed{
		time: last, conv: e.Conv, frame: e.Frame, source: e.Source, protocol: e.Protocol, message: e.Message,
		action: e.Action, outcome: e.Outcome, object: e.Object,
	}
	if d.message == "" {
		d.message = e.Action.String()
	}
	if e.From == protocols.Client && e.Outcome == protocols.OutcomeUnknown {
		d.outcome = protocols.OutcomeAsked
	}
	d.halts = kindOf(e.Action, e.Object) == int(protocols.ActionControl) && halts(e)
	return d
}

// halting are the words by which specifications name changes of mode that stop or restart.
var halting = []string{"stop", "restart", "reset", "shutdown", "halt", "cold start", "warm start"}

// halts reports whether a change of mode takes the device out of service, by the mode it states or by its name.
func halts(e *protocols.Event) bool {
	says := func(text string) bool {
		text = strings.ToLower(text)
		for _, w := range halting {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	for _, f := range e.Facts {
		if f.Key == protocols.FactMode && says(f.Value) {
			return true
		}
	}
	return says(e.Message) || says(e.Object.Name)
}
