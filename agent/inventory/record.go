package inventory

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// gathered is what the hosts of one device add up to.
type gathered struct {
	hosts       []*host
	links       []*link // its MACs, and those that routers share and it holds; none: known by address
	union       *union  // nil: one anchor alone
	did         behaviour
	units       []uint16
	answered    set[uint16]
	routes      bool
	holds       bool // a MAC that routers share
	calls       bool
	errands     bool
	missed      set[uint32]
	first, last time.Time
	facts       collected
}

func (i *Inventory) gather(hosts []*host) *gathered {
	d := &gathered{hosts: hosts, union: i.union(i.anchor(hosts[0]))}
	for _, h := range hosts {
		d.on(i, i.place(h))
		d.did.merge(h.did)
		d.answered.union(h.answered)
		d.calls, d.errands = d.calls || h.calls, d.errands || h.errands
		d.missed.union(h.missed)
		if d.first.IsZero() || h.first.Before(d.first) {
			d.first = h.first
		}
		if h.last.After(d.last) {
			d.last = h.last
		}
		units := h.did.units.devices()
		d.units = append(d.units, units...)
		for k, f := range h.facts {
			d.facts = append(d.facts, known{k, *f})
		}
	}
	d.facts.sort()
	slices.Sort(d.units)
	d.units = slices.Compact(d.units)
	return d
}

// on notes that a device has a MAC, and holds what routers share.
func (d *gathered) on(i *Inventory, l *link) {
	if l == nil || slices.Contains(d.links, l) {
		return
	}
	d.links = append(d.links, l)
	d.routes = d.routes || l.routes && !l.shared
	if !l.virtual {
		for _, v := range i.held(l) {
			d.links = append(d.links, v)
			d.routes = d.routes || v.routes && !v.shared
			d.holds = true
		}
	}
}

// only reports whether every host of the device fits.
func (d *gathered) only(fits func(*host) bool) bool {
	return !slices.ContainsFunc(d.hosts, func(h *host) bool { return !fits(h) })
}

// devices groups the hosts that are devices now by id.
func (i *Inventory) groups() map[string][]*host {
	groups := make(map[string][]*host, len(i.hosts))
	add := func(h *host) {
		if i.isDevice(h) {
			id := i.id(h)
			groups[id] = append(groups[id], h)
		}
	}
	for _, h := range i.hosts {
		add(h)
	}
	for _, l := range i.links {
		if l.own != nil {
			add(l.own)
		}
	}
	for _, g := range groups {
		sortHosts(g)
	}
	return groups
}

func sortHosts(g []*host) {
	slices.SortFunc(g, func(a, b *host) int {
		return cmp.Or(compareBool(hasNoIP(a), hasNoIP(b)), a.addr.Compare(b.addr))
	})
}

