package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// Processors: what sends runs on the first, what receives, kernel and reader together, on the last.
var sendingCPU, receivingCPU = 0, max(runtime.NumCPU()-1, 0)

const monitored = "bench"

// coalesce is how often the kernel looks for frames, in ns: a card interrupts about as often when much comes.
const coalesce = "20000"

// urgent is the nice value of what is measured: other programs of the machine hardly disturb it, and threads of it share a
// processor as they do on a sensor.
const urgent = -20

// interrupt is the priority of a receiving thread that goes before every program, as the kernel's part of receiving does
// where it has no thread: on a sensor. Under a flood a reader on the same processor would starve.
const interrupt = -100

// pin keeps a thread, 0 being the caller's, on a processor, at a nice value or as interrupt.
func pin(tid, cpu, priority int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("bench: keep thread %d on processor %d: %w", tid, cpu, err)
	}
	// The shorter its slice, the sooner a thread gets the processor when it wakes, on kernels that know slices.
	attributes := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: int32(priority), Runtime: uint64(100 * time.Microsecond)}
	if priority == interrupt {
		attributes = unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	}
	if err := unix.SchedSetAttr(tid, &attributes, 0); err != nil {
		return fmt.Errorf("bench: priority of thread %d: %w", tid, err)
	}
	return nil
}

// apart makes this process a scheduling group of its own that goes before others: priorities count within a group only.
// Kernels without such groups need none.
func apart() error {
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("bench: a session of its own: %w", err)
	}
	err := os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(urgent)), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}

// cpuTime is the processor time that a thread has used.
func cpuTime(tid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", tid))
	if err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	ns, err := strconv.ParseUint(strings.Fields(string(text))[0], 10, 63)
	return time.Duration(ns), err
}

// threadReceiver makes the kernel receive on the monitored interface in a thread of its own, whose processor time can be
// told from everything else's, and gives its id. A virtual interface polls only with XDP, or when it may merge frames;
// those of the benchmark do not merge.
func threadReceiver(mode live.Mode, priority int) (tid int, err error) {
	if mode != live.ModeNative {
		if out, err := exec.Command("ethtool", "-K", monitored, "gro", "on").CombinedOutput(); err != nil {
			return 0, fmt.Errorf("bench: ethtool: %w: %s", err, out)
		}
	}
	for name, value := range map[string]string{"threaded": "1", "gro_flush_timeout": coalesce, "napi_defer_hard_irqs": "1000000"} {
		if err := os.WriteFile(filepath.Join("/sys/class/net", monitored, name), []byte(value), 0); err != nil {
			return 0, fmt.Errorf("bench: %w", err)
		}
	}
	names, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || !strings.HasPrefix(string(text), "napi/"+monitored+"-") {
			continue // it may have ended meanwhile
		}
		if tid, err = strconv.Atoi(filepath.Base(filepath.Dir(name))); err != nil {
			return 0, err
		}
		return tid, pin(tid, receivingCPU, priority)
	}
	return 0, errors.New("bench: the kernel has no receiving thread for the interface")
}

// bed is one mode at work: a cable, a capture, and a reader that decodes each frame and looks its conversation up.
type bed struct {
	cable    *livetest.Cable
	capture  *live.Capture
	receiver int // threads
	reader   int
	ended    chan error
}

func newBed(mode live.Mode) (b *bed, err error) {
	b = &bed{ended: make(chan error, 1)}
	if b.cable, err = livetest.Lay(monitored, 0); err != nil {
		return nil, err
	}
	b.capture, err = live.Open(context.Background(), live.Config{
		Interfaces: []string{monitored}, Mode: mode, UDP: []uint16{otPort}, Promiscuous: true, RingBytes: 32 << 20,
	})
	if err != nil {
		return nil, errors.Join(err, b.cable.Cut())
	}
	if s := b.capture.Status()[0]; s.Mode != mode {
		return nil, errors.Join(fmt.Errorf("bench: mode %s instead of %s: %s", s.Mode, mode, s.Reason), b.close())
	}
	if b.receiver, err = threadReceiver(mode, urgent); err != nil {
		return nil, errors.Join(err, b.close())
	}
	ready := make(chan int)
	go func() { b.ended <- b.read(ready) }()
	b.reader = <-ready
	return b, nil
}

