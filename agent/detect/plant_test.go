package detect

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// step is one thing that the analyst is told.
type step struct {
	flow  *protocols.Flow
	event *protocols.Event
}

// plant makes steps as a capture of a small plant would, and runs them through inventory, graph and detector.
type plant struct {
	t     testing.TB
	now   time.Time
	frame uint64
	convs uint64
	steps []step
}

func newPlant(t testing.TB) *plant { return &plant{t: t, now: epoch} }

func endpoint(ip string, port uint16) protocols.Endpoint {
	a := netip.MustParseAddr(ip)
	raw := a.As16()
	mac := protocols.MAC{2, 0, raw[12], raw[13], raw[14], raw[15]}
	if a.IsLoopback() {
		mac = protocols.MAC{}
	}
	return protocols.Endpoint{Addr: a, Port: port, MAC: mac}
}

func (p *plant) wait(d time.Duration) *plant {
	p.now = p.now.Add(d)
	return p
}

func (p *plant) next() (time.Time, uint64) {
	p.now = p.now.Add(10 * time.Millisecond)
	p.frame++
	return p.now, p.frame
}

// open starts a conversation that is answered.
func (p *plant) open(client, server string, port uint16) *protocols.Conversation {
	return p.dial(client, server, port, false)
}

func (p *plant) dial(client, server string, port uint16, refused bool) *protocols.Conversation {
	p.convs++
	c := &protocols.Conversation{
		ID: p.convs, Client: endpoint(client, uint16(49152+p.convs%1000)), Server: endpoint(server, port),
		Transport: protocols.TransportTCP, Proven: true,
	}
	at, frame := p.next()
	f := &protocols.Flow{
		Conv: c, Packets: [2]uint64{1, 1}, Bytes: [2]uint64{60, 60}, First: at, Last: at, Frame: frame, Opened: 1, Answered: 1, Began: true,
	}
	if refused {
		f.Answered, f.Refused = 0, 1
	}
	p.steps = append(p.steps, step{flow: f})
	return c
}

// join meets a conversation that is older than the capture.
func (p *plant) join(client, server string, port uint16) *protocols.Conversation {
	c := p.dial(client, server, port, false)
	p.steps[len(p.steps)-1].flow.Began = false
	return c
}

func (p *plant) event(c *protocols.Conversation, e protocols.Event) {
	e.Time, e.Frame = p.next()
	e.Conv, e.Protocol = c, "toy"
	p.steps = append(p.steps, step{event: &e})
}

// ask is a request and its answer.
func (p *plant) ask(c *protocols.Conversation, a protocols.Action, message string, o protocols.Object, outcome protocols.Outcome) {
	p.event(c, protocols.Event{From: protocols.Client, Action: a, Outcome: protocols.OutcomeAsked, Message: message, Object: o})
	p.answer(c, a, message, o, outcome, protocols.Values{})
}

func (p *plant) answer(c *protocols.Conversation, a protocols.Action, message string, o protocols.Object, outcome protocols.Outcome, v protocols.Values) {
	if outcome == protocols.OutcomeDone || outcome == protocols.OutcomeRefused {
		p.event(c, protocols.Event{From: protocols.Server, Action: a, Outcome: outcome, Message: message, Object: o, Values: v})
	}
}

func words(values ...uint16) protocols.Values {
	var raw []byte
	for _, v := range values {
		raw = binary.BigEndian.AppendUint16(raw, v)
	}
	return protocols.Values{Type: protocols.ValueWords, Raw: raw}
}

func registers(first uint32, count uint32) protocols.Object {
	return protocols.Object{Area: "holding-register", Unit: 1, HasUnit: true, First: first, Count: count}
}

func (p *plant) read(c *protocols.Conversation, first uint32, values ...uint16) {
	o := registers(first, uint32(len(values)))
	p.event(c, protocols.Event{From: protocols.Client, Action: protocols.ActionRead, Outcome: protocols.OutcomeAsked, Message: "Read Holding Registers", Object: o})
	p.answer(c, protocols.ActionRead, "Read Holding Registers", o, protocols.OutcomeDone, words(values...))
}

func (p *plant) write(c *protocols.Conversation, outcome protocols.Outcome, first uint32, values ...uint16) {
	o := registers(first, uint32(len(values)))
	p.event(c, protocols.Event{
		From: protocols.Client, Action: protocols.ActionWrite, Outcome: protocols.OutcomeAsked, Message: "Write Multiple Registers",
		Object: o, Values: words(values...),
	})
	p.answer(c, protocols.ActionWrite, "Write Multiple Registers", o, outcome, protocols.Values{})
}

// analyst is the three parts wired as the sensor wires them.
type analyst struct {
	inventory *inventory.Inventory
	graph     *graph.Graph
	detector  *Detector
	emitted   []Alert
}

func newAnalyst() *analyst {
	a := &analyst{inventory: inventory.New(inventory.Config{Site: "Harbour"})}
	a.graph = graph.New(graph.Config{}, a.inventory.ID)
	a.detector = New(Config{
		Site: "Harbour", Files: []string{"plant.pcap"}, Emit: func(x Alert) { a.emitted = append(a.emitted, x) },
	}, a.inventory, a.graph)
	return a
}

func (a *analyst) step(s step) {
	if s.flow != nil {
		a.inventory.Flow(s.flow)
		a.graph.Flow(s.flow)
		a.detector.Flow(s.flow)
		return
	}
	a.inventory.Event(s.event)
	a.graph.Event(s.event)
	a.detector.Event(s.event)
}

// run plays all steps with the verdicts set before, and finishes.
func (p *plant) run(verdicts ...Verdict) *analyst {
	a := newAnalyst()
	a.detector.SetVerdicts(verdicts)
	last := epoch
	for _, s := range p.steps {
		a.step(s)
		at := s.time()
		if at.Sub(last) >= time.Second {
			last = at
			a.detector.Advance(at)
		}
	}
	a.detector.Finish()
	return a
}

func (s step) time() time.Time {
	if s.flow != nil {
		return s.flow.Last
	}
	return s.event.Time
}

func confirmed(ip string) Verdict {
	return Verdict{ID: "v-" + ip, IP: ip, State: StateConfirmed, Confidence: 95, Source: "edr", Reason: "beacon to a known server"}
}

func (a *analyst) alert(t testing.TB, actor, target string) Alert {
	t.Helper()
	for _, x := range a.detector.Alerts() {
		if x.ActorIP == actor && x.TargetIP == target {
			return x
		}
	}
	t.Fatalf("no alert about %s and %s among %d", actor, target, len(a.detector.Alerts()))
	return Alert{}
}
