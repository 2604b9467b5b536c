package modbus

import (
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"pgregory.net/rapid"
)

var (
	_ protocols.Asker  = (*dissector)(nil)
	_ protocols.Asker  = (*serial)(nil)
	_ protocols.Framer = (*serial)(nil)
)

// step is a message, a gap, or the question how many requests were left without an answer.
type step struct {
	from  protocols.Side
	bytes string // empty: a gap
}

// Requests that nobody answered are counted once, and only those to which an answer was due.
func TestUnanswered(t *testing.T) {
	const (
		c, s    = protocols.Client, protocols.Server
		ask1    = "0001 0000 0006 01 03 0000 0001"
		ask2    = "0002 0000 0006 01 03 0000 0001"
		tell1   = "0001 0000 0005 01 03 02 0007"
		refuse1 = "0001 0000 0003 01 83 02"
		tell2   = "0002 0000 0005 01 03 02 0007"
		gap     = ""
	)
	for name, test := range map[string]struct {
		rtu         bool
		steps       []step
		open, ended uint64 // told while the conversation lasts, and at its end
	}{
		"nothing asked":                          {false, nil, 0, 0},
		"answered":                               {false, []step{{c, ask1}, {s, tell1}}, 0, 0},
		"refused is answered":                    {false, []step{{c, ask1}, {s, refuse1}}, 0, 0},
		"answered by another unit":               {false, []step{{c, ask1}, {s, "0001 0000 0005 02 03 02 0007"}}, 0, 1},
		"open at the end":                        {false, []step{{c, ask1}, {c, ask2}, {s, tell1}}, 0, 1},
		"answers out of order":                   {false, []step{{c, ask1}, {c, ask2}, {s, tell2}, {s, tell1}}, 0, 0},
		"one transaction for all, passed over":   {false, []step{{c, ask1}, {c, ask1}, {s, tell1}}, 1, 0},
		"an answer nobody asked for":             {false, []step{{s, tell1}}, 0, 0},
		"an exception sent by the client":        {false, []step{{c, refuse1}}, 0, 0},
		"a message without function":             {false, []step{{c, "0001 0000 0001 01"}}, 0, 0},
		"a malformed request is one":             {false, []step{{c, "0001 0000 0006 01 05 0001 ff01"}}, 0, 1},
		"a function nobody knows":                {false, []step{{c, "0001 0000 0002 01 41"}}, 0, 1},
		"lost requests":                          {false, []step{{c, ask1}, {c, gap}, {c, ask2}}, 0, 1},
		"lost answers":                           {false, []step{{c, ask1}, {s, gap}, {c, ask2}}, 0, 1},
		"an answer behind the gap":               {false, []step{{c, ask1}, {s, gap}, {s, tell1}}, 0, 0},
		"passed over, but maybe answered":        {false, []step{{c, ask1}, {s, gap}, {c, ask1}, {s, tell1}}, 0, 0},
		"unit 0 behind a header is a device":     {false, []step{{c, "0001 0000 0006 00 03 0000 0001"}}, 0, 1},
		"force listen only mode":                 {false, []step{{c, "0001 0000 0006 01 08 0004 0000"}}, 0, 0},
		"what is asked of one that only listens": {false, []step{{c, "0001 0000 0006 01 08 0004 0000"}, {c, ask2}}, 0, 1},
		"serial: answered":                       {true, []step{{c, "01 03 0000 0001 840a"}, {s, "01 03 02 0007 f986"}}, 0, 0},
		"serial: broadcast":                      {true, []step{{c, "00 06 0001 0003 99da"}}, 0, 0},
		"serial: broadcast, then an answer":      {true, []step{{c, "00 06 0001 0003 99da"}, {c, "01 03 0000 0001 840a"}, {s, "01 03 02 0007 f986"}}, 0, 0},
		"serial: another unit answers later":     {true, []step{{c, "11 03 006b 0003 7687"}, {c, "01 03 0000 0001 840a"}, {s, "01 03 02 0007 f986"}}, 1, 0},
		"serial: open at the end":                {true, []step{{c, "11 03 006b 0003 7687"}}, 0, 1},
	} {
		d := &dissector{rtu: test.rtu}
		for i, step := range test.steps {
			if step.bytes == gap {
				d.Gap(step.from)
				continue
			}
			m := protocols.Message{From: step.from, Bytes: unhex(t, step.bytes), Frame: uint64(i) + 1, Transport: protocols.TransportTCP}
			_, _ = d.Dissect(nil, m) // malformed requests are asked, too
		}
		if n := d.Unanswered(false); n != test.open {
			t.Errorf("%s: %d while it lasts, want %d", name, n, test.open)
		}
		if n := d.Unanswered(true); n != test.ended {
			t.Errorf("%s: %d at the end, want %d", name, n, test.ended)
		}
		if n := d.Unanswered(true); n != 0 {
			t.Errorf("%s: %d told twice", name, n)
		}
	}
}

