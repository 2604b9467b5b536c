package bpf

import (
	"testing"

	"github.com/cilium/ebpf"
)

// BenchmarkPrograms gives nanoseconds of a program per packet, without the kernel's work around it. The flow is known, and
// the packet is bulk.
func BenchmarkPrograms(b *testing.B) {
	frames := tunnelled(b)
	frames["no IP"] = append([]byte{1, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0, 1, 0x88, 0xcc}, make([]byte, 50)...)
	for _, name := range programs {
		for _, frame := range []string{"plain", "802.1Q", "GRE", "VXLAN", "ERSPAN III", "no IP"} {
			b.Run(name+"/"+frame, func(b *testing.B) {
				r := newRig(b, name, Config{})
				b.ResetTimer()
				_, took, err := r.program.Benchmark(frames[frame], b.N, b.ResetTimer)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(took.Nanoseconds()), "ns/packet")
			})
		}
	}
	b.Run("xdp/a marked conversation", func(b *testing.B) {
		r := newRig(b, kernelProgXdp, Config{})
		if err := r.o.Mark(keyOf(1), MarkBulk); err != nil {
			b.Fatal(err)
		}
		_, took, err := r.program.Benchmark(segment(1, false, 0x10, 40), b.N, b.ResetTimer)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(took.Nanoseconds()), "ns/packet")
	})
}

// BenchmarkDrain gives the time for a batch of a table with many conversations.
func BenchmarkDrain(b *testing.B) {
	r := newRig(b, kernelProgXdp, Config{})
	for i := range 200 {
		for _, back := range []bool{false, true} {
			if _, err := r.program.Run(&ebpf.RunOptions{Data: segment(i, back, 0x10, 40)}); err != nil {
				b.Fatal(err)
			}
		}
	}
	var flows []Flow
	for b.Loop() {
		var err error
		if flows, _, err = r.o.Drain(flows[:0], 64); err != nil {
			b.Fatal(err)
		}
	}
}
