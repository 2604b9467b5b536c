package uplink

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	// defaultBudget is what the waiting records may take when the configuration says nothing: days of a large site.
	defaultBudget = 256 << 20
	// A block is what is stored, compressed and sent as one: this many records or bytes, whichever comes first.
	blockRecords = 512
	blockBytes   = 256 << 10
	// maxRecord is the largest record, maxMessage the largest message of several, that any collector takes.
	maxRecord  = 1 << 20
	maxMessage = 1 << 20
)

// errSpoolClosed is what calls get after Close.
var errSpoolClosed = errors.New("uplink: the spool is closed")

// SpoolConfig bounds a spool.
type SpoolConfig struct {
	// MaxBytes is what the compressed records on disk may take; 0 means 256 MiB. When they would take more, the oldest
	// routine records go first and alerts last, and the collector is told how many.
	MaxBytes int64
}

// Spool keeps records on disk until the collector has acknowledged them. An alert is on the disk when [Spool.Alert]
// returns; routine records are when [Spool.Flush] does, or when a block of them is full.
type Spool struct {
	mu     sync.Mutex
	blocks *blocks
	buffer []*spanwatchv1.Record // routine records that are not on the disk yet
	bytes  int                   // of buffer, encoded
	err    error                 // set by Close

	changed chan struct{} // holds a token when there may be something new to send
	settled chan struct{} // closed and replaced when something was acknowledged
}

// OpenSpool opens the spool in the file at path and makes it when there is none. One process at a time can have it.
func OpenSpool(path string, cfg SpoolConfig) (*Spool, error) {
	budget := cfg.MaxBytes
	if budget == 0 {
		budget = defaultBudget
	}
	if budget < 0 {
		return nil, fmt.Errorf("uplink: a spool of %d bytes is not possible", budget)
	}
	b, err := openBlocks(path, budget)
	if err != nil {
		return nil, err
	}
	return &Spool{blocks: b, changed: make(chan struct{}, 1), settled: make(chan struct{})}, nil
}

// Alert commits an alert. It is raised when Alert returns nil: no loss of power or network takes it back.
func (s *Spool) Alert(a detect.Alert) error {
	r := &spanwatchv1.Record{Body: &spanwatchv1.Record_Alert{Alert: alertMessage(a)}}
	if _, err := sizeOf(r); err != nil {
		return fmt.Errorf("uplink: alert %s: %w", a.ID, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	r.Time = timestamppb.Now()
	if err := s.blocks.append(spanwatchv1.Lane_LANE_ALERT, []*spanwatchv1.Record{r}); err != nil {
		return err
	}
	s.wake()
	return nil
}

// Device takes a device's state.
func (s *Spool) Device(d inventory.Device) error {
	return s.routine(&spanwatchv1.Record{Body: &spanwatchv1.Record_Device{Device: deviceMessage(d)}}, "device "+d.ID)
}

// Edge takes an edge's state.
func (s *Spool) Edge(e graph.Edge) error {
	return s.routine(&spanwatchv1.Record{Body: &spanwatchv1.Record_Edge{Edge: edgeMessage(e)}}, "edge "+e.Client+" "+e.Server)
}

// Coverage takes what was understood of a pair of hosts.
func (s *Spool) Coverage(c graph.Coverage) error {
	return s.routine(&spanwatchv1.Record{Body: &spanwatchv1.Record_Coverage{Coverage: coverageMessage(c)}},
		"coverage "+c.ClientIP+" "+c.ServerIP)
}

func (s *Spool) routine(r *spanwatchv1.Record, what string) error {
	size, err := sizeOf(r)
	if err != nil {
		return fmt.Errorf("uplink: %s: %w", what, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	r.Time = timestamppb.Now()
	s.buffer = append(s.buffer, r)
	s.bytes += size
	s.wake()
	if len(s.buffer) < blockRecords && s.bytes < blockBytes {
		return nil
	}
	return s.flush()
}

// Flush commits the routine records that are not on the disk yet.
func (s *Spool) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return s.flush()
}

// flush commits the buffer. What the disk refuses is lost and counted, so that a full disk does not fill the memory
// too; the collector learns of it as soon as the disk takes something again.
func (s *Spool) flush() error {
	if len(s.buffer) == 0 {
		return nil
	}
	records := s.buffer
	s.buffer, s.bytes = nil, 0
	if err := s.blocks.append(spanwatchv1.Lane_LANE_ROUTINE, records); err != nil {
		s.blocks.lose(spanwatchv1.Lane_LANE_ROUTINE, len(records))
		return err
	}
	s.wake()
	return nil
}

// wake tells the client that there is something to send.
func (s *Spool) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Pending says how many records the collector has not acknowledged. A gap counts as one.
func (s *Spool) Pending() (alerts, routine int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks.pending[spanwatchv1.Lane_LANE_ALERT], s.blocks.pending[spanwatchv1.Lane_LANE_ROUTINE] + len(s.buffer)
}

// Dropped says how many records were lost for want of room or because the collector refused them, since the spool's
// file was made.
func (s *Spool) Dropped() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks.dropped
}

// Close commits what is not on the disk yet and closes the file.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil
	}
	err := s.flush()
	s.err = errSpoolClosed
	return errors.Join(err, s.blocks.close())
}

// epoch gives the name under which the sequence numbers count.
func (s *Spool) epoch() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks.epoch
}

// next gives the lane's records behind a sequence number, at most about a block's worth; none when there are none on
// the disk.
func (s *Spool) next(lane spanwatchv1.Lane, after uint64) ([]*spanwatchv1.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return s.blocks.next(lane, after)
}

// acknowledge deletes a lane's records up to a sequence number.
func (s *Spool) acknowledge(lane spanwatchv1.Lane, sequence uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if !isLane(lane) {
		return nil // of a later version; nothing of ours is in it
	}
	if err := s.blocks.acknowledge(lane, sequence); err != nil {
		return err
	}
	close(s.settled)
	s.settled = make(chan struct{})
	return nil
}

// resume takes what the collector has of this epoch. It reports false when the collector knows of more than the spool
// ever gave out: the file is an old copy, its numbers would be taken for known ones, and a new epoch has begun.
func (s *Spool) resume(acks []*spanwatchv1.Ack) (bool, error) {
	s.mu.Lock()
	epoch := s.blocks.epoch
	var older bool
	for _, ack := range acks {
		older = older || ack.Epoch == epoch && isLane(ack.Lane) && ack.Sequence >= s.blocks.following[ack.Lane]
	}
	var err error
	if older {
		err = s.blocks.renew()
	}
	s.mu.Unlock()
	if older || err != nil {
		return false, err
	}
	for _, ack := range acks {
		if ack.Epoch == epoch {
			if err := s.acknowledge(ack.Lane, ack.Sequence); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// refuse replaces the record of a sequence number by a gap. It reports whether there was one.
func (s *Spool) refuse(lane spanwatchv1.Lane, sequence uint64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false, s.err
	}
	if !isLane(lane) {
		return false, nil
	}
	return s.blocks.refuse(lane, sequence)
}

// drained waits until everything is acknowledged.
func (s *Spool) drained(ctx context.Context) error {
	for {
		if err := s.Flush(); err != nil {
			return err
		}
		s.mu.Lock()
		settled := s.settled
		s.mu.Unlock()
		if alerts, routine := s.Pending(); alerts+routine == 0 {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			alerts, routine := s.Pending()
			return fmt.Errorf("uplink: %d alerts and %d other records are not acknowledged yet: %w", alerts, routine, ctx.Err())
		}
	}
}
