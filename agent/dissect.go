package main

import (
	"errors"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/cli"
)

func dissectCommand() *cobra.Command {
	cfg := sensor.DissectConfig{Workers: runtime.GOMAXPROCS(0)}
	cmd := &cobra.Command{
		Use:   "dissect [--protocol P] CAPTURE...",
		Short: "Print one JSON line per protocol message, in the order of capture",
		Example: `  spanwatch-agent dissect plant.pcapng
  spanwatch-agent dissect --protocol modbus plant.pcap.gz | jq 'select(.action == "write")'`,
		Args: cli.Arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Captures = args
			warning, err := sensor.Dissect(cmd.Context(), cfg, os.Stdout)
			if errors.Is(err, sensor.ErrProtocol) {
				return cli.Usagef("%w", err)
			}
			if warning != "" {
				cli.Warn(cmd, warning)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&cfg.Protocol, "protocol", "", "only this protocol: "+strings.Join(sensor.Protocols(), ", "))
	return cmd
}
