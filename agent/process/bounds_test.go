package process

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

func TestBounds(t *testing.T) {
	c := Config{MaxPerDevice: 20, MaxVariables: 30, MaxChanges: 40, MaxPairs: 3, MaxPolls: 3, MaxTexts: 2, MaxWriters: 3}
	p := New(c, nameOf)
	for n := range 400 {
		at := float64(n)
		conv := &protocols.Conversation{ID: uint64(n), Client: host(byte(n)), Server: host(byte(9 + n%3))}
		p.Event(read(conv, at, registers(uint32(n%50), uint16(n), uint16(n*77), uint16(n*1234))))
		p.Event(read(conv, at+.1, node(fmt.Sprint("n", n), protocols.ValueText, byte(n), byte(n>>8))))
		asked := write(conv, at+.2, registers(uint32(1000+n), 5, 6))
		p.Event(asked)
		if n%2 == 0 {
			p.Event(answer(asked, protocols.OutcomeDone))
		}
	}
	p.Finish()
	s := p.Stats()
	if s.Variables > 30 || p.blocks.n > 10 || p.pairs.n > 3 || p.polls.list.n > 3 || len(p.texts) > 2 || len(p.writers.at) > 3 {
		t.Errorf("%d variables, %d blocks, %d pairs, %d polls, %d texts, %d writers", s.Variables, p.blocks.n, p.pairs.n, p.polls.list.n, len(p.texts), len(p.writers.at))
	}
	for i := range p.devices {
		if n := p.devices[i].elements; n > 20 || n != len(p.sorted(int32(i))) {
			t.Errorf("a device has %d variables, of which %d are found", n, len(p.sorted(int32(i))))
		}
	}
	if s.LeftOut == 0 || s.Evicted == 0 || s.DroppedChanges == 0 || s.DroppedWriters == 0 || s.DroppedTexts == 0 {
		t.Errorf("what found no room was not counted: %+v", s)
	}
	if n := len(slices.Collect(p.Variables())); n == 0 || n > 30 {
		t.Errorf("%d variables are shown", n)
	}
}

func TestLeftOutCountsOnce(t *testing.T) {
	p := New(Config{MaxPerDevice: 4}, nameOf)
	for n := range 50 {
		p.Event(read(panel, float64(n), registers(0, 1, 2, 3, 4, 5, 6)))
		p.Event(read(panel, float64(n)+.5, registers(4, 5, 6, 7)))
	}
	if s := p.Stats(); s.LeftOut != 3 || s.Variables != 4 {
		t.Errorf("%d left out, %d kept, want 3 and 4", s.LeftOut, s.Variables)
	}
}

func TestWrittenFindsRoom(t *testing.T) {
	p := New(Config{MaxPerDevice: 4}, nameOf)
	p.Event(read(panel, 0, registers(0, 1, 2, 3, 4)))
	p.Event(read(panel, 1, registers(1, 2, 3, 4)))
	for _, e := range exchange(write(attacker, 2, registers(500, 66)), protocols.OutcomeDone) {
		p.Event(e)
	}
	all := variables(p)
	if v := all["10.0.0.9 holding-register 500 unit 1"]; v.LastWriter != "10.0.0.66" {
		t.Errorf("what was written found no room: %+v", v)
	}
	if _, known := all["10.0.0.9 holding-register 0 unit 1"]; known || len(all) != 4 {
		t.Errorf("%d variables, the one not seen for longest among them: %v", len(all), known)
	}
}

func TestHistoryKeepsTheLatest(t *testing.T) {
	p := New(Config{}, nameOf)
	for n := range 100 {
		p.Event(read(panel, float64(n), registers(0, uint16(n))))
	}
	h := variables(p)["10.0.0.9 holding-register 0 unit 1"].History
	if len(h) < 12 || len(h) > 16 || h[len(h)-1].Value.Text != "99" || h[0].Value.Text != fmt.Sprint(100-len(h)) {
		t.Errorf("%d changes, from %v to %v", len(h), h[0].Value, h[len(h)-1].Value)
	}
}

// polled gives a poll of ten registers that is always answered alike.
func polled() *protocols.Event { return read(panel, 0, registers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)) }

