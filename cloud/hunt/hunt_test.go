package hunt_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/cloud/hunt"
	"github.com/spanwatch/spanwatch/cloud/hunt/kql"
	"github.com/spanwatch/spanwatch/cloud/store"
)

var day = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

// plant is a store with two sites whose addresses overlap.
func plant(t *testing.T) *hunt.Hunter {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	device := func(site, id, name, category, typ, vendor, public string, ips ...string) store.Device {
		return store.Device{
			ID: id, Site: site, Names: []string{name}, IPs: ips, Category: category, Type: typ, Vendor: vendor, PublicIP: public,
			Criticality: "high", FirstSeen: day, LastSeen: day.Add(time.Hour), Compromise: store.Compromise{State: "none"},
		}
	}
	batches := []store.Batch{
		{Site: "SanFrancisco", Sensor: "a", Devices: []store.Device{
			device("SanFrancisco", "d1", "eng-laptop", "Endpoint", "workstation", "", "192.168.1.1", "192.168.1.1", "10.9.0.4"),
			device("SanFrancisco", "d2", "PLC_1", "OT", "plc", "Siemens", "10.20.0.11", "10.20.0.11"),
			device("SanFrancisco", "d3", "plc-2", "OT", "plc", "Schneider Electric", "10.20.0.12", "10.20.0.12"),
		}, Alerts: []store.Alert{{
			ID: "a1", Site: "SanFrancisco", Rule: "compromise-impact", Title: "Possible operational impact due to a compromised device",
			Severity: "high", Level: "control", Time: day.Add(3 * time.Hour), LastTime: day.Add(4 * time.Hour), Actor: "d1", Target: "d2",
			ActorIP: "192.168.1.1", TargetIP: "10.20.0.11", Techniques: []string{"T0858"}, Revision: 1,
		}}},
		{Site: "Oslo", Sensor: "b", Devices: []store.Device{
			device("Oslo", "d4", "office", "Endpoint", "workstation", "", "192.168.1.1", "192.168.1.1"),
		}},
	}
	for i, b := range batches {
		b.Received = day.Add(5 * time.Hour)
		b.Position = store.Position{Epoch: "e", Lane: store.LaneRoutine, Sequence: uint64(i + 1)}
		if err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	return hunt.New(s)
}

func TestQueries(t *testing.T) {
	h := plant(t)
	tests := []struct{ query, want string }{
		{`DeviceInfo | where Site == "SanFrancisco" and PublicIP == "192.168.1.1" and DeviceCategory == "Endpoint" | project DeviceName`, "eng-laptop"},
		{`DeviceInfo | where Site == "SanFrancisco" and PublicIP == "10.9.0.4" | project DeviceName, PublicIP`, "eng-laptop 192.168.1.1"},
		{`DeviceInfo | where PublicIP in ("10.9.0.4", "10.20.0.12") | project DeviceName | sort by DeviceName asc`, "eng-laptop; plc-2"},
		{`DeviceInfo | where PublicIP != "192.168.1.1" | summarize dcount(DeviceId)`, "2"},
		{`DeviceInfo | summarize n = dcount(DeviceId) by Site | sort by n`, "SanFrancisco 3; Oslo 1"},
		{`DeviceInfo | where DeviceType == "plc" | distinct Vendor | sort by Vendor asc`, "Schneider Electric; Siemens"},
		{`DeviceInfo | where DeviceName has "plc" | project DeviceName`, "PLC_1; plc-2"}, // an underscore ends a term
		{`DeviceInfo | where DeviceName contains "PLC" | count`, "2"},
		{`DeviceInfo | where DeviceName startswith "plc" | count`, "2"},
		{`DeviceInfo | where DeviceName endswith "_1" | project DeviceId`, "d2"},
		{`DeviceInfo | where DeviceName =~ "plc_1" and Vendor !~ "abb" | project DeviceId`, "d2"},
		{`DeviceInfo | where DeviceName in~ ("PLC-2", "none") | project DeviceId`, "d3"},
		{`DeviceInfo | where IPAddresses has "10.9.0.4" | project array_length(IPAddresses)`, "2"},
		{`DeviceInfo | where Vendor == "" | project DeviceId | sort by DeviceId desc | take 1`, "d4"},
		{`DeviceInfo | where isempty(OSPlatform) and isnull(OSBuild) | count`, "4"},
		{`DeviceInfo | top 2 by DeviceId asc | project DeviceId`, "d1; d2"},
		{`DeviceInfo | sort by DeviceId desc | project strcat(Site, "/", DeviceId) | take 2`, "Oslo/d4; SanFrancisco/d3"},
		{`DeviceInfo | extend plc = iff(DeviceType == "plc", 1, 0) | summarize sum(plc), avg(plc), max(Timestamp)`, "2 0.5 2026-01-02T01:00:00.000000000Z"},
		{`AlertInfo | where Timestamp between (datetime(2026-01-02) .. 1d) | project Severity, ImpactLevel`, "High control"},
		{`AlertInfo | where Timestamp > datetime(2026-01-02 03:00:01)`, ""},
		{`AlertInfo | where ServiceSource == "Spanwatch" | summarize count() by bin(Timestamp, 1d)`, "2026-01-02T00:00:00.000000000Z 1"},
		{`AlertEvidence | where EvidenceRole == "impacted" | project DeviceName`, "PLC_1"},
		{`DeviceInfo | where Site == "Oslo" | project-away Timestamp | project DeviceId, x = 1 + 2 * 3, y = -1`, "d4 7 -1"},
		{`DeviceInfo | where ReportId >= "0" and tostring(ReportId) != "x" | summarize countif(Site == "Oslo")`, "1"},
		{"DeviceInfo // all of them\n| count;", "4"},
	}
	for _, test := range tests {
		result, err := h.Run(t.Context(), test.query)
		if err != nil {
			t.Errorf("%s: %v", test.query, err)
			continue
		}
		var rows []string
		for _, row := range result.Rows {
			cells := make([]string, len(row))
			for i := range row {
				cells[i] = fmt.Sprint(row[i])
			}
			rows = append(rows, strings.Join(cells, " "))
		}
		if diff := cmp.Diff(test.want, strings.Join(rows, "; ")); diff != "" {
			t.Errorf("%s:\n%s", test.query, diff)
		}
	}
}

func TestFaultsKeepTheirPosition(t *testing.T) {
	h := plant(t)
	_, err := h.Run(t.Context(), "DeviceInfo | where Sit == 'x'")
	var fault *kql.Error
	if !errors.As(err, &fault) || fault.Column != 20 {
		t.Errorf("error %v, want a fault in column 20", err)
	}
}

func TestCancelledQueryEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := plant(t).Run(ctx, "DeviceInfo"); err == nil {
		t.Error("a cancelled query gave a result")
	}
}

// What is known of a device can change without its being seen again: each change is a row, and none erases another.
func TestEveryChangeIsARow(t *testing.T) {
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "cloud.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, compromise := range []string{"suspected", "confirmed", "confirmed", "none"} {
		err := s.Apply(t.Context(), store.Batch{
			Site: "Oslo", Sensor: "a", Received: day, Position: store.Position{Epoch: "e", Lane: store.LaneRoutine, Sequence: uint64(i + 1)},
			Devices: []store.Device{{ID: "d", Site: "Oslo", FirstSeen: day, LastSeen: day, Compromise: store.Compromise{State: compromise}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	result, err := hunt.New(s).Run(t.Context(), "DeviceInfo | sort by ReportId asc | project CompromiseState")
	if err != nil {
		t.Fatal(err)
	}
	want := [][]any{{"suspected"}, {"confirmed"}, {"none"}}
	if diff := cmp.Diff(want, result.Rows); diff != "" {
		t.Error(diff)
	}
}
