package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/doctor"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/capture/live"
	"github.com/spanwatch/spanwatch/cli"
)

func doctorCommand() *cobra.Command {
	var c doctor.Config
	var config, format string
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE] [--interface IF]",
		Short: "Check this machine hop by hop and say what to do",
		Long: `Check the kernel, the privileges, each interface and what the switch mirrors to it, the
clock, the state directory, the certificate and the way to the collector. It changes
nothing, and sends nothing on the interfaces. Exit code 0 when nothing failed, 1 otherwise.`,
		Example: `  spanwatch-agent doctor --interface eth1
  spanwatch-agent doctor -c /etc/spanwatch/agent.yaml --format json | jq 'select(.result != "ok")'`,
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			formats := cli.Formats[:2]
			if err := cli.CheckFormat(format, formats...); err != nil {
				return err
			}
			if c.Listen < 0 || c.Listen > time.Hour {
				return cli.Usagef("--listen %s: choose up to 1h", c.Listen)
			}
			if err := readDoctorConfig(config, &c); err != nil {
				return err
			}
			return examine(cmd, c, format)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&config, "config", "c", "", "configuration file of the sensor (YAML); flags win")
	f.StringArrayVar(&c.Interfaces, "interface", nil, "interface to check; may be given several times")
	f.StringVar(&c.StateDir, "state", "", "state directory (default "+defaultState+")")
	f.StringVar(&c.Collector, "collector", "", "HOST:PORT of the collector")
	f.StringVar(&c.Identity, "identity", "", "directory with ca.crt, sensor.crt and sensor.key (default: identity in the state directory)")
	f.DurationVar(&c.Listen, "listen", 5*time.Second, "how long to listen to each interface; 0s: not at all")
	cli.FormatFlag(cmd, &format, cli.Formats[:2]...)
	return cmd
}

// readDoctorConfig takes from the sensor's file what the command line does not say.
func readDoctorConfig(path string, c *doctor.Config) error {
	if path != "" {
		file, err := sensor.ReadFile(path)
		if err != nil {
			return err
		}
		of, listen := sensor.Config{StateDir: c.StateDir, Collector: c.Collector, Identity: c.Identity}, live.Config{Interfaces: c.Interfaces}
		file.Apply(&of)
		file.Listen(&listen)
		c.StateDir, c.Collector, c.Identity, c.Interfaces = of.StateDir, of.Collector, of.Identity, listen.Interfaces
	}
	c.StateDir = cmp.Or(c.StateDir, defaultState)
	c.Identity = cmp.Or(c.Identity, filepath.Join(c.StateDir, "identity"))
	return nil
}

// examine prints each finding as it comes.
func examine(cmd *cobra.Command, c doctor.Config, format string) error {
	checks, failed := 0, 0
	var broken error
	doctor.Examine(cmd.Context(), c, func(f doctor.Finding) {
		checks++
		if f.Result == doctor.Failed {
			failed++
		}
		if err := writeFinding(f, format); err != nil {
			broken = err
		}
	})
	if broken != nil {
		return broken
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d checks failed", failed, checks)
	}
	return nil
}

func writeFinding(f doctor.Finding, format string) error {
	if format == "json" {
		lines := json.NewEncoder(os.Stdout)
		lines.SetEscapeHTML(false)
		return lines.Encode(f)
	}
	text := f.Found
	if f.Advice != "" {
		text += "; " + f.Advice
	}
	_, err := fmt.Printf("%-8s %-28s %s\n", f.Result, f.Check, cli.Printable(text))
	return err
}
