package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
	"github.com/spanwatch/spanwatch/protocols"
)

// A run of frames goes to the workers together, so that their batches can be put back into the order of capture. The
// limits are per run, whatever the number of workers: the runs, and with them all that comes out, stay the same.
const (
	runFrames = 8192
	runBytes  = 4 << 20
	runAhead  = 2 // runs that may wait at each worker
)

// run is what the reader hands to one worker: frames whose bytes lie one after another in data.
type run struct {
	frames []capture.Frame
	data   []byte
	last   bool
}

// ReplayConfig says how capture files are replayed.
type ReplayConfig struct {
	Config
	Workers int // at least 1
	// Pace is called before each frame with its capture time, and may wait: it makes a replay run at the speed of
	// capture. Nil: as fast as possible.
	Pace func(ctx context.Context, at time.Time) error
}

// Replay reads src to its end and calls sink with what its frames gave, in the order of capture. Sink owns the batch
// during the call only. Of a damaged file the frames before the damage count; its error, a *capture.DamagedError, is
// returned once everything that could be read has reached sink.
func Replay(ctx context.Context, src capture.Source, cfg ReplayConfig, sink func(*Batch) error) error {
	n := max(cfg.Workers, 1)
	group, ctx := errgroup.WithContext(ctx)
	in, out := make([]chan *run, n), make([]chan *Batch, n)
	free, spare := make([]chan *run, n), make([]chan *Batch, n)
	for i := range n {
		in[i], out[i] = make(chan *run, runAhead), make(chan *Batch, runAhead)
		free[i], spare[i] = make(chan *run, runAhead+2), make(chan *Batch, runAhead+2)
		group.Go(func() error { return work(ctx, cfg.Config, in[i], out[i], free[i], spare[i]) })
	}
	var damage error
	group.Go(func() error {
		var err error
		damage, err = read(ctx, src, cfg, in, free)
		return err
	})
	group.Go(func() error { return collect(ctx, out, spare, sink) })
	if err := group.Wait(); err != nil {
		return err
	}
	return damage
}

// read cuts the source into runs and spreads each over the workers.
func read(ctx context.Context, src capture.Source, cfg ReplayConfig, in, free []chan *run) (damage, err error) {
	defer func() {
		for _, ch := range in {
			close(ch)
		}
	}()
	var f capture.Frame
	runs := make([]*run, len(in))
	frames, size := 0, 0
	for i := range runs {
		runs[i] = take(free[i])
	}
	for {
		err := src.Next(&f)
		if err != nil && err != io.EOF {
			var damaged *capture.DamagedError
			if !errors.As(err, &damaged) {
				return nil, fmt.Errorf("pipeline: %w", err)
			}
			damage = errors.Join(damage, err) // the other sources of a merge go on
			continue
		}
		if err == nil {
			if cfg.Pace != nil {
				if err := cfg.Pace(ctx, f.Time); err != nil {
					return nil, err
				}
			}
			to := 0
			if len(in) > 1 {
				to = int(packet.Hash(uint16(f.Link), f.Data) % uint32(len(in)))
			}
			runs[to].add(&f)
			frames, size = frames+1, size+len(f.Data)
		}
		// A paced replay hands over every frame: it stands in for a live sensor, and its alerts may not wait.
		if frames < runFrames && size < runBytes && err == nil && cfg.Pace == nil {
			continue
		}
		for i := range in {
			runs[i].last = err != nil
			select {
			case in[i] <- runs[i]:
				runs[i] = take(free[i])
			case <-ctx.Done():
				return damage, ctx.Err()
			}
		}
		if err != nil {
			return damage, nil
		}
		frames, size = 0, 0
	}
}

func (r *run) add(f *capture.Frame) {
	at := len(r.data)
	r.data = append(r.data, f.Data...)
	r.frames = append(r.frames, *f)
	// The bytes may still move while data grows: only the length counts until the run is sealed.
	r.frames[len(r.frames)-1].Data = r.data[at:]
}

// seal points every frame at its bytes.
func (r *run) seal() {
	at := 0
	for i := range r.frames {
		f := &r.frames[i]
		f.Data = r.data[at : at+len(f.Data) : at+len(f.Data)]
		at += len(f.Data)
	}
}

func take(free chan *run) *run {
	select {
	case r := <-free:
		r.frames, r.data, r.last = r.frames[:0], r.data[:0], false
		return r
	default:
		return new(run)
	}
}

// work is one worker's goroutine.
func work(ctx context.Context, cfg Config, in <-chan *run, out chan<- *Batch, free chan<- *run, spare <-chan *Batch) error {
	defer close(out)
	w := NewWorker(cfg)
	for r := range in {
		r.seal()
		for i := range r.frames {
			w.Frame(&r.frames[i])
		}
		if r.last {
			w.Finish()
		}
		select {
		case free <- r:
		default:
		}
		next := new(Batch)
		select {
		case next = <-spare:
			next.reset()
		default:
		}
		select {
		case out <- w.Take(next):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// collect takes one batch from every worker, merges them and calls sink.
func collect(ctx context.Context, out, spare []chan *Batch, sink func(*Batch) error) error {
	merged := new(Batch)
	parts := make([]*Batch, len(out))
	for {
		for i := range out {
			select {
			case b, ok := <-out[i]:
				if !ok {
					return nil
				}
				parts[i] = b
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		whole := parts[0]
		if len(parts) > 1 {
			merge(merged, parts)
			whole = merged
		}
		order(whole)
		if err := sink(whole); err != nil {
			return err
		}
		for i, b := range parts {
			select {
			case spare[i] <- b:
			default:
			}
		}
	}
}

func merge(dst *Batch, parts []*Batch) {
	dst.reset()
	for _, b := range parts {
		dst.Events = append(dst.Events, b.Events...)
		dst.Flows = append(dst.Flows, b.Flows...)
		dst.Bindings = append(dst.Bindings, b.Bindings...)
		dst.Notices = append(dst.Notices, b.Notices...)
		dst.Stats.Add(&b.Stats)
	}
}

// order puts a batch into the order of capture. Frames are numbered within their source; several sources are merged by
// time, as the reader merged them. All that one frame gave comes from one worker, in its order.
func order(b *Batch) {
	byFrame := true
	for i := range b.Events {
		byFrame = byFrame && b.Events[i].Source == b.Events[0].Source
	}
	arrange(b.Events, func(x, y *protocols.Event) int {
		if byFrame {
			return cmp.Compare(x.Place(), y.Place())
		}
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Place(), y.Place()))
	})
	slices.SortStableFunc(b.Flows, func(x, y protocols.Flow) int {
		return cmp.Or(x.Last.Compare(y.Last), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Frame, y.Frame), cmp.Compare(x.Conv.ID, y.Conv.ID))
	})
	slices.SortStableFunc(b.Notices, func(x, y protocols.Notice) int {
		return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Source, y.Source), cmp.Compare(x.Frame, y.Frame))
	})
	slices.SortStableFunc(b.Bindings, func(x, y protocols.Binding) int {
		return cmp.Or(x.Time.Compare(y.Time), x.Addr.Compare(y.Addr), slices.Compare(x.MAC[:], y.MAC[:]))
	})
}
