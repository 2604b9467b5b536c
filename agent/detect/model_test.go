package detect

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
)

// drawPlant makes any traffic among a few hosts.
func drawPlant(t *rapid.T) *plant {
	p := newPlant(nil)
	host := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "127.0.0.1"})
	var convs []*protocols.Conversation
	for range rapid.IntRange(1, 40).Draw(t, "steps") {
		p.wait(time.Duration(rapid.IntRange(0, 90).Draw(t, "wait")) * time.Second)
		if len(convs) == 0 || rapid.IntRange(0, 3).Draw(t, "open") == 0 {
			convs = append(convs, p.dial(host.Draw(t, "client"), host.Draw(t, "server"), rapid.SampledFrom([]uint16{102, 445}).Draw(t, "port"), rapid.Bool().Draw(t, "refused")))
			continue
		}
		c := rapid.SampledFrom(convs).Draw(t, "conversation")
		action := protocols.Action(rapid.IntRange(0, actionCount-1).Draw(t, "action"))
		outcome := protocols.Outcome(rapid.IntRange(1, 3).Draw(t, "outcome"))
		if action == protocols.ActionWrite {
			p.write(c, outcome, uint32(rapid.IntRange(0, 3).Draw(t, "first")), uint16(rapid.IntRange(0, 9).Draw(t, "value")))
		} else {
			p.ask(c, action, "deed", registers(uint32(rapid.IntRange(0, 3).Draw(t, "first")), 1), outcome)
		}
	}
	return p
}

func drawVerdicts(t *rapid.T) []Verdict {
	moment := rapid.Custom(func(t *rapid.T) *time.Time {
		if rapid.Bool().Draw(t, "open") {
			return nil
		}
		at := epoch.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "at")) * time.Second)
		return &at
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Verdict {
		v := confirmed(rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "127.0.0.1"}).Draw(t, "ip"))
		v.State = rapid.SampledFrom([]string{StateConfirmed, StateSuspected, StateCleared}).Draw(t, "state")
		v.ValidFrom, v.ValidUntil = moment.Draw(t, "from"), moment.Draw(t, "until")
		return v
	}), 1, 4).Draw(t, "verdicts")
}

// TestLateVerdictsTellTheSameAlways: verdicts before all deeds, after all deeds, or in between give the same alerts.
func TestLateVerdictsTellTheSameAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, verdicts := drawPlant(t), drawVerdicts(t)
		early := p.run(verdicts...)
		want := strip(early.detector.Alerts())
		late := newAnalyst()
		when := rapid.IntRange(0, len(p.steps)).Draw(t, "when")
		for k, s := range p.steps {
			if k == when {
				late.detector.SetVerdicts(verdicts)
			}
			late.step(s)
		}
		late.detector.SetVerdicts(verdicts)
		late.detector.Finish()
		if diff := cmp.Diff(want, strip(late.detector.Alerts())); diff != "" {
			t.Fatalf("late verdict (-early +late):\n%s", diff)
		}
		again := p.run(verdicts...)
		if diff := cmp.Diff(early.emitted, again.emitted); diff != "" {
			t.Fatalf("two runs emit differently:\n%s", diff)
		}
	})
}

// TestAlertsOnlyRise: whatever verdicts come and go, an alert's level and count never fall, its revision always grows,
// and no deed outside a verdict's validity is shown as evidence when it is raised.
func TestAlertsOnlyRise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlant(t)
		a := newAnalyst()
		a.detector.SetVerdicts(drawVerdicts(t))
		for _, s := range p.steps {
			if rapid.IntRange(0, 9).Draw(t, "change") == 0 {
				a.detector.SetVerdicts(drawVerdicts(t))
			}
			a.step(s)
			a.detector.Advance(s.time())
		}
		a.detector.Finish()
		last := make(map[string]Alert)
		order := make(map[string]int)
		for k, name := range levelNames {
			order[name] = k
		}
		for _, x := range a.emitted {
			old, seen := last[x.ID]
			last[x.ID] = x
			if !seen {
				if x.Revision != 1 {
					t.Fatalf("first revision is %d", x.Revision)
				}
				continue
			}
			if x.Revision != old.Revision+1 || order[x.Level] < order[old.Level] || x.Count < old.Count || x.Time.After(old.Time) || x.LastTime.Before(old.LastTime) {
				t.Fatalf("fell from %+v to %+v", old, x)
			}
		}
		for _, x := range a.detector.Alerts() {
			if diff := cmp.Diff(last[x.ID], x); diff != "" {
				t.Fatalf("the last emission is not the alert:\n%s", diff)
			}
		}
	})
}

