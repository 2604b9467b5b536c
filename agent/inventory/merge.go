package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// anchor is what a device is known by on one of its interfaces: a MAC, or an address that stands for itself.
type anchor struct {
	link *link
	host *host
}

// union is several anchors that are one device, with the evidence. It is derived, never stored: when the evidence is
// contradicted it is gone, and every anchor has the id that it had before.
type union struct {
	anchors []anchor // the one that gives the id first
	reasons []reason
}

// reason is why an anchor belongs to another one's device.
type reason struct {
	anchor      anchor
	text        string
	confidence  uint8
	first, last time.Time
}

const (
	maxIdentities = 4096
	maxTwins      = 4 // interfaces of a device; a value that more anchors disclose is a maker's default
	certainly     = 70
	bySerial      = 85
	byNeighbours  = 75
	adjacent      = 16 // MACs of one device's interfaces lie so close together
)

// identity gives what a fact tells devices apart by; empty when it does not.
func identity(k *factKey, confidence uint8) string {
	if confidence < certainly || k.module != "" || k.unit != 0 || k.client {
		return ""
	}
	switch k.key {
	case protocols.FactSerial:
		if len(k.value) < 6 || strings.Count(k.value, k.value[:1]) == len(k.value) {
			return "" // "000000"
		}
		return "serial number " + k.value
	case protocols.FactName:
		if len(k.value) < 3 {
			return ""
		}
		return "name " + k.value
	}
	return ""
}

// identified notes that a host disclosed what tells devices apart.
func (i *Inventory) identified(h *host, what string) {
	twins, known := i.identities[what]
	if slices.Contains(twins, h) || len(twins) > maxTwins || !known && len(i.identities) >= maxIdentities {
		return
	}
	i.identities[what] = append(twins, h)
	h.keys.add(what)
	for _, b := range h.bindings {
		b.link.keyed = true
	}
	if h.self != nil {
		h.self.keyed = true
	}
	i.loose = true
}

// moved notes that a host's place may have changed.
func (i *Inventory) moved(h *host) {
	if i.loose {
		return
	}
	i.loose = len(h.keys) > 0
	for _, b := range h.bindings {
		i.loose = i.loose || b.link.keyed
	}
}

// unidentify forgets what a host disclosed.
func (i *Inventory) unidentify(h *host) {
	for _, what := range h.keys {
		twins := slices.DeleteFunc(i.identities[what], func(o *host) bool { return o == h })
		if len(twins) == 0 {
			delete(i.identities, what)
		} else {
			i.identities[what] = twins
		}
		i.loose = true
	}
}

func (i *Inventory) anchor(h *host) anchor {
	if l := i.place(h); l != nil {
		return anchor{link: l}
	}
	return anchor{host: h}
}

// union gives the device that an anchor is merged into; nil when it is one by itself.
func (i *Inventory) union(a anchor) *union {
	if i.loose {
		i.tie()
	}
	return i.unions[a]
}

// tie derives anew which anchors are one device.
func (i *Inventory) tie() {
	i.loose = false
	clear(i.unions)
	var whats []string
	for what, twins := range i.identities {
		if len(twins) > 1 && len(twins) <= maxTwins {
			whats = append(whats, what)
		}
	}
	slices.Sort(whats)
	for _, what := range whats {
		i.merge(what, i.identities[what])
	}
}

// merge makes the hosts that disclosed the same one device, if nothing speaks against any two of them.
func (i *Inventory) merge(what string, twins []*host) {
	var one []*host // for each anchor
	for _, h := range twins {
		if i.isDevice(h) && !slices.ContainsFunc(one, func(o *host) bool { return i.anchor(o) == i.anchor(h) }) {
			one = append(one, h)
		}
	}
	if len(one) < 2 {
		return
	}
	slices.SortFunc(one, func(a, b *host) int { return cmp.Or(a.first.Compare(b.first), a.addr.Compare(b.addr)) })
	var why string
	var confidence uint8
	for k, h := range one {
		for _, o := range one[k+1:] {
			if why, confidence = i.evidence(what, h, o); why == "" {
				return
			}
		}
	}
	first := i.anchor(one[0])
	u := i.unions[first]
	if u == nil {
		u = &union{anchors: []anchor{first}}
	}
	for _, h := range one[1:] {
		a := i.anchor(h)
		if other := i.unions[a]; other == u {
			continue
		} else if other != nil {
			u.anchors = append(u.anchors, other.anchors...)
			u.reasons = append(u.reasons, other.reasons...)
		} else {
			u.anchors = append(u.anchors, a)
		}
		u.reasons = append(u.reasons, reason{a, why, confidence, h.first, h.last})
	}
	slices.SortFunc(u.anchors, func(a, b anchor) int {
		return cmp.Or(a.since().Compare(b.since()), strings.Compare(a.name(), b.name()))
	})
	for _, a := range u.anchors {
		i.unions[a] = u
	}
}

