package inventory

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// virtualMACs are the prefixes of MACs that a group of routers shares (RFC 9568 §7.3 VRRP; HSRP 1 and 2, GLBP of Cisco).
var virtualMACs = []string{"00005e0001", "00005e0002", "00000c07ac", "00000c9ff", "0007b400"}

func isVirtual(m protocols.MAC) bool {
	if m[0] != 0 { // the common case
		return false
	}
	digits := hex.EncodeToString(m[:])
	for _, prefix := range virtualMACs {
		if strings.HasPrefix(digits, prefix) {
			return true
		}
	}
	return false
}

// owner gives the MAC of the router that holds a virtual MAC: of those that sent with it under an address of their own
// the last that did. Nil as long as none is known.
func (i *Inventory) owner(virtual *link) *link {
	var holder *host
	var held binding
	for _, h := range virtual.hosts {
		best, ok := h.best()
		if !ok || best.link.virtual || best.link.shared || i.place(h) != best.link {
			continue
		}
		b, _ := h.on(virtual)
		if holder == nil || cmp.Or(b.last.Compare(held.last), -h.addr.Compare(holder.addr)) > 0 {
			holder, held = h, b
		}
	}
	if holder == nil {
		return nil
	}
	return i.place(holder)
}

// held gives the virtual MACs that the holder of a MAC holds, sorted.
func (i *Inventory) held(l *link) (all []*link) {
	for _, h := range l.hosts {
		for _, b := range h.bindings {
			if b.link.virtual && i.owner(b.link) == l && !slices.Contains(all, b.link) {
				all = append(all, b.link)
			}
		}
	}
	return all
}

// carried gives the hosts that belong to a MAC: that speak without IP, that it carries, and those of the virtual MACs
// that it holds.
func (i *Inventory) carried(l *link) (all []*host) {
	links := []*link{l}
	if !l.virtual {
		links = append(links, i.held(l)...)
	}
	for _, c := range links {
		if c.own != nil && i.place(c.own) == l && i.isDevice(c.own) {
			all = append(all, c.own)
		}
		for _, h := range c.hosts {
			if i.place(h) == l && i.isDevice(h) && !slices.Contains(all, h) {
				all = append(all, h)
			}
		}
	}
	return all
}