// A conversation may last for years: what it lost long ago is told while it lasts, and takes no room.
func TestUnansweredIsToldBeforeTheEnd(t *testing.T) {
	d := &dissector{}
	for i := range uint16(1000) {
		dissect(t, d, protocols.Client, uint64(i)*2, readRequest(i, 0, 1))
		if i%100 != 7 {
			dissect(t, d, protocols.Server, uint64(i)*2+1, readAnswer(i, 1))
		}
	}
	if n := d.Unanswered(false); n != 8 { // 7, 107, …, 707: more than 256 were asked since
		t.Errorf("%d told while it lasts, want 8", n)
	}
	if n := d.Unanswered(true); n != 2 {
		t.Errorf("%d told at the end, want 2", n)
	}
}

// Whatever is asked, answered and lost, each request is either answered, excused or told, once.
func TestUnansweredAgreesWithAModel(t *testing.T) {
	type asked struct {
		transaction uint16
		number      int
		excused     bool
	}
	rapid.Check(t, func(t *rapid.T) {
		d := &dissector{}
		var open []asked // oldest first
		var want, got uint64
		number := 0
		giveUp := func(gone func(i int, a asked) bool) {
			var kept []asked
			for i, a := range open {
				switch {
				case !gone(i, a):
					kept = append(kept, a)
				case !a.excused:
					want++
				}
			}
			open = kept
		}
		transactions := uint16(rapid.SampledFrom([]int{1, 3, 100, 1000}).Draw(t, "transactions"))
		for frame := range uint64(rapid.IntRange(1, 600).Draw(t, "messages")) {
			transaction := rapid.Uint16Range(0, transactions-1).Draw(t, "transaction")
			switch kind := rapid.IntRange(0, 99).Draw(t, "kind"); {
			case kind < 55:
				if len(open) == maxPending {
					giveUp(func(i int, _ asked) bool { return i == 0 })
				}
				dissect(t, d, protocols.Client, frame, readRequest(transaction, 0, 1))
				open = append(open, asked{transaction, number, false})
				number++
			case kind < 96:
				dissect(t, d, protocols.Server, frame, readAnswer(transaction, 1))
				newest := -1
				for i, a := range open {
					if a.transaction == transaction {
						newest = i
					}
				}
				if newest < 0 {
					continue
				}
				found := open[newest]
				open = slices.Delete(open, newest, newest+1)
				giveUp(func(i int, a asked) bool {
					return i < newest && (a.transaction == transaction || found.number-a.number > maxOvertaken)
				})
			case kind < 97:
				d.Gap(protocols.Client)
				open = nil
			case kind < 98:
				d.Gap(protocols.Server)
				for i := range open {
					open[i].excused = true
				}
			default:
				got += d.Unanswered(false)
				if got != want {
					t.Fatalf("frame %d: %d told, want %d", frame, got, want)
				}
			}
		}
		giveUp(func(int, asked) bool { return true })
		if got += d.Unanswered(true); got != want {
			t.Fatalf("%d told, want %d", got, want)
		}
	})
}
