package uplink

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// isLane reports whether the spool has such a lane.
func isLane(lane spanwatchv1.Lane) bool {
	return lane == spanwatchv1.Lane_LANE_ALERT || lane == spanwatchv1.Lane_LANE_ROUTINE
}

// append commits records behind all others of their lane and makes room for them. It numbers them.
func (b *blocks) append(lane spanwatchv1.Lane, records []*spanwatchv1.Record) error {
	lost := b.lost[lane]
	err := b.update(func(tx *sql.Tx, t *tally) error {
		if lost > 0 {
			first := t.following[lane]
			t.following[lane] += uint64(lost)
			if err := t.insertGap(tx, lane, first, t.following[lane]-1); err != nil {
				return err
			}
			t.dropped += uint64(lost)
		}
		first := t.following[lane]
		for _, r := range records {
			r.Sequence = t.following[lane]
			t.following[lane]++
		}
		data, err := b.encodeBlock(records)
		if err != nil {
			return err
		}
		if int64(len(data)) > b.budget {
			return fmt.Errorf("%d bytes are more than the spool may hold (%d)", len(data), b.budget)
		}
		if err := b.makeRoom(tx, t, int64(len(data))); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO block (lane, last, first, data) VALUES (?, ?, ?, ?)`,
			lane, t.following[lane]-1, first, data); err != nil {
			return err
		}
		t.bytes += int64(len(data))
		t.pending[lane] += len(records)
		return t.save(tx, lane)
	})
	if err == nil {
		b.lost[lane] -= lost
	}
	return err
}

// save writes what outlives the rows.
func (t *tally) save(tx *sql.Tx, lane spanwatchv1.Lane) error {
	if _, err := tx.Exec(`UPDATE lane SET following = ? WHERE lane = ?`, t.following[lane], lane); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE spool SET epoch = ?, dropped = ?`, t.epoch, t.dropped)
	return err
}

// lose counts records that the disk would not take.
func (b *blocks) lose(lane spanwatchv1.Lane, n int) { b.lost[lane] += n }

// makeRoom drops blocks until size bytes more are within the budget: the oldest routine ones first, alerts last.
func (b *blocks) makeRoom(tx *sql.Tx, t *tally, size int64) error {
	for _, lane := range lanes {
		for t.bytes+size > b.budget {
			var first, last uint64
			var data int64
			err := tx.QueryRow(`SELECT first, last, length(data) FROM block WHERE lane = ? AND data IS NOT NULL ORDER BY last LIMIT 1`,
				lane).Scan(&first, &last, &data)
			if errors.Is(err, sql.ErrNoRows) {
				break
			}
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`DELETE FROM block WHERE lane = ? AND last = ?`, lane, last); err != nil {
				return err
			}
			t.bytes -= data
			t.pending[lane] -= int(last - first + 1)
			t.dropped += last - first + 1
			if err := t.insertGap(tx, lane, first, last); err != nil {
				return err
			}
		}
	}
	return nil
}

// insertGap makes a gap of the numbers first to last, one with the gaps that it touches.
func (t *tally) insertGap(tx *sql.Tx, lane spanwatchv1.Lane, first, last uint64) error {
	for _, neighbour := range []string{
		`SELECT first, last, data IS NULL FROM block WHERE lane = ? AND last < ? ORDER BY last DESC LIMIT 1`,
		`SELECT first, last, data IS NULL FROM block WHERE lane = ? AND last > ? ORDER BY last LIMIT 1`,
	} {
		var from, to uint64
		var gap bool
		switch err := tx.QueryRow(neighbour, lane, last).Scan(&from, &to, &gap); {
		case errors.Is(err, sql.ErrNoRows):
			continue
		case err != nil:
			return err
		}
		if !gap || to+1 != first && last+1 != from {
			continue
		}
		if _, err := tx.Exec(`DELETE FROM block WHERE lane = ? AND last = ?`, lane, to); err != nil {
			return err
		}
		t.pending[lane]--
		first, last = min(first, from), max(last, to)
	}
	if _, err := tx.Exec(`INSERT INTO block (lane, last, first, data) VALUES (?, ?, ?, NULL)`, lane, last, first); err != nil {
		return err
	}
	t.pending[lane]++
	return nil
}

// next gives the records of a lane behind a sequence number: as many blocks as make one message.
func (b *blocks) next(lane spanwatchv1.Lane, after uint64) ([]*spanwatchv1.Record, error) {
	var records []*spanwatchv1.Record
	for size := 0; size < blockBytes && len(records) < blockRecords; {
		var first, last uint64
		var data []byte
		err := b.db.QueryRow(`SELECT first, last, data FROM block WHERE lane = ? AND last > ? ORDER BY last LIMIT 1`, lane, after).
			Scan(&first, &last, &data)
		if errors.Is(err, sql.ErrNoRows) {
			break
		}
		if err != nil {
			return nil, b.explain(err)
		}
		block, err := b.open(lane, first, last, data)
		if err != nil {
			return nil, err
		}
		block = behind(block, after)
		for _, r := range block {
			size += proto.Size(r)
		}
		if len(records) > 0 && size > maxMessage {
			break
		}
		records = append(records, block...)
		after = last
	}
	return records, nil
}

