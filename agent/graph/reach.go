package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Reached is a device that another one can get at over edges that were seen.
type Reached struct {
	Device    string   `json:"device"` // id
	IP        string   `json:"ip"`     // the MAC where there is no IP
	Hops      int      `json:"hops"`
	Via       string   `json:"via"`              // id of the device before it on the way; the origin for one hop
	ViaIP     string   `json:"via_ip"`           // its address
	Protocols []string `json:"protocols"`        // over which the last hop went, sorted
	Alters    uint64   `json:"altering_actions"` // altering deeds seen over the last hop
	Reason    string   `json:"reason"`
}

const (
	maxHops    = 4
	maxReached = 256
)

// hop is all edges over which a client got through to a server.
type hop struct {
	server *node
	alters uint64
	labels []string // the transport's name where no protocol was recognised
}

// hops gives whom an address got through to as a client, by address.
func (g *Graph) hops(n *node) []hop {
	var all []hop
	at := make(map[*node]int)
	for e := n.out; e != nil; e = e.nextOut {
		if !e.reached() {
			continue
		}
		k, known := at[e.to]
		if !known {
			k = len(all)
			at[e.to] = k
			all = append(all, hop{server: e.to})
		}
		h := &all[k]
		h.alters += e.alters
		if l := cmp.Or(g.labels.text[e.label], e.transport.String()); !slices.Contains(h.labels, l) {
			h.labels = append(h.labels, l)
		}
	}
	slices.SortFunc(all, func(a, b hop) int { return a.server.at.Address().Compare(b.server.at.Address()) })
	return all
}

// Reach gives the devices that a device can get at: those that answered it as a client, and from there on along edges
// over which something was altered before, because who may alter may be made to. Ranked by what was altered over the
// last hop, then by hops and address; at most 256. Conversations whose direction is a guess do not count, nor those that
// were refused or never answered.
func (g *Graph) Reach(device string) []Reached {
	if device == "" {
		return nil
	}
	clients := make(map[string][]*node)
	for _, n := range g.nodes {
		if n.out == nil {
			continue
		}
		if id := g.ids(n.at); id != "" {
			clients[id] = append(clients[id], n)
		}
	}
	seen := map[string]bool{device: true}
	var all []Reached
	frontier := []string{device}
	for hops := 1; hops <= maxHops && len(frontier) > 0; hops++ {
		var next []string
		for _, from := range frontier {
			slices.SortFunc(clients[from], func(a, b *node) int { return a.at.Address().Compare(b.at.Address()) })
			for _, r := range g.step(clients[from], from, hops) {
				if !seen[r.Device] {
					seen[r.Device] = true
					next = append(next, r.Device)
					all = append(all, r)
				}
			}
		}
		frontier = next
	}
	return ranked(all)
}

// ranked puts what was altered most first.
func ranked(all []Reached) []Reached {
	slices.SortStableFunc(all, func(x, y Reached) int {
		return cmp.Or(-cmp.Compare(x.Alters, y.Alters), cmp.Compare(x.Hops, y.Hops), cmp.Compare(x.IP, y.IP))
	})
	return all[:min(len(all), maxReached)]
}

// step gives what a device at the given addresses gets at directly; beyond the first hop only what it altered before.
func (g *Graph) step(clients []*node, from string, hops int) []Reached {
	merged := make(map[string]*Reached)
	var order []string
	for _, client := range clients {
		for _, h := range g.hops(client) {
			if hops > 1 && h.alters == 0 {
				continue
			}
			id := g.ids(h.server.at)
			if id == "" {
				continue
			}
			r := merged[id]
			if r == nil {
				r = &Reached{
					Device: id, IP: h.server.at.Address().String(), Hops: hops, Via: from, ViaIP: client.at.Address().String(),
				}
				merged[id] = r
				order = append(order, id)
			}
			r.Alters += h.alters
			r.Protocols = append(r.Protocols, h.protocols()...)
		}
	}
	all := make([]Reached, 0, len(order))
	for _, id := range order {
		r := merged[id]
		slices.Sort(r.Protocols)
		r.Protocols = slices.Compact(r.Protocols)
		r.Reason = r.reason()
		all = append(all, *r)
	}
	return all
}

// protocols gives what was recognised between two addresses, or the transports where nothing was.
func (h *hop) protocols() []string {
	var known, carriers []string
	for _, l := range h.labels {
		if slices.Contains(transportNames, l) {
			carriers = append(carriers, l)
		} else {
			known = append(known, l)
		}
	}
	if len(known) > 0 {
		return known
	}
	return carriers
}

var transportNames = []string{
	protocols.TransportOther.String(), protocols.TransportTCP.String(), protocols.TransportUDP.String(),
	protocols.TransportICMP.String(), protocols.TransportEthernet.String(),
}

func (r *Reached) reason() string {
	over := strings.Join(r.Protocols, ", ")
	way := "directly"
	if r.Hops > 1 {
		way = fmt.Sprintf("in %d hops, through %s,", r.Hops, r.ViaIP)
	}
	if r.Alters > 0 {
		return fmt.Sprintf("reached %s over %s; altering messages seen that way: %d", way, over, r.Alters)
	}
	return fmt.Sprintf("reached %s over %s", way, over)
}

// Dependants gives the ids of the devices that ask the one at an endpoint, sorted: who loses sight or control when it
// fails. At most 256.
func (g *Graph) Dependants(server protocols.Endpoint) []string {
	n := g.nodes[server.Address()]
	if n == nil {
		return nil
	}
	self := g.ids(server)
	asked := make(map[*node]bool)
	var all []string
	for e := n.in; e != nil; e = e.nextIn {
		if !asked[e.from] && e.reached() {
			asked[e.from] = true
			if id := g.ids(e.from.at); id != "" && id != self {
				all = append(all, id)
			}
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), maxReached)]
}
