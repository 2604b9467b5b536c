package live

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

func TestMain(m *testing.M) {
	os.Exit(livetest.Main(func() int {
		code := m.Run()
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return code
	}))
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

// eachMode runs a test in every mode that the machine has.
func eachMode(t *testing.T, test func(t *testing.T, mode Mode)) {
	privileged(t)
	for _, mode := range []Mode{ModeNative, ModeGeneric, ModeFilter, ModePlain} {
		t.Run(string(mode), func(t *testing.T) { test(t, mode) })
	}
}

// lay makes a cable for one test. Whatever the test does, the monitored end must not send.
func lay(t *testing.T, name string, mtu int) *livetest.Cable {
	t.Helper()
	cable, err := livetest.Lay(name, mtu)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n, err := cable.Transmitted(); err == nil && n != 0 {
			t.Errorf("%d frames were sent on the monitored interface", n)
		}
		if err := cable.Cut(); err != nil {
			t.Error(err)
		}
	})
	return cable
}

// listen opens a capture for one test. Unless the test says otherwise, every packet passes.
func listen(t *testing.T, c Config) *Capture {
	t.Helper()
	if c.First == 0 {
		c.First = 1 << 30
	}
	x, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range x.Status() {
			if s.NIC.Transmitted != 0 {
				t.Errorf("%s: status tells of %d frames sent", s.Interface, s.NIC.Transmitted)
			}
		}
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, s := range x.Status() {
		if s.Present && s.Mode != c.Mode {
			t.Fatalf("%s: mode %s because %s, asked for %s", s.Interface, s.Mode, s.Reason, c.Mode)
		}
	}
	return x
}

// deadline bounds what a test waits for.
const deadline = 20 * time.Second

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, deadline)
		}
	}
}

// collect reads all workers until they gave want frames and then nothing more, and shows each frame.
func collect(t *testing.T, x *Capture, want int, show func(worker int, f *capture.Frame)) {
	t.Helper()
	var f capture.Frame
	got := 0
	for end := time.Now().Add(deadline); ; {
		for w, s := range x.Sources() {
			for {
				err := s.Next(&f)
				if errors.Is(err, capture.ErrIdle) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got++
				show(w, &f)
			}
		}
		switch {
		case got > want:
			t.Fatalf("%d frames were read, more than the %d that should", got, want)
		case got == want:
			return
		case time.Now().After(end):
			t.Fatalf("%d frames were read, want %d: %+v", got, want, x.Status())
		}
	}
}

// deliver sends frames and waits for their arrival.
func deliver(t *testing.T, c *livetest.Cable, frames ...[]byte) {
	t.Helper()
	if err := c.Deliver(frames...); err != nil {
		t.Fatal(err)
	}
}

func at(address string, port int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(address), uint16(port))
}

// talk gives n frames of conversations between hosts of two networks, with payloads of many lengths.
func talk(n int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		d := livetest.Datagram{
			Src: at(fmt.Sprintf("10.0.%d.%d", i%3, 1+i%200), 40000+i%50), Dst: at(fmt.Sprintf("10.1.0.%d", 1+i%7), 502),
			Proto: 6, Flags: 0x18, Seq: uint32(i), Payload: make([]byte, i*7%1400),
		}
		if i%5 == 0 {
			d.Proto, d.Src, d.Dst = 17, d.Dst, d.Src
		}
		frames[i] = d.Frame()
	}
	return frames
}
