package sensor

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/agent/pipeline"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/protocols"
)

// largeSite is a site of so many devices, each with ten edges as a client and fifty variables as a server: it polls two
// neighbours for twenty registers each and one for ten nodes, writes to one, browses one, and has five edges of which
// nothing but the protocol is known.
type largeSite struct{ devices int }

const (
	edgesEach     = 10
	variablesEach = 50
)

var largeBegin = time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)

func (s *largeSite) endpoint(n int) protocols.Endpoint {
	return protocols.Endpoint{
		Addr: netip.AddrFrom4([4]byte{10, 1 + byte(n>>16), byte(n >> 8), byte(n)}),
		MAC:  protocols.MAC{0x00, 0x1b, 0x1b, byte(n >> 12), byte(n >> 4), byte(n << 4)},
	}
}

// converse gives the conversation of a device with the k-th of those that it asks, which is a device too.
func (s *largeSite) converse(client, k int) (c *protocols.Conversation, server int) {
	server = (client + 1 + k*7) % s.devices
	c = &protocols.Conversation{
		ID: uint64(client*edgesEach + k + 1), Client: s.endpoint(client), Server: s.endpoint(server), Transport: protocols.TransportTCP, Proven: true,
	}
	c.Client.Port, c.Server.Port = uint16(40000+k), 502
	if k >= 5 {
		c.Server.Port = uint16(80 + k)
	}
	return c, server
}

// speak appends what passes over one edge in a round.
func (s *largeSite) speak(b *pipeline.Batch, client, k, round int) {
	c, server := s.converse(client, k)
	at := largeBegin.Add(time.Duration(round)*time.Second + time.Duration(client)*time.Microsecond)
	f := protocols.Flow{
		Conv: c, Protocol: "polling", Packets: [2]uint64{2, 2}, Bytes: [2]uint64{140, 220}, First: at, Last: at, Answered: 1, Opened: 1,
		Coverage: protocols.Coverage{Decoded: 80, Messages: 2},
	}
	if k >= 5 {
		f.Protocol, f.Ordinary, f.Coverage = "web", true, protocols.Coverage{Recognised: 300}
	}
	b.Flows = append(b.Flows, f)
	exchange := func(action protocols.Action, o protocols.Object, v protocols.Values) {
		e := protocols.Event{
			Time: at, Conv: c, Protocol: "polling", From: protocols.Client, Action: action, Outcome: protocols.OutcomeAsked, Object: o, Message: "Poll",
		}
		b.Events = append(b.Events, e)
		e.From, e.Outcome, e.Values = protocols.Server, protocols.OutcomeDone, v
		if round == 0 && k == 0 {
			e.Facts = s.facts(server)
		}
		b.Events = append(b.Events, e)
	}
	switch {
	case k < 2:
		raw := make([]byte, 40)
		for n := range 20 {
			binary.BigEndian.PutUint16(raw[2*n:], uint16(n*100+server%50+round*n%3))
		}
		exchange(protocols.ActionRead, protocols.Object{Area: "holding-register", Unit: 1, HasUnit: true, First: uint32(100 * k), Count: 20},
			protocols.Values{Type: protocols.ValueWords, Raw: raw})
	case k == 2:
		for n := range 10 {
			exchange(protocols.ActionRead, protocols.Object{Area: "node", Name: "ns=2;s=Line" + strconv.Itoa(server%50) + ".Tag" + strconv.Itoa(n)},
				protocols.Values{Type: protocols.ValueFloat, Raw: binary.LittleEndian.AppendUint32(nil, 0x3fc00000+uint32(n+round%5))})
		}
	case k == 3:
		exchange(protocols.ActionWrite, protocols.Object{Area: "coil", Unit: 1, HasUnit: true, First: 7, Count: 1}, protocols.Values{})
	case k == 4:
		exchange(protocols.ActionBrowse, protocols.Object{Area: "node", Name: "ns=0;i=85"}, protocols.Values{})
	}
}

func (s *largeSite) facts(n int) []protocols.Fact {
	about := func(key protocols.FactKey, value string) protocols.Fact {
		return protocols.Fact{About: protocols.Server, Key: key, Value: value}
	}
	return []protocols.Fact{
		about(protocols.FactVendor, "Northfield Controls"), about(protocols.FactModel, "NC-400"), about(protocols.FactFirmware, "V4.2.1"),
		about(protocols.FactSerial, fmt.Sprintf("NF%08d", n)), about(protocols.FactName, fmt.Sprintf("Line%d-Cell%d", n/50, n%50)), about(protocols.FactMode, "run"),
	}
}

