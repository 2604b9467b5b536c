package api

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanwatch/spanwatch/cloud/incident"
	"github.com/spanwatch/spanwatch/cloud/store"
	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// timestamp leaves out what is not known.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func optional(t *time.Time) *timestamppb.Timestamp {
	if t == nil {
		return nil
	}
	return timestamp(*t)
}

func incidentMessage(i store.Incident) *pb.Incident {
	return &pb.Incident{
		Id: i.ID, Site: i.Site, Title: i.Title, Product: i.Product, Severity: i.Severity, Level: i.Level, Status: i.Status,
		FirstSeen: timestamp(i.FirstSeen), LastSeen: timestamp(i.LastSeen),
		DeviceCount: uint32(len(i.Devices)), AlertCount: uint32(len(i.Alerts)), Summary: i.Summary,
	}
}

func incidentAlerts(alerts []store.Alert, reasons []store.Reason) []*pb.IncidentAlert {
	why := make(map[string]string, len(reasons))
	for _, r := range reasons {
		why[r.Alert] = r.Text
	}
	out := make([]*pb.IncidentAlert, len(alerts))
	for i, a := range alerts {
		out[i] = &pb.IncidentAlert{Alert: alertMessage(a), Reason: why[a.ID], Sensor: a.Sensor, Received: timestamp(a.Received), Incident: a.Incident}
		if e, ok := incident.Gravest(a.Evidence); ok {
			out[i].Gravest = evidenceMessage(e)
		}
	}
	return out
}

func alertMessage(a store.Alert) *pb.Alert {
	m := &pb.Alert{
		Id: a.ID, Site: a.Site, Rule: a.Rule, Title: a.Title, Severity: a.Severity, Level: a.Level,
		Time: timestamp(a.Time), LastTime: timestamp(a.LastTime), Actor: a.Actor, Target: a.Target, ActorIp: a.ActorIP, TargetIp: a.TargetIP,
		Protocol: a.Protocol, Techniques: a.Techniques, Description: a.Description,
		Impacted: assetMessages(a.Impacted), Reach: assetMessages(a.Reach), RecommendedActions: a.RecommendedActions,
		Verdict: verdictMessage(a.Verdict), Count: a.Count, Capture: a.Capture, Revision: a.Revision,
	}
	for _, e := range a.Evidence {
		m.Evidence = append(m.Evidence, evidenceMessage(e))
	}
	return m
}

func evidenceMessage(e store.Evidence) *pb.Evidence {
	return &pb.Evidence{
		File: e.File, Frame: e.Frame, Time: timestamp(e.Time), Protocol: e.Protocol, Message: e.Message, Action: e.Action,
		Outcome: e.Outcome, Level: e.Level, Object: e.Object, Before: e.Before, After: e.After,
	}
}

func verdictMessage(v *store.Verdict) *pb.Verdict {
	if v == nil {
		return nil
	}
	return &pb.Verdict{
		Id: v.ID, Ip: v.IP, Network: v.Network, Mac: v.MAC, Name: v.Name, Device: v.Device, Site: v.Site, State: v.State,
		Confidence: uint32(v.Confidence), Source: v.Source, Reason: v.Reason, Reference: v.Reference, Techniques: v.Techniques,
		ValidFrom: optional(v.ValidFrom), ValidUntil: optional(v.ValidUntil), Added: timestamp(v.Added),
	}
}

func assetMessages(assets []store.Asset) []*pb.Asset {
	var out []*pb.Asset
	for _, a := range assets {
		out = append(out, &pb.Asset{Device: a.Device, Name: a.Name, Ip: a.IP, Type: a.Type, Criticality: a.Criticality, Reason: a.Reason})
	}
	return out
}

