package scripts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// service is a machine that a real systemd looks after: it has the programs of this one, and nothing of its settings.
type service struct {
	t    *testing.T
	root string
	pid  string // of systemd
}

const sensorUnit = "spanwatch-agent.service"

// boot starts systemd as the first process of a container, which sees the network of a mirror.
func boot(t *testing.T, m *mirror) *service {
	t.Helper()
	s := &service{t: t, root: t.TempDir()}
	for dir := s.root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // the sensor becomes another user
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"etc/systemd/system/" + sensorUnit + ".d", "etc/spanwatch", "opt", "proc", "root", "run", "sys", "tmp", "dev", "usr", "var/lib", "home"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+dir, filepath.Join(s.root, dir)); err != nil {
			t.Fatal(err)
		}
	}
	unit, err := os.ReadFile("../packaging/" + sensorUnit)
	if err != nil {
		t.Fatal(err)
	}
	agent, err := os.ReadFile(program(t, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{
		"etc/os-release": []byte("ID=test\n"), "etc/machine-id": nil, "opt/spanwatch-agent": agent,
		"etc/passwd":                       []byte("root:x:0:0::/root:/bin/sh\nspanwatch:x:990:990::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n"),
		"etc/group":                        []byte("root:x:0:\nspanwatch:x:990:\nnogroup:x:65534:\n"),
		"etc/spanwatch/agent.yaml":         []byte("interfaces: [" + mirrorLink + "]\nverdicts: /etc/spanwatch/verdicts.jsonl\n"),
		"etc/spanwatch/verdicts.jsonl":     nil,
		"etc/systemd/system/" + sensorUnit: bytes.ReplaceAll(unit, []byte("/usr/bin/spanwatch-agent"), []byte("/opt/spanwatch-agent")),
		// Nobody waits for half a minute.
		"etc/systemd/system/" + sensorUnit + ".d/soon.conf": []byte("[Service]\nWatchdogSec=3\nRestartSec=1\nTimeoutStopSec=5\n"),
		"etc/systemd/system/sensor.target":                  []byte("[Unit]\nRequires=" + sensorUnit + "\nAfter=" + sensorUnit + "\n"),
	} {
		if err := os.WriteFile(filepath.Join(s.root, name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ld.so.cache", "alternatives"} { // libraries of systemd stand where these say
		_ = exec.Command("cp", "-r", "/etc/"+name, filepath.Join(s.root, "etc")).Run() // not every machine has them
	}
	var said bytes.Buffer
	nspawn := exec.Command("systemd-nspawn", "--quiet", "--directory="+s.root, "--bind-ro=/usr", "--register=no", "--keep-unit", "--console=pipe",
		"--network-namespace-path=/run/netns/"+m.namespace, "--capability=all", "--kill-signal=SIGRTMIN+3",
		"--system-call-filter=bpf perf_event_open landlock_create_ruleset landlock_add_rule landlock_restrict_self",
		"/usr/lib/systemd/systemd", "--unit=sensor.target", "--log-target=console", "--show-status=no")
	nspawn.Stdout, nspawn.Stderr = &said, &said
	if err := nspawn.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nspawn.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = nspawn.Wait()
		if t.Failed() {
			t.Logf("systemd said:\n%s", said.String())
		}
	})
	until(t, func() string {
		pid := strconv.Itoa(nspawn.Process.Pid)
		children, err := os.ReadFile("/proc/" + pid + "/task/" + pid + "/children")
		if s.pid = strings.TrimSpace(string(children)); err != nil || s.pid == "" || strings.Contains(s.pid, " ") {
			return fmt.Sprintf("systemd-nspawn has the children %q (%v)\n", s.pid, err)
		}
		return ""
	})
	return s
}

// inside runs a command where systemd runs.
func (s *service) inside(args ...string) (string, error) {
	out, err := exec.Command("nsenter", append([]string{"--target", s.pid, "--mount", "--pid", "--net", "--root"}, args...)...).CombinedOutput()
	return string(out), err
}

// property asks systemd about the sensor.
func (s *service) property(name string) string {
	out, err := s.inside("/usr/bin/systemctl", "show", "--value", "--property="+name, sensorUnit)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(out)
}

// listens waits until systemd takes the sensor for started, for the nth time, and gives what the sensor says of itself.
func (s *service) listens(restarts int) (h health) {
	s.t.Helper()
	until(s.t, func() string {
		if state, n := s.property("ActiveState"), s.property("NRestarts"); state != "active" || n != strconv.Itoa(restarts) {
			return fmt.Sprintf("the service is %s after %s restarts, want %d", state, n, restarts)
		}
		out, err := s.inside("/opt/spanwatch-agent", "status", "--state", "/var/lib/spanwatch/agent", "--format", "json")
		h = health{}
		if err != nil || json.Unmarshal([]byte(out), &h) != nil || len(h.Interfaces) == 0 {
			return fmt.Sprintf("the sensor says %s (%v)", out, err)
		}
		return ""
	})
	return h
}

// reader is the process that reads frames and tells systemd that it does.
func (s *service) reader() (pid int) {
	s.t.Helper()
	main := s.property("MainPID")
	out, err := s.inside("/usr/bin/pgrep", "-P", main)
	if err == nil {
		pid, err = strconv.Atoi(strings.TrimSpace(out))
	}
	if err != nil {
		s.t.Fatalf("process %s has the children %q: %v", main, out, err)
	}
	return pid
}

// The unit works under a real systemd with all its walls: the service counts as started when the sensor listens, in the best
// mode and without privileges; a sensor that is stuck is started again; what it knew is there when it ends.
func TestService(t *testing.T) {
	needsRoot(t)
	needs(t, "systemd-nspawn", "nsenter", "pgrep", "ip")
	m := newMirror(t)
	s := boot(t, m)
	h := s.listens(0)
	if i := h.Interfaces[0]; i.Mode != "xdp-native" || !strings.HasPrefix(h.Privileges, "separated: frames are read by user spanwatch") || !strings.Contains(h.Privileges, "seccomp") {
		t.Errorf("%+v", h)
	}
	t.Log(h.Privileges)
	m.play(t, "lab/fixtures/plant-attack.pcap.gz", func(sent uint64) {
		until(t, func() string {
			h = s.listens(0)
			if i := h.Interfaces[0]; i.NIC.Received < sent || h.Counters.Packets < i.Ring.Received {
				return fmt.Sprintf("%d sent, %+v", sent, h)
			}
			return ""
		})
	})
	if i := h.Interfaces[0]; i.NIC.Transmitted != 0 || i.Ring.Received == 0 {
		t.Errorf("%+v", i)
	}
	if out, err := s.inside("/usr/bin/systemctl", "reload", sensorUnit); err != nil {
		t.Errorf("reload: %v: %s", err, out)
	}
	if out, err := s.inside("/bin/kill", "-STOP", strconv.Itoa(s.reader())); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.listens(1)
	if out, err := s.inside("/usr/bin/systemctl", "stop", sensorUnit); err != nil {
		t.Errorf("stop: %v: %s", err, out)
	}
	if result := s.property("Result"); result != "success" {
		t.Errorf("the service ended with %s", result)
	}
	out, err := s.inside("/opt/spanwatch-agent", "devices", "--state", "/var/lib/spanwatch/agent", "--format", "json")
	if err != nil || strings.Count(out, "\n") < 3 {
		t.Errorf("%v: devices %s", err, out)
	}
}
