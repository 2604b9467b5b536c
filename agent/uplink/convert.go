package uplink

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// stamp gives a time's message; the zero time has none.
func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func stampOf(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

// each converts a list.
func each[From, To any](all []From, convert func(From) To) []To {
	if len(all) == 0 {
		return nil
	}
	out := make([]To, len(all))
	for i, x := range all {
		out[i] = convert(x)
	}
	return out
}

func deviceMessage(d inventory.Device) *spanwatchv1.Device {
	return &spanwatchv1.Device{
		Id: d.ID, Site: d.Site, Parent: d.Parent, Names: d.Names, Ips: d.IPs, Macs: d.MACs,
		Vlans:  each(d.VLANs, func(v uint16) uint32 { return uint32(v) }),
		Vendor: d.Vendor, Model: d.Model, Firmware: d.Firmware, Serial: d.Serial,
		Modules: each(d.Modules, func(m inventory.Module) *spanwatchv1.Module {
			return &spanwatchv1.Module{Place: m.Place, Name: m.Name, Firmware: m.Firmware, Serial: m.Serial}
		}),
		Type: d.Type, Category: d.Category, Purdue: d.Purdue, Zone: d.Zone, Criticality: d.Criticality,
		Protocols: d.Protocols, FirstSeen: stamp(d.FirstSeen), LastSeen: stamp(d.LastSeen),
		Facts: each(d.Facts, func(f inventory.Fact) *spanwatchv1.Fact {
			return &spanwatchv1.Fact{
				Key: string(f.Key), Value: f.Value, Module: f.Module, Source: f.Source, Confidence: uint32(f.Confidence),
				FirstSeen: stamp(f.FirstSeen), LastSeen: stamp(f.LastSeen),
			}
		}),
		Compromise: &spanwatchv1.Compromise{
			State: d.Compromise.State, Since: stampOf(d.Compromise.Since), Verdicts: d.Compromise.Verdicts,
		},
		PublicIp: d.PublicIP, Mode: d.Mode, Owner: d.Owner, Aliases: d.Aliases,
		Addresses: each(d.Addresses, func(a inventory.Address) *spanwatchv1.DeviceAddress {
			return &spanwatchv1.DeviceAddress{
				Ip: a.IP, Mac: a.MAC, FirstSeen: stamp(a.FirstSeen), LastSeen: stamp(a.LastSeen), Device: a.Device,
			}
		}),
		Changes: each(d.Changes, func(c inventory.Change) *spanwatchv1.DeviceChange {
			return &spanwatchv1.DeviceChange{
				Time: stamp(c.Time), Key: string(c.Key), Module: c.Module, From: c.From, To: c.To, Source: c.Source,
			}
		}),
	}
}

func edgeMessage(e graph.Edge) *spanwatchv1.Edge {
	return &spanwatchv1.Edge{
		Client: e.Client, Server: e.Server, ClientIp: e.ClientIP, ServerIp: e.ServerIP, Protocol: e.Protocol,
		Port: uint32(e.Port), Actions: e.Actions,
		Objects: each(e.Objects, func(o graph.Object) *spanwatchv1.EdgeObject {
			return &spanwatchv1.EdgeObject{
				Action: o.Action, Object: o.Object, Count: o.Count, FirstSeen: stamp(o.FirstSeen), LastSeen: stamp(o.LastSeen),
				Baseline: o.Baseline,
			}
		}),
		ObjectCount: e.Count, Packets: e.Packets, Bytes: e.Bytes, FirstSeen: stamp(e.FirstSeen),
		LastSeen: stamp(e.LastSeen), Baseline: e.Baseline, PacketsOut: e.PacketsOut, PacketsIn: e.PacketsIn,
		BytesOut: e.BytesOut, BytesIn: e.BytesIn, IntervalSeconds: e.Interval, JitterSeconds: e.Jitter, Periodic: e.Periodic,
		Id: e.ID, Answered: e.Answered, ClientZone: e.ClientZone, ServerZone: e.ServerZone,
		Acts: each(e.Acts, func(a graph.Act) *spanwatchv1.EdgeAction {
			return &spanwatchv1.EdgeAction{
				Action: a.Action, Count: a.Count, FirstSeen: stamp(a.FirstSeen), LastSeen: stamp(a.LastSeen), Baseline: a.Baseline,
			}
		}),
	}
}

func alertMessage(a detect.Alert) *spanwatchv1.Alert {
	return &spanwatchv1.Alert{
		Id: a.ID, Site: a.Site, Rule: a.Rule, Title: a.Title, Severity: a.Severity, Level: a.Level, Time: stamp(a.Time),
		LastTime: stamp(a.LastTime), Actor: a.Actor, Target: a.Target, ActorIp: a.ActorIP, TargetIp: a.TargetIP,
		Protocol: a.Protocol, Techniques: a.Techniques, Description: a.Description,
		Evidence: each(a.Evidence, func(e detect.Evidence) *spanwatchv1.Evidence {
			return &spanwatchv1.Evidence{
				File: e.File, Frame: e.Frame, Time: stamp(e.Time), Protocol: e.Protocol, Message: e.Message,
				Action: e.Action.String(), Outcome: e.Outcome.String(), Level: e.Level, Object: e.Object,
				Before: e.Before, After: e.After,
			}
		}),
		Impacted: each(a.Impacted, assetMessage), Reach: each(a.Reach, assetMessage),
		RecommendedActions: a.RecommendedActions, Verdict: verdictMessage(a.Verdict), Count: a.Count, Capture: a.Capture,
		Revision: a.Revision,
	}
}

func assetMessage(a detect.Asset) *spanwatchv1.Asset {
	return &spanwatchv1.Asset{
		Device: a.Device, Name: a.Name, Ip: a.IP, Type: a.Type, Criticality: a.Criticality, Reason: a.Reason,
	}
}

func verdictMessage(v *detect.Verdict) *spanwatchv1.Verdict {
	if v == nil {
		return nil
	}
	return &spanwatchv1.Verdict{
		Id: v.ID, Ip: v.IP, Network: v.Network, Mac: v.MAC, Name: v.Name, Device: v.Device, Site: v.Site, State: v.State,
		Confidence: uint32(v.Confidence), Source: v.Source, Reason: v.Reason, Reference: v.Reference,
		Techniques: v.Techniques, ValidFrom: stampOf(v.ValidFrom), ValidUntil: stampOf(v.ValidUntil), Added: stamp(v.Added),
	}
}

func coverageMessage(c graph.Coverage) *spanwatchv1.Coverage {
	return &spanwatchv1.Coverage{
		ClientIp: c.ClientIP, ServerIp: c.ServerIP, Port: uint32(c.Port), Protocol: c.Protocol, Packets: c.Packets,
		Bytes: c.Bytes, DecodedBytes: c.DecodedBytes, RecognisedBytes: c.RecognisedBytes, OpaqueBytes: c.OpaqueBytes,
		EncryptedBytes: c.EncryptedBytes, Malformed: c.Malformed, GapBytes: c.GapBytes, Total: c.Total,
		Unanswered: c.Unanswered, Conflicts: c.Conflicts,
	}
}
