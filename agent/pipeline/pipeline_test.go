package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/protocols"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run replays the wire and gives one line per event, the flows and the counters.
type outcome struct {
	events  []string
	flows   []protocols.Flow
	notices []string
	stats   Stats
}

func replay(t testing.TB, w *wire, workers int) outcome {
	t.Helper()
	w.next = 0
	var out outcome
	err := Replay(context.Background(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{toy}}, Workers: workers},
		func(b *Batch) error {
			for i := range b.Events {
				e := &b.Events[i]
				text := e.Message
				if e.Malformed != "" {
					text = e.Malformed
				} else if string(e.Values.Raw) != e.Message {
					return fmt.Errorf("frame %d: values %q of message %q", e.Frame, e.Values.Raw, e.Message)
				}
				out.events = append(out.events, fmt.Sprintf("%d.%d %s→%s %s: %s", e.Frame, e.PDU, e.Conv.Client, e.Conv.Server, e.From, text))
			}
			out.flows = append(out.flows, b.Flows...)
			for i := range b.Notices {
				n := &b.Notices[i]
				out.notices = append(out.notices, fmt.Sprintf("%d %s→%s %s", n.Frame, n.Conv.Client, n.Conv.Server, n.From))
			}
			out.stats.Add(&b.Stats)
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events differ (- want, + got):\n%s", diff)
	}
}

const pair = "10.0.0.5:49152→10.0.0.9:700"

func TestMidStream(t *testing.T) {
	w := newWire(t)
	w.tcp(plc, hmi, response("late answer")) // the first thing seen is an answer: the server is its sender
	w.tcp(hmi, plc, request("one"))
	expect(t, replay(t, w, 1).events, "1.0 "+pair+" server: late answer", "2.0 "+pair+" client: one")
}

func TestSeveralMessagesInOneSegment(t *testing.T) {
	w := newWire(t)
	w.tcp(hmi, plc, append(append(request("one"), request("two")...), request("three")[:5]...))
	w.tcp(hmi, plc, request("three")[5:])
	expect(t, replay(t, w, 1).events,
		"1.0 "+pair+" client: one", "1.1 "+pair+" client: two", "2.0 "+pair+" client: three")
}

// A segment that arrives late completes the message: its frame is the message's, and what waited behind the hole keeps
// the frames that brought it.
func TestOutOfOrderKeepsFrames(t *testing.T) {
	w := newWire(t)
	one, two, three := request("one"), request("two"), request("three")
	w.segment(hmi, plc, 0, one, false)
	w.segment(hmi, plc, uint32(len(one)+len(two)), three, false)
	w.segment(hmi, plc, uint32(len(one)), two, false)
	expect(t, replay(t, w, 1).events,
		"1.0 "+pair+" client: one", "2.0 "+pair+" client: three", "3.0 "+pair+" client: two")
}

func TestMalformedMessageIsAnEvent(t *testing.T) {
	w := newWire(t)
	w.tcp(hmi, plc, append(request("!bad"), request("good")...))
	out := replay(t, w, 1)
	expect(t, out.events, "1.0 "+pair+" client: toy: malformed message: forbidden text", "1.1 "+pair+" client: good")
	if out.stats.Malformed != 1 {
		t.Errorf("%d malformed messages counted, want 1", out.stats.Malformed)
	}
}

