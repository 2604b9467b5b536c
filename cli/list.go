package cli

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

// Formats are the forms of a list.
var Formats = []string{"table", "json", "csv"}

// FormatFlag adds the flag of every command that lists.
func FormatFlag(cmd *cobra.Command, format *string, formats ...string) {
	cmd.Flags().StringVar(format, "format", "table", strings.Join(formats, ", "))
}

// CheckFormat refuses a format that the list does not have.
func CheckFormat(format string, formats ...string) error {
	if slices.Contains(formats, format) {
		return nil
	}
	last := len(formats) - 1
	return Usagef("--format %q: choose %s or %s", format, strings.Join(formats[:last], ", "), formats[last])
}

// Column is one column of a list.
type Column[R any] struct {
	Name string
	Text func(*R) string
}

// Field makes a column.
func Field[R any](name string, text func(*R) string) Column[R] { return Column[R]{name, text} }

// List shows records of one kind: as a table of few columns, as CSV of many, as JSON lines whole.
type List[R any] struct {
	Table []Column[R]
	More  []Column[R] // in CSV, behind those of the table
	Empty string      // what to say on standard error when there is nothing
}

// Write prints the records.
func (l List[R]) Write(out io.Writer, format string, records []R) error {
	switch {
	case format == "json":
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		for i := range records {
			if err := lines.Encode(&records[i]); err != nil {
				return err
			}
		}
		return nil
	case format == "csv":
		return l.csv(out, records)
	case len(records) == 0:
		_, err := fmt.Fprintln(os.Stderr, l.Empty)
		return err
	}
	names := make([]string, len(l.Table))
	rows := make([][]string, len(records))
	for i, c := range l.Table {
		names[i] = c.Name
	}
	for r := range records {
		rows[r] = cells(l.Table, &records[r])
	}
	return WriteTable(out, names, rows)
}

func (l List[R]) csv(out io.Writer, records []R) error {
	columns := slices.Concat(l.Table, l.More)
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = strings.ReplaceAll(strings.ToLower(c.Name), " ", "_")
	}
	rows := make([][]string, len(records))
	for r := range records {
		rows[r] = cells(columns, &records[r])
	}
	return WriteCSV(out, names, rows)
}

func cells[R any](columns []Column[R], record *R) []string {
	row := make([]string, len(columns))
	for i, c := range columns {
		row[i] = c.Text(record)
	}
	return row
}

// WriteTable prints rows under a heading, in columns.
func WriteTable(out io.Writer, names []string, rows [][]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(names, "\t"))
	for _, row := range rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = Printable(cell)
			if cell == "" {
				line[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}

// WriteCSV prints rows below a row of names. A cell that a spreadsheet would take for a formula is led by an
// apostrophe: much of what is listed was said by devices.
func WriteCSV(out io.Writer, names []string, rows [][]string) error {
	w := csv.NewWriter(out)
	if err := w.Write(names); err != nil {
		return err
	}
	for _, row := range rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = cell
			if cell != "" && strings.ContainsRune("=+@\t\r", rune(cell[0])) {
				line[i] = "'" + cell
			}
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// Printable keeps what a device said about itself from moving the cursor of the terminal it is shown on.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// Stamp gives a time for people and scripts; empty for none.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// First gives the first of a list, or nothing.
func First(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
