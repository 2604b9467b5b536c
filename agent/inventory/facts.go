package inventory

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spanwatch/spanwatch/protocols"
)

const maxFactText = 256

// factKey tells facts apart: the same value from two sources is two facts.
type factKey struct {
	key    protocols.FactKey
	value  string
	module string
	source string
	unit   uint16 // of the unit that disclosed it; 0: the device itself
	client bool   // disclosed by the asking side about itself
}

type fact struct {
	confidence  uint8
	first, last time.Time
}

// facts stores what a message disclosed with the host that it is about.
func (i *Inventory) facts(e *protocols.Event, ends [2]*host) {
	for k := range e.Facts {
		f := &e.Facts[k]
		h := ends[f.About&1]
		if f.Addr.IsValid() {
			h = i.told(f.Addr.Unmap())
		}
		if h == nil {
			continue
		}
		key := factKey{
			key: f.Key, value: text(f.Value), module: text(f.Module), source: source(e),
			client: !f.Addr.IsValid() && f.About == protocols.Client,
		}
		if key.value == "" || key.key == "" {
			continue
		}
		if f.About == protocols.Server && e.Object.HasUnit && isUnit(e.Object.Unit) {
			key.unit = e.Object.Unit
		}
		confidence := f.Confidence
		if confidence == 0 || confidence > 100 {
			confidence = 100
		}
		i.learn(h, key, confidence, e.Time)
	}
}

// told gives the host of an address that somebody else tells of. Inside the site's networks it is remembered until it
// shows itself: names are asked for before the first contact. Elsewhere a name makes no device known, nor worth memory.
func (i *Inventory) told(a netip.Addr) *host {
	if h := i.hosts[a]; h != nil && i.isDevice(h) {
		return h
	}
	if !unicast(a) || a.IsLoopback() || !i.siteNetwork(a) {
		return nil
	}
	return i.host(a)
}

func (i *Inventory) learn(h *host, key factKey, confidence uint8, at time.Time) {
	h.remember(&key, at)
	if f := h.facts[key]; f != nil {
		if confidence > f.confidence {
			f.confidence = confidence
			if what := identity(&key, confidence); what != "" {
				i.identified(h, what)
			}
		}
		if at.Before(f.first) {
			f.first = at
		}
		if at.After(f.last) {
			f.last = at
		}
		return
	}
	if h.facts == nil {
		h.facts = make(map[factKey]*fact)
	}
	if len(h.facts) >= i.config.MaxFacts {
		h.forgetFact()
		i.stats.DroppedFacts++
	}
	h.facts[key] = &fact{confidence: confidence, first: at, last: at}
	if what := identity(&key, confidence); what != "" {
		i.identified(h, what)
	}
}

// forgetFact makes room: the least certain fact goes, among equals the one not seen for longest.
func (h *host) forgetFact() {
	var worst factKey
	var w *fact
	for k, f := range h.facts {
		if w == nil || cmp.Or(cmp.Compare(f.confidence, w.confidence), f.last.Compare(w.last), k.compare(worst)) < 0 {
			worst, w = k, f
		}
	}
	delete(h.facts, worst)
}

func (k factKey) compare(o factKey) int {
	return cmp.Or(
		cmp.Compare(k.key, o.key), cmp.Compare(k.module, o.module), cmp.Compare(k.value, o.value),
		cmp.Compare(k.source, o.source), cmp.Compare(k.unit, o.unit), compareBool(k.client, o.client))
}

// source names the message that disclosed a fact.
func source(e *protocols.Event) string {
	if e.Message == "" {
		return e.Protocol
	}
	return e.Protocol + ": " + text(e.Message)
}

// text makes what a device says of itself fit for records: valid, printable, bounded.
func text(s string) string {
	clean := true
	for k := 0; k < len(s) && clean; k++ {
		clean = s[k] >= ' ' && s[k] < 0x7f
	}
	if clean && len(s) <= maxFactText {
		return strings.TrimSpace(s)
	}
	if len(s) > maxFactText {
		s = s[:maxFactText]
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	return strings.TrimSpace(s)
}

// known is a fact with what tells it apart.
type known struct {
	factKey
	fact
}

// collected is the facts of one device in the making.
type collected []known

func (c collected) sort() {
	slices.SortFunc(c, func(a, b known) int { return cmp.Or(a.factKey.compare(b.factKey), a.first.Compare(b.first)) })
}

// pick chooses the value of a key for the device itself: facts about the device before facts about a part of it, the
// most certain first, then the latest, then the first by text.
func (c collected) pick(keys ...protocols.FactKey) string {
	best := -1
	for k := range c {
		if !slices.Contains(keys, c[k].key) {
			continue
		}
		if best < 0 || c.better(k, best, keys) {
			best = k
		}
	}
	if best < 0 {
		return ""
	}
	return c[best].value
}

func (c collected) better(a, b int, keys []protocols.FactKey) bool {
	x, y := &c[a], &c[b]
	order := cmp.Or(
		compareBool(x.module != "", y.module != ""),
		cmp.Compare(slices.Index(keys, x.key), slices.Index(keys, y.key)),
		-cmp.Compare(x.confidence, y.confidence),
		-x.last.Compare(y.last),
		cmp.Compare(x.module, y.module),
		cmp.Compare(x.value, y.value))
	return order < 0
}
