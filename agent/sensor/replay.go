package sensor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/pipeline"
	"github.com/spanwatch/spanwatch/agent/process"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/protocols/all"
)

// MaxWorkers bounds the number of workers.
const MaxWorkers = 64

// Config is what a sensor is told.
type Config struct {
	Site       string // empty: that of the certificate, or of the state directory
	StateDir   string // empty: a temporary one, removed at the end
	Captures   []string
	Verdicts   string // file of verdicts; empty: none
	LearnUntil time.Time
	Workers    int            // 0: as many as there are processors
	Networks   []netip.Prefix // the site's own; empty: the private ranges
	Devices    []inventory.Override
	Zones      []inventory.Zone
	Speed      float64 // 0: as fast as possible; 1: as captured
	Collector  string  // host:port; empty: no uplink
	Identity   string  // directory of the certificate; empty: identity in the state directory
	// DrainTimeout is how long the end of a replay waits for the collector to acknowledge what was sent.
	DrainTimeout time.Duration
	Version      string
	Log          *slog.Logger
	// Progress is told of how many bytes were read of the captures, as they are on disk; nil: nobody wants to know.
	Progress func(n int)
}

// Result is what a replay found.
type Result struct {
	state.Snapshot
	Variables []process.Variable
	Summary   Summary
	// Warnings are things that the user must know though the replay succeeded: a damaged capture, alerts that wait.
	Warnings []string
}

func (r *Result) warn(text string) {
	if text != "" {
		r.Warnings = append(r.Warnings, text)
	}
}

// Replay runs the sensor over capture files, as it would run over interfaces, and ends when they end.
func Replay(ctx context.Context, cfg Config) (result *Result, err error) {
	started := readClocks()
	verdicts, err := readVerdicts(cfg.Verdicts)
	if err != nil {
		return nil, err
	}
	if err := cfg.settleSite(); err != nil {
		return nil, err
	}
	source, err := openCaptures(cfg.Captures, cfg.Progress)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, source.Close()) }()

	dir, err := openDirectory(&cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	up, err := startUplink(ctx, cfg, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, up.stop()) }()

	before, err := dir.state.Resume()
	if err != nil {
		return nil, err
	}
	an, err := newAnalyst(cfg, verdicts, &before, func(a *detect.Alert) error {
		if err := up.raise(*a); err != nil || dir.temporary {
			return err
		}
		return dir.state.SaveAlert(a)
	})
	if err != nil {
		return nil, err
	}
	err = pipeline.Replay(ctx, source, pipeline.ReplayConfig{
		Config: pipeline.Config{Specs: all.Specs(), Fold: true}, Workers: cmp.Or(cfg.Workers, runtime.GOMAXPROCS(0)), Pace: pace(cfg.Speed),
	}, an.take)
	result = new(Result)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		result.warn(fmt.Sprintf("interrupted after %d packets: what follows is what they showed", an.stats.Packets))
	} else if warning, err := damage(err, an.stats.Packets); err != nil {
		return nil, err
	} else {
		result.warn(warning)
	}
	if result.Snapshot, err = an.finish(); err != nil {
		return nil, err
	}
	if len(cfg.Captures) > 0 {
		if cfg.Verdicts != "" && len(verdicts) == 0 {
			result.warn(cfg.Verdicts + " holds no verdict: no device is taken for compromised")
		}
		result.warn(unmatched(verdicts, cfg.Site, result.Devices))
		dir.state.Join(joining(func() bool { return len(verdicts) > 0 }))
		if c, err := dir.state.Save(result.Snapshot); err != nil || c.Undecided != nil {
			return nil, errors.Join(err, c.Undecided)
		}
	}
	result.Variables = slices.Collect(an.process.Variables())
	waiting, err := up.finish(ctx, &result.Snapshot)
	if err == nil && waiting != "" && len(cfg.Captures) == 0 {
		err = errors.New(waiting) // to send was the only thing to do
	}
	if err != nil {
		return nil, err
	}
	dir.keep = waiting != ""
	result.warn(waiting)
	result.Summary = summarise(&result.Snapshot, an, up.dropped(), started)
	if e := result.Summary.Evicted; e != (Evicted{}) {
		result.warn(fmt.Sprintf("tables were full: %d conversations, %d hosts, %d edges, %d pairs of actor and target, %d pages of values, %d process variables and %d alerts were forgotten or left out",
			e.Conversations, e.Hosts, e.Edges, e.Pairs, e.Values, e.Variables, e.Alerts))
	}
	return result, nil
}

func readVerdicts(path string) ([]detect.Verdict, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("verdicts: %w", err)
	}
	defer f.Close()
	return detect.LoadVerdicts(path, f)
}

// directory is the state directory of one run.
type directory struct {
	path      string
	state     *state.State
	temporary bool
	keep      bool // something in a temporary directory must not be lost
}

func openDirectory(cfg *Config) (*directory, error) {
	d := &directory{path: cfg.StateDir, temporary: cfg.StateDir == ""}
	if d.temporary {
		path, err := os.MkdirTemp("", "spanwatch-state-")
		if err != nil {
			return nil, fmt.Errorf("sensor: temporary state: %w", err)
		}
		d.path = path
	}
	var err error
	if d.state, err = state.Open(d.path, cfg.Site); err != nil {
		return nil, errors.Join(err, d.remove())
	}
	if cfg.Site, err = d.state.Site(); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *directory) remove() error {
	if !d.temporary || d.keep {
		return nil
	}
	return os.RemoveAll(d.path)
}

