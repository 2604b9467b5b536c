package report

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cellWidth is the widest a cell of Markdown is: beyond it a terminal shows no table any more.
const cellWidth = 44

// markdown writes a report for a terminal, or for whatever shows Markdown.
func (r *Report) markdown(out io.Writer) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "# First-hour report: %s\n\n", literal(r.Site))
	fmt.Fprintf(w, "%s\n\n", r.span())
	for _, line := range r.Summary {
		fmt.Fprintf(w, "- %s\n", line)
	}
	for _, s := range r.sections() {
		fmt.Fprintf(w, "\n## %s\n\n", s.Title)
		if s.Lead != "" {
			fmt.Fprintf(w, "%s\n", literal(s.Lead))
		}
		if len(s.Rows) == 0 {
			continue
		}
		fmt.Fprintln(w)
		writeCells(w, s)
		if s.More > 0 {
			fmt.Fprintf(w, "\n… and %d more: see --format json.\n", s.More)
		}
		for _, note := range s.Notes {
			fmt.Fprintf(w, "\n- %s\n", literal(note))
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// span says what the report is about.
func (r *Report) span() string {
	if r.Until == nil {
		return "Nothing was seen."
	}
	return fmt.Sprintf("From %s to %s UTC (%s): %d packets, %s, %d devices, %d links.",
		stamp(*r.From), stamp(*r.Until), round(r.Until.Sub(*r.From)), r.Packets, size(r.Bytes), r.DeviceCount, r.EdgeCount)
}

func writeCells(w *bufio.Writer, s section) {
	rows := make([][]string, 0, len(s.Rows)+1)
	rows = append(rows, slices.Clone(s.Columns))
	for _, row := range s.Rows {
		rows = append(rows, slices.Clone(row))
	}
	widths := make([]int, len(s.Columns))
	for _, row := range rows {
		for i := range row {
			row[i] = literal(shorten(row[i], cellWidth))
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]), 3)
		}
	}
	for n, row := range rows {
		for i, cell := range row {
			fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for _, width := range widths {
				fmt.Fprintf(w, "|%s", strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// shorten cuts a text that is too long for a table, and says that it did.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}

// literal keeps what devices say of themselves from being taken for Markdown, for HTML within it, or for commands to the
// terminal.
func literal(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case !unicode.IsPrint(r):
			b.WriteByte(' ')
		case strings.ContainsRune("\\`*[]<>|&", r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
