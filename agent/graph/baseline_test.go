package graph

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// states gives the baseline of edges, actions and objects as text.
func states(edges []Edge) (all []string) {
	for _, e := range edges {
		all = append(all, fmt.Sprintf("%s %s", e.ServerIP, e.Baseline))
		for _, a := range e.Acts {
			all = append(all, fmt.Sprintf("%s %s %s", e.ServerIP, a.Action, a.Baseline))
		}
		for _, o := range e.Objects {
			all = append(all, fmt.Sprintf("%s %s %s %s", e.ServerIP, o.Action, o.Object, o.Baseline))
		}
	}
	return all
}

// learnt is a graph with a known edge over which something new was done, and a new edge.
func learnt() *Graph {
	g := New(Config{LearnUntil: epoch.Add(time.Hour)}, names)
	known := conv("10.0.0.1", "10.0.0.2", 502)
	g.Event(event(known, protocols.Client, protocols.ActionRead, 1, 0))
	g.Event(event(known, protocols.Client, protocols.ActionRead, 2, 2*time.Hour))
	g.Event(event(known, protocols.Client, protocols.ActionWrite, 9, 3*time.Hour))
	g.Event(event(conv("10.0.0.1", "10.0.0.3", 502), protocols.Client, protocols.ActionRead, 1, 4*time.Hour))
	return g
}

func TestBaselineOfActionsAndObjects(t *testing.T) {
	edges := learnt().Edges()
	want := []string{
		"10.0.0.2 known", "10.0.0.2 write new", "10.0.0.2 read known", "10.0.0.2 write register 9 new",
		"10.0.0.2 read register 1 known", "10.0.0.2 read register 2 new", "10.0.0.3 new", "10.0.0.3 read new", "10.0.0.3 read register 1 new",
	}
	if got := states(edges); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	var news []string
	for _, n := range News(edges) {
		news = append(news, fmt.Sprintf("%v %s %s %s %s", n.Time.Sub(epoch).Hours(), n.Server, n.What, n.Action, n.Object))
	}
	want = []string{"2 10.0.0.2 object read register 2", "3 10.0.0.2 action write ", "4 10.0.0.3 edge  "}
	if !slices.Equal(news, want) {
		t.Errorf("news %q\nwant %q", news, want)
	}
}

func TestDecisions(t *testing.T) {
	first, second := learnt().Edges()[0].ID, learnt().Edges()[1].ID
	at := func(hours int) *time.Time {
		x := epoch.Add(time.Duration(hours) * time.Hour)
		return &x
	}
	for name, c := range map[string]struct {
		decisions []Decision
		want      int // news that are left
		contains  string
	}{
		"none":                       {nil, 3, "10.0.0.3 new"},
		"an edge":                    {[]Decision{{What: DecisionApprove, Edge: second}}, 2, "10.0.0.3 approved"},
		"an edge, all of it":         {[]Decision{{What: DecisionApprove, Edge: first}}, 1, "10.0.0.2 write approved"},
		"what is known stays so":     {[]Decision{{What: DecisionApprove, Edge: first}}, 1, "10.0.0.2 read known"},
		"an action":                  {[]Decision{{What: DecisionApprove, Edge: first, Action: "write"}}, 2, "10.0.0.2 write register 9 approved"},
		"an object":                  {[]Decision{{What: DecisionApprove, Edge: first, Action: "read", Object: "register 2"}}, 2, "10.0.0.2 read register 2 approved"},
		"everything":                 {[]Decision{{What: DecisionApprove}}, 0, "10.0.0.3 read register 1 approved"},
		"everything until then":      {[]Decision{{What: DecisionApprove, Until: at(3)}}, 1, "10.0.0.3 new"},
		"a time is learnt":           {[]Decision{{What: DecisionLearn, From: at(3), Until: at(5)}}, 1, "10.0.0.3 known"},
		"an edge is unlearnt":        {[]Decision{{What: DecisionUnlearn, Edge: first}}, 2, "10.0.0.2 new"},
		"a time is unlearnt":         {[]Decision{{What: DecisionUnlearn, Until: at(1)}}, 2, "10.0.0.2 read register 1 new"},
		"the later decision holds":   {[]Decision{{What: DecisionUnlearn, Edge: second, Time: epoch.Add(1)}, {What: DecisionApprove, Time: epoch}}, 1, "10.0.0.3 new"},
		"approved after an unlearnt": {[]Decision{{What: DecisionUnlearn, Time: epoch}, {What: DecisionApprove, Edge: first, Time: epoch.Add(1)}}, 1, "10.0.0.2 read register 1 approved"},
		"another edge":               {[]Decision{{What: DecisionApprove, Edge: "none"}}, 3, "10.0.0.3 new"},
	} {
		t.Run(name, func(t *testing.T) {
			edges := learnt().Edges()
			Decide(edges, c.decisions)
			if n := len(News(edges)); n != c.want || !slices.Contains(states(edges), c.contains) {
				t.Errorf("%d news, want %d and %q: %q", n, c.want, c.contains, states(edges))
			}
		})
	}
}

func TestPeriodicEdges(t *testing.T) {
	g := New(Config{MaxTimed: 5}, names)
	poll := conv("10.0.0.1", "10.0.0.2", 502)
	person := conv("10.0.0.1", "10.0.0.3", 502)
	once := conv("10.0.0.1", "10.0.0.4", 502)
	for n := range 20 {
		d := time.Duration(n) * time.Second
		g.Event(event(poll, protocols.Client, protocols.ActionRead, 1, d))
		g.Event(event(poll, protocols.Client, protocols.ActionRead, 5, d+100*time.Millisecond))
		g.Event(event(poll, protocols.Server, protocols.ActionRead, 5, d+200*time.Millisecond))
		g.Event(event(poll, protocols.Client, protocols.ActionWrite, 7, 10*d))
		g.Event(event(person, protocols.Client, protocols.ActionRead, 1, time.Duration(n*n)*time.Second))
	}
	g.Event(event(once, protocols.Client, protocols.ActionRead, 1, 0))
	e := g.Edges()
	if e[0].Interval != 1 || e[0].Jitter != 0 || !e[0].Periodic {
		t.Errorf("a poll every second: %v ± %v, periodic %v", e[0].Interval, e[0].Jitter, e[0].Periodic)
	}
	if e[1].Interval == 0 || e[1].Periodic {
		t.Errorf("a person: %v ± %v, periodic %v", e[1].Interval, e[1].Jitter, e[1].Periodic)
	}
	if e[2].Interval != 0 || g.timed != 5 {
		t.Errorf("asked once: %v; %d requests are timed, want 5", e[2].Interval, g.timed)
	}
	for _, e := range g.edges {
		g.forget(e)
	}
	if g.timed != 0 {
		t.Errorf("%d requests are timed after all edges are forgotten", g.timed)
	}
}
