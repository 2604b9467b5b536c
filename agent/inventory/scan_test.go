package inventory

import (
	"net/netip"
	"runtime"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// attempt is the n-th contact of a scan through a router: nobody answers.
func attempt(n int) *protocols.Flow {
	target := protocols.Endpoint{Addr: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Port: 502, MAC: mac(1)}
	f := flow(conv(at("10.255.0.66", 50000, mac(66)), target), n/1000)
	f.Packets, f.Answered = [2]uint64{1, 0}, 0
	return f
}

// A scan takes the place of its own earlier targets, at the same small price for each, and of nothing else.
func TestScanIsCheap(t *testing.T) {
	const room, targets = 1_000, 50_000
	i := New(Config{Site: "Harbour", MaxSilent: room})
	i.Event(read(conv(at("10.255.0.5", 50000, mac(5)), at("10.255.0.9", 502, mac(9))), protocols.Server, 0))
	flows := make([]*protocols.Flow, targets)
	for n := range flows {
		flows[n] = attempt(n)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, f := range flows {
		i.Flow(f)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / targets; each > 1_500 {
		t.Errorf("%d bytes are allocated for each target", each)
	}
	if s := i.Stats(); s.Hosts != room+3 || s.EvictedHosts != targets-room {
		t.Errorf("%+v", s)
	}
	if _, ok := i.Device(i.ID(at("10.255.0.9", 0, protocols.MAC{}))); !ok {
		t.Error("the controller is forgotten")
	}
}

// MACs that carry nothing any more make room for new ones, the least recently used first; those in use stay.
func TestIdleMACsMakeRoom(t *testing.T) {
	i := New(Config{Site: "Harbour", MaxDevices: 4})
	for n := range 100 {
		ip := netip.AddrFrom4([4]byte{10, 0, 0, byte(n)})
		i.Binding(protocols.Binding{Addr: ip, MAC: mac(byte(n)), Time: epoch, OnLink: true})
	}
	if s := i.Stats(); s.Hosts != 4 || s.Links != 4 || s.EvictedHosts != 96 || s.EvictedLinks != 96 || s.DroppedBindings != 0 || i.idle.Len() != 0 {
		t.Errorf("%+v, %d idle", s, i.idle.Len())
	}
	if v := i.Devices(); len(v) != 4 {
		t.Errorf("%d devices, want 4", len(v))
	}
}

func BenchmarkScan(b *testing.B) {
	flows := make([]*protocols.Flow, 200_000)
	for n := range flows {
		flows[n] = attempt(n)
	}
	b.ReportAllocs()
	for b.Loop() {
		i := New(Config{Site: "Harbour"})
		for _, f := range flows {
			i.Flow(f)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(flows)), "ns/target")
}
