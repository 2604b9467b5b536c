package process

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/protocols"
)

var start = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func host(last byte) protocols.Endpoint {
	return protocols.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 0, 0, last})}
}

var (
	panel    = &protocols.Conversation{ID: 1, Client: host(5), Server: host(9)}
	attacker = &protocols.Conversation{ID: 2, Client: host(66), Server: host(9)}
)

func registers(first uint32, words ...uint16) protocols.Event {
	e := protocols.Event{
		Object: protocols.Object{Area: "holding-register", Unit: 1, HasUnit: true, First: first, Count: uint32(len(words))},
		Values: protocols.Values{Type: protocols.ValueWords},
	}
	for _, w := range words {
		e.Values.Raw = binary.BigEndian.AppendUint16(e.Values.Raw, w)
	}
	return e
}

func node(name string, kind protocols.ValueType, raw ...byte) protocols.Event {
	return protocols.Event{Object: protocols.Object{Area: "node", Name: name}, Values: protocols.Values{Type: kind, Raw: raw}}
}

// read makes an event the answer to a poll.
func read(conv *protocols.Conversation, at float64, e protocols.Event) *protocols.Event {
	e.Conv, e.Time, e.From = conv, start.Add(time.Duration(at*1e9)), protocols.Server
	e.Action, e.Outcome = protocols.ActionRead, protocols.OutcomeDone
	return &e
}

// write makes an event a request to write, and answer what came back.
func write(conv *protocols.Conversation, at float64, e protocols.Event) *protocols.Event {
	e.Conv, e.Time, e.From = conv, start.Add(time.Duration(at*1e9)), protocols.Client
	e.Action, e.Outcome = protocols.ActionWrite, protocols.OutcomeAsked
	return &e
}

func answer(asked *protocols.Event, outcome protocols.Outcome) *protocols.Event {
	e := *asked
	e.From, e.Outcome, e.Values, e.Time = protocols.Server, outcome, protocols.Values{}, asked.Time.Add(time.Millisecond)
	return &e
}

func nameOf(e protocols.Endpoint) string { return "id-" + e.Addr.String() }

func process(c Config, events ...*protocols.Event) *Process {
	p := New(c, nameOf)
	for _, e := range events {
		p.Event(e)
	}
	return p
}

func variables(p *Process) map[string]Variable {
	all := make(map[string]Variable)
	for v := range p.Variables() {
		all[v.IP+" "+v.Object] = v
	}
	return all
}

// line gives what matters of a variable on one line.
func line(v Variable) string {
	b := []string{v.Type, v.Last.String()}
	for _, x := range []*float64{v.Min, v.Max, v.Mean} {
		if x == nil {
			b = append(b, "-")
		} else {
			t, _ := json.Marshal(*x)
			b = append(b, string(t))
		}
	}
	n, _ := json.Marshal(v.Count)
	b = append(b, string(n))
	if v.LastWrite != nil {
		b = append(b, v.LastWriter, v.LastWrite.Before.String()+"→"+v.LastWrite.After.String())
	}
	for _, c := range v.History {
		b = append(b, strings.TrimSpace(c.How+" "+c.Before.String()+"→"+c.Value.String()+" "+c.By))
	}
	return strings.Join(b, "|")
}

