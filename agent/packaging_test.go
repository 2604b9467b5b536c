package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

// The example in the packages can be used as it is, and with everything in it that is commented out. It names every key.
func TestExampleConfiguration(t *testing.T) {
	const path = "../packaging/agent.yaml"
	if _, err := sensor.ReadFile(path); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	full := regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(string(text), "$1")
	everything := filepath.Join(t.TempDir(), "agent.yaml")
	if err := os.WriteFile(everything, []byte(full), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := sensor.ReadFile(everything)
	if err != nil {
		t.Fatal(err)
	}
	for v, i := reflect.ValueOf(*file), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the example does not show %s", v.Type().Field(i).Tag.Get("yaml"))
		}
	}
}

// systemd understands every line of the unit. It exits with 0 on keys that it does not know, so its words count.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed: scripts/test.sh installs it")
	}
	text, err := os.ReadFile("../packaging/spanwatch-agent.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "spanwatch-agent.service")
	here := strings.ReplaceAll(string(text), "ExecStart=/usr/bin/spanwatch-agent ", "ExecStart=/bin/true ")
	if err := os.WriteFile(unit, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// Every key is explained in the operator's guide.
func TestKeysAreExplained(t *testing.T) {
	guide, err := os.ReadFile("../docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	for of, i := reflect.TypeFor[sensor.File](), 0; i < of.NumField(); i++ {
		if key := of.Field(i).Tag.Get("yaml"); !strings.Contains(string(guide), "| `"+key+"` |") {
			t.Errorf("docs/operation.md does not explain the key %q", key)
		}
	}
}
