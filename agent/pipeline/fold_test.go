package pipeline

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
)

// plain is toy with what its messages do: "w…" writes, everything else reads; an answer is done, but "w!…" is refused.
var plain = func() protocols.Spec {
	spec := toy
	spec.New = func() protocols.Dissector { return acts{new(toyDissector)} }
	return spec
}()

type acts struct{ protocols.Dissector }

func (a acts) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	before := len(dst)
	dst, err := a.Dissector.Dissect(dst, m)
	for i := range dst[before:] {
		e := &dst[before+i]
		e.Object = protocols.Object{Area: "text", Name: e.Message[:1]}
		e.Outcome = protocols.OutcomeAsked
		if m.From == protocols.Server {
			e.Outcome = protocols.OutcomeDone
		}
		if e.Message[0] == 'w' {
			e.Action = protocols.ActionWrite
		}
		e.Message = e.Message[:1] // what follows is the value
	}
	return dst, err
}

// told replays a wire and gives its events.
func told(t *testing.T, w *wire, fold bool, workers int) (list []protocols.Event) {
	t.Helper()
	w.next = 0
	err := Replay(context.Background(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{plain}, Fold: fold}, Workers: workers},
		func(b *Batch) error {
			for _, e := range b.Events {
				e.Values.Raw = append([]byte(nil), e.Values.Raw...)
				list = append(list, e)
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// tales is what must be the same whether events are gathered or not.
func tales(events []protocols.Event) map[string]string {
	type tale struct {
		n           uint64
		first, last int64
		frame       uint64
		value       string
	}
	all := make(map[string]tale)
	for i := range events {
		e := &events[i]
		n, first, last := e.Span()
		k := fmt.Sprint(e.Conv.Client, e.From, e.Action, e.Outcome, e.Object)
		x, known := all[k]
		if !known || first.UnixNano() < x.first {
			x.first = first.UnixNano()
		}
		x.n, x.last, x.frame, x.value = x.n+n, max(x.last, last.UnixNano()), max(x.frame, e.Frame), string(e.Values.Raw)
		all[k] = x
	}
	out := make(map[string]string)
	for k, x := range all {
		out[k] = fmt.Sprint(x)
	}
	return out
}

func lines(events []protocols.Event) (all []string) {
	for i := range events {
		e := &events[i]
		n, first, last := e.Span()
		all = append(all, fmt.Sprintln(e.Frame, e.Place(), e.Time, e.Conv.Client, e.From, e.Action, e.Object, string(e.Values.Raw), n, first, last))
	}
	return all
}

// Gathering changes no count, no first and last time, no last value; what alters comes behind everything that the
// conversation said before it, and no answer before its request.
func TestGatheringLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWire(t)
		for range rapid.IntRange(1, 60).Draw(rt, "exchanges") {
			client := host{1, [4]byte{10, 0, 0, byte(1 + rapid.IntRange(0, 2).Draw(rt, "client"))}, 40000}
			text := rapid.SampledFrom([]string{"a", "b", "b", "c", "w"}).Draw(rt, "object")
			w.tcp(client, plc, request(text))
			if rapid.IntRange(0, 9).Draw(rt, "answered") > 0 {
				w.tcp(plc, client, response(text+rapid.SampledFrom([]string{"1", "1", "1", "2"}).Draw(rt, "value")))
			}
			w.late += rapid.SampledFrom([]int{0, 0, 1000, 7000}).Draw(rt, "pause")
		}
		each, gathered := told(t, w, false, 1), told(t, w, true, 1)
		if diff := cmp.Diff(tales(each), tales(gathered)); diff != "" {
			rt.Fatalf("- each, + gathered:\n%s", diff)
		}
		if diff := cmp.Diff(lines(gathered), lines(told(t, w, true, 3))); diff != "" {
			rt.Fatalf("- one worker, + three:\n%s", diff)
		}
		asked, answered, before := map[string]uint64{}, map[string]uint64{}, map[string]uint64{}
		for i := range gathered {
			e := &gathered[i]
			n, _, _ := e.Span()
			conv := e.Conv.Client.String()
			k := conv + e.Object.Name
			if e.From == protocols.Client {
				asked[k] += n
			} else if answered[k] += n; answered[k] > asked[k] {
				rt.Fatalf("frame %d: answer %d to %s, of which %d were asked", e.Frame, answered[k], e.Object.Name, asked[k])
			}
			before[conv] += n
			if e.Action.Alters() {
				want := uint64(0)
				for k := range each {
					if each[k].Conv.Client == e.Conv.Client && each[k].Frame <= e.Frame {
						want++
					}
				}
				if before[conv] != want {
					rt.Fatalf("frame %d: %d events were told up to this deed, %d had happened", e.Frame, before[conv], want)
				}
			}
		}
	})
}

// A poll whose answer stays the same is told once, and then every few seconds.
func TestPollsAreGathered(t *testing.T) {
	w := newWire(t)
	for range 1000 {
		w.tcp(hmi, plc, request("a"))
		w.tcp(plc, hmi, response("a1"))
		w.late += 10
	}
	events := told(t, w, true, 1)
	var n uint64
	for i := range events {
		c, _, _ := events[i].Span()
		n += c
	}
	if n != 2000 || len(events) > 12 {
		t.Errorf("%d events stand for %d", len(events), n)
	}
}
