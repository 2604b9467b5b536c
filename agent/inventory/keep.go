package inventory

import (
	"net/netip"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// worth is how long a host is kept when room runs out.
type worth uint8

const (
	worthSilent worth = iota // never spoke: what a scan asks for
	worthSpoken
	worthOT
	worths
)

// judgeWorth gives what a host is worth now.
func (h *host) judgeWorth() worth {
	switch {
	case h.did.serves() || h.did.asked.total > 0:
		return worthOT
	case h.spoken:
		return worthSpoken
	default:
		return worthSilent
	}
}

// host gives the host of an address, creating it. Whoever changes it calls [Inventory.used].
func (i *Inventory) host(a netip.Addr) *host {
	if h := i.hosts[a]; h != nil {
		return h
	}
	switch {
	case i.queues[worthSilent].Len() >= i.config.MaxSilent:
		i.forget(i.queues[worthSilent].Front().Value.(*host))
	case len(i.hosts) >= i.config.MaxDevices:
		i.forgetWorst()
	}
	h := &host{addr: a}
	i.hosts[a] = h
	h.place = i.queues[worthSilent].PushBack(h)
	return h
}

// used notes that a host was seen and may have gained worth.
func (i *Inventory) used(h *host) {
	if h.place == nil {
		return
	}
	if w := h.judgeWorth(); w == h.worth {
		i.queues[w].MoveToBack(h.place)
	} else {
		i.queues[h.worth].Remove(h.place)
		h.worth, h.place = w, i.queues[w].PushBack(h)
	}
}

// forgetWorst forgets the host least recently used among those worth least.
func (i *Inventory) forgetWorst() {
	for w := range i.queues {
		if first := i.queues[w].Front(); first != nil {
			i.forget(first.Value.(*host))
			return
		}
	}
}

func (i *Inventory) forget(h *host) {
	i.queues[h.worth].Remove(h.place)
	h.place = nil
	delete(i.hosts, h.addr)
	delete(i.byID, h.id)
	delete(i.compromise, h.id)
	if h.inside {
		i.private--
	}
	i.moved(h)
	i.unidentify(h)
	for _, b := range h.bindings {
		at := slices.Index(b.link.hosts, h)
		if at < 0 {
			continue
		}
		b.link.hosts = slices.Delete(b.link.hosts, at, at+1)
		b.link.judge()
		i.rest(b.link)
	}
	i.stats.EvictedHosts++
}

// link gives the record of a MAC, creating it; nil when the table is full of MACs in use.
func (i *Inventory) link(m protocols.MAC, at time.Time) *link {
	if l := i.links[m]; l != nil {
		if l.idle != nil {
			i.idle.MoveToBack(l.idle)
		}
		if at.Before(l.first) {
			l.first = at
			i.loose = i.loose || l.keyed
		}
		return l
	}
	if len(i.links) >= i.config.MaxDevices {
		first := i.idle.Front()
		if first == nil {
			i.stats.DroppedBindings++
			return nil
		}
		i.forgetLink(first.Value.(*link))
	}
	l := &link{mac: m, first: at, virtual: isVirtual(m)}
	i.links[m] = l
	i.rest(l)
	return l
}

// rest puts a MAC that carries no address among those that may be forgotten.
func (i *Inventory) rest(l *link) {
	if len(l.hosts) == 0 && l.idle == nil && i.links[l.mac] == l {
		l.idle = i.idle.PushBack(l)
	}
}

// busy takes a MAC that carries an address out of them.
func (i *Inventory) busy(l *link) {
	if l.idle != nil {
		i.idle.Remove(l.idle)
		l.idle = nil
	}
}

func (i *Inventory) forgetLink(l *link) {
	i.busy(l)
	delete(i.links, l.mac)
	delete(i.byID, l.id)
	delete(i.compromise, l.id)
	i.stats.EvictedLinks++
}
