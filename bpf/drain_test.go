package bpf

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// segment is a TCP segment of one of many conversations, from the one end or the other.
func segment(conversation int, back bool, flags byte, payload int) []byte {
	src, dst := []byte{10, 0, 0, byte(conversation)}, []byte{10, 1, 0, 1}
	ports := []uint16{uint16(1000 + conversation), 80}
	if back {
		src, dst = dst, src
		slices.Reverse(ports)
	}
	b := append(make([]byte, 12), 8, 0, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(40+payload))
	b = append(b, 0, 0, 0x40, 0, 64, 6, 0, 0)
	b = append(append(b, src...), dst...)
	b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, ports[0]), ports[1])
	b = append(b, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 4, 0, 0, 0, 0, 0)
	return append(b, make([]byte, payload)...)
}

func keyOf(conversation int) Key {
	k, _ := KeyOf(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(conversation)}), uint16(1000+conversation)),
		netip.MustParseAddrPort("10.1.0.1:80"), 6)
	return k
}

// counts is what a model of the table knows of a conversation.
type counts struct {
	packets [2]uint64
	data    bool
}

// empty makes the tables as new; the totals remain.
func empty(t *rapid.T, o *Objects) Totals {
	for key := range o.marked {
		if err := o.unmark(key); err != nil {
			t.Fatal(err)
		}
	}
	for done := false; !done; {
		var err error
		if _, done, err = o.Drain(nil, batch); err != nil {
			t.Fatal(err)
		}
	}
	for key := range o.sweep.drained {
		if err := o.maps[kernelMapFlows].Delete(&key); err != nil {
			t.Fatal(err)
		}
	}
	o.sweep = sweep{}
	totals, err := o.Totals()
	if err != nil {
		t.Fatal(err)
	}
	return totals
}

// TestDrainModel compares the table with a simple model, while packets come, time passes and the table is drained: every
// packet is given exactly once or in the overflow, and exactly what is idle is gone after a round.
func TestDrainModel(t *testing.T) {
	const size = 12
	o := newRig(t, kernelProgXdp, Config{Flows: size}).o
	rapid.Check(t, func(rt *rapid.T) {
		before := empty(rt, o)
		table := make(map[Key]*counts)     // as the kernel should have it
		sent := make(map[Key]*counts)      // all that was counted
		drained := make(map[Key][2]uint64) // what was given
		var overflow, packets uint64       // packets
		// round drains the table as if nothing had come for a while.
		round := func(idle time.Duration) {
			const slack = 500 * time.Millisecond // this test takes time too
			c := newClock()
			c.now += uint64(idle)
			roomy := len(table) <= size/4*3
			for done := false; !done; {
				var flows []Flow
				var err error
				if flows, done, err = o.drain(nil, batch, c); err != nil {
					rt.Fatal(err)
				}
				for _, f := range flows {
					got := drained[f.Key]
					drained[f.Key] = [2]uint64{got[0] + f.Packets[0], got[1] + f.Packets[1]}
				}
			}
			for k, have := range table {
				least, most := idleEmptyFull, idleEmpty
				if have.data {
					least, most = idleDataFull, idleData
				}
				if roomy {
					least = most
				}
				_, stays := o.sweep.drained[k.kernel()]
				if stays && idle > most || !stays && idle < least-slack {
					rt.Fatalf("%+v, idle for %v, remains: %v", k, idle, stays)
				}
				if !stays {
					delete(table, k)
				}
			}
			if len(table) != len(o.sweep.drained) {
				rt.Fatalf("%d entries are known, want %d", len(o.sweep.drained), len(table))
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"packets": func(rt *rapid.T) {
				n, back := rapid.IntRange(1, 20).Draw(rt, "conversation"), rapid.Bool().Draw(rt, "back")
				payload := rapid.SampledFrom([]int{0, 0, 5}).Draw(rt, "payload")
				frame := segment(n, back, 0x10, payload)
				repeat := rapid.IntRange(1, 3).Draw(rt, "packets")
				for range repeat {
					if _, err := o.programs[kernelProgXdp].Run(&ebpf.RunOptions{Data: frame}); err != nil {
						rt.Fatal(err)
					}
				}
				packets += uint64(repeat)
				k, d := keyOf(n), 0
				if back {
					d = 1
				}
				have := table[k]
				if have == nil && len(table) == size {
					overflow += uint64(repeat)
					return
				}
				if have == nil {
					have = new(counts)
					table[k] = have
				}
				have.packets[d] += uint64(repeat)
				have.data = have.data || payload > 0
				if sent[k] == nil {
					sent[k] = new(counts)
				}
				sent[k].packets[d] += uint64(repeat)
			},
			"drain": func(rt *rapid.T) {
				round(rapid.SampledFrom([]time.Duration{0, time.Second, 3 * time.Second, 40 * time.Second, 2 * time.Minute, 6 * time.Minute}).Draw(rt, "idle"))
			},
			"mark": func(rt *rapid.T) {
				k := keyOf(rapid.IntRange(1, 20).Draw(rt, "conversation"))
				if err := o.Mark(k, Mark(rapid.IntRange(0, 2).Draw(rt, "mark"))); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				totals, err := o.Totals()
				if err != nil {
					rt.Fatal(err)
				}
				totals.Packets -= before.Packets
				totals.Overflow -= before.Overflow
				totals.Flows -= before.Flows
				if totals.Packets != packets || totals.Overflow != overflow || totals.Flows != packets-overflow || totals.Other != (Other{}) {
					rt.Fatalf("totals %+v, want %d packets, %d overflow", totals, packets, overflow)
				}
				var k, key kernelKey
				var mark uint32
				n := 0
				for i := o.maps[kernelMapMarks].Iterate(); i.Next(&k, &mark); n++ {
					key = k
					if _, ok := o.marked[key]; !ok {
						rt.Fatalf("%+v has a mark that nobody knows", key.key())
					}
				}
				if n != len(o.marked) || (n > 0) != (o.options.Marks != 0) {
					rt.Fatalf("%d marks, %d known, flag %d", n, len(o.marked), o.options.Marks)
				}
			},
		})
		round(0)
		for k, want := range sent {
			if drained[k] != want.packets {
				rt.Fatalf("%+v: %v were given, want %v", k, drained[k], want.packets)
			}
		}
		if len(drained) != len(sent) {
			rt.Fatalf("%d conversations were given, want %d", len(drained), len(sent))
		}
	})
}

