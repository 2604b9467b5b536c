package kql

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

type kind uint8

const (
	end kind = iota
	name
	quotedName // ['a name']
	text
	number
	span
	symbol
)

// token is one word of a query. Text is the name, the symbol, or the value of a string.
type token struct {
	kind  kind
	text  string
	num   float64
	whole bool // num was written without fraction
	span  time.Duration
	at    position
}

// String shows the token in messages.
func (t token) String() string {
	switch t.kind {
	case end:
		return "the end of the query"
	case text:
		return strconv.Quote(t.text)
	default:
		return "'" + t.text + "'"
	}
}

// maxQuery bounds a query's length in bytes, and with it the depth and width of everything made from it.
const maxQuery = 64 << 10

type lexer struct {
	rest []rune
	at   position
	out  []token
}

// lex cuts a query into tokens. Spaces pasted from web pages (no-break, narrow, zero-width) count as spaces.
func lex(query string) ([]token, error) {
	if len(query) > maxQuery {
		return nil, position{1, 1}.errorf("the query has %d bytes; at most %d are read", len(query), maxQuery)
	}
	l := &lexer{rest: []rune(query), at: position{1, 1}}
	for {
		l.space()
		if len(l.rest) == 0 {
			l.out = append(l.out, token{kind: end, at: l.at})
			return l.out, nil
		}
		if err := l.next(); err != nil {
			return nil, err
		}
	}
}

func (l *lexer) advance(n int) string {
	taken := string(l.rest[:n])
	for _, r := range l.rest[:n] {
		if r == '\n' {
			l.at = position{l.at.line + 1, 1}
		} else {
			l.at.column++
		}
	}
	l.rest = l.rest[n:]
	return taken
}

func (l *lexer) peek(n int) rune {
	if n < len(l.rest) {
		return l.rest[n]
	}
	return 0
}

func blank(r rune) bool {
	return unicode.IsSpace(r) || r == '\u200b' || r == '\u2060' || r == '\ufeff'
}

// space passes over blanks and comments.
func (l *lexer) space() {
	for len(l.rest) > 0 {
		switch {
		case blank(l.rest[0]):
			l.advance(1)
		case l.rest[0] == '/' && l.peek(1) == '/':
			n := 0
			for n < len(l.rest) && l.rest[n] != '\n' {
				n++
			}
			l.advance(n)
		default:
			return
		}
	}
}

func (l *lexer) next() error {
	at, r := l.at, l.rest[0]
	switch {
	case r == '"' || r == '\'':
		return l.text(at, false)
	case r == '@' && (l.peek(1) == '"' || l.peek(1) == '\''):
		l.advance(1)
		return l.text(at, true)
	case (r == 'h' || r == 'H') && (l.peek(1) == '"' || l.peek(1) == '\''):
		l.advance(1) // an obfuscated literal is a literal
		return l.text(at, false)
	case (r == 'h' || r == 'H') && l.peek(1) == '@' && (l.peek(2) == '"' || l.peek(2) == '\''):
		l.advance(2)
		return l.text(at, true)
	case r >= '0' && r <= '9':
		return l.number(at)
	case r == '_' || r == '$' || unicode.IsLetter(r):
		n := 1
		for n < len(l.rest) && (l.rest[n] == '_' || unicode.IsLetter(l.rest[n]) || unicode.IsDigit(l.rest[n])) {
			n++
		}
		// project-away is one word; so are in~ and its like, whose tilde belongs to the operator.
		word := string(l.rest[:n])
		if word == "project" && strings.HasPrefix(string(l.rest[n:min(n+5, len(l.rest))]), "-away") {
			n += len("-away")
		} else if word == "in" && l.peek(n) == '~' {
			n++
		}
		l.out = append(l.out, token{kind: name, text: l.advance(n), at: at})
		if word == "datetime" && l.peek(0) == '(' && l.peek(1) != '"' && l.peek(1) != '\'' {
			return l.bareTime()
		}
		return nil
	case r == '[' && (l.peek(1) == '"' || l.peek(1) == '\''):
		l.advance(1)
		if err := l.text(at, false); err != nil {
			return err
		}
		if l.peek(0) != ']' {
			return l.at.errorf("a quoted name ends with ']'")
		}
		l.advance(1)
		l.out[len(l.out)-1].kind = quotedName
		return nil
	}
	return l.symbol(at)
}

