package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// formatFlag is the flag of every command that lists.
func formatFlag(cmd *cobra.Command, format *string) {
	cmd.Flags().StringVar(format, "format", "table", "table, json or csv")
}

// column is one column of a list.
type column[R any] struct {
	name string
	text func(*R) string
}

// listing shows records of one kind: as a table of few columns, as CSV of many, as JSON lines whole.
type listing[R any] struct {
	table []column[R]
	more  []column[R] // in CSV, behind those of the table
	empty string      // what to say on standard error when there is nothing
}

func (l listing[R]) write(out io.Writer, format string, records []R) error {
	switch format {
	case "json":
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		for i := range records {
			if err := lines.Encode(&records[i]); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		return l.writeCSV(out, records)
	}
	if len(records) == 0 {
		fmt.Fprintln(os.Stderr, l.empty)
		return nil
	}
	return l.writeTable(out, records)
}

// checkFormat refuses a format that no list has.
func checkFormat(format string) error {
	switch format {
	case "table", "json", "csv":
		return nil
	}
	return usagef("--format %q: choose table, json or csv", format)
}

func (l listing[R]) writeTable(out io.Writer, records []R) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := make([]string, len(l.table))
	for i, c := range l.table {
		line[i] = c.name
	}
	fmt.Fprintln(w, strings.Join(line, "\t"))
	for r := range records {
		for i, c := range l.table {
			line[i] = printable(c.text(&records[r]))
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}

func (l listing[R]) writeCSV(out io.Writer, records []R) error {
	columns := append(append([]column[R]{}, l.table...), l.more...)
	w := csv.NewWriter(out)
	line := make([]string, len(columns))
	for i, c := range columns {
		line[i] = strings.ReplaceAll(strings.ToLower(c.name), " ", "_")
	}
	if err := w.Write(line); err != nil {
		return err
	}
	for r := range records {
		for i, c := range columns {
			line[i] = c.text(&records[r])
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// printable gives a cell of a table: what a device said about itself must not move the cursor of the terminal it is shown
// on, and an empty cell shows as a dash.
func printable(text string) string {
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// stamp gives a time for people and scripts.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// first gives the first of a list, or nothing.
func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