// TestPass: what passes of a conversation, by its ports, marks and first packets.
func TestPass(t *testing.T) {
	const pass, drop = 2, 1
	r := newRig(t, kernelProgXdp, Config{First: 2})
	verdicts := func(frames ...[]byte) (v []uint32) {
		for _, f := range frames {
			v = append(v, r.run(f))
		}
		return v
	}
	want := func(what string, got []uint32, want ...uint32) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: verdicts %v, want %v", what, got, want)
		}
	}
	ack, back, fin := segment(1, false, 0x10, 9), segment(1, true, 0x10, 9), segment(1, false, 0x11, 0)
	// Of a conversation one CPU after the other may see packets, each its first ones: this may move between CPUs.
	first := verdicts(ack, back, ack)
	want("first packets", first[:2], pass, pass)
	for range 8 {
		r.run(ack)
	}
	want("later packets", verdicts(ack, back, fin), drop, drop, pass)
	if err := r.o.SetPorts([]uint16{1001}, []uint16{80}); err != nil {
		t.Fatal(err)
	}
	want("a wanted port", verdicts(ack, back), pass, pass)
	if err := r.o.Mark(keyOf(1), MarkBulk); err != nil {
		t.Fatal(err)
	}
	want("bulk", verdicts(ack, back, fin), drop, drop, pass)
	if err := r.o.SetPorts(nil, []uint16{1001, 80}); err != nil {
		t.Fatal(err)
	}
	if err := r.o.Mark(keyOf(1), MarkWanted); err != nil {
		t.Fatal(err)
	}
	want("wanted", verdicts(ack, back), pass, pass)
	if err := r.o.Mark(keyOf(1), MarkNone); err != nil {
		t.Fatal(err)
	}
	want("a port of another protocol", verdicts(ack, back), drop, drop)
	want("first packets although bulk", verdicts(segment(2, false, 0x10, 1)), pass)
	if err := r.o.Mark(keyOf(3), MarkBulk); err != nil {
		t.Fatal(err)
	}
	want("bulk from the first packet on", verdicts(segment(3, false, 0x10, 1), segment(3, false, 2, 0)), drop, pass)
}

// TestShared: another set of Objects, made from descriptors, works with the same tables.
func TestShared(t *testing.T) {
	r := newRig(t, kernelProgXdp, Config{})
	r.run(segment(1, false, 2, 0))
	if err := r.o.SetPorts([]uint16{7}, nil); err != nil {
		t.Fatal(err)
	}
	fds := r.o.FDs()
	other, err := FromFDs(fds)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	flows, done, err := other.Drain(nil, 64)
	if err != nil || !done || len(flows) != 1 || flows[0].Key != keyOf(1) {
		t.Errorf("%+v, %v, %v", flows, done, err)
	}
	if f := flows[0]; f.First != f.Last || time.Since(f.First) > time.Minute || time.Since(f.First) < 0 {
		t.Errorf("counted from %v to %v", f.First, f.Last)
	}
	if err := other.Mark(keyOf(1), MarkBulk); err != nil {
		t.Fatal(err)
	}
	if got := r.run(segment(1, false, 0x10, 0)); got != 1 {
		t.Errorf("a mark of the other has no effect: %d", got)
	}
	if other.options.Ports != r.o.options.Ports {
		t.Error("the mark of the other undid the ports")
	}
	if other.Filter() != -1 || other.Spread() != -1 {
		t.Error("there is a program where only tables are")
	}
	if _, err := other.AttachXDP(1, true); err == nil {
		t.Error("a program was attached that is not there")
	}
	delete(fds, kernelMapMarks)
	if _, err := FromFDs(fds); err == nil || !strings.Contains(err.Error(), "marks") {
		t.Errorf("a table is missing: %v", err)
	}
	fds[kernelMapMarks] = fds[kernelMapFlows]
	if _, err := FromFDs(fds); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("the wrong table: %v", err)
	}
}

