package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	// After a failed attempt the client waits; twice as long after each further one, up to the longest.
	shortestPause = 500 * time.Millisecond
	longestPause  = 30 * time.Second
	// repeatAfter is when an unchanged complaint is logged again.
	repeatAfter = 10 * time.Minute
	// tolerableSkew is how far the clocks of sensor and collector may differ unsaid.
	tolerableSkew = time.Minute
)

// Config says where the collector is and who the sensor is.
type Config struct {
	Collector string // HOST:PORT
	Identity  string // directory with ca.crt, sensor.crt and sensor.key
	Spool     *Spool
	Log       *slog.Logger
	Version   string // of the sensor's program
}

// Client sends what is in a spool. Its methods are safe for concurrent use.
type Client struct {
	cfg      Config
	identity Identity
	pause    func(ctx context.Context, d time.Duration)

	mu       sync.Mutex
	last     error     // why there is no connection; nil while there is one
	reported time.Time // when last was logged
}

// New checks the address and the identity. It connects to nothing yet.
func New(cfg Config) (*Client, error) {
	if host, port, err := net.SplitHostPort(cfg.Collector); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("uplink: %q is no address of a collector: give HOST:PORT, such as collector.example:4317", cfg.Collector)
	}
	id, err := ReadIdentity(cfg.Identity)
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, identity: id, pause: pause}, nil
}

// Site is the site that the certificate binds the sensor to.
func (c *Client) Site() string { return c.identity.Site }

// Run connects, sends and resumes until ctx ends, and returns nil then. It returns an error only when there is nothing
// that it could go on with: a spool that is closed.
func (c *Client) Run(ctx context.Context) error {
	wait := shortestPause
	for ctx.Err() == nil {
		connected, err := c.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, errSpoolClosed) {
			return err
		}
		c.complain(err)
		if connected {
			wait = shortestPause
		}
		c.pause(ctx, wait/2+rand.N(wait/2))
		wait = min(2*wait, longestPause)
	}
	return nil
}

// Drain waits until the collector has acknowledged all that is in the spool. When ctx ends before that, the error says
// how much is left, and why if there is no connection.
func (c *Client) Drain(ctx context.Context) error {
	err := c.cfg.Spool.drained(ctx)
	if err == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last != nil {
		return fmt.Errorf("%w: %w", err, c.last)
	}
	return err
}

// complain logs why there is no connection: once, and again after a while.
func (c *Client) complain(err error) {
	if err == nil {
		err = errors.New("uplink: the collector closed the connection")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	level := slog.LevelWarn
	if c.last != nil && sameComplaint(c.last, err) && time.Since(c.reported) < repeatAfter {
		level = slog.LevelDebug
	} else {
		c.reported = time.Now()
	}
	c.last = err
	c.cfg.Log.Log(context.Background(), level, "collector not connected; records wait in the spool", "collector", c.cfg.Collector, "error", err)
}

// welcomed takes note that there is a connection.
func (c *Client) welcomed(w *spanwatchv1.Welcome) {
	c.mu.Lock()
	c.last = nil
	c.mu.Unlock()
	c.cfg.Log.Info("connected to the collector", "collector", c.cfg.Collector, "site", c.identity.Site, "sensor", c.identity.Sensor)
	if !w.CollectorTime.IsValid() {
		return
	}
	if skew := time.Since(w.CollectorTime.AsTime()); skew.Abs() > tolerableSkew {
		c.cfg.Log.Warn("the clocks of sensor and collector differ: set the clock of the one that is wrong",
			"sensor_ahead_by", skew.Round(time.Second))
	}
}

// refused takes the one record out of the spool that the collector said it will never take. It reports whether err
// named one.
func (c *Client) refused(err error) (bool, error) {
	s, _ := status.FromError(err)
	if s.Code() != codes.InvalidArgument {
		return false, nil
	}
	for _, detail := range s.Details() {
		r, ok := detail.(*spanwatchv1.Refusal)
		if !ok || r.Epoch != c.cfg.Spool.epoch() {
			continue
		}
		found, err := c.cfg.Spool.refuse(r.Lane, r.Sequence)
		if found {
			c.cfg.Log.Error("the collector refused a record for good: it is lost, and a gap is reported in its place",
				"lane", r.Lane, "sequence", r.Sequence, "reason", r.Reason)
		}
		return found, err
	}
	return false, nil
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
