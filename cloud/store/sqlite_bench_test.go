package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/cloud/store"
)

// BenchmarkApply stores batches of 500 records from one sensor, every batch on the disk before the next.
func BenchmarkApply(b *testing.B) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, fill := range map[string]func(batch *store.Batch, n int){
		"devices": func(batch *store.Batch, n int) {
			batch.Devices = append(batch.Devices, store.Device{ID: fmt.Sprint("d", n), Names: []string{"PLC"}, IPs: []string{"10.0.0.9"},
				MACs: []string{"00:11:22:33:44:55"}, Vendor: "Siemens", Model: "S7-315", Type: "plc", Category: "OT", FirstSeen: at, LastSeen: at,
				Facts: []store.Fact{{Key: "vendor", Value: "Siemens", Source: "s7comm: Read SZL", FirstSeen: at, LastSeen: at}}})
		},
		"edges": func(batch *store.Batch, n int) {
			batch.Edges = append(batch.Edges, store.Edge{Client: fmt.Sprint("c", n), Server: "s", Protocol: "modbus", Port: 502,
				Actions: map[string]uint64{"read": 100, "write": 3}, FirstSeen: at, LastSeen: at})
		},
		"alerts": func(batch *store.Batch, n int) {
			batch.Alerts = append(batch.Alerts, store.Alert{ID: fmt.Sprint("a", n), Revision: 1, Rule: "compromise-impact", Severity: "high",
				Level: "write", Time: at, LastTime: at, ActorIP: "10.0.0.5", TargetIP: "10.0.0.9", Techniques: []string{"T0855"}})
		},
	} {
		b.Run(name, func(b *testing.B) {
			s, err := store.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "store.db"))
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			const size = 500
			sequence := uint64(0)
			for b.Loop() {
				batch := store.Batch{Site: "north", Sensor: "s1", Received: at}
				for i := range size {
					fill(&batch, int(sequence)+i)
				}
				sequence += size
				batch.Position = store.Position{Epoch: "e", Lane: store.LaneRoutine, Sequence: sequence}
				if err := s.Apply(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(sequence)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
