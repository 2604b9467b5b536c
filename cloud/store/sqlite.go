package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

//go:embed migrations/*.sql
var migrations embed.FS

// readers is how many statements read at the same time; SQLite's readers never wait for the writer.
const readers = 4

// SQLite is the embedded engine: one file, one connection that writes, several that read. All writes go through one
// goroutine, which commits what waits together, so that many sensors share the cost of reaching the disk. Nothing is
// reported as stored before the disk has it.
type SQLite struct {
	path    string
	write   *sql.DB // one connection
	read    *sql.DB // cannot write
	hunt    *sql.DB // cannot write, sees the views only
	urgent  chan writeRequest
	routine chan writeRequest
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed by the writer
	close   sync.Once
}

var _ Store = (*SQLite)(nil)

// OpenSQLite opens the database file at path, makes it when there is none, and brings its schema up to date. A file
// that a newer program wrote is refused.
func OpenSQLite(ctx context.Context, path string) (*SQLite, error) {
	// The engine would make the file readable for all: it holds what an attacker would like to know of a plant.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: cannot open the database: %w", err)
	}
	f.Close()

	s := &SQLite{
		path:    path,
		urgent:  make(chan writeRequest),
		routine: make(chan writeRequest),
		stop:    make(chan struct{}),
		done:    make(chan struct{}),
	}
	if err := s.open(ctx); err != nil {
		s.closePools()
		return nil, err
	}
	return s, nil
}

func (s *SQLite) open(ctx context.Context) error {
	var err error
	// A commit of many records stays in memory until it is whole.
	pragmas := []string{"journal_mode(WAL)", "synchronous(FULL)", "cache_size(-32768)", "temp_store(MEMORY)"}
	if s.write, err = s.pool(1, nil, "rw", pragmas...); err != nil {
		return err
	}
	if err := migrate(ctx, s.write, s.path); err != nil {
		return err
	}
	if s.read, err = s.pool(readers, nil, "ro", "query_only(1)"); err != nil {
		return err
	}
	if s.hunt, err = s.pool(readers, viewsOnly, "ro", "query_only(1)"); err != nil {
		return err
	}
	return s.startWriter(ctx)
}

// pool opens connections to the file in a mode of SQLite's ("rw", "ro") with the given pragmas. A guard, if there is
// one, decides on everything that a statement wants to do.
func (s *SQLite) pool(size int, guard sqlite.AuthorizerFn, mode string, pragmas ...string) (*sql.DB, error) {
	path, err := filepath.Abs(s.path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	query := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_dqs": {"false"}, "_defensive": {"true"}}
	query["_pragma"] = append([]string{"busy_timeout(10000)", "foreign_keys(1)"}, pragmas...)
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}
	connector, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if guard != nil {
		connector = guarded{connector, guard}
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(size)
	db.SetMaxIdleConns(size)
	return db, nil
}

// migrate brings the schema up to date, one transaction a step.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	have, know, err := provider.GetVersions(ctx)
	if err != nil {
		return explain(path, err)
	}
	if have > know {
		return fmt.Errorf("store: %s has schema %d, and this program knows schemas up to %d: "+
			"run the newer spanwatch-cloud that wrote it, or choose another file with --store", path, have, know)
	}
	if _, err := provider.Up(ctx); err != nil {
		return explain(path, err)
	}
	return nil
}

// explain says what is wrong with the file in words, where the engine only has a code for it.
func explain(path string, err error) error {
	var failed *sqlite.Error
	if errors.As(err, &failed) {
		switch failed.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			return fmt.Errorf("store: %s is not a Spanwatch database, or is damaged: "+
				"move it away, or choose another file with --store: %w", path, err)
		case sqlite3.SQLITE_BUSY:
			return fmt.Errorf("store: %s is in use by another program: %w", path, err)
		}
	}
	return fmt.Errorf("store: %s: %w", path, err)
}

// Close waits for the writes under way and closes the file. Calls after it fail.
func (s *SQLite) Close() error {
	var err error
	s.close.Do(func() {
		close(s.stop)
		<-s.done
		err = s.closePools()
	})
	return err
}

func (s *SQLite) closePools() error {
	var errs []error
	for _, db := range []*sql.DB{s.hunt, s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("store: close %s: %w", s.path, err)
	}
	return nil
}
