package web

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/cloud/incident"
	"github.com/spanwatch/spanwatch/cloud/store"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func openStore(t *testing.T) *store.SQLite {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "spanwatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

var night = time.Date(2026, 3, 14, 2, 58, 4, 113e6, time.UTC)

func at(seconds float64) time.Time { return night.Add(time.Duration(seconds * float64(time.Second))) }

// seed stores a water works whose engineering laptop is compromised, and a harbour where little happens.
func seed(t *testing.T, s store.Store) {
	t.Helper()
	ctx := t.Context()
	for _, site := range []store.Site{
		{Name: "northfield-water", Location: "Northfield", Description: "Pumping and treatment, line 1 to 3", Created: night.AddDate(0, -2, 0)},
		{Name: "harbour-terminal", Location: "Harbour, quay 4", Created: night.AddDate(0, -1, 0)},
	} {
		if err := s.AddSite(ctx, site); err != nil {
			t.Fatal(err)
		}
	}
	plant := store.Batch{
		Site: "northfield-water", Sensor: "sensor-1", Version: "0.1.0", Received: at(2),
		Position: store.Position{Epoch: "e1", Lane: store.LaneAlert, Sequence: 1},
		Devices:  plantDevices(), Edges: plantEdges(), Alerts: plantAlerts(),
	}
	harbour := store.Batch{
		Site: "harbour-terminal", Sensor: "quay-4", Version: "0.1.0", Received: at(-7000),
		Position: store.Position{Epoch: "e1", Lane: store.LaneAlert, Sequence: 1},
		Devices: []store.Device{
			{ID: "h-crane", Site: "harbour-terminal", Sensor: "quay-4", Names: []string{"CRANE-2"}, IPs: []string{"192.168.40.12"}, Type: "plc", Category: "OT", Vendor: "Schneider Electric", Model: "Modicon M580", Criticality: "medium", Protocols: []string{"modbus"}, FirstSeen: at(-900000), LastSeen: at(-7100), Compromise: store.Compromise{State: "none"}},
			{ID: "h-nvr", Site: "harbour-terminal", Sensor: "quay-4", Names: []string{"NVR"}, IPs: []string{"192.168.40.80"}, Type: "camera", Category: "IoT", Vendor: "Axis", Criticality: "low", FirstSeen: at(-900000), LastSeen: at(-7100), Compromise: store.Compromise{State: "suspected"}},
		},
		Alerts: []store.Alert{{
			ID: "harbour-1", Site: "harbour-terminal", Rule: "new-client", Title: "Device became a client of a controller for the first time",
			Severity: "low", Level: "read", Time: at(-14400), LastTime: at(-7100), Actor: "h-nvr", Target: "h-crane", ActorIP: "192.168.40.80", TargetIP: "192.168.40.12",
			Protocol: "modbus", Techniques: []string{"T0888"}, Description: "NVR, a camera recorder, read holding registers of CRANE-2. It never spoke with a controller before.",
			Evidence: []store.Evidence{
				{Frame: 61077, Time: at(-14400), Protocol: "tcp", Message: "conversation with TCP port 502", Action: "connect", Outcome: "done", Level: "contact"},
				{Frame: 88213, Time: at(-7200), Protocol: "modbus", Message: "Read Holding Registers", Action: "read", Outcome: "done", Level: "read", Object: "unit 1 holding-register 0–9"},
			},
			Count: 4, Revision: 1,
		}},
	}
	engine := incident.New(s, quiet)
	for _, b := range []store.Batch{plant, harbour, tankFarm()} {
		if err := s.Apply(ctx, b); err != nil {
			t.Fatal(err)
		}
		if err := engine.Correlate(ctx, b.Site, b.Alerts); err != nil {
			t.Fatal(err)
		}
	}
}

// tankFarm has a host that sweeps over forty controllers within two minutes.
func tankFarm() store.Batch {
	const site = "tank-farm"
	b := store.Batch{
		Site: site, Sensor: "tank-farm-1", Version: "0.1.0", Received: at(-20000), Position: store.Position{Epoch: "e1", Lane: store.LaneAlert, Sequence: 1},
		Devices: []store.Device{{ID: "box", Site: site, Sensor: "tank-farm-1", Names: []string{"SCAN-BOX"}, IPs: []string{"172.16.0.66"}, Type: "unknown", Category: "Unknown", FirstSeen: at(-30000), LastSeen: at(-20000), Compromise: store.Compromise{State: "suspected"}}},
	}
	for i := range 40 {
		id, ip := fmt.Sprintf("tank%02d", i+1), fmt.Sprintf("172.16.1.%d", i+1)
		b.Devices = append(b.Devices, store.Device{
			ID: id, Site: site, Sensor: "tank-farm-1", Names: []string{fmt.Sprintf("TANK-%02d", i+1)}, IPs: []string{ip}, Vendor: "Schneider Electric", Model: "Modicon M340", Type: "plc", Category: "OT",
			Criticality: "low", Protocols: []string{"modbus"}, FirstSeen: at(-9e5), LastSeen: at(-20000), Compromise: store.Compromise{State: "none"},
		})
		a := store.Alert{
			ID: "sweep-" + id, Site: site, Rule: "sweep", Title: "Device identification swept over many controllers", Severity: "medium", Level: "engineering-read",
			Time: at(-24000 + 3*float64(i)), LastTime: at(-24000 + 3*float64(i)), Actor: "box", Target: id, ActorIP: "172.16.0.66", TargetIP: ip, Protocol: "modbus", Techniques: []string{"T0846", "T0888"},
			Description: "SCAN-BOX asked for the device identification.", Count: 1, Revision: 1,
			Verdict:  &store.Verdict{ID: "v-box", IP: "172.16.0.66", State: "suspected", Confidence: 60, Source: "local behaviour", Reason: "Swept over many controllers within two minutes."},
			Evidence: []store.Evidence{{Frame: uint64(4000 + i), Time: at(-24000 + 3*float64(i)), Protocol: "modbus", Message: "Read Device Identification", Action: "identify", Outcome: "done", Level: "engineering-read"}},
		}
		if i == 7 || i == 21 {
			a.Level = "control"
			a.Evidence = []store.Evidence{{Frame: uint64(9000 + i), Time: a.Time, Protocol: "modbus", Message: "UMAS Stop PLC", Action: "control", Outcome: "refused", Level: "control"}}
		}
		b.Alerts = append(b.Alerts, a)
	}
	return b
}

func plantDevices() []store.Device {
	since := at(-3600)
	known := func(d store.Device) store.Device {
		d.Site, d.Sensor = "northfield-water", "sensor-1"
		if d.FirstSeen.IsZero() {
			d.FirstSeen = at(-2400000)
		}
		d.LastSeen = at(400)
		if d.Compromise.State == "" {
			d.Compromise.State = "none"
		}
		return d
	}
	plc := func(id, name, ip, mac, firmware, criticality string) store.Device {
		return known(store.Device{
			ID: id, Names: []string{name}, IPs: []string{ip}, MACs: []string{mac}, VLANs: []uint16{20}, Vendor: "Siemens", Model: "S7-1500 CPU 1516-3 PN/DP", Firmware: firmware,
			Serial: "S C-" + id + "8842019", Type: "plc", Category: "OT", Purdue: "1", Zone: "control", Criticality: criticality, Protocols: []string{"s7comm", "modbus"}, PublicIP: ip,
			Modules: []store.Module{{Place: "0/1", Name: "CPU 1516-3 PN/DP", Firmware: firmware}, {Place: "0/2", Name: "DI 32x24VDC HF", Firmware: "V2.2"}},
			Facts: []store.Fact{
				{Key: "model", Value: "S7-1500 CPU 1516-3 PN/DP", Source: "s7comm: Read SZL 0x0011", Confidence: 95, FirstSeen: at(-2400000), LastSeen: at(120)},
				{Key: "firmware", Value: firmware, Source: "s7comm: Read SZL 0x0011", Confidence: 95, FirstSeen: at(-2400000), LastSeen: at(120)},
				{Key: "vendor", Value: "Siemens", Source: "MAC prefix", Confidence: 60, FirstSeen: at(-2400000), LastSeen: at(400)},
				{Key: "role", Value: "plc", Source: "behaviour: answers reads and writes", Confidence: 80, FirstSeen: at(-2390000), LastSeen: at(400)},
			},
		})
	}
	return []store.Device{
		known(store.Device{ID: "eng03", Names: []string{"ENG-03", "eng-03.northfield.example"}, IPs: []string{"10.20.0.33"}, MACs: []string{"3c:52:82:1a:77:03"}, VLANs: []uint16{30}, Vendor: "HP", Model: "ZBook", Type: "engineering-station", Category: "Endpoint", Purdue: "2", Zone: "engineering", Criticality: "medium", Protocols: []string{"s7comm", "modbus", "smb"}, Compromise: store.Compromise{State: "confirmed", Since: &since, Verdicts: []string{"v-1"}}}),
		plc("plc1", "PLC-1", "10.20.1.11", "28:63:36:aa:01:11", "V2.9.4", "medium"),
		plc("plc2", "PLC-2", "10.20.1.12", "28:63:36:aa:01:12", "V2.9.4", "high"),
		plc("plc3", "PLC-3", "10.20.1.13", "28:63:36:aa:01:13", "V2.8.1", "medium"),
		plc("plc4", "PLC-4", "10.20.1.14", "28:63:36:aa:01:14", "V2.9.4", "medium"),
		known(store.Device{ID: "sis1", Names: []string{"SIS-1"}, IPs: []string{"10.20.1.40"}, MACs: []string{"00:d0:24:10:40:01"}, Vendor: "HIMA", Model: "HIMax", Type: "safety", Category: "OT", Purdue: "1", Zone: "safety", Criticality: "high", Protocols: []string{"modbus"}}),
		known(store.Device{ID: "hmi1", Names: []string{"HMI-LINE1"}, IPs: []string{"10.20.2.21"}, MACs: []string{"28:63:36:bb:02:21"}, Vendor: "Siemens", Model: "TP1500 Comfort", Firmware: "V17", Type: "hmi", Category: "OT", Purdue: "2", Zone: "operation", Criticality: "medium", Protocols: []string{"s7comm"}}),
		known(store.Device{ID: "scada", Names: []string{"SCADA-A"}, IPs: []string{"10.20.2.10"}, MACs: []string{"00:50:56:9f:20:10"}, Vendor: "VMware", Type: "scada-server", Category: "OT", Purdue: "2", Zone: "operation", Criticality: "high", Protocols: []string{"s7comm", "opcua"}}),
		known(store.Device{ID: "hist", Names: []string{"HIST-01"}, IPs: []string{"10.20.3.5"}, MACs: []string{"00:50:56:9f:30:05"}, Vendor: "VMware", Type: "historian", Category: "OT", Purdue: "3", Zone: "operation", Criticality: "low", Protocols: []string{"opcua"}}),
		known(store.Device{ID: "gw", Names: []string{"GW-RTU"}, IPs: []string{"10.20.1.50"}, MACs: []string{"00:90:e8:33:01:50"}, Vendor: "Moxa", Model: "MGate 5105", Type: "gateway", Category: "OT", Purdue: "1", Zone: "control", Criticality: "low", Protocols: []string{"modbus"}}),
		known(store.Device{ID: "rtu7", Parent: "gw", Names: []string{"RTU unit 7"}, Type: "io", Category: "OT", Purdue: "0", Zone: "control", Criticality: "low", Protocols: []string{"modbus"}}),
	}
}

func plantEdges() []store.Edge {
	address := map[string]string{}
	for _, d := range plantDevices() {
		if len(d.IPs) > 0 {
			address[d.ID] = d.IPs[0]
		}
	}
	edge := func(client, server, protocol string, port uint16, baseline string, actions map[string]uint64, objects ...store.EdgeObject) store.Edge {
		var packets uint64
		for _, n := range actions {
			packets += 2 * n
		}
		return store.Edge{
			Site: "northfield-water", Client: client, Server: server, ClientIP: address[client], ServerIP: address[server], Protocol: protocol, Port: port,
			Actions: actions, Objects: objects, ObjectCount: uint64(len(objects)), Packets: packets, Bytes: packets * 97, FirstSeen: at(-2400000), LastSeen: at(400), Baseline: baseline,
		}
	}
	poll := map[string]uint64{"read": 184220}
	return []store.Edge{
		edge("scada", "plc1", "s7comm", 102, "known", poll), edge("scada", "plc2", "s7comm", 102, "known", poll),
		edge("scada", "plc3", "s7comm", 102, "known", poll), edge("scada", "plc4", "s7comm", 102, "known", poll),
		edge("hmi1", "plc1", "s7comm", 102, "known", map[string]uint64{"read": 90211, "write": 41}), edge("hmi1", "plc2", "s7comm", 102, "known", map[string]uint64{"read": 90102, "write": 12}),
		edge("hist", "scada", "opcua", 4840, "known", map[string]uint64{"subscribe": 4, "read": 2200}),
		edge("plc2", "sis1", "modbus", 502, "known", map[string]uint64{"read": 48000}),
		edge("scada", "gw", "modbus", 502, "known", map[string]uint64{"read": 51200}),
		edge("eng03", "plc1", "modbus", 502, "new", map[string]uint64{"read": 24}, store.EdgeObject{Action: "read", Object: "holding-register 0–63", Count: 24}),
		edge("eng03", "plc3", "modbus", 502, "new", map[string]uint64{"read": 12, "write": 9}, store.EdgeObject{Action: "write", Object: "holding-register 100–103", Count: 9}),
		edge("eng03", "plc2", "s7comm", 102, "known", map[string]uint64{"identify": 3, "download": 4, "control": 1}, store.EdgeObject{Action: "download", Object: "OB1", Count: 1}),
	}
}

func plantAlerts() []store.Alert {
	verdict := &store.Verdict{
		ID: "v-1", IP: "10.20.0.33", State: "confirmed", Confidence: 95, Source: "endpoint protection", Reference: "case 48213",
		Reason: "Remote access tool with a command channel to the Internet found on ENG-03.", Added: at(-1800),
	}
	reach := []store.Asset{
		{Device: "plc4", Name: "PLC-4", IP: "10.20.1.14", Type: "plc", Criticality: "medium", Reason: "Same segment and model as PLC-2, which ENG-03 programs"},
		{Device: "sis1", Name: "SIS-1", IP: "10.20.1.40", Type: "safety", Criticality: "high", Reason: "PLC-2 reads it; it is one hop behind a controller that was changed"},
		{Device: "gw", Name: "GW-RTU", IP: "10.20.1.50", Type: "gateway", Criticality: "low", Reason: "Same segment, answers Modbus"},
	}
	impact := func(id, target, name, ip string, from float64, lasts float64) store.Alert {
		return store.Alert{
			ID: id, Site: "northfield-water", Rule: "compromise-impact", Title: "Possible operational impact due to a compromised device",
			Time: at(from), LastTime: at(from + lasts), Actor: "eng03", Target: target, ActorIP: "10.20.0.33", TargetIP: ip, Verdict: verdict, Revision: 3, Reach: reach,
			Impacted: []store.Asset{{Device: target, Name: name, IP: ip, Type: "plc", Criticality: "medium", Reason: "Target of the compromised device"}},
		}
	}
	read := impact("3f1c09a7d2e4", "plc1", "PLC-1", "10.20.1.11", 0, 41)
	read.Severity, read.Level, read.Protocol, read.Count, read.Techniques = "medium", "read", "modbus", 24, []string{"T0801", "T0888"}
	read.Description = "ENG-03, which is confirmed to be compromised, read the holding registers of PLC-1. It had never spoken Modbus before. Nothing was changed on PLC-1."
	read.Evidence = []store.Evidence{
		{Frame: 10422, Time: at(0), Protocol: "modbus", Message: "Read Device Identification", Action: "identify", Outcome: "done", Level: "read"},
		{Frame: 10430, Time: at(0.4), Protocol: "modbus", Message: "Read Holding Registers", Action: "read", Outcome: "done", Level: "read", Object: "unit 1 holding-register 0–63"},
	}
	read.RecommendedActions = []string{"Take ENG-03 off the network at its switch port; do not switch it off.", "Ask the shift leader whether anybody works with ENG-03 right now."}

	write := impact("8b52e6610c9f", "plc3", "PLC-3", "10.20.1.13", 133, 12)
	write.Severity, write.Level, write.Protocol, write.Count, write.Techniques = "high", "write", "modbus", 9, []string{"T0836", "T0855"}
	write.Description = "ENG-03 wrote four set points of PLC-3 that had only ever been written by HMI-LINE1. One value is outside what was seen in 28 days."
	write.Evidence = []store.Evidence{
		{Frame: 20118, Time: at(133), Protocol: "modbus", Message: "Write Multiple Registers", Action: "write", Outcome: "refused", Level: "write", Object: "unit 1 holding-register 96–99"},
		{Frame: 20124, Time: at(134.2), Protocol: "modbus", Message: "Write Multiple Registers", Action: "write", Outcome: "done", Level: "write", Object: "unit 1 holding-register 100–103", Before: "1450 1450 820 60", After: "1450 3200 820 0"},
	}
	write.RecommendedActions = []string{"Take ENG-03 off the network at its switch port; do not switch it off.", "Compare the set points 100–103 of PLC-3 with the last approved values and set them back at the panel."}

	explore := impact("a90d7715b3c8", "plc2", "PLC-2", "10.20.1.12", 240, 18)
	explore.Rule, explore.Title = "program-upload", "Program read out of a controller by a device under a verdict"
	explore.Severity, explore.Level, explore.Protocol, explore.Count, explore.Techniques = "medium", "engineering-read", "s7comm", 3, []string{"T0845", "T0888"}
	explore.Description = "ENG-03 read the identity of PLC-2 and uploaded the block OB1 from it."
	explore.Evidence = []store.Evidence{{Frame: 24002, Time: at(240), Protocol: "s7comm", Message: "Start Upload", Action: "upload", Outcome: "done", Level: "engineering-read", Object: "OB1"}}

	control := impact("c4e8812fa06b", "plc2", "PLC-2", "10.20.1.12", 279, 88)
	control.Severity, control.Level, control.Protocol, control.Count, control.Techniques = "high", "control", "s7comm", 15, []string{"T0843", "T0858", "T0889"}
	control.Capture = "evidence/c4e8812fa06b.pcapng"
	control.Description = "ENG-03 stopped PLC-2, downloaded a changed block OB1 into it and started it again. PLC-2 drives the pumps of line 1 and is of high criticality."
	control.Impacted = append(control.Impacted, store.Asset{Device: "hmi1", Name: "HMI-LINE1", IP: "10.20.2.21", Type: "hmi", Criticality: "medium", Reason: "Shows and commands what PLC-2 controls"})
	control.Impacted[0].Criticality = "high"
	control.Evidence = []store.Evidence{
		{Frame: 30011, Time: at(279), Protocol: "tcp", Message: "conversation with TCP port 102", Action: "connect", Outcome: "done", Level: "contact"},
		{Frame: 31877, Time: at(318), Protocol: "s7comm", Message: "PLC Stop", Action: "control", Outcome: "done", Level: "control", Object: "CPU", Before: "run", After: "stop"},
		{Frame: 31902, Time: at(322.5), Protocol: "s7comm", Message: "Request Download", Action: "download", Outcome: "done", Level: "control", Object: "OB1", Before: "2 184 bytes", After: "2 640 bytes"},
		{Frame: 32240, Time: at(361.9), Protocol: "s7comm", Message: "PI Service _INSE", Action: "control", Outcome: "done", Level: "control", Object: "OB1"},
		{Frame: 32251, Time: at(367), Protocol: "s7comm", Message: "PI Service P_PROGRAM", Action: "control", Outcome: "done", Level: "control", Object: "CPU", Before: "stop", After: "run"},
	}
	control.RecommendedActions = []string{
		"Tell the control room now: PLC-2 runs a program that nobody released.",
		"Take ENG-03 off the network at its switch port; do not switch it off.",
		"Compare the program of PLC-2 with the last released version before anybody trusts its values.",
		"Watch PLC-4 and SIS-1: they are the likeliest next targets.",
	}

	inversion := impact("e17b3390d5aa", "plc4", "PLC-4", "10.20.1.14", 402, 6)
	inversion.Rule, inversion.Title = "role-inversion", "Controller became a client"
	inversion.Actor, inversion.ActorIP, inversion.Verdict, inversion.Reach = "plc2", "10.20.1.12", nil, nil
	inversion.Severity, inversion.Level, inversion.Protocol, inversion.Count, inversion.Techniques = "high", "contact", "s7comm", 2, []string{"T0846", "T0886"}
	inversion.Description = "PLC-2, whose program was changed 40 seconds before, opened a connection to PLC-4. Controllers of this site never do that."
	inversion.Evidence = []store.Evidence{{Frame: 33410, Time: at(402), Protocol: "s7comm", Message: "Setup Communication", Action: "connect", Outcome: "done", Level: "contact"}}
	return []store.Alert{read, write, explore, control, inversion}
}

// seededStore gives a store with the plant in it.
func seededStore(t *testing.T) store.Store {
	t.Helper()
	s := openStore(t)
	seed(t, s)
	return s
}
