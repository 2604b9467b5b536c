package ingest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanwatch/spanwatch/cloud/store"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	// stillHere is how often a quiet but connected sensor is noted as seen.
	stillHere = time.Minute
	// tolerableSkew is how far the clocks of sensor and collector may differ unsaid.
	tolerableSkew = time.Minute
)

// stream is one sensor's connection.
type stream struct {
	service *Service
	name    sensorName
	log     *slog.Logger
	grpc    grpc.BidiStreamingServer[spanwatchv1.StreamRequest, spanwatchv1.StreamResponse]

	version  string
	epoch    string
	position map[spanwatchv1.Lane]uint64 // what is stored of the epoch

	displaced chan struct{} // closed by the sensor's next stream
	done      chan struct{} // closed when nothing more is stored
}

// Stream serves one sensor until it goes, a newer stream of it comes, or the collector stops.
func (s *Service) Stream(g grpc.BidiStreamingServer[spanwatchv1.StreamRequest, spanwatchv1.StreamResponse]) error {
	name, err := s.sensorOf(g.Context())
	if err != nil {
		s.refused.Inc()
		return err
	}
	st := &stream{
		service: s, name: name, grpc: g, log: s.Log.With("site", name.site, "sensor", name.sensor),
		displaced: make(chan struct{}), done: make(chan struct{}),
	}
	if err := s.admit(g.Context(), st); err != nil {
		return err
	}
	defer s.leave(st)
	s.active.Inc()
	defer s.active.Dec()
	err = st.serve(g.Context())
	switch code := status.Code(err); code {
	case codes.OK, codes.Canceled, codes.Unavailable, codes.Aborted:
		st.log.Info("sensor disconnected", "reason", status.Convert(err).Message())
	default:
		s.refused.Inc()
		st.log.Error("sensor refused", "code", code, "reason", status.Convert(err).Message())
	}
	return err
}

