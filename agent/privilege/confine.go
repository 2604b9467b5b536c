package privilege

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Walls say what a confined process may still reach.
type Walls struct {
	Write []string // directories whose files it reads, writes, makes and removes
	Read  []string // files and directories that it reads
}

// resolver is what looking up a collector's name needs.
var resolver = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/run/systemd/resolve"}

// counters is what reading the kernel's counters needs: how many CPUs count apart.
const counters = "/sys/devices/system/cpu/possible"

// Confine shuts this process in for good: no file but those of the walls, no system call that a sensor has no use for, no
// way back to privileges. It says which walls stand, in words; what the kernel does not offer is left out and named. An
// error means that a wall which the kernel offers could not be built.
func Confine(w Walls) (stands string, err error) {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return "", fmt.Errorf("privilege: no new privileges: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return "", fmt.Errorf("privilege: no dumps: %w", err)
	}
	var parts []string
	if version, err := llsys.LandlockGetABIVersion(); err != nil || version < 1 {
		parts = append(parts, "no Landlock in this kernel")
	} else {
		if err := w.landlock(); err != nil {
			return "", fmt.Errorf("privilege: Landlock: %w", err)
		}
		parts = append(parts, fmt.Sprintf("Landlock %d", version))
	}
	if !seccomp.Supported() {
		parts = append(parts, "no seccomp in this kernel")
	} else {
		if err := forbid(); err != nil {
			return "", fmt.Errorf("privilege: seccomp: %w", err)
		}
		parts = append(parts, "seccomp")
	}
	return strings.Join(parts, ", "), nil
}

func (w Walls) landlock() error {
	rules := []landlock.Rule{landlock.RWDirs(w.Write...)}
	for _, path := range slices.Concat(w.Read, resolver, []string{counters}) {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, os.ErrNotExist), path == "":
		case err != nil:
			return err
		case info.IsDir():
			rules = append(rules, landlock.RODirs(path))
		default:
			rules = append(rules, landlock.ROFiles(path))
		}
	}
	return landlock.V3.BestEffort().RestrictPaths(rules...)
}

// forbidden are the system calls that a sensor has no use for and an intruder has.
var forbidden = []string{
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
	"mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at", "name_to_handle_at",
	"open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset",
	"keyctl", "add_key", "request_key", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register",
	"acct", "quotactl", "settimeofday", "clock_settime", "adjtimex", "clock_adjtime", "sethostname", "setdomainname",
	"iopl", "ioperm", "mknodat", "lookup_dcookie", "fanotify_init", "personality",
}

// forbid refuses these calls from now on in every thread, of bpf what makes or attaches anything, and packet sockets of
// one's own.
func forbid() error {
	this, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	// Not every architecture has every call.
	known := slices.DeleteFunc(slices.Clone(forbidden), func(name string) bool { _, ok := this.SyscallNames[name]; return !ok })
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{{
			Action: seccomp.ActionErrno,
			Names:  known,
			NamesWithCondtions: []seccomp.NameWithConditions{
				{Name: "bpf", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.Equal, Value: unix.BPF_MAP_CREATE}}},
				{Name: "bpf", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.Equal, Value: unix.BPF_PROG_LOAD}}},
				{Name: "bpf", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.Equal, Value: unix.BPF_PROG_ATTACH}}},
				{Name: "bpf", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.Equal, Value: unix.BPF_LINK_CREATE}}},
				{Name: "socket", Conditions: []seccomp.Condition{{Argument: 0, Operation: seccomp.Equal, Value: unix.AF_PACKET}}},
			},
		}},
	}
	return seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy})
}
