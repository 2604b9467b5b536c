// Command spanwatch-cloud is the collector: it takes what sensors found, makes incidents of it, and shows them to
// analysts. This package holds the command line only.
package main

import (
	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
)

func main() { cli.Main(rootCommand()) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "spanwatch-cloud",
		Short: "Collect what sensors found, and show analysts the incidents in it",
		Long: `spanwatch-cloud is the collector of Spanwatch sensors. Sensors connect to it over
mutual TLS 1.3 with an identity that it issued; analysts read its pages.`,
		Example: "  spanwatch-cloud certificate --site Plant1 --sensor span-1 --out identity\n" +
			"  spanwatch-cloud run",
		Args: cli.Arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		runCommand(), siteCommand(), sensorCommand(), certificateCommand(),
		incidentsCommand(), alertsCommand(), devicesCommand(), huntCommand(), versionCommand(),
	)
	return root
}
