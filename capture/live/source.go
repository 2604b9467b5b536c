package live

import (
	"errors"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
)

// source gives one worker the frames of all interfaces.
type source struct {
	worker, workers int
	numbers         []uint64 // frames given, by interface

	mu    sync.Mutex // guards rings, and with them the memory of frames, against taking interfaces up and down
	rings []*ring    // by interface; nil while it is gone
	stop  bool
	wake  int // an eventfd: something changed

	turn int
	poll []unix.PollFd
}

func newSource(worker, workers, interfaces int) (*source, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &source{worker: worker, workers: workers, numbers: make([]uint64, interfaces), rings: make([]*ring, interfaces), wake: wake}, nil
}

// Next implements [capture.Source]. It gives the frames of one ring until a block of it is through, then looks at the
// others.
func (s *source) Next(f *capture.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.stop {
			return io.EOF
		}
		if s.ready(f) {
			return nil
		}
		if idle, err := s.wait(); err != nil {
			return err
		} else if idle {
			// What the kernel gathers in an open block is not here yet.
			*f = capture.Frame{Time: time.Now().UTC().Add(-retire - pollWait)}
			return capture.ErrIdle
		}
	}
}

// ready fills f with a frame that is there already. A ring is read until its block is through.
func (s *source) ready(f *capture.Frame) bool {
	for range s.rings {
		r := s.rings[s.turn]
		if r != nil && r.next(f) {
			s.numbers[s.turn]++
			// Unique among the workers, and rising.
			f.Number = (s.numbers[s.turn]-1)*uint64(s.workers) + uint64(s.worker) + 1
			if r.left == 0 {
				s.turn = (s.turn + 1) % len(s.rings)
			}
			return true
		}
		s.turn = (s.turn + 1) % len(s.rings)
	}
	return false
}

// wait sleeps until a ring has something, or for a while.
func (s *source) wait() (idle bool, err error) {
	s.poll = append(s.poll[:0], unix.PollFd{Fd: int32(s.wake), Events: unix.POLLIN})
	for _, r := range s.rings {
		if r != nil {
			s.poll = append(s.poll, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR})
		}
	}
	s.mu.Unlock()
	n, err := unix.Poll(s.poll, int(pollWait/time.Millisecond))
	s.mu.Lock()
	if err != nil && !errors.Is(err, unix.EINTR) {
		return false, err
	}
	var b [8]byte
	if n > 0 && s.poll[0].Revents != 0 {
		_, _ = unix.Read(s.wake, b[:])
	}
	for _, p := range s.poll[1:] {
		if p.Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
			// The interface is down or gone. Reading the error clears it; the capture looks after the interface.
			_, _ = unix.GetsockoptInt(int(p.Fd), unix.SOL_SOCKET, unix.SO_ERROR)
			n = 0
		}
	}
	return n <= 0, nil
}

// set puts a ring in the place of an interface and gives the one that was there, whose memory nobody reads any more.
func (s *source) set(iface int, r *ring) *ring {
	s.signal()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.rings[iface]
	s.rings[iface] = r
	return old
}

func (s *source) signal() {
	_, _ = unix.Write(s.wake, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}

// Close implements [capture.Source]: a Next that waits returns. The rings are the capture's.
func (s *source) Close() error {
	s.mu.Lock()
	s.stop = true
	s.mu.Unlock()
	s.signal()
	return nil
}
