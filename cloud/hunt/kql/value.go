package kql

import (
	"slices"
	"strings"
	"time"
)

// value is an expression as SQL, with its arguments in the order of their question marks.
type value struct {
	sql    string
	args   []any
	typ    Type
	fixed  any    // the value of a constant datetime (time.Time) or timespan (time.Duration)
	alsoIn string // see Column.AlsoIn
}

func (v value) with(sql string, typ Type, others ...value) value {
	args := slices.Clone(v.args)
	for _, o := range others {
		args = append(args, o.args...)
	}
	return value{sql: sql, args: args, typ: typ}
}

func constantTime(t time.Time) value {
	return value{sql: "?", args: []any{t.UTC().Format(TimeLayout)}, typ: Datetime, fixed: t.UTC()}
}

func constantSpan(d time.Duration) value {
	return value{sql: "?", args: []any{int64(d)}, typ: Timespan, fixed: d}
}

// value binds an expression to the columns so far.
func (c *compiler) value(e expr) (value, error) {
	switch e := e.(type) {
	case literal:
		if e.typ == Timespan {
			return constantSpan(e.value.(time.Duration)), nil
		}
		return value{sql: "?", args: []any{e.value}, typ: e.typ}, nil
	case column:
		return c.column(e)
	case unary:
		v, err := c.value(e.arg)
		if err != nil {
			return v, err
		}
		if d, ok := v.fixed.(time.Duration); ok && e.text == "-" {
			return constantSpan(-d), nil
		}
		if v.typ != Long && v.typ != Real {
			return v, e.at.errorf("%s needs a number, this is a %v", e.text, v.typ)
		}
		return v.with("("+e.text+v.sql+")", v.typ), nil
	case binary:
		return c.binary(e)
	case among:
		return c.among(e)
	case call:
		f, ok := functions[e.text]
		if !ok {
			if aggregates[e.text] != nil {
				return value{}, e.at.errorf("%s() aggregates rows: it belongs into summarize", e.text)
			}
			return value{}, e.at.errorf("there is no function %s()%s", e.text, suggest(e.text, keys(functions)))
		}
		return f(c, e)
	}
	return value{}, e.pos().errorf("this expression is not supported")
}

// typed binds an expression that must have a type. Dynamic goes for all of them.
func (c *compiler) typed(e expr, want Type) (value, error) {
	v, err := c.value(e)
	if err == nil && v.typ != want && v.typ != Dynamic && !(want == Real && v.typ == Long) {
		err = e.pos().errorf("expected a %v, this is a %v", want, v.typ)
	}
	return v, err
}

// textual binds an expression that is read as text: strings and JSON.
func (c *compiler) textual(e expr) (value, error) {
	v, err := c.value(e)
	if err == nil && v.typ != String && v.typ != Dynamic {
		err = e.pos().errorf("expected a string, this is a %v", v.typ)
	}
	return v, err
}

func (c *compiler) find(name string) (int, bool) {
	i := slices.IndexFunc(c.columns, func(col Column) bool { return col.Name == name })
	return max(i, 0), i >= 0
}

// column refers to a present column. A string that is absent is the empty string, as the language has it.
func (c *compiler) column(ref column) (value, error) {
	i, ok := c.find(ref.text)
	if !ok {
		names := make([]string, len(c.columns))
		for j, col := range c.columns {
			names[j] = col.Name
		}
		return value{}, ref.at.errorf("there is no column %v here%s", ref.token, suggest(ref.text, names))
	}
	col := c.columns[i]
	v := value{sql: quote(col.Name), typ: col.Type, alsoIn: col.AlsoIn}
	if col.Type == String {
		v.sql = "coalesce(" + v.sql + ", '')"
	}
	return v, nil
}

