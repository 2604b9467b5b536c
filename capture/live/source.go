package live

import (
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/spanwatch/spanwatch/capture"
)

// source gives one worker the frames of all interfaces.
type source struct {
	worker, workers int
	numbers         []uint64 // frames given, by interface

	mu    sync.Mutex // guards rings against taking interfaces up and down
	rings []*ring
	stop  bool
	// ending says that no ring will be added.
	ending bool
	wake   int // an eventfd: something changed
	// waiting says that Next sleeps, without the lock; awake is told when it does no more.
	waiting bool
	awake   sync.Cond

	turn  int
	clock time.Time // of the last time that nothing came
	poll  []unix.PollFd
}

func newSource(worker, workers, interfaces int) (*source, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	s := &source{worker: worker, workers: workers, numbers: make([]uint64, interfaces), wake: wake}
	s.awake.L = &s.mu
	return s, nil
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
		if s.ending && len(s.rings) == 0 {
			return io.EOF
		}
		if idle, err := s.wait(); err != nil {
			return err
		} else if idle {
			if now := time.Now().UTC().Add(-retire - pollWait); !s.gathering() {
				s.clock = now
			}
			*f = capture.Frame{Time: s.clock}
			return capture.ErrIdle
		}
	}
}

// ready fills f with a frame that is there already. A ring is read until its block is through.
func (s *source) ready(f *capture.Frame) bool {
	for range s.rings {
		if s.turn >= len(s.rings) {
			s.turn = 0
		}
		r := s.rings[s.turn]
		if !r.next(f) {
			s.turn++
			continue
		}
		n := &s.numbers[r.iface]
		*n++
		// Unique among the workers, and rising.
		f.Number = (*n-1)*uint64(s.workers) + uint64(s.worker) + 1
		if r.left == 0 {
			s.turn++
		}
		return true
	}
	return false
}

// gathering tells whether the kernel has frames in a block that it has not handed over. When the machine is busy that
// takes longer than it should, and nothing may be said of the time since.
func (s *source) gathering() bool {
	return slices.ContainsFunc(s.rings, (*ring).gathering)
}

// wait sleeps until a ring has something, or for a while.
func (s *source) wait() (idle bool, err error) {
	if err := s.bury(); err != nil {
		return false, err
	}
	s.poll = append(s.poll[:0], unix.PollFd{Fd: int32(s.wake), Events: unix.POLLIN})
	for _, r := range s.rings {
		if r.gone.IsZero() {
			s.poll = append(s.poll, unix.PollFd{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR})
		}
	}
	s.waiting = true
	s.mu.Unlock()
	n, err := unix.Poll(s.poll, int(pollWait/time.Millisecond))
	s.mu.Lock()
	s.waiting = false
	s.awake.Signal()
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

// add takes in the ring of an interface.
func (s *source) add(r *ring) {
	s.signal()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rings = append(s.rings, r)
}

// retire says that the interface of a ring is gone. The worker reads what is left in it, and then closes it: only the
// worker knows when it is done with the last frame.
func (s *source) retire(r *ring) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.gone = time.Now()
}

// finish says that all rings that will ever be are retired.
func (s *source) finish() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.signal()
}

// The kernel hands over the last block of a ring when its time is up, which may be later on a busy machine.
const (
	lastBlock     = 10 * retire
	lastBlockBusy = time.Second
)

// bury closes the rings of which everything was read.
func (s *source) bury() error {
	var err error
	s.rings = slices.DeleteFunc(s.rings, func(r *ring) bool {
		if r.gone.IsZero() {
			return false
		}
		if since := time.Since(r.gone); since < lastBlock || since < lastBlockBusy && r.gathering() {
			return false
		}
		err = errors.Join(err, r.close())
		return true
	})
	return err
}

// release closes all rings of a source that was closed.
func (s *source) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.waiting {
		s.awake.Wait()
	}
	err := unix.Close(s.wake)
	for _, r := range s.rings {
		err = errors.Join(err, r.close())
	}
	s.rings = nil
	return err
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
