package uplink

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// spoolSchema is the version of the file's tables; a file of a later one is refused.
const spoolSchema = 1

// maxBlock bounds what a block may unfold to: the file may be damaged.
const maxBlock = 16 << 20

// lanes are the lanes in the order in which records are given up when there is no room.
var lanes = [...]spanwatchv1.Lane{spanwatchv1.Lane_LANE_ROUTINE, spanwatchv1.Lane_LANE_ALERT}

// blocks is the spool's file: rows of records with consecutive sequence numbers, compressed together. A row without
// data is a gap. Its owner locks.
type blocks struct {
	path   string
	db     *sql.DB
	pack   *zstd.Encoder
	unpack *zstd.Decoder
	budget int64

	tally

	// lost counts records that never reached the file; the next append makes a gap of them.
	lost [3]int
}

// tally is what the file says, kept at hand, by lane where it has an index. It changes only when a commit has succeeded.
type tally struct {
	epoch     string
	following [3]uint64 // the sequence number that comes next
	pending   [3]int    // records not acknowledged, a gap counting as one
	bytes     int64     // of all rows' data
	dropped   uint64
}

// createTables makes an empty spool. The numbers of a lane outlive its rows: they must never repeat in an epoch.
const createTables = `
CREATE TABLE spool (epoch TEXT NOT NULL, dropped INTEGER NOT NULL);
CREATE TABLE lane (lane INTEGER PRIMARY KEY, following INTEGER NOT NULL);
CREATE TABLE block (
    lane  INTEGER NOT NULL,
    last  INTEGER NOT NULL, -- sequence number of its last record
    first INTEGER NOT NULL, -- of its first one that is not acknowledged
    data  BLOB,             -- compressed Batch; NULL: a gap
    PRIMARY KEY (lane, last)
);`

func openBlocks(path string, budget int64) (*blocks, error) {
	// The engine would make the file readable for all.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("uplink: cannot open the spool: %w", err)
	}
	f.Close()
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("uplink: cannot open the spool: %w", err)
	}
	// Exclusive: two senders of one spool would acknowledge each other's records.
	dsn := url.URL{Scheme: "file", Path: full, RawQuery: url.Values{
		"mode": {"rw"}, "_txlock": {"immediate"}, "_dqs": {"false"},
		"_pragma": {"locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)"},
	}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("uplink: cannot open the spool: %w", err)
	}
	db.SetMaxOpenConns(1)
	b := &blocks{path: path, db: db, budget: budget}
	if err := b.prepare(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return b, nil
}

func (b *blocks) prepare() error {
	var err error
	if b.pack, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true)); err != nil {
		return fmt.Errorf("uplink: %w", err)
	}
	b.unpack, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlock))
	if err != nil {
		return fmt.Errorf("uplink: %w", err)
	}
	err = b.transaction(func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRow(`PRAGMA user_version`).Scan(&version); err != nil {
			return err
		}
		if version > spoolSchema {
			return fmt.Errorf("it has schema %d, and this program knows schemas up to %d: run the newer spanwatch-agent that wrote it, "+
				"or move it away and lose what waits in it", version, spoolSchema)
		}
		if version == 0 {
			return create(tx)
		}
		return nil
	})
	if err != nil {
		return b.explain(err)
	}
	return b.explain(b.load())
}

func create(tx *sql.Tx) error {
	if _, err := tx.Exec(createTables); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO spool VALUES (?, 0)`, rand.Text()); err != nil {
		return err
	}
	for _, lane := range lanes {
		if _, err := tx.Exec(`INSERT INTO lane VALUES (?, 1)`, lane); err != nil {
			return err
		}
	}
	_, err := tx.Exec(fmt.Sprintf(`PRAGMA user_version = %d`, spoolSchema))
	return err
}

// load reads what is kept at hand.
func (b *blocks) load() error {
	if err := b.db.QueryRow(`SELECT epoch, dropped FROM spool`).Scan(&b.epoch, &b.dropped); err != nil {
		return err
	}
	if err := b.db.QueryRow(`SELECT coalesce(sum(length(data)), 0) FROM block`).Scan(&b.bytes); err != nil {
		return err
	}
	for _, lane := range lanes {
		err := b.db.QueryRow(`SELECT following, (SELECT coalesce(sum(iif(data IS NULL, 1, last - first + 1)), 0) FROM block
			WHERE lane = l.lane) FROM lane AS l WHERE lane = ?`, lane).Scan(&b.following[lane], &b.pending[lane])
		if err != nil {
			return err
		}
	}
	return nil
}

// explain says what is wrong with the file in words, where the engine only has a code for it.
func (b *blocks) explain(err error) error {
	if err == nil {
		return nil
	}
	var failed *sqlite.Error
	if errors.As(err, &failed) {
		switch failed.Code() & 0xff {
		case sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT:
			return fmt.Errorf("uplink: the spool %s is damaged: move it away and lose what waits in it: %w", b.path, err)
		case sqlite3.SQLITE_BUSY:
			return fmt.Errorf("uplink: the spool %s is in use by another spanwatch-agent: stop that one, or choose another --state: %w",
				b.path, err)
		}
	}
	return fmt.Errorf("uplink: spool %s: %w", b.path, err)
}

// transaction runs a change: all of it or nothing.
func (b *blocks) transaction(change func(*sql.Tx) error) error {
	tx, err := b.db.Begin()
	if err != nil {
		return err
	}
	if err := change(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// update runs a change and, when it is committed, takes over what it did to the tally.
func (b *blocks) update(change func(tx *sql.Tx, next *tally) error) error {
	next := b.tally
	if err := b.transaction(func(tx *sql.Tx) error { return change(tx, &next) }); err != nil {
		return b.explain(err)
	}
	b.tally = next
	return nil
}

// encodeBlock gives the data of a row.
func (b *blocks) encodeBlock(records []*spanwatchv1.Record) ([]byte, error) {
	plain, err := encode(&spanwatchv1.Batch{Records: records})
	if err != nil {
		return nil, err
	}
	return b.pack.EncodeAll(plain, nil), nil
}

// decodeBlock reads the data of a row.
func (b *blocks) decodeBlock(data []byte) ([]*spanwatchv1.Record, error) {
	plain, err := b.unpack.DecodeAll(data, nil)
	if err != nil {
		return nil, err
	}
	var batch spanwatchv1.Batch
	if err := proto.Unmarshal(plain, &batch); err != nil {
		return nil, err
	}
	return batch.Records, nil
}

// sizeOf gives the encoded size of a record, and an error for one that no collector would take.
func sizeOf(r *spanwatchv1.Record) (int, error) {
	size := proto.Size(r)
	if size > maxRecord {
		return 0, fmt.Errorf("a record of %d bytes is larger than the %d that a collector takes", size, maxRecord)
	}
	return size, nil
}

func (b *blocks) close() error {
	b.unpack.Close()
	err := errors.Join(b.pack.Close(), b.db.Close())
	if err != nil {
		return fmt.Errorf("uplink: close the spool %s: %w", b.path, err)
	}
	return nil
}