func deviceSummary(d store.Device) *pb.DeviceSummary {
	m := &pb.DeviceSummary{
		Id: d.ID, Name: incident.Name(d), Type: d.Type, Category: d.Category, Vendor: d.Vendor, Model: d.Model,
		Criticality: d.Criticality, Compromise: d.Compromise.State,
	}
	if len(d.IPs) > 0 {
		m.Ip = d.IPs[0]
	}
	return m
}

func deviceMessage(d store.Device) *pb.Device {
	m := &pb.Device{
		Id: d.ID, Site: d.Site, Parent: d.Parent, Names: d.Names, Ips: d.IPs, Macs: d.MACs, Vendor: d.Vendor, Model: d.Model,
		Firmware: d.Firmware, Serial: d.Serial, Type: d.Type, Category: d.Category, Purdue: d.Purdue, Zone: d.Zone,
		Criticality: d.Criticality, Protocols: d.Protocols, FirstSeen: timestamp(d.FirstSeen), LastSeen: timestamp(d.LastSeen),
		Compromise: &pb.Compromise{State: d.Compromise.State, Since: optional(d.Compromise.Since), Verdicts: d.Compromise.Verdicts},
		PublicIp:   d.PublicIP, Mode: d.Mode, Owner: d.Owner, Aliases: d.Aliases,
	}
	for _, a := range d.Addresses {
		m.Addresses = append(m.Addresses, &pb.DeviceAddress{
			Ip: a.IP, Mac: a.MAC, FirstSeen: timestamp(a.FirstSeen), LastSeen: timestamp(a.LastSeen), Device: a.Device,
		})
	}
	for _, c := range d.Changes {
		m.Changes = append(m.Changes, &pb.DeviceChange{
			Time: timestamp(c.Time), Key: c.Key, Module: c.Module, From: c.From, To: c.To, Source: c.Source,
		})
	}
	for _, v := range d.VLANs {
		m.Vlans = append(m.Vlans, uint32(v))
	}
	for _, x := range d.Modules {
		m.Modules = append(m.Modules, &pb.Module{Place: x.Place, Name: x.Name, Firmware: x.Firmware, Serial: x.Serial})
	}
	for _, f := range d.Facts {
		m.Facts = append(m.Facts, &pb.Fact{
			Key: f.Key, Value: f.Value, Module: f.Module, Source: f.Source, Confidence: uint32(f.Confidence),
			FirstSeen: timestamp(f.FirstSeen), LastSeen: timestamp(f.LastSeen),
		})
	}
	return m
}

func edgeMessage(e store.Edge) *pb.Edge {
	m := &pb.Edge{
		Client: e.Client, Server: e.Server, ClientIp: e.ClientIP, ServerIp: e.ServerIP, Protocol: e.Protocol, Port: uint32(e.Port),
		Actions: e.Actions, ObjectCount: e.ObjectCount, Packets: e.Packets, Bytes: e.Bytes,
		FirstSeen: timestamp(e.FirstSeen), LastSeen: timestamp(e.LastSeen), Baseline: e.Baseline,
		PacketsOut: e.PacketsOut, PacketsIn: e.PacketsIn, BytesOut: e.BytesOut, BytesIn: e.BytesIn,
		IntervalSeconds: e.Interval, JitterSeconds: e.Jitter, Periodic: e.Periodic, ClientZone: e.ClientZone, ServerZone: e.ServerZone,
		Id: e.ID, Answered: e.Answered,
	}
	for _, o := range e.Objects {
		m.Objects = append(m.Objects, &pb.EdgeObject{
			Action: o.Action, Object: o.Object, Count: o.Count, FirstSeen: timestamp(o.FirstSeen), LastSeen: timestamp(o.LastSeen),
			Baseline: o.Baseline,
		})
	}
	for _, a := range e.Acts {
		m.Acts = append(m.Acts, &pb.EdgeAction{
			Action: a.Action, Count: a.Count, FirstSeen: timestamp(a.FirstSeen), LastSeen: timestamp(a.LastSeen), Baseline: a.Baseline,
		})
	}
	return m
}
