package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// sum adds up the tallies of all fields.
func (o *outcome) sum() tally {
	var all tally
	for _, t := range o.tallies {
		all.add(*t)
	}
	return all
}

func (t *tally) add(u tally) {
	t.compared += u.compared
	t.equal += u.equal
	t.explained += u.explained
	t.unexplained += u.unexplained
}

// share is the part of the fields that are equal, of those whose disagreement is not explained.
func (t tally) share() string { return percent(t.equal, t.compared-t.explained) }

// percent rounds down, so that 100 means all.
func percent(part, whole int) string {
	switch {
	case whole == 0:
		return "–"
	case part == whole:
		return "100"
	default:
		hundredths := part * 10000 / whole
		return fmt.Sprintf("%d.%02d", hundredths/100, hundredths%100)
	}
}

// line sums a table up for the terminal.
func (o *outcome) line() string {
	all := o.sum()
	return fmt.Sprintf("%s: %d of %d messages agree, %d of %d fields are equal, %d differ and are explained, %d are not",
		o.name, o.agreed, o.messages, all.equal, all.compared, all.explained, all.unexplained)
}

const preface = `# Accuracy of dissection

This page is written by ` + "`make accuracy`" + `; a change by hand is lost with the next run. The command dissects each capture of a
collection of public ones with the sensor (` + "`spanwatch-agent dissect`" + `) and compares the records, field by field, with tables that
another dissector made of the same captures. Neither captures nor tables are ours to ship: the command looks for them beside
the checkout, in ` + "`../shared`" + `.

What it means, and what it does not:

- A message is compared when both have it at the same place: the frame that completed it, and its index among the messages
  of its protocol in that frame. A message that only one side has is a disagreement, too.
- A field is compared wherever at least one side has it. A field that only we have, or only the reference, is a
  disagreement.
- The reference is a reference, not the truth. A disagreement is *explained* when a reason is known that accounts for it,
  read in the bytes of at least one message of its kind or in the reference's own columns;
  most are faults or limits of the reference. Explanations are rows of a table in ` + "`scripts/accuracy`" + `, as narrow as
  they could be made. What no row covers is *unexplained*, whoever is right.
- Per cent are rounded down. Those of the summary's last column leave the explained disagreements out.
- The dissectors were developed with these captures at hand. The figures say how well they agree on known traffic,
  malformed and synthetic captures included, not what they make of traffic that nobody has seen.
`

// write writes the report.
func (c *comparison) write(w io.Writer) {
	fmt.Fprint(w, preface)
	fmt.Fprintf(w, "\n%d captures were read. ", c.captures)
	if len(c.makers) > 0 {
		fmt.Fprintf(w, "The tables were made with %s.", strings.Join(slices.Sorted(maps.Keys(c.makers)), " and "))
	}
	fmt.Fprintln(w)
	c.writeSummary(w)
	for _, o := range c.tables {
		o.write(w)
	}
}

func (c *comparison) writeSummary(w io.Writer) {
	fmt.Fprint(w, `
| table | captures | messages of the reference | matched | same direction and function | only ours | fields compared | equal | explained | unexplained | equal but for the explained |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`)
	for _, o := range c.tables {
		t := o.sum()
		fmt.Fprintf(w, "| [%s](#%s) | %d | %d | %d | %d (%s %%) | %d | %d | %d (%s %%) | %d | %d | %s %% |\n", o.name, o.name, o.captures, o.messages,
			o.matched, o.agreed, percent(o.agreed, o.messages), o.ours-o.matched, t.compared, t.equal, percent(t.equal, t.compared), t.explained, t.unexplained, t.share())
	}
}

func (o *outcome) write(w io.Writer) {
	fmt.Fprintf(w, "\n## %s\n\n", o.name)
	if o.about != "" {
		fmt.Fprintf(w, "%s\n\n", o.about)
	}
	fmt.Fprintf(w, "The reference has %d rows", o.rows)
	if o.parts > 0 {
		fmt.Fprintf(w, ", of which %d are parts of a message that ends in a later one", o.parts)
	}
	fmt.Fprintf(w, "; %d messages are matched. Our records are %d; %d have no row in the reference.\n", o.matched, o.ours, o.ours-o.matched)
	o.writeFields(w)
	o.writeClasses(w, "Explained", func(k *class) bool { return k.reason != "" })
	o.writeClasses(w, "Unexplained", func(k *class) bool { return k.reason == "" })
	fmt.Fprint(w, "\nNot compared:\n\n")
	for _, c := range o.without {
		fmt.Fprintf(w, "- %s: %s\n", c.names, c.reason)
	}
}

func (o *outcome) writeFields(w io.Writer) {
	fmt.Fprint(w, "\n| column | key of the record | compared | equal | explained | unexplained | per cent equal |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	var silent []string
	for _, name := range o.order {
		t := o.tallies[name]
		if t.compared == 0 {
			silent = append(silent, name)
			continue
		}
		fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %d | %s |\n", name, o.keyOf(name), t.compared, t.equal, t.explained, t.unexplained, percent(t.equal, t.compared))
	}
	if len(silent) > 0 {
		fmt.Fprintf(w, "\nIn no message on either side: %s.\n", strings.Join(silent, ", "))
	}
}

// keyOf gives the key of our records that a column is compared with.
func (o *outcome) keyOf(column string) string {
	switch column {
	case sender:
		return "`client` or `server`, by `from`"
	case direction:
		return "`from`"
	case clock:
		return "`time`"
	}
	for _, f := range append([]field{o.function}, o.fields...) {
		if f.column == column {
			return "`" + strings.ReplaceAll(f.key, ", ", "`, `") + "`"
		}
	}
	return ""
}

// writeClasses lists classes of disagreement by their reason, those with the most cases first.
func (o *outcome) writeClasses(w io.Writer, title string, shown func(*class) bool) {
	byReason := make(map[string][]*class)
	count := make(map[string]int)
	total := 0
	for _, k := range o.classes {
		if shown(k) {
			byReason[k.reason] = append(byReason[k.reason], k)
			count[k.reason] += k.count
			total += k.count
		}
	}
	if total == 0 {
		fmt.Fprintf(w, "\n%s disagreements: none.\n", title)
		return
	}
	fmt.Fprintf(w, "\n%s disagreements: %d.\n\n", title, total)
	reasons := slices.SortedFunc(maps.Keys(byReason), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), strings.Compare(a, b))
	})
	for _, reason := range reasons {
		fmt.Fprintf(w, "- **%d**: %s\n", count[reason], cmp.Or(reason, "nobody knows why yet."))
		list := byReason[reason]
		slices.SortFunc(list, func(a, b *class) int {
			return cmp.Or(cmp.Compare(b.count, a.count), strings.Compare(a.field, b.field), strings.Compare(a.shape, b.shape))
		})
		for _, k := range list {
			fmt.Fprintf(w, "  - %s, %d×: %s (%s)\n", k.field, k.count, k.values(), k.example)
		}
	}
}

// values shows both sides of a class's example.
func (k *class) values() string {
	switch k.shape {
	case shapeOurs:
		return "only ours, " + quoted(k.got)
	case shapeReference:
		return "only the reference's, " + quoted(k.want)
	default:
		return "reference " + quoted(k.want) + ", ours " + quoted(k.got)
	}
}

// maxQuoted is how much of a value the report shows.
const maxQuoted = 60

func quoted(s string) string {
	if runes := []rune(s); len(runes) > maxQuoted {
		s = string(runes[:maxQuoted]) + "…"
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}
