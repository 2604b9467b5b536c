package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/bpf"
	"github.com/spanwatch/spanwatch/cli"
)

// release is the version of a released build; the Makefile sets it from the tag.
var release = "0.1.0-dev"

func versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and what this build understands",
		Example: "  spanwatch-agent version --format json",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			features, err := bpf.Features()
			if err != nil {
				return err
			}
			about := struct {
				Version   string   `json:"version"`
				Commit    string   `json:"commit"`
				Go        string   `json:"go"`
				Platform  string   `json:"platform"`
				Protocols []string `json:"protocols"`
				BPF       []string `json:"bpf"` // programs and tables for the kernel in this build
			}{release, cli.Commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, sensor.Protocols(), features}
			if err := cli.CheckFormat(format, "table", "json"); err != nil {
				return err
			}
			if format == "json" {
				return json.NewEncoder(os.Stdout).Encode(about)
			}
			_, err = fmt.Printf("spanwatch-agent %s\ncommit     %s\ngo         %s\nplatform   %s\nprotocols  %s\nbpf        %s\n",
				about.Version, about.Commit, about.Go, about.Platform, strings.Join(about.Protocols, ", "), strings.Join(about.BPF, ", "))
			return err
		},
	}
	cli.FormatFlag(cmd, &format, "table", "json")
	return cmd
}
