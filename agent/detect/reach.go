package detect

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// ahead is a device that an actor can get at.
type ahead struct {
	graph.Reached
	asset Asset
	rank  int
}

// ahead gives what an actor can get at, ranked. The answer is kept for a while: in a sweep it would be asked for with
// every new target.
func (d *Detector) ahead(s *suspect, actor string) []ahead {
	if s.aheadKnown && d.now.Sub(s.aheadAt) < countRhythm {
		return s.ahead
	}
	s.ahead, s.aheadAt, s.aheadKnown = nil, d.now, true
	for _, r := range d.graph.Reach(actor) {
		if v, ok := d.inventory.Device(r.Device); ok && r.Device != actor {
			s.ahead = append(s.ahead, ahead{r, asset(v, r.IP, r.Reason+"; not altered by this device so far"), rank(v)})
		}
	}
	slices.SortStableFunc(s.ahead, func(a, b ahead) int {
		return cmp.Or(-cmp.Compare(a.rank, b.rank), -cmp.Compare(a.Alters, b.Alters),
			cmp.Compare(a.Hops, b.Hops), cmp.Compare(a.IP, b.IP))
	})
	return s.ahead
}

// reach lists what the actor can get at and has not altered yet, the likely next targets first.
func (t *tale) reach() []Asset {
	assets := []Asset{}
	for _, next := range t.d.ahead(t.suspect, t.actor.ID) {
		if len(assets) == maxReach {
			break
		}
		if next.Device != t.target.ID && !t.d.altered(t.record.actor, next.IP) {
			assets = append(assets, next.asset)
		}
	}
	return assets
}

// altered reports whether an actor has altered the device at an address.
func (d *Detector) altered(actor protocols.Address, ip string) bool {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	r := d.deeds.records[pair{actor, protocols.Address{IP: a}}]
	return r != nil && r.reached >= LevelWrite
}

// rank orders devices by how much is at stake: OT first, then by criticality.
func rank(v inventory.Device) int {
	n := criticalityPercent[v.Criticality]
	if v.Category == inventory.CategoryOT {
		n += 100
	}
	return n
}
