package store

import (
	"context"
	"database/sql/driver"
	"fmt"
	"strings"

	"modernc.org/sqlite"
)

// guarded makes connections on which a guard decides what statements may do.
type guarded struct {
	driver.Connector
	guard sqlite.AuthorizerFn
}

// Connect opens a connection and puts the guard on it.
func (g guarded) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := g.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := conn.(sqlite.AuthorizerRegisterer).RegisterAuthorizer(g.guard); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// huntable is what statements of hunting may read: the views, what they are made of, and the engine's own functions
// that unfold JSON.
var huntable = map[string]bool{
	"deviceinfo": true, "alertinfo": true, "alertevidence": true,
	"device_history": true, "device": true, "alert": true,
	"json_each": true, "json_tree": true,
}

// viewsOnly lets a statement read what hunting may read, call functions, and nothing else. It stands behind the
// compiler of the query language: a fault there must not show other tables, attach files or set pragmas.
func viewsOnly(action sqlite.AuthorizerActionCode, arg1, arg2, _, _ string) sqlite.AuthorizerReturnCode {
	switch action {
	case sqlite.AuthSelect, sqlite.AuthRecursive:
		return sqlite.AuthorizerOK
	case sqlite.AuthFunction:
		if arg2 != "load_extension" {
			return sqlite.AuthorizerOK
		}
	case sqlite.AuthRead:
		// A read of no column, as in count(*), names whatever stands behind FROM, also a subquery that the statement
		// itself defines. It tells no more than a number of rows.
		if arg2 == "" || huntable[strings.ToLower(arg1)] {
			return sqlite.AuthorizerOK
		}
	}
	return sqlite.AuthorizerDeny
}

// Select runs one read-only statement. Cells are nil, int64, float64, string or []byte. The end of ctx interrupts it.
func (s *SQLite) Select(ctx context.Context, text string, args []any, limit int) (columns []string, rows [][]any, more bool, err error) {
	result, err := s.hunt.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, nil, false, fmt.Errorf("store: select: %w", err)
	}
	defer result.Close()
	if columns, err = result.Columns(); err != nil {
		return nil, nil, false, fmt.Errorf("store: select: %w", err)
	}
	into := make([]any, len(columns))
	for result.Next() {
		if len(rows) == limit {
			return columns, rows, true, nil
		}
		row := make([]any, len(columns))
		for i := range row {
			into[i] = &row[i]
		}
		if err := result.Scan(into...); err != nil {
			return nil, nil, false, fmt.Errorf("store: select: %w", err)
		}
		rows = append(rows, row)
	}
	if err := result.Err(); err != nil {
		return nil, nil, false, fmt.Errorf("store: select: %w", err)
	}
	return columns, rows, false, nil
}
