// Package hunt runs hunting queries on the store.
//
// It joins the language (package kql) with the store's read-only views, and holds the limits: how long a query may run
// and how many rows it may give. It keeps no state; a Hunter may be used from many goroutines.
package hunt

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spanwatch/spanwatch/cloud/hunt/kql"
	"github.com/spanwatch/spanwatch/cloud/store"
)

// Limits of one query.
const (
	MaxRows    = 10_000
	MaxSeconds = 30
)

// Reader is what hunting needs of a store.
type Reader interface {
	Select(ctx context.Context, sql string, args []any, limit int) (columns []string, rows [][]any, more bool, err error)
}

var _ Reader = store.Store(nil)

// Hunter runs queries.
type Hunter struct {
	reader Reader
	now    func() time.Time
}

// New makes a hunter on a store.
func New(reader Reader) *Hunter { return &Hunter{reader: reader, now: time.Now} }

// Column is a column of a result: its name and its type in the language.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Result is what a query found. A cell is nil, a string (also for datetime and dynamic), an int64, a float64 or a bool.
type Result struct {
	Columns []Column
	Rows    [][]any
	More    bool // there were more rows than MaxRows
}

// Fault is a fault in a query, at a line and column.
type Fault = kql.Error

// Check parses and binds a query without running it. Its errors are of type *Fault.
func Check(query string) error {
	_, err := kql.Compile(query, time.Now())
	return err
}

// Run runs a query. Faults in it are of type *Fault.
func (h *Hunter) Run(ctx context.Context, query string) (*Result, error) {
	plan, err := kql.Compile(query, h.now())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, MaxSeconds*time.Second)
	defer cancel()
	_, rows, more, err := h.reader.Select(ctx, plan.SQL, plan.Args, MaxRows)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("hunt: the query ran longer than %d s and was stopped: narrow it, for example by Timestamp > ago(1d)", MaxSeconds)
	}
	if err != nil {
		return nil, fmt.Errorf("hunt: %w", err)
	}
	result := &Result{Rows: rows, More: more}
	for _, c := range plan.Columns {
		result.Columns = append(result.Columns, Column{c.Name, c.Type.String()})
	}
	for _, row := range rows {
		for i := range row {
			row[i] = cell(row[i], plan.Columns[i].Type)
		}
	}
	return result, nil
}

// cell gives a value of the database the form of its type.
func cell(v any, t kql.Type) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case int64:
		switch t {
		case kql.Bool:
			return v != 0
		case kql.Timespan:
			return time.Duration(v).String()
		}
	case float64:
		if t == kql.Long {
			return int64(v)
		}
	}
	return v
}
