package api

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/spanwatch/spanwatch/cloud/incident"
	"github.com/spanwatch/spanwatch/cloud/store"
	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	maxNodes = 200 // more do not fit a screen; the lists beside the graph have them all
	maxReach = 24  // devices that were not touched yet are a hint, not the story
)

// graph is an incident's devices and what they asked of each other.
type graph struct {
	nodes  []*pb.GraphNode
	byKey  map[string]*pb.GraphNode
	edges  []*pb.GraphEdge
	hidden int

	impacted, reach []store.Asset // each device once
}

// involve collects the devices of alerts, the most important first: those of the worst alerts, then what is impacted
// with them, then what could be reached next.
func involve(alerts, worst []store.Alert) *graph {
	g := &graph{byKey: make(map[string]*pb.GraphNode)}
	for _, a := range worst {
		if n := g.node(a.Actor, a.ActorIP, maxNodes); n != nil {
			n.Actor = true
		}
		if n := g.node(a.Target, a.TargetIP, maxNodes); n != nil && incident.LevelRank(a.Level) > incident.LevelRank(n.Level) {
			n.Level = a.Level
		}
	}
	touched := make(map[string]bool)
	for _, a := range alerts {
		touched[cmp.Or(a.Actor, a.ActorIP)], touched[cmp.Or(a.Target, a.TargetIP)] = true, true
	}
	seen := make(map[string]bool)
	for _, a := range worst {
		for _, asset := range a.Impacted {
			if key := cmp.Or(asset.Device, asset.IP); !seen[key] {
				seen[key] = true
				g.impacted = append(g.impacted, asset)
				g.describe(asset, maxNodes)
			}
		}
	}
	for _, a := range worst {
		for _, asset := range a.Reach {
			key := cmp.Or(asset.Device, asset.IP)
			if seen[key] || touched[key] {
				continue
			}
			seen[key] = true
			g.reach = append(g.reach, asset)
			if n := g.describe(asset, min(maxNodes, len(touched)+maxReach)); n != nil {
				n.Reach = true
			}
		}
	}
	return g
}

// node gives the node of a device, which it adds while there are fewer than most; nil: hidden, or nameless.
func (g *graph) node(device, ip string, most int) *pb.GraphNode {
	key := cmp.Or(device, ip)
	if n, known := g.byKey[key]; known || key == "" {
		return n
	}
	if len(g.nodes) >= most {
		g.byKey[key] = nil
		g.hidden++
		return nil
	}
	n := &pb.GraphNode{Key: key, Device: &pb.DeviceSummary{Id: device, Ip: ip, Name: cmp.Or(ip, device)}}
	g.nodes = append(g.nodes, n)
	g.byKey[key] = n
	return n
}

// describe gives the node of an asset, with what the alert says of it in case the inventory does not know it.
func (g *graph) describe(a store.Asset, most int) *pb.GraphNode {
	n := g.node(a.Device, a.IP, most)
	if n != nil && n.Device.Type == "" {
		n.Device.Type, n.Device.Criticality = a.Type, a.Criticality
		n.Device.Name = cmp.Or(a.Name, n.Device.Name)
	}
	return n
}

