package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

// defaultState is where a sensor that runs as a service keeps its state.
const defaultState = "/var/lib/spanwatch/agent"

// listing is how records of one kind are shown: as a table of few columns, as CSV of many, as JSON lines whole.
type listing[R any] struct {
	records []R
	table   []column[R]
	csv     []column[R] // besides those of the table
	empty   string      // what to say on standard error when there is nothing
}

type column[R any] struct {
	name string
	text func(*R) string
}

func (l listing[R]) write(out io.Writer, format string) error {
	switch format {
	case "json":
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		for i := range l.records {
			if err := lines.Encode(&l.records[i]); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return l.writeCSV(out)
	}
	if len(l.records) == 0 {
		fmt.Fprintln(os.Stderr, l.empty)
		return nil
	}
	return l.writeTable(out)
}

func (l listing[R]) writeTable(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, c := range l.table {
		fmt.Fprint(w, c.name, separator(i, len(l.table)))
	}
	for r := range l.records {
		for i, c := range l.table {
			fmt.Fprint(w, dash(printable(c.text(&l.records[r]))), separator(i, len(l.table)))
		}
	}
	return w.Flush()
}

func separator(i, n int) string {
	if i == n-1 {
		return "\n"
	}
	return "\t"
}

func (l listing[R]) writeCSV(out io.Writer) error {
	columns := append(append([]column[R]{}, l.table...), l.csv...)
	w := csv.NewWriter(out)
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = columnName(c.name)
	}
	if err := w.Write(row); err != nil {
		return err
	}
	for r := range l.records {
		for i, c := range columns {
			row[i] = c.text(&l.records[r])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// show makes a command that reads the state directory and shows one kind of record.
func show(cmd *cobra.Command, formats []string, write func(io.Writer, state.Snapshot, string) error) *cobra.Command {
	var dir, format string
	cmd.Args = arguments(cobra.NoArgs)
	cmd.RunE = func(*cobra.Command, []string) (err error) {
		if !slices.Contains(formats, format) {
			return usagef("--format %q: choose one of %v", format, formats)
		}
		s, err := state.OpenRead(dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		snap, err := s.Load()
		if err != nil {
			return err
		}
		return write(os.Stdout, snap, format)
	}
	cmd.Flags().StringVar(&dir, "state", defaultState, "the sensor's state directory")
	cmd.Flags().StringVar(&format, "format", "table", fmt.Sprint(formats))
	return cmd
}

var formats = []string{"table", "json", "csv"}

func devicesCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "devices",
		Short:   "Show the site's devices",
		Example: "  spanwatch-agent devices --state ./state --format csv",
	}, formats, func(out io.Writer, snap state.Snapshot, format string) error {
		return deviceListing(snap.Devices).write(out, format)
	})
}

func graphCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "graph",
		Short:   "Show who talks to whom, over what, and does what",
		Example: "  spanwatch-agent graph --state ./state --format dot | dot -Tsvg > plant.svg",
	}, append([]string{"dot"}, formats...), func(out io.Writer, snap state.Snapshot, format string) error {
		if format == "dot" {
			return graph.WriteDOT(out, snap.Site, snap.Edges)
		}
		return edgeListing(snap.Edges).write(out, format)
	})
}

func alertsCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "alerts",
		Short:   "Show the alerts that were raised",
		Example: "  spanwatch-agent alerts --state ./state --format json | jq .description",
	}, formats, func(out io.Writer, snap state.Snapshot, format string) error {
		return alertListing(snap.Alerts).write(out, format)
	})
}

func coverageCommand() *cobra.Command {
	return show(&cobra.Command{
		Use:     "coverage",
		Short:   "Show how much of the traffic was understood, and what was not",
		Example: "  spanwatch-agent coverage --state ./state",
	}, formats, func(out io.Writer, snap state.Snapshot, format string) error {
		return coverageListing(snap.Coverage).write(out, format)
	})
}

func deviceListing(devices []inventory.Device) listing[inventory.Device] {
	return listing[inventory.Device]{
		records: devices, table: deviceColumns, csv: deviceDetails,
		empty: "no devices are known yet",
	}
}

func edgeListing(edges []graph.Edge) listing[graph.Edge] {
	return listing[graph.Edge]{records: edges, table: edgeColumns, csv: edgeDetails, empty: "no conversations are known yet"}
}

func alertListing(alerts []detect.Alert) listing[detect.Alert] {
	return listing[detect.Alert]{records: alerts, table: alertColumns, csv: alertDetails, empty: "no alerts"}
}

func coverageListing(coverage []graph.Coverage) listing[graph.Coverage] {
	return listing[graph.Coverage]{records: coverage, table: coverageColumns, csv: coverageDetails, empty: "no traffic was seen yet"}
}
