package live

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// everything gives frames of every kind between two hosts, in both directions.
func everything(a, b string) [][]byte {
	var list [][]byte
	for i, ends := range [][2]string{{a, b}, {b, a}} {
		src, dst := ends[0], ends[1]
		for port := 1000; port < 1010; port++ {
			for _, tags := range [][]uint16{nil, {5}, {6, 5}} {
				d := livetest.Datagram{Src: at(src, port), Dst: at(dst, 502), Proto: 6, Flags: 2, VLANs: tags}
				list = append(list, d.Frame())
				d.Proto, d.Src = 17, at(src, port+i)
				list = append(list, d.Frame())
			}
		}
		if at(src, 0).Addr().Is4() {
			list = append(list, fragments(src, dst)...)
		}
		list = append(list, unreachable(src, dst))
	}
	return list
}

// fragments are the two halves of an ICMP echo.
func fragments(src, dst string) [][]byte {
	f := (&livetest.Datagram{Src: at(src, 0x0303), Dst: at(dst, 0x0303), Proto: 1, Payload: make([]byte, 64)}).Frame()
	first, second := append([]byte(nil), f...), append([]byte(nil), f...)
	binary.BigEndian.PutUint16(first[20:], 0x2000)
	binary.BigEndian.PutUint16(second[20:], 0x0008)
	return [][]byte{first, second}
}

// unreachable is what a router, which is somebody else, says about a packet from src to dst.
func unreachable(src, dst string) []byte {
	quoted := (&livetest.Datagram{Src: at(src, 1000), Dst: at(dst, 502), Proto: 17}).Frame()[14:]
	d := livetest.Datagram{Src: at("192.0.2.1", 0), Dst: at(src, 0), Proto: 1}
	kind := []byte{3, 1, 0, 0, 0, 0, 0, 0}
	if d.Dst.Addr().Is6() {
		d.Src, d.Proto, kind[0] = at("2001:db8::1", 0), 58, 1
	}
	d.Payload = quoted
	f := d.Frame()
	copy(f[len(f)-len(quoted)-len(kind):], kind) // in place of the UDP header
	return f
}

// Whatever two hosts say to each other, in whatever way, one worker reads; and all workers have something to do.
func TestHostsStayTogether(t *testing.T) {
	const workers, pairs = 4, 40
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "fan", 0)
		x := listen(t, Config{Interfaces: []string{"fan"}, Mode: mode, Workers: workers, RingBytes: 2 << 20, First: 1 << 20})
		var busy [workers]int
		for i := range pairs {
			a, b := fmt.Sprintf("10.0.%d.%d", i, i+1), fmt.Sprintf("10.1.0.%d", i*2+1)
			if i%2 == 1 {
				a, b = fmt.Sprintf("fd00::%d:%d", i, i+1), fmt.Sprintf("fd00:1::%d", i*2+1)
			}
			frames := everything(a, b)
			deliver(t, cable, frames...)
			var at [workers]int
			collect(t, x, len(frames), func(worker int, _ *capture.Frame) { at[worker]++ })
			used := 0
			for w, n := range at {
				if n > 0 {
					used++
					busy[w]++
				}
			}
			if used != 1 {
				t.Errorf("%s and %s were read by %d workers: %v", a, b, used, at)
			}
		}
		for w, n := range busy {
			if n == 0 {
				t.Errorf("worker %d had nothing to do: %v", w, busy)
			}
		}
	})
}

// The hash of a decoded packet keeps the same frames together that the kernel does.
func TestSpreadIsThatOfReplay(t *testing.T) {
	for _, ends := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00:2::2"}} {
		var first uint32
		for i, f := range everything(ends[0], ends[1]) {
			h := packet.Hash(uint16(capture.LinkEthernet), f)
			if i == 0 {
				first = h
			}
			if h != first {
				t.Errorf("frame %d between %v: %x, others %x: %x", i, ends, h, first, f)
			}
		}
	}
}

// Two sensors on one interface do not share the traffic: each sees all of it.
func TestTwoSensors(t *testing.T) {
	privileged(t)
	cable := lay(t, "twice", 0)
	c := Config{Interfaces: []string{"twice"}, Mode: ModePlain, Workers: 2, RingBytes: 1 << 20}
	one, two := listen(t, c), listen(t, c)
	frames := talk(200)
	deliver(t, cable, frames...)
	for _, x := range []*Capture{one, two} {
		collect(t, x, len(frames), func(int, *capture.Frame) {})
	}
}

// The program is one that the kernel takes on its own, too: no jump leaves it.
func TestSpreadIsValid(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := setProgram(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, spread); err != nil {
		t.Error(err)
	}
}
