// Package incident makes one incident out of the alerts that belong together.
//
// Two alerts of a site belong together when they share a device — the same actor, the same target, or one's target is
// the other's actor — and no more than [Window] lies between them. The relation is taken on whole incidents: an incident
// has the devices and the time span of all its alerts, and two incidents that share a device within the window are one.
// Both only ever grow, so the outcome is the same in whatever order alerts arrive; what differs is which numbers the
// incidents have. Of two that turn out to be one the older number stays, and the other one names it as its survivor.
//
// The package writes incidents and nothing else. It does not decide what is an alert, and it never takes an incident
// apart again. An [Engine] is safe for concurrent use; the alerts of one site are correlated one call after the other.
package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/spanwatch/spanwatch/cloud/store"
)

// Window is how far apart in time two alerts about the same device may be and still belong together: an attack that
// pauses overnight is one attack.
const Window = 24 * time.Hour

// Product is the product name that incidents carry.
const Product = "Spanwatch"

// The states of an incident.
const (
	StatusNew    = "new"
	StatusActive = "active"
	StatusClosed = "closed"
)

// Engine correlates the alerts of every site.
type Engine struct {
	store store.Store
	log   *slog.Logger

	mu    sync.Mutex
	sites map[string]*site
}

// New makes an engine that keeps its incidents in s.
func New(s store.Store, log *slog.Logger) *Engine {
	return &Engine{store: s, log: log, sites: make(map[string]*site)}
}

// CatchUp does what was left when the collector last ended: it correlates the alerts that are in no incident, and brings
// incidents that are not closed up to date with their alerts. Call it once at start, before Correlate.
func (e *Engine) CatchUp(ctx context.Context) error {
	sites, err := e.store.Sites(ctx)
	if err != nil {
		return fmt.Errorf("incident: catching up: %w", err)
	}
	for _, s := range sites {
		alerts, err := e.store.Alerts(ctx, store.AlertFilter{Site: s.Name, Unassigned: true})
		if err != nil {
			return fmt.Errorf("incident: catching up with site %s: %w", s.Name, err)
		}
		e.site(s.Name).renew()
		if err := e.Correlate(ctx, s.Name, alerts); err != nil {
			return err
		}
	}
	return nil
}

// Correlate puts alerts, which are stored already, into the incidents of their site. It may be called again with the
// same alerts, or with newer revisions of them; what is in the store counts, not the copy that is passed.
func (e *Engine) Correlate(ctx context.Context, siteName string, alerts []store.Alert) error {
	s := e.site(siteName)
	s.mu.Lock()
	defer s.mu.Unlock()
	err := e.correlate(ctx, s, alerts)
	if err != nil {
		s.loaded = false // what is in memory may be ahead of the store: read it again next time
		return fmt.Errorf("incident: site %s: %w", siteName, err)
	}
	return nil
}

// Devices brings the names in incidents up to date with devices, which are stored already. A sensor's alerts overtake the
// records of the devices that they are about.
func (e *Engine) Devices(ctx context.Context, siteName string, devices []store.Device) error {
	s := e.site(siteName)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.loaded {
		if err := e.load(ctx, s); err != nil {
			return fmt.Errorf("incident: site %s: %w", siteName, err)
		}
	}
	for _, d := range devices {
		s.named(d)
	}
	if err := e.correlate(ctx, s, nil); err != nil {
		s.loaded = false
		return fmt.Errorf("incident: site %s: %w", siteName, err)
	}
	return nil
}

func (e *Engine) site(name string) *site {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.sites[name]
	if s == nil {
		s = &site{name: name}
		e.sites[name] = s
	}
	return s
}

func (e *Engine) correlate(ctx context.Context, s *site, alerts []store.Alert) error {
	if !s.loaded {
		if err := e.load(ctx, s); err != nil {
			return err
		}
	}
	fresh, err := e.newest(ctx, s.name, alerts)
	if err != nil {
		return err
	}
	for _, a := range fresh {
		s.add(a)
	}
	for _, g := range s.settle() {
		if err := e.save(ctx, s, g); err != nil {
			return err
		}
	}
	return nil
}

// load reads which incidents a site has. Incidents that belong together but are still apart, because the collector
// ended between two writes, are joined with the next settle.
func (e *Engine) load(ctx context.Context, s *site) error {
	incidents, err := e.store.Incidents(ctx, store.IncidentFilter{Site: s.name})
	if err != nil {
		return err
	}
	s.reset()
	for _, i := range incidents {
		if i.MergedInto == 0 {
			s.restore(i)
		}
	}
	s.loaded, s.stale = true, false
	return nil
}

