// Package cli holds what both command lines have in common, so that people and scripts meet one behaviour: exit codes,
// errors of one line that say what to do, lists as table, JSON lines or CSV, logs, and the version.
//
// It owns no command and reads no data. Everything here is for use by the main goroutine.
package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes that scripts rely on.
const (
	Done   = 0
	Failed = 1
	Usage  = 2
)

// Main runs the program's command line until it is done or interrupted, and exits.
func Main(root *cobra.Command) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := Execute(ctx, root, os.Args[1:])
	stop()
	os.Exit(code)
}

// Execute runs one command line, prints its error if it has one, and gives its exit code.
func Execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return Usagef("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil || errors.Is(err, syscall.EPIPE) { // a reader of our output that has had enough is no failure
		return Done
	}
	var code Exit
	if errors.As(err, &code) {
		return int(code)
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", root.Name(), OneLine(err.Error()))
	var usage usageError
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		return Usage
	}
	return Failed
}

// Exit is the error of a command that has already said why it failed; its value is the exit code.
type Exit int

// Error names the code.
func (e Exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Warn tells people something that did not keep the command from its work.
func Warn(root *cobra.Command, text string) {
	fmt.Fprintf(os.Stderr, "%s: warning: %s\n", root.Root().Name(), OneLine(text))
}

// OneLine keeps a message on one line, for people who read logs.
func OneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", "; ")), " ")
}

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usagef makes the error of a command line that cannot be meant: the program exits with Usage.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Arguments makes a wrong number of arguments an error of usage.
func Arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return Usagef("%w (see %s --help)", err, cmd.CommandPath())
		}
		return nil
	}
}

// Logger writes to standard error: for people on a terminal, for machines elsewhere.
func Logger() *slog.Logger {
	if term.IsTerminal(int(os.Stderr.Fd())) {
		return slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{TimeFormat: time.TimeOnly}))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}
