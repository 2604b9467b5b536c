package uplink

import (
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	spanwatchv1 "github.com/spanwatch/spanwatch/proto/spanwatch/v1"
)

// healthy serves what a collector says of its health.
func healthy(t *testing.T, ca *testCA, serving healthv1.HealthCheckResponse_ServingStatus) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(ca.server(t, loopback()))))
	status := health.NewServer()
	status.SetServingStatus(spanwatchv1.UplinkService_ServiceDesc.ServiceName, serving)
	healthv1.RegisterHealthServer(server, status)
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Serve(listener)
	}()
	t.Cleanup(func() {
		server.Stop()
		<-done
	})
	return listener.Addr().String()
}

// The way to a collector ends where it is broken, and the last hop says why.
func TestTrace(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	mine := identity(t, ca, ca, sensorOf("spiffe://spanwatch/site/Plant1/sensor/s1"))
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	go func() {
		for {
			conn, err := mute.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte("220 this is another service\r\n"))
			conn.Close()
		}
	}()
	for name, test := range map[string]struct {
		collector, identity string
		last, text          string
		good                bool
	}{
		"all the way":         {healthy(t, ca, healthv1.HealthCheckResponse_SERVING), mine, "service", "accepts this sensor, s1 of site Plant1", true},
		"stopping":            {healthy(t, ca, healthv1.HealthCheckResponse_NOT_SERVING), mine, "service", "takes no records now", false},
		"no address":          {"collector", mine, "address", "HOST:PORT", false},
		"no such name":        {"no-such-host.invalid:4317", mine, "DNS", "does not resolve", false},
		"nothing listens":     {nobody, mine, "TCP", "nothing listens there", false},
		"another service":     {mute.Addr().String(), mine, "TLS", "does not speak TLS", false},
		"another authority":   {healthy(t, other, healthv1.HealthCheckResponse_SERVING), mine, "TLS", "not signed by", false},
		"a strange sensor":    {healthy(t, ca, healthv1.HealthCheckResponse_SERVING), identity(t, ca, other, sensorOf("spiffe://spanwatch/site/Plant1/sensor/s1")), "service", "did not issue this sensor's certificate", false},
		"without an identity": {healthy(t, ca, healthv1.HealthCheckResponse_SERVING), t.TempDir(), "TLS", "has no", false},
	} {
		t.Run(name, func(t *testing.T) {
			hops := Trace(t.Context(), test.collector, test.identity)
			for i, h := range hops {
				last := i == len(hops)-1
				if good := !last || test.good; good != (h.Err == nil) || good != (h.Found != "") {
					t.Errorf("%+v", h)
				}
			}
			h := hops[len(hops)-1]
			text := h.Found
			if h.Err != nil {
				text = h.Err.Error()
			}
			if h.Name != test.last || !strings.Contains(text, test.text) || strings.Contains(text, "\n") {
				t.Errorf("ended at %s: %s, want %s with %q", h.Name, text, test.last, test.text)
			}
		})
	}
}

// A complaint that tells the time is the same complaint a second later.
func TestSameComplaint(t *testing.T) {
	id := Identity{dir: "identity"}
	at := func(clock string) error {
		return &explained{"its certificate has expired, and the clock says " + clock, net.ErrClosed, clock}
	}
	if !sameComplaint(at("2027-01-01T00:00:00Z"), at("2027-01-01T00:00:01Z")) {
		t.Error("another second, another complaint")
	}
	if sameComplaint(at("2027-01-01T00:00:00Z"), explain(&net.DNSError{Name: "collector.example"}, "collector.example:1", id)) {
		t.Error("two complaints are one")
	}
}
