package sensor

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/inventory"
)

func configured(t *testing.T, text string) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadFile(path)
}

func TestZonesAndDevicesRefused(t *testing.T) {
	for text, want := range map[string]string{
		"zones: [{networks: [10.0.0.0/8]}]":                          "zones: name",
		"zones: [{name: a}, {name: a}]":                              "zones: name",
		"zones: [{name: a, networks: [10.0.0.0]}]":                   "zones: networks",
		"zones: [{name: a, level: '9'}]":                             "zones: level",
		"zones: [{name: a, criticality: extreme}]":                   "zones: criticality",
		"devices: [{name: x}]":                                       "not by 0 of them",
		"devices: [{match: {ip: 10.0.0.1, name: x}}]":                "not by 2 of them",
		"devices: [{match: {ip: pump}}]":                             "ip: \"pump\"",
		"devices: [{match: {mac: 00:11}}]":                           "mac: \"00:11\"",
		"devices: [{match: {name: x}, type: toaster}]":               "devices: type",
		"devices: [{match: {name: x}, purdue: '7'}]":                 "devices: purdue",
		"devices: [{match: {name: x}, zone: b}]\nzones: [{name: a}]": "there is no zone \"b\"",
		"devices: [{match: {name: x}, colour: red}]":                 "colour",
	} {
		if _, err := configured(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nerror %v, want %q", text, err, want)
		}
	}
}

// TestOperatorsSite: what the operator says of the recorded plant stands in its records.
func TestOperatorsSite(t *testing.T) {
	file, err := configured(t, `
zones:
  - {name: process, networks: [10.20.10.0/24], level: "1", criticality: high}
  - {name: operators, networks: [10.20.20.0/24], devices: [10.20.30.10, "2c:01:b5:1a:00:01"], level: "2"}
devices:
  - match: {name: eng-laptop}
    owner: Maintenance
    criticality: medium
  - match: {ip: 10.20.20.40}
    name: Archive
    zone: process
  - match: {ip: 10.20.30.10}
    purdue: "3"
`)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Site: "Harbour", Captures: []string{filepath.Join(labFixtures, "plant-normal.pcap.gz")}, Log: slog.New(slog.DiscardHandler)}
	file.Apply(&cfg)
	result, err := Replay(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	devices := make(map[string]inventory.Device)
	for _, d := range result.Devices {
		for _, ip := range d.IPs {
			devices[ip] = d
		}
	}
	for ip, want := range map[string]inventory.Device{
		"10.20.10.14": {Zone: "process", Purdue: "1", Criticality: "high"},
		"10.20.0.1":   {Zone: "operators", Purdue: "2", Criticality: "medium"},
		"10.20.20.40": {Zone: "process", Purdue: "3", Criticality: "high", Names: []string{"Archive"}},
		"10.20.30.10": {Zone: "operators", Purdue: "3", Criticality: "medium"},
		"10.20.30.66": {Zone: "enterprise", Purdue: "4", Criticality: "medium", Owner: "Maintenance"},
	} {
		got := devices[ip]
		if got.Zone != want.Zone || got.Purdue != want.Purdue || got.Criticality != want.Criticality || got.Owner != want.Owner ||
			len(want.Names) > 0 && got.Names[0] != want.Names[0] {
			t.Errorf("%s: zone %q, level %s, criticality %s, owner %q, names %q; want %+v", ip, got.Zone, got.Purdue, got.Criticality, got.Owner, got.Names, want)
		}
	}
}
