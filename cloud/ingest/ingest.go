// Package ingest is the collector's side of the uplink: it takes sensors' records over gRPC, stores them, and then, not
// before, acknowledges them.
//
// Who a sensor is and which site it belongs to comes from its verified certificate and from nothing else; a record that
// names another site is refused. A batch that arrives twice is stored once. The newest stream of a sensor displaces the
// one before it. Each stream is served by its own goroutine and one that reads ahead; a [Service] is safe for concurrent
// use. A handler that panics costs its stream, not the process.
package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/spanwatch/spanwatch/cloud/store"
	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

const (
	// maxMessage is the largest message taken; sensors keep to a quarter of it.
	maxMessage = 4 << 20
	// maxStreams bounds the sensors that are served at the same time.
	maxStreams = 10_000
	// helloWithin is how long a sensor may take to greet.
	helloWithin = 15 * time.Second
	// stopWithin is how long streams may take to end when the collector stops.
	stopWithin = 5 * time.Second
)

// Config says what a service works with.
type Config struct {
	Store store.Store
	Log   *slog.Logger
	// Identify gives the site and the name of the sensor that a verified certificate is of.
	Identify func(*x509.Certificate) (site, sensor string, err error)
	// OnAlerts, if set, is called with alerts that are stored and acknowledged, in the goroutine of the sensor's stream:
	// the sensor's next records wait for it.
	OnAlerts func(ctx context.Context, site string, alerts []store.Alert)
	// OnDevices, if set, is called likewise with devices.
	OnDevices func(ctx context.Context, site string, devices []store.Device)
}

// Service takes records from sensors.
type Service struct {
	spanwatchv1.UnimplementedUplinkServiceServer

	Config
	now     func() time.Time
	closing chan struct{} // closed when Serve ends

	mu      sync.Mutex
	streams map[sensorName]*stream

	records *prometheus.CounterVec
	refused prometheus.Counter
	active  prometheus.Gauge
}

// sensorName is who a sensor is.
type sensorName struct{ site, sensor string }

// New makes a service.
func New(c Config) *Service {
	return &Service{
		Config: c, now: time.Now,
		closing: make(chan struct{}),
		streams: map[sensorName]*stream{},
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "spanwatch_ingest_records_total", Help: "Records stored, by kind.",
		}, []string{"kind"}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "spanwatch_ingest_refused_total", Help: "Streams ended because of what the sensor sent.",
		}),
		active: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "spanwatch_ingest_streams", Help: "Sensors connected.",
		}),
	}
}

// Metrics gives what the service counts.
func (s *Service) Metrics() []prometheus.Collector {
	return []prometheus.Collector{s.records, s.refused, s.active}
}

// Serve takes connections until ctx ends; then it lets every stream finish what it is storing and returns nil. It may be
// called once.
func (s *Service) Serve(ctx context.Context, listener net.Listener, config *tls.Config) error {
	server := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(config)),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxConcurrentStreams(16),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.ChainStreamInterceptor(s.recoverStream),
		grpc.ChainUnaryInterceptor(s.recoverUnary),
	)
	healthy := health.NewServer()
	healthv1.RegisterHealthServer(server, healthy)
	spanwatchv1.RegisterUplinkServiceServer(server, s)
	healthy.SetServingStatus(spanwatchv1.UplinkService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		close(s.closing)
		return fmt.Errorf("ingest: %w", err)
	case <-ctx.Done():
	}
	healthy.Shutdown()
	close(s.closing)
	force := time.AfterFunc(stopWithin, server.Stop)
	server.GracefulStop()
	force.Stop()
	if err := <-failed; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("ingest: %w", err)
	}
	return nil
}

// recovered turns a panic into an error of one call.
func (s *Service) recovered(method string, err *error) {
	if reason := recover(); reason != nil {
		s.Log.Error("a handler panicked", "method", method, "reason", reason, "stack", string(debug.Stack()))
		*err = status.Error(codes.Internal, "the collector has a fault; its log says more")
	}
}

func (s *Service) recoverStream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer s.recovered(info.FullMethod, &err)
	return handler(srv, ss)
}

func (s *Service) recoverUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
	defer s.recovered(info.FullMethod, &err)
	return handler(ctx, req)
}

// sensorOf gives the sensor that the connection's verified certificate names.
func (s *Service) sensorOf(ctx context.Context) (sensorName, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return sensorName{}, status.Error(codes.Unauthenticated, "no connection")
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 || len(info.State.VerifiedChains[0]) == 0 {
		return sensorName{}, status.Error(codes.Unauthenticated, "no verified certificate")
	}
	site, sensor, err := s.Identify(info.State.VerifiedChains[0][0])
	if err != nil {
		return sensorName{}, status.Error(codes.PermissionDenied, err.Error())
	}
	return sensorName{site, sensor}, nil
}
