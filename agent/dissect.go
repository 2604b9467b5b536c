package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

func dissectCommand() *cobra.Command {
	cfg := sensor.DissectConfig{Workers: runtime.GOMAXPROCS(0)}
	cmd := &cobra.Command{
		Use:   "dissect [--protocol P] CAPTURE...",
		Short: "Print one JSON line per protocol message, in the order of capture",
		Example: `  spanwatch-agent dissect plant.pcapng
  spanwatch-agent dissect --protocol modbus plant.pcap.gz | jq 'select(.action == "write")'`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Captures = args
			warning, err := sensor.Dissect(cmd.Context(), cfg, os.Stdout)
			if errors.Is(err, sensor.ErrProtocol) {
				return usageError{err}
			}
			if warning != "" {
				fmt.Fprintln(os.Stderr, "spanwatch-agent: warning:", oneLine(errors.New(warning)))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&cfg.Protocol, "protocol", "", "only this protocol: "+strings.Join(sensor.Protocols(), ", "))
	return cmd
}
