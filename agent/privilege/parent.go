package privilege

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/spanwatch/spanwatch/capture/live"
)

// childVariable tells a process that it is the child; its value is the name of the user.
const childVariable = "SPANWATCH_CHILD"

// childSocket is the descriptor under which the child finds the socket.
const childSocket = 3

// Account is an unprivileged user.
type Account struct {
	Name     string
	UID, GID uint32
}

// Find gives the account of that name; of an empty name the sensor's own, else nobody.
func Find(name string) (Account, error) {
	names := []string{name}
	if name == "" {
		names = []string{"spanwatch", "nobody"}
	}
	for _, n := range names {
		u, err := user.Lookup(n)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return Account{}, fmt.Errorf("privilege: user %s: %w", n, err)
		}
		if uid == 0 {
			return Account{}, fmt.Errorf("privilege: user %s is root: name one without rights", n)
		}
		return Account{n, uint32(uid), uint32(gid)}, nil
	}
	if name != "" {
		return Account{}, fmt.Errorf("privilege: there is no user %s: make it with 'useradd --system %s', or leave the name out", name, name)
	}
	// An image without a list of users, as a container from scratch.
	return Account{"65534", 65534, 65534}, nil
}

// ErrSeparate is wrapped when this process may not start another under an account, for want of capabilities. Nothing was
// changed then.
var ErrSeparate = errors.New("no permission to separate")

// parentCapabilities are what opening interfaces needs, and to pass a signal on to a process of another user. SYS_ADMIN
// and SYS_RESOURCE stand in for BPF, PERFMON and locked memory on kernels before 5.8 and 5.11.
var parentCapabilities = []cap.Value{cap.NET_RAW, cap.NET_ADMIN, cap.BPF, cap.PERFMON, cap.SYS_ADMIN, cap.SYS_RESOURCE, cap.KILL}

// separating are the capabilities that separation itself needs: to become the account, to give it the state directory, to
// pass signals on to it.
var separating = []cap.Value{cap.SETUID, cap.SETGID, cap.CHOWN, cap.KILL}

// separable says why this process cannot separate; nil when it can. A container often has only what its operator named.
func separable() error {
	have, missing := cap.GetProc(), []string(nil)
	for _, v := range separating {
		if on, err := have.GetFlag(cap.Effective, v); err != nil || !on {
			missing = append(missing, strings.ToUpper(strings.TrimPrefix(v.String(), "cap_")))
		}
	}
	if missing != nil {
		return fmt.Errorf("%w: without the capabilities %s", ErrSeparate, strings.Join(missing, ", "))
	}
	return nil
}

// keepOnly drops all capabilities of this process but those named, as far as it has them.
func keepOnly(values []cap.Value) error {
	have, want := cap.GetProc(), cap.NewSet()
	for _, v := range values {
		for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
			on, err := have.GetFlag(cap.Permitted, v)
			if err != nil || !on {
				continue // a kernel that does not know it, or a process that has none
			}
			if err := want.SetFlag(flag, true, v); err != nil {
				return err
			}
		}
	}
	return want.SetProc()
}

