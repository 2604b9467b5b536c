package scripts

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live"
)

// engine runs containers whose images and state are the test's own.
type engine struct {
	t    *testing.T
	dirs []string
}

func newEngine(t *testing.T) *engine {
	dir, err := os.MkdirTemp("", "swct-") // podman wants a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return &engine{t, []string{"--root", dir + "/root", "--runroot", dir + "/run", "--storage-driver", "vfs"}}
}

// try runs podman, or buildah, to its end.
func (e *engine) try(program string, args ...string) (string, error) {
	global := slices.Clone(e.dirs)
	if program == "podman" {
		global = append(global, "--runtime", "runc", "--events-backend", "none")
	}
	cmd := exec.Command(program, append(global, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

func (e *engine) do(program string, args ...string) string {
	e.t.Helper()
	out, err := e.try(program, args...)
	if err != nil {
		e.t.Fatal(err)
	}
	return out
}

// logs gives what a container wrote.
func (e *engine) logs(container string) string {
	out, err := exec.Command("podman", append(slices.Clone(e.dirs), "logs", container)...).CombinedOutput()
	if err != nil {
		e.t.Error(err)
	}
	return string(out)
}

// load gives the name of the image in an archive of dist.
func (e *engine) load() string {
	e.t.Helper()
	out := e.do("podman", "load", "--quiet", "--input", packed(e.t, "spanwatch-agent_*_"+runtime.GOARCH+".image.tar"))
	_, name, found := strings.Cut(strings.TrimSpace(out), "Loaded image: ")
	if !found {
		e.t.Fatalf("load says %q", out)
	}
	return name
}

// mirror is a link with a sensor's end, in a namespace of its own, and the end where the test puts frames in.
type mirror struct{ namespace string }

const mirrorLink, switchLink = "mirror0", "switch0"

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{fmt.Sprintf("swct-%d", os.Getpid())}
	ip := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %v: %v\n%s", args, err, out)
		}
	}
	ip("netns", "add", m.namespace)
	t.Cleanup(func() { ip("netns", "del", m.namespace) })
	// Without IPv6 the kernel itself sends nothing on either end.
	if out, err := exec.Command("ip", "netns", "exec", m.namespace, "sh", "-c",
		"echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ip("-n", m.namespace, "link", "add", switchLink, "type", "veth", "peer", "name", mirrorLink)
	ip("-n", m.namespace, "link", "set", switchLink, "up")
	ip("-n", m.namespace, "link", "set", mirrorLink, "up")
	return m
}

// socket opens a packet socket that sends on the switch's end.
func (m *mirror) socket(t *testing.T) int {
	t.Helper()
	// The thread is never unlocked: it ends with this goroutine, and nobody else finds itself in the namespace.
	type result struct {
		fd  int
		err error
	}
	opened := make(chan result)
	go func() {
		runtime.LockOSThread()
		fd, err := func() (int, error) {
			ns, err := unix.Open("/run/netns/"+m.namespace, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return -1, err
			}
			defer unix.Close(ns)
			if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
				return -1, err
			}
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return -1, err
			}
			request, err := unix.NewIfreq(switchLink)
			if err == nil {
				err = unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, request)
			}
			if err == nil {
				err = unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: int(request.Uint32())})
			}
			return fd, err
		}()
		opened <- result{fd, err}
	}()
	r := <-opened
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { unix.Close(r.fd) })
	return r.fd
}

// play puts the frames of a capture in, in bursts: the next one when the sensor has met the last.
func (m *mirror) play(t *testing.T, name string, met func(sent uint64)) {
	t.Helper()
	const burst = 2000
	fd := m.socket(t)
	frames, err := capture.Open(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer frames.Close()
	var f capture.Frame
	sent := uint64(0)
	for {
		err := frames.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unix.Write(fd, f.Data); err != nil {
			t.Fatal(err)
		}
		if sent++; sent%burst == 0 {
			met(sent)
		}
	}
	met(sent)
}

// health is what the sensor says of itself, as far as this test reads it.
type health struct {
	Privileges string
	Interfaces []live.Status
	Counters   struct{ Packets uint64 }
}

// patience bounds every wait for a condition.
const patience = time.Minute

// until asks again and again what is still missing, until nothing is.
func until(t *testing.T, missing func() string) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		what := missing()
		if what == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after %v: %s", patience, what)
		}
	}
}

