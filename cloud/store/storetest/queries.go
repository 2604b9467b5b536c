package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/cloud/store"
)

func filters(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	ctx := t.Context()
	b := batch(1)
	hmi, external := device("hmi"), alert("a2", 1)
	hmi.Type, hmi.Category, hmi.Vendor, hmi.Names, hmi.IPs = "hmi", "Endpoint", "Beijer 100%", []string{"Panel"}, []string{"10.0.0.7"}
	external.Severity, external.Level, external.Rule, external.Actor, external.Time = "low", "contact", "other", "", t1
	b.Devices = []store.Device{device("plc"), hmi}
	b.Alerts = []store.Alert{alert("a1", 1), external}
	apply(t, s, b)

	for _, c := range []struct {
		filter store.DeviceFilter
		want   []string
	}{
		{store.DeviceFilter{}, []string{"hmi", "plc"}},
		{store.DeviceFilter{Site: "south"}, nil},
		{store.DeviceFilter{Type: "plc"}, []string{"plc"}},
		{store.DeviceFilter{Category: "Endpoint"}, []string{"hmi"}},
		{store.DeviceFilter{Search: "pANEL"}, []string{"hmi"}},
		{store.DeviceFilter{Search: "10.0.0.7"}, []string{"hmi"}},
		{store.DeviceFilter{Search: "100%"}, []string{"hmi"}},
		{store.DeviceFilter{Search: "%"}, []string{"hmi"}}, // no wildcard
		{store.DeviceFilter{Search: "siemens", Site: "north"}, []string{"plc"}},
		{store.DeviceFilter{Search: "' OR 1=1 --"}, nil},
		{store.DeviceFilter{Limit: 1}, []string{"hmi"}},
	} {
		equal(t, ids(must[[]store.Device](t)(s.Devices(ctx, c.filter)), deviceID), c.want)
	}
	for _, c := range []struct {
		filter store.AlertFilter
		want   []string
	}{
		{store.AlertFilter{}, []string{"a2", "a1"}},
		{store.AlertFilter{Limit: 1}, []string{"a2"}},
		{store.AlertFilter{Severity: "high"}, []string{"a1"}},
		{store.AlertFilter{Level: "contact"}, []string{"a2"}},
		{store.AlertFilter{Rule: "compromise-impact"}, []string{"a1"}},
		{store.AlertFilter{Device: "plc"}, []string{"a2", "a1"}},
		{store.AlertFilter{Device: "ws"}, []string{"a1"}},
		{store.AlertFilter{Incident: 5}, nil},
		{store.AlertFilter{Site: "south"}, nil},
	} {
		equal(t, ids(must[[]store.Alert](t)(s.Alerts(ctx, c.filter)), alertID), c.want)
	}
}

