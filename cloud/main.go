// Command spanwatch-cloud is the collector: it takes what sensors found, makes incidents of it, and shows them to
// analysts. This package holds the command line only.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes that scripts rely on.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:]))
}

// execute runs one command line and gives its exit code.
func execute(ctx context.Context, args []string) int {
	root := rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, syscall.EPIPE): // the reader of our output has had enough
		return exitDone
	}
	fmt.Fprintln(os.Stderr, "spanwatch-cloud:", oneLine(err))
	var usage usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return exitUsage
	}
	return exitFailed
}

// oneLine keeps an error on one line, for people who read logs.
func oneLine(err error) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(err.Error(), "\n", "; ")), " ")
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "spanwatch-cloud",
		Short: "Collect what sensors found, and show analysts the incidents in it",
		Long: `spanwatch-cloud is the collector of Spanwatch sensors. Sensors connect to it over
mutual TLS 1.3 with an identity that it issued; analysts read its pages.`,
		Example: "  spanwatch-cloud certificate --site Plant1 --sensor span-1 --out identity\n" +
			"  spanwatch-cloud run",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          arguments(cobra.NoArgs),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(
		runCommand(), siteCommand(), sensorCommand(), certificateCommand(),
		incidentsCommand(), alertsCommand(), devicesCommand(), huntCommand(), versionCommand(),
	)
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}

// arguments makes a wrong number of arguments a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("%w (see %s --help)", err, cmd.CommandPath())
		}
		return nil
	}
}