// judged gives what alerts are about, sorted.
func judged(t *testing.T, lines string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(lines) {
		var a struct {
			Rule, Severity, Level string
			ActorIP               string `json:"actor_ip"`
			TargetIP              string `json:"target_ip"`
		}
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		list = append(list, strings.Join([]string{a.Rule, a.Severity, a.Level, a.ActorIP, a.TargetIP}, " "))
	}
	slices.Sort(list)
	return list
}

// The image runs with the capabilities that the manual names, under the profile of the product and under the engine's
// own, which forbids bpf(). It finds in mirrored frames what a replay of them finds, and ends in order.
func TestContainer(t *testing.T) {
	needsRoot(t)
	needs(t, "podman", "runc", "ip")
	e := newEngine(t)
	image := e.load()
	profile, err := filepath.Abs("../packaging/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	known := filepath.Join(t.TempDir(), "replayed")
	run(t, "agent", "replay", "--site", "Plant1", "--state", known, "--verdicts", fixtures+"verdicts.jsonl", fixtures+"plant-attack.pcap.gz")
	out, _ := run(t, "agent", "alerts", "--state", known, "--format", "json")
	alerts := judged(t, out)
	if len(alerts) < 3 {
		t.Fatalf("only %d alerts were raised: the test would pass for want of them", len(alerts))
	}
	const least, separating = "NET_RAW,NET_ADMIN,BPF,PERFMON", ",SETUID,SETGID,CHOWN,KILL"
	ours := []string{"--security-opt", "seccomp=" + profile, "--security-opt", "no-new-privileges"}
	for _, test := range []struct {
		name         string
		security     []string
		capabilities string
		bpf          bool   // may be asked for
		privileges   string // what the sensor says of them
	}{
		{"our profile", ours, least + separating, true, "separated: frames are read by user 65534"},
		{"the least capabilities", ours, least, true, "one process with the privileges it was started with"},
		{"the engine's profile", nil, least + separating, false, "separated: frames are read by user 65534"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMirror(t)
			state, verdicts := t.TempDir(), t.TempDir()
			text, err := os.ReadFile(fixtures + "verdicts.jsonl")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(verdicts, "verdicts.jsonl"), text, 0o644); err != nil {
				t.Fatal(err)
			}
			e := &engine{t, e.dirs}
			id := strings.TrimSpace(e.do("podman", slices.Concat([]string{"run", "--detach", "--log-driver", "k8s-file",
				"--network", "ns:/run/netns/" + m.namespace, "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096", "--read-only",
				"--cap-drop", "ALL", "--cap-add", test.capabilities,
				"--volume", state + ":/var/lib/spanwatch/agent", "--volume", verdicts + ":/etc/spanwatch:ro"},
				test.security, []string{image, "run", "--interface", mirrorLink, "--site", "Plant1", "--verdicts", "/etc/spanwatch/verdicts.jsonl"})...))
			removed := false
			t.Cleanup(func() {
				if !removed {
					t.Log(e.logs(id))
					e.do("podman", "rm", "--force", "--time", "0", id)
				}
			})

			var h health
			status := func() string {
				out, err := exec.Command(program(t, "agent"), "status", "--state", state, "--format", "json").CombinedOutput()
				if err != nil {
					return string(out)
				}
				if err := json.Unmarshal(out, &h); err != nil {
					return err.Error()
				}
				if len(h.Interfaces) != 1 || !h.Interfaces[0].Up {
					return fmt.Sprintf("listens to %+v", h.Interfaces)
				}
				return ""
			}
			until(t, status)
			m.play(t, fixtures+"plant-attack.pcap.gz", func(sent uint64) {
				until(t, func() string {
					if what := status(); what != "" || h.Interfaces[0].NIC.Received >= sent {
						return what
					}
					return fmt.Sprintf("%d of %d frames have arrived", h.Interfaces[0].NIC.Received, sent)
				})
			})
			until(t, func() string {
				out, _ := run(t, "agent", "alerts", "--state", state, "--format", "json")
				return cmp.Diff(alerts, judged(t, out))
			})
			if d, _ := run(t, "agent", "devices", "--state", state, "--format", "json"); strings.Count(d, "\n") < 14 {
				t.Errorf("only these devices:\n%s", d)
			}
			if what := status(); what != "" {
				t.Fatal(what)
			}
			s := h.Interfaces[0]
			if s.Ring.Dropped != 0 || s.NIC.Transmitted != 0 {
				t.Errorf("dropped or sent: %+v", s)
			}
			if best := s.Mode != live.ModePlain; best != test.bpf || !test.bpf && !strings.Contains(s.Reason, "seccomp profile") {
				t.Errorf("mode %s, reason %q; bpf() allowed: %v", s.Mode, s.Reason, test.bpf)
			}
			if !strings.HasPrefix(h.Privileges, test.privileges) {
				t.Errorf("privileges: %s, want %s", h.Privileges, test.privileges)
			}

			e.do("podman", "stop", "--time", "20", id)
			code := strings.TrimSpace(e.do("podman", "inspect", "--format", "{{.State.ExitCode}}", id))
			log := e.logs(id)
			if strings.Contains(log, "may not become another user") != (test.capabilities == least) {
				t.Errorf("the log does not say how frames are read:\n%s", log)
			}
			if code != "0" || !strings.Contains(log, "mode="+string(s.Mode)) {
				t.Errorf("exit code %s, log:\n%s", code, log)
			}
			e.do("podman", "rm", id)
			removed = true
		})
	}
}

