package inventory

import (
	"cmp"
	"container/list"
	"net/netip"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// host is one address: an IP, or a MAC that speaks without IP (then addr is invalid and own link is set).
type host struct {
	addr        netip.Addr
	self        *link // of a host without IP
	id          string
	first, last time.Time
	bindings    []binding
	spoken      bool
	inside      bool        // counted among the hosts inside the site's networks
	calls       bool        // opened a conversation
	errands     bool        // asked for what any network serves, beyond names and addresses
	missed      set[uint32] // hashes of those it called who did not answer, as many as make a sweep
	vlans       set[uint16]
	protocols   set[string]
	answered    set[uint16] // ports on which it answered conversations of no protocol of OT
	facts       map[factKey]*fact
	keys        set[string] // what it disclosed that tells devices apart
	runs        []run       // what changed of it
	did         behaviour
	worth       worth
	place       *list.Element // in the queue of its worth; nil for a host without IP
}

// binding is a MAC under which an address was seen.
type binding struct {
	link        *link
	first, last time.Time
	proven      bool // ARP or neighbour discovery, or a link-local address
}

// link is one MAC and the addresses it carries.
type link struct {
	mac     protocols.MAC
	id      string
	own     *host // what it said without IP
	hosts   []*host
	routes  bool // carries more addresses than a host would
	virtual bool // shared by a group of routers, one of which holds it
	keyed   bool // one of its hosts disclosed what tells devices apart
	shared  bool // both ends of a conversation used it: it tells nothing
	first   time.Time
	idle    *list.Element // in the queue of those that carry no address; nil while it carries some
}

const (
	maxBindings = 4
	maxCarried  = 64 // hosts remembered of one link: enough to know a router
	routerAt    = 3  // a MAC that carries so many unproven networks or IPv4 addresses routes
)

func (h *host) seen(first, last time.Time) {
	if h.first.IsZero() || first.Before(h.first) {
		h.first = first
	}
	if last.After(h.last) {
		h.last = last
	}
}

// addressed reports whether being the given side of a recognised conversation says something about the host: any
// datagram can claim a protocol towards an address where nobody listens.
func (h *host) addressed(c *protocols.Conversation, side protocols.Side) bool {
	return side == protocols.Client || c.Transport == protocols.TransportTCP || h.spoken
}

func (i *Inventory) spoke(h *host) {
	if !h.spoken {
		h.spoken = true
		if h.addr.IsValid() && i.configured(h.addr) {
			h.inside = true
			i.private++
		}
	}
}

// bare gives the host that stands for what the MAC says without IP.
func (l *link) bare() *host {
	if l.own == nil {
		l.own = &host{self: l}
	}
	return l.own
}

// bind notes that a MAC carried a host's address in a time.
func (i *Inventory) bind(h *host, m protocols.MAC, at, until time.Time, proven bool) {
	if m.IsZero() || m.IsGroup() {
		return
	}
	for k := range h.bindings {
		b := &h.bindings[k]
		if b.link.mac != m {
			continue
		}
		if at.Before(b.first) {
			b.first = at
			b.link.first = earlier(b.link.first, at)
			i.moved(h)
		}
		if until.After(b.last) {
			b.last = until
		}
		if proven && !b.proven {
			b.proven = true
			b.link.judge()
			i.moved(h)
		}
		return
	}
	if len(h.bindings) >= maxBindings {
		i.stats.DroppedBindings++
		return
	}
	l := i.link(m, at)
	if l == nil {
		return
	}
	if len(l.hosts) < maxCarried {
		l.hosts = append(l.hosts, h)
		i.busy(l)
	} else {
		i.stats.DroppedBindings++
	}
	h.bindings = append(h.bindings, binding{link: l, first: at, last: until, proven: proven})
	l.judge()
	i.moved(h)
}

// share marks a MAC that both ends of a conversation used with different addresses: a rewritten capture, or a mirror
// behind a router. It can tell no hosts apart.
func (i *Inventory) share(m protocols.MAC) {
	if l := i.links[m]; l != nil && !l.shared {
		l.shared = true
		i.loose = i.loose || l.keyed
	}
}

// on gives how a host was seen under a MAC.
func (h *host) on(l *link) (binding, bool) {
	for _, b := range h.bindings {
		if b.link == l {
			return b, true
		}
	}
	return binding{}, false
}

func (h *host) provenOn(l *link) bool {
	b, _ := h.on(l)
	return b.proven
}

// judge decides anew whether the MAC routes: IPv4 addresses count each, IPv6 addresses by network, because one host
// has many of those.
func (l *link) judge() {
	foreign := make([]netip.Prefix, 0, routerAt)
	l.routes = false
	for _, h := range l.hosts {
		if h.provenOn(l) {
			continue
		}
		p := netip.PrefixFrom(h.addr, 32)
		if h.addr.Is6() {
			p = neighbourhood(h.addr)
		}
		if !slices.Contains(foreign, p) {
			foreign = append(foreign, p)
		}
		if len(foreign) >= routerAt {
			l.routes = true
			return
		}
	}
}

// best gives the MAC that an address belongs to: a device's own before one that routers share, proven before seen, a host's before a router's, the earliest before
// later ones, so that a MAC that claims the address later takes nothing over.
func (h *host) best() (binding, bool) {
	if len(h.bindings) == 0 {
		return binding{}, false
	}
	return slices.MinFunc(h.bindings, func(a, b binding) int {
		return cmp.Or(
			compareBool(a.link.virtual, b.link.virtual),
			-compareBool(a.proven, b.proven),
			compareBool(a.link.routes, b.link.routes),
			a.first.Compare(b.first),
			slices.Compare(a.link.mac[:], b.link.mac[:]))
	}), true
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// place gives the MAC whose device the host is part of; nil when its address stands for itself.
func (i *Inventory) place(h *host) *link {
	if h.self != nil {
		if h.self.virtual {
			if l := i.owner(h.self); l != nil {
				return l
			}
		}
		return h.self
	}
	b, ok := h.best()
	if !ok || b.link.shared {
		return nil
	}
	if b.proven {
		if b.link.virtual {
			if l := i.owner(b.link); l != nil {
				return l
			}
		}
		return b.link
	}
	if b.link.routes || b.link.virtual {
		return nil
	}
	for _, o := range b.link.hosts {
		if o == h || o.addr.Is4() != h.addr.Is4() {
			continue
		}
		// Next to an address that the MAC proved, or for a public address next to any other, an address that was
		// never proved is one that the MAC forwards for.
		if o.provenOn(b.link) || !i.siteNetwork(h.addr) {
			return nil
		}
	}
	return b.link
}

// isDevice reports whether a host is a device of the site.
func (i *Inventory) isDevice(h *host) bool {
	if h.self != nil {
		return h.spoken
	}
	if !h.spoken && !h.did.serves() {
		return false
	}
	return !i.external(h)
}

// external reports whether a host lies outside the site: outside its networks, no server of OT, and either beyond a
// router or, where the capture cannot tell, without a part in OT among hosts that are inside.
func (i *Inventory) external(h *host) bool {
	if h.did.serves() || i.siteNetwork(h.addr) {
		return false
	}
	if b, ok := h.best(); ok && !b.link.shared && i.place(h) == nil {
		return true
	}
	return h.did.asked.total == 0 && i.private > 0
}