// open gives the records first to last of a row. A row that the disk has damaged becomes a gap.
func (b *blocks) open(lane spanwatchv1.Lane, first, last uint64, data []byte) ([]*spanwatchv1.Record, error) {
	if data != nil {
		all, err := b.decodeBlock(data)
		if err == nil && len(all) > 0 && all[len(all)-1].Sequence == last && all[0].Sequence <= first &&
			uint64(len(all)) == last-all[0].Sequence+1 {
			return all[first-all[0].Sequence:], nil
		}
		if err := b.update(func(tx *sql.Tx, t *tally) error { return t.giveUp(tx, lane, first, last, len(data)) }); err != nil {
			return nil, err
		}
	}
	return []*spanwatchv1.Record{{Sequence: last, Body: gap(first, last)}}, nil
}

// behind leaves out what was sent already: a gap may have swallowed records that are on their way.
func behind(block []*spanwatchv1.Record, after uint64) []*spanwatchv1.Record {
	for len(block) > 0 && block[0].Sequence <= after {
		block = block[1:]
	}
	for _, r := range block {
		if g := r.GetGap(); g != nil && g.FirstSequence <= after {
			r.Body = gap(after+1, g.LastSequence)
		}
	}
	return block
}

// giveUp makes a gap of a row.
func (t *tally) giveUp(tx *sql.Tx, lane spanwatchv1.Lane, first, last uint64, bytes int) error {
	if _, err := tx.Exec(`UPDATE block SET data = NULL, first = ? WHERE lane = ? AND last = ?`, first, lane, last); err != nil {
		return err
	}
	t.bytes -= int64(bytes)
	t.pending[lane] -= int(last - first)
	t.dropped += last - first + 1
	return t.save(tx, lane)
}

func gap(first, last uint64) *spanwatchv1.Record_Gap {
	return &spanwatchv1.Record_Gap{Gap: &spanwatchv1.Gap{FirstSequence: first, LastSequence: last, Dropped: last - first + 1}}
}

// acknowledge deletes what the collector has. It need not survive a loss of power: what is sent again is known there.
func (b *blocks) acknowledge(lane spanwatchv1.Lane, sequence uint64) error {
	if _, err := b.db.Exec(`PRAGMA synchronous = NORMAL`); err != nil {
		return b.explain(err)
	}
	err := b.update(func(tx *sql.Tx, t *tally) error {
		var records int
		var bytes int64
		if err := tx.QueryRow(`SELECT coalesce(sum(iif(data IS NULL, 1, last - first + 1)), 0), coalesce(sum(length(data)), 0)
			FROM block WHERE lane = ? AND last <= ?`, lane, sequence).Scan(&records, &bytes); err != nil {
			return err
		}
		if _, err := tx.Exec(`DELETE FROM block WHERE lane = ? AND last <= ?`, lane, sequence); err != nil {
			return err
		}
		t.pending[lane] -= records
		t.bytes -= bytes
		return t.cut(tx, lane, sequence)
	})
	if _, restore := b.db.Exec(`PRAGMA synchronous = FULL`); restore != nil {
		return errors.Join(err, b.explain(restore))
	}
	return err
}

// cut takes the acknowledged records out of the row that they are a part of.
func (t *tally) cut(tx *sql.Tx, lane spanwatchv1.Lane, sequence uint64) error {
	var first, last uint64
	var gap bool
	switch err := tx.QueryRow(`SELECT first, last, data IS NULL FROM block WHERE lane = ? AND last > ? ORDER BY last LIMIT 1`,
		lane, sequence).Scan(&first, &last, &gap); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	if first > sequence {
		return nil
	}
	if !gap {
		t.pending[lane] -= int(sequence + 1 - first)
	}
	_, err := tx.Exec(`UPDATE block SET first = ? WHERE lane = ? AND last = ?`, sequence+1, lane, last)
	return err
}

// refuse puts a gap in the place of one record. It reports whether there was one.
func (b *blocks) refuse(lane spanwatchv1.Lane, sequence uint64) (found bool, err error) {
	err = b.update(func(tx *sql.Tx, t *tally) error {
		var first, last uint64
		var data []byte
		switch err := tx.QueryRow(`SELECT first, last, data FROM block WHERE lane = ? AND last >= ? ORDER BY last LIMIT 1`,
			lane, sequence).Scan(&first, &last, &data); {
		case errors.Is(err, sql.ErrNoRows):
			return nil
		case err != nil:
			return err
		}
		if sequence < first || data == nil {
			return nil
		}
		records, err := b.decodeBlock(data)
		if err != nil {
			return err
		}
		for _, r := range records {
			if _, already := r.Body.(*spanwatchv1.Record_Gap); r.Sequence == sequence && !already {
				r.Body, found = gap(sequence, sequence), true
			}
		}
		if !found {
			return nil
		}
		changed, err := b.encodeBlock(records)
		if err != nil {
			return err
		}
		t.bytes += int64(len(changed) - len(data))
		t.dropped++
		if _, err := tx.Exec(`UPDATE block SET data = ? WHERE lane = ? AND last = ?`, changed, lane, last); err != nil {
			return err
		}
		// A gap may take more than the record did.
		if err := b.makeRoom(tx, t, 0); err != nil {
			return err
		}
		return t.save(tx, lane)
	})
	return found && err == nil, err
}

// renew begins an epoch: what waits keeps its numbers under another name.
func (b *blocks) renew() error {
	return b.update(func(tx *sql.Tx, t *tally) error {
		t.epoch = rand.Text()
		return t.save(tx, spanwatchv1.Lane_LANE_ROUTINE)
	})
}
