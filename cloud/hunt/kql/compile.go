package kql

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan is a query ready to run.
type Plan struct {
	SQL     string
	Args    []any
	Columns []Column // of the result, in order
}

// TimeLayout is how times stand in the views and in arguments: UTC with nine digits, so that text order is time order.
const TimeLayout = "2006-01-02T15:04:05.000000000Z"

// Compile parses a query and writes SQL for it. Now is the time of now() and ago(). Faults are of type *Error.
func Compile(text string, now time.Time) (*Plan, error) {
	q, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := &compiler{now: now.UTC()}
	if err := c.from(q.table); err != nil {
		return nil, err
	}
	for i := range q.steps {
		s := &q.steps[i]
		if err := compileStep[s.op](c, s); err != nil {
			return nil, err
		}
	}
	return c.plan(), nil
}

// compiler holds the rows made so far: a SELECT statement, its arguments and its columns. Every step wraps the
// statement before it. Where rows have an order, a hidden column carries it through later steps.
type compiler struct {
	now     time.Time
	sql     string
	args    []any
	columns []Column
	ordered bool
}

// orderColumn cannot be written in a query: names there have no space.
const orderColumn = `" order"`

var compileStep = map[string]func(*compiler, *step) error{
	"where": (*compiler).where, "project": (*compiler).project, "project-away": (*compiler).projectAway,
	"extend": (*compiler).extend, "summarize": (*compiler).summarize, "count": (*compiler).count,
	"sort": (*compiler).sort, "top": (*compiler).top, "take": (*compiler).take, "distinct": (*compiler).distinct,
}

func (c *compiler) from(table token) error {
	names := make([]string, len(Schema))
	for i, t := range Schema {
		if t.Name == table.text {
			c.columns = slices.Clone(t.Columns)
			c.sql = "SELECT " + columnList(c.columns) + " FROM " + quote(t.Name)
			return nil
		}
		names[i] = t.Name
	}
	return table.at.errorf("there is no table %v%s", table, cmpOr(suggest(table.text, names), "; there are "+strings.Join(names, ", ")))
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// quote makes an identifier of a name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func columnList(columns []Column) string {
	list := make([]string, len(columns))
	for i, col := range columns {
		list[i] = quote(col.Name)
	}
	return strings.Join(list, ", ")
}

// output is one column of a SELECT list under construction.
type output struct {
	Column
	value value
}

// wrap makes the statement so far the source of the next: SELECT list FROM (…) rest.
func (c *compiler) wrap(list []output, rest string, args []any) {
	texts := make([]string, len(list), len(list)+1)
	var all []any
	c.columns = make([]Column, len(list))
	for i, o := range list {
		texts[i] = o.value.sql + " AS " + quote(o.Name)
		all = append(all, o.value.args...)
		c.columns[i] = o.Column
	}
	if c.ordered {
		texts = append(texts, orderColumn)
	}
	c.sql = "SELECT " + strings.Join(texts, ", ") + " FROM (" + c.sql + ")" + rest
	c.args = append(append(all, c.args...), args...)
}

// all gives every present column unchanged.
func (c *compiler) all() []output {
	list := make([]output, len(c.columns))
	for i, col := range c.columns {
		list[i] = output{col, value{sql: quote(col.Name), typ: col.Type}}
	}
	return list
}

func (c *compiler) plan() *Plan {
	text := "SELECT " + columnList(c.columns) + " FROM (" + c.sql + ")"
	if c.ordered {
		text += " ORDER BY " + orderColumn
	}
	return &Plan{SQL: text, Args: c.args, Columns: c.columns}
}

func (c *compiler) where(s *step) error {
	v, err := c.typed(s.exprs[0].expr, Bool)
	if err != nil {
		return err
	}
	c.wrap(c.all(), " WHERE "+v.sql, v.args)
	return nil
}

// outputs binds the expressions of project, extend, summarize and distinct and names their columns.
func (c *compiler) outputs(list []named, compile func(expr) (value, error)) ([]output, error) {
	var out []output
	for _, n := range list {
		v, err := compile(n.expr)
		if err != nil {
			return nil, err
		}
		col := Column{Name: n.name, Type: v.typ}
		if ref, ok := n.expr.(column); ok {
			if col.Name == "" {
				col.Name = ref.text
			}
			i, _ := c.find(ref.text)
			col.AlsoIn = c.columns[i].AlsoIn
		}
		if col.Name == "" {
			col.Name = defaultName(n.expr, len(out))
		}
		if slices.ContainsFunc(out, func(o output) bool { return o.Name == col.Name }) {
			return nil, n.expr.pos().errorf("there are two columns %q; name one of them: Other = …", col.Name)
		}
		out = append(out, output{col, v})
	}
	return forgetLost(out), nil
}