// Devices gives every device as it is known now, sorted by id.
func (i *Inventory) Devices() []Device {
	var all []Device
	p := i.Pass()
	for some, more := p.Next(); more; some, more = p.Next() {
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b Device) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Pass goes over an inventory device by device, so that a large one can be written down while it goes on changing. What
// came up after the pass began may be missing.
type Pass struct {
	inventory *Inventory
	groups    map[string][]*host
	order     []string
}

// Pass begins to go over the devices.
func (i *Inventory) Pass() *Pass {
	i.loose = true // what speaks against a merge may have changed
	groups := i.groups()
	return &Pass{i, groups, slices.Sorted(maps.Keys(groups))}
}

// Next gives the next device with the units behind it, or nothing where it is none any more; false at the end.
func (p *Pass) Next() (devices []Device, more bool) {
	if len(p.order) == 0 {
		return nil, false
	}
	id, i := p.order[0], p.inventory
	p.order = p.order[1:]
	hosts := slices.DeleteFunc(p.groups[id], func(h *host) bool {
		return h.addr.IsValid() && i.hosts[h.addr] != h || !i.isDevice(h) || i.id(h) != id
	})
	if len(hosts) == 0 {
		return nil, true
	}
	return i.records(id, hosts), true
}

// records gives the record of a device and those of the units behind it.
func (i *Inventory) records(id string, hosts []*host) []Device {
	d := i.gather(hosts)
	parent, own := i.record(id, d)
	all := []Device{parent}
	for _, u := range d.units {
		all = append(all, i.unit(parent, d, own, u))
	}
	return all
}

// record makes the record of a device itself, and tells which facts were left to its units.
func (i *Inventory) record(id string, d *gathered) (Device, map[uint16]collected) {
	v := Device{
		ID: id, Site: i.config.Site, Names: []string{}, IPs: []string{}, MACs: []string{}, VLANs: []uint16{},
		Modules: []Module{}, Protocols: []string{}, Facts: []Fact{}, FirstSeen: d.first, LastSeen: d.last,
		Aliases: []string{}, Addresses: []Address{}, Changes: []Change{},
	}
	byUnit := make(map[uint16]collected)
	var own collected
	for _, f := range d.facts {
		if f.unit != 0 && slices.Contains(d.units, f.unit) {
			byUnit[f.unit] = append(byUnit[f.unit], f)
			continue
		}
		own = append(own, f)
	}
	var vlans set[uint16]
	var labels set[string]
	for _, h := range d.hosts {
		if h.addr.IsValid() {
			v.IPs = append(v.IPs, h.addr.String())
		}
		vlans.union(h.vlans)
		labels.union(h.protocols)
	}
	v.VLANs = append(v.VLANs, vlans...)
	v.Protocols = append(v.Protocols, labels...)
	v.MACs = i.macs(d)
	for _, l := range d.links {
		if k, f, ok := adapterFact(l.mac, d.first, d.last); ok {
			own = append(own, known{k, f})
		}
	}
	if d.union != nil {
		own = append(own, d.union.facts()...)
		v.Aliases = d.union.aliases(i)
	}
	claims := append(d.claims(), own.claims()...)
	describe(&v, own, claims, d.did.asked.stays() || d.dedicated())
	v.Mode, v.Changes = d.history()
	v.Addresses = i.addresses(id, d)
	v.PublicIP = publicIP(d.hosts)
	i.operator.apply(&v, d)
	v.sortFacts()
	v.Compromise = i.compromised(id, d)
	return v, byUnit
}

// describe fills in what facts and behaviour say: names, identity, modules, type and what follows from it.
// resident tells that roles played as a client are to be believed.
func describe(v *Device, own collected, claims []claim, resident bool) {
	v.Vendor = own.pick(protocols.FactVendor)
	v.Model = own.pick(protocols.FactModel, protocols.FactOrderNumber)
	v.Firmware = own.pick(protocols.FactFirmware)
	v.Serial = own.pick(protocols.FactSerial)
	v.Names = own.names()
	v.Modules = own.modules()
	for _, f := range own {
		v.Facts = append(v.Facts, Fact{
			Key: f.key, Value: f.value, Module: f.module, Source: f.source, Confidence: f.confidence,
			FirstSeen: f.first, LastSeen: f.last,
		})
		if f.key != protocols.FactRole {
			continue
		}
		c := claim{kind: f.value, confidence: f.confidence, reason: f.source, first: f.first, last: f.last}
		if k, known := kinds[f.value]; !known {
			continue
		} else if k.asks && f.client && !resident {
			c.confidence = min(c.confidence, 10)
		}
		claims = append(claims, c)
	}
	v.Type = TypeUnknown
	var best claim
	for _, c := range claims {
		if cmp.Or(-cmp.Compare(c.confidence, best.confidence), cmp.Compare(c.kind, best.kind)) < 0 || best.kind == "" {
			best, v.Type = c, c.kind
		}
	}
	k := kinds[v.Type]
	v.Category, v.Purdue, v.Criticality = k.category, k.purdue, k.criticality
	for _, c := range claims {
		if !slices.ContainsFunc(v.Facts, func(f Fact) bool {
			return f.Key == protocols.FactRole && f.Value == c.kind && f.Source == c.reason
		}) {
			v.Facts = append(v.Facts, Fact{
				Key: protocols.FactRole, Value: c.kind, Source: c.reason, Confidence: c.confidence,
				FirstSeen: c.first, LastSeen: c.last,
			})
		}
	}
}

func (v *Device) sortFacts() {
	slices.SortFunc(v.Facts, func(a, b Fact) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Module, b.Module), -cmp.Compare(a.Confidence, b.Confidence),
			cmp.Compare(a.Value, b.Value), cmp.Compare(a.Source, b.Source), a.FirstSeen.Compare(b.FirstSeen))
	})
}

// unit makes the record of a unit behind a gateway: a device without addresses.
func (i *Inventory) unit(parent Device, d *gathered, byUnit map[uint16]collected, unit uint16) Device {
	v := Device{
		ID: i.UnitID(parent.ID, unit), Site: parent.Site, Parent: parent.ID, IPs: []string{}, MACs: []string{},
		VLANs: parent.VLANs, Protocols: parent.Protocols, Facts: []Fact{}, FirstSeen: d.did.first, LastSeen: d.did.last,
		Zone: parent.Zone, Compromise: Compromise{State: "none"}, Aliases: []string{}, Addresses: []Address{}, Changes: []Change{},
	}
	reason := "behaviour: answers as unit " + strconv.Itoa(int(unit)) + " behind a gateway"
	describe(&v, byUnit[unit], []claim{{TypeIO, 40, reason, d.did.first, d.did.last}}, true)
	if len(v.Names) == 0 {
		v.Names = []string{"unit " + strconv.Itoa(int(unit))}
	}
	v.sortFacts()
	return v
}

