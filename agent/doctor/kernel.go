package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/bpf"
)

// kernel is what the kernel can do, as this process may learn it.
type kernel struct {
	release  string
	ring     error  // whether a packet socket takes a ring of version 3
	programs error  // whether the sensor's programs load
	others   string // kernel.unprivileged_bpf_disabled: "0" where everybody may load programs
	landlock int    // version of its interface; 0: not there
	seccomp  bool
}

func readKernel() kernel {
	k := kernel{release: "unknown", ring: tryRing()}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		k.release = unix.ByteSliceToString(name.Release[:])
	}
	k.programs, k.others = tryPrograms(), sysctl("kernel/unprivileged_bpf_disabled")
	const version = 1 // LANDLOCK_CREATE_RULESET_VERSION
	if abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, version); errno == 0 {
		k.landlock = int(abi)
	}
	_, err := os.Stat("/proc/sys/kernel/seccomp/actions_avail")
	k.seccomp = err == nil
	return k
}

// tryRing asks for the kind of ring that the sensor uses, on a socket that is bound to nothing.
func tryRing() error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3)
}

// tryPrograms loads the sensor's programs with a small table, attaches them to nothing, and lets them go.
func tryPrograms() error {
	o, err := bpf.Load(bpf.Config{Flows: 1024})
	if err != nil {
		return err
	}
	return o.Close()
}

// sysctl gives one line of /proc/sys; empty where it cannot be read.
func sysctl(name string) string {
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// oldest is the first kernel on which the sensor's programs load.
var oldest = [2]int{5, 18}

func (k kernel) judge() []Finding {
	list := []Finding{{"kernel", OK, "Linux " + k.release, ""}}
	if major, minor, ok := version(k.release); !ok {
		list[0] = Finding{"kernel", Warning, "Linux " + k.release + " of unknown age", "use Linux 5.18 or newer"}
	} else if major < oldest[0] || major == oldest[0] && minor < oldest[1] {
		list[0] = Finding{"kernel", Warning, "Linux " + k.release, "it cannot count and filter for the sensor: use Linux 5.18 or newer"}
	}
	switch {
	case k.ring == nil:
		list = append(list, Finding{"kernel: packet rings", OK, "TPACKET_V3", ""})
	case errors.Is(k.ring, unix.EPERM):
		list = append(list, Finding{"kernel: packet rings", Failed, "this process may not open a packet socket", "run as root, or with the capability NET_RAW"})
	default:
		list = append(list, Finding{"kernel: packet rings", Failed, fmt.Sprintf("TPACKET_V3: %v", k.ring), "use a kernel with packet sockets (CONFIG_PACKET)"})
	}
	list = append(list, k.judgeBPF()...)
	switch {
	case k.landlock > 0 && k.seccomp:
		list = append(list, Finding{"kernel: confinement", OK, fmt.Sprintf("Landlock version %d, seccomp", k.landlock), ""})
	default:
		missing := []string{}
		if k.landlock == 0 {
			missing = append(missing, "Landlock")
		}
		if !k.seccomp {
			missing = append(missing, "seccomp")
		}
		list = append(list, Finding{"kernel: confinement", Warning, "no " + strings.Join(missing, " and no "),
			"the process that reads frames is confined less: boot with lsm=landlock,… or use a newer kernel"})
	}
	return list
}

// judgeBPF says whether the kernel counts and filters.
func (k kernel) judgeBPF() []Finding {
	const check = "kernel: BPF"
	const slower = "without them everything goes through the ring, up to about 1 million packets a second"
	list := []Finding{{check, OK, "the programs that count and filter load", ""}}
	if k.programs != nil {
		list[0] = Finding{check, Warning, k.programs.Error(), slower}
		if errors.Is(k.programs, unix.EPERM) {
			list[0].Advice += "; in a container its seccomp profile may forbid it, too"
		}
	}
	if k.others == "0" {
		list = append(list, Finding{check + " of others", Warning, "every user of this machine may load programs into the kernel",
			"forbid it: sysctl -w kernel.unprivileged_bpf_disabled=1"})
	}
	return list
}

// version reads the first two numbers of a release.
func version(release string) (major, minor int, ok bool) {
	n, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return major, minor, n == 2 && err == nil
}

// privileges are the capabilities in force.
type privileges uint64

func capabilities() privileges {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if _, _, errno := unix.Syscall(unix.SYS_CAPGET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data[0])), 0); errno != 0 {
		return 0
	}
	return privileges(uint64(data[0].Effective) | uint64(data[1].Effective)<<32)
}

func (p privileges) has(capability uint) bool { return p&(1<<capability) != 0 }

// wanted are the capabilities that the sensor uses.
var wanted = []struct {
	capability uint
	name, what string
	result     Result // without it
}{
	{unix.CAP_NET_RAW, "NET_RAW", "open packet sockets", Failed},
	{unix.CAP_NET_ADMIN, "NET_ADMIN", "attach programs to interfaces and switch off merging of frames", Warning},
	{unix.CAP_BPF, "BPF", "load programs that count and filter in the kernel", Warning},
	{unix.CAP_PERFMON, "PERFMON", "have these programs read packets", Warning},
}

func (p privileges) judge() []Finding {
	var missing, what []string
	result := OK
	for _, w := range wanted {
		if p.has(w.capability) {
			continue
		}
		missing, what = append(missing, w.name), append(what, w.what)
		if result != Failed {
			result = w.result
		}
	}
	if result == OK {
		return []Finding{{"privileges", OK, "NET_RAW, NET_ADMIN, BPF and PERFMON", ""}}
	}
	return []Finding{{"privileges", result, "without " + strings.Join(missing, ", ") + " this process cannot " + strings.Join(what, ", nor "),
		"run as root, or with AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN CAP_BPF CAP_PERFMON in the unit"}}
}

// filters reports whether the process may have the kernel count and filter.
func (p privileges) filters() bool {
	return p.has(unix.CAP_BPF) && p.has(unix.CAP_PERFMON) || p.has(unix.CAP_SYS_ADMIN)
}
