package detect

// rule is a row of the table of rules. It finds what a record of deeds amounts to, given the verdicts about the actor.
type rule struct {
	id    string
	title string
	find  func(d *Detector, r *record, s *suspect) (finding, bool)
}

// impact is the rule of the mission.
var impact = rule{
	id:    "compromise-impact",
	title: "Possible operational impact due to a compromised device",
	find:  (*Detector).findImpact,
}

// rules are all rules, in the order in which they look at a record.
var rules = []rule{impact}

// Rule describes a rule to people.
type Rule struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Rules lists all rules.
func Rules() []Rule {
	all := make([]Rule, 0, len(rules))
	for _, r := range rules {
		all = append(all, Rule{ID: r.id, Title: r.title})
	}
	return all
}

// episode numbers the alerts of one rule about the same actor and target; deeds of one run belong to one episode.
const episode = "1"

// alertID names an alert by site, rule, addresses and episode: no wall time, no device id.
func (d *Detector) alertID(r rule, deeds *record) string {
	return digest("alert", d.config.Site, r.id, deeds.actor.String(), deeds.target.String(), episode)
}

// judge looks at a record with every rule and raises what they find. An alert that no verdict supports any more stays,
// with the reason.
func (d *Detector) judge(deeds *record) {
	s := d.suspect(deeds.actorAt)
	for _, r := range rules {
		old := d.alerts[d.alertID(r, deeds)]
		f, found := r.find(d, deeds, s)
		switch {
		case found && old == nil && len(d.alerts) >= d.config.MaxAlerts:
			d.stats.DroppedAlerts++
		case found:
			level := f.level
			if old != nil {
				level = max(level, old.level)
			}
			d.raise(d.build(r, deeds, s, f, old), level, deeds)
		case old != nil:
			a := old.alert.clone()
			a.Description = closed(a.Description, s)
			d.raise(a, old.level, deeds)
		case len(s.periods) > 0:
			d.waiting[deeds.pair] = deeds
		}
	}
}