func TestSynchronisationReturns(t *testing.T) {
	garbage := strings.Repeat("garbage ", 3)
	tests := map[string]func(w *wire){
		"garbage before a message": func(w *wire) { w.tcp(hmi, plc, append([]byte(garbage), request("after")...)) },
		"garbage in a segment of its own": func(w *wire) {
			w.tcp(hmi, plc, []byte(garbage))
			w.tcp(hmi, plc, request("after"))
		},
		"garbage, then a message byte by byte": func(w *wire) {
			w.tcp(hmi, plc, []byte(garbage))
			for _, b := range request("after") {
				w.tcp(hmi, plc, []byte{b})
			}
		},
		"half a message lost": func(w *wire) {
			w.tcp(hmi, plc, request("lost")[:3])
			w.lose(hmi, plc, 10)
			w.tcp(plc, hmi, response("ok")) // acknowledges what the capture has not seen
			w.tcp(hmi, plc, request("after"))
		},
		"an oversized message is passed over": func(w *wire) {
			w.tcp(hmi, plc, []byte{'T', 'X', 0, 3})
			for range 3 << 16 / 1024 {
				w.tcp(hmi, plc, make([]byte, 1024))
			}
			w.tcp(hmi, plc, request("after"))
		},
	}
	for name, send := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			w.tcp(hmi, plc, request("before"))
			send(w)
			w.tcp(hmi, plc, request("last"))
			events := replay(t, w, 1).events
			text := strings.Join(events, "\n")
			if !strings.Contains(text, ": before") || !strings.Contains(text, ": last") {
				t.Errorf("messages are missing:\n%s", text)
			}
			if name != "an oversized message is passed over" && !strings.Contains(text, ": after") {
				t.Errorf("the first message after the fault is missing:\n%s", text)
			}
		})
	}
}

func TestDatagrams(t *testing.T) {
	w := newWire(t)
	w.udp(hmi, plc, request("ask"))
	w.udp(plc, hmi, response("tell"))
	w.udp(hmi, plc, []byte("T")) // a datagram is a message, whole or not
	expect(t, replay(t, w, 1).events, "1.0 "+pair+" client: ask", "2.0 "+pair+" server: tell",
		"3.0 "+pair+" client: toy: malformed message: length")
}

func TestUnrecognisedIsCountedOpaque(t *testing.T) {
	w := newWire(t)
	w.syn(hmi, plc)
	w.tcp(hmi, plc, []byte("GET / HTTP/1.1\r\n\r\n"))
	out := replay(t, w, 1)
	expect(t, out.events)
	var sum protocols.Coverage
	var opened uint64
	for _, f := range out.flows {
		sum.Add(f.Coverage)
		opened += f.Opened
	}
	if sum.Opaque != 18 || sum.Decoded != 0 || opened != 1 {
		t.Errorf("coverage %+v over %d conversations, want 18 opaque bytes in one", sum, opened)
	}
}

// However the bytes of two directions are cut into segments, the same messages come out, each at the frame that
// completed it; and every payload byte is accounted for.
func TestCutsDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWire(nil)
		type side struct {
			from, to host
			bytes    []byte
			ends     []int // where messages end
			texts    []string
			sent     int
		}
		sides := []*side{{from: hmi, to: plc}, {from: plc, to: hmi}}
		kinds := []byte{'Q', 'R'}
		total := 0
		for i, s := range sides {
			for n := range rapid.IntRange(1, 6).Draw(t, "messages") {
				text := fmt.Sprint(n, rapid.StringMatching(`[a-z]{0,20}`).Draw(t, "text"))
				s.bytes = append(s.bytes, toyMessage(kinds[i], text)...)
				s.ends = append(s.ends, len(s.bytes))
				s.texts = append(s.texts, text)
			}
			total += len(s.bytes)
		}
		var want []string
		for sides[0].sent < len(sides[0].bytes) || sides[1].sent < len(sides[1].bytes) {
			i := rapid.IntRange(0, 1).Draw(t, "side")
			s := sides[i]
			if s.sent == len(s.bytes) {
				continue
			}
			n := min(rapid.IntRange(1, 30).Draw(t, "size"), len(s.bytes)-s.sent)
			w.tcp(s.from, s.to, s.bytes[s.sent:s.sent+n])
			pdu := 0
			for m, end := range s.ends {
				if end > s.sent && end <= s.sent+n {
					want = append(want, fmt.Sprintf("%d.%d %s %s: %s", len(w.frames), pdu, pair, protocols.Side(i), s.texts[m]))
					pdu++
				}
			}
			s.sent += n
		}
		out := replayQuiet(w)
		if diff := cmp.Diff(want, out.events); diff != "" {
			t.Fatalf("events differ (- want, + got):\n%s", diff)
		}
		var sum protocols.Coverage
		for _, f := range out.flows {
			sum.Add(f.Coverage)
		}
		if int(sum.Decoded) != total || sum.Opaque+sum.Gap != 0 {
			t.Fatalf("coverage %+v, want %d bytes decoded", sum, total)
		}
	})
}