func TestVariables(t *testing.T) {
	tests := map[string]struct {
		events []*protocols.Event
		object string
		want   string
	}{
		"read once": {
			[]*protocols.Event{read(panel, 0, registers(0, 7, 8))},
			"holding-register 1 unit 1", "uint16|8|8|8|8|1",
		},
		"polls that say the same": {
			[]*protocols.Event{read(panel, 0, registers(0, 7, 8)), read(panel, 1, registers(0, 7, 8)), read(panel, 2, registers(0, 7, 8))},
			"holding-register 0 unit 1", "uint16|7|7|7|7|3",
		},
		"polls that differ": {
			[]*protocols.Event{read(panel, 0, registers(0, 6, 8)), read(panel, 1, registers(0, 6, 8)), read(panel, 2, registers(0, 9, 8))},
			"holding-register 0 unit 1", "uint16|9|6|9|7|3|seen 6→9",
		},
		"two polls of the same place": {
			[]*protocols.Event{
				read(panel, 0, registers(0, 5, 5)), read(attacker, 1, registers(1, 7, 5)), read(panel, 2, registers(0, 5, 5)),
				read(panel, 3, registers(0, 5, 5)),
			},
			"holding-register 1 unit 1", "uint16|5|5|7|5.5|4|seen 5→7|seen 7→5",
		},
		"written": {
			exchange(write(attacker, 1, registers(0, 99)), protocols.OutcomeDone, read(panel, 0, registers(0, 7, 8)), read(panel, 2, registers(0, 99, 8))),
			"holding-register 0 unit 1", "uint16|99|7|99|68.33333333333333|3|10.0.0.66|7→99|written 7→99 10.0.0.66",
		},
		"written unseen before": {
			exchange(write(attacker, 1, registers(0, 99)), protocols.OutcomeDone),
			"holding-register 0 unit 1", "uint16|99|99|99|99|1|10.0.0.66|?→99|written ?→99 10.0.0.66",
		},
		"refused": {
			exchange(write(attacker, 1, registers(0, 99)), protocols.OutcomeRefused, read(panel, 0, registers(0, 7))),
			"holding-register 0 unit 1", "uint16|7|7|7|7|1|refused 7→99 10.0.0.66",
		},
		"never answered": {
			[]*protocols.Event{read(panel, 0, registers(0, 7)), write(attacker, 1, registers(0, 99)), read(panel, 30, registers(3, 1))},
			"holding-register 0 unit 1", "uint16|7|7|7|7|1|asked 7→99 10.0.0.66",
		},
		"never answered, but seen": {
			[]*protocols.Event{read(panel, 0, registers(0, 7)), write(attacker, 1, registers(0, 99)), read(panel, 2, registers(0, 99))},
			"holding-register 0 unit 1", "uint16|99|7|99|53|2|10.0.0.66|7→99|written 7→99 10.0.0.66",
		},
		"the answer repeats the values of a request that was not seen": {
			[]*protocols.Event{func() *protocols.Event {
				e := *write(attacker, 1, registers(0, 99))
				e.From, e.Outcome = protocols.Server, protocols.OutcomeDone
				return &e
			}()},
			"holding-register 0 unit 1", "uint16|99|99|99|99|1|10.0.0.66|?→99|written ?→99 10.0.0.66",
		},
		"a heartbeat fills no history": {
			exchange(write(panel, 2, registers(0, 7)), protocols.OutcomeDone, exchange(write(panel, 1, registers(0, 7)), protocols.OutcomeDone, read(panel, 0, registers(0, 7)))...),
			"holding-register 0 unit 1", "uint16|7|7|7|7|3|10.0.0.5|7→7|written 7→7 10.0.0.5",
		},
		"late": {
			[]*protocols.Event{read(panel, 5, registers(0, 7)), read(panel, 1, registers(0, 3))},
			"holding-register 0 unit 1", "uint16|7|3|7|5|2",
		},
		"a float": {
			[]*protocols.Event{read(panel, 0, node("ns=2;s=L", protocols.ValueFloat, 0, 0, 0xc0, 0x3f))},
			"ns=2;s=L", "float32|1.5|1.5|1.5|1.5|1",
		},
		"no number": {
			[]*protocols.Event{
				read(panel, 0, node("n", protocols.ValueFloat, 0, 0, 0xc0, 0x3f)), read(panel, 1, node("n", protocols.ValueFloat, 0, 0, 0xc0, 0x7f)),
			},
			"n", "float32|NaN|1.5|1.5|1.5|2|seen 1.5→NaN",
		},
		"text": {
			[]*protocols.Event{read(panel, 0, node("n", protocols.ValueText, []byte("on")...)), read(panel, 1, node("n", protocols.ValueText, []byte("off")...))},
			"n", "text|off|-|-|-|2|seen on→off",
		},
		"negative": {
			[]*protocols.Event{read(panel, 0, node("n", protocols.ValueInt, 0xfe, 0xff))}, "n", "int16|-2|-2|-2|-2|1",
		},
		"a bit": {
			[]*protocols.Event{read(panel, 0, protocols.Event{
				Object: protocols.Object{Area: "coil", First: 3, Count: 10}, Values: protocols.Values{Type: protocols.ValueBits, Raw: []byte{0, 2}},
			})},
			"coil 12", "bool|1|1|1|1|1",
		},
		"a point": {
			[]*protocols.Event{read(panel, 0, protocols.Event{
				Object: protocols.Object{Area: "measured", Unit: 7, HasUnit: true, First: 0, Count: 1},
				Values: protocols.Values{Type: protocols.ValueBool, Raw: []byte{1}},
			})},
			"measured 0 unit 7", "bool|1|1|1|1|1",
		},
		"an array": {
			[]*protocols.Event{read(panel, 0, protocols.Event{
				Object: protocols.Object{Area: "data-file", Name: "N7", First: 2, Count: 2},
				Values: protocols.Values{Type: protocols.ValueBytes, Raw: []byte{1, 0, 2, 1}},
			})},
			"N7 3", "uint16|258|258|258|258|1",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := process(Config{}, test.events...)
			v, ok := variables(p)["10.0.0.9 "+test.object]
			if !ok {
				t.Fatalf("there is no %s", test.object)
			}
			if diff := cmp.Diff(test.want, line(v)); diff != "" {
				t.Error(diff)
			}
			if _, err := json.Marshal(v); err != nil {
				t.Error(err)
			}
		})
	}
}

