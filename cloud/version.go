package main

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
)

// release is the version of a released build; the Makefile sets it from the tag.
var release = "0.1.0-dev"

func versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version and the commit",
		Example: "  spanwatch-cloud version --format json",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			about := struct {
				Version  string `json:"version"`
				Commit   string `json:"commit"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{release, cli.Commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if err := cli.CheckFormat(format, "table", "json"); err != nil {
				return err
			}
			if format == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(about)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "spanwatch-cloud %s\ncommit    %s\ngo        %s\nplatform  %s\n",
				about.Version, about.Commit, about.Go, about.Platform)
			return err
		},
	}
	cli.FormatFlag(cmd, &format, "table", "json")
	return cmd
}
