package live

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

const (
	// memoryLimit is what a process of the sensor may need at most, in KiB: 320 MiB with a ring of 16 MiB. That of the test
	// is larger, so that nothing is lost on a busy machine.
	memoryLimit = (320 - 16 + floodRing) << 10
	floodRing   = 64 // MiB
)

// A million conversations, as a scan of a large network or a flood of connections with forged senders makes them, do not
// exhaust the sensor, nor do they hide the plant's traffic.
func TestMillionConversations(t *testing.T) {
	privileged(t)
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			conversations := 100_000 // fills every table, too
			if mode == "xdp-native" && os.Getenv("CI") != "" && !testing.Short() {
				conversations = 1_000_000
			}
			cable := lay(t, "flood")
			roomy := filepath.Join(t.TempDir(), "roomy.yaml")
			if err := os.WriteFile(roomy, fmt.Appendf(nil, "limits: {ring: %d}\n", floodRing), 0o644); err != nil {
				t.Fatal(err)
			}
			a := start(t, nil, "-c", roomy, "--interface", "flood", "--mode", mode, "--workers", "1")
			asked := polls(1000)
			const portion = 25_000 // no more than a ring has room for
			for i := 0; i < conversations; i += portion {
				frames := strangers(i, portion)
				// Some of the plant's frames among them.
				n := len(asked) * portion / conversations
				from := i / portion * n
				frames = append(frames, asked[from:from+n]...)
				if err := cable.Deliver(frames...); err != nil {
					t.Fatal(err)
				}
				// This is about memory, not about speed, which the machine decides: nothing is to be lost.
				a.settle(cable.Sent())
			}
			rest := asked[len(asked)*portion/conversations*(conversations/portion):]
			if err := cable.Deliver(rest...); err != nil {
				t.Fatal(err)
			}
			h := a.settle(cable.Sent())
			i := h.Interfaces[0]
			if i.NIC.Received != cable.Sent() || i.Ring.Dropped != 0 {
				t.Fatalf("%d were sent: %+v", cable.Sent(), i)
			}
			if k := i.Kernel; mode != "plain" && k.Flows+k.Overflow+k.Other != cable.Sent() {
				t.Errorf("the kernel counts %+v of %d", k, cable.Sent())
			}
			if got, want := h.Counters.Messages["modbus"], uint64(len(asked)-2); got != want {
				t.Errorf("%d messages of the plant were read, want %d", got, want)
			}
			for _, pid := range family(t, a.cmd.Process.Pid) {
				if peak := peakMemory(t, pid); peak > memoryLimit {
					t.Errorf("process %d needed %d MiB", pid, peak>>10)
				}
			}
			a.stop()
		})
	}
}

// strangers gives the first packets of n conversations: of three, one opens a connection, one scans a network of 65,536
// addresses, one is a datagram.
func strangers(first, n int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		number := uint32(first + i)
		var address [4]byte
		binary.BigEndian.PutUint32(address[:], 0x0a100000+number%(1<<20))
		d := livetest.Datagram{
			Src: netip.AddrPortFrom(netip.AddrFrom4(address), uint16(1024+number%60000)), Dst: netip.MustParseAddrPort("10.0.0.77:80"),
			Proto: 6, Flags: 2, SrcHost: 0x77, DstHost: 0x78,
		}
		switch number % 3 {
		case 1:
			d.Src, d.Dst = netip.MustParseAddrPort(fmt.Sprintf("10.0.0.66:%d", 1024+number>>16)), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(number >> 8), byte(number)}), 22)
		case 2:
			d.Proto, d.Payload = 17, []byte("stranger")
		}
		frames[i] = d.Frame()
	}
	return frames
}

// family gives a process and its children.
func family(t *testing.T, pid int) []int {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		t.Fatal(err)
	}
	all := []int{pid}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), fmt.Sprintf("\nPPid:\t%d\n", pid)) {
			continue // it may have ended meanwhile
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, child)
	}
	if len(all) < 2 {
		t.Fatalf("process %d has no child that reads frames", pid)
	}
	return all
}

// peakMemory is the most memory that a process ever had, in KiB.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("process %d needed %d MiB at most", pid, n>>10)
			return n
		}
	}
	t.Fatalf("process %d has no VmHWM", pid)
	return 0
}
