package incident

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/cloud/store"
)

var (
	severities = []string{"informational", "low", "medium", "high"}
	levels     = []string{"contact", "read", "engineering-read", "write", "control", "effect"}
)

// SeverityRank orders severities: 0 for an unknown one, then from informational (1) to high (4).
func SeverityRank(severity string) int { return slices.Index(severities, severity) + 1 }

// LevelRank orders levels of impact: 0 for an unknown one, then from contact (1) to effect (6).
func LevelRank(level string) int { return slices.Index(levels, level) + 1 }

// Worse orders alerts: the worst first, and among equals the earliest.
func Worse(a, b store.Alert) int {
	return cmp.Or(
		cmp.Compare(LevelRank(b.Level), LevelRank(a.Level)),
		cmp.Compare(SeverityRank(b.Severity), SeverityRank(a.Severity)),
		byTime(a, b),
	)
}

// compose makes the incident of alerts, which are ordered by time. It depends on the alerts and on the names of their
// devices, not on how the incident came about.
func (e *Engine) compose(ctx context.Context, s *site, alerts []store.Alert) (store.Incident, error) {
	i := store.Incident{Site: s.name, Product: Product, FirstSeen: alerts[0].Time, LastSeen: alerts[0].Time}
	for _, a := range alerts {
		if SeverityRank(a.Severity) > SeverityRank(i.Severity) {
			i.Severity = a.Severity
		}
		if LevelRank(a.Level) > LevelRank(i.Level) {
			i.Level = a.Level
		}
		for _, t := range [2]time.Time{a.Time, a.LastTime} {
			if t.After(i.LastSeen) {
				i.LastSeen = t
			}
		}
		i.Devices = append(i.Devices, devicesOf(a)...)
		i.Alerts = append(i.Alerts, a.ID)
	}
	slices.Sort(i.Devices)
	i.Devices = slices.Compact(i.Devices)

	names, err := e.names(ctx, s, alerts)
	if err != nil {
		return store.Incident{}, err
	}
	i.Reasons = reasons(alerts, names)
	t := tell(alerts, names)
	i.Title, i.Summary = t.title(), t.summary(i)
	return i, nil
}

// story is what the title and the summary tell: the worst alert, who did it, and what that one did to whom.
type story struct {
	lead    store.Alert
	actor   string // key; empty where no alert names an actor
	verdict *store.Verdict
	deeds   []deeds
	others  []string // further actors, by key
	names   plates
	reach   []string // devices that were not touched but can be, by name
}

func tell(alerts []store.Alert, names plates) story {
	t := story{lead: slices.MinFunc(alerts, Worse), names: names}
	t.actor = actorOf(t.lead)
	touched := map[string]bool{}
	var own []store.Alert
	for _, a := range alerts {
		touched[actorOf(a)], touched[targetOf(a)] = true, true
		if other := actorOf(a); other != t.actor {
			if other != "" && !slices.Contains(t.others, other) {
				t.others = append(t.others, other)
			}
			continue
		}
		own = append(own, a)
		if a.Verdict != nil && (t.verdict == nil || verdictRank(a.Verdict) > verdictRank(t.verdict)) {
			t.verdict = a.Verdict
		}
	}
	t.deeds = deedsOf(own)
	for _, a := range alerts {
		for _, r := range a.Reach {
			key := cmp.Or(r.Device, r.IP)
			if !touched[key] {
				touched[key] = true
				t.reach = append(t.reach, names.of(key).name)
			}
		}
	}
	return t
}

func verdictRank(v *store.Verdict) int {
	return slices.Index([]string{"suspected", "confirmed"}, v.State) + 1
}

// title names the actor and the worst that it did.
func (t story) title() string {
	if t.actor == "" || len(t.deeds) == 0 {
		return cmp.Or(t.lead.Title, "Alert without a title")
	}
	actor := t.names.of(t.actor)
	subject := actor.described()
	switch verdictRank(t.verdictOrNone()) {
	case 2:
		subject = "compromised " + subject
	case 1:
		subject = "possibly compromised " + subject
	}
	title := capital(subject) + " " + t.phrase(t.deeds[0], false)
	if len(t.deeds) > 1 {
		title += " and " + t.phrase(t.deeds[1], true)
	}
	if t.lead.Level == "effect" {
		title += ", with effect on the process"
	}
	switch len(t.others) {
	case 0:
	case 1:
		title += fmt.Sprintf("; %s acted too", t.names.of(t.others[0]).name)
	default:
		title += fmt.Sprintf("; %d other devices acted too", len(t.others))
	}
	return title
}

func (t story) verdictOrNone() *store.Verdict {
	if t.verdict == nil {
		return &store.Verdict{}
	}
	return t.verdict
}

// phrase says what was done to whom: one target by its name, several by their number.
func (t story) phrase(d deeds, further bool) string {
	if len(d.targets) == 1 {
		return d.verb + " " + t.names.of(d.targets[0]).name
	}
	kind := t.names.of(d.targets[0]).kind
	for _, target := range d.targets {
		if t.names.of(target).kind != kind {
			kind = ""
		}
	}
	many := cmp.Or(pluralWords[kind], "devices")
	if further {
		many = "other " + many
	}
	return fmt.Sprintf("%s %d %s", d.verb, len(d.targets), many)
}