// unprivilegedVariable makes TestUnprivileged the part without privileges; its value is how many descriptors it has.
const unprivilegedVariable = "SPANWATCH_TEST_UNPRIVILEGED"

// TestUnprivileged: without privileges nothing is loaded, and the error says what to do; tables that were handed over work.
func TestUnprivileged(t *testing.T) {
	names := slices.Sorted(maps.Keys(tables))
	if os.Getenv(unprivilegedVariable) != "" {
		if _, err := Load(Config{}); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "no permission") {
			t.Errorf("load: %v", err)
		}
		fds := make(map[string]int)
		for i, name := range names {
			fds[name] = 3 + i
		}
		o, err := FromFDs(fds)
		if err != nil {
			t.Fatal(err)
		}
		if flows, _, err := o.Drain(nil, 64); err != nil || len(flows) != 1 {
			t.Errorf("%v, %v", flows, err)
		}
		if err := o.Mark(keyOf(1), MarkWanted); err != nil {
			t.Error(err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	r := newRig(t, kernelProgXdp, Config{})
	r.run(segment(1, false, 2, 0))
	c := exec.Command("/proc/self/exe", "-test.run", "^TestUnprivileged$", "-test.v")
	c.Env = append(os.Environ(), unprivilegedVariable+"=1")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	for _, name := range names {
		f, err := os.Open("/dev/null") // a place for the descriptor, which exec duplicates
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.Dup3(r.o.FDs()[name], int(f.Fd()), unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		c.ExtraFiles = append(c.ExtraFiles, f)
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestLayout: the structs are laid out in C as in Go, by what the compiler wrote down.
func TestLayout(t *testing.T) {
	spec, err := loadKernel()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		size    uintptr
		offsets map[string]uintptr
	}{
		"key": {unsafe.Sizeof(kernelKey{}), map[string]uintptr{
			"b": unsafe.Offsetof(kernelKey{}.B), "port_a": unsafe.Offsetof(kernelKey{}.PortA), "proto": unsafe.Offsetof(kernelKey{}.Proto),
			"family": unsafe.Offsetof(kernelKey{}.Family), "pad": unsafe.Offsetof(kernelKey{}.Pad),
		}},
		"flow": {unsafe.Sizeof(kernelFlow{}), map[string]uintptr{
			"bytes": unsafe.Offsetof(kernelFlow{}.Bytes), "first": unsafe.Offsetof(kernelFlow{}.First), "last": unsafe.Offsetof(kernelFlow{}.Last),
			"vlans": unsafe.Offsetof(kernelFlow{}.Vlans), "flags": unsafe.Offsetof(kernelFlow{}.Flags),
			"from_b": unsafe.Offsetof(kernelFlow{}.FromB), "data": unsafe.Offsetof(kernelFlow{}.Data),
		}},
		"sums": {unsafe.Sizeof(kernelSums{}), map[string]uintptr{
			"overflow": unsafe.Offsetof(kernelSums{}.Overflow), "other": unsafe.Offsetof(kernelSums{}.Other), "passed": unsafe.Offsetof(kernelSums{}.Passed),
		}},
		"options": {unsafe.Sizeof(kernelOptions{}), map[string]uintptr{
			"snap": unsafe.Offsetof(kernelOptions{}.Snap), "marks": unsafe.Offsetof(kernelOptions{}.Marks), "ports": unsafe.Offsetof(kernelOptions{}.Ports),
		}},
	} {
		var s *btf.Struct
		if err := spec.Types.TypeByName(name, &s); err != nil {
			t.Fatal(err)
		}
		if uintptr(s.Size) != want.size || s.Size%8 != 0 {
			t.Errorf("struct %s has %d bytes in C, %d in Go", name, s.Size, want.size)
		}
		end := uint32(0)
		for _, m := range s.Members {
			if off, ok := want.offsets[m.Name]; ok && uintptr(m.Offset.Bytes()) != off {
				t.Errorf("%s.%s is at %d in C, at %d in Go", name, m.Name, m.Offset.Bytes(), off)
			}
			size, err := btf.Sizeof(m.Type)
			if err != nil {
				t.Fatal(err)
			}
			// A hole would make keys differ by what happened to be there.
			if m.Offset.Bytes() != end {
				t.Errorf("%s has a hole before %s", name, m.Name)
			}
			end = m.Offset.Bytes() + uint32(size)
		}
	}
	if window := Window; spec.Maps[kernelMapFrames].ValueSize < uint32(window) {
		t.Errorf("the window is %d bytes, the buffer for it less", window)
	}
}