// forgetLost drops the second place of a column when that place is no longer there.
func forgetLost(out []output) []output {
	for i := range out {
		there := func(o output) bool { return o.Name == out[i].AlsoIn && o.Type == Dynamic }
		if out[i].AlsoIn != "" && !slices.ContainsFunc(out, there) {
			out[i].AlsoIn = ""
		}
	}
	return out
}

// defaultName is how a column without a name is called: count_, sum_X, X for bin(X, …), else Column1.
func defaultName(e expr, index int) string {
	f, ok := e.(call)
	if !ok {
		return fmt.Sprintf("Column%d", index+1)
	}
	argument := ""
	if len(f.args) > 0 {
		if col, ok := f.args[0].(column); ok {
			argument = col.text
		}
	}
	switch {
	case f.text == "bin" && argument != "":
		return argument
	case aggregates[f.text] != nil:
		return f.text + "_" + argument
	}
	return fmt.Sprintf("Column%d", index+1)
}

func (c *compiler) project(s *step) error {
	out, err := c.outputs(s.exprs, c.value)
	if err != nil {
		return err
	}
	c.wrap(out, "", nil)
	return nil
}

func (c *compiler) projectAway(s *step) error {
	list := c.all()
	for _, n := range s.exprs {
		ref := n.expr.(column)
		if _, err := c.column(ref); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(o output) bool { return o.Name == ref.text })
	}
	if len(list) == 0 {
		return s.at.errorf("project-away leaves no column")
	}
	c.wrap(forgetLost(list), "", nil)
	return nil
}

func (c *compiler) extend(s *step) error {
	added, err := c.outputs(s.exprs, c.value)
	if err != nil {
		return err
	}
	list := c.all()
	for _, o := range added {
		if i := slices.IndexFunc(list, func(x output) bool { return x.Name == o.Name }); i >= 0 {
			list[i] = o
		} else {
			list = append(list, o)
		}
	}
	c.wrap(forgetLost(list), "", nil)
	return nil
}

func (c *compiler) summarize(s *step) error {
	groups, err := c.outputs(s.by, c.value)
	if err != nil {
		return err
	}
	values, err := c.outputs(s.exprs, c.aggregate)
	if err != nil {
		return err
	}
	for _, v := range values {
		if slices.ContainsFunc(groups, func(g output) bool { return g.Name == v.Name }) {
			return s.at.errorf("there are two columns %q; name one of them: Other = …", v.Name)
		}
	}
	places := make([]string, len(groups))
	for i := range groups {
		places[i] = fmt.Sprint(i + 1)
	}
	rest := ""
	if len(groups) > 0 {
		rest = " GROUP BY " + strings.Join(places, ", ")
	}
	c.ordered = false
	c.wrap(forgetLost(append(groups, values...)), rest, nil)
	return nil
}

func (c *compiler) count(*step) error {
	c.ordered = false
	c.wrap([]output{{Column{Name: "Count", Type: Long}, value{sql: "count(*)", typ: Long}}}, "", nil)
	return nil
}

func (c *compiler) sort(s *step) error {
	var keys []string
	var args []any
	for _, o := range s.orders {
		v, err := c.value(o.expr)
		if err != nil {
			return err
		}
		direction, nulls := "DESC", "LAST"
		if o.asc {
			direction = "ASC"
		}
		if o.nullsFirst {
			nulls = "FIRST"
		}
		keys = append(keys, v.sql+" "+direction+" NULLS "+nulls)
		args = append(args, v.args...)
	}
	list := c.all()
	c.ordered = false
	visible := c.columns
	list = append(list, output{Column{Name: " order"}, value{
		sql: "row_number() OVER (ORDER BY " + strings.Join(keys, ", ") + ")", args: args, typ: Long,
	}})
	c.wrap(list, "", nil)
	c.columns, c.ordered = visible, true
	return nil
}

func (c *compiler) take(s *step) error {
	rest := ""
	if c.ordered {
		rest = " ORDER BY " + orderColumn
	}
	c.wrap(c.all(), rest+" LIMIT ?", []any{s.limit})
	return nil
}

func (c *compiler) top(s *step) error {
	if err := c.sort(s); err != nil {
		return err
	}
	return c.take(s)
}

func (c *compiler) distinct(s *step) error {
	list := c.all()
	if !s.allCols {
		var err error
		if list, err = c.outputs(s.exprs, c.value); err != nil {
			return err
		}
	}
	c.ordered = false
	c.wrap(forgetLost(list), "", nil)
	c.sql = "SELECT DISTINCT" + strings.TrimPrefix(c.sql, "SELECT")
	return nil
}