// bareTime reads datetime(2026-01-02T03:04:05Z), whose argument stands without quotes.
func (l *lexer) bareTime() error {
	open := l.at
	l.advance(1)
	n := 0
	for n < len(l.rest) && l.rest[n] != ')' && l.rest[n] != '\n' {
		n++
	}
	if n == len(l.rest) || l.rest[n] != ')' {
		return open.errorf("datetime( is not closed on its line")
	}
	at := l.at
	written := strings.TrimFunc(l.advance(n), blank)
	l.out = append(l.out, token{kind: symbol, text: "(", at: open}, token{kind: text, text: written, at: at})
	return nil
}

// symbols, longest first.
var symbols = []string{
	"!contains", "!startswith", "!endswith", "!between", "!has", "!in~", "!in",
	"==", "!=", "<=", ">=", "=~", "!~", "..", "<", ">", "=", "|", "(", ")", ",", "+", "-", "*", "/", "%", ";",
}

func (l *lexer) symbol(at position) error {
	for _, s := range symbols {
		n := len(s)
		if n > len(l.rest) || string(l.rest[:n]) != s {
			continue
		}
		if word := s[len(s)-1]; word >= 'a' && word <= 'z' && (unicode.IsLetter(l.peek(n)) || l.peek(n) == '_') {
			continue // !index is not !in
		}
		l.out = append(l.out, token{kind: symbol, text: l.advance(n), at: at})
		return nil
	}
	return at.errorf("%q is not part of the language", l.rest[0])
}

var escapes = map[rune]rune{'n': '\n', 't': '\t', 'r': '\r', '\\': '\\', '"': '"', '\'': '\'', '0': 0}

// text reads a string. In a verbatim one a doubled quote stands for itself and a backslash is a backslash.
func (l *lexer) text(at position, verbatim bool) error {
	quote := l.rest[0]
	var b strings.Builder
	n := 1
	for {
		r := l.peek(n)
		switch {
		case n >= len(l.rest) || r == '\n':
			return at.errorf("the string is not closed on its line")
		case verbatim && r == quote && l.peek(n+1) == quote:
			b.WriteRune(quote)
			n += 2
		case r == quote:
			l.advance(n + 1)
			l.out = append(l.out, token{kind: text, text: b.String(), at: at})
			return nil
		case !verbatim && r == '\\':
			e, ok := escapes[l.peek(n+1)]
			if !ok {
				return at.errorf(`\%c is not an escape; write \\ for a backslash, or @"…" for a verbatim string`, l.peek(n+1))
			}
			b.WriteRune(e)
			n += 2
		default:
			b.WriteRune(r)
			n++
		}
	}
}

// units of timespan literals.
var units = map[string]time.Duration{
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour, "h": time.Hour, "hr": time.Hour, "hour": time.Hour,
	"hours": time.Hour, "m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second, "ms": time.Millisecond,
	"microsecond": time.Microsecond, "microseconds": time.Microsecond, "tick": 100, "ticks": 100,
}

func (l *lexer) number(at position) error {
	n, fraction := 0, false
	for n < len(l.rest) {
		r := l.rest[n]
		if r == '.' && !fraction && l.peek(n+1) >= '0' && l.peek(n+1) <= '9' {
			fraction = true
		} else if r < '0' || r > '9' {
			break
		}
		n++
	}
	value, err := strconv.ParseFloat(string(l.rest[:n]), 64)
	if err != nil {
		return at.errorf("%s is not a number", string(l.rest[:n]))
	}
	m := n
	for m < len(l.rest) && (unicode.IsLetter(l.rest[m]) || unicode.IsDigit(l.rest[m]) || l.rest[m] == '_') {
		m++
	}
	if m == n {
		written := l.advance(n)
		l.out = append(l.out, token{kind: number, text: written, num: value, whole: !fraction, at: at})
		return nil
	}
	unit, ok := units[string(l.rest[n:m])]
	if !ok {
		return at.errorf("%s is neither a number nor a timespan like 1d, 12h or 30m", string(l.rest[:m]))
	}
	length := value * float64(unit)
	if length > float64(1<<63-1) {
		return at.errorf("%s is longer than 292 years", string(l.rest[:m]))
	}
	l.out = append(l.out, token{kind: span, text: l.advance(m), span: time.Duration(length), at: at})
	return nil
}