// What a container engine makes of the Containerfile is what is packed without one.
func TestImageIsThatOfTheContainerfile(t *testing.T) {
	needsRoot(t)
	needs(t, "podman", "buildah")
	e := newEngine(t)
	image := e.load()
	dir, err := dist()
	if err != nil {
		t.Fatal(err)
	}
	e.do("buildah", "bud", "--quiet", "--file", "../packaging/Containerfile", "--tag", "built", filepath.Join(dir, runtime.GOARCH))
	look := func(name string) (about struct {
		Architecture, Os string
		Config           map[string]any
	}) {
		t.Helper()
		out := e.do("podman", "inspect", "--type", "image", "--format", "json", name)
		var list []json.RawMessage
		if err := errors.Join(json.Unmarshal([]byte(out), &list), json.Unmarshal(list[0], &about)); err != nil {
			t.Fatal(err)
		}
		if labels, ok := about.Config["Labels"].(map[string]any); ok {
			delete(labels, "io.buildah.version")
		}
		return about
	}
	if diff := cmp.Diff(look("built"), look(image)); diff != "" {
		t.Errorf("differs from what buildah makes:\n%s", diff)
	}
	list := func(name string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "files.tar")
		id := strings.TrimSpace(e.do("podman", "create", name))
		e.do("podman", "export", "--output", file, id)
		out, err := exec.Command("tar", "-tvf", file, "--exclude", "etc", "--exclude", "dev", "--exclude", "proc", "--exclude", "sys", "--exclude", "run").Output()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line) // mode owner size date time name
			lines = append(lines, strings.Join([]string{f[0], f[1], f[2], f[5]}, " "))
		}
		return strings.Join(lines, "\n")
	}
	if diff := cmp.Diff(list("built"), list(image)); diff != "" {
		t.Errorf("files differ from what buildah makes:\n%s", diff)
	}
}
