package bpf

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// passed is what the machine says at the end.
const passed = "spanwatch: all tests passed on "

// TestMain is the first process of a virtual machine when this is TestOtherKernels' guest.
func TestMain(m *testing.M) {
	if os.Getpid() != 1 {
		os.Exit(m.Run())
	}
	if _, err := os.Stat("/proc/self"); err != nil {
		// Libraries look there before main: begin again when it is there.
		fmt.Println(unix.Mount("proc", "/proc", "proc", 0, ""), unix.Mount("sysfs", "/sys", "sysfs", 0, ""), unix.Exec("/init", []string{"/init"}, nil))
	}
	flag.Parse()
	for name, value := range map[string]string{
		// What would need captures or other programs is done outside.
		"test.run": "Random|Attach/xdp", "test.v": "true", "rapid.checks": "20", "rapid.nofailfile": "true",
	} {
		if err := flag.Set(name, value); err != nil {
			fmt.Println(name, err)
		}
	}
	if m.Run() == 0 {
		fmt.Println(passed + release())
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// TestAttach attaches the programs where a kernel without modules has something to attach to: at the loopback interface,
// of a virtual machine that needs none.
func TestAttach(t *testing.T) {
	if os.Getpid() != 1 {
		t.Skip("the loopback interface of this machine is in use; live capture is tested with cables")
	}
	o, err := Load(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := o.AttachFilter(fd); err != nil {
		t.Error(err)
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	l, err := o.AttachXDP(lo.Index, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}

// machine is a virtual one. It is emulated, which works everywhere, by one thread: with a thread for each processor the
// emulator may run an instruction that the other processor is just rewriting, and the guest falls over while it starts.
type machine struct{ architecture, qemu, flags, console string }

var machines = map[string]machine{
	"amd64": {"amd64", "qemu-system-x86_64", "-machine pc -accel tcg,thread=single -cpu max", "ttyS0"},
	"arm64": {"arm64", "qemu-system-aarch64", "-machine virt -accel tcg,thread=single -cpu cortex-a57", "ttyAMA0"},
}

// missing skips the test for want of something; in CI nothing may be wanting.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal("needs " + what)
	}
	t.Skip("needs " + what)
}

// guest makes the initial file system of a machine, which holds these tests.
func guest(t *testing.T, architecture string) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "init")
	build := exec.Command("go", "test", "-c", "-ldflags", "-s -w", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+architecture)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	initrd := filepath.Join(dir, "initrd")
	if err := os.WriteFile(initrd, archive(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return initrd
}

// TestOtherKernels boots the kernels that kernels.sh fetched in a virtual machine, and has them load the programs and run
// these tests.
func TestOtherKernels(t *testing.T) {
	kernels, err := filepath.Glob(filepath.Join("..", ".tools", "kernels", "vmlinuz-*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(kernels) == 0 {
		missing(t, "kernels, which bpf/kernels.sh fetches")
	}
	for _, kernel := range kernels {
		t.Run(strings.TrimPrefix(filepath.Base(kernel), "vmlinuz-"), func(t *testing.T) {
			m := machines["amd64"]
			if strings.HasSuffix(kernel, "-arm64") {
				m = machines["arm64"]
			}
			qemu, err := exec.LookPath(m.qemu)
			if err != nil {
				missing(t, m.qemu)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			c := exec.CommandContext(ctx, qemu, append(strings.Fields(m.flags), "-m", "768", "-smp", "2", "-nographic", "-no-reboot", "-nic", "none",
				"-kernel", kernel, "-initrd", guest(t, m.architecture), "-append", "console="+m.console+" quiet panic=-1 rdinit=/init")...)
			out, err := c.CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte(passed)) {
				t.Fatalf("%v\n%s", err, out[max(0, len(out)-16384):])
			}
			t.Log(string(out[bytes.Index(out, []byte(passed)):]))
		})
	}
}

// archive is an initial file system: a cpio archive in the "new" format (Linux, Documentation/driver-api/early-userspace/
// buffer-format.rst).
func archive(program []byte) []byte {
	var b bytes.Buffer
	add := func(name string, mode, major, minor int, data []byte) {
		b.WriteString("070701")
		for _, n := range []int{b.Len(), mode, 0, 0, 1, 0, len(data), 0, 0, major, minor, len(name) + 1, 0} {
			b.WriteString(fmt.Sprintf("%08s", strconv.FormatInt(int64(n), 16)))
		}
		b.WriteString(name + "\x00")
		b.Write(make([]byte, -b.Len()&3))
		b.Write(data)
		b.Write(make([]byte, -b.Len()&3))
	}
	for _, dir := range []string{"dev", "proc", "sys", "tmp"} {
		add(dir, 0o40755, 0, 0, nil)
	}
	add("dev/console", 0o20600, 5, 1, nil)
	add("dev/null", 0o20666, 1, 3, nil)
	add("init", 0o100755, 0, 0, program)
	add("TRAILER!!!", 0, 0, 0, nil)
	return b.Bytes()
}
