package uplink

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// TestConversionLosesNothing fails when a field is added to a record and not sent.
func TestConversionLosesNothing(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	verdict := detect.Verdict{ID: "1", IP: "2", Network: "3", MAC: "4", Name: "5", Device: "6", Site: "7", State: "8", Confidence: 9,
		Source: "10", Reason: "11", Reference: "12", Techniques: []string{"13"}, ValidFrom: &at, ValidUntil: &at, Added: at}
	asset := detect.Asset{Device: "1", Name: "2", IP: "3", Type: "4", Criticality: "5", Reason: "6"}
	for _, m := range []proto.Message{
		deviceMessage(inventory.Device{ID: "1", Site: "2", Parent: "3", Names: []string{"4"}, IPs: []string{"5"}, MACs: []string{"6"},
			VLANs: []uint16{7}, Vendor: "8", Model: "9", Firmware: "10", Serial: "11",
			Modules: []inventory.Module{{Place: "1", Name: "2", Firmware: "3", Serial: "4"}}, Type: "12", Category: "13",
			Purdue: "14", Zone: "15", Criticality: "16", Protocols: []string{"17"}, FirstSeen: at, LastSeen: at,
			Facts:      []inventory.Fact{{Key: "1", Value: "2", Module: "3", Source: "4", Confidence: 5, FirstSeen: at, LastSeen: at}},
			Compromise: inventory.Compromise{State: "18", Since: &at, Verdicts: []string{"19"}}, PublicIP: "20",
			Mode: "21", Owner: "22", Aliases: []string{"23"},
			Addresses: []inventory.Address{{IP: "1", MAC: "2", FirstSeen: at, LastSeen: at, Device: "3"}},
			Changes:   []inventory.Change{{Time: at, Key: "1", Module: "2", From: "3", To: "4", Source: "5"}}}),
		edgeMessage(graph.Edge{Client: "1", Server: "2", ClientIP: "3", ServerIP: "4", Protocol: "5", Port: 6,
			Actions: map[string]uint64{"7": 8}, Objects: []graph.Object{{Action: "1", Object: "2", Count: 3, FirstSeen: at, LastSeen: at, Baseline: "4"}},
			Count: 9, Packets: 10, Bytes: 11, FirstSeen: at, LastSeen: at, Baseline: "12", PacketsOut: 13, PacketsIn: 14, BytesOut: 15,
			BytesIn: 16, Interval: 17, Jitter: 18, Periodic: true, ClientZone: "19", ServerZone: "20", ID: "21", Answered: true,
			Acts: []graph.Act{{Action: "1", Count: 2, FirstSeen: at, LastSeen: at, Baseline: "3"}}}),
		alertMessage(detect.Alert{ID: "1", Site: "2", Rule: "3", Title: "4", Severity: "5", Level: "6", Time: at, LastTime: at,
			Actor: "7", Target: "8", ActorIP: "9", TargetIP: "10", Protocol: "11", Techniques: []string{"12"}, Description: "13",
			Evidence: []detect.Evidence{{File: "1", Frame: 2, Time: at, Protocol: "3", Message: "4", Action: protocols.ActionWrite,
				Outcome: protocols.OutcomeDone, Level: "5", Object: "6", Before: "7", After: "8"}},
			Impacted: []detect.Asset{asset}, Reach: []detect.Asset{asset}, RecommendedActions: []string{"14"}, Verdict: &verdict,
			Count: 15, Capture: "16", Revision: 17}),
		coverageMessage(graph.Coverage{ClientIP: "1", ServerIP: "2", Port: 3, Protocol: "4", Packets: 5, Bytes: 6, DecodedBytes: 7,
			RecognisedBytes: 8, OpaqueBytes: 9, EncryptedBytes: 10, Malformed: 11, GapBytes: 12, Total: true, Unanswered: 13,
			Conflicts: 14}),
	} {
		for _, missing := range unset("", m) {
			t.Errorf("%s is never sent", missing)
		}
	}
}

// unset gives the fields of a message, and of those in it, that have no value.
func unset(prefix string, m proto.Message) []string {
	var out []string
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := prefix + string(r.Descriptor().Name()) + "." + string(f.Name())
		switch {
		case !r.Has(f):
			out = append(out, name)
		case f.IsList() && f.Message() != nil:
			out = append(out, unset(name+" ", r.Get(f).List().Get(0).Message().Interface())...)
		case f.Message() != nil && !f.IsMap() && f.Message().FullName() != "google.protobuf.Timestamp":
			out = append(out, unset(name+" ", r.Get(f).Message().Interface())...)
		}
	}
	return out
}