func (a anchor) since() time.Time {
	if a.link != nil {
		return a.link.first
	}
	return a.host.first
}

// name gives the address that an anchor is known by.
func (a anchor) name() string {
	if a.link != nil {
		return a.link.mac.String()
	}
	return a.host.addr.String()
}

// evidence says why two hosts that disclosed the same are one device; empty when they need not be: makers give devices
// the same names and, in simulators, serial numbers; and whoever wants to be taken for a device can repeat what it says.
// Interfaces of one device lie in different networks, or their MACs lie next to each other, and they never ask each other.
func (i *Inventory) evidence(what string, a, b *host) (why string, confidence uint8) {
	near := nextTo(a, b)
	apart := a.addr.IsValid() && b.addr.IsValid() && (a.addr.Is4() != b.addr.Is4() || neighbourhood(a.addr) != neighbourhood(b.addr))
	serial := strings.HasPrefix(what, "serial")
	model := a.told(protocols.FactModel, protocols.FactOrderNumber)
	switch {
	case !near && !(serial && apart):
		return "", 0
	case model != b.told(protocols.FactModel, protocols.FactOrderNumber), !serial && model == "":
		return "", 0
	case a.differs(b, protocols.FactSerial), a.differs(b, protocols.FactVendor), a.asked(b), b.asked(a):
		return "", 0
	case i.operator.separate(a) || i.operator.separate(b):
		return "", 0
	case serial:
		return fmt.Sprintf("discloses the same %s and model", what), bySerial
	default:
		return fmt.Sprintf("discloses the same %s and model, with a MAC next to it", what), byNeighbours
	}
}

// told gives the surest value of a fact that a host disclosed of itself.
func (h *host) told(keys ...protocols.FactKey) string {
	var own collected
	for k, f := range h.facts {
		if k.module == "" && k.unit == 0 && slices.Contains(keys, k.key) {
			own = append(own, known{k, *f})
		}
	}
	return own.pick(keys...)
}

// differs reports whether two hosts disclose different values of a fact.
func (h *host) differs(o *host, key protocols.FactKey) bool {
	a, b := h.told(key), o.told(key)
	return a != "" && b != "" && a != b
}

// asked reports whether a host asked another one for something.
func (h *host) asked(o *host) bool {
	return slices.ContainsFunc(h.did.asked.servers, func(e protocols.Endpoint) bool { return e.Addr == o.addr })
}

// nextTo reports whether MACs of two hosts are of one maker and lie close together.
func nextTo(a, b *host) bool {
	for _, x := range a.bindings {
		for _, y := range b.bindings {
			m, n := x.link.mac, y.link.mac
			if m == n || [3]byte(m[:3]) != [3]byte(n[:3]) || x.link.virtual {
				continue
			}
			if d := int(m[3])<<16 + int(m[4])<<8 + int(m[5]) - int(n[3])<<16 - int(n[4])<<8 - int(n[5]); max(d, -d) <= adjacent {
				return true
			}
		}
	}
	return false
}

// facts gives the evidence of a union as facts of the device.
func (u *union) facts() (all collected) {
	for _, r := range u.reasons {
		all = append(all, known{
			factKey{key: FactMerged, value: r.anchor.name(), source: "inventory: " + r.text},
			fact{confidence: r.confidence, first: r.first, last: r.last},
		})
	}
	return all
}

// aliases gives the ids that the parts of a union have by themselves.
func (u *union) aliases(i *Inventory) []string {
	ids := []string{}
	for _, a := range u.anchors[1:] {
		ids = append(ids, i.idOf(a))
	}
	slices.Sort(ids)
	return ids
}
