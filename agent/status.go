package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/admin"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/capture/live"
	"github.com/spanwatch/spanwatch/cli"
)

func statusCommand() *cobra.Command {
	var dir, format string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Show how the running sensor is: interfaces, drops by place, what waits for the collector",
		Example: "  spanwatch-agent status --state ./state --format json | jq .interfaces",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.CheckFormat(format, cli.Formats...); err != nil {
				return err
			}
			h, err := admin.Status(cmd.Context(), dir)
			if err != nil {
				return err
			}
			if format == "json" {
				return json.NewEncoder(os.Stdout).Encode(h)
			}
			if format == "table" {
				writeHealth(os.Stdout, &h)
			}
			return interfaceList.Write(os.Stdout, format, h.Interfaces)
		},
	}
	cmd.Flags().StringVar(&dir, "state", defaultState, "the sensor's state directory")
	cli.FormatFlag(cmd, &format, cli.Formats...)
	return cmd
}

// writeHealth tells a person how the sensor is, the interfaces apart.
func writeHealth(out io.Writer, h *sensor.Health) {
	fmt.Fprintf(out, "site %s, version %s, up %s, %d workers, %.1f s of processor time, %d MiB at most\n",
		cli.Printable(h.Site), h.Version, (time.Duration(h.Uptime) * time.Second).String(), h.Workers, h.CPUSeconds, h.MaxRSS>>20)
	fmt.Fprintf(out, "%d devices, %d edges, %d alerts, saved %s\n", h.Devices, h.Edges, h.Alerts, cli.Stamp(h.Saved))
	if h.SaveError != "" {
		fmt.Fprintf(out, "what is known cannot be saved: %s; %d alerts wait in memory\n", cli.Printable(cli.OneLine(h.SaveError)), h.Unraised)
	}
	d := h.Counters.Dropped
	fmt.Fprintf(out, "%d packets read; dropped: %d by network cards, %d for want of room in rings, %d records of the spool\n",
		h.Counters.Packets, d.NIC, d.Ring, d.Spool)
	fmt.Fprintln(out, cli.Printable(h.Privileges))
	switch {
	case h.Collector == "":
		fmt.Fprintln(out, "no collector")
	default:
		fmt.Fprintf(out, "collector %s: %d changes of alerts and %d other records wait for its acknowledgement\n",
			h.Collector, h.Waiting.Alerts, h.Waiting.Routine)
	}
	for i := range h.Interfaces {
		if s := &h.Interfaces[i]; s.Reason != "" || s.Offloads != "" {
			fmt.Fprintf(out, "%s: %s", s.Interface, s.Mode)
			if s.Reason != "" {
				fmt.Fprintf(out, " because %s", s.Reason)
			}
			if s.Offloads != "" {
				fmt.Fprintf(out, "; frames may come merged (%s)", s.Offloads)
			}
			fmt.Fprintln(out)
		}
	}
	fmt.Fprintln(out)
}

var interfaceList = cli.List[live.Status]{
	Empty: "no interface",
	Table: []cli.Column[live.Status]{
		cli.Field("INTERFACE", func(s *live.Status) string { return s.Interface }),
		cli.Field("LINK", func(s *live.Status) string {
			switch {
			case !s.Present:
				return "gone"
			case !s.Up:
				return "down"
			}
			return "up"
		}),
		cli.Field("MODE", func(s *live.Status) string { return string(s.Mode) }),
		cli.Field("RECEIVED", func(s *live.Status) string { return fmt.Sprint(s.NIC.Received) }),
		cli.Field("READ", func(s *live.Status) string { return fmt.Sprint(s.Ring.Received) }),
		cli.Field("DROP NIC", func(s *live.Status) string { return fmt.Sprint(s.NIC.Dropped) }),
		cli.Field("DROP RING", func(s *live.Status) string { return fmt.Sprint(s.Ring.Dropped) }),
		cli.Field("SENT", func(s *live.Status) string { return fmt.Sprint(s.NIC.Transmitted) }),
	},
	More: []cli.Column[live.Status]{
		cli.Field("REASON", func(s *live.Status) string { return s.Reason }),
		cli.Field("COUNTED", func(s *live.Status) string { return fmt.Sprint(s.Kernel.Flows) }),
		cli.Field("OVERFLOW", func(s *live.Status) string { return fmt.Sprint(s.Kernel.Overflow) }),
		cli.Field("MERGED", func(s *live.Status) string { return fmt.Sprint(s.Ring.Merged) }),
		cli.Field("TRUNCATED", func(s *live.Status) string { return fmt.Sprint(s.Ring.Truncated) }),
	},
}