func incidents(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	ctx := t.Context()
	b := batch(1)
	b.Alerts = []store.Alert{alert("a1", 1), alert("a2", 1)}
	apply(t, s, b)

	first := store.Incident{Site: "north", Title: "Impact on Boiler", Product: "Spanwatch", Severity: "high", Level: "write",
		Status: "new", FirstSeen: t0, LastSeen: t1, Devices: []string{"ws", "plc"}, Alerts: []string{"a1", "a2"},
		Reasons: []store.Reason{{Alert: "a2", Text: "same actor"}}, Summary: "Two alerts."}
	first.ID = must[int64](t)(s.SaveIncident(ctx, first))
	equal(t, must[store.Incident](t)(s.Incident(ctx, first.ID)), first)
	equal(t, len(must[[]store.Alert](t)(s.Alerts(ctx, store.AlertFilter{Incident: first.ID}))), 2)
	equal(t, len(must[[]store.Alert](t)(s.Alerts(ctx, store.AlertFilter{Unassigned: true}))), 0)

	first.Alerts, first.Status = []string{"a1"}, "active"
	equal(t, must[int64](t)(s.SaveIncident(ctx, first)), first.ID)
	equal(t, ids(must[[]store.Alert](t)(s.Alerts(ctx, store.AlertFilter{Incident: first.ID})), alertID), []string{"a1"})
	equal(t, must[store.Alert](t)(s.Alert(ctx, "north", "a2")).Incident, int64(0))
	equal(t, ids(must[[]store.Alert](t)(s.Alerts(ctx, store.AlertFilter{Unassigned: true})), alertID), []string{"a2"})

	second := store.Incident{Site: "north", Title: "Scan", Product: "Spanwatch", Severity: "low", Status: "new",
		FirstSeen: t1, LastSeen: t1.Add(time.Hour)}
	second.ID = must[int64](t)(s.SaveIncident(ctx, second))
	for _, c := range []struct {
		filter store.IncidentFilter
		want   []int64
	}{
		{store.IncidentFilter{}, []int64{second.ID, first.ID}},
		{store.IncidentFilter{Limit: 1}, []int64{second.ID}},
		{store.IncidentFilter{Severity: "high"}, []int64{first.ID}},
		{store.IncidentFilter{Status: "new"}, []int64{second.ID}},
		{store.IncidentFilter{Product: "Other"}, nil},
		{store.IncidentFilter{Search: "boiler"}, []int64{first.ID}},
		{store.IncidentFilter{Search: "ws"}, []int64{first.ID}},
		{store.IncidentFilter{Site: "south"}, nil},
	} {
		var got []int64
		for _, i := range must[[]store.Incident](t)(s.Incidents(ctx, c.filter)) {
			got = append(got, i.ID)
		}
		equal(t, got, c.want)
	}

	merged := second
	merged.MergedInto = first.ID
	must[int64](t)(s.SaveIncident(ctx, merged))
	equal(t, len(must[[]store.Incident](t)(s.Incidents(ctx, store.IncidentFilter{}))), 1)
	equal(t, must[store.Incident](t)(s.Incident(ctx, second.ID)).MergedInto, first.ID)

	lost := second
	lost.ID = 4711
	if _, err := s.SaveIncident(ctx, lost); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an incident that is not there was saved: %v", err)
	}
}

func deviceHistory(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	save := func(sequence uint64, change func(*store.Device)) {
		b := batch(sequence)
		d := device("plc")
		change(&d)
		b.Devices = []store.Device{d}
		apply(t, s, b)
	}
	at := func(d time.Duration) time.Time { return t0.Add(d) }
	save(1, func(d *store.Device) {})
	save(2, func(d *store.Device) { d.LastSeen = at(time.Minute) }) // seen again the same day: no row
	save(3, func(d *store.Device) { d.LastSeen = at(time.Hour); d.Firmware = "V3.3" })
	save(4, func(d *store.Device) { d.LastSeen = at(25 * time.Hour); d.Firmware = "V3.3" }) // the next day
	got := rows(t, s, `SELECT Timestamp, DeviceId, FirmwareVersion FROM DeviceInfo ORDER BY Timestamp`)
	want := []map[string]any{
		{"Timestamp": "2026-01-02T03:04:05.678901234Z", "DeviceId": "plc", "FirmwareVersion": "V3.2"},
		{"Timestamp": "2026-01-02T04:04:05.678901234Z", "DeviceId": "plc", "FirmwareVersion": "V3.3"},
		{"Timestamp": "2026-01-03T04:04:05.678901234Z", "DeviceId": "plc", "FirmwareVersion": "V3.3"},
	}
	equal(t, got, want)

	info := rows(t, s, `SELECT DeviceName, PublicIP, DeviceCategory, DeviceType, Vendor, Model, OSPlatform, AssetValue, Site,
		IPAddresses, MacAddresses, Zone, PurdueLevel, SerialNumber, Protocols, FirstSeen, CompromiseState,
		AdditionalFields ->> 'Criticality' AS Extra FROM DeviceInfo LIMIT 1`)[0]
	equal(t, info, map[string]any{
		"DeviceName": "PLC-plc", "PublicIP": "10.0.0.9", "DeviceCategory": "OT", "DeviceType": "plc", "Vendor": "Siemens",
		"Model": "S7-315", "OSPlatform": "VxWorks", "AssetValue": "High", "Site": "north",
		"IPAddresses": `["10.0.0.9","fe80::1"]`, "MacAddresses": `["00:11:22:33:44:55"]`, "Zone": "cell-1", "PurdueLevel": "1",
		"SerialNumber": "SN-1", "Protocols": `["s7comm"]`, "FirstSeen": "2026-01-02T03:04:05.678901234Z",
		"CompromiseState": "none", "Extra": "high",
	})
}

