package uplink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	// window is how much of a lane may be on its way without an acknowledgement, in bytes.
	window = 4 << 20
	// welcomeWithin is how long the collector may take to answer Hello.
	welcomeWithin = 15 * time.Second
	// flushAfter is how long routine records wait for company before they are sent.
	flushAfter = time.Second
)

// connect opens one stream and serves it until it ends. It reports whether the collector welcomed the sensor.
func (c *Client) connect(ctx context.Context) (connected bool, err error) {
	// Read anew each time, so that a renewed certificate needs no restart.
	id, err := ReadIdentity(c.cfg.Identity)
	if err != nil {
		return false, err
	}
	if id.Site != c.identity.Site || id.Sensor != c.identity.Sensor {
		return false, fmt.Errorf("uplink: the identity in %s is now %s at %s and was %s at %s: restart the sensor to take it over",
			id.dir, id.Sensor, id.Site, c.identity.Sensor, c.identity.Site)
	}
	try := &attempt{TransportCredentials: credentials.NewTLS(id.tlsConfig())}
	conn, err := grpc.NewClient("passthrough:///"+c.cfg.Collector,
		grpc.WithTransportCredentials(try),
		grpc.WithContextDialer(try.dial),
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 15 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
	)
	if err != nil {
		return false, fmt.Errorf("uplink: %s: %w", c.cfg.Collector, err)
	}
	defer conn.Close()
	connected, err = c.serve(ctx, conn)
	if found, failed := c.refused(err); found || failed != nil {
		return connected, failed
	}
	switch s, _ := status.FromError(err); s.Code() {
	case codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition, codes.ResourceExhausted:
		return connected, &explained{fmt.Sprintf("uplink: the collector %s refused: %s", c.cfg.Collector, s.Message()), err, ""}
	}
	return connected, explain(try.cause(err), c.cfg.Collector, id)
}

// serve opens the stream, greets, and sends until something ends it.
func (c *Client) serve(ctx context.Context, conn *grpc.ClientConn) (welcomed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := spanwatchv1.NewUplinkServiceClient(conn).Stream(ctx)
	if err != nil {
		return false, err
	}
	s := &session{spool: c.cfg.Spool, stream: stream, epoch: c.cfg.Spool.epoch(), acknowledged: make(chan struct{}, 1)}
	welcome, err := s.greet(c.cfg.Version, cancel)
	if err != nil {
		return false, err
	}
	c.welcomed(welcome)
	goOn, err := s.spool.resume(welcome.Acks)
	if err != nil {
		return true, err
	}
	if !goOn {
		c.cfg.Log.Warn("the collector knows of later records than the spool: the spool is an old copy, and a new epoch begins")
		return true, errors.New("uplink: a new epoch begins")
	}
	ended, done := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		ended <- s.receive()
	}()
	err = s.send(ctx, ended)
	cancel()
	<-done // nobody touches the spool once Run has returned
	return true, err
}

// session is one stream.
type session struct {
	spool  *Spool
	stream grpc.BidiStreamingClient[spanwatchv1.StreamRequest, spanwatchv1.StreamResponse]
	epoch  string
	sent   [3]uint64 // by lane: the last sequence number sent; the sender's own

	mu           sync.Mutex
	flight       [3][]message  // by lane: what is not acknowledged
	acknowledged chan struct{} // holds a token when there may be room again
}

// message is a batch on its way.
type message struct {
	last  uint64
	bytes int
}

// greet says hello and waits for the answer.
func (s *session) greet(version string, cancel func()) (*spanwatchv1.Welcome, error) {
	late := time.AfterFunc(welcomeWithin, cancel)
	hello := &spanwatchv1.Hello{Version: version, Epoch: s.epoch, SensorTime: timestamppb.Now()}
	err := s.stream.Send(&spanwatchv1.StreamRequest{Body: &spanwatchv1.StreamRequest_Hello{Hello: hello}})
	if err != nil && !errors.Is(err, io.EOF) { // after io.EOF, Recv has the reason
		return nil, err
	}
	answer, err := s.stream.Recv()
	if !late.Stop() {
		return nil, fmt.Errorf("no answer to the greeting within %s: is that port a collector's?", welcomeWithin)
	}
	if err != nil {
		return nil, err
	}
	welcome := answer.GetWelcome()
	if welcome == nil {
		return nil, errors.New("the answer to the greeting is no welcome: is that port a collector's?")
	}
	for _, ack := range welcome.Acks {
		if ack.Epoch == s.epoch && isLane(ack.Lane) {
			s.sent[ack.Lane] = ack.Sequence
		}
	}
	return welcome, nil
}

// send sends what the spool has, alerts first, until the stream has ended or ctx has.
func (s *session) send(ctx context.Context, ended <-chan error) error {
	flush := time.NewTimer(flushAfter)
	defer flush.Stop()
	waiting := true // flush is running
	for {
		more, err := s.sendOne()
		if errors.Is(err, io.EOF) {
			return <-ended // Recv has the reason
		}
		if err != nil {
			return err
		}
		if more {
			continue
		}
		select {
		case <-s.acknowledged:
		case <-s.spool.changed:
			if !waiting {
				flush.Reset(flushAfter)
				waiting = true
			}
		case <-flush.C:
			waiting = false
			if err := s.spool.Flush(); err != nil {
				return err
			}
		case err := <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sendOne sends one batch, of alerts if there are any. It reports whether it did.
func (s *session) sendOne() (bool, error) {
	for _, lane := range []spanwatchv1.Lane{spanwatchv1.Lane_LANE_ALERT, spanwatchv1.Lane_LANE_ROUTINE} {
		if !s.room(lane) {
			continue
		}
		records, err := s.spool.next(lane, s.sent[lane])
		if err != nil {
			return false, err
		}
		if len(records) == 0 {
			continue
		}
		request := &spanwatchv1.StreamRequest{Body: &spanwatchv1.StreamRequest_Batch{
			Batch: &spanwatchv1.Batch{Epoch: s.epoch, Lane: lane, Records: records},
		}}
		last := records[len(records)-1].Sequence
		s.mu.Lock()
		s.flight[lane] = append(s.flight[lane], message{last, proto.Size(request)})
		s.mu.Unlock()
		s.sent[lane] = last
		return true, s.stream.Send(request)
	}
	return false, nil
}

// room reports whether more of a lane may be on its way.
func (s *session) room(lane spanwatchv1.Lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	bytes := 0
	for _, m := range s.flight[lane] {
		bytes += m.bytes
	}
	return bytes < window
}

// receive takes acknowledgements until the stream ends.
func (s *session) receive() error {
	for {
		answer, err := s.stream.Recv()
		if err != nil {
			return err
		}
		ack := answer.GetAck()
		if ack == nil || ack.Epoch != s.epoch || !isLane(ack.Lane) {
			continue // of a later version: nothing that this one must know
		}
		if err := s.spool.acknowledge(ack.Lane, s.arrived(ack.Lane, ack.Sequence)); err != nil {
			return err
		}
		select {
		case s.acknowledged <- struct{}{}:
		default:
		}
	}
}

// arrived takes what is acknowledged out of flight. It gives the sequence number, but never one that was not sent yet.
func (s *session) arrived(lane spanwatchv1.Lane, sequence uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	flight := s.flight[lane]
	if len(flight) == 0 {
		return 0
	}
	sequence = min(sequence, flight[len(flight)-1].last)
	for len(flight) > 0 && flight[0].last <= sequence {
		flight = flight[1:]
	}
	s.flight[lane] = flight
	return sequence
}
