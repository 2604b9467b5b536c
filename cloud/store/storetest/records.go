package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/cloud/store"
)

func recordsComeBack(t *testing.T, open Open) {
	s := open(t, "a")
	b := batch(4)
	b.Devices = []store.Device{device("plc")}
	b.Edges = []store.Edge{edge("ws", "plc")}
	b.Alerts = []store.Alert{alert("a1", 1)}
	b.Coverage = []store.Coverage{{ClientIP: "10.0.0.5", ServerIP: "10.0.0.9", Port: 502, Protocol: "modbus", Packets: 9}}
	apply(t, s, b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = open(t, "a")
	defer s.Close()
	ctx := t.Context()
	equal(t, must[[]store.Device](t)(s.Devices(ctx, store.DeviceFilter{})), b.Devices)
	equal(t, must[store.Device](t)(s.Device(ctx, "north", "plc")), b.Devices[0])
	equal(t, must[[]store.Edge](t)(s.Edges(ctx, "north")), b.Edges)
	equal(t, must[[]store.Alert](t)(s.Alerts(ctx, store.AlertFilter{})), b.Alerts)
	equal(t, must[store.Alert](t)(s.Alert(ctx, "north", "a1")), b.Alerts[0])
	equal(t, must[[]store.Position](t)(s.Positions(ctx, "north", "s1", "e1")), []store.Position{b.Position})

	if _, err := s.Device(ctx, "north", "none"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown device: %v", err)
	}
	if _, err := s.Alert(ctx, "south", "a1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("alert of another site: %v", err)
	}
	if _, err := s.Incident(ctx, 1); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown incident: %v", err)
	}
}

