package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
	"github.com/spanwatch/spanwatch/protocols"
)

// interfaces is a live source: it gives its frames, then says once that nothing came, then ends.
type interfaces struct {
	frames []capture.Frame
	idle   time.Time // the clock once the frames are through
	before func(f *capture.Frame)
}

func (s *interfaces) Next(f *capture.Frame) error {
	switch {
	case len(s.frames) > 0:
		*f = s.frames[0]
		s.frames = s.frames[1:]
		if s.before != nil {
			s.before(f)
		}
		return nil
	case !s.idle.IsZero():
		*f = capture.Frame{Time: s.idle}
		s.idle = time.Time{}
		return capture.ErrIdle
	default:
		return io.EOF
	}
}

func (s *interfaces) Close() error { return nil }

// spread gives the frames of a wire to n sources as a kernel would: all that two hosts say to each other to one.
func spread(w *wire, n int) []capture.Source {
	list := make([]*interfaces, n)
	last := w.frames[len(w.frames)-1].Time
	for i := range list {
		list[i] = &interfaces{idle: last.Add(time.Minute)}
	}
	for _, f := range w.frames {
		s := list[packet.Hash(uint16(f.Link), f.Data)%uint32(n)]
		s.frames = append(s.frames, f)
	}
	sources := make([]capture.Source, n)
	for i := range list {
		sources[i] = list[i]
	}
	return sources
}

func listen(t *testing.T, ctx context.Context, sources []capture.Source, cfg Config) (out outcome, err error) {
	t.Helper()
	var last time.Time
	err = Run(ctx, sources, cfg, func(b *Batch) error {
		for i := range b.Events {
			e := &b.Events[i]
			if string(e.Values.Raw) != e.Message {
				return fmt.Errorf("frame %d: values %q of message %q", e.Frame, e.Values.Raw, e.Message)
			}
			if e.Time.Before(last) && b.Stats.Late == 0 {
				return fmt.Errorf("frame %d goes back in time", e.Frame)
			}
			last = e.Time
			out.events = append(out.events, fmt.Sprintf("%d.%d %s→%s %s: %s", e.Frame, e.PDU, e.Conv.Client, e.Conv.Server, e.From, e.Message))
		}
		out.flows = append(out.flows, b.Flows...)
		out.stats.Add(&b.Stats)
		return nil
	})
	return out, err
}

// What is heard live is what a replay of the same frames gives, for any number of workers.
func TestLiveIsReplay(t *testing.T) {
	w := plantTraffic(t, 40, 300)
	want := replay(t, w, 1)
	for _, n := range []int{1, 2, 5} {
		got, err := listen(t, t.Context(), spread(w, n), Config{Specs: []protocols.Spec{toy}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.events, got.events); diff != "" {
			t.Errorf("%d workers: events differ (- replay, + live):\n%s", n, diff)
		}
		if diff := cmp.Diff(want.stats, got.stats); diff != "" {
			t.Errorf("%d workers: counters differ (- replay, + live):\n%s", n, diff)
		}
		if diff := cmp.Diff(totals(want.flows), totals(got.flows)); diff != "" {
			t.Errorf("%d workers: flows differ (- replay, + live):\n%s", n, diff)
		}
	}
}

// totals adds up flows by their ends.
func totals(flows []protocols.Flow) map[string][6]uint64 {
	m := make(map[string][6]uint64)
	for _, f := range flows {
		k := f.Conv.Client.String() + "→" + f.Conv.Server.String()
		s := m[k]
		m[k] = [6]uint64{s[0] + f.Packets[0], s[1] + f.Packets[1], s[2] + f.Bytes[0], s[3] + f.Bytes[1], s[4] + f.Opened, s[5] + f.Coverage.Decoded}
	}
	return m
}

// An event that comes after later ones were handed on is not lost, and is counted.
func TestLateEventIsCounted(t *testing.T) {
	w := newWire(t)
	for _, text := range []string{"one", "two", "late"} {
		w.udp(hmi, plc, request(text))
	}
	w.frames[0].Time = w.frames[2].Time.Add(time.Second)
	w.frames[1].Time = w.frames[2].Time.Add(time.Minute)
	out, err := listen(t, t.Context(), []capture.Source{&interfaces{frames: w.frames, before: func(*capture.Frame) {}}},
		Config{Specs: []protocols.Spec{toy}})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, out.events, "1.0 "+pair+" client: one", "3.0 "+pair+" client: late", "2.0 "+pair+" client: two")
	if out.stats.Late != 1 {
		t.Errorf("%d late events, want 1", out.stats.Late)
	}
}

// A conversation that has fallen silent is reported without waiting for its end.
func TestSilenceIsReported(t *testing.T) {
	w := newWire(t)
	w.syn(hmi, plc)
	w.tcp(hmi, plc, request("one"))
	w.tcp(plc, hmi, response("one"))
	var before uint64
	worker := NewWorker(Config{Specs: []protocols.Spec{toy}})
	for i := range w.frames {
		worker.Frame(&w.frames[i])
	}
	count := func() (n uint64) {
		for _, f := range worker.Take(new(Batch)).Flows {
			n += f.Packets[0] + f.Packets[1]
		}
		return n
	}
	before = count()
	worker.Sweep(w.frames[2].Time.Add(5 * time.Second))
	if after := count(); before+after != 3 || after == 0 {
		t.Errorf("%d packets before the sweep, %d by it, want 3 in all", before, after)
	}
	worker.Sweep(w.frames[2].Time.Add(10 * time.Second))
	if again := count(); again != 0 {
		t.Errorf("%d packets reported twice", again)
	}
}

// When the end comes, what was read reaches the sink, and Run returns without an error.
func TestLiveEndsWithItsContext(t *testing.T) {
	w := newWire(t)
	for range 50 {
		w.tcp(hmi, plc, request("one"))
		w.tcp(plc, hmi, response("one"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	seen := 0
	src := &interfaces{frames: slices.Clone(w.frames), before: func(*capture.Frame) {
		if seen++; seen == 40 {
			cancel()
		}
	}}
	out, err := listen(t, ctx, []capture.Source{src}, Config{Specs: []protocols.Spec{toy}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.events) != 40 {
		t.Errorf("%d events of 40 frames read", len(out.events))
	}
}

func TestLiveSinkErrorEndsAllWorkers(t *testing.T) {
	w := plantTraffic(t, 40, 100)
	broken := errors.New("disk full")
	err := Run(t.Context(), spread(w, 3), Config{Specs: []protocols.Spec{toy}}, func(*Batch) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