// columnsOfTheField are what published hunting queries expect of each view, in order, before our own.
var columnsOfTheField = map[string]string{
	"DeviceInfo": `Timestamp DeviceId DeviceName ClientVersion PublicIP OSArchitecture OSPlatform OSBuild IsAzureADJoined
		JoinType AadDeviceId LoggedOnUsers RegistryDeviceTag OSVersion MachineGroup ReportId OnboardingStatus AdditionalFields
		DeviceCategory DeviceType DeviceSubtype Model Vendor OSDistribution OSVersionInfo MergedDeviceIds MergedToDeviceId
		IsInternetFacing SensorHealthState IsExcluded ExclusionReason ExposureLevel AssetValue DeviceManualTags
		DeviceDynamicTags ConnectivityType HostDeviceId AzureResourceId AwsResourceName GcpFullResourceName Site IPAddresses`,
	"AlertInfo": `Timestamp AlertId Title Category Severity ServiceSource DetectionSource AttackTechniques Site`,
	"AlertEvidence": `Timestamp AlertId Title Categories AttackTechniques ServiceSource DetectionSource EntityType EvidenceRole
		EvidenceDirection FileName FolderPath SHA1 SHA256 FileSize ThreatFamily RemoteIP RemoteUrl AccountName AccountDomain
		AccountSid AccountObjectId AccountUpn DeviceId DeviceName LocalIP NetworkMessageId EmailSubject Application
		ApplicationId OAuthApplicationId ProcessCommandLine RegistryKey RegistryValueName RegistryValueData AdditionalFields
		Severity CloudResource CloudPlatform ResourceType ResourceID SubscriptionId Site`,
}