// modules gives the parts of a device that facts name by their place.
func (c collected) modules() []Module {
	byPlace := make(map[string]collected)
	var places []string
	for _, f := range c {
		if f.module == "" {
			continue
		}
		if byPlace[f.module] == nil {
			places = append(places, f.module)
		}
		byPlace[f.module] = append(byPlace[f.module], f)
	}
	slices.Sort(places)
	modules := []Module{}
	for _, p := range places {
		m := byPlace[p]
		modules = append(modules, Module{
			Place:    p,
			Name:     m.pick(protocols.FactModule, protocols.FactModel, protocols.FactOrderNumber, protocols.FactName),
			Firmware: m.pick(protocols.FactFirmware),
			Serial:   m.pick(protocols.FactSerial),
		})
	}
	return modules
}

// macs gives the MACs of a device: its own, and those under which its addresses were proved and that are nobody
// else's (a replaced card).
func (i *Inventory) macs(d *gathered) []string {
	if len(d.links) == 0 {
		return []string{}
	}
	var all set[string]
	for _, l := range d.links {
		all.add(l.mac.String())
	}
	for _, h := range d.hosts {
		for _, b := range h.bindings {
			if b.proven && !slices.Contains(d.links, b.link) && !slices.ContainsFunc(b.link.hosts, func(o *host) bool { return i.place(o) == b.link }) {
				all.add(b.link.mac.String())
			}
		}
	}
	return all
}

// publicIP gives the lowest IPv4 address, preferring one outside the private ranges: the address by which the world
// outside knows the device when no translation hides it.
func publicIP(hosts []*host) string {
	var best netip.Addr
	for _, h := range hosts {
		if !h.addr.Is4() {
			continue
		}
		if !best.IsValid() || isPublic(h.addr) && !isPublic(best) {
			best = h.addr
		}
	}
	if !best.IsValid() {
		return ""
	}
	return best.String()
}

func isPublic(a netip.Addr) bool {
	return !slices.ContainsFunc(privateNetworks, func(n netip.Prefix) bool { return n.Contains(a) })
}

// compromised gives the strongest statement made under any id that the device ever had.
func (i *Inventory) compromised(id string, d *gathered) Compromise {
	best := Compromise{State: "none"}
	if len(i.compromise) == 0 {
		return best
	}
	ids := []string{id}
	for _, h := range d.hosts {
		ids = append(ids, h.id)
		for _, b := range h.bindings {
			if slices.Contains(d.links, b.link) {
				ids = append(ids, b.link.id)
			}
		}
	}
	for _, alias := range ids {
		if c, ok := i.compromise[alias]; ok && (best.State == "none" || best.State == "suspected" && c.State == "confirmed") {
			best = c
		}
	}
	return best
}

// Identity gives what tells the device at an endpoint from others beside its addresses: its id, MACs and names, all empty
// when it is no device. It costs less than [Inventory.Device].
func (i *Inventory) Identity(e protocols.Endpoint) (id string, macs, names []string) {
	h := i.lookup(e)
	if h == nil || !i.isDevice(h) {
		return "", nil, nil
	}
	id = i.id(h)
	d := &gathered{hosts: i.members(id)}
	for _, h := range d.hosts {
		d.on(i, i.place(h))
		for k := range h.facts {
			switch {
			case k.module != "" || k.unit != 0:
			case k.key == protocols.FactName:
				names = append(names, k.value)
			case k.key == protocols.FactFQDN:
				names = append(names, k.value, label(k.value))
			}
		}
		if o := i.operator.about(h); o != nil && o.Called != "" {
			names = append(names, o.Called)
		}
	}
	slices.Sort(names)
	return id, i.macs(d), slices.Compact(names)
}

// IsOT reports whether the device at an endpoint is an OT device as far as it is known now. It answers without making
// a record where it can.
func (i *Inventory) IsOT(e protocols.Endpoint) bool {
	h := i.lookup(e)
	if h == nil || !i.isDevice(h) {
		return false
	}
	l := i.place(h)
	if l == nil && !h.did.serves() && h.did.asked.total == 0 && len(h.facts) == 0 {
		return false
	}
	v, ok := i.Device(i.id(h))
	return ok && v.Category == CategoryOT
}
