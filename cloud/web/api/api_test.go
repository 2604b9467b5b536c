package api

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/spanwatch/spanwatch/cloud/incident"
	"github.com/spanwatch/spanwatch/cloud/store"
	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
	"github.com/spanwatch/spanwatch/proto/spanwatch/v1/spanwatchv1connect"
)

var (
	quiet = slog.New(slog.NewTextHandler(io.Discard, nil))
	noon  = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

func device(id, name, ip, kind string) store.Device {
	return store.Device{
		ID: id, Site: "north", Sensor: "s1", Names: []string{name}, IPs: []string{ip}, Type: kind, Category: "OT", Vendor: "Acme", Model: "X1",
		Facts:     []store.Fact{{Key: "vendor", Value: "Acme", Source: "MAC prefix", Confidence: 60, FirstSeen: noon, LastSeen: noon}},
		Modules:   []store.Module{{Place: "0/1", Name: "CPU"}},
		FirstSeen: noon, LastSeen: noon, Compromise: store.Compromise{State: "none"},
	}
}

func alert(id, actor, target, level string, after time.Duration) store.Alert {
	return store.Alert{
		ID: id, Site: "north", Rule: "compromise-impact", Title: "Possible operational impact due to a compromised device", Severity: "high", Level: level,
		Time: noon.Add(after), LastTime: noon.Add(after), Actor: actor, Target: target, Protocol: "modbus", Count: 1, Revision: 1,
		RecommendedActions: []string{"Isolate " + actor, "Check " + target},
		Reach:              []store.Asset{{Device: "plc9", Name: "PLC-9", IP: "10.0.0.19", Type: "plc", Reason: "same segment"}},
	}
}

// services gives clients of services over a store with one incident of three alerts and one of a single alert.
func services(t *testing.T) (spanwatchv1connect.IncidentServiceClient, spanwatchv1connect.InventoryServiceClient, store.Store) {
	t.Helper()
	s, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "spanwatch.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.AddSite(t.Context(), store.Site{Name: "north", Location: "Hill", Created: noon}); err != nil {
		t.Fatal(err)
	}
	part := device("io1", "IO-1", "10.0.0.13", "io")
	part.Parent = "plc1"
	b := store.Batch{
		Site: "north", Sensor: "s1", Received: noon, Position: store.Position{Epoch: "e", Lane: store.LaneAlert, Sequence: 1},
		Devices: []store.Device{
			device("eng", "ENG", "10.0.0.5", "engineering-station"), device("plc1", "PLC-1", "10.0.0.11", "plc"), device("plc2", "PLC-2", "10.0.0.12", "plc"), part,
			device("hmi", "HMI", "10.0.0.20", "hmi"),
		},
		Edges: []store.Edge{
			{Site: "north", Client: "eng", Server: "plc1", ClientIP: "10.0.0.5", ServerIP: "10.0.0.11", Protocol: "modbus", Port: 502, Actions: map[string]uint64{"read": 7}, Packets: 14, Bytes: 900, FirstSeen: noon, LastSeen: noon, Baseline: "known"},
			{Site: "north", Client: "eng", Server: "plc1", ClientIP: "10.0.0.5", ServerIP: "10.0.0.11", Protocol: "s7comm", Port: 102, Actions: map[string]uint64{"read": 1, "control": 1}, Packets: 4, Bytes: 100, FirstSeen: noon, LastSeen: noon, Baseline: "new"},
			{Site: "north", Client: "plc1", Server: "plc2", ClientIP: "10.0.0.11", ServerIP: "10.0.0.12", Protocol: "modbus", Port: 502, Actions: map[string]uint64{"read": 3}, FirstSeen: noon, LastSeen: noon, Baseline: "known"},
			{Site: "north", Client: "hmi", Server: "plc1", ClientIP: "10.0.0.20", ServerIP: "10.0.0.11", Protocol: "modbus", Port: 502, Actions: map[string]uint64{"read": 3}, FirstSeen: noon, LastSeen: noon, Baseline: "known"},
		},
		Alerts: []store.Alert{
			alert("a1", "eng", "plc1", "read", 0), alert("a2", "eng", "plc1", "control", time.Minute), alert("a3", "plc1", "plc2", "contact", 2*time.Minute),
			alert("b1", "hmi", "hmi2", "contact", 0),
		},
	}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := incident.New(s, quiet).Correlate(t.Context(), "north", b.Alerts); err != nil {
		t.Fatal(err)
	}
	return clients(t, s)
}