// summaryNames is how many devices the summary lists by name before it counts the rest.
const summaryNames = 5

// summary tells the incident in a few plain sentences.
func (t story) summary(i store.Incident) string {
	var b strings.Builder
	if len(i.Alerts) == 1 {
		fmt.Fprintf(&b, "One alert, %s.", period(i))
	} else {
		fmt.Fprintf(&b, "%d alerts, %s.", len(i.Alerts), period(i))
	}
	actor := t.names.of(t.actor)
	if v := t.verdict; v != nil && verdictRank(v) > 0 {
		state := "is confirmed to be compromised"
		if v.State == "suspected" {
			state = "is suspected to be compromised"
		}
		fmt.Fprintf(&b, " %s %s", actor.name, state)
		if source := cmp.Or(v.Source, v.Reason); source != "" {
			fmt.Fprintf(&b, " (%s)", source)
		}
		b.WriteString(".")
	}
	if t.actor != "" {
		for n, d := range t.deeds {
			subject := "It"
			if n == 0 {
				subject = actor.name
			}
			fmt.Fprintf(&b, " %s %s %s.", subject, d.verb, t.list(d.targets))
		}
	}
	if i.Level == "effect" {
		b.WriteString(" The process reacted: values left their envelope, a mode changed or a device stopped answering.")
	}
	if len(t.reach) > 0 {
		fmt.Fprintf(&b, " Not touched yet, but within reach: %s.", enumerate(t.reach, summaryNames))
	}
	return b.String()
}

func (t story) list(keys []string) string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = t.names.of(k).name
	}
	return enumerate(names, summaryNames)
}

// period gives the time span of an incident, in UTC.
func period(i store.Incident) string {
	const day, clock = "2006-01-02", "15:04:05"
	first, last := i.FirstSeen.UTC(), i.LastSeen.UTC()
	switch {
	case first.Truncate(time.Second).Equal(last.Truncate(time.Second)):
		return fmt.Sprintf("on %s at %s UTC", first.Format(day), first.Format(clock))
	case first.Format(day) == last.Format(day):
		return fmt.Sprintf("on %s from %s to %s UTC", first.Format(day), first.Format(clock), last.Format(clock))
	default:
		return fmt.Sprintf("from %s %s to %s %s UTC", first.Format(day), first.Format(clock), last.Format(day), last.Format(clock))
	}
}

// reasons says of each alert, in order of time, why it is part of the incident.
func reasons(alerts []store.Alert, names plates) []store.Reason {
	// What shares something with an earlier alert points to the earliest one; what does not is here because of a later
	// one and points to the last.
	earliest, latest := newSightings(), newSightings()
	for i, a := range alerts {
		latest.note(a, i)
	}
	out := make([]store.Reason, len(alerts))
	for i, a := range alerts {
		text := cmp.Or(kinship(a, i, alerts, earliest, names), kinship(a, i, alerts, latest, names), "Joined through devices of other alerts of the incident.")
		out[i] = store.Reason{Alert: a.ID, Text: text}
		earliest.noteFirst(a, i)
	}
	out[0].Text = "First alert of the incident."
	return out
}

// sightings says in which alert, by index, a device was the actor or the target.
type sightings struct{ actor, target map[string]int }

func newSightings() sightings { return sightings{make(map[string]int), make(map[string]int)} }

func (s sightings) note(a store.Alert, i int) { s.actor[actorOf(a)], s.target[targetOf(a)] = i, i }

// noteFirst keeps what was noted before.
func (s sightings) noteFirst(a store.Alert, i int) {
	if _, known := s.actor[actorOf(a)]; !known {
		s.actor[actorOf(a)] = i
	}
	if _, known := s.target[targetOf(a)]; !known {
		s.target[targetOf(a)] = i
	}
}

// kinship says what the alert at index i shares with another that was seen, the nearest kind of kinship first;
// empty: nothing.
func kinship(a store.Alert, i int, alerts []store.Alert, seen sightings, names plates) string {
	actor, target := actorOf(a), targetOf(a)
	for _, k := range []struct {
		in   map[string]int
		key  string
		text string
	}{
		{seen.actor, actor, "Same actor as the alert of %[2]s: %[1]s."},
		{seen.target, actor, "Path: %[1]s acts here after it was the target at %[2]s."},
		{seen.target, target, "Same target as the alert of %[2]s: %[1]s."},
		{seen.actor, target, "Path: %[1]s is the target here and the actor at %[2]s."},
	} {
		j, ok := k.in[k.key]
		if k.key == "" || !ok || j == i {
			continue
		}
		at := alerts[j].Time.UTC()
		clock := at.Format("15:04:05")
		if at.Format(time.DateOnly) != a.Time.UTC().Format(time.DateOnly) {
			clock = at.Format(time.DateTime)
		}
		return fmt.Sprintf(k.text, names.of(k.key).name, clock+" UTC")
	}
	return ""
}