func TestUnchangedPollsAllocateNothing(t *testing.T) {
	p := New(Config{}, nameOf)
	e := polled()
	p.Event(e)
	single := read(panel, 0, node("ns=2;s=Level", protocols.ValueFloat, 0, 0, 0xc0, 0x3f))
	p.Event(single)
	if n := testing.AllocsPerRun(100, func() {
		e.Time, single.Time = e.Time.Add(time.Second), single.Time.Add(time.Second)
		p.Event(e)
		p.Event(single)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkUnchangedPoll(b *testing.B) {
	p := New(Config{}, nameOf)
	e := polled()
	b.ReportAllocs()
	for b.Loop() {
		e.Time = e.Time.Add(time.Second)
		p.Event(e)
	}
}

func BenchmarkChangedPoll(b *testing.B) {
	p := New(Config{}, nameOf)
	e := polled()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		e.Time = e.Time.Add(time.Second)
		e.Values.Raw[1], e.Values.Raw[5] = byte(n), byte(n/3)
		p.Event(e)
	}
}

func BenchmarkNode(b *testing.B) {
	p := New(Config{}, nameOf)
	e := read(panel, 0, node("ns=2;s=Level", protocols.ValueFloat, 0, 0, 0xc0, 0x3f))
	b.ReportAllocs()
	for b.Loop() {
		e.Time = e.Time.Add(time.Second)
		p.Event(e)
	}
}

// fill makes variables: registers and nodes in equal parts, over many devices, each changed a few times.
func fill(p *Process, variables, rounds int) {
	const perDevice = 200
	for round := range rounds {
		for d := range variables / perDevice {
			conv := &protocols.Conversation{
				ID: uint64(d), Client: host(5), Server: protocols.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, byte(d >> 8), byte(d)})},
			}
			at := float64(round*60) + float64(d)*0.001
			words := make([]uint16, 100)
			for k := range words {
				words[k] = uint16(k + round*k%7)
			}
			p.Event(read(conv, at, registers(0, words...)))
			for k := range perDevice / 2 {
				p.Event(read(conv, at, node(fmt.Sprintf("ns=2;s=Line%d.Unit%d", d, k), protocols.ValueFloat, byte(round), byte(k), 0xc0, 0x3f)))
			}
		}
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMemory tells how much 500,000 variables take, and how long saving and loading them does.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		before := heap()
		p := New(Config{}, nameOf)
		fill(p, 500_000, 8)
		after := heap()
		began := time.Now()
		saved := p.Save(0)
		took := time.Since(began)
		size := 0
		for i := range saved {
			size += len(saved[i].Body)
		}
		again := New(Config{}, nameOf)
		began = time.Now()
		if err := again.Load(saved); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "load-ms")
		b.ReportMetric(float64(took.Milliseconds()), "save-ms")
		b.ReportMetric(float64(size)/1e6, "saved-MB")
		b.ReportMetric(float64(after-before)/1e6, "heap-MB")
		b.ReportMetric(float64(p.Stats().Variables), "variables")
		runtime.KeepAlive(p)
	}
}

// TestMemory holds the bytes that a variable takes.
func TestMemory(t *testing.T) {
	before := heap()
	p := New(Config{}, nameOf)
	fill(p, 100_000, 4)
	each := float64(heap()-before) / float64(p.Stats().Variables)
	if p.Stats().Variables != 100_000 || each > 480 {
		t.Errorf("%d variables of %.0f bytes", p.Stats().Variables, each)
	}
	runtime.KeepAlive(p)
}

func FuzzLoad(f *testing.F) {
	p := process(Config{}, read(panel, 0, registers(0, 7, 8)), read(panel, 1, registers(0, 9, 8)), read(panel, 1, node("n", protocols.ValueText, 'a')))
	for _, e := range exchange(write(attacker, 2, registers(0, 66)), protocols.OutcomeDone) {
		p.Event(e)
	}
	f.Add(p.Save(0)[0].Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		p := New(Config{MaxPerDevice: 100, MaxChanges: 400}, nil)
		err := p.Load([]Saved{{"10.0.0.9", body}})
		for v := range p.Variables() {
			if _, err := v.Last.MarshalJSON(); err != nil {
				t.Fatal(err)
			}
		}
		if err == nil {
			p.Event(read(panel, 1e6, registers(0, 1, 2, 3, 4)))
		}
	})
}