// round shows an analyst one round of all that the site says, batch by batch.
func (s *largeSite) round(an *analyst, round int) {
	for client := range s.devices {
		b := new(pipeline.Batch)
		for k := range edgesEach {
			s.speak(b, client, k, round)
		}
		s.show(an, b)
	}
}

// show shows a batch to the parts that make up the model. Detection remembers deeds, not the site.
func (s *largeSite) show(an *analyst, b *pipeline.Batch) {
	for i := range b.Flows {
		an.inventory.Flow(&b.Flows[i])
		an.graph.Flow(&b.Flows[i])
	}
	for i := range b.Events {
		an.inventory.Event(&b.Events[i])
		an.graph.Event(&b.Events[i])
		an.process.Event(&b.Events[i])
	}
}

// resident gives how many bytes of memory the process has, and had at most since this was asked last.
func resident(tb testing.TB) (now, most float64) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Skip("tells memory on Linux only")
	}
	for line := range strings.Lines(string(status)) {
		var kib float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kib); n == 1 {
			now = kib * 1024
		}
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kib); n == 1 {
			most = kib * 1024
		}
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200); err != nil {
		tb.Log("the peak is that since the process began: ", err)
	}
	return now, most
}

// BenchmarkSite is the cost of an event at growing sizes of a site, all parts of the model together.
func BenchmarkSite(b *testing.B) {
	for _, devices := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("devices=%d", devices), func(b *testing.B) {
			s := largeSite{devices}
			an, err := newAnalyst(Config{Site: "Harbour", LearnUntil: largeBegin}, nil, new(state.Resumed), nil)
			if err != nil {
				b.Fatal(err)
			}
			for round := range 3 {
				s.round(an, round)
			}
			var batches []*pipeline.Batch
			events := 0
			for n := range 100 {
				batch := new(pipeline.Batch)
				for k := range 5 {
					s.speak(batch, n*devices/100, k, 3)
				}
				events += len(batch.Events)
				batches = append(batches, batch)
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, batch := range batches {
					s.show(an, batch)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*events), "ns/event")
		})
	}
}

// BenchmarkWholeSite makes the largest site that a sensor is for, saves it, saves it again with news of every device, and
// starts on what was saved, within the memory that a sensor takes.
func BenchmarkWholeSite(b *testing.B) {
	for b.Loop() {
		debug.FreeOSMemory()
		idle, _ := resident(b)
		s := largeSite{10_000}
		cfg := Config{Site: "Harbour", StateDir: filepath.Join(b.TempDir(), "state"), Log: slog.New(slog.DiscardHandler)}
		rounds := func(from, to int) (took [2]time.Duration) {
			began := time.Now()
			run, err := openRun(b.Context(), &cfg, nil)
			if err != nil {
				b.Fatal(err)
			}
			defer run.close()
			took[0] = time.Since(began)
			for round := from; round < to; round++ {
				s.round(run.an, round)
				boundMemory() // as every save does
			}
			began = time.Now()
			if err := demand(run.w, run.an); err != nil {
				b.Fatal(err)
			}
			took[1] = time.Since(began)
			h := run.w.saving.Load()
			if v := run.an.process.Stats().Variables; h.devices != s.devices || h.edges != s.devices*edgesEach || v != s.devices*variablesEach {
				b.Fatalf("%d devices, %d edges and %d variables", h.devices, h.edges, v)
			}
			return took
		}
		first := rounds(0, 4)
		now, most := resident(b)
		second := rounds(4, 5)
		_, mostAgain := resident(b)
		b.ReportMetric(first[1].Seconds(), "save-s")
		b.ReportMetric(second[0].Seconds(), "restart-s")
		b.ReportMetric(second[1].Seconds(), "save-again-s")
		b.ReportMetric((most)/1e6, "peak-MB")
		b.ReportMetric((mostAgain)/1e6, "peak-again-MB")
		b.ReportMetric(now/1e6, "rss-MB")
		b.ReportMetric(idle/1e6, "idle-MB")
	}
}
