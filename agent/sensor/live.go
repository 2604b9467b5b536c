package sensor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/pipeline"
	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live"
	"github.com/spanwatch/spanwatch/capture/stream"
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/all"
)

const (
	// countEvery is how often the kernel's counters are asked for, countLimit how many at once: small portions, so that
	// capture never waits.
	countEvery = time.Second
	countLimit = 64
	// maxConversations is how many the workers remember together, and memoryGoal what the collector of garbage aims at, in
	// bytes: with rings, database and program the sensor stays below 320 MiB also when a scan fills every table.
	maxConversations = 1 << 15
	memoryGoal       = 192 << 20
)

// Live is a sensor on interfaces. Make it with [NewLive].
type Live struct {
	cfg     Config
	capture *live.Capture
	started time.Time
	rights  string
	tally   *pipeline.Tally
	counts  chan []capture.Count
	// undelivered are counts that were read when the end came; they are finish's.
	undelivered []capture.Count
	reload      chan []detect.Verdict
	save        chan chan<- error // asks for what is known to be saved now
	working     chan struct{}     // closed when the analyst took something for the first time
	health      atomic.Pointer[Health]
	beat        atomic.Int64 // when the analyst last took something, Unix nanoseconds of the wall clock
}

// Health is what a running sensor says of itself.
type Health struct {
	Version    string        `json:"version"`
	Privileges string        `json:"privileges"`
	Site       string        `json:"site"`
	Started    time.Time     `json:"started"`
	Uptime     float64       `json:"uptime_seconds"`
	Interfaces []live.Status `json:"interfaces"`
	Workers    int           `json:"workers"`
	Devices    int           `json:"devices"` // as of the last save, like edges and alerts
	Edges      int           `json:"edges"`
	Alerts     int           `json:"alerts"`
	Saved      time.Time     `json:"saved"`
	// SaveError is why the last save failed; empty when it did not. Unraised counts alerts that cannot be committed.
	SaveError  string   `json:"save_error,omitempty"`
	Unraised   int      `json:"unraised,omitempty"`
	Collector  string   `json:"collector,omitempty"`
	Waiting    Waiting  `json:"waiting"` // for the collector's acknowledgement
	Counters   Counters `json:"counters"`
	MaxRSS     int64    `json:"max_rss_bytes"`
	CPUSeconds float64  `json:"cpu_seconds"`
}

// Waiting counts records in the spool.
type Waiting struct {
	Alerts  int `json:"alerts"`
	Routine int `json:"routine"`
}

// Counters are sums since the start.
type Counters struct {
	Packets       uint64            `json:"packets"` // read by workers
	Bytes         uint64            `json:"bytes"`
	Conversations uint64            `json:"conversations"`
	Messages      map[string]uint64 `json:"messages"` // by protocol
	Dropped       Dropped           `json:"dropped"`
	Unparsed      Unparsed          `json:"unparsed"`
	Evicted       Evicted           `json:"evicted"`
	Late          uint64            `json:"late"` // events that came after later ones were judged
}

// NewLive opens the interfaces. What it returns listens already; [Live.Run] reads.
func NewLive(ctx context.Context, cfg Config, listen live.Config) (*Live, error) {
	if err := cfg.settleSite(); err != nil {
		return nil, err
	}
	if cfg.Workers == 0 {
		cfg.Workers = min(runtime.GOMAXPROCS(0), MaxWorkers)
	}
	listen.Workers, listen.Log = cfg.Workers, cfg.Log
	specs := all.Specs()
	if listen.TCP == nil && listen.UDP == nil {
		listen.TCP, listen.UDP = wantedPorts(specs)
	}
	c, err := live.Open(ctx, listen)
	if err != nil {
		return nil, err
	}
	s := &Live{
		cfg: cfg, capture: c, started: time.Now().UTC(), tally: pipeline.NewTally(specs),
		counts: make(chan []capture.Count), reload: make(chan []detect.Verdict, 1), save: make(chan chan<- error), working: make(chan struct{}),
	}
	s.health.Store(&Health{Version: cfg.Version, Site: cfg.Site, Started: s.started, Workers: cfg.Workers})
	return s, nil
}

// wantedPorts are those of protocols that are read and serve a plant: of these every packet matters.
func wantedPorts(specs []protocols.Spec) (tcp, udp []uint16) {
	for i := range specs {
		if s := &specs[i]; !s.CountOnly && !s.Ordinary {
			tcp, udp = append(tcp, s.TCP...), append(udp, s.UDP...)
		}
	}
	return tcp, udp
}

