package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

// release is the version of a released build; the Makefile sets it from the tag.
var release = "0.1.0-dev"

func version() string { return release }

func versionCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the commit and what this build understands",
		Example: "  spanwatch-agent version --format json",
		Args:    arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			about := struct {
				Version   string   `json:"version"`
				Commit    string   `json:"commit"`
				Go        string   `json:"go"`
				Platform  string   `json:"platform"`
				Protocols []string `json:"protocols"`
				BPF       []string `json:"bpf"` // kernel programs in this build
			}{version(), commit(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, sensor.Protocols(), []string{}}
			switch format {
			case "json":
				return json.NewEncoder(os.Stdout).Encode(about)
			case "table":
				_, err := fmt.Printf("spanwatch-agent %s\ncommit     %s\ngo         %s\nplatform   %s\nprotocols  %s\nbpf        none (captures are read from files)\n",
					about.Version, about.Commit, about.Go, about.Platform, strings.Join(about.Protocols, ", "))
				return err
			default:
				return usagef("--format %q: choose table or json", format)
			}
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
