package sensor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

func TestALaterRunForgetsNothing(t *testing.T) {
	before := state.Snapshot{
		Devices: []inventory.Device{{
			ID: "d", Vendor: "Siemens", Model: "CPU 315", Names: []string{"PLC-1"}, IPs: []string{"10.0.0.9"}, Type: "plc", Category: "OT",
			Criticality: "high", FirstSeen: noon, LastSeen: noon.Add(time.Hour), Compromise: inventory.Compromise{State: "confirmed"},
			Facts: []inventory.Fact{{Key: "model", Value: "CPU 315", Source: "s", FirstSeen: noon, LastSeen: noon}},
		}},
		Edges: []graph.Edge{{Client: "c", Server: "d", Actions: map[string]uint64{"read": 9, "write": 1}, Packets: 30, FirstSeen: noon, LastSeen: noon}},
	}
	now := func() state.Snapshot {
		return state.Snapshot{
			Devices: []inventory.Device{{
				ID: "d", Model: "CPU 317", IPs: []string{"10.0.0.10"}, Type: "workstation", Category: "Endpoint", Criticality: "low",
				FirstSeen: noon.Add(-time.Hour), LastSeen: noon, Compromise: inventory.Compromise{State: "none"},
			}},
			Edges: []graph.Edge{{Client: "c", Server: "d", Actions: map[string]uint64{"read": 4}, Packets: 50, FirstSeen: noon, LastSeen: noon.Add(time.Hour)}},
		}
	}
	want := state.Snapshot{
		Devices: []inventory.Device{{
			ID: "d", Vendor: "Siemens", Model: "CPU 317", Names: []string{"PLC-1"}, IPs: []string{"10.0.0.10", "10.0.0.9"}, Type: "plc",
			Category: "OT", Criticality: "high", FirstSeen: noon.Add(-time.Hour), LastSeen: noon.Add(time.Hour),
			Compromise: inventory.Compromise{State: "confirmed"}, Facts: before.Devices[0].Facts,
		}},
		Edges: []graph.Edge{{
			Client: "c", Server: "d", Actions: map[string]uint64{"read": 9, "write": 1}, Packets: 50, FirstSeen: noon, LastSeen: noon.Add(time.Hour),
		}},
	}
	got := now()
	newMemory(&before).remember(&got, false)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = now()
	newMemory(&before).remember(&got, true)
	if got.Devices[0].Compromise.State != "none" {
		t.Error("a run with verdicts of its own kept a compromise of an earlier one")
	}
}
