package graph

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ip string, port uint16) protocols.Endpoint {
	return protocols.Endpoint{Addr: netip.MustParseAddr(ip), Port: port}
}

var convs uint64

func conv(client, server string, port uint16) *protocols.Conversation {
	convs++
	return &protocols.Conversation{
		ID: convs, Client: at(client, 50000), Server: at(server, port), Transport: protocols.TransportTCP, Proven: true,
	}
}

func flow(c *protocols.Conversation, label string, d time.Duration) *protocols.Flow {
	return &protocols.Flow{
		Conv: c, Protocol: label, Packets: [2]uint64{2, 1}, Bytes: [2]uint64{120, 60}, First: epoch.Add(d), Last: epoch.Add(d), Opened: 1,
		Coverage: protocols.Coverage{Opaque: 10},
	}
}

func event(c *protocols.Conversation, from protocols.Side, a protocols.Action, first uint32, d time.Duration) *protocols.Event {
	return &protocols.Event{
		From: from, Action: a, Conv: c, Protocol: "toy", Time: epoch.Add(d), Object: protocols.Object{Area: "register", First: first, Count: 1},
	}
}

// names gives every address the device "d" with its last byte; 8.8.8.8 is none.
func names(e protocols.Endpoint) string {
	if !e.Addr.IsValid() || e.Addr == netip.MustParseAddr("8.8.8.8") {
		return ""
	}
	raw := e.Addr.As4()
	return fmt.Sprintf("d%d", raw[3])
}

func TestEdges(t *testing.T) {
	g := New(Config{}, names)
	c := conv("10.0.0.1", "10.0.0.2", 502)
	g.Flow(flow(c, "", 0)) // the first packet does not tell the protocol
	g.Flow(flow(c, "toy", time.Second))
	for n := range uint32(3) {
		g.Event(event(c, protocols.Client, protocols.ActionRead, 5, time.Duration(n)*time.Second))
		g.Event(event(c, protocols.Server, protocols.ActionRead, 5, time.Duration(n)*time.Second))
	}
	g.Event(event(c, protocols.Client, protocols.ActionWrite, 7, 9*time.Second))
	g.Event(event(c, protocols.Server, protocols.ActionBrowse, 1, 9*time.Second)) // its request went unseen
	g.Flow(flow(conv("10.0.0.1", "8.8.8.8", 443), "", 0))
	late := epoch.Add(9 * time.Second)
	want := []Edge{
		{
			ID: "473fcabdf631e7f6", Client: "d1", ClientIP: "10.0.0.1", ServerIP: "8.8.8.8", Protocol: "tcp", Port: 443,
			Actions: map[string]uint64{}, Objects: []Object{}, Acts: []Act{},
			Packets: 3, Bytes: 180, PacketsOut: 2, PacketsIn: 1, BytesOut: 120, BytesIn: 60, FirstSeen: epoch, LastSeen: epoch,
			Baseline: BaselineLearning,
		},
		{
			ID: "1d351965d1515f7f", Client: "d1", Server: "d2", ClientIP: "10.0.0.1", ServerIP: "10.0.0.2", Protocol: "toy", Port: 502,
			Actions: map[string]uint64{"read": 3, "write": 1, "browse": 1}, Answered: true,
			Objects: []Object{
				{"write", "register 7", 1, late, late, BaselineLearning}, {"browse", "register 1", 1, late, late, BaselineLearning},
				{"read", "register 5", 3, epoch, epoch.Add(2 * time.Second), BaselineLearning},
			},
			Acts: []Act{
				{"write", 1, late, late, BaselineLearning}, {"browse", 1, late, late, BaselineLearning},
				{"read", 3, epoch, epoch.Add(2 * time.Second), BaselineLearning},
			},
			Count: 3, Packets: 6, PacketsOut: 4, PacketsIn: 2, Bytes: 360, BytesOut: 240, BytesIn: 120, FirstSeen: epoch, LastSeen: late,
			Baseline: BaselineLearning,
		},
	}
	if diff := cmp.Diff(want, g.Edges()); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	coverage := g.Coverage()
	if n := len(coverage); n != 3 || !coverage[2].Total || coverage[2].Packets != 9 || coverage[2].OpaqueBytes != 30 || coverage[1].Protocol != "toy" || coverage[1].OpaqueBytes != 20 {
		t.Errorf("coverage: %+v", coverage)
	}
}

// What was seen before its devices were known takes the ids that they have in the end.
func TestIDsAreResolvedLate(t *testing.T) {
	known := false
	g := New(Config{}, func(e protocols.Endpoint) string {
		if known {
			return "gateway"
		}
		return e.Addr.String()
	})
	g.Flow(flow(conv("10.0.0.1", "10.0.0.2", 502), "toy", 0))
	g.Flow(flow(conv("10.0.0.3", "10.0.0.2", 502), "toy", 0))
	if n := len(g.Edges()); n != 2 {
		t.Fatalf("%d edges, want 2", n)
	}
	known = true
	if e := g.Edges(); len(e) != 1 || e[0].Client != "gateway" || e[0].Packets != 6 {
		t.Errorf("%+v", e)
	}
}

