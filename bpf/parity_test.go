package bpf

import (
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// privileged skips where programs cannot be loaded for want of permission. In CI nothing is skipped.
func privileged(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("loading programs needs root, and CI has it")
		}
		t.Skip("loading programs needs root")
	}
}

// rig runs frames through a program and through the Go decoder, and compares what each says.
type rig struct {
	t       testing.TB
	o       *Objects
	program *ebpf.Program
	hash    bool // the program gives a hash instead of counting
	least   int  // bytes of a frame that the kernel's test run takes
	most    int
	totals  Totals
	model   map[Key]*Flow
	frames  int
	faults  int
}

// newRig loads the programs. The socket filter is loaded as one for traffic control, which the kernel's test run gives
// frames from their Ethernet header on, as a packet socket does; to filters of sockets it gives them without.
func newRig(t testing.TB, name string, c Config) *rig {
	t.Helper()
	privileged(t)
	spec, err := loadKernel()
	if err != nil {
		t.Fatal(err)
	}
	if name == kernelProgFilter {
		spec.Programs[name].Type = ebpf.SchedCLS
	}
	o, err := load(c, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	least, most := 14+40, 3072
	if name == kernelProgXdp {
		least, most = 14, 60000
	}
	return &rig{
		t: t, o: o, program: o.programs[name], hash: name == kernelProgSpread, least: least, most: most, model: make(map[Key]*Flow),
	}
}

func (r *rig) run(data []byte) uint32 {
	r.t.Helper()
	verdict, err := r.program.Run(&ebpf.RunOptions{Data: data})
	if err != nil {
		r.t.Fatalf("%d bytes: %v", len(data), err)
	}
	return verdict
}

// compare runs one frame and reports where the two differ.
func (r *rig) compare(name string, data []byte) {
	r.t.Helper()
	if len(data) < r.least || len(data) > r.most || r.faults > 10 {
		return
	}
	r.frames++
	var p packet.Packet
	err := p.Decode(1, data)
	verdict := r.run(data)
	if r.hash {
		if want := p.Hash(); p.Reach <= Window && verdict != want && err == nil {
			r.fault("%s: hash %x, want %x\n% x", name, verdict, want, data[:min(len(data), 256)])
		}
		return
	}
	counts := err == nil && Counts(&p)
	before := r.totals
	totals, terr := r.o.Totals()
	if terr != nil {
		r.t.Fatal(terr)
	}
	r.totals = totals
	want := before
	want.Packets++
	want.Bytes += uint64(len(data))
	want.Passed = totals.Passed
	switch {
	case counts:
		want.Flows++
	case p.Reach > Window:
		want.Other.Beyond++
	case p.Fragment.Is:
		want.Other.Fragments++
	case err != nil:
		want.Other.Malformed++
	case !p.Src.IsValid():
		want.Other.NoIP++
	default:
		want.Other.Quotes++
	}
	if totals != want {
		r.fault("%s: the program's totals\n%+v, want\n%+v (%v, reach %d)\n% x", name, totals, want, err, p.Reach, data[:min(len(data), 256)])
		return
	}
	if !counts {
		if totals.Passed != before.Passed+1 {
			r.fault("%s: other, and did not pass", name)
		}
		return
	}
	k, fromB := KeyOf(netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort), p.Proto)
	f := r.model[k]
	if f == nil {
		f = &Flow{Key: k, FromB: fromB, VLANs: p.VLANs}
		r.model[k] = f
	}
	d := 0
	if fromB {
		d = 1
	}
	f.Packets[d]++
	f.Bytes[d] += uint64(len(data))
	f.Flags[d] |= uint8(p.Flags)
	key, cpus := k.kernel(), make([]kernelFlow, r.o.cpus)
	if err := r.o.maps[kernelMapFlows].Lookup(&key, &cpus); err != nil {
		r.fault("%s: conversation %+v: %v\n% x", name, k, err, data[:min(len(data), 256)])
		return
	}
	v := merge(cpus)
	if v.Packets != f.Packets || v.Bytes != f.Bytes || v.Flags != f.Flags || (v.FromB != 0) != f.FromB || v.Vlans != f.VLANs {
		r.fault("%s: the program counted\n%+v, want\n%+v\n% x", name, v, f, data[:min(len(data), 256)])
	}
}

func (r *rig) fault(format string, arguments ...any) {
	r.t.Helper()
	r.faults++
	r.t.Errorf(format, arguments...)
}

// drained checks that all entries together are what was counted, each given once.
func (r *rig) drained() {
	r.t.Helper()
	got := make(map[Key]Flow)
	for {
		flows, done, err := r.o.Drain(nil, batch)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, f := range flows {
			if _, twice := got[f.Key]; twice {
				r.fault("%+v was drained twice", f.Key)
			}
			got[f.Key] = f
		}
		if done {
			break
		}
	}
	if len(got) != len(r.model) {
		r.fault("%d conversations drained, want %d", len(got), len(r.model))
	}
	for k, want := range r.model {
		if f := got[k]; f.Packets != want.Packets || f.Bytes != want.Bytes {
			r.fault("%+v: drained %+v, want %+v", k, f, want)
		}
	}
}

var programs = []string{kernelProgXdp, kernelProgFilter, kernelProgSpread}

// TestCorpusParity runs every Ethernet frame of the captures.
func TestCorpusParity(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "pcaps")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no captures beside the repository")
	}
	for _, name := range programs {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, name, Config{Flows: 1 << 18})
			err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".pcap") {
					return err
				}
				file, err := capture.Open(path, 0)
				if err != nil {
					return err
				}
				defer file.Close()
				var f capture.Frame
				for {
					err := file.Next(&f)
					if err != nil {
						var damaged *capture.DamagedError
						if err == io.EOF || errors.As(err, &damaged) {
							return nil
						}
						return err
					}
					if f.Link == capture.LinkEthernet {
						r.compare(d.Name(), f.Data)
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.frames < 1000 {
				t.Errorf("only %d frames", r.frames)
			}
			t.Logf("%d frames, %d conversations, %+v", r.frames, len(r.model), r.totals)
			if !r.hash {
				r.drained()
			}
		})
	}
}
