package inventory

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Config says which site an Inventory describes and how much it may hold. Zero values take the defaults.
type Config struct {
	Site string
	// Networks are the site's own; empty: the private, shared and link-local ranges. Public networks in which an
	// address proved to be on link, or serves OT, belong to the site either way.
	Networks []netip.Prefix
	// Devices are what the operator says of devices, Zones the parts of the site.
	Devices []Override
	Zones   []Zone
	// MaxDevices bounds the addresses remembered; default 20,000. Those that never spoke go first, then those without a
	// part in OT; among equals the least recently used.
	MaxDevices int
	// MaxSilent bounds among these the addresses that never spoke, which is what a scan asks for; default 4,096.
	MaxSilent int
	// MaxFacts bounds the facts kept of one address; default 96.
	MaxFacts int
}

// Stats counts what an Inventory holds and what it had to forget.
type Stats struct {
	Hosts, Links          int
	EvictedHosts          uint64
	EvictedLinks          uint64
	DroppedFacts          uint64
	DroppedBindings       uint64
	DroppedSiteNetworks   uint64
	IgnoredGroupAddresses uint64
}

const (
	defaultMaxDevices = 20_000
	defaultMaxSilent  = 4_096
	defaultMaxFacts   = 96
	maxSiteNetworks   = 1024
)

var privateNetworks = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
}

// Inventory is the site's devices as far as they were seen.
type Inventory struct {
	config     Config
	hosts      map[netip.Addr]*host
	links      map[protocols.MAC]*link
	published  map[netip.Prefix]bool // public networks that turned out to be the site's own
	byID       map[string]ref        // every id that was given out
	compromise map[string]Compromise // by any id of a device
	private    int                   // hosts inside the site's networks that spoke
	stats      Stats
	queues     [worths]list.List // the hosts by worth, each in the order of last use
	idle       list.List         // the links that carry no address, in the order of last use
	operator   operator
	identities map[string][]*host // who disclosed what tells devices apart
	unions     map[anchor]*union  // derived from identities
	loose      bool               // unions must be derived anew
}

// New makes an empty Inventory.
func New(c Config) *Inventory {
	if c.MaxDevices <= 0 {
		c.MaxDevices = defaultMaxDevices
	}
	if c.MaxSilent <= 0 {
		c.MaxSilent = defaultMaxSilent
	}
	if c.MaxFacts <= 0 {
		c.MaxFacts = defaultMaxFacts
	}
	if len(c.Networks) == 0 {
		c.Networks = privateNetworks
	}
	return &Inventory{
		config:     c,
		hosts:      make(map[netip.Addr]*host),
		links:      make(map[protocols.MAC]*link),
		published:  make(map[netip.Prefix]bool),
		byID:       make(map[string]ref),
		compromise: make(map[string]Compromise),
		operator:   newOperator(c.Devices, c.Zones),
		identities: make(map[string][]*host),
		unions:     make(map[anchor]*union),
	}
}

// Stats gives the present counters.
func (i *Inventory) Stats() Stats {
	s := i.stats
	s.Hosts, s.Links = len(i.hosts), len(i.links)
	return s
}

// Binding takes in that an address was used by a MAC.
func (i *Inventory) Binding(b protocols.Binding) {
	if !unicast(b.Addr) {
		i.stats.IgnoredGroupAddresses++
		return
	}
	h := i.host(b.Addr.Unmap())
	i.spoke(h)
	h.seen(b.Time, b.Time)
	h.vlans.add(b.VLAN)
	i.bind(h, b.MAC, b.Time, b.Time, b.OnLink || b.Addr.IsLinkLocalUnicast())
	if b.OnLink {
		i.publish(h.addr)
	}
	i.used(h)
}

