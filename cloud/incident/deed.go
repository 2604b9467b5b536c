package incident

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/cloud/store"
)

// verb says in the past tense what an action does to a device, and in the infinitive what was tried.
type verb struct {
	action string
	word   string // in the message's name, lower case; empty: any message
	did    string
	tried  string
}

// verbs are in the order of gravity, the gravest first. Within the control action the words of the message's name tell
// what became of the device.
var verbs = []verb{
	{"control", "stop", "stopped", "stop"},
	{"control", "listen only", "silenced", "silence"},
	{"control", "restart", "restarted", "restart"},
	{"control", "reset", "reset", "reset"},
	{"control", "", "changed the mode of", "change the mode of"},
	{"firmware", "", "loaded firmware into", "load firmware into"},
	{"download", "", "loaded a program into", "load a program into"},
	{"configure", "", "reconfigured", "reconfigure"},
	{"write", "", "wrote to", "write to"},
	{"file", "", "transferred files with", "transfer files with"},
	{"upload", "", "copied the program of", "copy the program of"},
	{"login", "", "logged in to", "log in to"},
	{"identify", "", "identified", "identify"},
	{"browse", "", "browsed", "browse"},
	{"subscribe", "", "read from", "read from"},
	{"read", "", "read from", "read from"},
	{"connect", "", "contacted", "contact"},
}

// levelVerbs serve alerts without evidence.
var levelVerbs = map[string]string{
	"contact":          "contacted",
	"read":             "read from",
	"engineering-read": "explored",
	"write":            "wrote to",
	"control":          "took control of",
	"effect":           "disturbed",
}

// deeds is one kind of deed with all those who suffered it and nothing graver.
type deeds struct {
	verb    string
	targets []string // keys, in the order in which they were hit
}

// deed is the gravest thing that an alert tells; rank 0 is the gravest of all.
type deed struct {
	verb string
	rank int
}

// deedsOf groups the gravest deed against each target of alerts, which are ordered by time; the gravest group is first.
func deedsOf(alerts []store.Alert) []deeds {
	worst := make(map[string]deed)
	var targets []string
	for _, a := range alerts {
		target := targetOf(a)
		if target == "" {
			continue
		}
		d, known := worst[target]
		if !known {
			targets = append(targets, target)
		}
		if next := deedOf(a); !known || next.rank < d.rank {
			worst[target] = next
		}
	}
	slices.SortStableFunc(targets, func(a, b string) int { return cmp.Compare(worst[a].rank, worst[b].rank) })
	var out []deeds
	for _, target := range targets {
		v := worst[target].verb
		i := slices.IndexFunc(out, func(d deeds) bool { return d.verb == v })
		if i < 0 {
			out = append(out, deeds{verb: v})
			i = len(out) - 1
		}
		out[i].targets = append(out[i].targets, target)
	}
	return out
}

// altering are the actions that change something. An attempt at one of them says more than a look that succeeded.
var altering = []string{"control", "firmware", "download", "configure", "write"}

// gravity gives the place of a deed among the verbs: 0 is the gravest, len(verbs) what no verb tells.
func gravity(e store.Evidence) int {
	message := strings.ToLower(e.Message)
	for i, v := range verbs {
		if v.action == e.Action && strings.Contains(message, v.word) {
			return i
		}
	}
	return len(verbs)
}

// Gravest gives the deed that says most about an alert, and false where there is no evidence: one of the highest level,
// not refused if there is such a one (what was refused changed nothing), then the gravest by action and message (a stop
// before a download), then one that was answered as done, then the first. The order of the evidence does not matter.
func Gravest(evidence []store.Evidence) (store.Evidence, bool) {
	if len(evidence) == 0 {
		return store.Evidence{}, false
	}
	return slices.MinFunc(evidence, func(a, b store.Evidence) int {
		return cmp.Or(
			cmp.Compare(LevelRank(b.Level), LevelRank(a.Level)),
			first(a.Outcome != "refused", b.Outcome != "refused"),
			cmp.Compare(gravity(a), gravity(b)),
			first(a.Outcome == "done", b.Outcome == "done"),
			a.Time.Compare(b.Time),
			cmp.Compare(a.Frame, b.Frame), cmp.Compare(a.Message, b.Message), cmp.Compare(a.Object, b.Object),
		)
	}), true
}

// first orders what holds before what does not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	default:
		return 1
	}
}

func deedOf(a store.Alert) deed {
	best := deed{rank: 4 * len(verbs)}
	for _, ev := range a.Evidence {
		i := gravity(ev)
		if i == len(verbs) {
			continue
		}
		d := deed{verbs[i].did, i}
		if ev.Outcome == "refused" {
			d = deed{"tried to " + verbs[i].tried, len(verbs) + i}
		}
		if !slices.Contains(altering, ev.Action) {
			d.rank += 2 * len(verbs)
		}
		if d.rank < best.rank {
			best = d
		}
	}
	if best.verb == "" {
		best = deed{cmp.Or(levelVerbs[a.Level], "contacted"), 4*len(verbs) - LevelRank(a.Level)}
	}
	return best
}
