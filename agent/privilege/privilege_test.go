package privilege

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live"
)

// TestMain is also the child of TestSeparated: Parent runs the same program again.
func TestMain(m *testing.M) {
	child, err := Inherit()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if child == nil {
		os.Exit(m.Run())
	}
	if err := asChild(child, os.Getenv("SPANWATCH_TEST_STATE")); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(7)
}

// asChild opens the loopback interface through the parent, shuts itself in, and tries what an intruder would.
func asChild(child *Child, state string) error {
	c, err := live.Open(context.Background(), live.Config{Interfaces: []string{"lo"}, Mode: live.ModePlain, Opener: child})
	if err != nil {
		return err
	}
	defer c.Close()
	stands, err := Confine(Walls{Write: []string{state}})
	if err != nil {
		return err
	}
	denied := map[string]func() error{
		"a packet socket": func() error {
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
			if err == nil {
				unix.Close(fd)
			}
			return err
		},
		"a raw socket": func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
			if err == nil {
				unix.Close(fd)
			}
			return err
		},
		"another program": func() error { return exec.Command("/bin/true").Run() },
		"a file outside":  func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"root":            func() error { return unix.Setuid(0) },
	}
	for what, try := range denied {
		if try() == nil {
			return fmt.Errorf("%s is not denied (%s)", what, stands)
		}
	}
	if err := os.WriteFile(filepath.Join(state, "proof"), []byte(fmt.Sprint(os.Getuid(), " ", stands)), 0o600); err != nil {
		return err
	}
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("seen by the child")); err != nil {
		return err
	}
	var f capture.Frame
	for idle := 0; idle < 500; {
		switch err := c.Sources()[0].Next(&f); {
		case errors.Is(err, capture.ErrIdle):
			idle++
		case err != nil:
			return err
		case bytes.HasSuffix(f.Data, []byte("seen by the child")):
			return nil
		}
	}
	return errors.New("the frame never came")
}

func privileged(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("separation needs root, and CI has it")
		}
		t.Skip("separation needs root")
	}
}

// The child reads frames that it could not ask for itself, may nothing else, and its exit code comes through. The parent
// runs in a process of its own here, because it drops capabilities for good.
func TestSeparated(t *testing.T) {
	privileged(t)
	if os.Getenv("SPANWATCH_TEST_PARENT") != "" {
		state := os.Getenv("SPANWATCH_TEST_STATE")
		account, err := Find("")
		if err != nil {
			t.Fatal(err)
		}
		code, err := Parent(t.Context(), account, state, live.Local(), slog.New(slog.NewTextHandler(os.Stderr, nil)))
		if err != nil || code != 7 {
			t.Fatalf("code %d, %v", code, err)
		}
		if err := unix.Sethostname([]byte("mine")); err == nil || os.WriteFile("/proc/sys/kernel/hostname", []byte("mine"), 0) == nil {
			// SYS_ADMIN is kept for old kernels: what must be gone is what opening interfaces never needs.
			t.Log("the parent keeps SYS_ADMIN")
		}
		if fd, err := unix.Open("/etc/shadow", unix.O_RDONLY, 0); err == nil {
			unix.Close(fd) // readable by its owner, root, without capabilities
		}
		if err := unix.Chown(state, 0, 0); err == nil {
			t.Error("the parent kept CHOWN")
		}
		return
	}
	state := filepath.Join(t.TempDir(), "state")
	// The directory of a test is its user's alone; the child must get at what is below.
	for dir := filepath.Dir(state); strings.HasPrefix(dir, os.TempDir()) && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	again := exec.Command(os.Args[0], "-test.run=^TestSeparated$", "-test.v")
	again.Env = append(os.Environ(), "SPANWATCH_TEST_PARENT=1", "SPANWATCH_TEST_STATE="+state)
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	proof, err := os.ReadFile(filepath.Join(state, "proof"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(string(proof), "0 ") {
		t.Errorf("the child ran as root: %s", proof)
	}
}

// opener grants files instead of sockets.
type opener struct {
	mu    sync.Mutex
	grant *live.Grant
	err   error
	asked live.Request
}

func (o *opener) Open(r live.Request) (*live.Grant, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = r
	return o.grant, o.err
}

func (o *opener) give(g *live.Grant) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.grant = g
}

type closer struct{ closed atomic.Int32 }

func (c *closer) Close() error { c.closed.Add(1); return nil }

// pair connects a child with a server in this process.
func pair(t *testing.T, o live.Opener) (*Child, *server, chan struct{}) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "pair")
		conn, err := net.FileConn(file)
		if err != nil {
			t.Fatal(err)
		}
		file.Close()
		ends[i] = conn.(*net.UnixConn)
	}
	s := &server{channel: channel{ends[0]}, opener: o, log: slog.New(slog.DiscardHandler), grants: make(map[uint64]*live.Grant)}
	done := make(chan struct{})
	go func() { s.serve(); close(done) }()
	t.Cleanup(func() { ends[1].Close(); <-done; ends[0].Close() })
	return &Child{User: "test", channel: channel{ends[1]}}, s, done
}

