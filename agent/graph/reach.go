package graph

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Reached is a device that another one can get at over edges that were seen.
type Reached struct {
	Device    string // id
	IP        string // the MAC where there is no IP
	Hops      int
	Via       string   // id of the device before it on the way; the origin for one hop
	ViaIP     string   // its address
	Protocols []string // over which the last hop went, sorted
	Alters    uint64   // altering deeds seen over the last hop
	Reason    string
}

const (
	maxHops    = 4
	maxReached = 256
)

// hop is all edges between two addresses, as far as reach goes.
type hop struct {
	server protocols.Endpoint
	alters uint64
	labels map[string]bool // the transport's name where no protocol was recognised
}

// outgoing is what a client asks of whom.
type outgoing struct {
	client protocols.Endpoint
	to     map[protocols.Address]*hop
}

// link keeps the edge's two ends as neighbours.
func (g *Graph) link(k key, e *edge) *hop {
	o := g.out[k.client]
	if o == nil {
		o = &outgoing{client: e.client, to: make(map[protocols.Address]*hop)}
		g.out[k.client] = o
	}
	h := o.to[k.server]
	if h == nil {
		h = &hop{server: e.server, labels: make(map[string]bool)}
		o.to[k.server] = h
		if g.asked[k.server] == nil {
			g.asked[k.server] = make(map[protocols.Address]protocols.Endpoint)
		}
		g.asked[k.server][k.client] = e.client
	}
	h.labels[cmp.Or(k.label, k.transport.String())] = true
	return h
}

// relink builds the neighbourhood anew after edges were forgotten.
func (g *Graph) relink() {
	g.out = make(map[protocols.Address]*outgoing)
	g.asked = make(map[protocols.Address]map[protocols.Address]protocols.Endpoint)
	for k, e := range g.edges {
		e.hop = g.link(k, e)
		e.hop.alters += e.alters
	}
}

// Reach gives the devices that a device can get at: those it talks to as a client, and from there on along edges over
// which something was altered before, because who may alter may be made to. Ranked by what was altered over the last
// hop, then by hops and address; at most 256. Conversations whose direction is a guess do not count.
func (g *Graph) Reach(device string) []Reached {
	if device == "" {
		return nil
	}
	clients := make(map[string][]protocols.Address)
	for _, o := range g.out {
		if id := g.ids(o.client); id != "" {
			clients[id] = append(clients[id], o.client.Address())
		}
	}
	seen := map[string]bool{device: true}
	var all []Reached
	frontier := []string{device}
	for hops := 1; hops <= maxHops && len(frontier) > 0; hops++ {
		var next []string
		for _, from := range frontier {
			slices.SortFunc(clients[from], protocols.Address.Compare)
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
	slices.SortStableFunc(all, func(x, y Reached) int {
		return cmp.Or(-cmp.Compare(x.Alters, y.Alters), cmp.Compare(x.Hops, y.Hops), cmp.Compare(x.IP, y.IP))
	})
	return all[:min(len(all), maxReached)]
}

// step gives what a device at the given addresses gets at directly; beyond the first hop only what it altered before.
func (g *Graph) step(addresses []protocols.Address, from string, hops int) []Reached {
	merged := make(map[string]*Reached)
	var order []string
	for _, a := range addresses {
		out := g.out[a]
		for _, to := range slices.SortedFunc(maps.Keys(out.to), protocols.Address.Compare) {
			h := out.to[to]
			id := g.ids(h.server)
			if id == "" || hops > 1 && h.alters == 0 {
				continue
			}
			r := merged[id]
			if r == nil {
				r = &Reached{Device: id, IP: to.String(), Hops: hops, Via: from, ViaIP: a.String()}
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
	for l := range h.labels {
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
	self := g.ids(server)
	var all []string
	for _, client := range g.asked[server.Address()] {
		if id := g.ids(client); id != "" && id != self {
			all = append(all, id)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(len(all), maxReached)]
}
