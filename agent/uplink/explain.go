package uplink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// attempt remembers why a connection did not come about: gRPC keeps only the text of it.
type attempt struct {
	credentials.TransportCredentials

	mu  sync.Mutex
	err error
}

func (a *attempt) note(err error) {
	if err != nil {
		a.mu.Lock()
		a.err = err
		a.mu.Unlock()
	}
}

// cause gives the reason that was noted, else err.
func (a *attempt) cause(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil && status.Code(err) == codes.Unavailable {
		return a.err
	}
	return err
}

// ClientHandshake is the one of TLS; its error is noted.
func (a *attempt) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := a.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		a.note(err)
		return nil, nil, err
	}
	return &listening{conn, a}, info, nil
}

// listening notes what the collector's TLS says when it does not accept the sensor's certificate. In TLS 1.3 that comes
// after the client's handshake is over, and a write may fail before it is read.
type listening struct {
	net.Conn
	attempt *attempt
}

// Read reads, and notes a refusal.
func (l *listening) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		l.attempt.note(err)
	}
	return n, err
}

// Write writes; when it fails, it looks whether a refusal was the reason. The connection is of no use any more then.
func (l *listening) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	if err != nil && l.SetReadDeadline(time.Now().Add(time.Second)) == nil {
		var rest [1]byte
		_, _ = l.Read(rest[:])
	}
	return n, err
}

// Clone gives a itself: one attempt has one connection.
func (a *attempt) Clone() credentials.TransportCredentials { return a }

// dial opens the connection beneath TLS; its error is noted.
func (a *attempt) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", address)
	a.note(err)
	return conn, err
}

// refusals are what the collector's TLS says of the sensor's certificate, and what to do. TLS 1.3 tells it only after
// the client's handshake is over, so it arrives as text.
var refusals = []struct{ text, advice string }{
	{"certificate expired", "the collector says that this sensor's certificate in %s has expired: issue a new one, and compare the clocks"},
	{"unknown certificate authority", "the collector did not issue this sensor's certificate in %s: is it the right collector? Issue the identity there"},
	{"bad certificate", "the collector does not accept this sensor's certificate in %s: issue the identity again"},
	{"certificate required", "the collector wants a certificate and got none from %s: issue the identity again"},
}

// explain gives one line that says what is wrong with the connection and what to do.
func explain(err error, collector string, id Identity) error {
	if err == nil {
		return nil
	}
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var timeout net.Error
	reason, clock := "", ""
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = "nothing listens there: is spanwatch-cloud running, and is the port right?"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		reason = "there is no route to it: check the network and the firewall"
	case errors.As(err, &dns):
		reason = fmt.Sprintf("the name %s does not resolve: check the name and DNS", dns.Name)
	case errors.As(err, &unknown):
		reason = fmt.Sprintf("its certificate is not signed by %s/ca.crt: is it the right collector? If it has a new CA, issue the identity again", id.dir)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		clock = time.Now().UTC().Format(time.RFC3339)
		reason = fmt.Sprintf("its certificate is valid from %s to %s, and this machine's clock says %s: set the clock, or restart spanwatch-cloud to renew it",
			invalid.Cert.NotBefore.UTC().Format(time.RFC3339), invalid.Cert.NotAfter.UTC().Format(time.RFC3339), clock)
	case errors.As(err, &name):
		reason = fmt.Sprintf("its certificate is not for %s, but for %s: use one of those names, or start spanwatch-cloud with --name %s",
			name.Host, strings.Join(names(name.Certificate), ", "), name.Host)
	case errors.As(err, &record):
		reason = "it does not speak TLS: is the port right?"
	case errors.As(err, &timeout) && timeout.Timeout():
		reason = "no answer: check the address and the firewall"
	default:
		reason = refused(err, id)
	}
	if reason == "" {
		return fmt.Errorf("uplink: %s: %w", collector, err)
	}
	return &explained{fmt.Sprintf("uplink: cannot reach the collector %s: %s", collector, reason), err, clock}
}

func refused(err error, id Identity) string {
	if !strings.Contains(err.Error(), "remote error: tls: ") {
		return ""
	}
	for _, r := range refusals {
		if strings.Contains(err.Error(), r.text) {
			return fmt.Sprintf(r.advice, id.dir)
		}
	}
	return ""
}

// explained is an error in words of its own that keeps its cause.
type explained struct {
	text  string
	cause error
	clock string // the part of text that is another each time; empty: none
}

// sameComplaint reports whether two errors say the same, but for the time of day.
func sameComplaint(a, b error) bool { return timeless(a) == timeless(b) }

func timeless(err error) string {
	var e *explained
	if errors.As(err, &e) && e.clock != "" {
		return strings.Replace(err.Error(), e.clock, "", 1)
	}
	return err.Error()
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.cause }

// names gives what a certificate is valid for.
func names(c *x509.Certificate) []string {
	all := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
