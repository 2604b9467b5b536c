package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// errClosed is what calls get after Close.
var errClosed = errors.New("store: closed")

// together is how many records share one commit: enough that the disk is reached seldom, few enough that an alert which
// comes while a commit is under way does not wait long.
const together = 1024

// writeRequest is a change that waits for its turn. The answer is nil only when the change is on the disk.
type writeRequest struct {
	ctx     context.Context
	change  func(ctx context.Context, tx *transaction) error
	records int
	answer  chan error
}

// transaction is what a change may use: statements of the one writing connection, prepared once.
type transaction struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

// stmt gives the prepared statement for a text that is constant in the program.
func (t *transaction) stmt(ctx context.Context, text string) (*sql.Stmt, error) {
	if s := t.prepared[text]; s != nil {
		return s, nil
	}
	s, err := t.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	t.prepared[text] = s
	return s, nil
}

// close gives the statements back: the engine tidies its file up only when it has them all.
func (t *transaction) close() {
	for _, s := range t.prepared {
		s.Close()
	}
}

// exec runs a statement whose text is constant in the program.
func (t *transaction) exec(ctx context.Context, text string, args ...any) (sql.Result, error) {
	s, err := t.stmt(ctx, text)
	if err != nil {
		return nil, err
	}
	r, err := s.ExecContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return r, nil
}

// row reads one row of a statement whose text is constant in the program. It reports whether there was one.
func (t *transaction) row(ctx context.Context, text string, args []any, into ...any) (bool, error) {
	s, err := t.stmt(ctx, text)
	if err != nil {
		return false, err
	}
	switch err := s.QueryRowContext(ctx, args...).Scan(into...); {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("store: %w", err)
	}
	return true, nil
}

// change makes a small change that does not wait behind routine records.
func (s *SQLite) change(ctx context.Context, change func(context.Context, *transaction) error) error {
	return s.submit(s.urgent, writeRequest{ctx: ctx, change: change, records: 1, answer: make(chan error, 1)})
}

// submit has a change made by the writer and waits until it is on the disk. A caller whose context ends gets its error;
// the change may have been made all the same.
func (s *SQLite) submit(queue chan<- writeRequest, r writeRequest) error {
	ctx := r.ctx
	select {
	case queue <- r:
	case <-s.stop:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("store: %w", ctx.Err())
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("store: %w", ctx.Err())
	}
}

func (s *SQLite) startWriter(ctx context.Context) error {
	conn, err := s.write.Conn(ctx)
	if err != nil {
		return explain(s.path, err)
	}
	go func() {
		defer close(s.done)
		defer conn.Close()
		tx := &transaction{conn: conn, prepared: map[string]*sql.Stmt{}}
		defer tx.close()
		for {
			select {
			case first := <-s.urgent:
				s.commit(tx, s.waiting(first))
			case first := <-s.routine:
				s.commit(tx, s.waiting(first))
			case <-s.stop:
				return
			}
		}
	}()
	return nil
}

// waiting gives the first request and those that wait too, the urgent ones before the others.
func (s *SQLite) waiting(first writeRequest) []writeRequest {
	requests, records := []writeRequest{first}, first.records
	for _, queue := range []<-chan writeRequest{s.urgent, s.routine} {
		for more := true; more && records < together; {
			select {
			case r := <-queue:
				requests = append(requests, r)
				records += r.records
			default:
				more = false
			}
		}
	}
	return requests
}

// commit makes all changes in one transaction. Each has its own savepoint: one that fails takes nothing with it.
// Once begun, a transaction does not follow its callers' contexts, for a cut in the middle would cost the others.
func (s *SQLite) commit(tx *transaction, requests []writeRequest) {
	ctx := context.Background()
	results := make([]error, len(requests))
	err := func() error {
		if _, err := tx.exec(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		for i, r := range requests {
			if results[i] = r.ctx.Err(); results[i] != nil {
				continue
			}
			var err error
			if results[i], err = savepoint(ctx, tx, r.change); err != nil {
				return err
			}
		}
		_, err := tx.exec(ctx, "COMMIT")
		return err
	}()
	if err != nil {
		// It fails when the engine has already rolled back by itself, which is as good.
		_, _ = tx.exec(ctx, "ROLLBACK")
	}
	for i, r := range requests {
		if err != nil && results[i] == nil {
			results[i] = fmt.Errorf("store: commit to %s: %w", s.path, err)
		}
		r.answer <- results[i]
	}
}

// savepoint makes one change, or none of it. The second error is fatal for the whole transaction.
func savepoint(ctx context.Context, tx *transaction, change func(context.Context, *transaction) error) (failed, fatal error) {
	if _, err := tx.exec(ctx, "SAVEPOINT change"); err != nil {
		return nil, err
	}
	if failed = change(ctx, tx); failed != nil {
		if _, err := tx.exec(ctx, "ROLLBACK TO change"); err != nil {
			return failed, err
		}
	}
	_, fatal = tx.exec(ctx, "RELEASE change")
	return failed, fatal
}
