package main

import (
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
)

// defaultState is where a sensor that runs as a service keeps its state.
const defaultState = "/var/lib/spanwatch/agent"

// picker chooses the records of one kind that the flags of a list ask for, and refuses flags that cannot be meant.
type picker[R any] func(*state.Snapshot) ([]R, error)

// listCommand makes a command that lists what a state directory holds of one kind. Draw are forms beside those of lists.
func listCommand[R any](cmd *cobra.Command, list cli.List[R], pick picker[R], draw map[string]func(io.Writer, *state.Snapshot, []R) error) *cobra.Command {
	var dir string
	var view cli.View
	var watch bool
	formats := slices.Concat(slices.Sorted(maps.Keys(draw)), cli.Formats)
	cmd.Args = cli.Arguments(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := view.Check(formats...); err != nil {
			return err
		}
		if watch && draw[view.Format] != nil {
			return cli.Usagef("--watch is for lists: leave it out, or choose --format %s", strings.Join(cli.Formats, ", "))
		}
		if watch {
			return list.Watch(cmd.Context(), os.Stdout, view, func() ([]R, error) {
				snap, err := stored(dir) // a sensor that runs saves what it knows every few seconds
				if err != nil {
					return nil, err
				}
				return pick(&snap)
			})
		}
		snap, err := known(cmd, dir)
		if err != nil {
			return err
		}
		records, err := pick(&snap)
		if err != nil {
			return err
		}
		if f := draw[view.Format]; f != nil {
			return f(os.Stdout, &snap, records)
		}
		return list.Show(os.Stdout, view, records)
	}
	cmd.Flags().StringVar(&dir, "state", defaultState, "the sensor's state directory")
	cli.ViewFlags(cmd, &view, formats...)
	cmd.Flags().BoolVar(&watch, "watch", false, "go on: redraw the list on a terminal, print what is new elsewhere, until Ctrl-C")
	return cmd
}

// instead adds to a list a flag that shows another list in its place.
func instead(cmd *cobra.Command, name, usage string, other *cobra.Command) *cobra.Command {
	var chosen bool
	first := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !chosen {
			return first(cmd, args)
		}
		for _, flag := range []string{"state", "format", "wide", "sort", "limit", "watch"} {
			if f := cmd.Flags().Lookup(flag); f.Changed {
				if err := other.Flags().Set(flag, f.Value.String()); err != nil {
					return cli.Usagef("--%s: %w", flag, err)
				}
			}
		}
		other.SetContext(cmd.Context())
		return other.RunE(other, args)
	}
	cmd.Flags().BoolVar(&chosen, name, false, usage)
	return cmd
}

// filtered gives the records that fit.
func filtered[R any](records []R, fits func(*R) bool) []R {
	var all []R
	for i := range records {
		if fits(&records[i]) {
			all = append(all, records[i])
		}
	}
	return all
}

func devicesCommand() *cobra.Command {
	var kind, zone, vendor, name, ip string
	var compromised bool
	var from since
	cmd := listCommand(&cobra.Command{
		Use:   "devices",
		Short: "Show the site's devices",
		Example: `  spanwatch-agent devices --state ./state --format csv
  spanwatch-agent devices --type plc --zone cell1 --since 12h --watch`,
	}, deviceList, func(snap *state.Snapshot) ([]inventory.Device, error) {
		if err := firstError(oneOf("type", kind, inventory.Types()), oneOf("zone", zone, zones(snap)), network("ip", ip)); err != nil {
			return nil, err
		}
		start, where := from.from(snap), newWho(ip, snap)
		return filtered(byAddress(snap.Devices), func(d *inventory.Device) bool {
			return (kind == "" || d.Type == kind) && (zone == "" || d.Zone == zone) && contains(d.Vendor, vendor) && (name == "" || named(d, name)) &&
				!d.LastSeen.Before(start) && where.is(d.ID, "") && (!compromised || d.Compromise.State != "" && d.Compromise.State != "none")
		}), nil
	}, nil)
	f := cmd.Flags()
	f.StringVar(&kind, "type", "", "only devices of this type: "+strings.Join(inventory.Types(), ", "))
	f.StringVar(&zone, "zone", "", "only devices in this zone")
	f.StringVar(&vendor, "vendor", "", "only devices whose vendor's name contains this")
	f.StringVar(&name, "name", "", "only devices with a name that contains this")
	f.StringVar(&ip, "ip", "", "only devices with this address, or in this network")
	f.BoolVar(&compromised, "compromised", false, "only devices that a verdict suspects or confirms")
	from.flag(f, "devices seen")
	return cmd
}