// newest gives the stored state of the alerts, each once, by time.
func (e *Engine) newest(ctx context.Context, siteName string, alerts []store.Alert) ([]store.Alert, error) {
	seen := make(map[string]bool, len(alerts))
	fresh := make([]store.Alert, 0, len(alerts))
	for _, a := range alerts {
		if seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		stored, err := e.store.Alert(ctx, siteName, a.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("alert %s: %w", a.ID, err)
		}
		fresh = append(fresh, stored)
	}
	slices.SortFunc(fresh, byTime)
	return fresh, nil
}

// save writes a group as an incident, and the incidents that it took over as merged.
func (e *Engine) save(ctx context.Context, s *site, g *group) error {
	alerts, err := e.members(ctx, s.name, g)
	if err != nil {
		return err
	}
	var old store.Incident
	if len(g.incidents) > 0 {
		if old, err = e.store.Incident(ctx, g.incidents[0]); err != nil {
			return fmt.Errorf("incident %d: %w", g.incidents[0], err)
		}
	}
	next, err := e.compose(ctx, s, alerts)
	if err != nil {
		return err
	}
	next.ID = old.ID
	next.Status = cmp.Or(old.Status, StatusNew)
	if old.Status == StatusClosed && len(alerts) > len(old.Alerts) {
		next.Status = StatusActive // what was closed goes on
	}
	if err := e.absorb(ctx, g, &next); err != nil {
		return err
	}
	id := old.ID
	if !same(old, next) {
		if id, err = e.store.SaveIncident(ctx, next); err != nil {
			return fmt.Errorf("saving incident %d: %w", next.ID, err)
		}
	}
	if err := e.retire(ctx, s.name, g, id); err != nil {
		return err
	}
	if old.ID == 0 {
		e.log.Info("incident opened", "incident", id, "site", s.name, "severity", next.Severity, "level", next.Level, "title", next.Title)
	}
	g.saved(id)
	return nil
}

// absorb lets the incidents that a group takes over have their say in its state: if work on one of them has begun, work
// on the whole has.
func (e *Engine) absorb(ctx context.Context, g *group, next *store.Incident) error {
	if len(g.incidents) < 2 {
		return nil
	}
	for _, id := range g.incidents[1:] {
		other, err := e.store.Incident(ctx, id)
		if err != nil {
			return fmt.Errorf("incident %d: %w", id, err)
		}
		if other.Status != next.Status {
			next.Status = StatusActive
		}
	}
	return nil
}

// retire marks the incidents that a group took over. They keep their title, so that a list made earlier still reads.
func (e *Engine) retire(ctx context.Context, siteName string, g *group, survivor int64) error {
	if len(g.incidents) < 2 {
		return nil
	}
	for _, id := range g.incidents[1:] {
		gone, err := e.store.Incident(ctx, id)
		if err != nil {
			return fmt.Errorf("incident %d: %w", id, err)
		}
		gone.MergedInto = survivor
		gone.Alerts, gone.Reasons = nil, nil
		if _, err := e.store.SaveIncident(ctx, gone); err != nil {
			return fmt.Errorf("merging incident %d into %d: %w", id, survivor, err)
		}
		e.log.Info("incidents merged", "site", siteName, "incident", survivor, "merged", id)
	}
	return nil
}

// members gives all alerts of a group, by time: those of the incidents in it and those that just came.
func (e *Engine) members(ctx context.Context, siteName string, g *group) ([]store.Alert, error) {
	seen := make(map[string]bool)
	var all []store.Alert
	add := func(alerts []store.Alert) {
		for _, a := range alerts {
			if !seen[a.ID] {
				seen[a.ID] = true
				all = append(all, a)
			}
		}
	}
	add(g.fresh)
	for _, id := range g.incidents {
		alerts, err := e.store.Alerts(ctx, store.AlertFilter{Site: siteName, Incident: id})
		if err != nil {
			return nil, fmt.Errorf("alerts of incident %d: %w", id, err)
		}
		add(alerts)
	}
	slices.SortFunc(all, byTime)
	return all, nil
}

func byTime(a, b store.Alert) int {
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.ID, b.ID))
}

// same reports whether saving next over old would change nothing.
func same(old, next store.Incident) bool {
	return old.ID != 0 && old.MergedInto == 0 && old.Title == next.Title && old.Summary == next.Summary && old.Severity == next.Severity &&
		old.Level == next.Level && old.Status == next.Status && old.FirstSeen.Equal(next.FirstSeen) && old.LastSeen.Equal(next.LastSeen) &&
		slices.Equal(old.Devices, next.Devices) && slices.Equal(old.Alerts, next.Alerts) && slices.Equal(old.Reasons, next.Reasons)
}