// replayQuiet is replay inside a property, where failures are the property's.
func replayQuiet(w *wire) outcome {
	var t testing.T
	return replay(&t, w, 1)
}

// plantTraffic is many conversations of many hosts, interleaved.
func plantTraffic(t testing.TB, hosts, rounds int) *wire {
	w := newWire(t)
	for round := range rounds {
		for h := range hosts {
			client := host{byte(h), [4]byte{10, 0, 1, byte(h)}, uint16(50000 + h)}
			server := host{byte(100 + h%7), [4]byte{10, 0, 2, byte(h % 7)}, 700}
			text := fmt.Sprintf("%d/%d", round, h)
			w.tcp(client, server, request(text))
			w.tcp(server, client, response(text))
			if h%9 == 0 {
				at := w.seq[[2]host{server, client}] - uint32(len(text))
				w.segment(server, client, at, other([]byte(text)), false)
			}
			if h%5 == 0 {
				w.udp(client, server, request("datagram "+text))
			}
		}
	}
	return w
}

func TestWorkersDoNotMatter(t *testing.T) {
	w := plantTraffic(t, 40, 300) // more than one run of frames
	if len(w.frames) <= 2*runFrames {
		t.Fatalf("only %d frames: the test needs several runs", len(w.frames))
	}
	one := replay(t, w, 1)
	for _, workers := range []int{2, 4, 7} {
		many := replay(t, w, workers)
		if diff := cmp.Diff(one.events, many.events); diff != "" {
			t.Errorf("%d workers: events differ:\n%s", workers, diff)
		}
		if diff := cmp.Diff(one.notices, many.notices); diff != "" || len(one.notices) == 0 {
			t.Errorf("%d workers: notices differ, or there are none:\n%s", workers, diff)
		}
		if diff := cmp.Diff(one.stats, many.stats); diff != "" {
			t.Errorf("%d workers: counters differ:\n%s", workers, diff)
		}
		sums := func(flows []protocols.Flow) map[string][4]uint64 {
			m := make(map[string][4]uint64)
			for _, f := range flows {
				k := f.Conv.Client.String() + f.Conv.Server.String() + f.Protocol
				s := m[k]
				m[k] = [4]uint64{s[0] + f.Packets[0], s[1] + f.Packets[1], s[2] + f.Bytes[0], s[3] + f.Opened}
			}
			return m
		}
		if diff := cmp.Diff(sums(one.flows), sums(many.flows)); diff != "" {
			t.Errorf("%d workers: flows differ:\n%s", workers, diff)
		}
	}
}

func TestDamagedSourceDeliversWhatCameBefore(t *testing.T) {
	w := newWire(t)
	w.tcp(hmi, plc, request("before"))
	w.damage = &capture.DamagedError{Name: "x.pcap", Packets: 1, Err: errors.New("cut off")}
	var seen int
	err := Replay(context.Background(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{toy}}},
		func(b *Batch) error { seen += len(b.Events); return nil })
	var damaged *capture.DamagedError
	if !errors.As(err, &damaged) || seen != 1 {
		t.Errorf("error %v after %d events, want the damage after 1", err, seen)
	}
}

func TestSinkErrorEndsTheReplay(t *testing.T) {
	stop := errors.New("enough")
	err := Replay(context.Background(), plantTraffic(t, 40, 300), ReplayConfig{Config: Config{Specs: []protocols.Spec{toy}}, Workers: 3},
		func(*Batch) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("error %v, want the sink's", err)
	}
}

func TestCancelEndsTheReplay(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := Replay(ctx, plantTraffic(t, 40, 300), ReplayConfig{
		Config: Config{Specs: []protocols.Spec{toy}}, Workers: 2,
		Pace: func(ctx context.Context, _ time.Time) error { cancel(); return ctx.Err() },
	}, func(*Batch) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want a cancellation", err)
	}
}