// admit makes st the sensor's stream, and waits until the one before it has ended.
func (s *Service) admit(ctx context.Context, st *stream) error {
	s.mu.Lock()
	if len(s.streams) >= maxStreams {
		s.mu.Unlock()
		return status.Errorf(codes.ResourceExhausted, "the collector serves %d sensors already", maxStreams)
	}
	before := s.streams[st.name]
	s.streams[st.name] = st
	s.mu.Unlock()
	if before == nil {
		return nil
	}
	st.log.Warn("a new connection of the sensor takes the place of the one before; if this repeats, two sensors share one identity")
	close(before.displaced)
	select {
	case <-before.done:
		return nil
	case <-ctx.Done():
		s.leave(st)
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (s *Service) leave(st *stream) {
	s.mu.Lock()
	if s.streams[st.name] == st {
		delete(s.streams, st.name)
	}
	s.mu.Unlock()
	close(st.done)
}

// serve greets and then stores batch after batch.
func (st *stream) serve(ctx context.Context) error {
	requests := make(chan *spanwatchv1.StreamRequest)
	gone := make(chan error, 1)
	go func() { gone <- st.read(ctx, requests) }()

	patience := time.NewTimer(helloWithin)
	defer patience.Stop()
	select {
	case r := <-requests:
		if err := st.greet(ctx, r.GetHello()); err != nil {
			return err
		}
	case err := <-gone:
		return err
	case <-patience.C:
		return status.Error(codes.DeadlineExceeded, "no greeting")
	case <-st.displaced:
		return errDisplaced
	}

	quiet := time.NewTicker(stillHere)
	defer quiet.Stop()
	for {
		var err error
		select {
		case r := <-requests:
			err = st.take(ctx, r.GetBatch())
		case <-quiet.C:
			err = st.seen(ctx)
		case err = <-gone:
			return err
		case <-st.displaced:
			return errDisplaced
		case <-st.service.closing:
			return status.Error(codes.Unavailable, "the collector is stopping")
		}
		if err != nil {
			return err
		}
	}
}

var errDisplaced = status.Error(codes.Aborted, "another connection with this sensor's identity took its place; "+
	"if this repeats, the identity was copied to a second machine")

// read hands over what arrives. It ends with the stream; a sensor that went in peace gives nil.
func (st *stream) read(ctx context.Context, requests chan<- *spanwatchv1.StreamRequest) error {
	for {
		r, err := st.grpc.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case requests <- r:
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
}

// greet answers the sensor's hello with what is stored of its epoch.
func (st *stream) greet(ctx context.Context, hello *spanwatchv1.Hello) error {
	if hello.GetEpoch() == "" || len(hello.Epoch) > maxEpoch {
		return status.Error(codes.InvalidArgument, "the first message is no greeting with an epoch")
	}
	st.version, st.epoch, st.position = bounded(hello.Version), hello.Epoch, map[spanwatchv1.Lane]uint64{}
	if err := st.seen(ctx); err != nil {
		return err
	}
	stored, err := st.service.Store.Positions(ctx, st.name.site, st.name.sensor, st.epoch)
	if err != nil {
		return st.failed(err)
	}
	now := st.service.now()
	welcome := &spanwatchv1.Welcome{CollectorTime: timestamppb.New(now)}
	for _, p := range stored {
		lane := spanwatchv1.Lane(p.Lane)
		st.position[lane] = p.Sequence
		welcome.Acks = append(welcome.Acks, &spanwatchv1.Ack{Epoch: p.Epoch, Lane: lane, Sequence: p.Sequence})
	}
	st.log.Info("sensor connected", "version", st.version)
	if hello.SensorTime.IsValid() {
		if skew := hello.SensorTime.AsTime().Sub(now); skew.Abs() > tolerableSkew {
			st.log.Warn("the sensor's clock differs from the collector's", "ahead_by", skew.Round(time.Second))
		}
	}
	return st.grpc.Send(&spanwatchv1.StreamResponse{Body: &spanwatchv1.StreamResponse_Welcome{Welcome: welcome}})
}

// seen notes that the sensor is there.
func (st *stream) seen(ctx context.Context) error {
	return st.failed(st.service.Store.Apply(ctx, st.batch()))
}

// batch gives an empty batch of this sensor.
func (st *stream) batch() store.Batch {
	return store.Batch{Site: st.name.site, Sensor: st.name.sensor, Received: st.service.now(), Version: st.version}
}

// failed gives the status for a store that did not do its work: the sensor keeps its records and tries again.
func (st *stream) failed(err error) error {
	if err == nil {
		return nil
	}
	if ctx := st.grpc.Context(); ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	st.log.Error("cannot store the sensor's records", "error", err)
	return status.Error(codes.Unavailable, "the collector cannot store records now; its log says why")
}

// take stores a batch and acknowledges it. What stands before a record that is refused is stored all the same.
func (st *stream) take(ctx context.Context, b *spanwatchv1.Batch) error {
	if b == nil {
		return nil // of a later version: nothing that this one must know
	}
	if b.Epoch != st.epoch {
		return status.Errorf(codes.InvalidArgument, "a batch of epoch %q in a stream of epoch %q", b.Epoch, st.epoch)
	}
	if b.Lane != spanwatchv1.Lane_LANE_ALERT && b.Lane != spanwatchv1.Lane_LANE_ROUTINE {
		return status.Errorf(codes.InvalidArgument, "there is no lane %d", b.Lane)
	}
	if len(b.Records) == 0 {
		return status.Error(codes.InvalidArgument, "a batch without records")
	}
	news, refusal := st.collect(b)
	if news.Position.Sequence > st.position[b.Lane] {
		if err := st.service.Store.Apply(ctx, news); err != nil {
			return st.failed(err)
		}
		st.position[b.Lane] = news.Position.Sequence
		st.count(news)
	}
	ack := &spanwatchv1.Ack{Epoch: b.Epoch, Lane: b.Lane, Sequence: st.position[b.Lane]}
	if err := st.grpc.Send(&spanwatchv1.StreamResponse{Body: &spanwatchv1.StreamResponse_Ack{Ack: ack}}); err != nil {
		return err
	}
	if len(news.Alerts) > 0 && st.service.OnAlerts != nil {
		st.service.OnAlerts(context.WithoutCancel(ctx), st.name.site, news.Alerts)
	}
	if len(news.Devices) > 0 && st.service.OnDevices != nil {
		st.service.OnDevices(context.WithoutCancel(ctx), st.name.site, news.Devices)
	}
	return refusal
}

func (st *stream) count(b store.Batch) {
	for kind, n := range map[string]int{
		"device": len(b.Devices), "edge": len(b.Edges), "alert": len(b.Alerts), "coverage": len(b.Coverage), "gap": len(b.Gaps),
	} {
		st.service.records.WithLabelValues(kind).Add(float64(n))
	}
}
