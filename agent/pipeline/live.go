package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spanwatch/spanwatch/capture"
)

const (
	// handOver is how much packet time a live worker gathers before it hands over.
	handOver = 10 * time.Millisecond
	// handOverEvents bounds what it gathers meanwhile.
	handOverEvents = 2048
	// slack is by how much a frame may be older than one that the same worker read before it: interfaces are read in turn.
	slack = 10 * time.Millisecond
	// sweepEvery is the rhythm in which conversations are reported that had packets and are silent now.
	sweepEvery = 5 * time.Second
)

// portion is what a live worker hands over.
type portion struct {
	worker int
	batch  *Batch
	mark   time.Time // nothing older will come from this worker, as far as it can tell
	last   bool
}

// Run reads live sources, each with a worker of its own, and calls sink with what their frames gave, in the order of
// time, source and frame. An event waits until every worker has passed its time; one that comes later still is handed on
// at once and counted in [Stats.Late]. Sink owns the batch during the call only. When ctx ends, everything that was read
// reaches sink, and Run returns nil. The sources remain the caller's to close.
func Run(ctx context.Context, sources []capture.Source, cfg Config, sink func(*Batch) error) error {
	group, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	out := make(chan portion, 2*len(sources))
	spare := make([]chan *Batch, len(sources))
	for i, src := range sources {
		spare[i] = make(chan *Batch, 8)
		l := &live{number: i, source: src, worker: NewWorker(cfg), out: out, spare: spare[i]}
		group.Go(func() error { return l.run(ctx, failed) })
	}
	group.Go(func() error {
		r := newRelease(len(sources), sink)
		for r.open > 0 {
			select {
			case p := <-out:
				if err := r.take(p); err != nil {
					return err
				}
				for _, b := range r.done() {
					select {
					case spare[b.worker] <- b.batch:
					default:
					}
				}
			case <-failed.Done():
				return failed.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// live is one worker of Run.
type live struct {
	number int
	source capture.Source
	worker *Worker
	out    chan<- portion
	spare  <-chan *Batch

	clock  time.Time // of the newest frame, or of the idle source
	handed time.Time
	swept  time.Time
}

// run reads until ctx ends, or the source does. It gives up at once when another part of the pipeline has failed.
func (l *live) run(ctx, failed context.Context) error {
	var f capture.Frame
	for {
		err := l.source.Next(&f)
		var damaged *capture.DamagedError
		switch {
		case err == nil:
			l.worker.Frame(&f)
		case errors.Is(err, capture.ErrIdle):
		case errors.Is(err, io.EOF), errors.As(err, &damaged):
			return l.end(failed)
		default:
			return fmt.Errorf("pipeline: %w", err)
		}
		if f.Time.After(l.clock) {
			l.clock = f.Time
		}
		if ctx.Err() != nil {
			return l.end(failed)
		}
		if err := l.pass(failed, errors.Is(err, capture.ErrIdle)); err != nil {
			return err
		}
	}
}

// pass hands over when it is time.
func (l *live) pass(failed context.Context, idle bool) error {
	if l.swept.IsZero() {
		l.swept, l.handed = l.clock, l.clock
	}
	if l.clock.Sub(l.swept) >= sweepEvery {
		l.swept = l.clock
		l.worker.Sweep(l.clock)
	}
	if !idle && l.clock.Sub(l.handed) < handOver && len(l.worker.batch.Events) < handOverEvents {
		return nil
	}
	l.handed = l.clock
	mark := l.clock
	if !idle {
		mark = mark.Add(-slack)
	}
	return l.hand(failed, portion{mark: mark})
}

func (l *live) end(failed context.Context) error {
	l.worker.Finish()
	return l.hand(failed, portion{mark: l.clock, last: true})
}

func (l *live) hand(failed context.Context, p portion) error {
	var next *Batch
	select {
	case next = <-l.spare:
		next.reset()
	default:
		next = new(Batch)
	}
	p.worker, p.batch = l.number, l.worker.Take(next)
	select {
	case l.out <- p:
		return nil
	case <-failed.Done():
		return failed.Err()
	}
}
