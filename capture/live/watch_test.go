package live

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

// said is a log that a test reads while others write it.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) has(words string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Contains(s.text.Bytes(), []byte(words))
}

func (s *said) logger() *slog.Logger { return slog.New(slog.NewTextHandler(s, nil)) }

func ip(t *testing.T, args ...string) {
	t.Helper()
	if err := livetest.IP(args...); err != nil {
		t.Fatal(err)
	}
}

// An interface that goes down is reported; when it is up again, its traffic is read again, and the counters go on.
func TestDownAndUp(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable, log := lay(t, "updown", 0), new(said)
		x := listen(t, Config{Interfaces: []string{"updown"}, Mode: mode, Workers: 2, RingBytes: 1 << 20, Log: log.logger()})
		deliver(t, cable, talk(100)...)
		collect(t, x, 100, func(int, *capture.Frame) {})
		ip(t, "link", "set", "updown", "down")
		eventually(t, "the status says that it is down", func() bool { s := x.Status()[0]; return !s.Up && s.Present })
		collect(t, x, 0, func(int, *capture.Frame) {})
		ip(t, "link", "set", "updown", "up")
		eventually(t, "the status says that it is up", func() bool { return x.Status()[0].Up })
		deliver(t, cable, talk(100)...)
		collect(t, x, 100, func(int, *capture.Frame) {})
		if s := x.Status()[0]; s.Ring.Received != 200 || s.NIC.Received != 200 || s.Mode != mode {
			t.Errorf("%+v", s)
		}
		if !log.has("up=false") || !log.has("up=true") {
			t.Errorf("the log says nothing: %s", log.text.String())
		}
	})
}

// An interface that is removed is waited for, what had arrived is read, and another of the same name is taken up.
func TestRemovedAndMadeAgain(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable, log := lay(t, "again", 0), new(said)
		x := listen(t, Config{Interfaces: []string{"again"}, Mode: mode, Workers: 2, RingBytes: 1 << 20, Log: log.logger()})
		for round := 1; round <= 3; round++ {
			deliver(t, cable, talk(150)...)
			if err := cable.Cut(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the status says that it is gone", func() bool { return !x.Status()[0].Present })
			collect(t, x, 150, func(int, *capture.Frame) {})
			if s := x.Status()[0]; s.Up || s.Ring.Received != uint64(150*round) || s.Ring.Dropped != 0 {
				t.Errorf("round %d: %+v", round, s)
			}
			cable = lay(t, "again", 0)
			eventually(t, "the interface is taken up again", func() bool { s := x.Status()[0]; return s.Present && s.Up && s.Mode == mode })
		}
		if !log.has("the interface is gone") || log.has("cannot be opened") {
			t.Errorf("the log: %s", log.text.String())
		}
	})
}

// Frames that a worker holds stay what they are, and it goes on reading, while interfaces come and go under heavy traffic.
func TestRemovedWhileReading(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "flap", 0)
		x := listen(t, Config{Interfaces: []string{"flap"}, Mode: mode, Workers: 2, RingBytes: 1 << 20})
		var readers sync.WaitGroup
		for _, s := range x.Sources() {
			readers.Go(func() {
				var f capture.Frame
				sum := byte(0)
				for {
					err := s.Next(&f)
					if errors.Is(err, io.EOF) {
						return
					}
					for _, b := range f.Data {
						sum ^= b
					}
				}
			})
		}
		frames := talk(2000)
		for range 3 {
			deliver(t, cable, frames...)
			if err := cable.Cut(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the status says that it is gone", func() bool { return !x.Status()[0].Present })
			cable = lay(t, "flap", 0)
			eventually(t, "the interface is taken up again", func() bool { return x.Status()[0].Up })
		}
		if err := x.Close(); err != nil {
			t.Error(err)
		}
		readers.Wait()
	})
}

// A renamed interface is the same interface: its traffic is read on, and the log says what became of it.
func TestRenamed(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable, log := lay(t, "before", 0), new(said)
		x := listen(t, Config{Interfaces: []string{"before"}, Mode: mode, RingBytes: 1 << 20, Log: log.logger()})
		deliver(t, cable, talk(50)...)
		ip(t, "link", "set", "before", "down")
		ip(t, "link", "set", "before", "name", "after")
		ip(t, "link", "set", "after", "up")
		cable.Monitored = "after"
		eventually(t, "the new name is known", func() bool { s := x.Status()[0]; return s.Up && s.Renamed == "after" })
		deliver(t, cable, talk(50)...)
		collect(t, x, 100, func(int, *capture.Frame) {})
		if s := x.Status()[0]; s.Interface != "before" || !s.Present || s.NIC.Received != 100 || s.Ring.Received != 100 {
			t.Errorf("%+v", s)
		}
		if !log.has("renamed") || !log.has("after") {
			t.Errorf("the log: %s", log.text.String())
		}
	})
}

// One capture listens to several interfaces; frames say which they came from. One of them may be missing at first.
func TestSeveralInterfaces(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		one, two := lay(t, "one", 0), lay(t, "two", 0)
		x := listen(t, Config{Interfaces: []string{"one", "two", "three"}, Mode: mode, Workers: 2, RingBytes: 1 << 20})
		deliver(t, one, talk(300)...)
		deliver(t, two, talk(200)...)
		three := lay(t, "three", 0)
		eventually(t, "the third interface is taken up", func() bool { return x.Status()[2].Up })
		deliver(t, three, talk(100)...)
		var from [3]int
		numbers := make(map[string]bool)
		collect(t, x, 600, func(_ int, f *capture.Frame) {
			from[f.Source]++
			id := fmt.Sprint(f.Source, " ", f.Number)
			if numbers[id] {
				t.Errorf("two frames are number %d of interface %d", f.Number, f.Source)
			}
			numbers[id] = true
		})
		if from != [3]int{300, 200, 100} {
			t.Errorf("frames by interface: %v", from)
		}
		for i, s := range x.Status() {
			if s.Ring.Received != uint64(from[i]) {
				t.Errorf("%+v", s)
			}
		}
	})
}

// The interface takes frames that are for others as long as the capture is open, and not longer.
func TestPromiscuous(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		for _, wanted := range []bool{true, false} {
			lay(t, "prom", 0)
			x, err := Open(t.Context(), Config{Interfaces: []string{"prom"}, Mode: mode, Workers: 2, RingBytes: 1 << 20, Promiscuous: wanted})
			if err != nil {
				t.Fatal(err)
			}
			during, err := livetest.Promiscuity("prom")
			if err != nil || (during > 0) != wanted || x.Status()[0].Promiscuous != wanted {
				t.Errorf("asked for %v: %d ask while it is open, %v", wanted, during, err)
			}
			if err := x.Close(); err != nil {
				t.Error(err)
			}
			if after, err := livetest.Promiscuity("prom"); err != nil || after != 0 {
				t.Errorf("%d ask after it was closed, %v", after, err)
			}
			ip(t, "link", "del", "prom")
		}
	})
}

// What cannot be opened is said in one line, which names the interface.
func TestNoSuchInterface(t *testing.T) {
	privileged(t)
	for _, names := range [][]string{nil, {"nosuch0"}} {
		x, err := Open(context.Background(), Config{Interfaces: names, Mode: ModePlain})
		if err == nil {
			t.Errorf("%v: opened", names)
			_ = x.Close()
		} else if len(names) > 0 && !bytes.Contains([]byte(err.Error()), []byte(names[0])) {
			t.Errorf("%v: %v", names, err)
		}
	}
}