func viewColumns(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	for view, want := range columnsOfTheField {
		columns, _, _, err := s.Select(t.Context(), `SELECT * FROM `+view, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		names := strings.Fields(want)
		equal(t, columns[:min(len(names), len(columns))], names)
	}
}

func alertViews(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	b := batch(1)
	external := alert("a2", 1)
	external.Actor, external.ActorIP, external.Impacted = "", "203.0.113.5", nil
	b.Devices = []store.Device{device("plc")}
	b.Alerts = []store.Alert{alert("a1", 1), external}
	apply(t, s, b)

	equal(t, rows(t, s, `SELECT * FROM AlertInfo WHERE AlertId = 'a1'`), []map[string]any{{
		"Timestamp": "2026-01-02T03:04:05.678901234Z", "AlertId": "a1", "Category": "ImpairProcessControl",
		"Title": "Possible operational impact due to a compromised device", "Severity": "High", "ServiceSource": "Spanwatch",
		"DetectionSource": "Spanwatch sensor", "AttackTechniques": `["T0836","T0855"]`, "Site": "north",
		"RuleId": "compromise-impact", "ImpactLevel": "write",
	}})
	entity := func(kind, role, direction, device, name, local, remote string) map[string]any {
		return map[string]any{"EntityType": kind, "EvidenceRole": role, "EvidenceDirection": direction, "DeviceId": device,
			"DeviceName": name, "LocalIP": local, "RemoteIP": remote}
	}
	const columns = `SELECT EntityType, EvidenceRole, EvidenceDirection, DeviceId, DeviceName, LocalIP, RemoteIP FROM AlertEvidence `
	equal(t, rows(t, s, columns+`WHERE AlertId = ? ORDER BY DeviceId DESC`, "a1"), []map[string]any{
		entity("Machine", "related", "source", "ws", "", "10.0.0.5", "10.0.0.9"),
		entity("Machine", "impacted", "destination", "plc", "PLC-plc", "10.0.0.9", "10.0.0.5"),
		entity("Machine", "impacted", "destination", "drive", "", "10.0.0.10", "10.0.0.5"),
	})
	equal(t, rows(t, s, columns+`WHERE AlertId = ? ORDER BY DeviceId`, "a2"), []map[string]any{
		entity("Ip", "related", "source", "", "", "", "203.0.113.5"),
		entity("Machine", "impacted", "destination", "plc", "PLC-plc", "10.0.0.9", "203.0.113.5"),
	})
	equal(t, rows(t, s, `SELECT Categories, AdditionalFields ->> 'Protocol' AS p, Severity, Site FROM AlertEvidence LIMIT 1`),
		[]map[string]any{{"Categories": `["ImpairProcessControl"]`, "p": "modbus", "Severity": "High", "Site": "north"}})
}

func selectBounds(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	ctx := t.Context()
	b := batch(1)
	b.Devices = []store.Device{device("a"), device("b"), device("c")}
	apply(t, s, b)

	columns, all, more, err := s.Select(ctx, `WITH x AS (SELECT DeviceId AS i FROM DeviceInfo WHERE Vendor = ?)
		SELECT i, count(*) OVER () AS n FROM x ORDER BY i`, []any{"Siemens"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, columns, []string{"i", "n"})
	equal(t, all, [][]any{{"a", int64(3)}, {"b", int64(3)}})
	equal(t, more, true)
	_, all, more, _ = s.Select(ctx, `SELECT DeviceId FROM DeviceInfo`, nil, 3)
	equal(t, []any{len(all), more}, []any{3, false})
	for _, from := range []string{`DeviceInfo`, `(SELECT DeviceId FROM DeviceInfo) AS x`, `x`} {
		equal(t, rows(t, s, `WITH x AS MATERIALIZED (SELECT DeviceId FROM DeviceInfo) SELECT count(*) AS n FROM `+from),
			[]map[string]any{{"n": int64(3)}})
	}

	for _, text := range []string{
		`SELECT * FROM position`,
		`SELECT * FROM sensor`,
		`SELECT * FROM sqlite_master`,
		`DELETE FROM alert`,
		`INSERT INTO site VALUES ('x', '', '', '')`,
		`CREATE TABLE x (y)`,
		`CREATE TEMP TABLE x (y)`,
		`DROP TABLE alert`,
		`PRAGMA query_only = 0`,
		`ATTACH ':memory:' AS other`,
		`SELECT 1; DELETE FROM alert`,
		`SELECT`,
		`SELECT nothing FROM DeviceInfo`,
		`SELECT DeviceId FROM DeviceInfo WHERE Vendor = "Siemens"`, // a column that is not there, not a text
	} {
		if _, _, _, err := s.Select(ctx, text, nil, 10); err == nil {
			t.Errorf("%s: allowed", text)
		}
	}
	equal(t, len(must[[]store.Device](t)(s.Devices(ctx, store.DeviceFilter{}))), 3)
}

func selectInterrupted(t *testing.T, open Open) {
	s := open(t, "a")
	defer s.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	// It would count for hours; cut off before or while it does, it ends with its context.
	_, _, _, err := s.Select(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000000000)
		SELECT count(*) FROM n`, nil, 1)
	if !errors.Is(err, context.Canceled) && !slices.ContainsFunc([]string{"interrupt", "canceled"}, func(s string) bool {
		return err != nil && strings.Contains(err.Error(), s)
	}) {
		t.Errorf("got %v", err)
	}
}