// Flow takes in that two endpoints exchanged packets.
func (i *Inventory) Flow(f *protocols.Flow) {
	if f.Conv == nil {
		return
	}
	i.endpoints(f.Conv, f.First, f.Last, func(side protocols.Side, h *host) {
		if f.Packets[side] > 0 {
			i.spoke(h)
		}
		if f.Protocol != "" && h.addressed(f.Conv, side) {
			h.protocols.add(f.Protocol)
		}
		switch {
		case !f.Conv.Proven || f.Answered == 0:
			if side == protocols.Client && f.Began {
				h.misses(f.Conv.Server)
			}
		case side == protocols.Client:
			h.calls = true
			h.errands = h.errands || f.Ordinary && f.Conv.Transport == protocols.TransportTCP
		case f.Protocol == "" || f.Ordinary:
			h.answered.add(f.Conv.Server.Port)
		}
	})
}

// Event takes in a deed: who served what, who asked for it, and the facts that the message disclosed.
func (i *Inventory) Event(e *protocols.Event) {
	if e.Conv == nil {
		return
	}
	var ends [2]*host
	_, first, last := e.Span()
	i.endpoints(e.Conv, first, last, func(side protocols.Side, h *host) {
		ends[side] = h
		if side == e.From || e.Conv.Transport == protocols.TransportTCP {
			i.spoke(h) // nobody sends application data over TCP to a host that is not there
		}
		if e.Protocol != "" && !e.Carrier && (side == e.From || h.addressed(e.Conv, side)) {
			h.protocols.add(e.Protocol)
		}
	})
	if !e.Ordinary {
		i.behaviour(e, ends)
		for _, h := range ends {
			if h != nil {
				i.used(h)
			}
		}
	}
	i.facts(e, ends)
}

// endpoints calls f for the hosts at both ends of a conversation, creating them as needed. Where both ends are the
// same address (loopback) f is called for each side with the same host.
func (i *Inventory) endpoints(c *protocols.Conversation, first, last time.Time, f func(protocols.Side, *host)) {
	for side, e := range [2]protocols.Endpoint{c.Client, c.Server} {
		h := i.endpoint(e, first)
		if h == nil {
			continue
		}
		h.seen(first, last)
		for _, v := range c.VLANs {
			h.vlans.add(v)
		}
		if e.Addr.IsValid() && !e.MAC.IsZero() {
			i.bind(h, e.MAC, first, last, e.Addr.IsLinkLocalUnicast() && e.Addr.Is6())
			if c.Client.MAC == c.Server.MAC && c.Client.Addr != c.Server.Addr {
				i.share(e.MAC)
			}
		}
		f(protocols.Side(side), h)
		i.used(h)
	}
}

// endpoint gives the host at an endpoint, nil when there can be none or the table refuses it.
func (i *Inventory) endpoint(e protocols.Endpoint, at time.Time) *host {
	if e.Addr.IsValid() {
		if !unicast(e.Addr) {
			return nil
		}
		// A group MAC makes no difference here: where it stands for a broadcast, the address never speaks; rewritten
		// captures have hosts that do.
		return i.host(e.Addr.Unmap())
	}
	if e.MAC.IsZero() || e.MAC.IsGroup() {
		return nil
	}
	if l := i.link(e.MAC, at); l != nil {
		return l.bare()
	}
	return nil
}

// lookup gives the host at an endpoint if it is known.
func (i *Inventory) lookup(e protocols.Endpoint) *host {
	switch {
	case e.Addr.IsValid():
		return i.hosts[e.Addr.Unmap()]
	default:
		if l := i.links[e.MAC]; l != nil {
			return l.own
		}
		return nil
	}
}

// ID gives the id of the device at an endpoint as far as it is known now; empty when it is no device: multicast,
// broadcast, external, or an address that never showed itself.
func (i *Inventory) ID(e protocols.Endpoint) string {
	h := i.lookup(e)
	if h == nil || !i.isDevice(h) {
		return ""
	}
	return i.id(h)
}

// ref is what an id was given for.
type ref struct {
	host *host // known by address
	link *link // known by MAC
}

func (i *Inventory) id(h *host) string {
	a := i.anchor(h)
	if u := i.union(a); u != nil {
		a = u.anchors[0]
	}
	return i.idOf(a)
}