// Parent runs the same command line again as the child under an account, does for it what needs privileges, and waits for
// its end. The state directory becomes the account's. Code is the child's exit code. Signals that end or reload the
// sensor are the child's to obey.
func Parent(ctx context.Context, account Account, state string, opener live.Opener, log *slog.Logger) (code int, err error) {
	if err := separable(); err != nil {
		return 1, err
	}
	if err := own(state, account); err != nil {
		return 1, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 1, fmt.Errorf("privilege: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "child"), os.NewFile(uintptr(pair[1]), "parent")
	conn, err := net.FileConn(ours)
	if err = errors.Join(err, ours.Close()); err != nil {
		return 1, errors.Join(fmt.Errorf("privilege: %w", err), theirs.Close())
	}
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Args[0] = os.Args[0]
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The service manager's watchdog is told by whoever reads frames, not by the process that it started.
	child.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "WATCHDOG_PID=") })
	child.Env = append(child.Env, childVariable+"="+account.Name)
	child.ExtraFiles = []*os.File{theirs}
	child.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: account.UID, Gid: account.GID, Groups: []uint32{}},
		// A parent that is killed takes the child with it: alone it could not take an interface up again.
		Pdeathsig: syscall.SIGTERM,
		Setpgid:   true, // a signal from the terminal comes to the parent alone, which passes it on once
	}
	runtime.LockOSThread() // the parent's death is that of the thread that started the child
	defer runtime.UnlockOSThread()
	err = child.Start()
	if err = errors.Join(err, theirs.Close()); err != nil {
		return 1, errors.Join(fmt.Errorf("privilege: start the part without privileges: %w", err), conn.Close())
	}
	log.Debug("the part without privileges runs", "pid", child.Process.Pid, "user", account.Name)
	if err := keepOnly(parentCapabilities); err != nil {
		log.Warn("the part with privileges keeps more than it needs", "error", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP)
	defer signal.Stop(signals)
	ended := make(chan struct{})
	go func() {
		done := ctx.Done()
		for {
			select {
			case s := <-signals:
				_ = child.Process.Signal(s) // it may have ended
			case <-done:
				_ = child.Process.Signal(syscall.SIGTERM)
				done = nil
			case <-ended:
				return
			}
		}
	}()
	s := server{channel: channel{conn.(*net.UnixConn)}, opener: opener, log: log, grants: make(map[uint64]*live.Grant)}
	served := make(chan struct{})
	go func() {
		s.serve()
		close(served)
	}()
	waited := child.Wait()
	close(ended)
	err = conn.Close()
	<-served
	err = errors.Join(err, s.release())
	var exit *exec.ExitError
	if errors.As(waited, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 1, errors.Join(fmt.Errorf("privilege: the part without privileges was ended by signal %s", status.Signal()), err)
		}
		return exit.ExitCode(), err
	}
	return 0, errors.Join(waited, err)
}

// own gives the state directory to the account. Links are not followed: what they point to is not the sensor's.
func own(dir string, account Account) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("privilege: %w", err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrPermission) && d != nil && d.IsDir() {
			// Root without DAC_OVERRIDE, and the directory was given away by an earlier run: that gave what is in it, too.
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		return os.Lchown(path, int(account.UID), int(account.GID))
	})
	if err != nil {
		return fmt.Errorf("privilege: give %s to user %s: %w", dir, account.Name, err)
	}
	return nil
}

// server answers the child. It is used by one goroutine.
type server struct {
	channel channel
	opener  live.Opener
	log     *slog.Logger
	grants  map[uint64]*live.Grant // what stays attached
	last    uint64
}

// maxGrants bounds what a child can have open: it may be compromised.
const maxGrants = 64

// serve answers until the child is gone.
func (s *server) serve() {
	for {
		var r request
		files, err := s.channel.receive(&r)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
				s.log.Warn("a request could not be read", "error", err)
			}
			return
		}
		_ = closeAll(files) // the child has nothing to give
		a, granted := s.answer(&r)
		if err := s.channel.send(a, granted); err != nil {
			s.log.Warn("an answer could not be sent", "error", err)
			return
		}
		_ = closeAll(granted) // the child has its own now
	}
}

// answer does what is asked.
func (s *server) answer(r *request) (answer, []*os.File) {
	switch {
	case r.Close != 0:
		g := s.grants[r.Close]
		delete(s.grants, r.Close)
		if g != nil && g.Detach != nil {
			if err := g.Detach.Close(); err != nil {
				return answer{Error: err.Error()}, nil
			}
		}
		return answer{}, nil
	case r.Open == nil:
		return answer{Error: "privilege: nothing was asked"}, nil
	case len(s.grants) >= maxGrants:
		return answer{Error: "privilege: too much is open"}, nil
	case r.Open.Sockets < 1 || r.Open.Sockets > maxDescriptors-16:
		return answer{Error: fmt.Sprintf("privilege: %d sockets", r.Open.Sockets)}, nil
	}
	g, err := s.opener.Open(*r.Open)
	if err != nil {
		return answer{Error: err.Error(), Privilege: errors.Is(err, live.ErrPrivilege)}, nil
	}
	s.last++
	s.grants[s.last] = &live.Grant{Detach: g.Detach}
	return pack(s.last, g)
}

// release lets go of what the child left attached.
func (s *server) release() error {
	var err error
	for _, g := range s.grants {
		if g.Detach != nil {
			err = errors.Join(err, g.Detach.Close())
		}
	}
	return err
}
