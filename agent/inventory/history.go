package inventory

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// The facts that inventory finds itself.
const (
	FactMerged      protocols.FactKey = "merged-from" // an address that turned out to be the same device's, with the reason
	FactZone        protocols.FactKey = "zone"
	FactPurdue      protocols.FactKey = "purdue"
	FactCriticality protocols.FactKey = "criticality"
	FactOwner       protocols.FactKey = "owner"
)

// The most changes and addresses of a device that are kept.
const (
	MaxChanges   = 64
	MaxAddresses = 32
)

const maxRuns = 32 // of a host

// run is a time in which a device said the same of itself.
type run struct {
	about
	value       string
	source      string
	first, last time.Time
}

// about is what a run tells of. A mode is the device's whoever tells it; other things are told differently by different
// messages, so that only what the same message said before is compared.
type about struct {
	key    protocols.FactKey
	module string
	unit   uint16
	source string // empty for a mode
}

// changeable are the facts whose changes are kept.
var changeable = []protocols.FactKey{
	protocols.FactMode, protocols.FactFirmware, protocols.FactHardware, protocols.FactModel, protocols.FactOrderNumber,
	protocols.FactSerial, protocols.FactProtection,
}

// remember notes that a host said something of itself at a time. Runs are in the order of time.
func (h *host) remember(k *factKey, at time.Time) {
	if k.client || !slices.Contains(changeable, k.key) {
		return
	}
	a := about{k.key, k.module, k.unit, k.source}
	if k.key == protocols.FactMode {
		a.source = ""
	}
	before, after := -1, -1
	place := len(h.runs)
	for n := range h.runs {
		r := &h.runs[n]
		if r.first.After(at) && place == len(h.runs) {
			place = n
		}
		switch {
		case r.about != a:
		case !r.first.After(at):
			before = n
		case after < 0:
			after = n
		}
	}
	switch {
	case before >= 0 && h.runs[before].value == k.value:
		if at.After(h.runs[before].last) {
			h.runs[before].last = at
		}
	case before >= 0 && !at.After(h.runs[before].last):
		// A message tells several things under one key, or came late: what was told first stands.
	case after >= 0 && h.runs[after].value == k.value:
		h.runs[after].first = at
		slices.SortStableFunc(h.runs, func(a, b run) int { return a.first.Compare(b.first) })
	default:
		if len(h.runs) >= maxRuns {
			place = max(0, place-1)
			h.runs = slices.Delete(h.runs, 0, 1)
		}
		h.runs = slices.Insert(h.runs, place, run{a, k.value, k.source, at, at})
	}
}

// history gives the operating mode that was told last, and what changed, the latest first.
func (d *gathered) history() (mode string, changes []Change) {
	var runs []run
	for _, h := range d.hosts {
		runs = append(runs, h.runs...)
	}
	slices.SortStableFunc(runs, func(a, b run) int {
		return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.key, b.key), cmp.Compare(a.module, b.module), cmp.Compare(a.unit, b.unit),
			cmp.Compare(a.source, b.source), cmp.Compare(a.value, b.value))
	})
	changes = []Change{}
	latest := make(map[about]string)
	for _, r := range runs {
		if slices.Contains(d.units, r.unit) && r.unit != 0 {
			continue // of a device behind this one
		}
		if old, known := latest[r.about]; known && old != r.value {
			changes = append(changes, Change{Time: r.first, Key: r.key, Module: r.module, From: old, To: r.value, Source: r.source})
		}
		latest[r.about] = r.value
		if r.key == protocols.FactMode && r.module == "" {
			mode = r.value
		}
	}
	slices.Reverse(changes)
	return mode, changes[:min(len(changes), MaxChanges)]
}

// addresses gives which addresses a device's MACs used when.
func (i *Inventory) addresses(id string, d *gathered) []Address {
	all := []Address{}
	add := func(h *host, b *binding) {
		a := Address{IP: h.addr.String(), FirstSeen: h.first, LastSeen: h.last}
		if b != nil {
			a.MAC, a.FirstSeen, a.LastSeen = b.link.mac.String(), b.first, b.last
		}
		if of := i.id(h); of != id {
			a.Device = of
		}
		all = append(all, a)
	}
	for _, h := range d.hosts {
		if h.addr.IsValid() && i.place(h) == nil {
			add(h, nil)
		}
	}
	for _, l := range d.links {
		for _, h := range l.hosts {
			b, ok := h.on(l)
			if ok && i.isDevice(h) && (b.proven || slices.Contains(d.hosts, h)) {
				add(h, &b)
			}
		}
	}
	slices.SortFunc(all, func(a, b Address) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), b.FirstSeen.Compare(a.FirstSeen), cmp.Compare(a.IP, b.IP), cmp.Compare(a.MAC, b.MAC))
	})
	return all[:min(len(all), MaxAddresses)]
}