// name completes the nodes with what the inventory knows.
func (g *graph) name(ctx context.Context, r store.Reader, site string) error {
	for _, n := range g.nodes {
		if n.Device.Id == "" {
			continue
		}
		d, err := r.Device(ctx, site, n.Device.Id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		ip := n.Device.Ip
		n.Device = deviceSummary(d)
		n.Device.Ip = cmp.Or(ip, n.Device.Ip)
	}
	return nil
}

// connect adds the edges between the nodes: what the graph of the site has, and what alerts tell.
func (g *graph) connect(ctx context.Context, r store.Reader, site string, alerts []store.Alert) error {
	all, err := r.Edges(ctx, site)
	if err != nil {
		return err
	}
	byEnds := make(map[[2]string]*pb.GraphEdge)
	between := func(client, server string) *pb.GraphEdge {
		ends := [2]string{client, server}
		if g.byKey[client] == nil || g.byKey[server] == nil {
			return nil
		}
		e := byEnds[ends]
		if e == nil {
			e = &pb.GraphEdge{Client: client, Server: server, Actions: make(map[string]uint64)}
			byEnds[ends] = e
		}
		return e
	}
	for _, edge := range all {
		e := between(cmp.Or(edge.Client, edge.ClientIP), cmp.Or(edge.Server, edge.ServerIP))
		if e == nil {
			continue
		}
		e.Protocols = append(e.Protocols, edge.Protocol)
		for action, n := range edge.Actions {
			e.Actions[action] += n
		}
		e.Packets += edge.Packets
		e.Bytes += edge.Bytes
		if e.Baseline == "" || edge.Baseline == "new" {
			e.Baseline = edge.Baseline // one new kind of traffic makes the whole worth a look
		}
	}
	for _, a := range alerts {
		e := between(cmp.Or(a.Actor, a.ActorIP), cmp.Or(a.Target, a.TargetIP))
		if e == nil {
			continue
		}
		e.Alerts = append(e.Alerts, a.ID)
		e.Protocols = append(e.Protocols, a.Protocol)
		if incident.LevelRank(a.Level) > incident.LevelRank(e.Level) {
			e.Level = a.Level
		}
	}
	for _, ends := range slices.SortedFunc(maps.Keys(byEnds), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		e := byEnds[ends]
		e.Protocols = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(e.Protocols))), func(p string) bool { return p == "" })
		g.edges = append(g.edges, e)
	}
	return nil
}

// maxRows is how many nodes stand above each other before the next column begins.
const maxRows = 9

// place arranges the nodes as the attack went: who began stands left, whom an attacked device attacks stands right of
// it, and what could be reached next stands at the right edge. Equal graphs get equal places.
func (g *graph) place() {
	columns := g.columns()
	x := 0.0
	for _, column := range columns {
		for rows := range slices.Chunk(column, fold(len(column))) {
			for i, n := range rows {
				n.X, n.Y = x, float64(i)-float64(len(rows)-1)/2
			}
			x++
		}
	}
}

// fold gives the height of the columns into which n nodes are folded, so that they are about equally high.
func fold(n int) int {
	columns := (n + maxRows - 1) / maxRows
	return (n + columns - 1) / columns
}

// columns sorts the nodes by the number of attacks between them and where the attack began.
func (g *graph) columns() [][]*pb.GraphNode {
	attacked := make(map[string][]string)
	hit := make(map[string]bool)
	for _, e := range g.edges {
		if e.Level != "" && e.Client != e.Server {
			attacked[e.Client] = append(attacked[e.Client], e.Server)
			hit[e.Server] = true
		}
	}
	depth := make(map[string]int)
	spread := func(start []string) {
		for len(start) > 0 {
			key := start[0]
			start = start[1:]
			for _, next := range attacked[key] {
				if _, known := depth[next]; !known {
					depth[next] = depth[key] + 1
					start = append(start, next)
				}
			}
		}
	}
	var roots []string
	for _, n := range g.nodes {
		if n.Actor && !hit[n.Key] {
			depth[n.Key] = 0
			roots = append(roots, n.Key)
		}
	}
	spread(roots)
	for _, n := range g.nodes { // rings, in which everyone was hit by someone
		if _, known := depth[n.Key]; !known && n.Actor {
			depth[n.Key] = 0
			spread([]string{n.Key})
		}
	}
	last := 0
	for _, d := range depth {
		last = max(last, d)
	}
	columns := make([][]*pb.GraphNode, last+2)
	for _, n := range g.nodes {
		d, known := depth[n.Key]
		switch {
		case known:
		case n.Level != "" || !n.Reach:
			d = last
		default:
			d = last + 1
		}
		columns[d] = append(columns[d], n)
	}
	columns = slices.DeleteFunc(columns, func(c []*pb.GraphNode) bool { return len(c) == 0 })
	for _, c := range columns {
		slices.SortStableFunc(c, func(a, b *pb.GraphNode) int {
			return cmp.Or(cmp.Compare(incident.LevelRank(b.Level), incident.LevelRank(a.Level)), cmp.Compare(a.Device.Name, b.Device.Name), cmp.Compare(a.Key, b.Key))
		})
	}
	return columns
}
