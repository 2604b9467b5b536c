package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
)

// defaultState is where a sensor that runs as a service keeps its state.
const defaultState = "/var/lib/spanwatch/agent"

// show makes a command that reads the state directory and shows one kind of record.
func show(cmd *cobra.Command, formats []string, write func(io.Writer, state.Snapshot, string) error) *cobra.Command {
	var dir, format string
	cmd.Args = cli.Arguments(cobra.NoArgs)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := cli.CheckFormat(format, formats...); err != nil {
			return err
		}
		snap, err := known(cmd, dir)
		if err != nil {
			return err
		}
		return write(os.Stdout, snap, format)
	}
	cmd.Flags().StringVar(&dir, "state", defaultState, "the sensor's state directory")
	cli.FormatFlag(cmd, &format, formats...)
	return cmd
}

func devicesCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "devices",
		Short:   "Show the site's devices",
		Example: "  spanwatch-agent devices --state ./state --format csv",
	}, cli.Formats, func(out io.Writer, snap state.Snapshot, format string) error {
		return deviceList.Write(out, format, byAddress(snap.Devices))
	})
}

func graphCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "graph",
		Short:   "Show who talks to whom, over what, and does what",
		Example: "  spanwatch-agent graph --state ./state --format dot | dot -Tsvg > plant.svg",
	}, append([]string{"dot"}, cli.Formats...), func(out io.Writer, snap state.Snapshot, format string) error {
		if format == "dot" {
			names := make(map[string]string, len(snap.Devices))
			for i := range snap.Devices {
				names[snap.Devices[i].ID] = cli.Printable(cli.First(snap.Devices[i].Names))
			}
			return graph.WriteDOT(out, snap.Site, snap.Edges, names)
		}
		return edgeList.Write(out, format, snap.Edges)
	})
}

func alertsCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "alerts",
		Short:   "Show the alerts that were raised",
		Example: "  spanwatch-agent alerts --state ./state --format json | jq .description",
	}, cli.Formats, func(out io.Writer, snap state.Snapshot, format string) error {
		return alertList.Write(out, format, gravestFirst(snap.Alerts))
	})
}

func coverageCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "coverage",
		Short:   "Show how much of the traffic was understood, and what was not",
		Example: "  spanwatch-agent coverage --state ./state",
	}, cli.Formats, func(out io.Writer, snap state.Snapshot, format string) error {
		return coverageList.Write(out, format, snap.Coverage)
	})
}
