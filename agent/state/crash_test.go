package state

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
)

// saverDir makes the test binary a process that saves without end into the directory that it names.
const saverDir = "SPANWATCH_TEST_SAVER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(saverDir); dir != "" {
		fmt.Fprintln(os.Stderr, saveForever(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashing is what a process of the crash test knows after n saves: every record says n, and the number of devices
// changes with it.
func crashing(n int) Snapshot {
	var snap Snapshot
	moment := at.Add(time.Duration(n) * time.Second)
	for i := range 20 + n%7 {
		snap.Devices = append(snap.Devices, inventory.Device{ID: fmt.Sprint("d", i), LastSeen: moment, Names: []string{strings.Repeat("x", 500)}})
		snap.Edges = append(snap.Edges, graph.Edge{
			ID: fmt.Sprint("e", i), Client: fmt.Sprint("d", i), Server: "s", LastSeen: moment, Packets: uint64(n), Baseline: graph.BaselineNew,
			Acts: []graph.Act{{Action: "write", Count: uint64(n), Baseline: graph.BaselineNew}},
		})
	}
	snap.Alerts = []detect.Alert{{ID: "a", LastTime: moment, Revision: uint64(n)}}
	snap.Coverage = []graph.Coverage{{Packets: uint64(n), Total: true}}
	return snap
}

// saveForever saves what follows on what is stored, and prints the number of each save that is done.
func saveForever(dir string) error {
	s, err := Open(dir, "Plant1")
	if err != nil {
		return err
	}
	n, err := saves(s)
	if err != nil {
		return err
	}
	for n++; ; n++ {
		if n%decideEvery == 0 {
			// The operator approves one edge after the other, in a process that may end as well.
			if err := Decide(dir, graph.Decision{What: graph.DecisionApprove, Edge: fmt.Sprint("e", n/decideEvery%20), Note: strings.Repeat("z", n%700)}); err != nil {
				return err
			}
		}
		if _, err := s.Save(crashing(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// decideEvery is after how many saves something is decided.
const decideEvery = 5

// saves tells how many saves a state has seen, and fails where its records are not those of one save.
func saves(s *State) (int, error) {
	snap, err := s.Load()
	if err != nil || len(snap.Coverage) == 0 {
		return 0, err
	}
	n := int(snap.Coverage[0].Packets)
	want := crashing(n)
	if len(snap.Alerts) != 1 || int(snap.Alerts[0].Revision) != n {
		return 0, fmt.Errorf("save %d with the alerts %v", n, snap.Alerts)
	}
	latest := 0
	for _, d := range snap.Devices {
		if d.LastSeen.Equal(want.Devices[0].LastSeen) {
			latest++
		}
	}
	for _, e := range snap.Edges {
		var k int
		if _, err := fmt.Sscanf(e.ID, "e%d", &k); err != nil {
			return 0, err
		}
		approved := false
		for d := decideEvery; d <= n && !approved; d += decideEvery {
			approved = d/decideEvery%20 == k
		}
		if state := e.Baseline; e.Packets == uint64(n) && approved && (state != graph.BaselineApproved || e.Acts[0].Baseline != state) {
			return 0, fmt.Errorf("save %d: edge %s is %s, action %s, though it was approved", n, e.ID, state, e.Acts[0].Baseline)
		}
	}
	if latest != len(want.Devices) {
		return 0, fmt.Errorf("save %d has %d devices of that time, want %d", n, latest, len(want.Devices))
	}
	return n, nil
}

// TestKilledWhileSaving ends a saving process without warning a hundred times: the state opens each time, for readers
// too, and holds the last save that was done, or the one under way, whole.
func TestKilledWhileSaving(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	random := rand.New(rand.NewPCG(1, 2))
	cut := 0
	for round := range rounds {
		done := kill(t, dir, time.Duration(random.IntN(12_000))*time.Microsecond)
		if _, err := os.Stat(filepath.Join(dir, "state.db-journal")); err == nil {
			cut++
		}
		s, err := OpenRead(dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		n, err := saves(s)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if n < done || n > done+1 {
			t.Fatalf("round %d: the state holds save %d, and %d was done", round, n, done)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d saves were cut short", cut, rounds)
}

// kill starts a saving process, ends it a while after its first save, and gives the number of the last save done.
func kill(t *testing.T, dir string, after time.Duration) (done int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), saverDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var killer *time.Timer
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the saving process said %q", lines.Text())
		}
		done = n
		if killer == nil {
			killer = time.AfterFunc(after, func() { _ = cmd.Process.Signal(syscall.SIGKILL) }) // it may have ended by itself: see below
		}
	}
	if killer == nil {
		t.Fatal("the saving process saved nothing")
	}
	_ = cmd.Wait() // killed, it ends with an error
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
		t.Fatalf("the saving process ended by itself: %v", cmd.ProcessState)
	}
	return done
}

// smallDisk mounts a file system of a few pages. It needs root, which the continuous build has.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs root, to mount a small disk")
		}
		t.Skip("needs root, to mount a small disk")
	}
	if err := syscall.Mount("spanwatch-test", dir, "tmpfs", 0, options); err != nil {
		t.Fatalf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

func TestDiskFull(t *testing.T) {
	disk := smallDisk(t, "size=1m")
	dir := filepath.Join(disk, "state")
	s, err := Open(dir, "Plant1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Save(crashing(1)); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	big := crashing(2)
	for i := range big.Devices {
		big.Devices[i].Names = []string{strings.Repeat("y", 20_000)}
	}
	if _, err := s.Save(big); err == nil {
		t.Fatal("a full disk took a save")
	}
	if n, err := saves(s); n != 1 || err != nil {
		t.Errorf("after the failure the state holds save %d, %v; want the one before", n, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	changes, err := s.Save(big)
	if err != nil {
		t.Fatalf("with room again: %v", err)
	}
	if n, err := saves(s); n != 2 || err != nil || changes.Written == 0 {
		t.Errorf("with room again the state holds save %d, %v, %d written", n, err, changes.Written)
	}
}
