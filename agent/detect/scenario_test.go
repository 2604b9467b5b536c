package detect

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/protocols"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// scenarios are small attacks; each has its alerts as a golden file.
var scenarios = map[string]struct {
	play     func(p *plant)
	verdicts []Verdict
}{
	"heating": {playHeating, []Verdict{confirmed("10.0.0.66")}},
	"stop":    {playStop, []Verdict{confirmed("10.0.0.66")}},
	"worm":    {playWorm, []Verdict{confirmed("10.0.1.1")}},
}

// playHeating: a display polls three controllers; a stranger reads what they hold and then writes to all of them.
func playHeating(p *plant) {
	targets := []string{"10.0.1.1", "10.0.1.2", "10.0.1.3"}
	for _, target := range targets {
		display := p.open("10.0.0.10", target, 502)
		p.read(display, 40, 210, 215, 220)
	}
	p.wait(time.Minute)
	for _, target := range targets {
		stranger := p.open("10.0.0.66", target, 502)
		p.read(stranger, 40, 210, 215, 220)
	}
	p.wait(5 * time.Second)
	for _, target := range targets {
		stranger := p.open("10.0.0.66", target, 502)
		p.write(stranger, protocols.OutcomeDone, 41, 900, 901)
	}
}

// playStop: a programming device stops a controller and replaces a block.
func playStop(p *plant) {
	c := p.open("10.0.0.66", "10.0.1.1", 102)
	p.ask(c, protocols.ActionIdentify, "Read SZL", protocols.Object{Area: "szl", Name: "0x0011"}, protocols.OutcomeDone)
	p.ask(c, protocols.ActionUpload, "Start upload", protocols.Object{Area: "block", Name: "OB1"}, protocols.OutcomeDone)
	p.ask(c, protocols.ActionControl, "PLC Stop", protocols.Object{}, protocols.OutcomeDone)
	p.ask(c, protocols.ActionDownload, "Request download", protocols.Object{Area: "block", Name: "OB1"}, protocols.OutcomeDone)
}

// playWorm: a controller turns on its neighbours, one after the other.
func playWorm(p *plant) {
	display := p.open("10.0.0.10", "10.0.1.1", 102)
	p.read(display, 0, 1)
	for _, next := range []string{"10.0.1.2", "10.0.1.3"} {
		p.wait(20 * time.Second)
		c := p.open("10.0.1.1", next, 102)
		p.ask(c, protocols.ActionControl, "PLC Stop", protocols.Object{}, protocols.OutcomeDone)
		p.ask(c, protocols.ActionDownload, "Request download", protocols.Object{Area: "block", Name: "OB9999"}, protocols.OutcomeDone)
		p.ask(c, protocols.ActionControl, "PI Service P_PROGRAM", protocols.Object{}, protocols.OutcomeDone)
	}
	front := p.open("10.0.1.2", "10.0.1.4", 102)
	p.ask(front, protocols.ActionControl, "PLC Stop", protocols.Object{}, protocols.OutcomeDone)
}

func TestScenarios(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			s.play(p)
			got, err := json.MarshalIndent(p.run(s.verdicts...).detector.Alerts(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.MkdirAll("testdata", 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(bytes.TrimSpace(want)), string(got)); diff != "" {
				t.Errorf("alerts differ from %s (-want +got):\n%s", golden, diff)
			}
			if quiet := p.run(); len(quiet.detector.Alerts()) != 0 || len(quiet.emitted) != 0 {
				t.Errorf("without a verdict there are %d alerts", len(quiet.detector.Alerts()))
			}
		})
	}
}