func clients(t *testing.T, s store.Store) (spanwatchv1connect.IncidentServiceClient, spanwatchv1connect.InventoryServiceClient, store.Store) {
	t.Helper()
	mux := http.NewServeMux()
	Register(mux, s, quiet)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return spanwatchv1connect.NewIncidentServiceClient(server.Client(), server.URL, connect.WithProtoJSON()),
		spanwatchv1connect.NewInventoryServiceClient(server.Client(), server.URL), s
}

func TestListIncidents(t *testing.T) {
	c, _, _ := services(t)
	for _, x := range []struct {
		name string
		ask  *pb.ListIncidentsRequest
		want int
		more bool
	}{
		{"all", &pb.ListIncidentsRequest{}, 2, false},
		{"limited", &pb.ListIncidentsRequest{Limit: 1}, 1, true},
		{"exactly the limit", &pb.ListIncidentsRequest{Limit: 2}, 2, false},
		{"site", &pb.ListIncidentsRequest{Site: "south"}, 0, false},
		{"severity", &pb.ListIncidentsRequest{Severity: "low"}, 0, false},
		{"product", &pb.ListIncidentsRequest{Product: "Spanwatch", Status: "new"}, 2, false},
		{"search", &pb.ListIncidentsRequest{Search: "plc-1"}, 1, false},
	} {
		res, err := c.ListIncidents(t.Context(), connect.NewRequest(x.ask))
		if err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		if len(res.Msg.Incidents) != x.want || res.Msg.More != x.more {
			t.Errorf("%s: %d incidents, more %v; want %d, %v", x.name, len(res.Msg.Incidents), res.Msg.More, x.want, x.more)
		}
	}
}

func TestGetIncident(t *testing.T) {
	c, _, _ := services(t)
	res, err := c.GetIncident(t.Context(), connect.NewRequest(&pb.GetIncidentRequest{Id: 1}))
	if err != nil {
		t.Fatal(err)
	}
	m := res.Msg
	if m.Incident.Level != "control" || m.Incident.AlertCount != 3 || m.Incident.DeviceCount != 3 {
		t.Errorf("incident = %v", m.Incident)
	}
	var ids []string
	for _, a := range m.Alerts {
		ids = append(ids, a.Alert.Id)
		if a.Reason == "" || a.Incident != 1 || a.Sensor != "s1" || !a.Received.AsTime().Equal(noon) {
			t.Errorf("alert %s: reason %q, incident %d, sensor %q, received %v", a.Alert.Id, a.Reason, a.Incident, a.Sensor, a.Received.AsTime())
		}
	}
	if diff := cmp.Diff([]string{"a1", "a2", "a3"}, ids); diff != "" {
		t.Errorf("alerts (-want +got):\n%s", diff)
	}
	type node struct {
		Name, Level  string
		Actor, Reach bool
		X            float64
	}
	nodes := map[string]node{}
	for _, n := range m.Nodes {
		nodes[n.Key] = node{n.Device.Name, n.Level, n.Actor, n.Reach, n.X}
	}
	if diff := cmp.Diff(map[string]node{
		"eng": {"ENG", "", true, false, 0}, "plc1": {"PLC-1", "control", true, false, 1}, "plc2": {"PLC-2", "contact", false, false, 2}, "plc9": {"PLC-9", "", false, true, 3},
	}, nodes); diff != "" {
		t.Errorf("nodes (-want +got):\n%s", diff)
	}
	if len(m.Edges) != 2 {
		t.Fatalf("edges = %v, want those between the incident's devices", m.Edges)
	}
	e := m.Edges[0]
	if e.Client != "eng" || e.Server != "plc1" || e.Level != "control" || e.Actions["read"] != 8 || e.Packets != 18 || e.Baseline != "new" ||
		!cmp.Equal(e.Protocols, []string{"modbus", "s7comm"}) || !cmp.Equal(e.Alerts, []string{"a1", "a2"}) {
		t.Errorf("edge = %v", e)
	}
	var actions []string
	for _, r := range m.RecommendedActions {
		actions = append(actions, r.Text+": "+strings.Join(r.Alerts, " "))
	}
	if diff := cmp.Diff([]string{"Isolate eng: a2 a1", "Check plc1: a2 a1", "Isolate plc1: a3", "Check plc2: a3"}, actions); diff != "" {
		t.Errorf("recommended actions (-want +got):\n%s", diff)
	}
	if len(m.Reach) != 1 || m.Reach[0].Device != "plc9" {
		t.Errorf("reach = %v", m.Reach)
	}
}

