package detect

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// attempt is the n-th contact of a scan: nobody answers.
func attempt(n int) *protocols.Flow {
	target := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
	at := epoch.Add(time.Duration(n) * time.Millisecond)
	return &protocols.Flow{
		Conv: &protocols.Conversation{
			ID: uint64(n + 1), Client: endpoint("10.255.0.66", 50000), Server: endpoint(target, 1234), Transport: protocols.TransportTCP, Proven: true,
		},
		Packets: [2]uint64{1, 0}, Bytes: [2]uint64{60, 0}, First: at, Last: at, Frame: uint64(n + 1), Opened: 1,
	}
}

// A scan takes the place of its own earlier targets, at the same small price for each, and of nothing else; that its
// actor is under a verdict changes little.
func TestScanIsCheap(t *testing.T) {
	const room, targets = 1_000, 30_000
	for name, verdicts := range map[string][]Verdict{"of anybody": nil, "of a suspect": {confirmed("10.255.0.66")}} {
		t.Run(name, func(t *testing.T) {
			a := newAnalyst()
			a.detector = New(Config{Site: "Harbour", MaxUnanswered: room}, a.inventory, a.graph)
			a.detector.SetVerdicts(verdicts)
			p := newPlant(t)
			p.read(p.open("10.255.0.66", "10.255.1.1", 502), 0, 1)
			for _, s := range p.steps {
				a.step(s)
			}
			flows := make([]*protocols.Flow, targets)
			for n := range flows {
				flows[n] = attempt(n)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for _, f := range flows {
				a.detector.Flow(f)
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / targets; each > 4_000 {
				t.Errorf("%d bytes are allocated for each target", each)
			}
			s := a.detector.Stats()
			if s.Pairs != room+2 || s.EvictedPairs != targets-room || len(a.detector.waiting) > s.Pairs {
				t.Errorf("%+v, %d waiting", s, len(a.detector.waiting))
			}
			kin := a.detector.deeds.actors[endpoint("10.255.0.66", 0).Address()]
			if kin.records.Len() != room+1 {
				t.Errorf("the actor has %d records", kin.records.Len())
			}
			if a.detector.deeds.records[pair{kin.records.Front().Value.(*record).actor, endpoint("10.255.1.1", 0).Address()}] == nil {
				t.Error("the controller that answered is forgotten")
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	flows := make([]*protocols.Flow, 200_000)
	for n := range flows {
		flows[n] = attempt(n)
	}
	b.ReportAllocs()
	for b.Loop() {
		a := newAnalyst()
		for _, f := range flows {
			a.detector.Flow(f)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(flows)), "ns/target")
}
