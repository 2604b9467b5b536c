package detect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/inventory"
)

// The inventory names every verdict in force about a device, and since when.
func TestCompromiseNamesAllVerdicts(t *testing.T) {
	p := newPlant(t)
	playHeating(p)
	seen := p.now // of the stranger, below
	for _, s := range p.steps {
		if s.flow != nil && s.flow.Conv.Client.Addr.String() == "10.0.0.66" {
			seen = s.flow.First
			break
		}
	}
	verdict := func(id, state string, change func(*Verdict)) Verdict {
		v := confirmed("10.0.0.66")
		v.ID, v.State = id, state
		if change != nil {
			change(&v)
		}
		return v
	}
	early, added, past := epoch.Add(-time.Hour), epoch.Add(-time.Minute), epoch.Add(-time.Second)
	from := func(v *Verdict) { v.ValidFrom = &early }
	for name, c := range map[string]struct {
		verdicts []Verdict
		want     inventory.Compromise
	}{
		"one":              {[]Verdict{verdict("b", StateConfirmed, nil)}, inventory.Compromise{State: StateConfirmed, Since: &seen, Verdicts: []string{"b"}}},
		"two":              {[]Verdict{verdict("b", StateConfirmed, nil), verdict("a", StateConfirmed, from)}, inventory.Compromise{State: StateConfirmed, Since: &early, Verdicts: []string{"a", "b"}}},
		"the newest rules": {[]Verdict{verdict("b", StateConfirmed, nil), verdict("a", StateSuspected, nil)}, inventory.Compromise{State: StateSuspected, Since: &seen, Verdicts: []string{"a", "b"}}},
		"added": {
			[]Verdict{verdict("b", StateConfirmed, func(v *Verdict) { v.Added = added })},
			inventory.Compromise{State: StateConfirmed, Since: &added, Verdicts: []string{"b"}},
		},
		"one is over": {
			[]Verdict{verdict("a", StateConfirmed, nil), verdict("b", StateConfirmed, func(v *Verdict) { v.ValidUntil = &past })},
			inventory.Compromise{State: StateConfirmed, Since: &seen, Verdicts: []string{"a"}},
		},
		"cleared in between": {
			[]Verdict{verdict("a", StateConfirmed, nil), verdict("c", StateCleared, nil), verdict("b", StateSuspected, nil)},
			inventory.Compromise{State: StateSuspected, Since: &seen, Verdicts: []string{"b"}},
		},
		"cleared": {[]Verdict{verdict("a", StateConfirmed, nil), verdict("c", StateCleared, nil)}, inventory.Compromise{State: "none"}},
	} {
		a := p.run(c.verdicts...)
		v, _ := a.inventory.Device(a.inventory.ID(endpoint("10.0.0.66", 0)))
		if diff := cmp.Diff(c.want, v.Compromise); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A device is named by the verdicts about all its addresses.
func TestCompromiseOverSeveralAddresses(t *testing.T) {
	p := newPlant(t)
	p.read(p.open("10.0.0.66", "10.0.1.1", 502), 0, 1)
	c := p.open("10.0.0.67", "10.0.1.1", 502)
	c.Client.MAC = endpoint("10.0.0.66", 0).MAC
	p.read(c, 0, 1)
	a := p.run(confirmed("10.0.0.66"), confirmed("10.0.0.67"))
	v, _ := a.inventory.Device(a.inventory.ID(endpoint("10.0.0.66", 0)))
	if diff := cmp.Diff([]string{"v-10.0.0.66", "v-10.0.0.67"}, v.Compromise.Verdicts); diff != "" {
		t.Errorf("%v: %s", v.IPs, diff)
	}
}
