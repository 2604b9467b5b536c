// Command accuracy measures the sensor's dissection against tables that another dissector made of the same captures, and
// writes what it finds as Markdown.
//
// It owns the comparison: which column of a table stands for which key of a `dissect` record, how both are brought to one
// spelling, and which disagreements are understood. It reads the records as a script would, as lines of JSON, so that it
// measures what users get. It refuses to judge: a disagreement that no row of the explanations covers is reported as
// unexplained, whoever is right.
//
// Captures are compared one after the other, in the order of their names; nothing here is safe for concurrent use, and
// two runs write the same bytes.
//
// A capture NAME.pcap.gz below the folder of captures belongs to the tables NAME.pcap.TABLE.tsv.gz below the folder of
// tables: tab-separated, a line of column names first, a line for each message. Neither folder is part of the repository.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var errUsage = errors.New("accuracy: wrong usage")

// run is the command: flags, comparison, report.
func run(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet("accuracy", flag.ContinueOnError)
	flags.SetOutput(log)
	captures := flags.String("captures", "../shared/pcaps", "folder of captures")
	tables := flags.String("truth", "../shared/truth", "folder of reference tables")
	out := flags.String("out", "docs/accuracy.md", "where to write the report")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	c, err := compareCorpus(ctx, *captures, *tables)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	c.write(&page)
	if err := os.WriteFile(*out, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("accuracy: report: %w", err)
	}
	for _, t := range c.tables {
		fmt.Fprintln(log, t.line())
	}
	return nil
}

// compareCorpus compares all captures below one folder with the tables below the other.
func compareCorpus(ctx context.Context, captures, tables string) (*comparison, error) {
	c := newComparison()
	return c, c.corpus(ctx, captures, tables)
}

// corpus compares all captures.
func (c *comparison) corpus(ctx context.Context, captures, tables string) error {
	for _, folder := range []struct{ path, what, flag string }{
		{captures, "captures", "-captures"}, {tables, "reference tables", "-truth"},
	} {
		if info, err := os.Stat(folder.path); err != nil || !info.IsDir() {
			return fmt.Errorf("accuracy: no folder of %s at %s: it is not part of this repository; say with %s where it is", folder.what, folder.path, folder.flag)
		}
	}
	err := filepath.WalkDir(captures, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".gz") {
			return err
		}
		name, err := filepath.Rel(captures, path)
		if err != nil {
			return err
		}
		return c.capture(ctx, filepath.ToSlash(name), path, filepath.Join(tables, strings.TrimSuffix(name, ".gz")))
	})
	if err != nil {
		return fmt.Errorf("accuracy: %w", err)
	}
	if c.captures == 0 {
		return fmt.Errorf("accuracy: %s holds no captures", captures)
	}
	return nil
}
