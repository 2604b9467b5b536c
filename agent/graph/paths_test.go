package graph

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
)

func TestConduits(t *testing.T) {
	edges := []Edge{
		{Client: "h1", Server: "p1", Protocol: "toy", Actions: map[string]uint64{"read": 5, "write": 2}, Packets: 10, Bytes: 100},
		{Client: "h1", Server: "p2", Protocol: "tcp", Packets: 1, Bytes: 10, Baseline: BaselineNew},
		{Client: "o1", Server: "p1", Protocol: "toy", Actions: map[string]uint64{"read": 1}, Packets: 1, Bytes: 1},
		{Client: "o1", ServerIP: "8.8.8.8", Protocol: "dns"},
	}
	Place(edges, map[string]string{"h1": "cell", "p1": "cell", "p2": "cell", "o1": "office"})
	want := []Conduit{
		{From: "cell", To: "cell", Edges: 2, Clients: 1, Servers: 2, Protocols: []string{"tcp", "toy"},
			Actions: map[string]uint64{"read": 5, "write": 2}, Altering: 2, Packets: 11, Bytes: 110, New: 1},
		{From: "office", To: "cell", Edges: 1, Clients: 1, Servers: 1, Protocols: []string{"toy"}, Actions: map[string]uint64{"read": 1}, Packets: 1, Bytes: 1},
		{From: "office", To: ZoneExternal, Edges: 1, Clients: 1, Servers: 1, Protocols: []string{"dns"}, Actions: map[string]uint64{}},
	}
	if diff := cmp.Diff(want, Conduits(edges)); diff != "" {
		t.Error(diff)
	}
}

