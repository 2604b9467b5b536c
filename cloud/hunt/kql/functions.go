package kql

import (
	"strconv"
	"strings"
	"time"
)

type function func(*compiler, call) (value, error)

// functions are the scalar functions. It is filled in init because functions take expressions, which hold functions.
var functions map[string]function

func init() {
	functions = map[string]function{
		"now":          nowFunction,
		"ago":          agoFunction,
		"datetime":     datetimeFunction,
		"todatetime":   datetimeFunction,
		"bin":          binFunction,
		"not":          simple(Bool, Bool, "(NOT %)"),
		"tolower":      simple(String, String, "lower(%)"),
		"toupper":      simple(String, String, "upper(%)"),
		"strlen":       simple(String, Long, "length(%)"),
		"isempty":      anyType(Bool, "(coalesce(CAST(% AS TEXT), '') = '')"),
		"isnotempty":   anyType(Bool, "(coalesce(CAST(% AS TEXT), '') <> '')"),
		"isnull":       anyType(Bool, "(% IS NULL)"),
		"isnotnull":    anyType(Bool, "(% IS NOT NULL)"),
		"tostring":     anyType(String, "coalesce(CAST(% AS TEXT), '')"),
		"toint":        anyType(Long, "CAST(% AS INTEGER)"),
		"tolong":       anyType(Long, "CAST(% AS INTEGER)"),
		"toreal":       anyType(Real, "CAST(% AS REAL)"),
		"todouble":     anyType(Real, "CAST(% AS REAL)"),
		"array_length": anyType(Long, "json_array_length(%)"),
		"strcat":       strcatFunction,
		"iff":          iffFunction,
		"iif":          iffFunction,
		"coalesce":     coalesceFunction,
	}
}

// count checks the number of arguments.
func (f call) count(low, high int) error {
	if n := len(f.args); n < low || n > high {
		if low == high {
			return f.at.errorf("%s() takes %d arguments, not %d", f.text, low, n)
		}
		return f.at.errorf("%s() takes %d to %d arguments, not %d", f.text, low, high, n)
	}
	return nil
}

// simple is a function of one argument of a type; % stands for the argument.
func simple(in, out Type, sql string) function {
	return func(c *compiler, f call) (value, error) {
		if err := f.count(1, 1); err != nil {
			return value{}, err
		}
		v, err := c.typed(f.args[0], in)
		return v.with(strings.ReplaceAll(sql, "%", v.sql), out), err
	}
}

// anyType is a function of one argument of any type.
func anyType(out Type, sql string) function {
	return func(c *compiler, f call) (value, error) {
		if err := f.count(1, 1); err != nil {
			return value{}, err
		}
		v, err := c.value(f.args[0])
		return v.with(strings.ReplaceAll(sql, "%", v.sql), out), err
	}
}

func nowFunction(c *compiler, f call) (value, error) {
	return constantTime(c.now), f.count(0, 0)
}

func agoFunction(c *compiler, f call) (value, error) {
	if err := f.count(1, 1); err != nil {
		return value{}, err
	}
	v, err := c.value(f.args[0])
	if err != nil {
		return v, err
	}
	d, ok := v.fixed.(time.Duration)
	if !ok {
		return v, f.args[0].pos().errorf("ago() takes a timespan like 1d or 12h")
	}
	return constantTime(c.now.Add(-d)), nil
}

// timeForms are the written forms of a datetime.
var timeForms = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00",
	"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02",
}

func datetimeFunction(_ *compiler, f call) (value, error) {
	if err := f.count(1, 1); err != nil {
		return value{}, err
	}
	arg, ok := f.args[0].(literal)
	if !ok || arg.typ != String {
		return value{}, f.args[0].pos().errorf("%s() takes a constant like 2026-01-02T03:04:05Z", f.text)
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, arg.text); err == nil {
			return constantTime(t), nil
		}
	}
	return value{}, arg.at.errorf("%q is not a datetime like 2026-01-02T03:04:05Z", arg.text)
}

// binFunction rounds down: a number to a multiple, a datetime to a whole number of seconds, minutes, hours or days.
func binFunction(c *compiler, f call) (value, error) {
	if err := f.count(2, 2); err != nil {
		return value{}, err
	}
	v, err := c.value(f.args[0])
	if err != nil {
		return v, err
	}
	size, err := c.value(f.args[1])
	if err != nil {
		return size, err
	}
	switch {
	case v.typ == Datetime:
		d, ok := size.fixed.(time.Duration)
		if !ok || d < time.Second || d%time.Second != 0 {
			return v, f.args[1].pos().errorf("a datetime is binned by a constant timespan of whole seconds, like 1h")
		}
		seconds := strconv.FormatInt(int64(d/time.Second), 10)
		return v.with("(strftime('%Y-%m-%dT%H:%M:%S', CAST(strftime('%s', "+v.sql+") AS INTEGER) / "+seconds+" * "+seconds+
			", 'unixepoch') || '.000000000Z')", Datetime), nil
	case (v.typ == Long || v.typ == Real) && (size.typ == Long || size.typ == Real):
		typ := Long
		if v.typ == Real || size.typ == Real {
			typ = Real
		}
		sized := value{args: append(append([]any{}, size.args...), size.args...)}
		return v.with("(floor(CAST("+v.sql+" AS REAL) / "+size.sql+") * "+size.sql+")", typ, sized), nil
	}
	return v, f.at.errorf("bin() rounds a number or a datetime, not a %v", v.typ)
}