// Run reads until ctx ends, then writes what is known and gives the collector a while to acknowledge it.
func (s *Live) Run(ctx context.Context) (err error) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // nobody has set GOMEMLIMIT
		debug.SetMemoryLimit(memoryGoal)
	}
	defer func() { err = errors.Join(err, s.capture.Close()) }()
	verdicts, err := readVerdicts(s.cfg.Verdicts)
	if err != nil {
		return err
	}
	r, err := openRun(ctx, &s.cfg, verdicts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	an, w := r.an, r.w

	group, failed := errgroup.WithContext(ctx)
	group.Go(func() error { return s.drain(failed) })
	group.Go(func() error {
		// The sources end when they have given what had come until then.
		<-failed.Done()
		return s.capture.Stop()
	})
	group.Go(func() error {
		return pipeline.Run(context.WithoutCancel(ctx), s.capture.Sources(), pipeline.Config{
			Specs: all.Specs(), Fold: true, Counted: s.capture.Counted, Mark: s.capture.Mark,
			Stream: stream.Config{MaxConversations: max(maxConversations/s.cfg.Workers, 1024)},
		}, func(b *pipeline.Batch) error { return s.take(an, w, b) })
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return s.finish(context.WithoutCancel(ctx), an, w)
}

// run is what takes in what a live sensor sees: its analyst, and what keeps what that knows.
type run struct {
	dir *directory
	up  *link
	w   *writer
	an  *analyst
}

// openRun takes up the state directory of a configuration.
func openRun(ctx context.Context, cfg *Config, verdicts []detect.Verdict) (r *run, err error) {
	r = new(run)
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	if r.dir, err = openDirectory(cfg); err != nil {
		return r, err
	}
	if r.up, err = startUplink(context.WithoutCancel(ctx), *cfg, r.dir); err != nil {
		return r, err
	}
	before, err := r.dir.state.Resume()
	if err != nil {
		return r, err
	}
	r.w = newWriter(r.dir, r.up, len(verdicts) > 0, cfg.Log)
	r.an, err = newAnalyst(*cfg, verdicts, &before, r.w.raise)
	return r, err
}

func (r *run) close() (err error) {
	if r.w != nil {
		r.w.close()
	}
	if r.up != nil {
		err = r.up.stop()
	}
	if r.dir != nil {
		err = errors.Join(err, r.dir.close())
	}
	return err
}

// drain asks for the kernel's counters in small portions, off the hot path.
func (s *Live) drain(ctx context.Context) error {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for {
			counts, err := s.capture.Counts(countLimit)
			if err != nil {
				s.cfg.Log.Warn("the kernel's counters cannot be read", "error", err)
			}
			if len(counts) == 0 {
				break
			}
			select {
			case s.counts <- counts:
			case <-ctx.Done():
				s.undelivered = counts
				return nil
			}
		}
	}
}

// take is the sink of the pipeline, and the one place where the analyst works.
func (s *Live) take(an *analyst, w *writer, b *pipeline.Batch) error {
	for i := range b.Flows {
		s.tally.Report(&b.Flows[i])
	}
	for more := true; more; {
		select {
		case counts := <-s.counts:
			b.Flows = s.tally.Count(b.Flows, counts, an.stats.Last)
		case verdicts := <-s.reload:
			an.detector.SetVerdicts(verdicts)
			w.judged = len(verdicts) > 0
		case answer := <-s.save:
			w.waiting = append(w.waiting, answer)
		default:
			more = false
		}
	}
	if err := an.take(b); err != nil {
		return err
	}
	now := time.Now()
	if s.beat.Swap(now.UnixNano()) == 0 {
		close(s.working)
	}
	w.fresh = w.fresh || len(b.Flows)+len(b.Events)+len(b.Bindings)+len(b.Notices) > 0
	w.offer(an, now)
	if now.Sub(w.toldHealth) >= time.Second {
		w.toldHealth = now
		s.tell(an, w)
	}
	return nil
}

// finish takes in the last counts of the kernel, in which nothing more is counted, judges what can be judged only at the end,
// and writes everything.
func (s *Live) finish(ctx context.Context, an *analyst, w *writer) error {
	b := new(pipeline.Batch)
	b.Flows = s.tally.Count(b.Flows, s.undelivered, an.stats.Last)
	// The rest of the round in which the end came, and a last one from the beginning.
	for rounds := 0; rounds < 2; {
		counts, err := s.capture.Counts(countLimit)
		if err != nil {
			break
		}
		if len(counts) == 0 {
			rounds++
		}
		b.Flows = s.tally.Count(b.Flows, counts, an.stats.Last)
	}
	b.Flows = s.tally.Finish(b.Flows)
	if err := an.take(b); err != nil {
		return err
	}
	an.end()
	if err := errors.Join(an.failed, w.finish(an)); err != nil {
		return err
	}
	w.retry()
	if n := len(w.unraised); n > 0 {
		s.cfg.Log.Error("alerts are lost: they could not be committed until the end", "count", n)
	}
	if waiting := w.up.drain(ctx); waiting != "" {
		s.cfg.Log.Warn(waiting)
	}
	s.tell(an, w)
	return nil
}

// tell publishes what the sensor says of itself.
func (s *Live) tell(an *analyst, w *writer) {
	stats, saved := &an.stats, w.saving.Load()
	h := &Health{
		Version: s.cfg.Version, Site: s.cfg.Site, Started: s.started, Workers: s.cfg.Workers, Collector: s.cfg.Collector,
		Devices: saved.devices, Edges: saved.edges, Alerts: saved.alerts, Saved: saved.saved, SaveError: saved.failed,
		Unraised: len(w.unraised),
		Counters: Counters{
			Packets: stats.Packets, Bytes: stats.Bytes, Conversations: stats.Conversations, Messages: make(map[string]uint64),
			Dropped: Dropped{Spool: w.up.dropped()}, Unparsed: unparsed(stats), Evicted: an.evicted(), Late: stats.Late,
		},
	}
	for name, n := range stats.Messages {
		h.Counters.Messages[name] = n
	}
	if w.up.spool != nil {
		h.Waiting.Alerts, h.Waiting.Routine = w.up.spool.Pending()
	}
	s.health.Store(h)
}

// Health says how the sensor is.
func (s *Live) Health() Health {
	h := *s.health.Load()
	h.Interfaces = s.capture.Status()
	for i := range h.Interfaces {
		h.Counters.Dropped.NIC += h.Interfaces[i].NIC.Dropped
		h.Counters.Dropped.Ring += h.Interfaces[i].Ring.Dropped
		h.Counters.Dropped.FlowMap += h.Interfaces[i].Kernel.Overflow
	}
	h.Privileges = s.rights
	r := usage()
	h.Uptime, h.MaxRSS, h.CPUSeconds = time.Since(s.started).Seconds(), r.Maxrss*1024, cpuTime(r).Seconds()
	return h
}

// stalled is how long the analyst may be silent: idle sources alone make it work every few milliseconds.
const stalled = 10 * time.Second

// Working is closed when the sensor is at work: everything was opened and read, and idle or not, interfaces are looked at.
func (s *Live) Working() <-chan struct{} { return s.working }

// Alive tells why the sensor is not at work; nil when it is.
func (s *Live) Alive() error {
	last := time.Unix(0, cmp.Or(s.beat.Load(), s.started.UnixNano()))
	if d := time.Since(last); d > stalled {
		return fmt.Errorf("sensor: nothing was looked at for %s", d.Round(time.Second))
	}
	return nil
}

// Ready tells why the sensor does not see what it should; nil when it does.
func (s *Live) Ready() error {
	if err := s.Alive(); err != nil {
		return err
	}
	for _, i := range s.capture.Status() {
		if !i.Present || !i.Up {
			return fmt.Errorf("sensor: interface %s is not up", i.Interface)
		}
	}
	return nil
}

// Save writes what is known to the state directory now.
func (s *Live) Save(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.save <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close gives the interfaces back without reading them: for a sensor that is not run.
func (s *Live) Close() error { return s.capture.Close() }

// SetPrivileges says with which privileges frames are read, for [Health]. Call it before Run.
func (s *Live) SetPrivileges(text string) {
	s.rights = text
	s.cfg.Log.Info("privileges", "state", text)
}

// Reload reads the file of verdicts again. When it cannot be read, the old ones hold.
func (s *Live) Reload() error {
	verdicts, err := readVerdicts(s.cfg.Verdicts)
	if err != nil {
		return err
	}
	select {
	case <-s.reload: // one that was not taken yet is outdated
	default:
	}
	s.reload <- verdicts
	s.cfg.Log.Info("verdicts were read again", "count", len(verdicts))
	return nil
}
