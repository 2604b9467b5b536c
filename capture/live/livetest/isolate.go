// Package livetest gives tests and benchmarks of live capture a network that nobody else uses: a namespace for the whole
// process, cables whose one end is monitored and whose other end sends, and frames to send.
//
// Nothing of it can reach another network: the namespace has no interfaces but those made here, and it vanishes with the
// process. The monitored end has no addresses and speaks no protocol, so that whatever it transmits is the sensor's fault.
package livetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// inside marks the environment of a process that has its own namespace.
const inside = "SPANWATCH_LIVETEST"

// Main runs a program, of which run is the body and gives the exit code, in a network namespace of its own, by starting it
// once more. Without root it runs where it is: tests that need more skip themselves.
func Main(run func() int) int {
	if os.Geteuid() != 0 {
		return run()
	}
	if os.Getenv(inside) != "" {
		if err := furnish(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return run()
	}
	runtime.LockOSThread() // the parent's death is that of the thread that started the child
	again := exec.Command("/proc/self/exe", os.Args[1:]...)
	again.Env = append(os.Environ(), inside+"=1")
	again.Stdin, again.Stdout, again.Stderr = os.Stdin, os.Stdout, os.Stderr
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGQUIT}
	err := again.Run()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		return max(ended.ExitCode(), 1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "livetest: no network namespace:", err)
		return 1
	}
	return 0
}

// furnish gives a new namespace what programs expect: the loopback interface, no IPv6 of its own accord, and a view of
// its interfaces in /sys.
func furnish() error {
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("livetest: mounts of its own: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", 0, ""); err != nil {
		return fmt.Errorf("livetest: /sys: %w", err)
	}
	for _, which := range []string{"all", "default"} {
		name := "/proc/sys/net/ipv6/conf/" + which + "/disable_ipv6"
		if err := os.WriteFile(name, []byte("1"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("livetest: %w", err)
		}
	}
	return IP("link", "set", "lo", "up")
}

// IP runs the command ip.
func IP(args ...string) error { return command("ip", args...) }

func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("livetest: %s %v: %w: %s", name, args, err, out)
	}
	return nil
}