// idOf gives the id that follows from an anchor alone.
func (i *Inventory) idOf(a anchor) string {
	if l := a.link; l != nil {
		if l.id == "" {
			l.id = i.hash("mac", l.mac.String())
			i.byID[l.id] = ref{link: l}
		}
		return l.id
	}
	h := a.host
	if h.id == "" {
		h.id = i.hash("ip", h.addr.String())
		i.byID[h.id] = ref{host: h}
	}
	return h.id
}

// Device gives the record of the device that an id was given for, now or earlier; false when it is not known, or was
// forgotten. Units behind a gateway are found by [Inventory.Devices] only.
func (i *Inventory) Device(id string) (Device, bool) {
	hosts := i.members(id)
	if len(hosts) == 0 {
		return Device{}, false
	}
	v, _ := i.record(i.id(hosts[0]), i.gather(hosts))
	return v, true
}

// Units gives the records of the units behind the device that an id was given for, sorted by unit.
func (i *Inventory) Units(id string) []Device {
	hosts := i.members(id)
	if len(hosts) == 0 {
		return nil
	}
	return i.records(i.id(hosts[0]), hosts)[1:]
}

// members gives the hosts of the device that an id was given for.
func (i *Inventory) members(id string) []*host {
	r := i.byID[id]
	var a anchor
	switch {
	case r.host != nil:
		if !i.isDevice(r.host) {
			return nil
		}
		a = i.anchor(r.host)
	case r.link != nil:
		a = anchor{link: r.link}
		if r.link.virtual {
			if l := i.owner(r.link); l != nil {
				a.link = l
			}
		}
	default:
		return nil
	}
	hosts := i.hostsOf(a)
	if l := r.link; len(hosts) == 0 && l != nil && len(l.hosts) > 0 && i.isDevice(l.hosts[0]) {
		// The id was given before the MAC proved to carry others; the first address is whom it was given for.
		return i.members(i.id(l.hosts[0]))
	}
	if u := i.union(a); u != nil && len(hosts) > 0 {
		hosts = hosts[:0]
		for _, a := range u.anchors {
			hosts = append(hosts, i.hostsOf(a)...)
		}
	}
	sortHosts(hosts)
	return hosts
}

func (i *Inventory) hostsOf(a anchor) []*host {
	if a.link != nil {
		return i.carried(a.link)
	}
	return []*host{a.host}
}

// UnitID gives the id of a unit behind a device.
func (i *Inventory) UnitID(parent string, unit uint16) string {
	return i.hash("unit", parent, strconv.Itoa(int(unit)))
}

// hash makes an id that depends on the site, the scope (one a sensor so far) and what the device is known by.
func (i *Inventory) hash(parts ...string) string {
	h := sha256.New()
	for _, p := range append([]string{"spanwatch device", i.config.Site, ""}, parts...) {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:10])
}

// SetCompromise records what verdicts say of a device. The id may be any that was ever given for it.
func (i *Inventory) SetCompromise(id string, c Compromise) {
	if id == "" {
		return
	}
	if c.State == "" || c.State == "none" {
		delete(i.compromise, id)
		return
	}
	if _, known := i.compromise[id]; known || len(i.compromise) < i.config.MaxDevices {
		i.compromise[id] = c
	}
}

// unicast reports whether an address can belong to one host.
func unicast(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// siteNetwork reports whether an address is inside the site's networks, configured or found.
func (i *Inventory) siteNetwork(a netip.Addr) bool {
	return i.configured(a) || len(i.published) > 0 && i.published[neighbourhood(a)]
}

func (i *Inventory) configured(a netip.Addr) bool {
	a = a.WithZone("")
	for _, n := range i.config.Networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// publish makes the surroundings of an address part of the site.
func (i *Inventory) publish(a netip.Addr) {
	if !a.IsValid() || i.siteNetwork(a) {
		return
	}
	if len(i.published) >= maxSiteNetworks {
		i.stats.DroppedSiteNetworks++
		return
	}
	i.published[neighbourhood(a)] = true
}

// neighbourhood is the network that an address most likely shares with its neighbours.
func neighbourhood(a netip.Addr) netip.Prefix {
	bits := 24
	if a.Is6() {
		bits = 64
	}
	p, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}