// A frame without IP is a message of the protocol that its EtherType names, and of no other.
func TestEthernetFramesAreMessages(t *testing.T) {
	station := toy
	station.Name, station.TCP, station.UDP, station.EtherTypes, station.CountOnly = "station", nil, nil, []uint16{0x88b5}, true
	w := newWire(t)
	for _, kind := range []byte{0xb5, 0xb6} {
		frame := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, kind}, request("hello")...)
		w.frames = append(w.frames, capture.Frame{Data: frame, WireLength: len(frame), Link: capture.LinkEthernet, Number: uint64(len(w.frames) + 1)})
	}
	var names []string
	var sum protocols.Coverage
	err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{toy, station}}}, func(b *Batch) error {
		for i := range b.Events {
			names = append(names, fmt.Sprint(b.Events[i].Frame, " ", b.Events[i].Protocol, " ", b.Events[i].Conv.Client))
		}
		for i := range b.Flows {
			sum.Add(b.Flows[i].Coverage)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, names, "1 station 02:00:00:00:00:01")
	if sum.Recognised != 9 || sum.Opaque != 9 || sum.Decoded != 0 {
		t.Errorf("coverage %+v, want 9 bytes recognised and 9 opaque", sum)
	}
}

// Frames of two protocols that share an EtherType alternate between two stations: each is its own protocol's, and
// neither begins anew.
func TestProtocolsShareAnEtherType(t *testing.T) {
	cyclic := toy
	cyclic.Name, cyclic.TCP, cyclic.UDP, cyclic.EtherTypes, cyclic.CountOnly = "cyclic", nil, nil, []uint16{0x88b5}, true
	cyclic.Probe = func(_ protocols.Transport, b []byte) protocols.Match {
		if b[0] == 'C' {
			return protocols.Yes
		}
		return protocols.No
	}
	cyclic.New = func() protocols.Dissector { return &once{} }
	station := toy
	station.Name, station.TCP, station.UDP, station.EtherTypes = "station", nil, nil, []uint16{0x88b5}
	w := newWire(t)
	for _, payload := range []string{"C123", "C123", string(request("set")), "C123", "xxxx", string(request("set")), "C123"} {
		frame := append([]byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5}, payload...)
		w.frames = append(w.frames, capture.Frame{Data: frame, WireLength: len(frame), Link: capture.LinkEthernet, Number: uint64(len(w.frames) + 1)})
	}
	var names []string
	var sum protocols.Coverage
	err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{station, cyclic}}}, func(b *Batch) error {
		for i := range b.Events {
			names = append(names, fmt.Sprint(b.Events[i].Frame, " ", b.Events[i].Protocol, " ", b.Events[i].From))
		}
		for i := range b.Flows {
			sum.Add(b.Flows[i].Coverage)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, names, "1 cyclic client", "3 station client", "6 station client")
	if sum.Recognised != 16 || sum.Opaque != 4 || sum.Decoded != 14 {
		t.Errorf("coverage %+v, want 16 bytes recognised, 4 opaque and 14 decoded", sum)
	}
}

// once tells its first message only.
type once struct{ told bool }

func (o *once) Gap(protocols.Side) {}

func (o *once) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if o.told {
		return dst, nil
	}
	o.told = true
	return append(dst, protocols.Event{From: m.From, Action: protocols.ActionConnect}), nil
}

// Of what is only counted no message has to be found again behind a gap.
func TestCountingGoesOnBehindAGap(t *testing.T) {
	counted := toy
	counted.CountOnly = true
	counted.Length = func(b []byte) int { return len(b) }
	counted.New = func() protocols.Dissector { return &once{} }
	w := newWire(t)
	w.syn(hmi, plc)
	w.tcp(hmi, plc, request("ask"))
	w.lose(hmi, plc, 100)
	w.tcp(hmi, plc, []byte("whatever"))
	var sum protocols.Coverage
	err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{counted}}}, func(b *Batch) error {
		for i := range b.Flows {
			sum.Add(b.Flows[i].Coverage)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Recognised != 15 || sum.Gap != 100 || sum.Opaque != 0 {
		t.Errorf("coverage %+v, want 15 bytes recognised and 100 lost", sum)
	}
}
