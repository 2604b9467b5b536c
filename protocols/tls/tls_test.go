package tls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func TestConformance(t *testing.T) {
	protocoltest.Run(t, Spec, "testdata", "Client Hello", "Server Hello", "Alert", "Application Data")
}

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }

// piece is what one side wrote at once.
type piece struct {
	from  protocols.Side
	bytes []byte
}

// tap notes what a side writes.
type tap struct {
	net.Conn
	from   protocols.Side
	mu     *sync.Mutex
	pieces *[]piece
}

func (t tap) Write(b []byte) (int, error) {
	t.mu.Lock()
	*t.pieces = append(*t.pieces, piece{t.from, slices.Clone(b)})
	t.mu.Unlock()
	return t.Conn.Write(b)
}

var issued = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// handshakeOf lets two real ends open a connection, say hello and close it.
func handshakeOf(t *testing.T, version uint16, names []string) []piece {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "press.line2.example", Organization: []string{"Works"}},
		NotBefore: issued, NotAfter: issued.AddDate(1, 0, 0), DNSNames: names,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	var pieces []piece
	var mu sync.Mutex
	a, b := net.Pipe()
	client := tls.Client(tap{a, protocols.Client, &mu, &pieces}, &tls.Config{ServerName: "PLC7.line2.example", InsecureSkipVerify: true, MaxVersion: version})
	server := tls.Server(tap{b, protocols.Server, &mu, &pieces}, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: version,
	})
	done := make(chan error, 1)
	go func() {
		_, err := server.Write([]byte(strings.Repeat("hello ", 4000)))
		_ = server.Close()
		done <- err
	}()
	if _, err := io.ReadAll(client); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = client.Close()
	return pieces
}

// read dissects pieces cut into segments of size bytes.
func read(t *testing.T, pieces []piece, size int, at time.Time) (events []protocols.Event, depths [4]int) {
	t.Helper()
	c := &conversation{}
	var held [2][]byte
	for _, p := range pieces {
		for segment := range slices.Chunk(p.bytes, size) {
			b := append(held[p.from], segment...)
			for len(b) > 0 {
				n := c.Next(p.from, b)
				if n == 0 || n > len(b) {
					break
				}
				var err error
				events, err = c.Dissect(events, protocols.Message{
					From: p.from, Bytes: b[:n:n], Transport: protocols.TransportTCP, Time: at, Detail: true,
				})
				if err != nil {
					t.Fatal(err)
				}
				depths[c.Depth()] += n
				b = b[n:]
			}
			held[p.from] = slices.Clone(b)
		}
	}
	return events, depths
}

func facts(events []protocols.Event, about protocols.Side, key protocols.FactKey) string {
	var all []string
	for _, e := range events {
		for _, f := range e.Facts {
			if f.About == about && f.Key == key {
				all = append(all, f.Value)
			}
		}
	}
	return strings.Join(all, "|")
}

// A real handshake gives the same, however it is cut.
func TestRealHandshakes(t *testing.T) {
	for _, size := range []int{1, 7, 1460, 1 << 16} {
		old, depths := read(t, handshakeOf(t, tls.VersionTLS12, []string{"press.line2.example", "*.example"}), size, issued.AddDate(2, 0, 0))
		if got := facts(old, protocols.Server, protocols.FactCertificate); !strings.Contains(got, "CN=press.line2.example") {
			t.Errorf("cut to %d: certificate %q", size, got)
		}
		if got := facts(old, protocols.Server, protocols.FactFQDN); got != "plc7.line2.example|press.line2.example" {
			t.Errorf("cut to %d: names %q", size, got)
		}
		if got := facts(old, protocols.Client, protocols.FactJA4); !strings.HasPrefix(got, "t12d") {
			t.Errorf("cut to %d: fingerprint %q", size, got)
		}
		if !slices.ContainsFunc(old, func(e protocols.Event) bool {
			d, ok := e.Detail.(*Detail)
			return ok && d.Certificate != nil && d.SelfSigned && d.Expired && !d.NotYetValid
		}) {
			t.Errorf("cut to %d: no detail tells that the certificate is self-signed and expired", size)
		}
		if depths[protocols.DepthEncrypted] < 24000 || depths[protocols.DepthRecognised] > 0 {
			t.Errorf("cut to %d: depths %v", size, depths)
		}

		current, _ := read(t, handshakeOf(t, tls.VersionTLS13, nil), size, issued)
		if got := facts(current, protocols.Server, protocols.FactCertificate); got != "" {
			t.Errorf("cut to %d: certificate %q out of what is encrypted", size, got)
		}
		last := current[len(current)-1]
		if last.From != protocols.Server || last.Security.Mode != "tls" || !strings.HasPrefix(last.Security.Policy, "TLS 1.3 TLS_") {
			t.Errorf("cut to %d: server hello %+v", size, last)
		}
		if len(old) > 3 || len(current) != 2 {
			t.Errorf("cut to %d: %d and %d events", size, len(old), len(current))
		}
	}
}

// A certificate for many names is a hoster's, and says nothing of the device.
func TestHostersNameNobody(t *testing.T) {
	events, _ := read(t, handshakeOf(t, tls.VersionTLS12, []string{"a.example", "b.example", "c.example", "d.example", "e.example"}), 1460, issued)
	if got := facts(events, protocols.Server, protocols.FactFQDN); got != "plc7.line2.example" {
		t.Errorf("names %q", got)
	}
}

func TestHostName(t *testing.T) {
	for name, want := range map[string]string{
		"Plc.Example.": "plc.example", "10.0.0.1": "", "fe80::1": "", "*.example": "", "localhost": "", "4711": "", "a b": "",
	} {
		if got := hostName(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if got := commonName("O=Works,CN=plc.example,C=DE"); got != "plc.example" {
		t.Errorf("common name %q", got)
	}
}

// Application data that passes costs nothing.
func BenchmarkApplicationData(b *testing.B) {
	c := &conversation{}
	record := append([]byte{23, 3, 3, 0x40, 0}, make([]byte, 1<<14)...)
	var dst []protocols.Event
	dst, _ = c.Dissect(dst, protocols.Message{From: protocols.Server, Bytes: record})
	rest := record
	b.ReportAllocs()
	for b.Loop() {
		if len(rest) == 0 {
			rest = record
		}
		segment := rest[:min(len(rest), 1460)]
		n := c.Next(protocols.Server, segment)
		dst, _ = c.Dissect(dst[:0], protocols.Message{From: protocols.Server, Bytes: segment[:n]})
		rest = rest[n:]
	}
}
