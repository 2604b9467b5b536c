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
	Long bool // a table that is too wide may cut the cells
	Wide bool // a table with a width leaves the column out
}

// Field makes a column.
func Field[R any](name string, text func(*R) string) Column[R] {
	return Column[R]{Name: name, Text: text}
}

// Long makes a column whose cells may be cut where a table would be wider than its reader's terminal.
func Long[R any](name string, text func(*R) string) Column[R] {
	return Column[R]{Name: name, Text: text, Long: true}
}

// Wide makes a column that tables have only where they may be as wide as they become.
func Wide[R any](name string, text func(*R) string) Column[R] {
	return Column[R]{Name: name, Text: text, Wide: true}
}

// List shows records of one kind: as a table of few columns, as CSV of many, as JSON lines whole.
type List[R any] struct {
	Table []Column[R]
	Wide  []Column[R] // in a wide table, behind the others; in CSV always
	More  []Column[R] // in CSV, behind those of tables
	Empty string      // what to say on standard error when there is nothing
}

// Write prints the records, however wide a table becomes.
func (l List[R]) Write(out io.Writer, format string, records []R) error {
	return l.Show(out, View{Format: format}, records)
}

// Show prints the records as a view wants them.
func (l List[R]) Show(out io.Writer, v View, records []R) error {
	head, lines, err := l.render(v, records)
	if err != nil {
		return err
	}
	if len(lines) == 0 && v.Format != "json" && v.Format != "csv" {
		_, err := fmt.Fprintln(os.Stderr, l.Empty)
		return err
	}
	_, err = io.WriteString(out, head+strings.Join(lines, ""))
	return err
}

// render gives what stands above the records, and a text for each.
func (l List[R]) render(v View, records []R) (head string, lines []string, err error) {
	columns := slices.Concat(l.Table, l.Wide, l.More)
	records, err = arrange(v, columns, records)
	if err != nil {
		return "", nil, err
	}
	switch v.Format {
	case "json":
		for i := range records {
			var line strings.Builder
			one := json.NewEncoder(&line)
			one.SetEscapeHTML(false)
			if err := one.Encode(&records[i]); err != nil {
				return "", nil, err
			}
			lines = append(lines, line.String())
		}
		return "", lines, nil
	case "csv":
		return renderCSV(columns, records)
	}
	columns = l.Table
	if v.Wide {
		columns = slices.Concat(l.Table, l.Wide)
	}
	if v.Width > 0 {
		columns = slices.DeleteFunc(slices.Clone(columns), func(c Column[R]) bool { return c.Wide })
	}
	head, lines = renderTable(columns, records, v.Width)
	return head, lines, nil
}

func renderCSV[R any](columns []Column[R], records []R) (head string, lines []string, err error) {
	rows := make([][]string, 1, len(records)+1)
	for _, c := range columns {
		rows[0] = append(rows[0], keyword(c.Name))
	}
	for r := range records {
		rows = append(rows, cells(columns, &records[r]))
	}
	for i, row := range rows {
		if i > 0 {
			guard(row)
		}
		var line strings.Builder
		w := csv.NewWriter(&line)
		if err := w.Write(row); err != nil {
			return "", nil, err
		}
		w.Flush()
		lines = append(lines, line.String())
	}
	return lines[0], lines[1:], nil
}

// keyword is the name of a column where it stands in CSV and on the command line.
func keyword(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }

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

// WriteCSV prints rows below a row of names.
func WriteCSV(out io.Writer, names []string, rows [][]string) error {
	w := csv.NewWriter(out)
	if err := w.Write(names); err != nil {
		return err
	}
	for _, row := range rows {
		line := slices.Clone(row)
		guard(line)
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// guard leads a cell that a spreadsheet would take for a formula by an apostrophe: much of what is listed was said by
// devices.
func guard(row []string) {
	for i, cell := range row {
		if cell != "" && strings.ContainsRune("=+@\t\r", rune(cell[0])) {
			row[i] = "'" + cell
		}
	}
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
