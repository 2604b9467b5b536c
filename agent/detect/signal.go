package detect

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Signal is something suspicious that an actor showed towards a target. It is no alert: by itself it proves nothing. The
// JSON form is the `signal` record that scripts rely on.
type Signal struct {
	ID         string           `json:"id"`
	Rule       string           `json:"rule"`
	Title      string           `json:"title"`
	Time       time.Time        `json:"time"`
	LastTime   time.Time        `json:"last_time"`
	Actor      string           `json:"actor"` // device ids; empty where the address is no device's
	ActorIP    string           `json:"actor_ip"`
	Target     string           `json:"target"`
	TargetIP   string           `json:"target_ip"`
	Weight     uint8            `json:"weight"` // per cent towards suspicion
	Techniques []string         `json:"techniques"`
	Evidence   []SignalEvidence `json:"evidence"` // the first ones
	Count      uint64           `json:"count"`
}

// SignalEvidence is a frame that shows a signal.
type SignalEvidence struct {
	File  string    `json:"file,omitempty"`
	Frame uint64    `json:"frame"`
	Time  time.Time `json:"time"`
}

// signalRule is a row of the table of signals.
type signalRule struct {
	id         string
	title      string
	weight     uint8
	techniques []string
}

// noticeSignals are the signals that the transport of a conversation gives, by what was noticed.
var noticeSignals = map[protocols.NoticeKind]*signalRule{
	// Two copies of the same bytes that differ: what the sensor read is not what the receiver read, or somebody injects
	// segments into a conversation that is not his.
	protocols.NoticeConflict: {"conflicting-segments", "Segments that contradict each other", 40, []string{"T0830"}},
}

const (
	maxSignals        = 10_000
	maxSignalEvidence = 8
)

// signalKey tells signals apart: one of a rule for each actor and target.
type signalKey struct {
	rule          *signalRule
	actor, target protocols.Address
}

// signals are those seen, each with the endpoints by which inventory knows its devices.
type signals map[signalKey]*seenSignal

type seenSignal struct {
	Signal
	ends [2]protocols.Endpoint // actor, target
}

// Notice takes what the transport of a conversation showed.
func (d *Detector) Notice(n *protocols.Notice) {
	rule := noticeSignals[n.Kind]
	if rule == nil {
		return
	}
	actor, target := n.Conv.Client, n.Conv.Server
	if n.From == protocols.Server {
		actor, target = target, actor
	}
	d.signal(rule, actor, target, SignalEvidence{File: d.file(n.Source), Frame: n.Frame, Time: n.Time.UTC()})
}

func (d *Detector) signal(rule *signalRule, actor, target protocols.Endpoint, shown SignalEvidence) {
	key := signalKey{rule, actor.Address(), target.Address()}
	s := d.signals[key]
	if s == nil {
		if len(d.signals) >= maxSignals {
			d.stats.DroppedSignals++
			return
		}
		s = &seenSignal{ends: [2]protocols.Endpoint{actor, target}, Signal: Signal{
			ID:   digest("signal", d.config.Site, rule.id, key.actor.String(), key.target.String(), episode),
			Rule: rule.id, Title: rule.title, Time: shown.Time, ActorIP: key.actor.String(), TargetIP: key.target.String(),
			Weight: rule.weight, Techniques: rule.techniques,
		}}
		d.signals[key] = s
	}
	s.Count++
	s.LastTime = shown.Time
	if len(s.Evidence) < maxSignalEvidence {
		s.Evidence = append(s.Evidence, shown)
	}
}

// Signals gives all signals by time and id, with the devices as they are known now.
func (d *Detector) Signals() []Signal {
	all := make([]Signal, 0, len(d.signals))
	for _, seen := range d.signals {
		s := seen.Signal
		s.Actor, s.Target = d.inventory.ID(seen.ends[0]), d.inventory.ID(seen.ends[1])
		s.Techniques, s.Evidence = slices.Clone(s.Techniques), slices.Clone(s.Evidence)
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Signal) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
	})
	return all
}