// textOperators test two texts. The language's default is to ignore case; == and != do not.
var textOperators = map[string]func(left, right string) string{
	"=~":         func(l, r string) string { return "lower(" + l + ") = lower(" + r + ")" },
	"contains":   func(l, r string) string { return "instr(lower(" + l + "), lower(" + r + ")) > 0" },
	"startswith": func(l, r string) string { return "instr(lower(" + l + "), lower(" + r + ")) = 1" },
	"endswith": func(l, r string) string {
		// The prefix ties the end of the text to the end of what is sought.
		return "instr(lower(" + l + ") || char(0), lower(" + r + ") || char(0)) > 0"
	},
	"has": func(l, r string) string {
		return "(' ' || lower(" + l + ") || ' ') GLOB ('*[^0-9a-z]' || " + globLiteral("lower("+r+")") + " || '[^0-9a-z]*')"
	},
}

// globLiteral makes SQL that gives a text in which GLOB's special characters stand for themselves.
func globLiteral(sql string) string {
	return "replace(replace(replace(" + sql + ", '[', '[[]'), '*', '[*]'), '?', '[?]')"
}

func (c *compiler) binary(e binary) (value, error) {
	positive := strings.TrimPrefix(e.text, "!")
	if e.text == "!~" {
		positive = "=~"
	}
	if test, ok := textOperators[positive]; ok {
		l, err := c.textual(e.left)
		if err != nil {
			return l, err
		}
		r, err := c.textual(e.right)
		if err != nil {
			return r, err
		}
		v := l.with("("+test(l.sql, r.sql)+")", Bool, r)
		if positive == "=~" {
			v = c.orAlsoIn(l, v, r, "lower")
		}
		return negateIf(positive != e.text, v), nil
	}
	switch e.text {
	case "and", "or":
		l, err := c.typed(e.left, Bool)
		if err != nil {
			return l, err
		}
		r, err := c.typed(e.right, Bool)
		return l.with("("+l.sql+" "+strings.ToUpper(e.text)+" "+r.sql+")", Bool, r), err
	case "==", "!=", "<", "<=", ">", ">=":
		return c.comparison(e)
	default:
		return c.arithmetic(e)
	}
}

func negateIf(negate bool, v value) value {
	if negate {
		v.sql = "(NOT " + v.sql + ")"
	}
	return v
}

// orAlsoIn widens a test for equality to the JSON array that a column names.
func (c *compiler) orAlsoIn(left, test, right value, fold string) value {
	if left.alsoIn == "" {
		return test
	}
	sql := "(" + test.sql + " OR EXISTS (SELECT 1 FROM json_each(coalesce(" + quote(left.alsoIn) + ", '[]')) AS place WHERE " +
		fold + "(place.value) = " + fold + "(" + right.sql + ")))"
	return test.with(sql, Bool, right)
}

func (c *compiler) comparison(e binary) (value, error) {
	l, err := c.value(e.left)
	if err != nil {
		return l, err
	}
	r, err := c.value(e.right)
	if err != nil {
		return r, err
	}
	if l, r, err = align(e.token, l, r); err != nil {
		return l, err
	}
	operator := map[string]string{"==": "=", "!=": "="}[e.text]
	if operator == "" {
		return l.with("("+l.sql+" "+e.text+" "+r.sql+")", Bool, r), nil
	}
	v := l.with("("+l.sql+" IS "+r.sql+")", Bool, r)
	v = c.orAlsoIn(l, v, r, "")
	return negateIf(e.text == "!=", v), nil
}

// align makes two operands comparable. Numbers compare as numbers, also a number with a text that holds one, as
// published queries write; a text compares with a datetime when it is a constant that can be read as one.
func align(at token, l, r value) (value, value, error) {
	numeric := func(t Type) bool { return t == Long || t == Real || t == Bool }
	switch {
	case l.typ == r.typ, l.typ == Dynamic, r.typ == Dynamic, numeric(l.typ) && numeric(r.typ):
		return l, r, nil
	case numeric(l.typ) && r.typ == String:
		r.sql = "CAST(" + r.sql + " AS REAL)"
		return l, r, nil
	case numeric(r.typ) && l.typ == String:
		l.sql = "CAST(" + l.sql + " AS REAL)"
		return l, r, nil
	}
	return l, r, at.at.errorf("a %v and a %v cannot be compared%s", l.typ, r.typ, hint(l, r))
}

