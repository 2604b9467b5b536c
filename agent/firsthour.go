package main

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/admin"
	"github.com/spanwatch/spanwatch/agent/report"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/cli"
)

func reportCommand() *cobra.Command {
	var cfg sensor.Config
	var dir, format, learnUntil, config string
	cmd := &cobra.Command{
		Use:   "report [--state DIR | CAPTURE...]",
		Short: "Print the first-hour report: what is there, who commands it, what is exposed, what changed",
		Long: `Print what the sensor knows of the site as a report to take into a meeting: devices by
level, who writes to controllers, what is reached from outside, what is spoken in the open,
what changed, and what the sensor could not see.

With CAPTURE it replays these files and reports on them alone; nothing is kept.`,
		Example: `  spanwatch-agent report --format html > plant.html
  spanwatch-agent report --format md plant.pcapng.gz | less`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.CheckFormat(format, report.Formats...); err != nil {
				return err
			}
			if len(args) == 0 {
				for _, name := range []string{"site", "verdicts", "learn-until", "config"} {
					if cmd.Flags().Changed(name) {
						return cli.Usagef("--%s is for a report on capture files: name them, or leave it out", name)
					}
				}
				snap, err := known(cmd, dir)
				if err != nil {
					return err
				}
				return report.Write(os.Stdout, format, &snap)
			}
			if cmd.Flags().Changed("state") {
				return cli.Usagef("--state is for a report without capture files: replay them with --state first, or leave it out")
			}
			if err := settleReplay(&cfg, learnUntil, config); err != nil {
				return err
			}
			cfg.StateDir, cfg.Collector = "", ""
			cfg.Captures, cfg.Version, cfg.Log = args, release, cli.Logger()
			result, err := sensor.Replay(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			for _, warning := range result.Warnings {
				cli.Warn(cmd, warning)
			}
			return report.Write(os.Stdout, format, &result.Snapshot)
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "state", defaultState, "the sensor's state directory")
	f.StringVar(&format, "format", "md", "html, md, json")
	f.StringVar(&cfg.Site, "site", "", "name of the site, for capture files (default "+state.DefaultSite+")")
	f.StringVar(&cfg.Verdicts, "verdicts", "", "file of verdicts on devices, for capture files")
	f.StringVar(&learnUntil, "learn-until", "", "end of the learning time, RFC 3339, for capture files")
	f.StringVar(&config, "config", "", "configuration file (YAML), for capture files; flags win")
	return cmd
}

// settleReplay puts together what the flags and the file of a replay say.
func settleReplay(cfg *sensor.Config, learnUntil, config string) (err error) {
	if learnUntil != "" {
		if cfg.LearnUntil, err = time.Parse(time.RFC3339, learnUntil); err != nil {
			return cli.Usagef("--learn-until %q is not a time like 2026-01-02T15:04:05Z", learnUntil)
		}
	}
	if config == "" {
		return nil
	}
	file, err := sensor.ReadFile(config)
	if err != nil {
		return err
	}
	file.Apply(cfg)
	return nil
}

// known gives what stands in a state directory. A sensor that runs there writes what it knows first; where it cannot, what
// it wrote before is shown.
func known(cmd *cobra.Command, dir string) (snap state.Snapshot, err error) {
	if err := admin.Save(cmd.Context(), dir); err != nil && !errors.Is(err, admin.ErrNotRunning) {
		cli.Warn(cmd, "the sensor cannot save what it knows now, this is what it saved before: "+err.Error())
	}
	return stored(dir)
}

// stored gives what stands in a state directory.
func stored(dir string) (snap state.Snapshot, err error) {
	s, err := state.OpenRead(dir)
	if err != nil {
		return snap, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Load()
}
