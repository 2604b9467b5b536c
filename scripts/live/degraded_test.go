package live

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture/live"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

// withoutBPF makes a process that TestMain starts with it the agent, to which bpf() is forbidden: all of it, as container
// engines do, or no more than what attaches programs to interfaces, as on a kernel without XDP.
const (
	withoutBPF = "SPANWATCH_LIVE_NO_BPF"
	allOfIt    = "all"
	links      = "links"
)

// becomeAgent forbids bpf() to this process, and makes it the agent.
func becomeAgent() error {
	group := seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: []string{"bpf"}}
	if os.Getenv(withoutBPF) == links {
		group.Names = nil
		group.NamesWithCondtions = []seccomp.NameWithConditions{{
			Name: "bpf", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.Equal, Value: unix.BPF_LINK_CREATE}},
		}}
	}
	err := seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{
		DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{group},
	}})
	if err != nil {
		return err
	}
	if err := os.Unsetenv(withoutBPF); err != nil {
		return err
	}
	program := os.Getenv(agentVariable)
	return syscall.Exec(program, append([]string{program}, os.Args[1:]...), os.Environ())
}

// unprivileged runs the agent as nobody with some capabilities.
func unprivileged(t *testing.T, capabilities ...uintptr) func(*exec.Cmd, string) {
	return func(cmd *exec.Cmd, state string) {
		const nobody = 65534
		if err := os.Mkdir(state, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, dir := range []string{filepath.Dir(state), state} {
			if err := os.Chown(dir, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, AmbientCaps: capabilities}
	}
}

// forbidden runs the agent without some of bpf().
func forbidden(what string) func(*testing.T) func(*exec.Cmd, string) {
	return func(*testing.T) func(*exec.Cmd, string) {
		return func(cmd *exec.Cmd, _ string) {
			cmd.Path, cmd.Env = "/proc/self/exe", append(os.Environ(), withoutBPF+"="+what)
		}
	}
}

// What the machine does not allow makes the sensor see by lesser means, and say why; it does not end it.
func TestLesserMeans(t *testing.T) {
	privileged(t)
	for name, c := range map[string]struct {
		prepare func(t *testing.T) func(*exec.Cmd, string)
		mode    live.Mode
		reason  string
	}{
		"bpf() is forbidden":   {forbidden(allOfIt), live.ModePlain, "something forbids bpf()"},
		"a kernel without XDP": {forbidden(links), live.ModeFilter, "XDP"},
		"NET_RAW alone": {func(t *testing.T) func(*exec.Cmd, string) {
			return unprivileged(t, unix.CAP_NET_RAW)
		}, live.ModePlain, "no permission to load programs"},
		"NET_RAW and NET_ADMIN": {func(t *testing.T) func(*exec.Cmd, string) {
			return unprivileged(t, unix.CAP_NET_RAW, unix.CAP_NET_ADMIN)
		}, live.ModePlain, "no permission to load programs"},
	} {
		t.Run(name, func(t *testing.T) {
			cable := lay(t, "lesser")
			a := start(t, c.prepare(t), "--interface", "lesser", "--workers", "2")
			frames := polls(50)
			if err := cable.Deliver(frames...); err != nil {
				t.Fatal(err)
			}
			h := a.settle(uint64(len(frames)))
			i := h.Interfaces[0]
			if i.Mode != c.mode || !strings.Contains(i.Reason, c.reason) || i.Ring.Received != uint64(len(frames)) {
				t.Errorf("%+v", i)
			}
			t.Logf("%s: %s", i.Mode, i.Reason)
			if !strings.Contains(a.said(), c.reason) || !strings.Contains(a.said(), "mode="+string(c.mode)) {
				t.Errorf("the log does not say %q", i.Reason)
			}
			a.stop()
			if n := len(show(t, "graph", a.state)); n != 1 {
				t.Errorf("%d edges, want 1", n)
			}
		})
	}
}

// An interface that is removed is waited for, and taken up when it is there again; the sensor goes on, and says so.
func TestInterfaceComesBack(t *testing.T) {
	privileged(t)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			cable := lay(t, "comes")
			a := start(t, nil, "--interface", "comes", "--mode", mode, "--workers", "2")
			frames := polls(200)
			half := len(frames) / 2
			if err := cable.Deliver(frames[:half]...); err != nil {
				t.Fatal(err)
			}
			a.settle(uint64(half))
			if err := cable.Cut(); err != nil {
				t.Fatal(err)
			}
			state := func(holds func(s *live.Status) bool) func() bool {
				return func() bool {
					h, err := a.status()
					if err != nil {
						t.Fatal(err)
					}
					return holds(&h.Interfaces[0])
				}
			}
			eventually(t, "the status says that it is gone", state(func(s *live.Status) bool { return !s.Present && !s.Up }))
			cable = lay(t, "comes")
			eventually(t, "it is taken up again", state(func(s *live.Status) bool { return s.Present && s.Up && string(s.Mode) == mode }))
			if err := cable.Deliver(frames[half:]...); err != nil {
				t.Fatal(err)
			}
			h := a.settle(uint64(len(frames)))
			if got, want := h.Counters.Messages["modbus"], uint64(len(frames)-2); got != want {
				t.Errorf("%d messages were read, want %d: %+v", got, want, h.Interfaces[0])
			}
			if !strings.Contains(a.said(), "the interface is gone; waiting for it") {
				t.Error("the log does not say that it was gone")
			}
			a.stop()
		})
	}
}

// Without any way to listen the sensor ends, and says in a line what it needs.
func TestNoMeans(t *testing.T) {
	privileged(t)
	lay(t, "nothing")
	cmd := exec.Command(os.Getenv(agentVariable), "run", "--interface", "nothing", "--state", filepath.Join(t.TempDir(), "state"))
	if err := os.Chmod(filepath.Dir(filepath.Dir(cmd.Args[len(cmd.Args)-1])), 0o755); err != nil {
		t.Fatal(err)
	}
	unprivileged(t)(cmd, cmd.Args[len(cmd.Args)-1])
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "NET_RAW") {
		t.Errorf("%v: %s", err, out)
	}
}

// polls are exchanges of one Modbus conversation: reads of a register and their answers.
func polls(n int) [][]byte {
	client, server := netip.MustParseAddrPort("10.0.0.9:40000"), netip.MustParseAddrPort("10.0.0.10:502")
	list := [][]byte{
		(&livetest.Datagram{Src: client, Dst: server, Proto: 6, Flags: 0x02, Seq: 999}).Frame(),
		(&livetest.Datagram{Src: server, Dst: client, Proto: 6, Flags: 0x12, Seq: 1999, Ack: 1000}).Frame(),
	}
	seq, ack := uint32(1000), uint32(2000)
	for i := range n {
		ask := []byte{byte(i >> 8), byte(i), 0, 0, 0, 6, 1, 3, 0, 16, 0, 1}
		tell := []byte{byte(i >> 8), byte(i), 0, 0, 0, 5, 1, 3, 2, byte(i >> 8), byte(i)}
		list = append(list, (&livetest.Datagram{Src: client, Dst: server, Proto: 6, Flags: 0x18, Seq: seq, Ack: ack, Payload: ask}).Frame())
		seq += uint32(len(ask))
		list = append(list, (&livetest.Datagram{Src: server, Dst: client, Proto: 6, Flags: 0x18, Seq: ack, Ack: seq, Payload: tell}).Frame())
		ack += uint32(len(tell))
	}
	return list
}