func TestGuessTurnsRound(t *testing.T) {
	g := New(Config{}, names)
	wrong := conv("10.0.0.2", "10.0.0.1", 50000)
	wrong.Proven = false
	g.Flow(flow(wrong, "", 0))
	right := conv("10.0.0.1", "10.0.0.2", 502)
	right.ID = wrong.ID
	g.Event(event(right, protocols.Client, protocols.ActionRead, 1, time.Second))
	g.Flow(flow(right, "toy", 2*time.Second))
	e := g.Edges()
	if len(e) != 1 || e[0].Client != "d1" || e[0].Packets != 6 || !e[0].FirstSeen.Equal(epoch) {
		t.Errorf("edges: %+v", e)
	}
	if s := g.Stats(); s.Guesses != 0 {
		t.Errorf("%+v", s)
	}
}

func TestBaseline(t *testing.T) {
	g := New(Config{LearnUntil: epoch.Add(time.Hour)}, names)
	g.Flow(flow(conv("10.0.0.1", "10.0.0.2", 502), "toy", 0))
	if e := g.Edges(); e[0].Baseline != BaselineLearning {
		t.Errorf("while learning: %s", e[0].Baseline)
	}
	g.Flow(flow(conv("10.0.0.1", "10.0.0.3", 502), "toy", 2*time.Hour))
	e := g.Edges()
	if e[0].Baseline != BaselineKnown || e[1].Baseline != BaselineNew {
		t.Errorf("after learning: %s, %s", e[0].Baseline, e[1].Baseline)
	}
}

func TestReach(t *testing.T) {
	g := New(Config{}, names)
	ask := func(client, server string, a protocols.Action, n int) {
		c := conv(client, server, 502)
		g.Flow(flow(c, "toy", 0))
		for range n {
			g.Event(event(c, protocols.Client, a, 0, 0))
		}
	}
	ask("10.0.0.1", "10.0.0.2", protocols.ActionWrite, 3)
	ask("10.0.0.1", "10.0.0.3", protocols.ActionRead, 9)
	ask("10.0.0.2", "10.0.0.4", protocols.ActionWrite, 1)
	ask("10.0.0.3", "10.0.0.5", protocols.ActionRead, 5) // reading on gives no way on
	ask("10.0.0.4", "10.0.0.1", protocols.ActionWrite, 9)
	var got []string
	for _, r := range g.Reach("d1") {
		got = append(got, fmt.Sprintf("%s %d %s %d", r.Device, r.Hops, r.ViaIP, r.Alters))
	}
	if diff := cmp.Diff([]string{"d2 1 10.0.0.1 3", "d4 2 10.0.0.2 1", "d3 1 10.0.0.1 0"}, got); diff != "" {
		t.Errorf("reach (-want +got):\n%s", diff)
	}
	if got := g.Dependants(at("10.0.0.4", 0)); !cmp.Equal(got, []string{"d2"}) {
		t.Errorf("dependants %v", got)
	}
	if got := g.Reach(""); got != nil {
		t.Errorf("nobody reaches %v", got)
	}
}

func TestAlteredObjectsAreKept(t *testing.T) {
	g := New(Config{MaxObjects: 4}, names)
	c := conv("10.0.0.1", "10.0.0.2", 502)
	for n := range uint32(100) {
		g.Event(event(c, protocols.Client, protocols.ActionRead, n, 0))
	}
	g.Event(event(c, protocols.Client, protocols.ActionWrite, 77, 0))
	e := g.Edges()[0]
	if len(e.Objects) != 4 || e.Objects[0].Action != "write" || e.Objects[0].Object != "register 77" || e.Objects[0].Count != 1 || g.Stats().DroppedObjects == 0 {
		t.Errorf("objects: %+v", e.Objects)
	}
}

func TestCapacity(t *testing.T) {
	g := New(Config{MaxEdges: 64, MaxGuesses: 32}, names)
	c := conv("10.0.0.1", "10.0.0.2", 502)
	g.Event(event(c, protocols.Client, protocols.ActionWrite, 1, 0))
	for n := range 5_000 {
		other := conv("10.0.0.1", netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}).String(), 80)
		other.Proven = n%2 == 0
		g.Flow(flow(other, "", time.Duration(n)*time.Second))
	}
	s := g.Stats()
	if s.Edges > 64 || s.Guesses > 32 || len(g.order) > 32 || s.EvictedEdges == 0 || s.SettledGuesses == 0 {
		t.Errorf("%+v, %d in order", s, len(g.order))
	}
	if e := g.Edges()[0]; e.Actions["write"] != 1 {
		t.Errorf("the edge that altered is gone: %+v", e)
	}
	all := g.Coverage()
	if total := all[len(all)-1]; total.Packets != 15_000 {
		t.Errorf("the total lost what was evicted: %+v", total)
	}
	if len(g.Reach("d1")) == 0 {
		t.Error("reach lost everything")
	}
}