func (d *directory) close() error { return errors.Join(d.state.Close(), d.remove()) }

// analyst is the one goroutine's world: it owns inventory, graph, process variables and detection.
type analyst struct {
	site      string
	inventory *inventory.Inventory
	graph     *graph.Graph
	process   *process.Process
	detector  *detect.Detector
	ledger    *ledger
	raise     func(*detect.Alert) error // commits an alert: from then on it is raised
	stats     pipeline.Stats
	failed    error // the first alert that could not be spooled
}

// newAnalyst makes an analyst that takes up what the runs before left.
func newAnalyst(cfg Config, verdicts []detect.Verdict, before *state.Resumed, raise func(*detect.Alert) error) (*analyst, error) {
	a := &analyst{site: cfg.Site, ledger: newLedger(before.Alerts), raise: raise}
	files := make([]string, len(cfg.Captures))
	if len(files) > 1 {
		for i, path := range cfg.Captures {
			files[i] = filepath.Base(path)
		}
	}
	a.inventory = inventory.New(inventory.Config{Site: cfg.Site, Networks: cfg.Networks, Devices: cfg.Devices, Zones: cfg.Zones})
	a.graph = graph.New(graph.Config{LearnUntil: cfg.LearnUntil, Begun: before.Begun}, a.inventory.ID)
	a.process = process.New(process.Config{LearnUntil: cfg.LearnUntil}, a.inventory.ID)
	a.detector = detect.New(detect.Config{
		Site: cfg.Site, Files: files,
		Emit: func(alert detect.Alert) {
			if a.failed == nil && a.ledger.risen(&alert) {
				a.failed = a.raise(&alert)
			}
		},
	}, a.inventory, a.graph)
	a.detector.SetVerdicts(verdicts)
	err := a.process.Load(before.Process)
	before.Process = nil
	return a, err
}

// take is the sink of the pipeline: it shows one batch to inventory, graph, process variables and detection.
func (a *analyst) take(b *pipeline.Batch) error {
	for i := range b.Bindings {
		a.inventory.Binding(b.Bindings[i])
	}
	for i := range b.Flows {
		a.inventory.Flow(&b.Flows[i])
		a.graph.Flow(&b.Flows[i])
		a.detector.Flow(&b.Flows[i])
	}
	for i := range b.Events {
		a.inventory.Event(&b.Events[i])
		a.graph.Event(&b.Events[i])
		a.process.Event(&b.Events[i])
		a.detector.Event(&b.Events[i])
	}
	for i := range b.Notices {
		a.detector.Notice(&b.Notices[i])
	}
	a.stats.Add(&b.Stats)
	if !a.stats.First.IsZero() {
		a.process.Clock(a.stats.First)
		a.process.Clock(a.stats.Last)
	}
	a.detector.Advance(a.stats.Last)
	return a.failed
}

// end judges what can be judged only at the end.
func (a *analyst) end() []detect.Alert {
	a.detector.Finish()
	a.process.Finish()
	alerts := a.detector.Alerts()
	for i := range alerts {
		if a.failed == nil && a.ledger.final(&alerts[i]) {
			a.failed = a.raise(&alerts[i])
		}
	}
	return alerts
}

// finish judges what can be judged only at the end, and gives everything that is known.
func (a *analyst) finish() (state.Snapshot, error) {
	alerts := a.end()
	t := a.takeStock(alerts, true)
	snap, _ := t.part(func(*state.Snapshot) bool { return false })
	slices.SortFunc(snap.Devices, func(x, y inventory.Device) int { return cmp.Compare(x.ID, y.ID) })
	snap.Edges, snap.Coverage = a.graph.Edges(), a.graph.Coverage()
	graph.Place(snap.Edges, t.zones)
	return snap, a.failed
}

// unmatched names the verdicts that are about no device that was seen: an analyst who asks whether the plant was touched
// must not take a mistyped address for a no.
func unmatched(verdicts []detect.Verdict, site string, devices []inventory.Device) string {
	var strangers []string
	for _, v := range detect.Strangers(verdicts, site, devices) {
		strangers = append(strangers, cmp.Or(v.IP, v.Network, v.MAC, v.Name, v.Device))
	}
	if len(strangers) == 0 {
		return ""
	}
	more := ""
	if n := len(strangers) - 10; n > 0 {
		strangers, more = strangers[:10], fmt.Sprintf(" and %d others", n)
	}
	return "no device that was seen is meant by the verdict on " + strings.Join(strangers, ", ") + more
}

// pace makes a replay wait until a packet is due. Nil: no waiting.
func pace(speed float64) func(context.Context, time.Time) error {
	if speed <= 0 {
		return nil
	}
	var first time.Time
	var begun time.Time
	timer := time.NewTimer(0)
	<-timer.C
	return func(ctx context.Context, at time.Time) error {
		if first.IsZero() {
			first, begun = at, time.Now()
		}
		due := time.Duration(float64(at.Sub(first))/speed) - time.Since(begun)
		if due <= 0 {
			return ctx.Err()
		}
		timer.Reset(due)
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
