package live

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

// agentVariable names the program under test to the process that runs in a namespace, where nothing can be downloaded.
const agentVariable = "SPANWATCH_LIVE_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(withoutBPF) != "" {
		fmt.Fprintln(os.Stderr, becomeAgent())
		os.Exit(1)
	}
	os.Exit(prepared(func() int { return livetest.Main(m.Run) }))
}

// prepared builds the agent, unless it was built already.
func prepared(run func() int) int {
	if os.Getenv(agentVariable) != "" {
		return run()
	}
	dir, err := os.MkdirTemp("", "spanwatch-live-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "spanwatch-agent")
	build := exec.Command("go", "build", "-o", program, "./agent")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s\n", err, out)
		return 1
	}
	// The agent runs as an unprivileged user, too.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Setenv(agentVariable, program)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return run()
}

func privileged(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("packet sockets need root, and CI has it")
		}
		t.Skip("packet sockets need root")
	}
}

// deadline bounds what a test waits for.
const deadline = 30 * time.Second

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, deadline)
		}
	}
}

// lay makes a cable for one test. Whatever the test does, the monitored end must not send.
func lay(t *testing.T, name string) *livetest.Cable {
	t.Helper()
	cable, err := livetest.Lay(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := net.InterfaceByName(name); err != nil {
			return // the test removed it
		}
		if n, err := cable.Transmitted(); err != nil || n != 0 {
			t.Errorf("%d frames were sent on the monitored interface (%v)", n, err)
		}
		if err := cable.Cut(); err != nil {
			t.Error(err)
		}
	})
	return cable
}

// agent is a running sensor.
type agent struct {
	t     *testing.T
	state string
	cmd   *exec.Cmd
	ended chan error
	mu    sync.Mutex
	log   bytes.Buffer
}

// Write takes the log.
func (a *agent) Write(b []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(b)
}

func (a *agent) said() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

// start runs a sensor and waits until it listens. Prepare may change how the program is started.
func start(t *testing.T, prepare func(cmd *exec.Cmd, state string), args ...string) *agent {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the agent becomes another user
		t.Fatal(err)
	}
	a := &agent{t: t, state: filepath.Join(dir, "state"), ended: make(chan error, 1)}
	a.cmd = exec.Command(os.Getenv(agentVariable), append([]string{"run", "--state", a.state}, args...)...)
	a.cmd.Stderr = a
	if prepare != nil {
		prepare(a.cmd, a.state)
	}
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { a.ended <- a.cmd.Wait() }()
	t.Cleanup(func() {
		if a.cmd.ProcessState == nil {
			_ = a.cmd.Process.Kill() // it may have ended meanwhile
			<-a.ended
		}
		if t.Failed() {
			t.Logf("the agent said:\n%s", a.said())
		}
	})
	eventually(t, "the agent listens", func() bool {
		select {
		case err := <-a.ended:
			a.ended <- err
			t.Fatalf("the agent ended: %v\n%s", err, a.said())
		default:
		}
		h, err := a.status()
		return err == nil && len(h.Interfaces) > 0 && h.Interfaces[0].Up
	})
	return a
}

// status asks the sensor how it is.
func (a *agent) status() (h sensor.Health, err error) {
	ctx, cancel := context.WithTimeout(a.t.Context(), deadline)
	defer cancel()
	out, err := exec.CommandContext(ctx, os.Getenv(agentVariable), "status", "--state", a.state, "--format", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &h)
	}
	return h, err
}

// settle waits until the sensor has read what its rings received of sent frames, and gives its state then.
func (a *agent) settle(sent uint64) sensor.Health {
	a.t.Helper()
	var h sensor.Health
	eventually(a.t, "the agent has read everything", func() bool {
		var err error
		if h, err = a.status(); err != nil {
			a.t.Fatal(err)
		}
		var nic, ring uint64
		for _, i := range h.Interfaces {
			nic += i.NIC.Received
			ring += i.Ring.Received
		}
		return nic >= sent && h.Counters.Packets == ring
	})
	return h
}

// stop ends the sensor as a service manager does, and waits until it has written what it knows.
func (a *agent) stop() {
	a.t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		a.t.Fatal(err)
	}
	select {
	case err := <-a.ended:
		if err != nil {
			a.t.Fatalf("the agent ended with %v", err)
		}
	case <-time.After(deadline):
		a.t.Fatalf("the agent did not end within %v", deadline)
	}
}

// show runs a command of the agent on a state directory and gives its records.
func show(t *testing.T, command, state string) []map[string]any {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), os.Getenv(agentVariable), command, "--state", state, "--format", "json").Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	var list []map[string]any
	for line := range bytes.Lines(out) {
		var r map[string]any
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		list = append(list, r)
	}
	return list
}
