package detect

import (
	"fmt"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// tale tells people what a finding means: in words for whoever is on duty at night, and for the plant.
type tale struct {
	d             *Detector
	record        *record
	actor, target inventory.Device
	finding       finding
	suspect       *suspect
}

const shownObjects = 12

// description says who did what to which asset, when, what it changed, and how sure that is.
func (t *tale) description(severity string) string {
	f := t.finding
	var b strings.Builder
	fmt.Fprintf(&b, "%s, which is %s, %s %s.", t.who(t.actor, t.record.actor), t.sure(), t.headline(), t.who(t.target, t.record.target))
	if f.first.Equal(f.last) {
		fmt.Fprintf(&b, " It happened at %s.", stamp(f.first))
	} else {
		fmt.Fprintf(&b, " First at %s, last at %s.", stamp(f.first), stamp(f.last))
	}
	if did := t.deeds(); did != "" {
		fmt.Fprintf(&b, "\nWhat it did: %s.", did)
	}
	changed, same := t.changes()
	if changed != "" {
		fmt.Fprintf(&b, "\nWhat it changed: %s.", changed)
	}
	if same != "" {
		fmt.Fprintf(&b, "\nWritten again with the value it had: %s.", same)
	}
	if s := t.outcome(); s != "" {
		b.WriteString("\n" + s)
	}
	fmt.Fprintf(&b, "\nSeverity: %s.", severity)
	if limits := t.limits(); limits != "" {
		b.WriteString("\n" + limits)
	}
	return b.String()
}

// who names a device by what people know it by.
func (t *tale) who(v inventory.Device, a protocols.Address) string {
	what := v.Type
	if what == inventory.TypeUnknown || what == "" {
		what = "device of unknown type"
		if v.ID == "" {
			what = "address that is no device of this site"
		}
	}
	if made := strings.TrimSpace(v.Vendor + " " + v.Model); made != "" {
		what += ", " + made
	}
	if len(v.Names) > 0 {
		return fmt.Sprintf("%s (%s) [%s]", v.Names[0], a, what)
	}
	return fmt.Sprintf("%s (%s)", a, what)
}

func (t *tale) sure() string {
	v := t.finding.verdict
	said := "suspected to be compromised"
	if v.State == StateConfirmed {
		said = "confirmed to be compromised"
	}
	said += fmt.Sprintf(" (confidence %d %%", v.Confidence)
	if v.Source != "" {
		said += ", says " + v.Source
	}
	if v.Reason != "" {
		said += ": " + v.Reason
	}
	if v.Reference != "" {
		said += ", see " + v.Reference
	}
	return said + ")"
}

// headline is the gravest deed as a verb with its preposition.
func (t *tale) headline() string {
	f := t.finding
	if f.level == LevelContact {
		if t.record.serving != nil && len(t.record.contact.spans) == 0 {
			return "answers requests of"
		}
		if t.triedOnly() {
			return "tried to reach"
		}
		return "was in contact with"
	}
	for _, x := range f.did {
		if x.meaning().level == f.level {
			return verb(x) + " " + x.meaning().link
		}
	}
	return "reached"
}

func (t *tale) triedOnly() bool {
	s, _ := t.record.contact.within(t.suspect.periods)
	return s.refused > 0 && s.done == 0
}

// verb tells a kind of deed, as an attempt when none succeeded.
func verb(x done) string {
	m := x.meaning()
	if x.done == 0 && x.refused > 0 && x.refused >= x.asked && m.tried != "" {
		return m.tried
	}
	return m.verb
}

// deeds lists what was done by kind, the gravest first.
func (t *tale) deeds() string {
	var parts []string
	for _, x := range t.finding.did {
		if x.meaning().level < LevelRead {
			continue
		}
		part := fmt.Sprintf("%s %s", verb(x), howOften(x.count()))
		switch {
		case x.asked == 0:
			part += " (only answers were seen)"
		case x.refused > 0 && x.done > 0:
			part += fmt.Sprintf(" (%d done, %d refused)", x.done, x.refused)
		case x.refused > 0:
			part += fmt.Sprintf(" (%d refused)", x.refused)
		case x.done == 0:
			part += " (no answer was seen)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

func howOften(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// changes lists altered objects with their values before and after where these are known, and apart from them those that
// were written with the value they had.
func (t *tale) changes() (changed, same string) {
	var parts, again []string
	shown := make(map[touched]bool)
	for _, x := range t.finding.evidence {
		key := touched{x.action, x.object}
		if !x.action.Alters() || x.outcome == protocols.OutcomeRefused || shown[key] {
			continue
		}
		shown[key] = true
		last, between := t.writes(key)
		switch text := change(x, last); {
		case x.before == "" || x.before != last.after:
			parts = append(parts, text)
		case between == "":
			again = append(again, fmt.Sprintf("%s (%s)", named(x.action, x.object), x.before))
		default:
			parts = append(parts, fmt.Sprintf("%s from %s to %s and back", named(x.action, x.object), x.before, between))
		}
	}
	for _, o := range t.finding.objects {
		if o.action.Alters() && !shown[o.touched] && (o.done || !o.refused) {
			shown[o.touched] = true
			parts = append(parts, named(o.action, o.object))
		}
	}
	return shorten(parts, t.finding.moreObjects), shorten(again, 0)
}

// shorten joins parts and counts what it leaves out, with what was left out before.
func shorten(parts []string, more uint64) string {
	if len(parts) > shownObjects {
		more += uint64(len(parts) - shownObjects)
		parts = parts[:shownObjects]
	}
	if more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// writes gives the latest kept write of an object that was not refused, and the first value that differs from what it
// left behind; empty when all wrote the same.
func (t *tale) writes(key touched) (last deed, between string) {
	var all []deed
	for _, x := range t.finding.evidence {
		if x.action == key.action && x.object == key.object && x.outcome != protocols.OutcomeRefused {
			all = append(all, x)
		}
	}
	last = all[len(all)-1]
	for _, x := range all {
		if x.after != last.after {
			return last, x.after
		}
	}
	return last, ""
}

func change(first, last deed) string {
	name := named(first.action, first.object)
	switch {
	case kindOf(first.action, first.object) == kindMethod:
		name = "whatever " + first.object.String() + " does"
	case first.action == protocols.ActionControl:
		name = strings.TrimSpace("operating mode ("+first.message) + ")"
	case first.object == (protocols.Object{}):
		name = fmt.Sprintf("%s (%s)", first.message, first.action)
	}
	switch {
	case last.after == "":
		return name
	case first.before == "":
		return fmt.Sprintf("%s to %s (before: not seen)", name, last.after)
	default:
		return fmt.Sprintf("%s from %s to %s", name, first.before, last.after)
	}
}

func named(a protocols.Action, o protocols.Object) string {
	switch a {
	case protocols.ActionWrite:
		return o.String()
	default:
		return fmt.Sprintf("%s (%s)", o, a)
	}
}

// outcome says in a sentence whether it worked.
func (t *tale) outcome() string {
	f := t.finding
	if f.level < LevelWrite {
		if f.level == LevelContact {
			return "Nothing was read or changed as far as the sensor could see."
		}
		return "Nothing was changed as far as the sensor could see."
	}
	if f.refused() {
		return "The device refused every attempt at this level: nothing was changed by them."
	}
	var done uint64
	for _, x := range f.did {
		if x.meaning().level == f.level {
			done += x.done
		}
	}
	if done == 0 {
		return "No answer was seen: whether the device obeyed is not known. Treat it as done."
	}
	if f.halts && f.level == LevelControl {
		return "The device accepted a command that stops or restarts it."
	}
	return "The device accepted it."
}

// limits says what bounds the statement: a validity, a later clearing.
func (t *tale) limits() string {
	v := t.finding.verdict
	var parts []string
	if v.ValidFrom != nil {
		parts = append(parts, "from "+stamp(*v.ValidFrom))
	}
	if v.ValidUntil != nil {
		parts = append(parts, "until "+stamp(*v.ValidUntil))
	}
	var said string
	if len(parts) > 0 {
		said = "The verdict holds " + strings.Join(parts, " ") + "; only deeds in that time count."
	}
	if c := clearing(t.suspect); c != "" {
		said = strings.TrimSpace(said + " " + c)
	}
	return said
}

// clearing tells that the newest verdict clears the actor, from when and why; empty when it does not.
func clearing(s *suspect) string {
	if len(s.about) == 0 || s.about[len(s.about)-1].State != StateCleared {
		return ""
	}
	v := s.about[len(s.about)-1]
	said := "The device was cleared"
	if v.ValidFrom != nil {
		said += " from " + stamp(*v.ValidFrom)
	}
	if v.Source != "" {
		said += " by " + v.Source
	}
	if v.Reason != "" {
		said += ": " + v.Reason
	}
	return said + "."
}

const closedMark = "Closed: "

// closed marks a description as no longer supported by a verdict, with the reason.
func closed(description string, s *suspect) string {
	if strings.HasPrefix(description, closedMark) {
		return description
	}
	reason := clearing(s)
	if reason == "" {
		reason = "No verdict covers these deeds any more."
	}
	return closedMark + reason + "\n" + description
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }

// impacted lists the target, its units that were touched, and who depends on it.
func (t *tale) impacted() []Asset {
	all := []Asset{}
	if t.target.ID == "" {
		return append(all, Asset{IP: t.record.target.String(), Type: inventory.TypeUnknown, Reason: "target of the deeds"})
	}
	reason := "target: " + strings.TrimSuffix(t.deeds(), ".")
	if t.finding.level == LevelContact {
		reason = "target: contacted"
	}
	all = append(all, asset(t.target, t.record.target.String(), reason))
	for _, u := range t.d.inventory.Units(t.target.ID) {
		if n, ok := t.touchedUnit(u); ok {
			all = append(all, asset(u, t.record.target.String(), fmt.Sprintf("unit %d behind the target was addressed", n)))
		}
	}
	if t.finding.level < LevelWrite {
		return all
	}
	for _, id := range t.d.graph.Dependants(t.record.targetAt) {
		if v, ok := t.d.inventory.Device(id); ok && id != t.actor.ID && len(all) < maxImpacted {
			all = append(all, asset(v, first(v.IPs), "asks the target for values: what it shows or does may rest on what was changed"))
		}
	}
	return all
}

// touchedUnit tells whether a unit behind the target was addressed by the deeds, and its number.
func (t *tale) touchedUnit(u inventory.Device) (uint16, bool) {
	for _, x := range t.finding.evidence {
		if x.object.HasUnit && t.d.inventory.UnitID(t.target.ID, x.object.Unit) == u.ID {
			return x.object.Unit, true
		}
	}
	return 0, false
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}

func asset(v inventory.Device, ip, reason string) Asset {
	return Asset{Device: v.ID, Name: first(v.Names), IP: ip, Type: v.Type, Criticality: v.Criticality, Reason: reason}
}
