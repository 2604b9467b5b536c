package graph

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// attempt is the n-th contact of a scan: nobody answers.
func attempt(n int) *protocols.Flow {
	c := conv("10.0.0.66", netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String(), 502)
	return &protocols.Flow{
		Conv: c, Packets: [2]uint64{1, 0}, Bytes: [2]uint64{60, 0}, First: epoch.Add(time.Duration(n) * time.Millisecond),
		Last: epoch.Add(time.Duration(n) * time.Millisecond), Opened: 1,
	}
}

// A scan takes the place of its own earlier targets, at the same small price for each, and of nothing else.
func TestScanIsCheap(t *testing.T) {
	const room, targets = 1_000, 50_000
	g := New(Config{MaxUnanswered: room}, func(e protocols.Endpoint) string { return e.Addr.String() })
	quiet := flow(conv("10.0.0.1", "10.0.0.2", 80), "", 0)
	quiet.Answered = 1
	g.Flow(quiet)
	flows := make([]*protocols.Flow, targets)
	for n := range flows {
		flows[n] = attempt(n)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, f := range flows {
		g.Flow(f)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / targets; each > 1_500 {
		t.Errorf("%d bytes are allocated for each target", each)
	}
	s := g.Stats()
	if s.Edges != room+1 || s.EvictedEdges != targets-room || len(g.nodes) != room+3 {
		t.Errorf("%+v, %d ends of edges", s, len(g.nodes))
	}
	edges := g.Edges()
	if edges[0].ClientIP != "10.0.0.1" {
		t.Errorf("the edge that was answered is gone: the first is %+v", edges[0])
	}
	if last := edges[len(edges)-1].ServerIP; len(edges) != room+1 || last != flows[targets-1].Conv.Server.Addr.String() {
		t.Errorf("the last target is not among the edges: %s is", last)
	}
	if r := g.Reach("10.0.0.66"); len(r) != 0 {
		t.Errorf("who never got an answer reaches %d devices", len(r))
	}
}

// What is worth less goes first, and among equals what was not used for longest.
func TestTheWorstEdgeGoesFirst(t *testing.T) {
	g := New(Config{MaxEdges: 4}, names)
	use := func(server string, answered uint64, actions ...protocols.Action) {
		c := conv("10.0.0.1", server, 502)
		f := flow(c, "", 0)
		f.Answered = answered
		g.Flow(f)
		for _, a := range actions {
			g.Event(event(c, protocols.Client, a, 1, 0))
		}
	}
	servers := func() (all []string) {
		for _, e := range g.edges {
			all = append(all, e.to.at.Addr.String())
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	use("10.0.0.2", 0)
	use("10.0.0.3", 1)
	use("10.0.0.4", 1)
	use("10.0.0.5", 0)
	use("10.0.0.2", 0) // used again
	use("10.0.0.6", 0)
	if got := servers(); !slices.Equal(got, []string{"10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6"}) {
		t.Errorf("kept %v: want 10.0.0.5 gone", got)
	}
	use("10.0.0.7", 1, protocols.ActionWrite) // two edges: before and after it was understood
	if got := servers(); !slices.Equal(got, []string{"10.0.0.3", "10.0.0.4", "10.0.0.7"}) {
		t.Errorf("kept %v: want all unanswered ones gone", got)
	}
}

// A device that refused every connection is not within reach, nor does it depend on anybody.
func TestRefusedIsNotReached(t *testing.T) {
	g := New(Config{}, names)
	contact := func(server string, answered, refused uint64) {
		f := flow(conv("10.0.0.1", server, 502), "", 0)
		f.Answered, f.Refused = answered, refused
		g.Flow(f)
	}
	contact("10.0.0.2", 1, 0)
	contact("10.0.0.3", 0, 1)
	contact("10.0.0.4", 0, 0)
	contact("10.0.0.5", 0, 1)
	contact("10.0.0.5", 0, 1)
	contact("10.0.0.5", 1, 0) // once is enough
	var got []string
	for _, r := range g.Reach("d1") {
		got = append(got, r.Device)
	}
	if !slices.Equal(got, []string{"d2", "d5"}) {
		t.Errorf("reach %v, want d2 and d5", got)
	}
	if d := g.Dependants(at("10.0.0.3", 0)); len(d) != 0 {
		t.Errorf("%v depend on a device that refused them", d)
	}
}

func BenchmarkScan(b *testing.B) {
	flows := make([]*protocols.Flow, 200_000)
	for n := range flows {
		flows[n] = attempt(n)
	}
	b.ReportAllocs()
	for b.Loop() {
		g := New(Config{}, names)
		for _, f := range flows {
			g.Flow(f)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(flows)), "ns/target")
}