// read is the reader.
func (b *bed) read(ready chan<- int) error {
	runtime.LockOSThread() // for good: the thread is not to be used for anything else
	err := pin(0, receivingCPU, urgent)
	ready <- unix.Gettid()
	if err != nil {
		return err
	}
	type conversation struct{ packets, bytes uint64 }
	known := make(map[uint64]*conversation)
	var f capture.Frame
	var p packet.Packet
	source := b.capture.Sources()[0]
	for {
		switch err := source.Next(&f); {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, capture.ErrIdle):
			continue
		case err != nil:
			return err
		}
		if p.Decode(uint16(f.Link), f.Data) != nil {
			continue
		}
		key := uint64(p.Hash())<<32 | uint64(p.SrcPort)<<16 | uint64(p.DstPort)
		c := known[key]
		if c == nil {
			c = new(conversation)
			known[key] = c
		}
		c.packets++
		c.bytes += uint64(f.WireLength)
	}
}

func (b *bed) close() error {
	err := b.capture.Close()
	if b.reader != 0 {
		err = errors.Join(err, <-b.ended)
	}
	return errors.Join(err, b.cable.Cut())
}

// sample is what one burst of traffic cost.
type sample struct {
	sent, arrived, lost uint64        // lost of what arrived: for want of room in rings or tables
	receiving, sending  time.Duration // processor time: kernel and reader; the sender, who never sleeps while it sends
}

func (s sample) known() float64    { return float64(s.arrived - min(s.lost, s.arrived)) }
func (s sample) sentRate() float64 { return float64(s.sent) / s.sending.Seconds() }
func (s sample) perPacket() float64 {
	return float64(s.receiving.Nanoseconds()) / float64(max(s.arrived, 1))
}
func (s sample) perSent() float64 { return float64(s.sending.Nanoseconds()) / float64(max(s.sent, 1)) }

// handled is how many packets a second were counted or read.
func (s sample) handled() float64 { return s.known() / s.sending.Seconds() }

// loss is the share of packets of which no counter of a conversation, or no reader, knows.
func (s sample) loss() float64 {
	return float64(s.sent-min(s.arrived, s.sent)+s.lost) / float64(max(s.sent, 1))
}

// burst sends for a while and measures until everything has been read.
func (b *bed) burst(g *generator, rate int, d time.Duration) (s sample, err error) {
	before := b.capture.Status()[0]
	from, err := b.spent()
	if err != nil {
		return s, err
	}
	var mine, after unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &mine); err != nil {
		return s, err
	}
	if s.sent, err = g.send(rate, d); err != nil {
		return s, err
	}
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &after); err != nil {
		return s, err
	}
	s.sending = time.Duration(after.Nano() - mine.Nano())
	time.Sleep(50 * time.Millisecond) // what is in the ring is read, and its cost is part of it
	to, err := b.spent()
	if err != nil {
		return s, err
	}
	s.receiving = to - from
	now := b.capture.Status()[0]
	s.lost = now.Ring.Dropped - before.Ring.Dropped
	if s.arrived = now.Ring.Received + s.lost - before.Ring.Received; now.Kernel.Packets > 0 {
		s.arrived = now.Kernel.Packets - before.Kernel.Packets
		s.lost += now.Kernel.Overflow - before.Kernel.Overflow
	}
	return s, nil
}

func (b *bed) spent() (sum time.Duration, err error) {
	for _, tid := range []int{b.receiver, b.reader} {
		t, err := cpuTime(tid)
		if err != nil {
			return 0, err
		}
		sum += t
	}
	return sum, nil
}
