package pipeline

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/all"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
	"pgregory.net/rapid"
)

// headers are the bytes at the start of a message within which it says what it is, by the folder of its protocol: transport
// headers, and behind them the function or the service.
var headers = map[string]int{"modbus": 10, "s7": 60, "opcua": 32}

// deed is what a message is, whoever sent it.
type deed struct {
	from     protocols.Side
	function string
	cut      bool
}

// functionOf gives those fields of a detail that say what the message is; empty without.
func functionOf(t testing.TB, e *protocols.Event) string {
	t.Helper()
	text, err := json.Marshal(e.Detail)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if fields["msg"] == "OPN" {
		delete(fields, "service_id") // it is behind certificates
	}
	var list []any
	for _, key := range []string{"func", "umas_func", "rosctr", "ud_type", "ud_group", "ud_subfunc", "kind", "opcode", "msg", "service_id"} {
		list = append(list, fields[key])
	}
	return fmt.Sprint(list)
}

// allKept stands for a capture that keeps all of every frame.
func allKept() int { return 1 << 16 }

// snapped replays a case of which the capture kept as many bytes of each frame as are told, and gives what was said by its
// place, and how its bytes were counted.
func snapped(t testing.TB, c protocoltest.Case, segments []segment, kept func() int, how link) (map[string]deed, protocols.Coverage) {
	t.Helper()
	w := newWire(t)
	var next [2]int
	for _, s := range segments {
		w.wrap(how, s.from, homePort(c), c.Transport, s.seq, next[s.from.Other()], s.bytes, false)
		next[s.from] = max(next[s.from], s.seq+len(s.bytes))
	}
	for i := range w.frames {
		f := &w.frames[i]
		n := min(len(f.Data), kept())
		f.Data = f.Data[:n:n]
	}
	messages := make(map[string]deed)
	var coverage protocols.Coverage
	err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs(), Detail: true}}, func(b *Batch) error {
		for i := range b.Events {
			if e := &b.Events[i]; e.Part == 0 {
				messages[fmt.Sprintf("%d.%d %s", e.Frame, e.PDU, e.Protocol)] = deed{e.From, functionOf(t, e), e.Cut}
			}
		}
		for i := range b.Flows {
			coverage.Add(b.Flows[i].Coverage)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return messages, coverage
}

// Of a capture with a small snap length every message is told whose header it kept, as what it is and of whom, and none
// that is not there.
func TestSnapLengths(t *testing.T) {
	checked, cut := 0, 0
	for folder, header := range headers {
		cases, err := protocoltest.Load(filepath.Join("../../protocols", folder, "testdata"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cases {
			if c.Uncut || c.Transport != protocols.TransportTCP || gapped(c) || slices.Contains([]string{"rtu", "malformed", "hostile"}, c.Name) {
				continue
			}
			segments := whole(c)
			all, counted := snapped(t, c, segments, allKept, link{})
			for _, kept := range []int{66, 80, 96, 118, 128, 200, 256} {
				some, coverage := snapped(t, c, segments, func() int { return kept }, link{})
				for at, want := range all {
					var frame, pdu int
					var label string
					if _, err := fmt.Sscanf(at, "%d.%d %s", &frame, &pdu, &label); err != nil {
						t.Fatal(err)
					}
					b := segments[frame-1].bytes
					size := len(b)
					if c.Name == "tls-hello" && len(b) > 8 && b[8] != 3 {
						continue // the rest of a record has no header
					}
					if pdu > 0 || min(size, kept-54) < min(size, header) || label == "cotp" {
						continue
					}
					got, ok := some[at]
					checked++
					if !ok || got.from != want.from || got.function != want.function {
						t.Errorf("%s/%s, %d bytes kept: message %s is %+v, want %+v", folder, c.Name, kept, at, got, want)
					}
					if got.cut {
						cut++
					}
				}
				for at, got := range some {
					if want, ok := all[at]; !ok || got.from != want.from {
						t.Errorf("%s/%s, %d bytes kept: message %s is %+v, and whole %+v", folder, c.Name, kept, at, got, want)
					}
				}
				bytes := uint64(0)
				for _, s := range segments {
					bytes += uint64(len(s.bytes))
				}
				if n := coverage.Decoded + coverage.Recognised + coverage.Opaque + coverage.Encrypted + coverage.Gap; n != bytes || coverage.Malformed > counted.Malformed {
					t.Errorf("%s/%s, %d bytes kept: %d bytes and %d malformed messages are counted, of %d: %+v", folder, c.Name, kept, n, coverage.Malformed, bytes, coverage)
				}
			}
		}
	}
	if checked < 1000 || cut < 200 {
		t.Errorf("only %d messages were compared, %d of them cut", checked, cut)
	}
}

// lastChunk is the function of an OPC UA chunk that shows no service.
const lastChunk = "[<nil> <nil> <nil> <nil> <nil> <nil> <nil> <nil> MSG <nil>]"

// inParts are the cases whose messages come in several that do not say so: behind a part that is not there, and where the
// capture did not keep the beginning of the conversation either, the next part is taken for a message.
var inParts = map[string]bool{"tls-hello": true, "plus-control": true}

// However much of each frame was kept, nothing is told that is not there, and nothing is malformed; and each byte is counted
// once, however the messages are divided among frames.
func TestSomeOfEachFrame(t *testing.T) {
	var cases []protocoltest.Case
	for folder := range headers {
		list, err := protocoltest.Load(filepath.Join("../../protocols", folder, "testdata"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			if !c.Uncut && c.Transport == protocols.TransportTCP && !gapped(c) && !slices.Contains([]string{"rtu", "malformed", "hostile"}, c.Name) {
				cases = append(cases, c)
			}
		}
	}
	slices.SortFunc(cases, func(a, b protocoltest.Case) int { return cmp.Compare(a.Dir, b.Dir) })
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom(cases).Draw(rt, "case")
		segments, divided := whole(c), rapid.Bool().Draw(rt, "divided")
		if divided {
			segments = pieces(segments, rapid.IntRange(20, 400).Draw(rt, "largest segment"))
		}
		how := link{ipv6: rapid.Bool().Draw(rt, "IPv6")}
		all, counted := snapped(t, c, segments, allKept, how)
		some, coverage := snapped(t, c, segments, func() int { return rapid.IntRange(74, 400).Draw(rt, "kept") }, how)
		senders := make(map[protocols.Side]map[string]int)
		for _, d := range []protocols.Side{protocols.Client, protocols.Server} {
			senders[d] = make(map[string]int)
		}
		for _, m := range all {
			senders[m.from][m.function]++
		}
		for at, m := range some {
			if divided || m.cut || m.function == lastChunk || inParts[c.Name] {
				continue // the middle of a message may look like anything; a last chunk may be alone
			}
			if senders[m.from][m.function]--; senders[m.from][m.function] < 0 {
				rt.Fatalf("%s: message %s is %+v", c.Dir, at, m)
			}
		}
		total := func(c protocols.Coverage) uint64 {
			return c.Decoded + c.Recognised + c.Opaque + c.Encrypted + c.Gap
		}
		if total(coverage) != total(counted) || counted.Malformed == 0 && coverage.Malformed > 0 && !divided && !inParts[c.Name] {
			rt.Fatalf("%s: counted is %+v, and of the whole %+v: %v", c.Dir, coverage, counted, some)
		}
	})
}

// A conversation of which the capture kept no whole message at first is recognised by what a message at home on its port
// declares, if that is what was on the wire; nothing is made of a message that says another length.
func TestCutFirstMessage(t *testing.T) {
	answer := append([]byte{0, 1, 0, 0, 0, 103, 1, 3, 100}, make([]byte, 100)...)
	for _, c := range []struct {
		name  string
		bytes []byte
		port  uint16
		from  protocols.Side
		want  int
	}{
		{"an answer", answer, 502, protocols.Server, 1},
		{"from another port", answer, 40404, protocols.Server, 0},
		{"longer than it says", append(slices.Clone(answer), 0), 502, protocols.Server, 0},
		{"shorter than it says", answer[:len(answer)-1], 502, protocols.Server, 0},
		{"an answer and a whole one", append(slices.Clone(answer), 0, 2, 0, 0, 0, 5, 1, 3, 2, 0, 1), 502, protocols.Server, 0},
		{"an OPC UA message", append([]byte("MSGF\x64\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00"), make([]byte, 84)...), 4840, protocols.Client, 1},
		{"an OPC UA message of another size", append([]byte("MSGF\x65\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00"), make([]byte, 84)...), 4840, protocols.Client, 0},
	} {
		w := newWire(t)
		w.wrap(link{}, c.from, c.port, protocols.TransportTCP, 0, 0, c.bytes, false)
		f := &w.frames[0]
		f.Data = f.Data[:70]
		got := 0
		err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs()}}, func(b *Batch) error {
			for i := range b.Events {
				if e := &b.Events[i]; !e.Cut || e.From != c.from || e.Malformed != "" {
					t.Errorf("%s: %+v", c.name, e)
				}
			}
			got += len(b.Events)
			return nil
		})
		if err != nil || got != c.want {
			t.Errorf("%s: %d events, want %d, %v", c.name, got, c.want, err)
		}
	}
}

