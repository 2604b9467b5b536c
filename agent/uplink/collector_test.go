package uplink

import (
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/timestamppb"

	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// collector is a collector that keeps records in memory, checks their order, and fails when it is told to.
type collector struct {
	spanwatchv1.UnimplementedUplinkServiceServer
	address string

	mu       sync.Mutex
	at       map[string]uint64 // by epoch and lane: what is stored
	stored   [3][]string       // by lane, in order of arrival
	gaps     uint64
	problems []string
	streams  int
	// trouble says how a stream ends at this moment, if it does.
	trouble func(stage string, r *spanwatchv1.StreamRequest) error
}

func startCollector(t *testing.T, ca *testCA, template *x509.Certificate) *collector {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{address: listener.Addr().String(), at: map[string]uint64{},
		trouble: func(string, *spanwatchv1.StreamRequest) error { return nil }}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(ca.server(t, template))))
	spanwatchv1.RegisterUplinkServiceServer(server, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return c
}

func (c *collector) Stream(g grpc.BidiStreamingServer[spanwatchv1.StreamRequest, spanwatchv1.StreamResponse]) error {
	r, err := g.Recv()
	if err != nil {
		return err
	}
	hello := r.GetHello()
	if err := c.ask("hello", r); err != nil {
		return err
	}
	c.mu.Lock()
	c.streams++
	welcome := &spanwatchv1.Welcome{CollectorTime: timestamppb.Now()}
	for _, lane := range lanes {
		if at := c.at[fmt.Sprint(hello.Epoch, lane)]; at > 0 {
			welcome.Acks = append(welcome.Acks, &spanwatchv1.Ack{Epoch: hello.Epoch, Lane: lane, Sequence: at})
		}
	}
	c.mu.Unlock()
	if err := g.Send(&spanwatchv1.StreamResponse{Body: &spanwatchv1.StreamResponse_Welcome{Welcome: welcome}}); err != nil {
		return err
	}
	for {
		r, err := g.Recv()
		if err != nil {
			return err
		}
		if err := c.ask("before", r); err != nil {
			return err
		}
		at := c.take(r.GetBatch())
		if err := c.ask("after", r); err != nil {
			return err
		}
		ack := &spanwatchv1.Ack{Epoch: r.GetBatch().Epoch, Lane: r.GetBatch().Lane, Sequence: at}
		if err := g.Send(&spanwatchv1.StreamResponse{Body: &spanwatchv1.StreamResponse_Ack{Ack: ack}}); err != nil {
			return err
		}
	}
}

func (c *collector) ask(stage string, r *spanwatchv1.StreamRequest) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble(stage, r)
}

func (c *collector) take(b *spanwatchv1.Batch) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprint(b.Epoch, b.Lane)
	for _, r := range b.Records {
		at, first := c.at[key], r.Sequence
		if r.Sequence <= at {
			continue
		}
		if g := r.GetGap(); g != nil {
			first = max(g.FirstSequence, at+1)
			c.gaps += g.LastSequence - first + 1
		}
		if first != at+1 {
			c.problems = append(c.problems, fmt.Sprintf("lane %d: record %d behind %d", b.Lane, first, at))
		}
		c.stored[b.Lane] = append(c.stored[b.Lane], name(r))
		c.at[key] = r.Sequence
	}
	return c.at[key]
}

// check fails the test when the lanes do not hold exactly the given records in order.
func (c *collector) check(t *testing.T, alerts, routine []string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, problem := range c.problems {
		t.Error(problem)
	}
	for lane, want := range map[spanwatchv1.Lane][]string{alertLane: alerts, routineLane: routine} {
		if got := c.stored[lane]; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("lane %d holds %d records, want %d:\n got %v\nwant %v", lane, len(got), len(want), got, want)
		}
	}
}
