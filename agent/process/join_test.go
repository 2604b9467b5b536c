package process

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// signals are what stands in registers from 0 on, sample by sample.
var signals = map[string]struct {
	words  func(n int, r *rand.Rand) []uint16
	object string
	want   string
	guess  bool
}{
	"sine as floats": {func(n int, _ *rand.Rand) []uint16 {
		return append(float(50+10*math.Sin(float64(n)/20), false), float(-3*math.Cos(float64(n)/30), false)...)
	}, "holding-register 0-1 unit 1", "float32", false},
	"sine as floats, the second": {func(n int, _ *rand.Rand) []uint16 {
		return append(float(50+10*math.Sin(float64(n)/20), false), float(-3*math.Cos(float64(n)/30), false)...)
	}, "holding-register 2-3 unit 1", "float32", false},
	"sine as floats with words swapped": {func(n int, _ *rand.Rand) []uint16 {
		return append(float(50+10*math.Sin(float64(n)/20), true), float(1e4+900*math.Cos(float64(n)/30), true)...)
	}, "holding-register 2-3 unit 1", "float32 (words swapped)", false},
	"noise around a float": {func(n int, r *rand.Rand) []uint16 { return float(21.5+r.Float64(), false) },
		"holding-register 0-1 unit 1", "float32", false},
	"counter of 32 bits": {func(n int, _ *rand.Rand) []uint16 { return long(uint32(100_000+n*9_000), false) },
		"holding-register 0-1 unit 1", "uint32", false},
	"counter of 32 bits, words swapped": {func(n int, _ *rand.Rand) []uint16 { return long(uint32(100_000+n*9_000), true) },
		"holding-register 0-1 unit 1", "uint32 (words swapped)", false},
	"integer of 32 bits around zero": {func(n int, _ *rand.Rand) []uint16 {
		return long(uint32(int32(150_000*math.Sin(float64(n)/15))), false)
	}, "holding-register 0-1 unit 1", "int32", false},
	"counter of 16 bits": {func(n int, _ *rand.Rand) []uint16 { return []uint16{uint16(n * 700), 4} },
		"holding-register 0 unit 1", "uint16", false},
	"slow counter of 16 bits": {func(n int, _ *rand.Rand) []uint16 { return []uint16{uint16(n), 4} },
		"holding-register 0 unit 1", "uint16", true},
	"integer of 16 bits around zero": {func(n int, _ *rand.Rand) []uint16 { return []uint16{uint16(int16(300 * math.Sin(float64(n)/9))), 9} },
		"holding-register 0 unit 1", "int16", false},
	"two measurements": {func(n int, r *rand.Rand) []uint16 {
		return []uint16{uint16(4000 + r.IntN(200)), uint16(13_000 + 9_000*math.Sin(float64(n)/7))}
	}, "holding-register 0 unit 1", "uint16", true},
	"a status beside a counter": {func(n int, _ *rand.Rand) []uint16 { return []uint16{uint16(n / 60 % 4), uint16(n * 321)} },
		"holding-register 1 unit 1", "uint16", false},
	"noise of 16 bits, twice": {func(n int, r *rand.Rand) []uint16 { return []uint16{uint16(r.Uint32()), uint16(r.Uint32())} },
		"holding-register 0 unit 1", "uint16", true},
	"a constant": {func(int, *rand.Rand) []uint16 { return float(50, false) }, "holding-register 0 unit 1", "uint16", true},
}

func float(x float64, swapped bool) []uint16 { return long(math.Float32bits(float32(x)), swapped) }

func long(x uint32, swapped bool) []uint16 {
	if swapped {
		return []uint16{uint16(x), uint16(x >> 16)}
	}
	return []uint16{uint16(x >> 16), uint16(x)}
}