// exchange puts what was seen before in front of a write, its answer behind it, and what came later behind that.
func exchange(asked *protocols.Event, outcome protocols.Outcome, others ...*protocols.Event) []*protocols.Event {
	all := append([]*protocols.Event{asked, answer(asked, outcome)}, others...)
	slices.SortStableFunc(all, func(a, b *protocols.Event) int { return a.Time.Compare(b.Time) })
	return all
}

func TestEnvelope(t *testing.T) {
	c := Config{LearnUntil: start.Add(10 * time.Second)}
	p := New(c, nameOf)
	for at := range 10 {
		p.Event(read(panel, float64(at), registers(0, uint16(100+at%3), 5, uint16(at))))
	}
	for at, word := range []uint16{103, 104, 150, 150, 101} {
		p.Event(read(panel, float64(20+at), registers(0, word, 5, 300)))
	}
	all := variables(p)
	v := all["10.0.0.9 holding-register 0 unit 1"]
	// Changes of 1, 1 and 2 in turn: beyond 102 by more than 4/3 are 104 once and 150 twice.
	if v.Envelope == nil || v.Envelope.Low != 100 || v.Envelope.High != 102 || v.Outside != 3 || v.IsOutside {
		t.Errorf("envelope %+v, outside %d %v", v.Envelope, v.Outside, v.IsOutside)
	}
	if v := all["10.0.0.9 holding-register 1 unit 1"]; v.Outside != 0 {
		t.Errorf("a constant was outside %d times", v.Outside)
	}
	if v := all["10.0.0.9 holding-register 2 unit 1"]; v.Envelope != nil || v.Outside != 0 {
		t.Errorf("a counter has the envelope %+v, outside %d", v.Envelope, v.Outside)
	}
}

func TestStale(t *testing.T) {
	p := New(Config{}, nameOf)
	for at := range 20 {
		p.Event(read(panel, float64(at)+0.1*float64(at%2), registers(0, 1, 2)))
		p.Event(read(panel, float64(at), node("n", protocols.ValueBool, 1)))
	}
	for _, stale := range []bool{false, true} {
		for _, object := range []string{"holding-register 0 unit 1", "n"} {
			v := variables(p)["10.0.0.9 "+object]
			if v.Stale != stale || math.Abs(v.Period-1) > 0.05 || v.Jitter > 0.2 {
				t.Errorf("%s: stale %v, period %v, jitter %v", object, v.Stale, v.Period, v.Jitter)
			}
		}
		p.Clock(start.Add(time.Minute))
	}
}