func TestHeatingIsWhatHappened(t *testing.T) {
	p := newPlant(t)
	playHeating(p)
	a := p.run(confirmed("10.0.0.66"))
	if n := len(a.detector.Alerts()); n != 3 {
		t.Fatalf("%d alerts, want one a target: 3", n)
	}
	x := a.alert(t, "10.0.0.66", "10.0.1.2")
	if x.Level != "write" || x.Severity != SeverityHigh {
		t.Errorf("level %s severity %s, want write and high", x.Level, x.Severity)
	}
	for _, id := range []string{"T0801", "T0836", "T0855", "T0846"} {
		if !slices.Contains(x.Techniques, id) {
			t.Errorf("techniques %v lack %s", x.Techniques, id)
		}
	}
	written := x.Evidence[len(x.Evidence)-1]
	if written.Before != "215, 220" || written.After != "900, 901" || written.Outcome != protocols.OutcomeDone || written.File != "plant.pcap" {
		t.Errorf("evidence of the write: %+v", written)
	}
	if !strings.Contains(x.Description, "from 215, 220 to 900, 901") {
		t.Errorf("description does not tell the change:\n%s", x.Description)
	}
}

// Local traffic of a plant that is all well raises nothing, whoever else is under a verdict.
func TestOthersVerdictRaisesNothing(t *testing.T) {
	p := newPlant(t)
	playHeating(p)
	if a := p.run(confirmed("10.0.0.99")); len(a.detector.Alerts()) != 0 {
		t.Errorf("%d alerts about devices without a verdict", len(a.detector.Alerts()))
	}
}

// strip takes out of alerts what may depend on when they were first raised.
func strip(alerts []Alert) []Alert {
	for k := range alerts {
		alerts[k].Revision = 0
	}
	return alerts
}

