package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// Hop is one step of the way to the collector.
type Hop struct {
	Name  string // address, DNS, TCP, TLS, service
	Found string // what answered there
	Err   error  // why the way ends here, in words for an operator
}

// hopWithin is how long one step may take.
const hopWithin = 10 * time.Second

// Trace goes the way to the collector step by step, and ends at the first that fails. It greets nobody: a sensor that is
// connected under the same identity stays so, and the collector stores nothing.
func Trace(ctx context.Context, collector, identity string) []Hop {
	host, port, err := net.SplitHostPort(collector)
	if err != nil || host == "" || port == "" {
		return []Hop{{"address", "", fmt.Errorf("%q is no address of a collector: give HOST:PORT, such as collector.example:4317", collector)}}
	}
	t := &trace{collector: collector, host: host}
	t.identity, t.err = ReadIdentity(identity)
	var hops []Hop
	for _, step := range []struct {
		name string
		take func(context.Context) (string, error)
	}{{"DNS", t.resolve}, {"TCP", t.reach}, {"TLS", t.handshake}, {"service", t.ask}} {
		bounded, cancel := context.WithTimeout(ctx, hopWithin)
		found, err := step.take(bounded)
		cancel()
		hops = append(hops, Hop{step.name, found, err})
		if err != nil {
			break
		}
	}
	return hops
}

// trace is one walk.
type trace struct {
	collector, host string
	identity        Identity
	err             error // why there is no identity
}

func (t *trace) explain(err error) error { return explain(err, t.collector, t.identity) }

func (t *trace) resolve(ctx context.Context) (string, error) {
	addresses, err := net.DefaultResolver.LookupHost(ctx, t.host)
	if err != nil {
		return "", t.explain(err)
	}
	return t.host + " is " + strings.Join(addresses, ", "), nil
}

func (t *trace) reach(ctx context.Context) (string, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", t.collector)
	if err != nil {
		return "", t.explain(err)
	}
	found := conn.RemoteAddr().String() + " answers"
	return found, conn.Close()
}

func (t *trace) handshake(ctx context.Context) (string, error) {
	if t.err != nil {
		return "", fmt.Errorf("without an identity there is nothing to show and nothing to compare: %w", t.err)
	}
	config := t.identity.tlsConfig()
	config.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", t.collector)
	if err != nil {
		return "", t.explain(err)
	}
	leaf := conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
	found := fmt.Sprintf("the certificate of %s is good until %s", strings.Join(names(leaf), ", "), leaf.NotAfter.UTC().Format(time.DateOnly))
	return found, conn.Close()
}

// ask asks whether the collector takes records. In TLS 1.3 it says only now whether it accepts the sensor's certificate.
func (t *trace) ask(ctx context.Context) (string, error) {
	try := &attempt{TransportCredentials: credentials.NewTLS(t.identity.tlsConfig())}
	conn, err := grpc.NewClient("passthrough:///"+t.collector, grpc.WithTransportCredentials(try), grpc.WithContextDialer(try.dial),
		grpc.WithDisableServiceConfig())
	if err != nil {
		return "", t.explain(err)
	}
	defer conn.Close()
	answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: spanwatchv1.UplinkService_ServiceDesc.ServiceName})
	if err != nil {
		return "", t.explain(try.cause(err))
	}
	if answer.Status != healthv1.HealthCheckResponse_SERVING {
		return "", errors.New("it is running and takes no records now: see its log")
	}
	return fmt.Sprintf("it accepts this sensor, %s of site %s, and takes records", t.identity.Sensor, t.identity.Site), nil
}

// Valid gives the times between which the sensor's certificate is good.
func (id Identity) Valid() (from, until time.Time) {
	leaf := id.certificate.Leaf
	return leaf.NotBefore, leaf.NotAfter
}
