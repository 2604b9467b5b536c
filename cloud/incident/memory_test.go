package incident

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/spanwatch/spanwatch/cloud/store"
)

// memory is a store in plain maps, for tests that run thousands of histories. What it lacks panics.
type memory struct {
	store.Store
	mu        sync.Mutex
	alerts    map[string]store.Alert
	devices   map[string]store.Device
	incidents map[int64]store.Incident
	saves     int
	failAfter int // saves that succeed before one fails; 0: none fails
}

func newMemory() *memory {
	return &memory{alerts: map[string]store.Alert{}, devices: map[string]store.Device{}, incidents: map[int64]store.Incident{}}
}

func (m *memory) put(alerts ...store.Alert) {
	for _, a := range alerts {
		old, ok := m.alerts[a.ID]
		if ok && old.Revision >= a.Revision {
			continue
		}
		a.Incident = old.Incident
		m.alerts[a.ID] = a
	}
}

func (m *memory) Sites(context.Context) ([]store.Site, error) {
	return []store.Site{{Name: "plant"}, {Name: "harbour"}}, nil
}

func (m *memory) Device(_ context.Context, _, id string) (store.Device, error) {
	d, ok := m.devices[id]
	if !ok {
		return d, store.ErrNotFound
	}
	return d, nil
}

func (m *memory) Alert(_ context.Context, site, id string) (store.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.alerts[id]
	if !ok || a.Site != site {
		return a, store.ErrNotFound
	}
	return a, nil
}

func (m *memory) Alerts(_ context.Context, f store.AlertFilter) ([]store.Alert, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.Alert
	for _, a := range m.alerts {
		if a.Site == f.Site && (f.Incident == 0 || a.Incident == f.Incident) && (!f.Unassigned || a.Incident == 0) {
			out = append(out, a)
		}
	}
	return out, nil // in the order of a map: nobody may rely on another
}

func (m *memory) Incidents(_ context.Context, f store.IncidentFilter) ([]store.Incident, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.Incident
	for _, i := range m.incidents {
		if i.Site == f.Site && i.MergedInto == 0 {
			out = append(out, i)
		}
	}
	return out, nil
}

func (m *memory) Incident(_ context.Context, id int64) (store.Incident, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.incidents[id]
	if !ok {
		return i, store.ErrNotFound
	}
	return i, nil
}

func (m *memory) SaveIncident(_ context.Context, i store.Incident) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.failAfter > 0 && m.saves > m.failAfter {
		return 0, fmt.Errorf("store: disk is full")
	}
	if i.ID == 0 {
		i.ID = int64(len(m.incidents) + 1)
	}
	i.Alerts = slices.Clone(i.Alerts)
	m.incidents[i.ID] = i
	for _, id := range i.Alerts {
		a := m.alerts[id]
		a.Incident = i.ID
		m.alerts[id] = a
	}
	return i.ID, nil
}

// whole gives the incidents that stand for themselves, those that began first first.
func (m *memory) whole() []store.Incident {
	var out []store.Incident
	for _, i := range m.incidents {
		if i.MergedInto == 0 {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b store.Incident) int { return slices.Compare(a.Alerts, b.Alerts) })
	return out
}