func sitesAndSensors(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	ctx := t.Context()
	if err := s.AddSite(ctx, store.Site{Name: "south", Location: "Porto", Created: t0}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddSite(ctx, store.Site{Name: "south", Description: "Mill", Created: t1}); err != nil {
		t.Fatal(err)
	}
	if err := s.AddSite(ctx, store.Site{}); err == nil {
		t.Error("a site without a name was added")
	}
	b := batch(1)
	b.Devices = []store.Device{device("plc"), device("hmi")}
	b.Gaps = []store.Gap{{FirstSequence: 1, LastSequence: 5, Dropped: 5}}
	apply(t, s, b)
	b = batch(2)
	b.Version, b.Received, b.Gaps = "", t1.Add(time.Minute), []store.Gap{{FirstSequence: 9, LastSequence: 9, Dropped: 1}}
	apply(t, s, b)

	equal(t, must[[]store.Site](t)(s.Sites(ctx)), []store.Site{
		{Name: "north", Created: t1, Devices: 2, Sensors: 1},
		{Name: "south", Location: "Porto", Description: "Mill", Created: t0},
	})
	want := []store.Sensor{{Site: "north", Name: "s1", Version: "1.2.3", LastSeen: t1.Add(time.Minute), Dropped: 6}}
	equal(t, must[[]store.Sensor](t)(s.Sensors(ctx, "north")), want)
	equal(t, must[[]store.Sensor](t)(s.Sensors(ctx, "")), want)
	equal(t, must[[]store.Sensor](t)(s.Sensors(ctx, "south")), []store.Sensor(nil))
}

func batchTwice(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	b := batch(7)
	b.Alerts = []store.Alert{alert("a1", 2)}
	b.Gaps = []store.Gap{{FirstSequence: 1, LastSequence: 5, Dropped: 5}}
	apply(t, s, b)
	apply(t, s, b)

	// The same position with other content, and an older one, are no news either.
	again := batch(7)
	again.Alerts = []store.Alert{alert("a1", 9), alert("a2", 1)}
	apply(t, s, again)
	again.Position.Sequence = 6
	apply(t, s, again)

	ctx := t.Context()
	equal(t, must[[]store.Alert](t)(s.Alerts(ctx, store.AlertFilter{})), b.Alerts)
	equal(t, must[[]store.Sensor](t)(s.Sensors(ctx, ""))[0].Dropped, uint64(5))

	// Another lane, epoch or sensor counts for itself.
	for i, p := range []store.Position{{Epoch: "e1", Lane: store.LaneRoutine, Sequence: 1}, {Epoch: "e2", Lane: store.LaneAlert, Sequence: 1}} {
		other := batch(0)
		other.Position, other.Alerts = p, []store.Alert{alert(fmt.Sprint("b", i), 1)}
		apply(t, s, other)
	}
	equal(t, len(must[[]store.Alert](t)(s.Alerts(ctx, store.AlertFilter{}))), 3)
	equal(t, must[[]store.Position](t)(s.Positions(ctx, "north", "s1", "e1")), []store.Position{
		{Epoch: "e1", Lane: store.LaneAlert, Sequence: 7}, {Epoch: "e1", Lane: store.LaneRoutine, Sequence: 1}})
}

func batchAtomic(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := batch(1)
	b.Alerts = []store.Alert{alert("a1", 1)}
	if err := s.Apply(ctx, b); err == nil {
		t.Error("a batch was stored for a caller that has gone")
	}
	bad := batch(math.MaxUint64)
	bad.Alerts = []store.Alert{alert("a1", 1)}
	if err := s.Apply(t.Context(), bad); err == nil {
		t.Error("a sequence that no column can hold was stored")
	}
	bad = batch(1)
	bad.Site = ""
	if err := s.Apply(t.Context(), bad); err == nil {
		t.Error("a batch without a site was stored")
	}
	equal(t, must[[]store.Alert](t)(s.Alerts(t.Context(), store.AlertFilter{})), []store.Alert(nil))
	equal(t, must[[]store.Position](t)(s.Positions(t.Context(), "north", "s1", "e1")), []store.Position(nil))
}

func sitesApart(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	for _, site := range []string{"north", "south"} {
		b := batch(1)
		b.Site = site
		b.Devices, b.Edges, b.Alerts = []store.Device{device("plc")}, []store.Edge{edge("ws", "plc")}, []store.Alert{alert("a1", 1)}
		b.Devices[0].Vendor = "vendor of " + site
		apply(t, s, b)
	}
	ctx := t.Context()
	for _, site := range []string{"north", "south"} {
		equal(t, must[store.Device](t)(s.Device(ctx, site, "plc")).Vendor, "vendor of "+site)
		equal(t, len(must[[]store.Edge](t)(s.Edges(ctx, site))), 1)
		equal(t, must[store.Alert](t)(s.Alert(ctx, site, "a1")).Site, site)
		equal(t, must[store.Device](t)(s.Device(ctx, site, "plc")).Site, site)
	}
}

func alertRevisions(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	ctx := t.Context()
	for i, step := range []struct {
		revision uint64
		level    string
		want     string
	}{{3, "write", "write"}, {2, "read", "write"}, {3, "read", "write"}, {4, "control", "control"}} {
		b := batch(uint64(i + 1))
		b.Received = t1.Add(time.Duration(i) * time.Minute)
		b.Alerts = []store.Alert{alert("a1", step.revision)}
		b.Alerts[0].Level, b.Alerts[0].Incident = step.level, 99
		apply(t, s, b)
		got := must[store.Alert](t)(s.Alert(ctx, "north", "a1"))
		equal(t, got.Level, step.want)
		equal(t, got.Received, t1) // when it first came
		if i == 0 {
			equal(t, got.Incident, int64(0)) // a sensor has no say in incidents
			must[int64](t)(s.SaveIncident(ctx, store.Incident{Site: "north", Alerts: []string{"a1"}}))
		} else if got.Incident == 0 {
			t.Error("an update took the alert out of its incident")
		}
	}
}

func deviceBySensors(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	apply1 := func(sensor string, sequence uint64, model string, first, last time.Time) store.Device {
		b := batch(sequence)
		b.Sensor = sensor
		d := device("plc")
		d.Model, d.FirstSeen, d.LastSeen = model, first, last
		b.Devices = []store.Device{d}
		apply(t, s, b)
		return must[store.Device](t)(s.Device(t.Context(), "north", "plc"))
	}
	equal(t, apply1("s1", 1, "one", t1, t1).Model, "one")
	equal(t, apply1("s2", 1, "older", t0, t0).Model, "one")
	d := apply1("s1", 2, "two", t0, t0) // its own sensor may correct itself
	equal(t, []any{d.Model, d.FirstSeen, d.LastSeen}, []any{"two", t0, t1})
	d = apply1("s2", 2, "three", t1.Add(time.Hour), t1.Add(time.Hour))
	equal(t, []any{d.Model, d.Sensor, d.FirstSeen}, []any{"three", "s2", t0})
}

func concurrentWriters(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	const sensors, batches = 8, 20
	var wg sync.WaitGroup
	for i := range sensors {
		wg.Go(func() {
			for n := range batches {
				b := batch(uint64(n + 1))
				b.Sensor = fmt.Sprint("s", i)
				b.Alerts = []store.Alert{alert(fmt.Sprint(i, "-", n), 1)}
				if err := s.Apply(t.Context(), b); err != nil {
					t.Error(err)
					return
				}
				if got, err := s.Alert(t.Context(), "north", b.Alerts[0].ID); err != nil || got.Sensor != b.Sensor {
					t.Errorf("an applied alert is not there: %v %v", got.Sensor, err)
				}
			}
		})
	}
	wg.Wait()
	equal(t, len(must[[]store.Alert](t)(s.Alerts(t.Context(), store.AlertFilter{}))), sensors*batches)
}

func closedStore(t *testing.T, open Open) {
	s := open(t, "a")
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Apply(t.Context(), batch(1)); err == nil {
		t.Error("Apply after Close")
	}
	if _, err := s.Sites(t.Context()); err == nil {
		t.Error("Sites after Close")
	}
}