// Where the capture cut a segment of several messages, the first of the next segment is told, too: nothing was lost between
// the segments.
func TestCutSegmentsOfSeveralMessages(t *testing.T) {
	cases, err := protocoltest.Load("../../protocols/modbus/testdata")
	if err != nil {
		t.Fatal(err)
	}
	list := whole(named(t, cases, "read"))[:2]
	at := len(list[1].bytes)
	for n := range byte(3) {
		two := append([]byte{0, 2 * n, 0, 0, 0, 63, 1, 4, 60}, make([]byte, 60)...)
		two = append(two, append([]byte{0, 2*n + 1, 0, 0, 0, 43, 1, 4, 40}, make([]byte, 40)...)...)
		list = append(list, segment{protocols.Server, at, two})
		at += len(two)
	}
	w := newWire(t)
	var next [2]int
	for _, s := range list {
		w.wrap(link{}, s.from, 502, protocols.TransportTCP, s.seq, next[s.from.Other()], s.bytes, false)
		next[s.from] = s.seq + len(s.bytes)
	}
	for i := range w.frames[2:] {
		w.frames[2+i].Data = w.frames[2+i].Data[:96]
	}
	var got []uint64
	err = Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs()}}, func(b *Batch) error {
		for i := range b.Events {
			if e := &b.Events[i]; e.Cut && e.From == protocols.Server && e.Message == "Read Input Registers" {
				got = append(got, e.Frame)
			}
		}
		return nil
	})
	if err != nil || !slices.Equal(got, []uint64{3, 4, 5}) {
		t.Errorf("cut messages in frames %v, want 3, 4 and 5, %v", got, err)
	}
}

