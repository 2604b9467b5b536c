package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
)

// table says how a reference table and our records of one protocol are compared.
type table struct {
	name     string // in the names of the reference's files
	protocol string // the label of our records
	about    string // what the reader of the report must know about the reference
	// counts tells which of our records the table is about; nil: all of the protocol.
	counts func(*record) bool
	// fold brings the reference's rows to one per message, and gives how many rows were parts of one; nil: they are.
	fold func([]*row) (messages []*row, parts int)
	// asks tells who must have sent such a message, "client" or "server"; empty where the message does not tell.
	asks     func(*row) string
	function field
	fields   []field
	// without are the columns that have no counterpart in our records, and why.
	without []column
}

type column struct{ names, reason string }

// field is a column and its counterpart. Both functions give the same spelling, empty where there is no such field.
type field struct {
	column, key string
	want        func(*row) string
	got         func(*record) string
	// applies tells where the column and the key mean the same; nil: everywhere.
	applies func(*row, *record) bool
}

// disagreement is what explanations look at. A row or record that is nil is not there.
type disagreement struct {
	capture   string
	row       *row
	record    *record
	want, got string
}

// Names of fields in the report that are no columns.
const (
	onlyReference = "message only in the reference"
	onlyOurs      = "message only in our records"
	sender        = "sender"
	direction     = "direction"
	clock         = "time"
)

// tally counts the comparisons of one field.
type tally struct{ compared, equal, explained, unexplained int }

// classKey is what disagreements of one class have in common; reason is empty where none is known.
type classKey struct{ field, shape, reason string }

// class is a kind of disagreement, with its first example in the order of captures.
type class struct {
	classKey
	count     int
	example   string
	want, got string
}

// outcome is the comparison of one table over all captures.
type outcome struct {
	*table
	captures int // that have messages of the protocol, in the reference or in our records
	rows     int // of the reference
	parts    int // rows that are parts of a message in a later row
	messages int // rows less parts
	matched  int // messages at the same place
	agreed   int // of those, with the same direction and function
	ours     int
	tallies  map[string]*tally
	order    []string // of the tallies
	classes  map[classKey]*class
}

// comparison is the comparison of all tables over all captures.
type comparison struct {
	captures int
	makers   map[string]bool // what made the reference tables
	tables   []*outcome
	explain  []explanation
	used     []int // how often each explanation was used
}

func newComparison() *comparison { return compareWith(tables(), explanations()) }

func compareWith(tables []*table, explain []explanation) *comparison {
	c := &comparison{makers: make(map[string]bool), explain: explain, used: make([]int, len(explain))}
	for _, t := range tables {
		o := &outcome{table: t, tallies: make(map[string]*tally), classes: make(map[classKey]*class)}
		for _, f := range append([]string{sender, direction, clock, t.function.column}, columns(t.fields)...) {
			o.order, o.tallies[f] = append(o.order, f), new(tally)
		}
		c.tables = append(c.tables, o)
	}
	return c
}

func columns(fields []field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.column
	}
	return names
}

// capture compares one capture with its tables.
func (c *comparison) capture(ctx context.Context, name, path, tables string) error {
	records, err := dissect(ctx, path)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c.captures++
	maker, err := readMaker(tables + ".meta.tsv.gz")
	if err != nil {
		return err
	}
	if maker != "" {
		c.makers[maker] = true
	}
	for _, o := range c.tables {
		rows, err := readTable(tables + "." + o.name + ".tsv.gz")
		if err != nil {
			return err
		}
		if err := c.compare(o, name, rows, records[o.protocol]); err != nil {
			return fmt.Errorf("%s: %s: %w", name, o.name, err)
		}
	}
	return nil
}

