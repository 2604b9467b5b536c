package ingest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/spanwatch/spanwatch/cloud/authority"
	"github.com/spanwatch/spanwatch/cloud/ingest"
	"github.com/spanwatch/spanwatch/cloud/store"
	pb "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// plant is a collector on loopback with its authority and store.
type plant struct {
	t       *testing.T
	ca      *authority.Authority
	dir     string
	store   store.Store
	address string
	log     *lines
	stop    func() // ends Serve and waits for it
}

// lines is a log for tests.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// faulty is a store that fails or panics when it is told to.
type faulty struct {
	store.Store
	apply func(b store.Batch) error
}

func (f *faulty) Apply(ctx context.Context, b store.Batch) error {
	if f.apply != nil {
		if err := f.apply(b); err != nil {
			return err
		}
	}
	return f.Store.Apply(ctx, b)
}

func newPlant(t *testing.T, onAlerts func(context.Context, string, []store.Alert), apply func(store.Batch) error) *plant {
	t.Helper()
	p := &plant{t: t, dir: t.TempDir(), log: &lines{}}
	var err error
	if p.ca, err = authority.Open(filepath.Join(p.dir, "authority")); err != nil {
		t.Fatal(err)
	}
	config, err := p.ca.TLS([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenSQLite(t.Context(), filepath.Join(p.dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	p.store = &faulty{s, apply}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = listener.Addr().String()
	service := ingest.New(ingest.Config{Store: p.store, Log: slog.New(slog.NewTextHandler(p.log, nil)), Identify: authority.Sensor, OnAlerts: onAlerts})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- service.Serve(ctx, listener, config) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		s.Close()
	})
	t.Cleanup(p.stop)
	return p
}

// sensor is a sensor made of the generated code.
type sensor struct {
	t      *testing.T
	conn   *grpc.ClientConn
	stream pb.UplinkService_StreamClient
	cancel func()
}

// dial connects with the certificate that ca issues for a sensor; a nil ca gives none.
func (p *plant) dial(ca *authority.Authority, site, name string) *grpc.ClientConn {
	p.t.Helper()
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(p.dir, "authority", "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		p.t.Fatal(err)
	}
	config := &tls.Config{RootCAs: roots}
	if ca != nil {
		dir := filepath.Join(p.t.TempDir(), "identity")
		if _, err := ca.Issue(site, name, dir); err != nil {
			p.t.Fatal(err)
		}
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "sensor.crt"), filepath.Join(dir, "sensor.key"))
		if err != nil {
			p.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	conn, err := grpc.NewClient("passthrough:///"+p.address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { conn.Close() })
	return conn
}

// connect opens a stream and greets, and gives the collector's answer.
func (p *plant) connect(conn *grpc.ClientConn, epoch string) (*sensor, *pb.Welcome) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	stream, err := pb.NewUplinkServiceClient(conn).Stream(ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	s := &sensor{p.t, conn, stream, cancel}
	p.t.Cleanup(cancel)
	s.send(&pb.StreamRequest{Body: &pb.StreamRequest_Hello{Hello: &pb.Hello{Version: "9.9", Epoch: epoch, SensorTime: timestamppb.Now()}}})
	answer, err := stream.Recv()
	if err != nil {
		p.t.Fatal(err)
	}
	return s, answer.GetWelcome()
}

func (s *sensor) send(r *pb.StreamRequest) {
	s.t.Helper()
	if err := s.stream.Send(r); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sensor) batch(b *pb.Batch) {
	s.t.Helper()
	s.send(&pb.StreamRequest{Body: &pb.StreamRequest_Batch{Batch: b}})
}

// ack waits for an acknowledgement.
func (s *sensor) ack() uint64 {
	s.t.Helper()
	answer, err := s.stream.Recv()
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.GetAck().Sequence
}

// end waits for the status that ends the stream.
func (s *sensor) end() *status.Status {
	s.t.Helper()
	for {
		if _, err := s.stream.Recv(); err != nil {
			return status.Convert(err)
		}
	}
}

// alerts makes a batch of alerts with the numbers first to last.
func alerts(epoch string, first, last uint64) *pb.Batch {
	b := &pb.Batch{Epoch: epoch, Lane: pb.Lane_LANE_ALERT}
	for n := first; n <= last; n++ {
		b.Records = append(b.Records, &pb.Record{Sequence: n, Body: &pb.Record_Alert{Alert: &pb.Alert{Id: fmt.Sprintf("a%03d", n), Revision: 1}}})
	}
	return b
}

func routine(epoch string, records ...*pb.Record) *pb.Batch {
	return &pb.Batch{Epoch: epoch, Lane: pb.Lane_LANE_ROUTINE, Records: records}
}

func (p *plant) stored() []store.Alert {
	p.t.Helper()
	all, err := p.store.Alerts(p.t.Context(), store.AlertFilter{})
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}
