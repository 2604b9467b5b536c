package kql

// levels of binary operators, loosest first. The operators of one level associate to the left.
var levels = [][]string{
	{"or"},
	{"and"},
	{
		"==", "!=", "<=", ">=", "<", ">", "=~", "!~", "has", "!has", "contains", "!contains", "startswith", "!startswith",
		"endswith", "!endswith", "in", "!in", "in~", "!in~", "between", "!between",
	},
	{"+", "-"},
	{"*", "/", "%"},
}

func (p *parser) expression() (expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.peek().at.errorf("the expression is nested more than %d deep", maxDepth)
	}
	return p.level(0)
}

func (p *parser) level(n int) (expr, error) {
	if n == len(levels) {
		return p.prefix()
	}
	left, err := p.level(n + 1)
	if err != nil {
		return nil, err
	}
	for width := 0; ; width++ {
		op, ok := p.accept(levels[n]...)
		if !ok {
			return left, nil
		}
		if width == maxDepth {
			return nil, op.at.errorf("more than %d operators in a row; use in (…) for lists", maxDepth)
		}
		if left, err = p.operation(op, left, n); err != nil {
			return nil, err
		}
	}
}

// operation reads what stands to the right of a binary operator.
func (p *parser) operation(op token, left expr, n int) (expr, error) {
	switch op.text {
	case "in", "!in", "in~", "!in~":
		if err := p.expect("("); err != nil {
			return nil, err
		}
		list, err := p.arguments()
		return among{op, left, list}, err
	case "between", "!between":
		return p.between(op, left)
	}
	right, err := p.level(n + 1)
	return binary{op, left, right}, err
}

func (p *parser) between(op token, left expr) (expr, error) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	low, err := p.expression()
	if err != nil {
		return nil, err
	}
	if err := p.expect(".."); err != nil {
		return nil, err
	}
	high, err := p.expression()
	if err != nil {
		return nil, err
	}
	return among{op, left, []expr{low, high}}, p.expect(")")
}

func (p *parser) prefix() (expr, error) {
	op, ok := p.accept("-", "+")
	if !ok {
		return p.primary()
	}
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, op.at.errorf("the expression is nested more than %d deep", maxDepth)
	}
	arg, err := p.prefix()
	return unary{op, arg}, err
}

// constants are names with a value.
var constants = map[string]struct {
	typ   Type
	value any
}{
	"true": {Bool, int64(1)}, "false": {Bool, int64(0)}, "null": {Dynamic, nil},
}

func (p *parser) primary() (expr, error) {
	t := p.take()
	switch t.kind {
	case text:
		return literal{t, String, t.text}, nil
	case number:
		if t.whole && t.num < 1<<53 {
			return literal{t, Long, int64(t.num)}, nil
		}
		return literal{t, Real, t.num}, nil
	case span:
		return literal{t, Timespan, t.span}, nil
	case quotedName:
		return column{t}, nil
	case name:
		if c, ok := constants[t.text]; ok {
			return literal{t, c.typ, c.value}, nil
		}
		if _, ok := p.accept("("); ok {
			args, err := p.arguments()
			return call{t, args}, err
		}
		return column{t}, nil
	case symbol:
		if t.text == "(" {
			e, err := p.expression()
			if err != nil {
				return nil, err
			}
			return e, p.expect(")")
		}
	}
	return nil, t.at.errorf("expected a column, a value or a function, found %v", t)
}

// arguments reads what stands between parentheses; the opening one has been taken.
func (p *parser) arguments() ([]expr, error) {
	var list []expr
	if _, ok := p.accept(")"); ok {
		return list, nil
	}
	for {
		e, err := p.expression()
		if err != nil {
			return nil, err
		}
		list = append(list, e)
		if _, ok := p.accept(","); !ok {
			return list, p.expect(")")
		}
	}
}
