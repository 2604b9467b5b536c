package detect

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// finding is what a record amounts to within the validity of verdicts.
type finding struct {
	level       Level
	verdict     *Verdict
	first, last time.Time
	count       uint64
	did         []done // by action, the gravest first
	evidence    []deed
	objects     []altered
	moreObjects uint64
	halts       bool
	techniques  []string
	protocol    string
}

// done sums up one kind of deed.
type done struct {
	kind int
	span
}

func (x done) meaning() meaning { return meanings[x.kind] }

// altered is an object with what became of it.
type altered struct {
	touched
	times
}

const (
	maxEvidence = 40
	maxImpacted = 50
	maxReach    = 20
)

// findImpact finds what an actor under a verdict did to an OT asset.
func (d *Detector) findImpact(r *record, s *suspect) (finding, bool) {
	var f finding
	if len(s.periods) == 0 {
		return f, false
	}
	contacts, met := r.contact.within(s.periods)
	served, serves := span{}, false
	if r.serving != nil {
		served, serves = r.serving.within(s.periods)
	}
	var messages uint64
	for a := len(r.actions) - 1; a >= 0; a-- {
		t := r.actions[a]
		if t == nil {
			continue
		}
		sum, any := t.within(s.periods)
		if !any {
			continue
		}
		f.level = max(f.level, meanings[a].level)
		f.did = append(f.did, done{a, sum})
		f.widen(sum)
		if meanings[a].level >= LevelRead {
			messages += sum.count()
		}
		f.evidence = append(f.evidence, t.kept(s.periods)...)
		if t.halts {
			f.halts = slices.ContainsFunc(t.kept(s.periods), func(x deed) bool { return x.halts })
		}
	}
	if met {
		f.level = max(f.level, LevelContact)
		f.widen(contacts)
		f.evidence = append(f.evidence, r.contact.kept(s.periods)...)
	}
	if serves {
		f.level = max(f.level, LevelContact)
		f.widen(served)
		f.evidence = append(f.evidence, r.serving.kept(s.periods)...)
	}
	if f.level == LevelNone || f.level == LevelContact && !d.isAsset(r) {
		return f, false
	}
	f.count = max(messages, contacts.asked, served.done, 1)
	f.verdict = d.verdictFor(r, s, f.level)
	f.objects, f.moreObjects = r.altered(s.periods), r.moreObjects
	f.protocol = r.protocolAt(f)
	f.techniques = d.techniques(r, s, f)
	f.evidence = gravest(f.evidence)
	return f, true
}

func (f *finding) widen(s span) {
	if f.first.IsZero() || s.first.Before(f.first) {
		f.first = s.first
	}
	if s.last.After(f.last) {
		f.last = s.last
	}
}

// within sums what certainly lies inside the periods: whole spans, and of those that a period cuts the deeds that were
// kept. It tells whether there is anything.
func (t *tally) within(periods []period) (sum span, any bool) {
	add := func(s span) {
		if !any {
			sum.first, sum.last, any = s.first, s.last, true
		}
		sum.merge(s)
	}
	for _, s := range t.spans {
		if covered(periods, s.first, s.last) {
			add(s)
			continue
		}
		for _, kept := range [][]deed{t.earned, t.recent} {
			for _, d := range kept {
				if d.time.Before(s.first) || d.time.After(s.last) || !covered(periods, d.time, d.time) {
					continue
				}
				one := span{first: d.time, last: d.time, asked: 1}
				switch d.outcome {
				case protocols.OutcomeDone:
					one.done = 1
				case protocols.OutcomeRefused:
					one.refused = 1
				}
				add(one)
			}
		}
	}
	return sum, any
}

// covered reports whether the time from first to last lies inside the periods without a hole.
func covered(periods []period, first, last time.Time) bool {
	for _, p := range periods {
		if !p.covers(first) {
			continue
		}
		if p.covers(last) {
			return true
		}
		first = p.until.Add(time.Nanosecond)
	}
	return false
}

// kept gives the deeds kept as evidence that lie inside the periods.
func (t *tally) kept(periods []period) []deed {
	var all []deed
	for _, deeds := range [][]deed{t.earned, t.recent} {
		for _, d := range deeds {
			if covered(periods, d.time, d.time) {
				all = append(all, d)
			}
		}
	}
	return all
}

// altered gives the objects touched inside the periods, in order.
func (r *record) altered(periods []period) []altered {
	var all []altered
	for t, w := range r.objects {
		if covered(periods, w.first, w.first) || covered(periods, w.last, w.last) {
			all = append(all, altered{t, *w})
		}
	}
	slices.SortFunc(all, func(a, b altered) int { return a.touched.compare(b.touched) })
	return all
}

