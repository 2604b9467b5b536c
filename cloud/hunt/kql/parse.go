package kql

import (
	"slices"
	"strings"
)

// query is a table and what happens to its rows.
type query struct {
	table token
	steps []step
}

// step is one operator of the pipe. Which fields are set depends on op.
type step struct {
	op      string // where, project, project-away, extend, summarize, count, sort, top, take, distinct
	at      position
	exprs   []named // where: one; project, extend, distinct: several; summarize: aggregates
	by      []named // summarize: groups
	orders  []order // sort, top
	limit   int64   // take, top
	allCols bool    // distinct *
}

type named struct {
	name string // empty: not given
	expr expr
}

type order struct {
	expr       expr
	asc        bool
	nullsFirst bool
}

// expr is a node of an expression.
type expr interface{ pos() position }

type (
	column  struct{ token }
	literal struct {
		token
		typ   Type
		value any
	}
	call struct {
		token // the function's name
		args  []expr
	}
	unary struct {
		token
		arg expr
	}
	binary struct {
		token
		left, right expr
	}
	// among is x in (…), and between with its two bounds.
	among struct {
		token
		arg  expr
		list []expr
	}
)

func (t token) pos() position { return t.at }

// maxDepth bounds the nesting of expressions: the parser and the compiler recurse.
const maxDepth = 100

type parser struct {
	tokens []token
	depth  int
}

func (p *parser) peek() token { return p.tokens[0] }

func (p *parser) take() token {
	t := p.tokens[0]
	if t.kind != end {
		p.tokens = p.tokens[1:]
	}
	return t
}

// accept takes the next token if it is one of these symbols or words.
func (p *parser) accept(words ...string) (token, bool) {
	t := p.peek()
	if (t.kind == symbol || t.kind == name) && slices.Contains(words, t.text) {
		return p.take(), true
	}
	return t, false
}

func (p *parser) expect(word string) error {
	if t, ok := p.accept(word); !ok {
		return t.at.errorf("expected %q, found %v", word, t)
	}
	return nil
}

// parse reads a query.
func parse(text string) (*query, error) {
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	q := &query{table: p.take()}
	switch {
	case q.table.kind == end:
		return nil, q.table.at.errorf("the query is empty: begin with a table, like DeviceInfo | take 10")
	case q.table.kind != name && q.table.kind != quotedName:
		return nil, q.table.at.errorf("a query begins with a table, not with %v", q.table)
	}
	for {
		if _, ok := p.accept(";"); ok {
			if t := p.peek(); t.kind != end {
				return nil, t.at.errorf("one query at a time: found %v after ';'", t)
			}
		}
		if p.peek().kind == end {
			return q, nil
		}
		if err := p.expect("|"); err != nil {
			return nil, err
		}
		s, err := p.step()
		if err != nil {
			return nil, err
		}
		q.steps = append(q.steps, s)
	}
}

// operators are the steps of a pipe, with the function that reads what follows the word.
var operators map[string]func(*parser, *step) error

func init() {
	operators = map[string]func(*parser, *step) error{
		"where":        func(p *parser, s *step) error { return p.condition(s) },
		"filter":       func(p *parser, s *step) error { s.op = "where"; return p.condition(s) },
		"project":      func(p *parser, s *step) error { return p.names(&s.exprs, true) },
		"project-away": func(p *parser, s *step) error { return p.names(&s.exprs, false) },
		"extend":       func(p *parser, s *step) error { return p.names(&s.exprs, true) },
		"summarize":    (*parser).summarize,
		"count":        func(*parser, *step) error { return nil },
		"sort":         (*parser).sort,
		"order":        func(p *parser, s *step) error { s.op = "sort"; return p.sort(s) },
		"top":          (*parser).top,
		"take":         (*parser).limit,
		"limit":        func(p *parser, s *step) error { s.op = "take"; return p.limit(s) },
		"distinct":     (*parser).distinct,
	}
}

func (p *parser) step() (step, error) {
	word := p.take()
	s := step{op: word.text, at: word.at}
	read, ok := operators[word.text]
	if word.kind != name || !ok {
		known := make([]string, 0, len(operators))
		for op := range operators {
			known = append(known, op)
		}
		return s, word.at.errorf("%v is not an operator%s", word, suggest(word.text, known))
	}
	return s, read(p, &s)
}

func (p *parser) condition(s *step) error {
	e, err := p.expression()
	s.exprs = []named{{expr: e}}
	return err
}

// names reads "a, b = expr, …". Without values only names are allowed.
func (p *parser) names(list *[]named, values bool) error {
	for {
		n, err := p.named(values)
		if err != nil {
			return err
		}
		*list = append(*list, n)
		if _, ok := p.accept(","); !ok {
			return nil
		}
	}
}

func (p *parser) named(values bool) (named, error) {
	var n named
	if t := p.peek(); values && (t.kind == name || t.kind == quotedName) && len(p.tokens) > 1 &&
		p.tokens[1].kind == symbol && p.tokens[1].text == "=" {
		n.name = p.take().text
		p.take()
	}
	e, err := p.expression()
	if err != nil {
		return n, err
	}
	n.expr = e
	if _, ok := e.(column); !ok && !values {
		return n, e.pos().errorf("expected the name of a column")
	}
	return n, nil
}

func (p *parser) summarize(s *step) error {
	if t := p.peek(); t.kind != name || t.text != "by" {
		if err := p.names(&s.exprs, true); err != nil {
			return err
		}
	}
	if _, ok := p.accept("by"); ok {
		return p.names(&s.by, true)
	}
	return nil
}

func (p *parser) sort(s *step) error {
	if err := p.expect("by"); err != nil {
		return err
	}
	return p.orders(s)
}

func (p *parser) orders(s *step) error {
	for {
		e, err := p.expression()
		if err != nil {
			return err
		}
		o := order{expr: e}
		if t, ok := p.accept("asc", "desc"); ok {
			o.asc = t.text == "asc"
		}
		o.nullsFirst = o.asc
		if _, ok := p.accept("nulls"); ok {
			t, ok := p.accept("first", "last")
			if !ok {
				return t.at.errorf("nulls first or nulls last, not %v", t)
			}
			o.nullsFirst = t.text == "first"
		}
		s.orders = append(s.orders, o)
		if _, ok := p.accept(","); !ok {
			return nil
		}
	}
}

func (p *parser) limit(s *step) error {
	t := p.take()
	if t.kind != number || !t.whole || t.num > 1e15 {
		return t.at.errorf("%s needs a whole number of rows, not %v", s.op, t)
	}
	s.limit = int64(t.num)
	return nil
}

func (p *parser) top(s *step) error {
	if err := p.limit(s); err != nil {
		return err
	}
	return p.sort(s)
}

func (p *parser) distinct(s *step) error {
	if _, ok := p.accept("*"); ok {
		s.allCols = true
		return nil
	}
	return p.names(&s.exprs, true)
}

// suggest offers the known name that differs only in case or by a slip.
func suggest(given string, known []string) string {
	best, distance := "", 3
	for _, k := range slices.Sorted(slices.Values(known)) {
		if strings.EqualFold(k, given) {
			return "; did you mean " + k + "?"
		}
		if d := edits(strings.ToLower(given), strings.ToLower(k)); d < distance && d < len(given) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// edits counts the insertions, deletions and replacements between two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