func TestTypesAreRecognised(t *testing.T) {
	for name, signal := range signals {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				r := rand.New(rand.NewPCG(seed, 1))
				p := New(Config{}, nameOf)
				for n := range 600 {
					p.Event(read(panel, float64(n), registers(0, signal.words(n, r)...)))
				}
				all := variables(p)
				v, ok := all["10.0.0.9 "+signal.object]
				if !ok {
					t.Fatalf("seed %d: there is no %s among %d variables", seed, signal.object, len(all))
				}
				if guess := v.Guessed; v.Type != signal.want || guess != signal.guess && name != "noise of 16 bits, twice" {
					t.Errorf("seed %d: type %q, guessed %v, want %q, %v", seed, v.Type, guess, signal.want, signal.guess)
				}
			}
		})
	}
}

// TestJoinedNumber: what two registers hold is observed with its own range, the words are kept, and writes show.
func TestJoinedNumber(t *testing.T) {
	p := New(Config{}, nameOf)
	value := func(n int) float64 { return 50 + 10*math.Sin(float64(n)/20) }
	for n := range 200 {
		p.Event(read(panel, float64(n), registers(0, append(float(value(n), true), 7)...)))
	}
	asked := write(attacker, 300, registers(0, float(80, true)...))
	p.Event(asked)
	p.Event(answer(asked, protocols.OutcomeDone))
	v := variables(p)["10.0.0.9 holding-register 0-1 unit 1"]
	if v.Last.Text != "80" || *v.Max != 80 || *v.Min < 39.9 || *v.Min > 41 || v.Raw != "000042a0" {
		t.Errorf("last %v, range %v to %v, raw %s", v.Last, *v.Min, *v.Max, v.Raw)
	}
	if v.LastWriter != "10.0.0.66" || v.LastWrite == nil || v.LastWrite.After.Text != "80" || !v.LastWrite.Before.Known {
		t.Errorf("written by %q: %+v", v.LastWriter, v.LastWrite)
	}
	if len(v.History) == 0 || v.History[len(v.History)-1].By != "10.0.0.66" {
		t.Errorf("history %+v", v.History)
	}
	whole := New(Config{}, nil)
	if err := whole.Load(p.Save(0)); err != nil {
		t.Fatal(err)
	}
	whole.Event(read(panel, 400, registers(0, append(float(81, true), 7)...)))
	if v := variables(whole)["10.0.0.9 holding-register 0-1 unit 1"]; v.Last.Text != "81" || v.Type != "float32 (words swapped)" {
		t.Errorf("after a restart %s is %v", v.Type, v.Last)
	}
}

func memory(first uint32, declared protocols.Scalar, raw ...byte) protocols.Event {
	return protocols.Event{
		Object: protocols.Object{Area: "DB", Name: "DB1", First: first, Count: uint32(len(raw))},
		Values: protocols.Values{Type: protocols.ValueBytes, Declared: declared, Raw: raw},
	}
}

func TestBytes(t *testing.T) {
	p := New(Config{}, nameOf)
	for n := range 300 {
		raw := binary.BigEndian.AppendUint32(nil, math.Float32bits(float32(50+10*math.Sin(float64(n)/20))))
		raw = binary.BigEndian.AppendUint16(raw, uint16(n*37))
		p.Event(read(panel, float64(n), memory(0, protocols.Scalar{}, append(raw, 1, 2)...)))
	}
	p.Event(read(attacker, 301, memory(6, protocols.Scalar{Kind: protocols.ValueInt, Size: 2}, 0xff, 0xfe)))
	all := variables(p)
	for object, want := range map[string]string{"DB1 0-3": "float32", "DB1 4-5": "uint16", "DB1 6-7": "int16"} {
		if v := all["10.0.0.9 "+object]; v.Type != want {
			t.Errorf("%s is %q, want %q", object, v.Type, want)
		}
	}
	if v := all["10.0.0.9 DB1 6-7"]; v.Last.Text != "-2" || v.Guessed {
		t.Errorf("a declared number is %v, guessed %v", v.Last, v.Guessed)
	}
}