func TestPaths(t *testing.T) {
	asset := func(id, zone string, flags ...string) Asset {
		return Asset{ID: id, IP: id, Zone: zone, Critical: slices.Contains(flags, "critical"), Foothold: slices.Contains(flags, "foothold")}
	}
	edge := func(client, server string, answered bool, actions ...string) Edge {
		e := Edge{Client: client, Server: server, ClientIP: client, ServerIP: server, Protocol: "toy", Answered: answered, Actions: make(map[string]uint64)}
		for _, a := range actions {
			e.Actions[a]++
		}
		return e
	}
	office, hmi, plc, other := asset("pc", "office", "foothold"), asset("hmi", "cell"), asset("plc", "cell", "critical"), asset("other", "far", "critical")
	for name, c := range map[string]struct {
		edges []Edge
		want  []string
	}{
		"nothing was seen":    {nil, nil},
		"directly":            {[]Edge{edge("pc", "plc", true, "write")}, []string{"1 pc>plc seen over toy, 1 altering messages"}},
		"never answered":      {[]Edge{edge("pc", "plc", false)}, nil},
		"through the panel":   {[]Edge{edge("pc", "hmi", true), edge("hmi", "plc", true, "write")}, []string{"3 pc>hmi>plc seen over toy, 1 altering messages"}},
		"within the zone":     {[]Edge{edge("pc", "hmi", true)}, []string{"6 pc>hmi>plc plausible: in the same zone, cell"}},
		"over others' way in": {[]Edge{edge("hmi", "other", true)}, nil},
		"over a conduit": {[]Edge{edge("pc", "hmi", true), edge("old", "gate", true)},
			[]string{"6 pc>hmi>plc plausible: in the same zone, cell", "9 pc>hmi>other plausible: a conduit leads from zone cell to zone far (toy)"}},
	} {
		t.Run(name, func(t *testing.T) {
			assets := []Asset{office, hmi, plc, other, asset("old", "cell"), asset("gate", "far")}
			zones := make(map[string]string)
			for _, a := range assets {
				zones[a.ID] = a.Zone
			}
			Place(c.edges, zones)
			var got []string
			for _, p := range Paths(c.edges, assets) {
				var way []string
				for _, s := range p.Steps {
					way = append(way, s.IP)
				}
				got = append(got, fmt.Sprintf("%d %s %s", p.Cost, strings.Join(way, ">"), p.Steps[len(p.Steps)-1].Reason))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// Dense sites have few zones: what is searched grows with the devices, not with their pairs.
func TestPathsOfALargeSite(t *testing.T) {
	var assets []Asset
	var edges []Edge
	for n := range 10_000 {
		id := fmt.Sprint(n)
		assets = append(assets, Asset{ID: id, IP: id, Zone: fmt.Sprint("zone ", n%10), Critical: n%3 == 0, Foothold: n == 1})
		edges = append(edges, Edge{Client: fmt.Sprint(n / 2), Server: id, ClientZone: fmt.Sprint("zone ", n/2%10), ServerZone: fmt.Sprint("zone ", n%10), Protocol: "toy", Answered: true})
	}
	if got := Paths(edges, assets); len(got) != maxPaths || got[0].Cost != costSeen {
		t.Errorf("%d paths, the first costs %d", len(got), got[0].Cost)
	}
}

// What records say of reach is what the graph says.
func TestReachOverRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := New(Config{}, names)
		for n := range rapid.IntRange(0, 40).Draw(t, "edges") {
			c := conv(fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 9).Draw(t, "client")), fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 9).Draw(t, "server")), uint16(500+n%3))
			f := flow(c, rapid.SampledFrom([]string{"", "toy", "other"}).Draw(t, "label"), 0)
			f.Answered = rapid.Uint64Range(0, 1).Draw(t, "answered")
			g.Flow(f)
			if rapid.Bool().Draw(t, "deed") {
				g.Event(event(c, protocols.Client, rapid.SampledFrom([]protocols.Action{protocols.ActionRead, protocols.ActionWrite}).Draw(t, "action"), 1, 0))
			}
		}
		edges := g.Edges()
		for n := range 9 {
			id := fmt.Sprintf("d%d", n+1)
			live, stored := g.Reach(id), ReachOver(edges, id)
			if len(live) != len(stored) {
				t.Fatalf("%s reaches %d devices, by records %d", id, len(live), len(stored))
			}
			for k := range live {
				if live[k].Device != stored[k].Device || live[k].Hops != stored[k].Hops || live[k].Alters != stored[k].Alters {
					t.Fatalf("%s: %+v, by records %+v", id, live[k], stored[k])
				}
			}
		}
	})
}

func TestGraphML(t *testing.T) {
	g := New(Config{}, names)
	g.Event(event(conv("10.0.0.1", "10.0.0.2", 502), protocols.Client, protocols.ActionWrite, 1, 0))
	g.Flow(flow(conv("10.0.0.1", "8.8.8.8", 53), "dns", 0))
	var b bytes.Buffer
	if err := WriteGraphML(&b, `a "plant" & more`, g.Edges(), []Asset{{ID: "d2", IP: "10.0.0.2", Name: "<pump>", Critical: true}}); err != nil {
		t.Fatal(err)
	}
	var back markup
	if err := xml.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Graph.ID != `a "plant" & more` || len(back.Graph.Node) != 3 || len(back.Graph.Edge) != 2 || len(back.Keys) != len(nodeAttributes)+len(edgeAttributes) {
		t.Errorf("%+v", back)
	}
	for _, e := range back.Graph.Edge {
		for _, end := range []string{e.Source, e.Target} {
			if !slices.ContainsFunc(back.Graph.Node, func(n markupNode) bool { return n.ID == end }) {
				t.Errorf("an edge ends at %q, which is no node", end)
			}
		}
	}
	if !strings.Contains(b.String(), "&lt;pump&gt;") {
		t.Error("the name of a device is not there, or not escaped")
	}
	if err := WriteGraphML(broken{}, "s", nil, nil); err == nil || !strings.HasPrefix(err.Error(), "graph: ") {
		t.Errorf("a writer that fails gives %v", err)
	}
}

