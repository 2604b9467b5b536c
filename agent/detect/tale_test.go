package detect

import (
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// A value that is written again is no change, and one that comes back is told as such.
func TestSameValueIsNoChange(t *testing.T) {
	p := newPlant(t)
	c := p.open("10.0.0.66", "10.0.1.1", 502)
	p.read(c, 0, 2302, 5, 7)
	p.write(c, protocols.OutcomeDone, 0, 2302)
	p.write(c, protocols.OutcomeDone, 1, 9)
	p.write(c, protocols.OutcomeDone, 1, 5)
	p.write(c, protocols.OutcomeDone, 2, 8)
	said := p.run(confirmed("10.0.0.66")).alert(t, "10.0.0.66", "10.0.1.1").Description
	for _, want := range []string{
		"What it changed: holding-register 1 unit 1 from 5 to 9 and back; holding-register 2 unit 1 from 7 to 8.\n",
		"Written again with the value it had: holding-register 0 unit 1 (2302).\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("description lacks %q:\n%s", want, said)
		}
	}
	p = newPlant(t)
	c = p.open("10.0.0.66", "10.0.1.1", 502)
	p.read(c, 0, 2302)
	p.write(c, protocols.OutcomeDone, 0, 2302)
	if said := p.run(confirmed("10.0.0.66")).alert(t, "10.0.0.66", "10.0.1.1").Description; strings.Contains(said, "What it changed") {
		t.Errorf("nothing was changed:\n%s", said)
	}
}

// Whoever has a name is called by it, with the address beside it, as everywhere else in the alert.
func TestNamesStandBesideAddresses(t *testing.T) {
	p := newPlant(t)
	c := p.open("10.0.0.66", "10.0.1.1", 502)
	p.event(c, protocols.Event{
		From: protocols.Client, Action: protocols.ActionIdentify, Outcome: protocols.OutcomeAsked,
		Facts: []protocols.Fact{{About: protocols.Client, Key: protocols.FactName, Value: "eng-laptop"}},
	})
	p.read(c, 0, 1)
	said := p.run(confirmed("10.0.0.66")).alert(t, "10.0.0.66", "10.0.1.1").Description
	if want := "eng-laptop (10.0.0.66) [workstation], which is confirmed to be compromised ("; !strings.HasPrefix(said, want) {
		t.Errorf("description begins otherwise than with %q:\n%s", want, said)
	}
	if want := "asked for the identity of 10.0.1.1 (plc). First at"; !strings.Contains(said, want) {
		t.Errorf("description lacks %q:\n%s", want, said)
	}
}
