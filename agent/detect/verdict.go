package detect

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// The states of a verdict.
const (
	StateConfirmed = "confirmed"
	StateSuspected = "suspected"
	StateCleared   = "cleared"
)

// The confidence of a verdict that states none, in per cent.
const (
	defaultConfirmed = 90
	defaultSuspected = 60
)

// selector is a verdict with its selector in comparable form.
type selector struct {
	*Verdict
	order   int // place in the list: later is newer where times say nothing
	addr    netip.Addr
	network netip.Prefix
	mac     protocols.MAC
	name    string
}

// selectors prepares verdicts for a site. What another site is told is left out.
func selectors(verdicts []Verdict, site string) []selector {
	var all []selector
	for k := range verdicts {
		v := verdicts[k]
		if v.Site != "" && v.Site != site {
			continue
		}
		s := selector{Verdict: &v, order: k, name: strings.ToLower(v.Name)}
		if v.IP != "" {
			s.addr, _ = netip.ParseAddr(v.IP)
			s.addr = s.addr.Unmap()
		}
		if v.Network != "" {
			s.network, _ = netip.ParsePrefix(v.Network)
			s.network = s.network.Masked()
		}
		if v.MAC != "" {
			s.mac, _ = parseMAC(v.MAC)
		}
		all = append(all, s)
	}
	return all
}

func defaultConfidence(state string) uint8 {
	if state == StateSuspected {
		return defaultSuspected
	}
	return defaultConfirmed
}

// newer orders verdicts by when they became known, then by when they begin to hold, then by their place in the list.
func (s *selector) newer(o *selector) bool {
	return cmp.Or(s.Added.Compare(o.Added), start(s.Verdict).Compare(start(o.Verdict)), cmp.Compare(s.order, o.order)) > 0
}

func start(v *Verdict) time.Time {
	if v.ValidFrom == nil {
		return time.Time{}
	}
	return *v.ValidFrom
}

// period is a time during which one verdict holds for an actor. Zero times are open ends; until is the last instant.
type period struct {
	from, until time.Time
	verdict     *Verdict // nil: cleared, or nothing said
}

func (p period) covers(t time.Time) bool {
	return (p.from.IsZero() || !t.Before(p.from)) && (p.until.IsZero() || !t.After(p.until))
}

// periods cuts time at the ends of the validity of all verdicts about an actor; within each piece the newest holds.
// Pieces without a verdict, or with one that clears, are left out.
func periods(about []*selector) []period {
	cuts := []time.Time{{}}
	for _, s := range about {
		if s.ValidFrom != nil {
			cuts = append(cuts, *s.ValidFrom)
		}
		if s.ValidUntil != nil {
			cuts = append(cuts, s.ValidUntil.Add(time.Nanosecond))
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	var all []period
	for k, from := range cuts {
		p := period{from: from}
		if k+1 < len(cuts) {
			p.until = cuts[k+1].Add(-time.Nanosecond)
		}
		var best *selector
		for _, s := range about {
			if holds(s.Verdict, from) && (best == nil || s.newer(best)) {
				best = s
			}
		}
		if best != nil && best.State != StateCleared {
			p.verdict = best.Verdict
			all = append(all, p)
		}
	}
	return all
}

// holds reports whether a verdict holds at an instant; the zero time stands for the far past.
func holds(v *Verdict, t time.Time) bool {
	if v.ValidFrom != nil && t.Before(*v.ValidFrom) {
		return false
	}
	return v.ValidUntil == nil || !t.After(*v.ValidUntil)
}

// stronger reports whether a says more than b: confirmed before suspected, then by confidence, then the newer.
func stronger(a, b *Verdict) bool {
	if b == nil {
		return true
	}
	if a.State != b.State {
		return a.State == StateConfirmed
	}
	return cmp.Or(cmp.Compare(a.Confidence, b.Confidence), a.Added.Compare(b.Added), start(a).Compare(start(b))) > 0
}

// compromiseAt gives what verdicts say at a time of a device seen first at another: the newest decides, and all in force
// that no later one clears are named. Without a time of its own it holds since it became known, else since the device
// was seen.
func compromiseAt(about []*selector, now, seen time.Time) inventory.Compromise {
	c := inventory.Compromise{State: "none"}
	var newest, clearing *selector
	for _, s := range about {
		if !holds(s.Verdict, now) {
			continue
		}
		if newest == nil || s.newer(newest) {
			newest = s
		}
		if s.State == StateCleared && (clearing == nil || s.newer(clearing)) {
			clearing = s
		}
	}
	if newest == nil || newest == clearing {
		return c
	}
	c.State, c.Since = newest.State, &seen
	switch {
	case newest.ValidFrom != nil:
		c.Since = newest.ValidFrom
	case !newest.Added.IsZero():
		c.Since = &newest.Added
	}
	for _, s := range about {
		if holds(s.Verdict, now) && s.State != StateCleared && (clearing == nil || s.newer(clearing)) {
			c.Verdicts = append(c.Verdicts, s.ID)
		}
	}
	slices.Sort(c.Verdicts)
	c.Verdicts = slices.Compact(c.Verdicts)
	return c
}