func strcatFunction(c *compiler, f call) (value, error) {
	if err := f.count(1, 64); err != nil {
		return value{}, err
	}
	out := value{typ: String}
	var parts []string
	for _, arg := range f.args {
		v, err := c.value(arg)
		if err != nil {
			return v, err
		}
		parts = append(parts, "coalesce(CAST("+v.sql+" AS TEXT), '')")
		out.args = append(out.args, v.args...)
	}
	out.sql = "(" + strings.Join(parts, " || ") + ")"
	return out, nil
}

func iffFunction(c *compiler, f call) (value, error) {
	if err := f.count(3, 3); err != nil {
		return value{}, err
	}
	condition, err := c.typed(f.args[0], Bool)
	if err != nil {
		return condition, err
	}
	yes, err := c.value(f.args[1])
	if err != nil {
		return yes, err
	}
	no, err := c.value(f.args[2])
	if err != nil {
		return no, err
	}
	return condition.with("(CASE WHEN "+condition.sql+" THEN "+yes.sql+" ELSE "+no.sql+" END)", yes.typ, yes, no), nil
}

func coalesceFunction(c *compiler, f call) (value, error) {
	if err := f.count(2, 64); err != nil {
		return value{}, err
	}
	var out value
	var parts []string
	for i, arg := range f.args {
		v, err := c.value(arg)
		if err != nil {
			return v, err
		}
		if i == 0 {
			out.typ = v.typ
		}
		part := v.sql
		if v.typ == String {
			part = "nullif(" + part + ", '')"
		}
		parts = append(parts, part)
		out.args = append(out.args, v.args...)
	}
	out.sql = "coalesce(" + strings.Join(parts, ", ") + ")"
	return out, nil
}

// aggregates are the functions of summarize; the argument's value, or none, gives the aggregate's.
var aggregates = map[string]func(call, []value) (value, error){
	"count":     func(f call, _ []value) (value, error) { return value{sql: "count(*)", typ: Long}, f.count(0, 0) },
	"countif":   over(Long, "count(*) FILTER (WHERE %)", Bool),
	"dcount":    over(Long, "count(DISTINCT %)"),
	"sum":       over(Real, "sum(%)", Long, Real),
	"avg":       over(Real, "avg(%)", Long, Real),
	"min":       same("min(%)"),
	"max":       same("max(%)"),
	"take_any":  same("min(%)"),
	"any":       same("min(%)"),
	"make_set":  over(Dynamic, "json_group_array(DISTINCT %)"),
	"make_list": over(Dynamic, "json_group_array(%)"),
}

// over is an aggregate of one argument; in are the types it takes, none: all.
func over(out Type, sql string, in ...Type) func(call, []value) (value, error) {
	return func(f call, args []value) (value, error) {
		if err := f.count(1, 1); err != nil {
			return value{}, err
		}
		v, fits := args[0], len(in) == 0 || args[0].typ == Dynamic
		for _, t := range in {
			fits = fits || v.typ == t
		}
		if !fits {
			return v, f.args[0].pos().errorf("%s() takes a %v, this is a %v", f.text, in[0], v.typ)
		}
		if out == Real && v.typ == Long && f.text == "sum" {
			return v.with(strings.ReplaceAll(sql, "%", v.sql), Long), nil
		}
		return v.with(strings.ReplaceAll(sql, "%", v.sql), out), nil
	}
}

// same is an aggregate that keeps its argument's type.
func same(sql string) func(call, []value) (value, error) {
	return func(f call, args []value) (value, error) {
		if err := f.count(1, 1); err != nil {
			return value{}, err
		}
		return args[0].with(strings.ReplaceAll(sql, "%", args[0].sql), args[0].typ), nil
	}
}

// aggregate binds one expression of summarize: an aggregate function of columns.
func (c *compiler) aggregate(e expr) (value, error) {
	f, ok := e.(call)
	if !ok {
		return value{}, e.pos().errorf("summarize takes aggregates like count(), dcount(DeviceId) or max(Timestamp); name the groups after by")
	}
	aggregate, ok := aggregates[f.text]
	if !ok {
		return value{}, f.at.errorf("there is no aggregate %s()%s", f.text, suggest(f.text, keys(aggregates)))
	}
	args := make([]value, len(f.args))
	for i, arg := range f.args {
		var err error
		if args[i], err = c.value(arg); err != nil {
			return args[i], err
		}
	}
	return aggregate(f, args)
}
