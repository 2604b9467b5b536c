package sensor

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

const labFixtures = "../../scripts/lab/fixtures"

// labHosts gives what the hosts of the recorded plant are, by address.
func labHosts(t *testing.T) map[string]map[string]string {
	t.Helper()
	f, err := os.Open(filepath.Join(labFixtures, "hosts.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.Comma = '\t'
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	hosts := make(map[string]map[string]string)
	for _, row := range rows[1:] {
		host := make(map[string]string)
		for k, column := range rows[0] {
			host[column] = row[k]
		}
		hosts[host["ip"]] = host
	}
	return hosts
}

func replayed(t *testing.T, captures ...string) *Result {
	t.Helper()
	result, err := Replay(t.Context(), Config{Site: "Harbour", Captures: captures, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// beginning writes the first bytes of a recording.
func beginning(t *testing.T, path string, bytes int64) string {
	t.Helper()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.pcap")
	out, err := os.Create(short)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(out, z, bytes); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return short
}

// TestLabTypes: what devices are is told from what they do and say, with the reason; of every ten hosts nine at least
// are told right.
func TestLabTypes(t *testing.T) {
	hosts := labHosts(t)
	normal := filepath.Join(labFixtures, "plant-normal.pcap.gz")
	for name, capture := range map[string]string{
		"attack": filepath.Join(labFixtures, "plant-attack.pcap.gz"),
		"normal": normal,
		"short":  beginning(t, normal, 200_000), // half a minute
	} {
		t.Run(name, func(t *testing.T) {
			devices := make(map[string]*inventory.Device)
			result := replayed(t, capture)
			for k := range result.Devices {
				for _, ip := range result.Devices[k].IPs {
					if devices[ip] != nil {
						t.Errorf("%s is two devices", ip)
					}
					devices[ip] = &result.Devices[k]
				}
			}
			right, seen := 0, 0
			for ip, host := range hosts {
				d := devices[ip]
				if d == nil {
					if name != "short" {
						t.Errorf("%s is no device", ip)
					}
					continue
				}
				seen++
				var reasons []string
				for _, f := range d.Facts {
					if f.Key == protocols.FactRole && f.Value == d.Type {
						reasons = append(reasons, f.Source)
					}
				}
				if len(reasons) == 0 {
					t.Errorf("%s is %s without a reason", ip, d.Type)
				}
				if d.Type == host["type"] && d.Category == host["category"] {
					right++
				} else {
					t.Logf("%s (%s) is taken for %s, %s: %s", host["name"], host["type"], d.Type, d.Category, strings.Join(reasons, "; "))
				}
			}
			if seen < 14 || right*10 < seen*9 {
				t.Errorf("%d of %d types are right", right, seen)
			}
		})
	}
}

// TestLabIdentity: what protocols disclose of the plant's devices stands in their records.
func TestLabIdentity(t *testing.T) {
	hosts := labHosts(t)
	for _, d := range replayed(t, filepath.Join(labFixtures, "plant-attack.pcap.gz")).Devices {
		if len(d.IPs) == 0 || hosts[d.IPs[0]] == nil {
			continue
		}
		host := hosts[d.IPs[0]]
		var told []string
		for _, f := range d.Facts {
			told = append(told, f.Value)
		}
		for _, column := range []string{"vendor", "model", "firmware", "serial"} {
			if want := host[column]; want != "" && !slices.Contains(told, want) {
				t.Errorf("%s: the %s %q is not among %q", host["name"], column, want, told)
			}
		}
	}
}