// naive is what edges add up to, the simple way: everything is kept.
type naive struct {
	actions     map[string]uint64
	first, last time.Time
	objectFirst map[string]time.Time
	out, in     uint64
}

// TestGraphIsTheSumOfWhatHappened: whatever conversations are interleaved, while each keeps its own order, the graph
// is what a list of everything adds up to.
func TestGraphIsTheSumOfWhatHappened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type deed struct {
			conv  *protocols.Conversation
			event *protocols.Event
			flow  *protocols.Flow
		}
		var lines [][]deed // by conversation
		want := make(map[string]*naive)
		for range rapid.IntRange(1, 4).Draw(t, "conversations") {
			c := conv(fmt.Sprintf("10.0.0.%d", rapid.IntRange(1, 2).Draw(t, "client")), fmt.Sprintf("10.0.0.%d", rapid.IntRange(3, 4).Draw(t, "server")), 502)
			key := c.Client.Addr.String() + ">" + c.Server.Addr.String()
			m := want[key]
			if m == nil {
				m = &naive{actions: make(map[string]uint64), objectFirst: make(map[string]time.Time)}
				want[key] = m
			}
			var line []deed
			d := time.Duration(0)
			for range rapid.IntRange(1, 30).Draw(t, "deeds") {
				d += time.Duration(rapid.IntRange(1, 3000).Draw(t, "pause")) * time.Millisecond
				a := rapid.SampledFrom([]protocols.Action{protocols.ActionRead, protocols.ActionWrite, protocols.ActionBrowse}).Draw(t, "action")
				e := event(c, protocols.Client, a, uint32(rapid.IntRange(0, 3).Draw(t, "object")), d)
				f := flow(c, "toy", d)
				line = append(line, deed{c, e, f})
				m.actions[a.String()]++
				m.out, m.in = m.out+f.Bytes[0], m.in+f.Bytes[1]
				what := a.String() + " " + e.Object.String()
				if at, known := m.objectFirst[what]; !known || e.Time.Before(at) {
					m.objectFirst[what] = e.Time
				}
				if m.first.IsZero() || e.Time.Before(m.first) {
					m.first = e.Time
				}
				if e.Time.After(m.last) {
					m.last = e.Time
				}
			}
			lines = append(lines, line)
		}
		g := New(Config{}, names)
		for len(lines) > 0 {
			k := rapid.IntRange(0, len(lines)-1).Draw(t, "next")
			x := lines[k][0]
			if rapid.Bool().Draw(t, "flow first") {
				g.Flow(x.flow)
				g.Event(x.event)
			} else {
				g.Event(x.event)
				g.Flow(x.flow)
			}
			if lines[k] = lines[k][1:]; len(lines[k]) == 0 {
				lines = slices.Delete(lines, k, k+1)
			}
		}
		edges := g.Edges()
		if len(edges) != len(want) {
			t.Fatalf("%d edges, want %d", len(edges), len(want))
		}
		for _, e := range edges {
			m := want[e.ClientIP+">"+e.ServerIP]
			if diff := cmp.Diff(m.actions, e.Actions); diff != "" || !e.FirstSeen.Equal(m.first) || !e.LastSeen.Equal(m.last) || e.BytesOut != m.out || e.BytesIn != m.in {
				t.Fatalf("%s: %+v, want %+v", diff, e, m)
			}
			for _, o := range e.Objects {
				if !o.FirstSeen.Equal(m.objectFirst[o.Action+" "+o.Object]) {
					t.Fatalf("%s %s was first seen at %v, want %v", o.Action, o.Object, o.FirstSeen, m.objectFirst[o.Action+" "+o.Object])
				}
			}
			if len(e.Objects) != len(m.objectFirst) {
				t.Fatalf("%d objects, want %d", len(e.Objects), len(m.objectFirst))
			}
		}
	})
}
