package ingest

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanwatch/spanwatch/cloud/store"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// converter turns messages into records and remembers the first thing that no record can hold.
type converter struct{ invalid *invalid }

// maxID bounds what becomes a key.
const maxID = 512

// id takes the name of a thing, which must be there.
func (c *converter) id(what, id string) string {
	if (id == "" || len(id) > maxID) && c.invalid == nil {
		c.invalid = invalidf("%s of %d bytes", what, len(id))
	}
	return id
}

// time takes a moment; one that is absent is the zero time.
func (c *converter) time(what string, t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	if err := t.CheckValid(); err != nil {
		if c.invalid == nil {
			c.invalid = invalidf("%s: %v", what, err)
		}
		return time.Time{}
	}
	return t.AsTime()
}

// moment takes a moment that may be absent.
func (c *converter) moment(what string, t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := c.time(what, t)
	return &at
}

// within takes a number that has an upper bound.
func (c *converter) within(what string, n, most uint32) uint32 {
	if n > most && c.invalid == nil {
		c.invalid = invalidf("%s %d is larger than %d", what, n, most)
	}
	return n
}

// seconds takes a length of time; what no record can hold is none.
func seconds(s float64) float64 {
	if !(s >= 0 && s <= math.MaxInt64) {
		return 0
	}
	return s
}

// list converts a list. It is never nil, so that it shows as empty and not as null.
func list[From, To any](all []From, convert func(From) To) []To {
	out := make([]To, len(all))
	for i, x := range all {
		out[i] = convert(x)
	}
	return out
}

func texts(all []string) []string { return list(all, func(s string) string { return s }) }

func device(m *spanwatchv1.Device) (store.Device, *invalid) {
	var c converter
	d := store.Device{
		ID: c.id("device id", m.GetId()), Site: m.GetSite(), Parent: m.GetParent(), Names: texts(m.GetNames()), IPs: texts(m.GetIps()),
		MACs:   texts(m.GetMacs()),
		VLANs:  list(m.GetVlans(), func(v uint32) uint16 { return uint16(c.within("VLAN", v, math.MaxUint16)) }),
		Vendor: m.GetVendor(), Model: m.GetModel(), Firmware: m.GetFirmware(), Serial: m.GetSerial(),
		Modules: list(m.GetModules(), func(m *spanwatchv1.Module) store.Module {
			return store.Module{Place: m.GetPlace(), Name: m.GetName(), Firmware: m.GetFirmware(), Serial: m.GetSerial()}
		}),
		Type: m.GetType(), Category: m.GetCategory(), Purdue: m.GetPurdue(), Zone: m.GetZone(), Criticality: m.GetCriticality(),
		Protocols: texts(m.GetProtocols()), FirstSeen: c.time("first seen", m.GetFirstSeen()),
		LastSeen: c.time("last seen", m.GetLastSeen()),
		Facts: list(m.GetFacts(), func(f *spanwatchv1.Fact) store.Fact {
			return store.Fact{
				Key: f.GetKey(), Value: f.GetValue(), Module: f.GetModule(), Source: f.GetSource(),
				Confidence: uint8(c.within("confidence", f.GetConfidence(), 100)),
				FirstSeen:  c.time("first seen", f.GetFirstSeen()), LastSeen: c.time("last seen", f.GetLastSeen()),
			}
		}),
		Compromise: store.Compromise{
			State: m.GetCompromise().GetState(), Since: c.moment("compromised since", m.GetCompromise().GetSince()),
			Verdicts: m.GetCompromise().GetVerdicts(),
		},
		PublicIP: m.GetPublicIp(), Mode: m.GetMode(), Owner: m.GetOwner(), Aliases: texts(m.GetAliases()),
		Addresses: list(m.GetAddresses(), func(a *spanwatchv1.DeviceAddress) store.Address {
			return store.Address{
				IP: a.GetIp(), MAC: a.GetMac(), FirstSeen: c.time("first seen", a.GetFirstSeen()),
				LastSeen: c.time("last seen", a.GetLastSeen()), Device: a.GetDevice(),
			}
		}),
		Changes: list(m.GetChanges(), func(x *spanwatchv1.DeviceChange) store.Change {
			return store.Change{
				Time: c.time("time of a change", x.GetTime()), Key: x.GetKey(), Module: x.GetModule(), From: x.GetFrom(), To: x.GetTo(),
				Source: x.GetSource(),
			}
		}),
	}
	return d, c.invalid
}

