package api

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/cloud/incident"
	"github.com/spanwatch/spanwatch/cloud/store"
)

// wires is a store that knows edges and no devices.
type wires struct {
	store.Reader
	edges []store.Edge
}

func (w wires) Edges(context.Context, string) ([]store.Edge, error) { return w.edges, nil }
func (wires) Device(context.Context, string, string) (store.Device, error) {
	return store.Device{}, store.ErrNotFound
}

func drawn(t interface{ Fatal(...any) }, alerts []store.Alert, edges []store.Edge) *graph {
	g := involve(alerts, slices.SortedFunc(slices.Values(alerts), incident.Worse))
	if err := g.name(context.Background(), wires{}, "north"); err != nil {
		t.Fatal(err)
	}
	if err := g.connect(context.Background(), wires{edges: edges}, "north", alerts); err != nil {
		t.Fatal(err)
	}
	g.place()
	return g
}

func TestGraphStaysReadable(t *testing.T) {
	var alerts []store.Alert
	for i := range 1000 {
		alerts = append(alerts, alert(fmt.Sprint("a", i), "worm", fmt.Sprint("plc", i), "write", time.Duration(i)*time.Second))
	}
	g := drawn(t, alerts, nil)
	if len(g.nodes) != maxNodes || g.hidden != 1000+1-maxNodes {
		t.Errorf("%d nodes and %d hidden, want %d nodes", len(g.nodes), g.hidden, maxNodes)
	}
	for _, e := range g.edges {
		if g.byKey[e.Client] == nil || g.byKey[e.Server] == nil {
			t.Fatalf("edge %v leads to a hidden node", e)
		}
	}
	for _, n := range g.nodes {
		if n.Y > maxRows/2 || n.Y < -maxRows/2 {
			t.Errorf("node %s stands at row %v", n.Key, n.Y)
		}
	}
}

func TestReachIsAHintOnly(t *testing.T) {
	a := alert("a", "eng", "plc1", "write", 0)
	a.Reach = nil
	for i := range 100 {
		a.Reach = append(a.Reach, store.Asset{Device: fmt.Sprint("next", i), IP: fmt.Sprint("10.0.1.", i), Reason: "same segment"})
	}
	a.Reach = append(a.Reach, store.Asset{Device: "plc1", Reason: "was touched already"})
	g := drawn(t, []store.Alert{a}, nil)
	if len(g.nodes) != 2+maxReach || len(g.reach) != 100 {
		t.Errorf("%d nodes and %d in reach, want %d and all 100", len(g.nodes), len(g.reach), 2+maxReach)
	}
}

func TestSelfEdgeAndOutsideAddress(t *testing.T) {
	self := alert("a", "plc1", "plc1", "control", 0)
	out := alert("b", "", "plc1", "read", 0)
	out.ActorIP = "198.51.100.7"
	g := drawn(t, []store.Alert{self, out}, []store.Edge{{Client: "", ClientIP: "198.51.100.7", Server: "plc1", Protocol: "modbus", Baseline: "new"}})
	if g.byKey["198.51.100.7"] == nil || g.byKey["198.51.100.7"].Device.Id != "" || len(g.edges) != 2 {
		t.Errorf("nodes %v, edges %v", g.nodes, g.edges)
	}
}

// Whatever the alerts say: no two devices stand on each other, and equal graphs are equally placed.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]string{"", "a", "b", "c", "d", "e", "f"})
		alerts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) store.Alert {
			a := alert(rapid.StringN(1, 4, 8).Draw(t, "id"), id.Draw(t, "actor"), id.Draw(t, "target"), rapid.SampledFrom([]string{"contact", "read", "write", "control", "odd"}).Draw(t, "level"), 0)
			a.Impacted = []store.Asset{{Device: id.Draw(t, "impacted")}}
			return a
		}), 1, 20).Draw(t, "alerts")
		g, again := drawn(t, alerts, nil), drawn(t, alerts, nil)
		taken := map[[2]float64]string{}
		for i, n := range g.nodes {
			at := [2]float64{n.X, n.Y}
			if other, is := taken[at]; is {
				t.Fatalf("%s and %s both stand at %v", other, n.Key, at)
			}
			taken[at] = n.Key
			if !proto.Equal(n, again.nodes[i]) {
				t.Fatalf("placed differently: %v and %v", n, again.nodes[i])
			}
			if n.X < 0 || (n.Level == "") != (incident.LevelRank(n.Level) == 0) {
				t.Fatalf("odd node %v", n)
			}
		}
	})
}