func hint(l, r value) string {
	if l.typ == Datetime || r.typ == Datetime {
		return "; write datetime(2026-01-02T03:04:05Z) or ago(1d)"
	}
	return ""
}

func (c *compiler) arithmetic(e binary) (value, error) {
	l, err := c.value(e.left)
	if err != nil {
		return l, err
	}
	r, err := c.value(e.right)
	if err != nil {
		return r, err
	}
	if folded, ok := foldTimes(e.text, l.fixed, r.fixed); ok {
		return folded, nil
	}
	number := func(v value) bool { return v.typ == Long || v.typ == Real || v.typ == Dynamic }
	if !number(l) || !number(r) {
		return l, e.at.errorf("%s cannot combine a %v and a %v; times are calculated from constants only: ago(1d), datetime(…) + 2h", e.text, l.typ, r.typ)
	}
	typ := Long
	if l.typ != Long || r.typ != Long {
		typ = Real
	}
	return l.with("("+l.sql+" "+e.text+" "+r.sql+")", typ, r), nil
}

// foldTimes calculates with constant times and spans.
func foldTimes(op string, l, r any) (value, bool) {
	switch l := l.(type) {
	case time.Time:
		switch r := r.(type) {
		case time.Duration:
			if op == "-" {
				r = -r
			}
			return constantTime(l.Add(r)), op == "+" || op == "-"
		case time.Time:
			return constantSpan(l.Sub(r)), op == "-"
		}
	case time.Duration:
		if r, ok := r.(time.Duration); ok {
			if op == "-" {
				r = -r
			}
			return constantSpan(l + r), op == "+" || op == "-"
		}
	}
	return value{}, false
}

func (c *compiler) among(e among) (value, error) {
	v, err := c.value(e.arg)
	if err != nil {
		return v, err
	}
	positive := strings.TrimPrefix(e.text, "!")
	if positive == "between" {
		return c.between(e, v)
	}
	fold := ""
	if positive == "in~" {
		fold = "lower"
	}
	if len(e.list) == 0 {
		return v, e.at.errorf("%s needs at least one value", e.text)
	}
	items := make([]string, len(e.list))
	list := value{}
	subject := v
	for i, item := range e.list {
		x, err := c.value(item)
		if err != nil {
			return x, err
		}
		aligned, x, err := align(e.token, v, x)
		if err != nil {
			return x, err
		}
		subject.sql = aligned.sql
		items[i] = fold + "(" + x.sql + ")"
		list.args = append(list.args, x.args...)
	}
	set := "(" + strings.Join(items, ", ") + ")"
	test := subject.with("("+fold+"("+subject.sql+") IN "+set+")", Bool, list)
	if v.alsoIn != "" {
		sql := "(" + test.sql + " OR EXISTS (SELECT 1 FROM json_each(coalesce(" + quote(v.alsoIn) + ", '[]')) AS place WHERE " +
			fold + "(place.value) IN " + set + "))"
		test = test.with(sql, Bool, list)
	}
	return negateIf(positive != e.text, test), nil
}

// between tests both bounds, which belong to the range. An upper bound that is a timespan counts from the lower one.
func (c *compiler) between(e among, v value) (value, error) {
	low, err := c.value(e.list[0])
	if err != nil {
		return low, err
	}
	high, err := c.value(e.list[1])
	if err != nil {
		return high, err
	}
	if sum, ok := foldTimes("+", low.fixed, high.fixed); ok && low.typ == Datetime {
		high = sum
	}
	if _, _, err := align(e.token, v, low); err != nil {
		return v, err
	}
	if _, _, err := align(e.token, v, high); err != nil {
		return v, err
	}
	test := v.with("("+v.sql+" BETWEEN "+low.sql+" AND "+high.sql+")", Bool, low, high)
	return negateIf(e.text == "!between", test), nil
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	return list
}