func content(t *testing.T, text string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestGrantPassesWhole(t *testing.T) {
	detach := new(closer)
	o := &opener{grant: &live.Grant{
		Sockets: []*os.File{content(t, "s0"), content(t, "s1")}, Filter: content(t, "filter"),
		Maps: map[string]*os.File{"totals": content(t, "m-totals"), "flows": content(t, "m-flows")},
		Mode: live.ModeFilter, Reason: "no driver", Offloads: "GRO", Detach: detach,
	}}
	child, _, _ := pair(t, o)
	want := live.Request{Interface: "eth9", Index: 3, Sockets: 2, Mode: live.ModeAuto, TCP: []uint16{102, 502}, Flows: 7, First: 9}
	g, err := child.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	asked := o.asked
	o.mu.Unlock()
	if a, b := fmt.Sprintf("%+v", asked), fmt.Sprintf("%+v", want); a != b {
		t.Errorf("asked %s, want %s", a, b)
	}
	read := func(f *os.File) string {
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	got := fmt.Sprint(read(g.Sockets[0]), read(g.Sockets[1]), read(g.Filter), read(g.Maps["totals"]), read(g.Maps["flows"]), g.Mode, g.Reason, g.Offloads)
	if want := fmt.Sprint("s0", "s1", "filter", "m-totals", "m-flows", live.ModeFilter, "no driver", "GRO"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if err := g.Close(); err != nil || detach.closed.Load() != 1 {
		t.Errorf("closed %d times, %v", detach.closed.Load(), err)
	}
}

func TestRefusalKeepsItsKind(t *testing.T) {
	child, _, _ := pair(t, &opener{err: fmt.Errorf("capture: %w: run as root", live.ErrPrivilege)})
	if _, err := child.Open(live.Request{Sockets: 1}); !errors.Is(err, live.ErrPrivilege) || !strings.Contains(err.Error(), "run as root") {
		t.Errorf("got %v", err)
	}
}

// A child that was taken over can ask for nonsense: the parent answers, and bounds what is open.
func TestParentBoundsWhatIsOpen(t *testing.T) {
	o := &opener{}
	child, s, done := pair(t, o)
	for _, r := range []request{{}, {Close: 99}, {Open: &live.Request{Sockets: -1}}, {Open: &live.Request{Sockets: 1 << 30}}} {
		if a, _, err := child.ask(r); err == nil && r.Close == 0 {
			t.Errorf("%+v was granted: %+v", r, a)
		}
	}
	for i := range maxGrants {
		o.give(&live.Grant{Sockets: []*os.File{content(t, "x")}})
		if _, err := child.Open(live.Request{Sockets: 1}); err != nil {
			t.Fatalf("grant %d: %v", i, err)
		}
	}
	if _, err := child.Open(live.Request{Sockets: 1}); err == nil {
		t.Error("there is no bound")
	}
	garbage, _ := json.Marshal("garbage")
	if _, err := child.channel.conn.Write(garbage); err != nil {
		t.Fatal(err)
	}
	<-done // what makes no sense ends the conversation
	if len(s.grants) != maxGrants {
		t.Errorf("%d grants", len(s.grants))
	}
}

func TestFind(t *testing.T) {
	if _, err := Find("no such user here"); err == nil || !strings.Contains(err.Error(), "useradd") {
		t.Errorf("got %v", err)
	}
	if _, err := Find("root"); err == nil {
		t.Error("root is no user without privileges")
	}
	if a, err := Find(""); err != nil || a.UID == 0 {
		t.Errorf("got %+v, %v", a, err)
	}
}
