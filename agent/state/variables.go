package state

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/spanwatch/spanwatch/agent/process"
)

// withVariables is the schema that brought process variables.
const withVariables = 2

// maxVariables bounds the variables of one device, unpacked, in bytes: more than package process ever writes.
const maxVariables = 64 << 20

// packWindow is how far back packing looks for what is alike, in bytes: the variables of a device are not many.
const packWindow = 128 << 10

func saveVariables(tx *sql.Tx, saved []process.Saved) (err error) {
	if len(saved) == 0 {
		return nil
	}
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packWindow))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pack.Close()) }()
	put, err := tx.Prepare("INSERT INTO variables VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, put.Close()) }()
	var body []byte
	for i := range saved {
		body = pack.EncodeAll(saved[i].Body, body[:0])
		if _, err := put.Exec(saved[i].Device, body); err != nil {
			return err
		}
	}
	return nil
}

// variables gives the process variables of all devices.
func (s *State) variables() (all []process.Saved, err error) {
	if s.version < withVariables {
		return nil, nil // a directory that an older program wrote
	}
	rows, err := s.db.Query("SELECT device, body FROM variables ORDER BY device")
	if err != nil {
		return nil, fmt.Errorf("state: read variables: %w", err)
	}
	defer rows.Close()
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxVariables))
	if err != nil {
		return nil, fmt.Errorf("state: read variables: %w", err)
	}
	defer unpack.Close()
	for rows.Next() {
		var one process.Saved
		var body sql.RawBytes
		if err := rows.Scan(&one.Device, &body); err != nil {
			return nil, fmt.Errorf("state: read variables: %w", err)
		}
		if one.Body, err = unpack.DecodeAll(body, nil); err != nil {
			return nil, fmt.Errorf("state: the variables of %s are damaged: %w", one.Device, err)
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