func graphCommand() *cobra.Command {
	var client, server, protocol, action, zone string
	var fresh bool
	var from since
	cmd := listCommand(&cobra.Command{
		Use:   "graph",
		Short: "Show who talks to whom, over what, and does what",
		Example: `  spanwatch-agent graph --state ./state --format dot | dot -Tsvg > plant.svg
  spanwatch-agent graph --zones --state ./state
  spanwatch-agent graph --server 10.20.10.0/24 --action write --sort -packets`,
	}, edgeList, func(snap *state.Snapshot) ([]graph.Edge, error) {
		if err := firstError(oneOf("protocol", protocol, labels(snap)), oneOf("action", action, actionList), oneOf("zone", zone, zones(snap))); err != nil {
			return nil, err
		}
		start, asks, answers := from.from(snap), newWho(client, snap), newWho(server, snap)
		return filtered(byEnds(snap.Edges), func(e *graph.Edge) bool {
			return (protocol == "" || e.Protocol == protocol) && (action == "" || e.Actions[action] > 0) && (!fresh || e.News()) &&
				(zone == "" || e.ClientZone == zone || e.ServerZone == zone) &&
				!e.LastSeen.Before(start) && asks.is(e.Client, e.ClientIP) && answers.is(e.Server, e.ServerIP)
		}), nil
	}, map[string]func(io.Writer, *state.Snapshot, []graph.Edge) error{"dot": drawDOT, "graphml": drawGraphML})
	f := cmd.Flags()
	f.StringVar(&client, "client", "", "only what this device asks: address, network, id, or a part of the name")
	f.StringVar(&server, "server", "", "only what this device is asked")
	f.StringVar(&protocol, "protocol", "", "only over this protocol")
	f.StringVar(&action, "action", "", "only where this was done: "+strings.Join(actionList, ", "))
	f.StringVar(&zone, "zone", "", "only what begins or ends in this zone")
	f.BoolVar(&fresh, "new", false, "only where something was not there while the sensor learnt; baseline says what")
	from.flag(f, "what was seen")
	return withZones(cmd)
}

func drawDOT(out io.Writer, snap *state.Snapshot, edges []graph.Edge) error {
	names := make(map[string]string, len(snap.Devices))
	for i := range snap.Devices {
		names[snap.Devices[i].ID] = cli.Printable(cli.First(snap.Devices[i].Names))
	}
	return graph.WriteDOT(out, snap.Site, edges, names)
}

func alertsCommand() *cobra.Command {
	var severity, level, actor, target string
	var from since
	cmd := listCommand(&cobra.Command{
		Use:   "alerts",
		Short: "Show the alerts that were raised",
		Example: `  spanwatch-agent alerts --state ./state --format json | jq .description
  spanwatch-agent alerts --severity high --level write --since 24h`,
	}, alertList, func(snap *state.Snapshot) ([]detect.Alert, error) {
		if err := firstError(oneOf("severity", severity, severities), oneOf("level", level, levels)); err != nil {
			return nil, err
		}
		start, by, to := from.from(snap), newWho(actor, snap), newWho(target, snap)
		return filtered(gravestFirst(snap.Alerts), func(a *detect.Alert) bool {
			return graverSeverity(a.Severity, severity) && graverLevel(a.Level, level) && !a.LastTime.Before(start) &&
				by.is(a.Actor, a.ActorIP) && to.is(a.Target, a.TargetIP)
		}), nil
	}, nil)
	f := cmd.Flags()
	f.StringVar(&severity, "severity", "", "only alerts of this severity or a graver one: "+strings.Join(severities, ", "))
	f.StringVar(&level, "level", "", "only alerts of this level or a graver one: "+strings.Join(levels, ", "))
	f.StringVar(&actor, "actor", "", "only what this device did: address, network, id, or a part of the name")
	f.StringVar(&target, "target", "", "only what was done to this device")
	from.flag(f, "alerts that rose")
	return cmd
}

func signalsCommand() *cobra.Command {
	var rule, actor, target string
	var from since
	cmd := listCommand(&cobra.Command{
		Use:     "signals",
		Short:   "Show what is suspicious, but proves nothing by itself",
		Example: "  spanwatch-agent signals --state ./state --since 24h",
	}, signalList, func(snap *state.Snapshot) ([]detect.Signal, error) {
		var rules []string
		for i := range snap.Signals {
			rules = append(rules, snap.Signals[i].Rule)
		}
		slices.Sort(rules)
		if err := oneOf("rule", rule, slices.Compact(rules)); err != nil {
			return nil, err
		}
		start, by, to := from.from(snap), newWho(actor, snap), newWho(target, snap)
		return filtered(snap.Signals, func(s *detect.Signal) bool {
			return (rule == "" || s.Rule == rule) && !s.LastTime.Before(start) && by.is(s.Actor, s.ActorIP) && to.is(s.Target, s.TargetIP)
		}), nil
	}, nil)
	f := cmd.Flags()
	f.StringVar(&rule, "rule", "", "only signals of this rule")
	f.StringVar(&actor, "actor", "", "only what this device did: address, network, id, or a part of the name")
	f.StringVar(&target, "target", "", "only what was done to this device")
	from.flag(f, "signals seen")
	return cmd
}

func coverageCommand() *cobra.Command {
	var protocol string
	cmd := listCommand(&cobra.Command{
		Use:   "coverage",
		Short: "Show how much of the traffic was understood, and what was not",
		Example: `  spanwatch-agent coverage --state ./state
  spanwatch-agent coverage --protocol modbus --sort -lost`,
	}, coverageList, func(snap *state.Snapshot) ([]graph.Coverage, error) {
		if err := oneOf("protocol", protocol, labels(snap)); err != nil {
			return nil, err
		}
		return filtered(snap.Coverage, func(c *graph.Coverage) bool { return protocol == "" || c.Protocol == protocol }), nil
	}, nil)
	cmd.Flags().StringVar(&protocol, "protocol", "", "only this protocol, without the total")
	return cmd
}