func TestLateVerdictTellsTheSame(t *testing.T) {
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			s.play(p)
			early := strip(p.run(s.verdicts...).detector.Alerts())
			late := newAnalyst()
			for _, x := range p.steps {
				late.step(x)
			}
			if len(late.emitted) != 0 {
				t.Fatalf("%d alerts before the verdict", len(late.emitted))
			}
			late.detector.Advance(p.now.Add(time.Hour))
			late.detector.SetVerdicts(s.verdicts)
			if len(late.emitted) == 0 {
				t.Fatal("the late verdict raised nothing")
			}
			late.detector.Finish()
			if diff := cmp.Diff(early, strip(late.detector.Alerts())); diff != "" {
				t.Errorf("late verdict (-early +late):\n%s", diff)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	object := protocols.Object{Area: "block", Name: "OB1"}
	for action := protocols.ActionRead; int(action) < actionCount; action++ {
		for _, outcome := range []protocols.Outcome{protocols.OutcomeDone, protocols.OutcomeRefused, protocols.OutcomeAsked} {
			p := newPlant(t)
			c := p.open("10.0.0.66", "10.0.1.1", 102)
			p.ask(c, action, "deed", object, outcome)
			x := p.run(confirmed("10.0.0.66")).alert(t, "10.0.0.66", "10.0.1.1")
			if want := meanings[action].level.String(); x.Level != want {
				t.Errorf("%s %s: level %s, want %s", action, outcome, x.Level, want)
			}
			if x.Count != 1 {
				t.Errorf("%s %s: count %d, want 1: an exchange is one deed", action, outcome, x.Count)
			}
			if outcome == protocols.OutcomeRefused && !strings.Contains(x.Description, "tried to") {
				t.Errorf("%s refused reads as done:\n%s", action, x.Description)
			}
			if outcome == protocols.OutcomeRefused && meanings[action].level >= LevelWrite && !strings.Contains(x.Description, "refused every attempt") {
				t.Errorf("%s refused does not say so:\n%s", action, x.Description)
			}
		}
	}
}

func TestSeverity(t *testing.T) {
	suspected := confirmed("10.0.0.66")
	suspected.State, suspected.Confidence = StateSuspected, 60
	unsure, worthless := confirmed("10.0.0.66"), confirmed("10.0.0.66")
	unsure.Confidence, worthless.Confidence = 30, 0
	for _, c := range []struct {
		action  protocols.Action
		outcome protocols.Outcome
		verdict Verdict
		want    string
	}{
		{protocols.ActionControl, protocols.OutcomeDone, confirmed("10.0.0.66"), SeverityHigh},
		{protocols.ActionWrite, protocols.OutcomeDone, confirmed("10.0.0.66"), SeverityHigh},
		{protocols.ActionWrite, protocols.OutcomeRefused, confirmed("10.0.0.66"), SeverityMedium},
		{protocols.ActionWrite, protocols.OutcomeDone, suspected, SeverityMedium},
		{protocols.ActionWrite, protocols.OutcomeDone, unsure, SeverityMedium},
		{protocols.ActionRead, protocols.OutcomeDone, unsure, SeverityLow},
		{protocols.ActionWrite, protocols.OutcomeDone, worthless, SeverityInformational},
		{protocols.ActionIdentify, protocols.OutcomeDone, confirmed("10.0.0.66"), SeverityMedium},
		{protocols.ActionRead, protocols.OutcomeDone, confirmed("10.0.0.66"), SeverityMedium},
		{protocols.ActionRead, protocols.OutcomeDone, suspected, SeverityLow},
		{protocols.ActionConnect, protocols.OutcomeDone, confirmed("10.0.0.66"), SeverityLow},
	} {
		p := newPlant(t)
		p.read(p.open("10.0.0.10", "10.0.1.1", 502), 0, 1)
		p.write(p.open("10.0.0.10", "10.0.1.1", 502), protocols.OutcomeDone, 0, 1)
		p.ask(p.open("10.0.0.66", "10.0.1.1", 502), c.action, "deed", protocols.Object{}, c.outcome)
		x := p.run(c.verdict).alert(t, "10.0.0.66", "10.0.1.1")
		if x.Severity != c.want {
			t.Errorf("%s %s, %s: severity %s, want %s\n%s", c.action, c.outcome, c.verdict.State, x.Severity, c.want, x.Description)
		}
	}
}

func TestContactCountsOnceTheTargetIsKnown(t *testing.T) {
	p := newPlant(t)
	p.open("10.0.0.66", "10.0.1.1", 3389)
	p.open("10.0.0.66", "10.0.0.20", 445)
	p.wait(time.Minute)
	p.read(p.open("10.0.0.10", "10.0.1.1", 502), 0, 1)
	a := p.run(confirmed("10.0.0.66"))
	x := a.alert(t, "10.0.0.66", "10.0.1.1")
	if x.Level != "contact" || len(a.detector.Alerts()) != 1 {
		t.Errorf("level %s, %d alerts; want contact with the controller alone", x.Level, len(a.detector.Alerts()))
	}
}

func TestRefusedContactOnAPortOfOT(t *testing.T) {
	p := newPlant(t)
	p.read(p.open("10.0.0.10", "10.0.1.1", 502), 0, 1)
	p.dial("10.0.0.66", "10.0.1.9", 502, true)
	x := p.run(confirmed("10.0.0.66")).alert(t, "10.0.0.66", "10.0.1.9")
	if x.Level != "contact" || !strings.Contains(x.Description, "tried to reach") {
		t.Errorf("level %s\n%s", x.Level, x.Description)
	}
}

func TestCompromisedControllerThatAnswers(t *testing.T) {
	p := newPlant(t)
	panel := p.open("10.0.1.2", "10.0.1.1", 502)
	p.read(panel, 0, 1)
	p.read(p.open("10.0.0.10", "10.0.1.2", 502), 0, 1) // the asking side is an OT device itself
	x := p.run(confirmed("10.0.1.1")).alert(t, "10.0.1.1", "10.0.1.2")
	if x.Level != "contact" || !strings.Contains(x.Description, "answers requests of") {
		t.Errorf("level %s\n%s", x.Level, x.Description)
	}
}

func TestLoopbackIsActorAndTarget(t *testing.T) {
	p := newPlant(t)
	p.write(p.open("127.0.0.1", "127.0.0.1", 502), protocols.OutcomeDone, 0, 1)
	a := p.run(confirmed("127.0.0.1"))
	x := a.alert(t, "127.0.0.1", "127.0.0.1")
	if x.Actor == "" || x.Actor != x.Target || x.Level != "write" {
		t.Errorf("actor %q target %q level %s", x.Actor, x.Target, x.Level)
	}
	if e := a.graph.Edges(); len(e) != 1 || e[0].Client != e[0].Server {
		t.Errorf("self-edge is missing: %+v", e)
	}
}

func TestRefusedWriteChangesNoMemory(t *testing.T) {
	p := newPlant(t)
	c := p.open("10.0.0.66", "10.0.1.1", 502)
	p.read(c, 0, 7)
	p.write(c, protocols.OutcomeRefused, 0, 8)
	p.write(c, protocols.OutcomeDone, 0, 9)
	p.write(c, protocols.OutcomeDone, 0, 10)
	var got []string
	for _, e := range p.run(confirmed("10.0.0.66")).alert(t, "10.0.0.66", "10.0.1.1").Evidence {
		if e.Action == protocols.ActionWrite {
			got = append(got, e.Before+">"+e.After+" "+e.Outcome.String())
		}
	}
	if diff := cmp.Diff([]string{"7>8 refused", "7>9 done", "9>10 done"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestValidityBoundsDeeds(t *testing.T) {
	play := func() (*plant, time.Time, time.Time) {
		p := newPlant(t)
		c := p.open("10.0.0.66", "10.0.1.1", 502)
		p.write(c, protocols.OutcomeDone, 0, 1)
		p.wait(time.Hour)
		from := p.now
		p.read(c, 0, 1)
		until := p.now
		p.wait(time.Hour)
		p.ask(c, protocols.ActionControl, "PLC Stop", protocols.Object{}, protocols.OutcomeDone)
		return p, from, until
	}
	p, from, until := play()
	v := confirmed("10.0.0.66")
	v.ValidFrom, v.ValidUntil = &from, &until
	x := p.run(v).alert(t, "10.0.0.66", "10.0.1.1")
	if x.Level != "read" || x.Count != 1 || x.Time.Before(from) || x.LastTime.After(until) {
		t.Errorf("level %s count %d from %s to %s", x.Level, x.Count, x.Time, x.LastTime)
	}
	expired := epoch.Add(-time.Hour)
	v.ValidFrom, v.ValidUntil = nil, &expired
	if a := p.run(v); len(a.detector.Alerts()) != 0 {
		t.Errorf("an expired verdict raised %d alerts", len(a.detector.Alerts()))
	}
}

func TestCleared(t *testing.T) {
	p := newPlant(t)
	playHeating(p)
	said, cleared := confirmed("10.0.0.66"), confirmed("10.0.0.66")
	cleared.ID, cleared.State, cleared.Source, cleared.Reason = "c", StateCleared, "soc", "reinstalled"
	if a := p.run(said, cleared); len(a.detector.Alerts()) != 0 {
		t.Errorf("a device that is cleared raised %d alerts", len(a.detector.Alerts()))
	}
	if a := p.run(cleared, said); len(a.detector.Alerts()) != 3 {
		t.Error("a verdict after the clearing does not count")
	}
	// Cleared while alerts are open: they stay, closed, with the reason, and nothing new comes.
	a := p.run(said)
	a.emitted = nil
	a.detector.SetVerdicts([]Verdict{said, cleared})
	if len(a.emitted) != 3 {
		t.Fatalf("%d alerts were told of the clearing, want 3", len(a.emitted))
	}
	for _, x := range a.emitted {
		if x.Level != "write" || x.Revision < 2 || !strings.HasPrefix(x.Description, "Closed: The device was cleared by soc: reinstalled.") {
			t.Errorf("level %s revision %d\n%s", x.Level, x.Revision, x.Description)
		}
	}
	a.emitted = nil
	p2 := newPlant(t)
	p2.now, p2.convs = p.now, 100
	p2.write(p2.open("10.0.0.66", "10.0.1.1", 502), protocols.OutcomeDone, 77, 1)
	for _, s := range p2.steps {
		a.step(s)
	}
	a.detector.Finish()
	if len(a.emitted) != 0 {
		t.Errorf("%d alerts after the clearing", len(a.emitted))
	}
}

func TestSelectors(t *testing.T) {
	p := newPlant(t)
	c := p.open("10.0.0.66", "10.0.1.1", 502)
	p.event(c, protocols.Event{
		From: protocols.Client, Action: protocols.ActionIdentify, Outcome: protocols.OutcomeAsked,
		Facts: []protocols.Fact{{About: protocols.Client, Key: protocols.FactName, Value: "LAPTOP7.plant.example"}},
	})
	id := p.run().inventory.ID(endpoint("10.0.0.66", 0))
	for _, v := range []Verdict{
		{IP: "10.0.0.66"}, {IP: "::ffff:10.0.0.66"}, {Network: "10.0.0.64/29"}, {MAC: "02-00-0a-00-00-42"}, {Name: "laptop7"},
		{Name: "laptop7.PLANT.example"}, {Device: id}, {IP: "10.0.0.66", Site: "Harbour"},
	} {
		v.State = StateConfirmed
		if n := len(p.run(v).detector.Alerts()); n != 1 {
			t.Errorf("%+v: %d alerts, want 1", v, n)
		}
	}
	for _, v := range []Verdict{
		{IP: "10.0.0.67"}, {Network: "10.0.0.0/26"}, {MAC: "02:00:0a:00:00:43"}, {Name: "laptop"}, {Device: "x"},
		{IP: "10.0.0.66", Site: "Airport"},
	} {
		v.State = StateConfirmed
		if n := len(p.run(v).detector.Alerts()); n != 0 {
			t.Errorf("%+v: %d alerts, want none", v, n)
		}
	}
}

func TestCompromiseIsWrittenToTheInventory(t *testing.T) {
	p := newPlant(t)
	playHeating(p)
	a := p.run(confirmed("10.0.0.66"))
	v, ok := a.inventory.Device(a.inventory.ID(endpoint("10.0.0.66", 0)))
	if !ok || v.Compromise.State != "confirmed" || !slices.Equal(v.Compromise.Verdicts, []string{"v-10.0.0.66"}) {
		t.Errorf("compromise: %+v", v.Compromise)
	}
	a.detector.SetVerdicts(nil)
	if v, _ = a.inventory.Device(v.ID); v.Compromise.State != "none" {
		t.Errorf("after the verdict went: %+v", v.Compromise)
	}
}

func TestReachNamesTheNextTargets(t *testing.T) {
	p := newPlant(t)
	playWorm(p)
	x := p.run(confirmed("10.0.1.1")).alert(t, "10.0.1.1", "10.0.1.2")
	var ips []string
	for _, r := range x.Reach {
		ips = append(ips, r.IP)
	}
	if !slices.Contains(ips, "10.0.1.4") || slices.Contains(ips, "10.0.1.3") {
		t.Errorf("reach %v: want 10.0.1.4, two hops away, and not 10.0.1.3, already altered", ips)
	}
	for _, id := range []string{"T0843", "T0858", "T0816", "T0889"} {
		if !slices.Contains(x.Techniques, id) {
			t.Errorf("techniques %v lack %s", x.Techniques, id)
		}
	}
}

func TestEveryTechniqueIsShipped(t *testing.T) {
	ids := []string{techniqueRestart, techniqueDiscovery}
	for _, m := range meanings {
		ids = append(ids, m.techniques...)
	}
	for _, id := range ids {
		if TechniqueName(id) == "" {
			t.Errorf("%s is no technique of ATT&CK for ICS", id)
		}
	}
}

// A method call commands a device, but says nothing of its operating mode.
func TestMethodCallIsNoChangeOfMode(t *testing.T) {
	p := newPlant(t)
	c := p.open("10.0.0.66", "10.0.1.1", 4840)
	p.ask(c, protocols.ActionControl, "CallRequest", protocols.Object{Area: areaMethod, Name: "ns=2;s=Pump.Reset"}, protocols.OutcomeDone)
	x := p.run(confirmed("10.0.0.66")).alert(t, "10.0.0.66", "10.0.1.1")
	if x.Level != "control" || slices.Contains(x.Techniques, "T0858") || slices.Contains(x.Techniques, techniqueRestart) || !slices.Contains(x.Techniques, "T0855") {
		t.Errorf("level %s, techniques %v", x.Level, x.Techniques)
	}
	if !strings.Contains(x.Description, "called methods of 10.0.1.1") || strings.Contains(x.Description, "operating mode") {
		t.Errorf("description:\n%s", x.Description)
	}
}
