// Package storetest is the conformance suite that every engine of the collector's store passes. It owns no state and
// needs nothing but a way to open a store.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/spanwatch/spanwatch/cloud/store"
)

// Open opens the store of a name. A name that was opened and closed before gives the same store again; another test
// or name gives an empty one.
type Open func(t *testing.T, name string) store.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, Open){
		"records come back as they were stored": recordsComeBack,
		"sites and sensors":                     sitesAndSensors,
		"a batch twice is stored once":          batchTwice,
		"a batch is all or nothing":             batchAtomic,
		"sites do not see each other":           sitesApart,
		"an alert rises and never falls":        alertRevisions,
		"a device by two sensors":               deviceBySensors,
		"filters":                               filters,
		"incidents":                             incidents,
		"device history":                        deviceHistory,
		"views have the columns of the field":   viewColumns,
		"views of alerts":                       alertViews,
		"select is bounded and read-only":       selectBounds,
		"select ends with its context":          selectInterrupted,
		"writers at the same time":              concurrentWriters,
		"a closed store refuses":                closedStore,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

var (
	t0 = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
	t1 = t0.Add(time.Hour)
)

func device(id string) store.Device {
	return store.Device{
		ID: id, Site: "north", Sensor: "s1", Names: []string{"PLC-" + id, "alias"}, IPs: []string{"10.0.0.9", "fe80::1"},
		MACs: []string{"00:11:22:33:44:55"}, VLANs: []uint16{10}, Vendor: "Siemens", Model: "S7-315", Firmware: "V3.2",
		Serial: "SN-1", Modules: []store.Module{{Place: "0/2", Name: "CPU"}}, Type: "plc", Category: "OT", Purdue: "1",
		Zone: "cell-1", Criticality: "high", Protocols: []string{"s7comm"}, FirstSeen: t0, LastSeen: t0,
		Facts: []store.Fact{{Key: "os", Value: "VxWorks", Source: "s7comm: Read SZL", Confidence: 90, FirstSeen: t0,
			LastSeen: t0}},
		Compromise: store.Compromise{State: "none"}, PublicIP: "10.0.0.9",
	}
}

func alert(id string, revision uint64) store.Alert {
	return store.Alert{
		ID: id, Site: "north", Sensor: "s1", Rule: "compromise-impact",
		Title:    "Possible operational impact due to a compromised device",
		Severity: "high", Level: "write", Time: t0, LastTime: t1, Actor: "ws", Target: "plc", ActorIP: "10.0.0.5",
		TargetIP: "10.0.0.9", Protocol: "modbus", Techniques: []string{"T0836", "T0855"}, Description: "It wrote.",
		Evidence: []store.Evidence{{File: "a.pcap", Frame: 7, Time: t0, Protocol: "modbus", Message: "Write Single Register",
			Action: "write", Outcome: "done", Level: "write", Object: "holding-register 3", Before: "1", After: "2"}},
		Impacted: []store.Asset{{Device: "plc", IP: "10.0.0.9", Type: "plc", Reason: "was written to"},
			{Device: "drive", IP: "10.0.0.10", Type: "drive", Reason: "is controlled by it"}},
		Reach:              []store.Asset{{Device: "io", IP: "10.0.0.11", Type: "io", Reason: "one hop"}},
		RecommendedActions: []string{"Isolate it."}, Verdict: &store.Verdict{ID: "v1", IP: "10.0.0.5", State: "confirmed",
			Confidence: 90, ValidFrom: &t0}, Count: 3, Capture: "a.pcap", Revision: revision, Received: t1,
	}
}

func edge(client, server string) store.Edge {
	return store.Edge{
		Site: "north", Client: client, Server: server, ClientIP: "10.0.0.5", ServerIP: "10.0.0.9", Protocol: "modbus", Port: 502,
		Actions: map[string]uint64{"read": 120, "write": 3}, Objects: []store.EdgeObject{{Action: "write", Object: "x", Count: 3}},
		ObjectCount: 1, Packets: 10, Bytes: 1000, FirstSeen: t0, LastSeen: t1, Baseline: "known",
	}
}

// batch is a batch of the alert lane that reaches a position.
func batch(sequence uint64) store.Batch {
	return store.Batch{Site: "north", Sensor: "s1", Received: t1, Version: "1.2.3",
		Position: store.Position{Epoch: "e1", Lane: store.LaneAlert, Sequence: sequence}}
}

func apply(t *testing.T, s store.Store, b store.Batch) {
	t.Helper()
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

// must gives a call's value, or ends the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

func ids[T any](all []T, id func(T) string) []string {
	var out []string
	for _, x := range all {
		out = append(out, id(x))
	}
	return out
}

func deviceID(d store.Device) string { return d.ID }
func alertID(a store.Alert) string   { return a.ID }

// rows runs a statement of hunting and gives its rows as maps.
func rows(t *testing.T, s store.Store, text string, args ...any) []map[string]any {
	t.Helper()
	columns, all, more, err := s.Select(context.Background(), text, args, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if more {
		t.Fatal("more rows than the test expects")
	}
	var out []map[string]any
	for _, row := range all {
		m := map[string]any{}
		for i, c := range columns {
			m[c] = row[i]
		}
		out = append(out, m)
	}
	return out
}
