package process

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
)

// naive is a variable as one would keep it without a thought for memory.
type naive struct {
	Count    uint64
	Sum      int
	Min, Max int
	Last     int
	LastAt   int64
	Changes  int
	Writer   string
}

func (n *naive) see(value int, at int64, times uint64) {
	n.Count += times
	n.Sum += value * int(times)
	if n.Count == times {
		n.Min, n.Max, n.Last, n.LastAt = value, value, value, at
		return
	}
	n.Min, n.Max = min(n.Min, value), max(n.Max, value)
	if at < n.LastAt {
		return
	}
	if value != n.Last {
		n.Changes++
	}
	n.Last, n.LastAt = value, at
}

type plan map[string]*naive

func (m plan) see(e *protocols.Event, device string, words []uint16) {
	n, _, last := e.Span()
	for k, w := range words {
		name := fmt.Sprintf("%s holding-register %d unit 1", device, int(e.Object.First)+k)
		if m[name] == nil {
			m[name] = new(naive)
		}
		m[name].see(int(w), last.UnixNano(), n)
		if e.Action == protocols.ActionWrite {
			m[name].Writer = e.Conv.Client.Addr.String()
		}
	}
}

func (m plan) flat() map[string]naive {
	all := make(map[string]naive)
	for name, n := range m {
		all[name] = *n
	}
	return all
}

// flat gives what a Process knows as the model has it. Means become sums, which are whole numbers here.
func flat(p *Process) map[string]naive {
	all := make(map[string]naive)
	for v := range p.Variables() {
		var last int
		fmt.Sscan(v.Last.Text, &last)
		all[v.IP+" "+v.Object] = naive{
			Count: v.Count, Sum: int(math.Round(*v.Mean * float64(v.Count))), Min: int(*v.Min), Max: int(*v.Max), Last: last,
			LastAt: v.LastTime.UnixNano(), Changes: int(v.Changes), Writer: v.LastWriter,
		}
	}
	return all
}

var modelConvs = []*protocols.Conversation{
	panel, attacker, {ID: 3, Client: host(7), Server: host(9)}, {ID: 4, Client: host(5), Server: host(8)},
}

// TestAgainstModel holds polls, changes, gathered answers and writes, settled in between or not, against the model.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p, model := New(Config{MaxPolls: rapid.SampledFrom([]int{2, 100}).Draw(rt, "polls")}, nameOf), plan{}
		at := 0.0
		for range rapid.IntRange(1, 80).Draw(rt, "messages") {
			at += rapid.Float64Range(0.001, 2).Draw(rt, "later")
			conv := rapid.SampledFrom(modelConvs).Draw(rt, "conversation")
			words := rapid.SliceOfN(rapid.Uint16Range(0, 2), 1, 20).Draw(rt, "words")
			e := registers(rapid.Uint32Range(0, 24).Draw(rt, "first"), words...)
			device := conv.Server.Addr.String()
			switch rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				asked := write(conv, at, e)
				p.Event(asked)
				outcome := rapid.SampledFrom([]protocols.Outcome{protocols.OutcomeDone, protocols.OutcomeRefused}).Draw(rt, "outcome")
				done := answer(asked, outcome)
				p.Event(done)
				if outcome == protocols.OutcomeDone {
					model.see(done, device, words)
				}
			case 1:
				n := rapid.Uint64Range(1, 30).Draw(rt, "times")
				r := read(conv, at, e)
				at += 5
				r.Fold = &protocols.Fold{Count: n, First: r.Time, Last: r.Time.Add(4 * time.Second), Latest: []time.Time{r.Time.Add(4 * time.Second)}}
				r.Time = r.Time.Add(5 * time.Second)
				p.Event(r)
				model.see(r, device, words)
			case 2:
				p.Save(0)
			default:
				for range rapid.IntRange(1, 3).Draw(rt, "polls") {
					r := read(conv, at, e)
					p.Event(r)
					model.see(r, device, words)
					at += 0.5
				}
			}
		}
		if diff := cmp.Diff(model.flat(), flat(p)); diff != "" {
			rt.Fatal(diff)
		}
		again := New(Config{}, nameOf)
		if err := again.Load(p.Save(0)); err != nil {
			rt.Fatal(err)
		}
		for i := range p.devices {
			p.devices[i].dirty = true
		}
		whole := New(Config{}, nameOf)
		if err := whole.Load(p.Save(0)); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(slices.Collect(p.Variables()), slices.Collect(whole.Variables())); diff != "" {
			rt.Fatalf("after a restart: %s", diff)
		}
	})
}

// TestOrderOfReads: whatever the order in which reads of different times come, number, range and mean are the same, and the
// last value is that of the latest time.
func TestOrderOfReads(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		model := plan{}
		var events []*protocols.Event
		for at := range rapid.IntRange(1, 40).Draw(rt, "messages") {
			conv := rapid.SampledFrom(modelConvs).Draw(rt, "conversation")
			words := rapid.SliceOfN(rapid.Uint16Range(0, 3), 1, 6).Draw(rt, "words")
			e := read(conv, float64(at), registers(rapid.Uint32Range(10, 20).Draw(rt, "first"), words...))
			model.see(e, conv.Server.Addr.String(), words)
			events = append(events, e)
		}
		shuffled := process(Config{}, rapid.Permutation(events).Draw(rt, "order")...)
		want, got := model.flat(), flat(shuffled)
		for _, all := range []map[string]naive{want, got} {
			for name, n := range all {
				n.Changes = 0 // what changed is seen in order only
				all[name] = n
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			rt.Fatal(diff)
		}
	})
}
