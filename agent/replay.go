package main

import (
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
)

func replayCommand() *cobra.Command {
	var cfg sensor.Config
	var asJSON bool
	var speed, learnUntil, config string
	cmd := &cobra.Command{
		Use:   "replay [flags] CAPTURE...",
		Short: "Run the sensor over capture files",
		Long: `Run the same sensor as on a live interface with capture files as its source: pcap or
pcapng, also .gz and .zst; "-" is standard input. Several captures are merged by time.
It ends when they end.

Without CAPTURE, but with --state and --collector, it sends what waits in the spool.`,
		Example: `  spanwatch-agent replay plant.pcapng
  spanwatch-agent replay --site Plant1 --verdicts verdicts.jsonl --json plant.pcap.zst
  spanwatch-agent replay --state /var/lib/spanwatch --collector soc.example:4433 plant.pcap`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if cfg.Speed, err = parseSpeed(speed); err != nil {
				return err
			}
			if cmd.Flags().Changed("workers") && (cfg.Workers < 1 || cfg.Workers > sensor.MaxWorkers) {
				return cli.Usagef("--workers %d: choose 1 to %d", cfg.Workers, sensor.MaxWorkers)
			}
			if err := settleReplay(&cfg, learnUntil, config); err != nil {
				return err
			}
			if len(args) == 0 && (cfg.Collector == "" || cfg.StateDir == "") {
				return cli.Usagef("replay needs a capture file, or --state and --collector to send what waits there (see %s --help)", cmd.CommandPath())
			}
			cfg.Captures, cfg.Version, cfg.Log = args, release, cli.Logger()
			var done func()
			cfg.Progress, done = cli.ReadingProgress("reading", args)
			result, err := sensor.Replay(cmd.Context(), cfg)
			done()
			if err != nil {
				return err
			}
			for _, warning := range result.Warnings {
				cli.Warn(cmd, warning)
			}
			if asJSON {
				return writeRecords(os.Stdout, result)
			}
			return writeReport(os.Stdout, result)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Site, "site", "", "name of the site (default: the site of the certificate, else "+state.DefaultSite+")")
	f.StringVar(&cfg.StateDir, "state", "", "state directory (default: a temporary one, removed at the end)")
	f.StringVar(&cfg.Verdicts, "verdicts", "", "file of verdicts on devices: JSON lines, or CSV with a header")
	f.StringVar(&learnUntil, "learn-until", "", "end of the learning time, RFC 3339 (default: 14 days after the first packet)")
	f.StringVar(&cfg.Collector, "collector", "", "HOST:PORT of the collector to send to")
	f.StringVar(&cfg.Identity, "identity", "", "directory with ca.crt, sensor.crt and sensor.key (default: identity in the state directory)")
	f.DurationVar(&cfg.DrainTimeout, "drain-timeout", 30*time.Second, "how long to wait at the end for the collector's acknowledgements")
	f.IntVar(&cfg.Workers, "workers", 0, "number of workers; it changes nothing in the result (default: one per processor)")
	f.StringVar(&config, "config", "", "configuration file (YAML): site, networks, verdicts, learn_until, workers, collector, identity, state; flags win")
	f.StringVar(&speed, "speed", "max", "max, real, or a factor like 10x")
	f.BoolVar(&asJSON, "json", false, "print one JSON line per device, edge, variable, alert, coverage and summary record")
	return cmd
}

func parseSpeed(text string) (float64, error) {
	switch text {
	case "max":
		return 0, nil
	case "real":
		return 1, nil
	}
	factor, err := strconv.ParseFloat(strings.TrimSuffix(text, "x"), 64)
	if err != nil || !strings.HasSuffix(text, "x") || !(factor > 0) || factor > 1e6 {
		return 0, cli.Usagef("--speed %q: choose max, real, or a factor like 10x", text)
	}
	return factor, nil
}

// writeRecords prints the result as scripts read it: a line per record, each with its kind.
func writeRecords(out io.Writer, result *sensor.Result) error {
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for _, record := range result.Records() {
		if err := lines.Encode(record); err != nil {
			return err
		}
	}
	return nil
}
