package cadence

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func moments(seconds ...float64) (all []time.Time) {
	for _, s := range seconds {
		all = append(all, epoch.Add(time.Duration(s*float64(time.Second))))
	}
	return all
}

func TestMeasure(t *testing.T) {
	for name, c := range map[string]struct {
		at               []time.Time
		interval, jitter time.Duration
		steady           bool
	}{
		"nothing":               {nil, 0, 0, false},
		"too few":               {moments(0, 1, 2, 3, 4, 5, 6), 0, 0, false},
		"every second":          {moments(0, 1, 2, 3, 4, 5, 6, 7), time.Second, 0, true},
		"with jitter":           {moments(0, 1.1, 2, 3.1, 4, 5.1, 6, 7.1, 8), 900 * time.Millisecond, 0, true},
		"an outage in between":  {moments(0, 1, 2, 3, 60, 61, 62, 63, 64, 65), time.Second, 0, true},
		"a retry in between":    {moments(0, 1, 2, 2.1, 3, 4, 5, 6, 7, 8), time.Second, 0, true},
		"told twice":            {moments(0, 0, 1, 1, 2, 2, 3, 3), 0, 0, false},
		"as a person does":      {moments(0, 2, 3, 11, 12, 30, 33, 61, 99), 3 * time.Second, 2 * time.Second, false},
		"the latest count only": {moments(0, 9, 10, 50, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81), time.Second, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			var p Pace
			for _, at := range c.at {
				p.Add(at)
			}
			if i, j, s := p.Measure(); i != c.interval || j != c.jitter || s != c.steady {
				t.Errorf("interval %v jitter %v steady %v, want %v %v %v", i, j, s, c.interval, c.jitter, c.steady)
			}
		})
	}
}

// naive keeps everything and sorts.
func naive(at []int64) []int64 {
	all := slices.Compact(slices.Sorted(slices.Values(at)))
	return all[max(0, len(all)-kept):]
}

func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SliceOf(rapid.Int64Range(0, 60)).Draw(t, "at")
		var one, left, right Pace
		for k, x := range at {
			one.add(x)
			if k%2 == 0 {
				left.add(x)
			} else {
				right.add(x)
			}
		}
		if got, want := one.at[:one.n], naive(at); !slices.Equal(got, want) {
			t.Fatalf("kept %v, want %v", got, want)
		}
		left.Merge(&right)
		if left != one {
			t.Fatalf("merged %v, want %v", left, one)
		}
	})
}

func TestBeatsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type deed struct {
			what int
			at   time.Time
		}
		deeds := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) deed {
			return deed{rapid.IntRange(0, 7).Draw(t, "what"), epoch.Add(time.Duration(rapid.IntRange(0, 99).Draw(t, "at")) * time.Second)}
		}), 0, 200).Draw(t, "deeds")
		run := func(deeds []deed) *Beats[int] {
			b := new(Beats[int])
			for _, d := range deeds {
				b.Add(d.what, d.at, cmp.Compare[int], true)
			}
			return b
		}
		first := run(deeds)
		halves := run(deeds[:len(deeds)/2])
		halves.Merge(run(deeds[len(deeds)/2:]), cmp.Compare[int])
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(deeds), func(a, b int) { deeds[a], deeds[b] = deeds[b], deeds[a] })
		if again := run(deeds); !slices.Equal(again.all, first.all) || !slices.Equal(halves.all, first.all) {
			t.Fatalf("%v\n%v\n%v", first.all, again.all, halves.all)
		}
	})
}

func TestBeatsTakeRoomOnlyWhenTheyMay(t *testing.T) {
	var b Beats[int]
	for k := range 10 {
		if taken := b.Add(k, epoch, cmp.Compare[int], k < 2); taken != (k < 2) {
			t.Errorf("%d: taken is %v", k, taken)
		}
	}
	if b.Len() != 2 {
		t.Errorf("%d are timed, want 2", b.Len())
	}
}

func TestBeatsShowTheQuickestSteadyPace(t *testing.T) {
	var b Beats[string]
	for k := range 12 {
		b.Add("a person", epoch.Add(time.Duration(k*k)*time.Second), cmp.Compare[string], true)
		b.Add("b slow", epoch.Add(time.Duration(k)*time.Minute), cmp.Compare[string], true)
		b.Add("c quick", epoch.Add(time.Duration(k)*time.Second), cmp.Compare[string], true)
	}
	if i, j, s := b.Measure(); i != time.Second || j != 0 || !s {
		t.Errorf("%v %v %v", i, j, s)
	}
}

func BenchmarkAdd(b *testing.B) {
	var p Pace
	at := epoch
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Second)
		p.Add(at)
	}
}
