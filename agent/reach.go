package main

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
)

var conduitList = cli.List[graph.Conduit]{
	Empty: "no conversations are known yet",
	Table: []cli.Column[graph.Conduit]{
		cli.Field("FROM", func(c *graph.Conduit) string { return c.From }),
		cli.Field("TO", func(c *graph.Conduit) string { return c.To }),
		cli.Field("EDGES", func(c *graph.Conduit) string { return strconv.Itoa(c.Edges) }),
		cli.Field("ALTERING", func(c *graph.Conduit) string { return number(c.Altering) }),
		cli.Field("BYTES", func(c *graph.Conduit) string { return number(c.Bytes) }),
		cli.Field("NEW", func(c *graph.Conduit) string { return number(uint64(c.New)) }),
		cli.Field("PROTOCOLS", func(c *graph.Conduit) string { return strings.Join(c.Protocols, " ") }),
	},
	More: []cli.Column[graph.Conduit]{
		cli.Field("CLIENTS", func(c *graph.Conduit) string { return strconv.Itoa(c.Clients) }),
		cli.Field("SERVERS", func(c *graph.Conduit) string { return strconv.Itoa(c.Servers) }),
		cli.Field("PACKETS", func(c *graph.Conduit) string { return number(c.Packets) }),
		cli.Field("ACTIONS", func(c *graph.Conduit) string { return counts(c.Actions) }),
	},
}

// withZones adds to the command that shows edges the flag that shows what passes between zones instead.
func withZones(cmd *cobra.Command) *cobra.Command {
	return instead(cmd, "zones", "show what passes between zones, and within them", listCommand(&cobra.Command{}, conduitList, func(snap *state.Snapshot) ([]graph.Conduit, error) {
		return graph.Conduits(snap.Edges), nil
	}, nil))
}

var reachList = cli.List[graph.Reached]{
	Empty: "nobody was seen to answer it",
	Table: []cli.Column[graph.Reached]{
		cli.Field("ADDRESS", func(r *graph.Reached) string { return r.IP }),
		cli.Field("HOPS", func(r *graph.Reached) string { return strconv.Itoa(r.Hops) }),
		cli.Field("ALTERING", func(r *graph.Reached) string { return number(r.Alters) }),
		cli.Long("REASON", func(r *graph.Reached) string { return r.Reason }),
	},
	More: []cli.Column[graph.Reached]{
		cli.Field("DEVICE", func(r *graph.Reached) string { return r.Device }),
		cli.Field("THROUGH", func(r *graph.Reached) string { return r.ViaIP }),
		cli.Field("PROTOCOLS", func(r *graph.Reached) string { return strings.Join(r.Protocols, " ") }),
	},
}

func reachCommand() *cobra.Command {
	var device string
	cmd := listCommand(&cobra.Command{
		Use:   "reach DEVICE",
		Short: "Show whom a device can get at, the most endangered first",
		Long: `Show the devices that answered DEVICE, and those behind them that were altered on
the way: who may alter may be made to. DEVICE is an address, an id, or a name.`,
		Example: "  spanwatch-agent reach 10.20.30.66 --state ./state",
	}, reachList, func(snap *state.Snapshot) ([]graph.Reached, error) {
		ids := newWho(device, snap).ids
		switch len(ids) {
		case 0:
			return nil, cli.Usagef("no device is %q: look for it with devices --name, or --ip", device)
		case 1:
		default:
			return nil, cli.Usagef("%d devices are %q: name one by its address or id", len(ids), device)
		}
		for id := range ids {
			return graph.ReachOver(snap.Edges, id), nil
		}
		return nil, nil
	}, nil)
	cmd.Args = cli.Arguments(cobra.ExactArgs(1))
	list := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		device = args[0]
		return list(cmd, args)
	}
	return cmd
}

var pathList = cli.List[graph.Path]{
	Empty: "no way to a critical device is known",
	Table: []cli.Column[graph.Path]{
		cli.Field("COST", func(p *graph.Path) string { return strconv.Itoa(p.Cost) }),
		cli.Field("PATH", func(p *graph.Path) string {
			var way []string
			for k := range p.Steps {
				s := &p.Steps[k]
				way = append(way, cmp.Or(s.Name, s.IP))
			}
			return strings.Join(way, " → ")
		}),
		cli.Field("LAST HOP", func(p *graph.Path) string { return p.Steps[len(p.Steps)-1].Reason }),
	},
	More: []cli.Column[graph.Path]{
		cli.Field("ORIGIN", func(p *graph.Path) string { return p.Origin }),
		cli.Field("TARGET", func(p *graph.Path) string { return p.Target }),
		cli.Field("HOPS", func(p *graph.Path) string { return strconv.Itoa(len(p.Steps) - 1) }),
	},
}

func pathsCommand() *cobra.Command {
	var from, to string
	cmd := listCommand(&cobra.Command{
		Use:   "paths",
		Short: "Show how an attack could get at critical devices",
		Long: `Show the easiest way to each device of high criticality, over edges that were seen, or
that are plausible because both ends are in one zone, or a conduit leads from one's zone to
the other's. An attack may begin at devices that are compromised, at those that are not OT,
and outside the site; with --from there and nowhere else.`,
		Example: "  spanwatch-agent paths --from eng-laptop --state ./state",
	}, pathList, func(snap *state.Snapshot) ([]graph.Path, error) {
		begin, end := newWho(from, snap), newWho(to, snap)
		assets := siteAssets(snap)
		for k := range assets {
			a := &assets[k]
			if from != "" {
				a.Foothold = begin.is(a.ID, a.IP)
			}
			if to != "" {
				a.Critical = end.is(a.ID, a.IP)
			}
		}
		return graph.Paths(snap.Edges, assets), nil
	}, nil)
	cmd.Flags().StringVar(&from, "from", "", "begin at this device only: address, network, id, or a part of the name")
	cmd.Flags().StringVar(&to, "to", "", "end at this device, critical or not")
	return cmd
}

// siteAssets gives the devices, and the addresses outside that are clients, as paths need to know them.
func siteAssets(snap *state.Snapshot) []graph.Asset {
	var all []graph.Asset
	for k := range snap.Devices {
		d := &snap.Devices[k]
		if d.Parent != "" {
			continue // a unit behind a gateway is got at through it
		}
		all = append(all, graph.Asset{
			ID: d.ID, IP: deviceAddress(d), Name: cli.Printable(cli.First(d.Names)), Zone: d.Zone,
			Critical: d.Criticality == "high",
			Foothold: d.Category != inventory.CategoryOT || d.Compromise.State == "suspected" || d.Compromise.State == "confirmed",
		})
	}
	for k := range snap.Edges {
		e := &snap.Edges[k]
		if e.Client == "" && !slices.ContainsFunc(all, func(a graph.Asset) bool { return a.ID == "" && a.IP == e.ClientIP }) {
			all = append(all, graph.Asset{IP: e.ClientIP, Zone: graph.ZoneExternal, Foothold: true})
		}
	}
	return all
}

func drawGraphML(out io.Writer, snap *state.Snapshot, edges []graph.Edge) error {
	return graph.WriteGraphML(out, snap.Site, edges, siteAssets(snap))
}