// TestOrderDoesNotMatter: reports in any order give the same edges and coverage.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ip := rapid.SampledFrom([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "8.8.8.8"})
		var flows []*protocols.Flow
		for range rapid.IntRange(1, 40).Draw(t, "flows") {
			c := conv(ip.Draw(t, "client"), ip.Draw(t, "server"), rapid.SampledFrom([]uint16{102, 502}).Draw(t, "port"))
			c.Proven = rapid.Bool().Draw(t, "proven")
			f := flow(c, rapid.SampledFrom([]string{"", "toy", "other"}).Draw(t, "label"), time.Duration(rapid.IntRange(0, 1000).Draw(t, "at"))*time.Second)
			f.Packets[0] = rapid.Uint64Range(1, 9).Draw(t, "packets")
			flows = append(flows, f)
		}
		run := func() ([]Edge, []Coverage) {
			g := New(Config{}, names)
			for _, f := range flows {
				g.Flow(f)
			}
			return g.Edges(), g.Coverage()
		}
		edges, coverage := run()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(flows), func(a, b int) { flows[a], flows[b] = flows[b], flows[a] })
		again, covered := run()
		if diff := cmp.Diff(edges, again) + cmp.Diff(coverage, covered); diff != "" {
			t.Fatalf("depends on the order:\n%s", diff)
		}
		var packets uint64
		for _, e := range edges {
			packets += e.Packets
		}
		if total := coverage[len(coverage)-1]; total.Packets != packets {
			t.Fatalf("edges have %d packets, the total %d", packets, total.Packets)
		}
	})
}

func TestDOT(t *testing.T) {
	g := New(Config{}, names)
	g.Event(event(conv("10.0.0.1", "10.0.0.2", 502), protocols.Client, protocols.ActionWrite, 1, 0))
	var b bytes.Buffer
	if err := WriteDOT(&b, `Har"bour\`, g.Edges(), map[string]string{g.Edges()[0].Client: "pump"}); err != nil {
		t.Fatal(err)
	}
	want := `digraph "Har\"bour\\" {
	rankdir=LR;
	node [shape=box];
	"d1" [label="pump\n10.0.0.1"];
	"d2" [label="10.0.0.2"];
	"d1" -> "d2" [label="toy 502", style=bold, color=red];
}
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("dot (-want +got):\n%s", diff)
	}
	if err := WriteDOT(broken{}, "s", g.Edges(), nil); err == nil || !strings.HasPrefix(err.Error(), "graph: ") {
		t.Errorf("a writer that fails gives %v", err)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, fmt.Errorf("no room") }

func BenchmarkEvent(b *testing.B) {
	g := New(Config{}, names)
	e := event(conv("10.0.0.1", "10.0.0.2", 502), protocols.Client, protocols.ActionRead, 1, 0)
	g.Event(e)
	b.ReportAllocs()
	for b.Loop() {
		g.Event(e)
	}
}

// BenchmarkLargeSite is the cost of an event, and the memory of a site, with ten edges for each of so many devices.
func BenchmarkLargeSite(b *testing.B) {
	for _, devices := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprint(devices), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			g := New(Config{MaxEdges: 200_000}, names)
			events := make([]*protocols.Event, 0, 10*devices)
			for n := range 10 * devices {
				client, server := n/10, (n/10+n%10*7+1)%devices
				c := conv(fmt.Sprintf("10.0.%d.%d", client>>8, client&255), fmt.Sprintf("10.1.%d.%d", server>>8, server&255), 502)
				events = append(events, event(c, protocols.Client, protocols.ActionRead, uint32(n%64), 0))
			}
			runtime.GC()
			runtime.ReadMemStats(&before)
			for _, e := range events {
				g.Event(e)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				g.Event(events[n%len(events)])
				n++
			}
			b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(len(g.edges)), "B/edge")
		})
	}
}

func BenchmarkEdges(b *testing.B) {
	g := New(Config{}, names)
	for n := range 10_000 {
		c := conv("10.0.0.1", netip.AddrFrom4([4]byte{10, 1, byte(n >> 8), byte(n)}).String(), 502)
		g.Event(event(c, protocols.Client, protocols.ActionRead, 1, 0))
	}
	b.ReportAllocs()
	for b.Loop() {
		g.Edges()
	}
}

func TestEdgeTellsHowItsSessionsWereProtected(t *testing.T) {
	d := new(done)
	for _, s := range []Security{
		{Mode: "none"}, {Mode: "none", User: "anonymous"}, {Mode: "none", User: "anonymous"}, {Mode: "sign", Policy: "P"},
	} {
		d.secured(s)
	}
	want := []Security{{Mode: "none", User: "anonymous"}, {Mode: "sign", Policy: "P"}}
	if got := d.ways(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for n := range 2 * maxSecurity {
		d.secured(Security{Mode: "sign", Policy: strconv.Itoa(n)})
	}
	if len(d.security) != maxSecurity {
		t.Errorf("%d ways are kept, want %d", len(d.security), maxSecurity)
	}
}
