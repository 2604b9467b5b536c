package sensor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/agent/uplink"
)

// link is the sensor's side of the uplink during one run. The spool is there whenever the state outlives the run or
// a collector is named: what is raised before a collector is known reaches it later.
type link struct {
	cfg    Config
	dir    *directory
	spool  *uplink.Spool
	client *uplink.Client
	cancel context.CancelFunc
	done   chan error
}

// identity is the directory of the sensor's certificate.
func (cfg *Config) identity() string {
	if cfg.Identity != "" {
		return cfg.Identity
	}
	return filepath.Join(cfg.StateDir, "identity")
}

// settleSite takes the site from the certificate: once a sensor is enrolled, its site is not a matter of flags.
func (cfg *Config) settleSite() error {
	if cfg.Collector == "" {
		return nil
	}
	if cfg.Identity == "" && cfg.StateDir == "" {
		return errors.New("uplink: a collector needs a certificate: name its directory with --identity, or a state directory that holds one with --state")
	}
	id, err := uplink.ReadIdentity(cfg.identity())
	if err != nil {
		return err
	}
	if cfg.Site != "" && cfg.Site != id.Site {
		return fmt.Errorf("uplink: the certificate in %s is of site %q, not %q: leave --site out, or enrol the sensor for that site", cfg.identity(), id.Site, cfg.Site)
	}
	cfg.Site = id.Site
	return nil
}

func startUplink(ctx context.Context, cfg Config, dir *directory) (*link, error) {
	l := &link{cfg: cfg, dir: dir}
	if dir.temporary && cfg.Collector == "" {
		return l, nil
	}
	var err error
	if l.spool, err = uplink.OpenSpool(filepath.Join(dir.path, "spool.db"), uplink.SpoolConfig{}); err != nil {
		return nil, err
	}
	if cfg.Collector == "" {
		return l, nil
	}
	l.client, err = uplink.New(uplink.Config{
		Collector: cfg.Collector, Identity: cfg.identity(), Spool: l.spool, Log: cfg.Log, Version: cfg.Version,
	})
	if err != nil {
		return nil, errors.Join(err, l.spool.Close())
	}
	var running context.Context
	running, l.cancel = context.WithCancel(ctx)
	l.done = make(chan error, 1)
	go func() { l.done <- l.client.Run(running) }()
	return l, nil
}

// raise commits an alert to the spool: from then on it is raised, whatever happens to this process.
func (l *link) raise(a detect.Alert) error {
	if l.spool == nil {
		return nil
	}
	return l.spool.Alert(a)
}

// finish spools the inventory, the graph and the coverage, and waits for the collector to acknowledge everything. What
// is still waiting after that is said in plain words.
func (l *link) finish(ctx context.Context, snap *state.Snapshot) (waiting string, err error) {
	if l.spool == nil {
		return "", nil
	}
	for i := range snap.Devices {
		err = errors.Join(err, l.spool.Device(snap.Devices[i]))
	}
	for i := range snap.Edges {
		err = errors.Join(err, l.spool.Edge(snap.Edges[i]))
	}
	for i := range snap.Coverage {
		if len(l.cfg.Captures) > 0 { // without captures there is only an empty total
			err = errors.Join(err, l.spool.Coverage(snap.Coverage[i]))
		}
	}
	if err := errors.Join(err, l.spool.Flush()); err != nil {
		return "", err
	}
	return l.drain(ctx), nil
}

// drain waits for the collector to acknowledge everything, and tells what is still waiting after that.
func (l *link) drain(ctx context.Context) (waiting string) {
	if l.client == nil {
		return ""
	}
	bounded, cancel := context.WithTimeout(ctx, l.cfg.DrainTimeout)
	defer cancel()
	if l.client.Drain(bounded) == nil {
		return ""
	}
	alerts, routine := l.spool.Pending()
	return fmt.Sprintf("%s did not acknowledge everything: %d changes of alerts and %d other records wait in %s; they are sent by the next replay with --state %s --collector %s",
		l.cfg.Collector, alerts, routine, l.dir.path, l.dir.path, l.cfg.Collector)
}

func (l *link) dropped() uint64 {
	if l.spool == nil {
		return 0
	}
	return l.spool.Dropped()
}

func (l *link) stop() error {
	var err error
	if l.cancel != nil {
		l.cancel()
		if err = <-l.done; errors.Is(err, context.Canceled) {
			err = nil
		}
	}
	if l.spool != nil {
		err = errors.Join(err, l.spool.Close())
	}
	return err
}
