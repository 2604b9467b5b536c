package detect

import (
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// conduct is what the deeds of an actor towards all its targets say together.
type conduct struct {
	discovers bool // came into first contact with several OT assets in a short time
	bursts    bool // wrote to several targets in a short time
	stranger  bool // asked nothing of OT before it was seen to open its first connections
}

const (
	severalTargets = 3
	shortTime      = time.Minute
	// stayTime is how long a newcomer may read before it counts as one that polls.
	stayTime = 10 * time.Minute
)

// fresh reports whether nothing was known of the pair before.
func (r *record) fresh() bool {
	return len(r.contact.spans) == 0 && r.actions == nil && r.serving == nil
}

// begins reports whether a conversation certainly is no older than the sensor's watch: its handshake was seen, or there
// is none and the sensor had watched for a while.
func (d *Detector) begins(f *protocols.Flow) bool {
	if f.Opened == 0 {
		return false
	}
	return f.Began || f.Conv.Transport != protocols.TransportTCP && f.First.Sub(d.start) >= shortTime
}

// conduct gives the conduct of an actor. In a long sweep it is looked at again at ever greater distances: looking costs
// as much as there are records.
func (d *Detector) conduct(kin *actor, s *suspect) conduct {
	if kin.news < s.conductDue {
		return s.conduct
	}
	s.conductDue = kin.news + kin.news/8 + 1
	s.conduct.stranger = true
	var starts, writes []moment
	for at := kin.records.Front(); at != nil; at = at.Next() {
		r := at.Value.(*record)
		if r.reached >= LevelRead && r.began.IsZero() {
			s.conduct.stranger = false
		}
		if !s.conduct.discovers && !r.began.IsZero() && covered(s.periods, r.began, r.began) && (r.reached > LevelContact || d.isAsset(r)) {
			starts = append(starts, moment{r.began, r})
		}
		if !s.conduct.bursts && r.actions != nil && r.actions[protocols.ActionWrite] != nil {
			for _, w := range r.actions[protocols.ActionWrite].spans {
				writes = append(writes, moment{w.first, r}, moment{w.last, r})
			}
		}
	}
	writes = slices.DeleteFunc(writes, func(m moment) bool { return !covered(s.periods, m.time, m.time) })
	s.conduct.discovers = s.conduct.discovers || several(starts)
	s.conduct.bursts = s.conduct.bursts || several(writes)
	return s.conduct
}

// moment is when something happened to a target.
type moment struct {
	time   time.Time
	target *record
}

// several reports whether several targets are among the moments of some short time.
func several(all []moment) bool {
	slices.SortFunc(all, func(a, b moment) int { return a.time.Compare(b.time) })
	count := make(map[*record]int)
	oldest := 0
	for _, m := range all {
		for m.time.Sub(all[oldest].time) > shortTime {
			if count[all[oldest].target]--; count[all[oldest].target] == 0 {
				delete(count, all[oldest].target)
			}
			oldest++
		}
		if count[m.target]++; len(count) >= severalTargets {
			return true
		}
	}
	return false
}

// techniques gives the techniques of ATT&CK for ICS that the deeds amount to, sorted.
func (d *Detector) techniques(r *record, s *suspect, f finding) []string {
	ids := []string{}
	does := make(map[int]span, len(f.did))
	for _, x := range f.did {
		ids = append(ids, x.meaning().techniques...)
		does[x.kind] = x.span
	}
	if f.halts {
		ids = append(ids, techniqueRestart)
	}
	acts := d.conduct(r.kin, s)
	if acts.discovers && !r.began.IsZero() {
		ids = append(ids, techniqueDiscovery)
	}
	if _, writes := does[int(protocols.ActionWrite)]; writes && acts.bursts {
		ids = append(ids, techniqueBurst)
	}
	if read, reads := does[int(protocols.ActionRead)]; reads && acts.stranger && read.last.Sub(read.first) < stayTime {
		ids = append(ids, techniquePoints)
	}
	for _, o := range f.objects {
		for _, special := range objectTechniques {
			if special.matches(o.touched) {
				ids = append(ids, special.technique)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