// What a cut message says of its end is passed over, whatever comes in the segments after it: those that are its own are
// not read, and the message behind it is, with no search and without being one that a search would find.
func TestCutMessageGoesOn(t *testing.T) {
	cases, err := protocoltest.Load("../../protocols/modbus/testdata")
	if err != nil {
		t.Fatal(err)
	}
	list := whole(named(t, cases, "read"))[:2]
	at := len(list[0].bytes)
	long := append([]byte{0, 9, 0, 0, 0, 200, 1, 16, 0, 0, 0, 97, 194}, make([]byte, 193)...)
	for _, s := range [][]byte{long[:80], long[80:150], append(slices.Clone(long[150:]), 0, 10, 0, 0, 0, 3, 1, 77, 7)} {
		list = append(list, segment{protocols.Client, at, s})
		at += len(s)
	}
	w := newWire(t)
	var next [2]int
	for _, s := range list {
		w.wrap(link{}, s.from, 502, protocols.TransportTCP, s.seq, next[s.from.Other()], s.bytes, false)
		next[s.from] = s.seq + len(s.bytes)
	}
	for _, i := range []int{2, 3} {
		w.frames[i].Data = w.frames[i].Data[:70]
	}
	var got []string
	err = Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs()}}, func(b *Batch) error {
		for i := range b.Events {
			got = append(got, fmt.Sprintf("%d %s %v", b.Events[i].Frame, b.Events[i].Message, b.Events[i].Cut))
		}
		return nil
	})
	want := []string{"1 Read Coils false", "2 Read Coils false", "3 Write Multiple Registers true", "5 Function 77 false"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, want %q, %v", got, want, err)
	}
}
