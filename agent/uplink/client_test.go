package uplink

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/inventory"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// lines is a log for tests.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// connect makes a client that does not pause between attempts, and runs it until stop is called.
func connect(t *testing.T, s *Spool, address, dir string) (c *Client, log *lines, stop func()) {
	t.Helper()
	log = &lines{}
	c, err := New(Config{Collector: address, Identity: dir, Spool: s, Version: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	c.pause = func(context.Context, time.Duration) {}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return c, log, stop
}

const good = "spiffe://spanwatch/site/Plant%201%2FA/sensor/s1"

func TestEverythingArrivesInOrder(t *testing.T) {
	ca := newCA(t)
	collector := startCollector(t, ca, loopback())
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	defer s.Close()
	var alerts, routine []string
	// Some before there is a connection, some after.
	fill := func() {
		for range 700 {
			id := fmt.Sprint("d", len(routine))
			if err := s.Device(inventory.Device{ID: id}); err != nil {
				t.Fatal(err)
			}
			routine = append(routine, id)
		}
		id := fmt.Sprint("a", len(alerts))
		if err := s.Alert(detect.Alert{ID: id}); err != nil {
			t.Fatal(err)
		}
		alerts = append(alerts, id)
	}
	fill()
	c, _, stop := connect(t, s, collector.address, identity(t, ca, ca, sensorOf(good)))
	defer stop()
	if c.Site() != "Plant 1/A" {
		t.Errorf("site %q", c.Site())
	}
	fill()
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	collector.check(t, alerts, routine)
	// And when all was quiet.
	fill()
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	collector.check(t, alerts, routine)
}

// TestCutsLoseNothingAndDoubleNothing cuts the stream at random moments, restarts the sensor now and then, and compares
// what the collector has with what was spooled.
func TestCutsLoseNothingAndDoubleNothing(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			ca := newCA(t)
			collector := startCollector(t, ca, loopback())
			cut := func(string, *spanwatchv1.StreamRequest) error {
				if random.IntN(3) == 0 {
					return status.Error(codes.Unavailable, "cut")
				}
				return nil
			}
			collector.mu.Lock()
			collector.trouble = cut
			collector.mu.Unlock()
			path, dir := filepath.Join(t.TempDir(), "spool.db"), identity(t, ca, ca, sensorOf(good))
			var alerts, routine []string
			writer := rand.New(rand.NewPCG(seed, 2))
			for range 3 {
				s := openSpool(t, path, 0)
				_, _, stop := connect(t, s, collector.address, dir)
				for range 40 {
					if writer.IntN(2) == 0 {
						alerts = append(alerts, fmt.Sprint("a", len(alerts)))
						if err := s.Alert(detect.Alert{ID: alerts[len(alerts)-1]}); err != nil {
							t.Fatal(err)
						}
						continue
					}
					for range writer.IntN(30) {
						routine = append(routine, fmt.Sprint("d", len(routine)))
						if err := s.Device(inventory.Device{ID: routine[len(routine)-1]}); err != nil {
							t.Fatal(err)
						}
					}
					if err := s.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				stop()
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			s := openSpool(t, path, 0)
			defer s.Close()
			c, _, stop := connect(t, s, collector.address, dir)
			defer stop()
			if err := c.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			collector.check(t, alerts, routine)
			if collector.streams < 4 {
				t.Errorf("only %d streams: nothing was cut", collector.streams)
			}
		})
	}
}

func TestAlertsDoNotWaitBehindRoutineRecords(t *testing.T) {
	ca := newCA(t)
	collector := startCollector(t, ca, loopback())
	var order []spanwatchv1.Lane
	collector.trouble = func(stage string, r *spanwatchv1.StreamRequest) error {
		if stage == "before" {
			order = append(order, r.GetBatch().Lane)
		}
		return nil
	}
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	defer s.Close()
	for i := range 3 * blockRecords {
		if err := s.Device(inventory.Device{ID: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Flush(), s.Alert(detect.Alert{ID: "a"})); err != nil {
		t.Fatal(err)
	}
	c, _, stop := connect(t, s, collector.address, identity(t, ca, ca, sensorOf(good)))
	defer stop()
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if collector.mu.Lock(); len(order) < 4 || order[0] != alertLane {
		t.Errorf("order %v", order)
	}
	collector.mu.Unlock()
}

func TestRefusedRecordDoesNotHoldUpTheLane(t *testing.T) {
	ca := newCA(t)
	collector := startCollector(t, ca, loopback())
	collector.trouble = func(stage string, r *spanwatchv1.StreamRequest) error {
		for _, record := range r.GetBatch().GetRecords() {
			if stage == "before" && record.GetAlert().GetId() == "bad" {
				s, err := status.New(codes.InvalidArgument, "no").WithDetails(&spanwatchv1.Refusal{
					Epoch: r.GetBatch().Epoch, Lane: r.GetBatch().Lane, Sequence: record.Sequence, Reason: "it is bad"})
				return errors.Join(err, s.Err())
			}
		}
		return nil
	}
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	defer s.Close()
	for _, id := range []string{"a1", "bad", "a2"} {
		if err := s.Alert(detect.Alert{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	c, log, stop := connect(t, s, collector.address, identity(t, ca, ca, sensorOf(good)))
	defer stop()
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	collector.check(t, []string{"a1", "gap", "a2"}, nil)
	if s.Dropped() != 1 || !strings.Contains(log.String(), "it is bad") {
		t.Errorf("%d dropped, log %s", s.Dropped(), log)
	}
}

func TestOldCopyOfTheSpoolIsSentAll(t *testing.T) {
	ca := newCA(t)
	collector := startCollector(t, ca, loopback())
	dir, id := t.TempDir(), identity(t, ca, ca, sensorOf(good))
	path, old := filepath.Join(dir, "spool.db"), filepath.Join(dir, "old.db")
	s := openSpool(t, path, 0)
	crash(t, path, old)
	send := func(s *Spool, alert string) {
		t.Helper()
		if err := s.Alert(detect.Alert{ID: alert}); err != nil {
			t.Fatal(err)
		}
		c, _, stop := connect(t, s, collector.address, id)
		defer stop()
		if err := c.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	send(s, "a")
	send(s, "b")
	s.Close()
	s = openSpool(t, old, 0)
	defer s.Close()
	send(s, "c") // it has the number that "a" had
	collector.check(t, []string{"a", "b", "c"}, nil)
}

func TestErrorsSayWhatToDo(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	old := time.Now().Add(-48 * time.Hour)
	expired := func(c *x509.Certificate) *x509.Certificate {
		c.NotBefore, c.NotAfter = old, old.Add(time.Hour)
		return c
	}
	for name, c := range map[string]struct {
		server, ca, signer *testCA
		certificate        *x509.Certificate
		want               string
	}{
		"another collector":            {other, ca, ca, loopback(), "is not signed by"},
		"a sensor of another":          {ca, ca, other, loopback(), "is it the right collector? Issue the identity there"},
		"the collector's has expired":  {ca, ca, ca, expired(loopback()), "set the clock"},
		"another name":                 {ca, ca, ca, &x509.Certificate{DNSNames: []string{"elsewhere.example"}}, "is not for 127.0.0.1, but for elsewhere.example"},
		"the sensor's site is refused": {ca, ca, ca, loopback(), "refused: not your site"},
	} {
		t.Run(name, func(t *testing.T) {
			collector := startCollector(t, c.server, c.certificate)
			collector.trouble = func(stage string, _ *spanwatchv1.StreamRequest) error {
				return status.Error(codes.PermissionDenied, "not your site")
			}
			oneError(t, collector.address, identity(t, c.ca, c.signer, sensorOf(good)), c.want)
		})
	}
	t.Run("nothing listens", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listener.Close()
		oneError(t, listener.Addr().String(), identity(t, ca, ca, sensorOf(good)), "nothing listens there")
	})
	t.Run("no TLS", func(t *testing.T) {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				conn.Write([]byte("SSH-2.0-OpenSSH_9.2\r\n"))
				conn.Close()
			}
		}()
		oneError(t, listener.Addr().String(), identity(t, ca, ca, sensorOf(good)), "it does not speak TLS")
	})
	t.Run("no such name", func(t *testing.T) {
		oneError(t, "collector.invalid:4317", identity(t, ca, ca, sensorOf(good)), "does not resolve")
	})
}

// oneError connects once and expects one line that holds want.
func oneError(t *testing.T, address, dir, want string) {
	t.Helper()
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	defer s.Close()
	log := &lines{}
	c, err := New(Config{Collector: address, Identity: dir, Spool: s, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	attempts := 0
	c.pause = func(context.Context, time.Duration) {
		if attempts++; attempts == 3 {
			cancel()
		}
	}
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Alert(detect.Alert{ID: "a"}); err != nil {
		t.Fatal(err)
	}
	err = c.Drain(ctx)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "1 alerts") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v\nwant %q", err, want)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("the same complaint was logged %d times:\n%s", n, log)
	}
}

func TestNewRefuses(t *testing.T) {
	ca := newCA(t)
	ok := func(*testing.T, string) {}
	remove := func(file string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, file)) }
	}
	write := func(file, text string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, file)
			if text != "" {
				if err := os.WriteFile(path, []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	expired := sensorOf(good)
	expired.NotBefore, expired.NotAfter = time.Unix(1, 0), time.Unix(2, 0)
	early := sensorOf(good)
	early.NotBefore, early.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	for name, c := range map[string]struct {
		address  string
		template *x509.Certificate
		damage   func(*testing.T, string)
		want     string
	}{
		"no port":           {"collector.example", sensorOf(good), ok, "give HOST:PORT"},
		"no host":           {":4317", sensorOf(good), ok, "give HOST:PORT"},
		"no CA":             {"x:1", sensorOf(good), remove("ca.crt"), "ca.crt: issue one"},
		"no certificate":    {"x:1", sensorOf(good), remove("sensor.crt"), "sensor.crt: issue one"},
		"no key":            {"x:1", sensorOf(good), remove("sensor.key"), "sensor.key: issue one"},
		"key for everybody": {"x:1", sensorOf(good), write("sensor.key", "", 0o644), "chmod 600"},
		"damaged CA":        {"x:1", sensorOf(good), write("ca.crt", "x", 0o600), "holds no certificate"},
		"damaged key":       {"x:1", sensorOf(good), write("sensor.key", "x", 0o600), "no pair"},
		"expired":           {"x:1", expired, ok, "expired on 1970"},
		"clock behind":      {"x:1", early, ok, "set the clock"},
		"no URI":            {"x:1", &x509.Certificate{}, ok, "not a sensor's certificate"},
		"URI of another":    {"x:1", sensorOf("https://spanwatch/site/a/sensor/b"), ok, "not a sensor's certificate"},
		"URI of a site":     {"x:1", sensorOf("spiffe://spanwatch/site/a"), ok, "names no site and sensor"},
		"URI without names": {"x:1", sensorOf("spiffe://spanwatch/site//sensor/"), ok, "names no site and sensor"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := identity(t, ca, ca, c.template)
			c.damage(t, dir)
			_, err := New(Config{Collector: c.address, Identity: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestRunEndsWithItsSpool(t *testing.T) {
	ca := newCA(t)
	collector := startCollector(t, ca, loopback())
	s := openSpool(t, filepath.Join(t.TempDir(), "spool.db"), 0)
	c, err := New(Config{Collector: collector.address, Identity: identity(t, ca, ca, sensorOf(good)), Spool: s, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	c.pause = func(context.Context, time.Duration) {}
	if err := c.Run(t.Context()); !errors.Is(err, errSpoolClosed) {
		t.Errorf("got %v", err)
	}
}