// An alert's time is that of its first contact, and its count is over all of its messages: neither belongs to the gravest
// deed, which has its own time.
func TestAlertsNameTheirGravestEvidence(t *testing.T) {
	i, d, s := services(t)
	stop := alert("d1", "eng", "plc1", "control", 3*time.Minute)
	stop.Count, stop.LastTime = 15, noon.Add(4*time.Minute)
	stop.Evidence = []store.Evidence{
		{Frame: 7, Time: stop.Time, Protocol: "tcp", Message: "conversation with TCP port 102", Action: "connect", Outcome: "done", Level: "contact"},
		{Frame: 8, Time: stop.Time.Add(36 * time.Second), Protocol: "s7comm", Message: "Request download", Action: "download", Outcome: "done", Level: "control", Object: "block OB1"},
		{Frame: 9, Time: stop.Time.Add(39 * time.Second), Protocol: "s7comm", Message: "PLC Stop", Action: "control", Outcome: "done", Level: "control", Before: "run", After: "stop"},
	}
	b := store.Batch{Site: "north", Sensor: "s1", Received: noon, Position: store.Position{Epoch: "e", Lane: store.LaneAlert, Sequence: 2}, Alerts: []store.Alert{stop}}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := incident.New(s, quiet).Correlate(t.Context(), "north", b.Alerts); err != nil {
		t.Fatal(err)
	}
	one, err := i.GetIncident(t.Context(), connect.NewRequest(&pb.GetIncidentRequest{Id: 1}))
	if err != nil {
		t.Fatal(err)
	}
	page, err := d.GetDevice(t.Context(), connect.NewRequest(&pb.GetDeviceRequest{Site: "north", Id: "plc1"}))
	if err != nil {
		t.Fatal(err)
	}
	for name, alerts := range map[string][]*pb.IncidentAlert{"incident": one.Msg.Alerts, "device": page.Msg.Alerts} {
		found := 0
		for _, a := range alerts {
			if a.Alert.Id != "d1" {
				if a.Gravest != nil {
					t.Errorf("%s: alert %s has no evidence, but the gravest is %v", name, a.Alert.Id, a.Gravest)
				}
				continue
			}
			found++
			if !a.Alert.Time.AsTime().Equal(stop.Time) || a.Alert.Count != 15 {
				t.Errorf("%s: time %v, count %d", name, a.Alert.Time.AsTime(), a.Alert.Count)
			}
			if diff := cmp.Diff(a.Alert.Evidence[2], a.Gravest, protocmp.Transform()); diff != "" {
				t.Errorf("%s: gravest (-want +got):\n%s", name, diff)
			}
		}
		if found != 1 {
			t.Errorf("%s: the alert is there %d times", name, found)
		}
	}
}

