// Package kql turns a hunting query into one parameterised SQL statement.
//
// The language is a part of the Kusto Query Language: a table, then where, project, project-away, extend, summarize,
// count, sort (order), top, take (limit) and distinct, with the scalar and aggregate functions listed in functions.go.
// What it does not know it refuses, with line and column and, where it can, the name that was probably meant.
//
// Three steps, each its own: [Parse] reads text into a syntax tree; binding gives every name a column of the [Schema]
// and every expression a type; [Compile] writes SQL. No text of a query ever becomes SQL text: literals become
// arguments, names must be in the schema or are quoted as the query's own aliases, functions come from a table. The SQL
// is SQLite's.
//
// The package uses the standard library only and holds no state; every function may be called from many goroutines.
package kql

import "fmt"

// Error is a fault in a query, at a 1-based line and column (in characters).
type Error struct {
	Line, Column int
	Reason       string
}

// Error gives "line:column: reason".
func (e *Error) Error() string { return fmt.Sprintf("%d:%d: %s", e.Line, e.Column, e.Reason) }

// position is where a token begins.
type position struct{ line, column int }

func (p position) errorf(format string, args ...any) *Error {
	return &Error{p.line, p.column, fmt.Sprintf(format, args...)}
}
