package cli

import (
	"cmp"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// View says how a list is shown.
type View struct {
	Format string
	Wide   bool   // with the columns that not everybody wants
	Width  int    // of tables, in characters; 0: as wide as they become
	Sort   string // the name of a column, led by - to turn the order around; empty: the list's own order
	Limit  int    // 0: all
}

// ViewFlags adds the flags by which people choose a view.
func ViewFlags(cmd *cobra.Command, v *View, formats ...string) {
	FormatFlag(cmd, &v.Format, formats...)
	f := cmd.Flags()
	f.BoolVar(&v.Wide, "wide", false, "show more columns, and cut nothing")
	f.StringVar(&v.Sort, "sort", "", "sort by this column; -COLUMN turns the order around")
	f.IntVar(&v.Limit, "limit", 0, "show at most so many (default: all)")
}

// narrow is the width of tables where there is no terminal to ask.
const narrow = 80

// Check refuses what cannot be shown, and finds out how wide a table may be.
func (v *View) Check(formats ...string) error {
	if err := CheckFormat(v.Format, formats...); err != nil {
		return err
	}
	if v.Limit < 0 {
		return Usagef("--limit %d: choose 1 or more", v.Limit)
	}
	v.Width = narrow
	if width, _, err := term.GetSize(int(os.Stdout.Fd())); err == nil && width > 0 {
		v.Width = width
	}
	if v.Wide {
		v.Width = 0
	}
	return nil
}

// arrange sorts and limits records.
func arrange[R any](v View, columns []Column[R], records []R) ([]R, error) {
	if v.Sort != "" {
		name, backwards := strings.CutPrefix(v.Sort, "-")
		at := slices.IndexFunc(columns, func(c Column[R]) bool { return keyword(c.Name) == keyword(name) })
		if at < 0 {
			names := make([]string, len(columns))
			for i, c := range columns {
				names[i] = keyword(c.Name)
			}
			return nil, Usagef("--sort %q: choose one of %s", v.Sort, strings.Join(names, ", "))
		}
		records = slices.SortedStableFunc(slices.Values(records), func(a, b R) int {
			order := compareCells(columns[at].Text(&a), columns[at].Text(&b))
			if backwards {
				return -order
			}
			return order
		})
	}
	if v.Limit > 0 && len(records) > v.Limit {
		records = records[:v.Limit]
	}
	return records, nil
}

// compareCells sorts as people do: numbers by value, addresses by theirs, and anything else as text.
func compareCells(a, b string) int {
	x, errX := strconv.ParseFloat(strings.TrimSuffix(a, " %"), 64)
	y, errY := strconv.ParseFloat(strings.TrimSuffix(b, " %"), 64)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	p, errP := netip.ParseAddr(a)
	q, errQ := netip.ParseAddr(b)
	if errP == nil && errQ == nil {
		return p.Compare(q)
	}
	return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
}

const (
	columnGap = 2
	leastLong = 6 // the narrowest that a long column becomes
)

// renderTable gives the heading and the rows of a table that is no wider than width where cutting long cells can bring that
// about; 0: however wide.
func renderTable[R any](columns []Column[R], records []R, width int) (head string, lines []string) {
	rows := make([][]string, 1, len(records)+1)
	widths := make([]int, len(columns))
	for i, c := range columns {
		rows[0] = append(rows[0], c.Name)
		widths[i] = utf8.RuneCountInString(c.Name)
	}
	for r := range records {
		row := cells(columns, &records[r])
		for i, cell := range row {
			row[i] = cmp.Or(Printable(cell), "-")
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		rows = append(rows, row)
	}
	if width > 0 {
		fit(columns, widths, width)
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			cell = shorten(cell, widths[i])
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+columnGap))
			}
		}
		lines = append(lines, line.String()+"\n")
	}
	return lines[0], lines[1:]
}

// fit narrows long columns, the widest first, until the table is no wider than width.
func fit[R any](columns []Column[R], widths []int, width int) {
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; total > width; total-- {
		widest := -1
		for i, c := range columns {
			if c.Long && widths[i] > max(leastLong, len(c.Name)) && (widest < 0 || widths[i] >= widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
	}
}

// shorten cuts a text that is too long, and says that it did.
func shorten(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}
