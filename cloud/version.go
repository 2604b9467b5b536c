package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version of a released build; the Makefile sets it from the tag.
var release = "0.1.0-dev"

func versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version and the commit",
		Example: "  spanwatch-cloud version --format json",
		Args:    arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			about := struct {
				Version  string `json:"version"`
				Commit   string `json:"commit"`
				Go       string `json:"go"`
				Platform string `json:"platform"`
			}{release, commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			switch format {
			case "json":
				return json.NewEncoder(cmd.OutOrStdout()).Encode(about)
			case "table":
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "spanwatch-cloud %s\ncommit    %s\ngo        %s\nplatform  %s\n",
					about.Version, about.Commit, about.Go, about.Platform)
				return err
			}
			return usagef("--format %q: choose table or json", format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "table", "table or json")
	return cmd
}

// commit is the revision that the toolchain recorded in the binary.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, modified := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = " (modified)"
		}
	}
	return revision + modified
}
