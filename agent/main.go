// Command spanwatch-agent is the sensor: it listens where it is told, understands what controllers are told, and says
// what it saw. This package holds the command line only; package sensor does the work.
package main

import (
	"github.com/spf13/cobra"

	"github.com/spanwatch/spanwatch/cli"
)

func main() { cli.Main(rootCommand()) }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "spanwatch-agent",
		Short: "Listen to an industrial network and say what its controllers are told",
		Long: `spanwatch-agent is an OT sensor. It reads mirrored traffic, keeps the site's device
inventory and communication graph, and raises an alert when a compromised device
reaches a controller. It never sends a frame on a monitored port.`,
		Example: "  spanwatch-agent replay --site Plant1 --verdicts verdicts.jsonl plant.pcapng.gz",
		Args:    cli.Arguments(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(
		runCommand(), replayCommand(), dissectCommand(),
		devicesCommand(), graphCommand(), reachCommand(), pathsCommand(), alertsCommand(), signalsCommand(), variablesCommand(), coverageCommand(),
		reportCommand(),
		baselineCommand(), approveCommand(), learnCommand(), unlearnCommand(),
		statusCommand(), doctorCommand(),
		versionCommand(),
	)
	return root
}