// TestValidityIsExact compares what a verdict of limited validity raises with what the deeds of that time alone raise.
func TestValidityIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlant(t)
		from := epoch.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "from")) * time.Second)
		until := from.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "length")) * time.Second)
		v := confirmed("10.0.0.1")
		v.ValidFrom, v.ValidUntil = &from, &until
		best := make(map[string]Level)
		for _, s := range p.steps {
			e := s.event
			if e == nil || e.Time.Before(from) || e.Time.After(until) || e.Conv.Client.Addr.String() != "10.0.0.1" || e.Action == protocols.ActionNone {
				continue
			}
			best[e.Conv.Server.Addr.String()] = max(best[e.Conv.Server.Addr.String()], meanings[e.Action].level)
		}
		got := make(map[string]Level)
		for _, x := range p.run(v).detector.Alerts() {
			for l, name := range levelNames {
				if name == x.Level {
					got[x.TargetIP] = Level(l)
				}
			}
			if x.Time.Before(from) || x.LastTime.After(until) {
				t.Fatalf("alert from %s to %s, verdict from %s to %s", x.Time, x.LastTime, from, until)
			}
			for _, e := range x.Evidence {
				if e.Time.Before(from) || e.Time.After(until) {
					t.Fatalf("evidence at %s is outside", e.Time)
				}
			}
		}
		for target, level := range best {
			if level > LevelContact && got[target] != level {
				t.Fatalf("%s: level %s, want %s", target, got[target], level)
			}
		}
		for target, level := range got {
			if level > LevelContact && best[target] != level {
				t.Fatalf("%s: level %s claims more than happened: %s", target, level, best[target])
			}
		}
	})
}

func TestCapacity(t *testing.T) {
	a := newAnalyst()
	a.detector = New(Config{Site: "Harbour", MaxPairs: 64, MaxValues: 64, MaxAlerts: 16}, a.inventory, a.graph)
	a.detector.SetVerdicts([]Verdict{confirmed("10.0.0.66")})
	p := newPlant(t)
	p.write(p.open("10.0.0.66", "10.0.1.1", 502), protocols.OutcomeDone, 7, 1)
	for n := range 3_000 {
		c := p.open("10.0.0.66", netip.AddrFrom4([4]byte{10, 2, byte(n >> 8), byte(n)}).String(), 502)
		p.read(c, uint32(n), 1, 2, 3)
	}
	for n := range 500 {
		p.write(p.open("10.0.0.66", "10.0.1.1", 502), protocols.OutcomeDone, uint32(n), 1)
	}
	for _, s := range p.steps {
		a.step(s)
	}
	a.detector.Finish()
	s := a.detector.Stats()
	if s.Pairs > 64 || s.ValuePages > 64 || s.Alerts > 16 || s.EvictedPairs == 0 || s.EvictedValuePages == 0 || s.DroppedAlerts == 0 {
		t.Errorf("%+v", s)
	}
	x := a.alert(t, "10.0.0.66", "10.0.1.1")
	if x.Count != 501 || len(x.Evidence) > maxEvidence {
		t.Errorf("count %d, %d pieces of evidence", x.Count, len(x.Evidence))
	}
}

// BenchmarkPlant runs a plant of 10,000 controllers, each polled over and over by a display, through all three parts, and
// reports what they hold in memory.
func BenchmarkPlant(b *testing.B) {
	p := newPlant(b)
	for n := range 10_000 {
		ip := netip.AddrFrom4([4]byte{10, 8, byte(n >> 8), byte(n)}).String()
		c := p.open(fmt.Sprintf("10.0.0.%d", n%50), ip, 502)
		for k := range uint32(4) {
			p.read(c, 100*k, make([]uint16, 50)...)
		}
	}
	var before, after runtime.MemStats
	b.ResetTimer()
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		a := newAnalyst()
		a.detector.SetVerdicts([]Verdict{confirmed("10.0.0.7")})
		for _, s := range p.steps {
			a.step(s)
		}
		a.detector.Finish()
		runtime.GC()
		runtime.ReadMemStats(&after)
		if n := len(a.detector.Alerts()); n != 200 {
			b.Fatalf("%d alerts", n)
		}
		b.ReportMetric(float64(len(p.steps)), "steps/op")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
	}
}

// BenchmarkEvent is the cost of a polling exchange of a device without a verdict.
func BenchmarkEvent(b *testing.B) {
	p := newPlant(b)
	c := p.open("10.0.0.10", "10.0.1.1", 502)
	p.read(c, 0, make([]uint16, 50)...)
	a := newAnalyst()
	a.detector.SetVerdicts([]Verdict{confirmed("10.0.0.66")})
	for _, s := range p.steps {
		a.step(s)
	}
	b.ReportAllocs()
	for b.Loop() {
		a.detector.Event(p.steps[1].event)
		a.detector.Event(p.steps[2].event)
	}
}