func edge(m *spanwatchv1.Edge) (store.Edge, *invalid) {
	var c converter
	actions := map[string]uint64{}
	for action, n := range m.GetActions() {
		actions[action] = n
	}
	e := store.Edge{
		Client: m.GetClient(), Server: m.GetServer(), ClientIP: m.GetClientIp(), ServerIP: m.GetServerIp(),
		Protocol: m.GetProtocol(), Port: uint16(c.within("port", m.GetPort(), math.MaxUint16)), Actions: actions,
		Objects: list(m.GetObjects(), func(o *spanwatchv1.EdgeObject) store.EdgeObject {
			return store.EdgeObject{
				Action: o.GetAction(), Object: o.GetObject(), Count: o.GetCount(), FirstSeen: c.time("first seen", o.GetFirstSeen()),
				LastSeen: c.time("last seen", o.GetLastSeen()), Baseline: o.GetBaseline(),
			}
		}),
		ObjectCount: m.GetObjectCount(), Packets: m.GetPackets(), Bytes: m.GetBytes(),
		FirstSeen: c.time("first seen", m.GetFirstSeen()), LastSeen: c.time("last seen", m.GetLastSeen()),
		Baseline: m.GetBaseline(), PacketsOut: m.GetPacketsOut(), PacketsIn: m.GetPacketsIn(), BytesOut: m.GetBytesOut(),
		BytesIn: m.GetBytesIn(), Interval: seconds(m.GetIntervalSeconds()), Jitter: seconds(m.GetJitterSeconds()), Periodic: m.GetPeriodic(),
		ID: m.GetId(), Answered: m.GetAnswered(), ClientZone: m.GetClientZone(), ServerZone: m.GetServerZone(),
		Acts: list(m.GetActs(), func(a *spanwatchv1.EdgeAction) store.EdgeAction {
			return store.EdgeAction{
				Action: a.GetAction(), Count: a.GetCount(), FirstSeen: c.time("first seen", a.GetFirstSeen()),
				LastSeen: c.time("last seen", a.GetLastSeen()), Baseline: a.GetBaseline(),
			}
		}),
	}
	// An end outside the site has no device: its address is its name.
	c.id("client", e.Client+e.ClientIP)
	c.id("server", e.Server+e.ServerIP)
	return e, c.invalid
}

func alert(m *spanwatchv1.Alert) (store.Alert, *invalid) {
	var c converter
	a := store.Alert{
		ID: c.id("alert id", m.GetId()), Site: m.GetSite(), Rule: m.GetRule(), Title: m.GetTitle(), Severity: m.GetSeverity(),
		Level: m.GetLevel(), Time: c.time("time", m.GetTime()), LastTime: c.time("last time", m.GetLastTime()),
		Actor: m.GetActor(), Target: m.GetTarget(), ActorIP: m.GetActorIp(), TargetIP: m.GetTargetIp(),
		Protocol: m.GetProtocol(), Techniques: texts(m.GetTechniques()), Description: m.GetDescription(),
		Evidence: list(m.GetEvidence(), func(e *spanwatchv1.Evidence) store.Evidence {
			return store.Evidence{
				File: e.GetFile(), Frame: e.GetFrame(), Time: c.time("time of evidence", e.GetTime()), Protocol: e.GetProtocol(),
				Message: e.GetMessage(), Action: e.GetAction(), Outcome: e.GetOutcome(), Level: e.GetLevel(),
				Object: e.GetObject(), Before: e.GetBefore(), After: e.GetAfter(),
			}
		}),
		Impacted: list(m.GetImpacted(), asset), Reach: list(m.GetReach(), asset),
		RecommendedActions: texts(m.GetRecommendedActions()), Verdict: c.verdict(m.GetVerdict()), Count: m.GetCount(),
		Capture: m.GetCapture(), Revision: m.GetRevision(),
	}
	return a, c.invalid
}

func asset(m *spanwatchv1.Asset) store.Asset {
	return store.Asset{
		Device: m.GetDevice(), Name: m.GetName(), IP: m.GetIp(), Type: m.GetType(), Criticality: m.GetCriticality(),
		Reason: m.GetReason(),
	}
}

func (c *converter) verdict(m *spanwatchv1.Verdict) *store.Verdict {
	if m == nil {
		return nil
	}
	return &store.Verdict{
		ID: m.GetId(), IP: m.GetIp(), Network: m.GetNetwork(), MAC: m.GetMac(), Name: m.GetName(), Device: m.GetDevice(),
		Site: m.GetSite(), State: m.GetState(), Confidence: uint8(c.within("confidence", m.GetConfidence(), 100)),
		Source: m.GetSource(), Reason: m.GetReason(), Reference: m.GetReference(), Techniques: m.GetTechniques(),
		ValidFrom: c.moment("valid from", m.GetValidFrom()), ValidUntil: c.moment("valid until", m.GetValidUntil()),
		Added: c.time("added", m.GetAdded()),
	}
}

func coverage(m *spanwatchv1.Coverage) (store.Coverage, *invalid) {
	var c converter
	return store.Coverage{
		ClientIP: m.GetClientIp(), ServerIP: m.GetServerIp(), Port: uint16(c.within("port", m.GetPort(), math.MaxUint16)),
		Protocol: m.GetProtocol(), Packets: m.GetPackets(), Bytes: m.GetBytes(), DecodedBytes: m.GetDecodedBytes(),
		RecognisedBytes: m.GetRecognisedBytes(), OpaqueBytes: m.GetOpaqueBytes(), EncryptedBytes: m.GetEncryptedBytes(),
		Malformed: m.GetMalformed(), GapBytes: m.GetGapBytes(),
		Unanswered: m.GetUnanswered(), Conflicts: m.GetConflicts(), Total: m.GetTotal(),
	}, c.invalid
}