// compare matches the rows and records of one capture by place, and compares what matches.
func (c *comparison) compare(o *outcome, capture string, rows []*row, records []*record) error {
	if o.counts != nil {
		records = slices.DeleteFunc(slices.Clone(records), func(r *record) bool { return !o.counts(r) })
	}
	o.rows += len(rows)
	if o.fold != nil {
		var parts int
		rows, parts = o.fold(rows)
		o.parts += parts
	}
	if len(rows)+len(records) > 0 {
		o.captures++
	}
	o.messages += len(rows)
	o.ours += len(records)
	at := make(map[place]*record, len(records))
	for _, r := range records {
		if at[r.place()] != nil {
			return fmt.Errorf("two records at frame %d, index %d", r.Frame, r.PDU)
		}
		at[r.place()] = r
	}
	seen := make(map[place]bool, len(rows))
	for _, w := range rows {
		if seen[w.place] {
			return fmt.Errorf("two rows at frame %d, index %d", w.frame, w.pdu)
		}
		seen[w.place] = true
		r := at[w.place]
		if r == nil {
			c.disagree(o, onlyReference, disagreement{capture: capture, row: w})
			continue
		}
		o.matched++
		c.message(o, capture, w, r)
	}
	for _, r := range records {
		if !seen[r.place()] {
			c.disagree(o, onlyOurs, disagreement{capture: capture, record: r})
		}
	}
	return nil
}

// message compares a row with the record at its place.
func (c *comparison) message(o *outcome, capture string, w *row, r *record) {
	same := func(name, want, got string) bool {
		return c.values(o, name, disagreement{capture, w, r, want, got})
	}
	agreed := same(sender, net.JoinHostPort(w.text("src"), w.text("sport")), r.sender())
	if who := o.asks(w); who != "" {
		agreed = same(direction, who, r.From) && agreed
	}
	agreed = same(o.function.column, o.function.want(w), o.function.got(r)) && agreed
	if agreed {
		o.agreed++
	}
	same(clock, w.text("time"), epoch(r.Time))
	for _, f := range o.fields {
		if f.applies == nil || f.applies(w, r) {
			same(f.column, f.want(w), f.got(r))
		}
	}
}

// values compares two spellings of one field and reports whether they are the same. Where both sides are silent there
// is nothing to compare.
func (c *comparison) values(o *outcome, name string, d disagreement) bool {
	if d.want == "" && d.got == "" {
		return true
	}
	t := o.tallies[name]
	t.compared++
	if d.want == d.got {
		t.equal++
		return true
	}
	if c.disagree(o, name, d) {
		t.explained++
	} else {
		t.unexplained++
	}
	return false
}

// disagree files a disagreement under its class and reports whether it is explained.
func (c *comparison) disagree(o *outcome, name string, d disagreement) bool {
	reason := ""
	for i, e := range c.explain {
		if e.table == o.name && slices.Contains(e.fields, name) && e.when(d) {
			reason = e.reason
			c.used[i]++
			break
		}
	}
	key := classKey{name, d.shape(), reason}
	k := o.classes[key]
	if k == nil {
		k = &class{classKey: key, example: d.where(), want: d.want, got: d.got}
		if d.row == nil {
			k.got = summary(d.record)
		}
		if d.record == nil {
			k.want = strings.TrimSpace(cmp.Or(d.row.text("kind"), o.function.column) + " " + o.function.want(d.row))
		}
		o.classes[key] = k
	}
	k.count++
	return reason != ""
}

// Shapes of a disagreement.
const (
	shapeOurs      = "only ours"
	shapeReference = "only the reference"
	shapeBoth      = "differ"
)

// shape says which side is silent.
func (d disagreement) shape() string {
	switch {
	case d.row == nil || d.want == "" && d.record != nil:
		return shapeOurs
	case d.record == nil || d.got == "":
		return shapeReference
	default:
		return shapeBoth
	}
}

func (d disagreement) place() place {
	if d.row != nil {
		return d.row.place
	}
	return d.record.place()
}

func (d disagreement) where() string {
	at := d.place()
	return fmt.Sprintf("%s, frame %d, index %d", d.capture, at.frame, at.pdu)
}

func summary(r *record) string {
	if r.Reason != "" {
		return r.Message + " (" + r.Reason + ")"
	}
	return r.Message
}