func TestMergedIncidentLeadsToItsSurvivor(t *testing.T) {
	c, _, s := services(t)
	bridge := alert("c1", "hmi", "plc2", "read", 3*time.Minute)
	b := store.Batch{Site: "north", Sensor: "s1", Received: noon, Position: store.Position{Epoch: "e", Lane: store.LaneAlert, Sequence: 2}, Alerts: []store.Alert{bridge}}
	if err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := incident.New(s, quiet).Correlate(t.Context(), "north", b.Alerts); err != nil {
		t.Fatal(err)
	}
	res, err := c.GetIncident(t.Context(), connect.NewRequest(&pb.GetIncidentRequest{Id: 2}))
	if err != nil {
		t.Fatal(err)
	}
	if res.Msg.Incident.Id != 1 || res.Msg.Incident.AlertCount != 5 {
		t.Errorf("incident 2 leads to %v, want incident 1 with five alerts", res.Msg.Incident)
	}
	all, err := c.ListIncidents(t.Context(), connect.NewRequest(&pb.ListIncidentsRequest{}))
	if err != nil || len(all.Msg.Incidents) != 1 {
		t.Errorf("list = %v, %v; want the survivor alone", all, err)
	}
}

func TestInventory(t *testing.T) {
	_, c, _ := services(t)
	sites, err := c.ListSites(t.Context(), connect.NewRequest(&pb.ListSitesRequest{}))
	if err != nil || len(sites.Msg.Sites) != 1 || sites.Msg.Sites[0].Devices != 5 || sites.Msg.Sites[0].Sensors != 1 || sites.Msg.Sites[0].Location != "Hill" {
		t.Errorf("sites = %v, %v", sites, err)
	}
	list, err := c.ListDevices(t.Context(), connect.NewRequest(&pb.ListDevicesRequest{Site: "north", Type: "plc", Limit: 1}))
	if err != nil || len(list.Msg.Devices) != 1 || !list.Msg.More || len(list.Msg.Devices[0].Facts) != 0 || len(list.Msg.Devices[0].Modules) != 0 {
		t.Errorf("devices = %v, %v; want one without facts, and more", list, err)
	}
	one, err := c.GetDevice(t.Context(), connect.NewRequest(&pb.GetDeviceRequest{Site: "north", Id: "plc1"}))
	if err != nil {
		t.Fatal(err)
	}
	m := one.Msg
	if m.Device.Facts[0].Source != "MAC prefix" || m.Sensor != "s1" || len(m.Children) != 1 || m.Children[0].Id != "io1" || m.Parent != nil {
		t.Errorf("device = %v", m)
	}
	if len(m.Alerts) != 3 || m.Alerts[0].Alert.Id != "a3" {
		t.Errorf("alerts = %v, want three, the newest first", m.Alerts)
	}
	peers := map[string]bool{}
	for _, e := range m.Edges {
		peers[e.Peer.Name+" "+e.Edge.Protocol] = e.Outgoing
	}
	if diff := cmp.Diff(map[string]bool{"ENG modbus": false, "ENG s7comm": false, "HMI modbus": false, "PLC-2 modbus": true}, peers); diff != "" {
		t.Errorf("edges (-want +got):\n%s", diff)
	}
	part, err := c.GetDevice(t.Context(), connect.NewRequest(&pb.GetDeviceRequest{Site: "north", Id: "io1"}))
	if err != nil || part.Msg.Parent.GetName() != "PLC-1" {
		t.Errorf("parent = %v, %v", part, err)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	i, d, _ := services(t)
	_, err := i.GetIncident(t.Context(), connect.NewRequest(&pb.GetIncidentRequest{Id: 4711}))
	if connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "4711") {
		t.Errorf("unknown incident: %v", err)
	}
	_, err = d.GetDevice(t.Context(), connect.NewRequest(&pb.GetDeviceRequest{Site: "north", Id: "ghost"}))
	if connect.CodeOf(err) != connect.CodeNotFound || !strings.Contains(err.Error(), "ghost") {
		t.Errorf("unknown device: %v", err)
	}
}

// broken fails as a damaged disk does.
type broken struct{ store.Store }

func (broken) Sites(context.Context) ([]store.Site, error) {
	return nil, errors.New("store: /var/lib/spanwatch/secret.db: disk I/O error")
}

func TestErrorsOfTheStoreStayInside(t *testing.T) {
	_, c, _ := clients(t, broken{})
	_, err := c.ListSites(t.Context(), connect.NewRequest(&pb.ListSitesRequest{}))
	if connect.CodeOf(err) != connect.CodeInternal || strings.Contains(err.Error(), "secret") {
		t.Errorf("error = %v, want one that keeps the path to itself", err)
	}
}