// isAsset reports whether a target that was only contacted is an OT asset: a device known as one, or a port where OT
// was spoken anywhere on the site.
func (d *Detector) isAsset(r *record) bool {
	for _, c := range [][]deed{r.contact.earned, r.contact.recent} {
		for _, x := range c {
			if d.portsOT[service{x.conv.Transport, x.conv.Server.Port}] {
				return true
			}
		}
	}
	return d.inventory.IsOT(r.targetAt)
}

// verdictFor gives the strongest verdict that holds for a deed of the level reached.
func (d *Detector) verdictFor(r *record, s *suspect, level Level) *Verdict {
	var best *Verdict
	for k, p := range s.periods {
		one := s.periods[k : k+1]
		reached := false
		for a, t := range r.actions {
			if t != nil && meanings[a].level == level {
				_, any := t.within(one)
				reached = reached || any
			}
		}
		if level == LevelContact {
			_, met := r.contact.within(one)
			reached = reached || met
			if r.serving != nil {
				_, serves := r.serving.within(one)
				reached = reached || serves
			}
		}
		if reached && stronger(p.verdict, best) {
			best = p.verdict
		}
	}
	if best == nil {
		// A span that two verdicts share is inside their union but inside neither.
		for _, p := range s.periods {
			if stronger(p.verdict, best) {
				best = p.verdict
			}
		}
	}
	return best
}

// protocolAt gives the label of the gravest deed that has one.
func (r *record) protocolAt(f finding) string {
	best, level := "", LevelNone
	for _, d := range f.evidence {
		if l := meanings[d.action].level; l > level {
			best, level = d.protocol, l
		}
	}
	return best
}

// gravest keeps at most maxEvidence deeds, the gravest and among them the earliest, in order of time.
func gravest(deeds []deed) []deed {
	byTime := func(a, b deed) int {
		return cmp.Or(a.time.Compare(b.time), cmp.Compare(a.source, b.source), cmp.Compare(a.frame, b.frame),
			-cmp.Compare(meanings[a.action].level, meanings[b.action].level), cmp.Compare(a.said(), b.said()),
			touched{a.action, a.object}.compare(touched{b.action, b.object}))
	}
	slices.SortStableFunc(deeds, func(a, b deed) int {
		return cmp.Or(-cmp.Compare(meanings[a.action].level, meanings[b.action].level), byTime(a, b))
	})
	deeds = deeds[:min(len(deeds), maxEvidence)]
	slices.SortStableFunc(deeds, byTime)
	return deeds
}

// build makes the alert of a finding. Level and count do not fall below those of the old alert.
func (d *Detector) build(r rule, deeds *record, s *suspect, f finding, old *raised) Alert {
	actor, target := d.device(deeds.actorAt), d.device(deeds.targetAt)
	refused := f.refused()
	a := Alert{
		ID: d.alertID(r, deeds), Site: d.config.Site, Rule: r.id, Title: r.title,
		Level: f.level.String(), Time: f.first, LastTime: f.last,
		Actor: actor.ID, Target: target.ID, ActorIP: deeds.actor.String(), TargetIP: deeds.target.String(),
		Protocol: f.protocol, Techniques: f.techniques, Evidence: []Evidence{}, Count: f.count,
	}
	verdict := *f.verdict
	a.Verdict = &verdict
	level := f.level
	if old != nil {
		level = max(level, old.level)
		a.Level = level.String()
		a.Count = max(a.Count, old.alert.Count)
		if old.alert.Time.Before(a.Time) {
			a.Time = old.alert.Time
		}
		if old.alert.LastTime.After(a.LastTime) {
			a.LastTime = old.alert.LastTime
		}
	}
	var why string
	a.Severity, why = severityOf(level, target, f.verdict, refused)
	for _, x := range f.evidence {
		a.Evidence = append(a.Evidence, d.evidence(x))
	}
	t := tale{d: d, record: deeds, actor: actor, target: target, finding: f, suspect: s}
	a.Impacted = t.impacted()
	a.Reach = t.reach()
	a.Description = t.description(why)
	a.RecommendedActions = t.actions(a.Reach)
	return a
}

// refused reports whether everything at the level reached was refused.
func (f *finding) refused() bool {
	var asked, done, refused uint64
	for _, x := range f.did {
		if x.meaning().level == f.level {
			asked, done, refused = asked+x.asked, done+x.done, refused+x.refused
		}
	}
	return refused > 0 && done == 0 && refused >= asked
}

func (d *Detector) evidence(x deed) Evidence {
	e := Evidence{
		Frame: x.frame, Time: x.time, Protocol: x.protocol, Message: x.said(), Action: x.action, Outcome: x.outcome,
		Level: meanings[x.action].level.String(), Object: x.object.String(), Before: x.before, After: x.after,
	}
	e.File = d.file(x.source)
	return e
}

// device gives what is known of an endpoint; one that is no device of the site has its address only.
func (d *Detector) device(at protocols.Endpoint) inventory.Device {
	if v, ok := d.inventory.Device(d.inventory.ID(at)); ok {
		return v
	}
	return inventory.Device{Type: inventory.TypeUnknown}
}
