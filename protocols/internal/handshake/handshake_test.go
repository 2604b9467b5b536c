package handshake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// unhex reads annotated hexadecimal: what follows "#" on a line is for people.
func unhex(t testing.TB, text string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const helloText = `
	16 03 01 00 5b           # handshake record, 91 bytes
	01 00 00 57 03 03        # client hello, 87 bytes, TLS 1.2
	000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
	00                       # no session
	00 06 1a1a c02f 009c     # three suites, one of them GREASE
	01 00                    # no compression
	00 28                    # 40 bytes of extensions
	2a2a 0000                # GREASE
	0000 000b 0009 00 0006 706c632e6c31   # server name plc.l1
	000a 0004 0002 0017      # secp256r1
	0010 0005 0003 02 6832   # h2
	000d 0000                # no signatures`

func TestReadsAnAnnotatedHello(t *testing.T) {
	b := unhex(t, helloText)
	var s Session
	r := s.Read(protocols.Client, b, true)
	if r.Err != nil || r.Message != "Client Hello" || r.Security.Encrypted || r.Outcome != protocols.OutcomeAsked {
		t.Fatalf("%+v", r)
	}
	d := r.Detail
	if d.ServerName != "plc.l1" || !slices.Equal(d.ALPN, []string{"h2"}) || !slices.Equal(d.Versions, []string{"TLS 1.2"}) ||
		!slices.Equal(d.CipherSuites, []string{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"}) {
		t.Errorf("%+v", d)
	}
	if !strings.HasPrefix(d.JA4, "t12d0204h2_") {
		t.Errorf("JA4 %s", d.JA4)
	}
	h, err := ParseClientHello(b[9:])
	if err != nil {
		t.Fatal(err)
	}
	if got := string(h.appendJA3(nil)); got != "771,49199-156,0-10-16-13,23," {
		t.Errorf("JA3 of %q", got)
	}
}

// hello composes a client hello body from lists.
func hello(version uint16, ciphers []uint16, block []byte) []byte {
	b := append([]byte{byte(version >> 8), byte(version)}, make([]byte, 32)...)
	b = append(b, 0, byte(len(ciphers)>>7), byte(len(ciphers)<<1))
	for _, c := range ciphers {
		b = append(b, byte(c>>8), byte(c))
	}
	b = append(b, 1, 0, byte(len(block)>>8), byte(len(block)))
	return append(b, block...)
}

func extension(kind uint16, value ...byte) []byte {
	return append([]byte{byte(kind >> 8), byte(kind), byte(len(value) >> 8), byte(len(value))}, value...)
}

// The lists and the result are the worked example of the specification of JA4.
func TestFingerprintsAsSpecified(t *testing.T) {
	ciphers := []uint16{0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035}
	signatures := []byte{0, 16, 4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1}
	values := map[uint16][]byte{
		extServerName:        {0, 4, 0, 0, 1, 'a'},
		extALPN:              {0, 12, 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1'},
		extSignatures:        signatures,
		extSupportedVersions: {6, 0x3a, 0x3a, 3, 4, 3, 3},
	}
	block := extension(0x5a5a)
	for _, kind := range []uint16{0x1b, 0, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0xd, 5, 0x23, 0x12, 0x2b, 0xff01, 0xb, 0xa, 0x15} {
		block = append(block, extension(kind, values[kind]...)...)
	}
	h, err := ParseClientHello(hello(0x0303, ciphers, block))
	if err != nil {
		t.Fatal(err)
	}
	if got := h.JA4(); got != "t13d1516h2_8daaf6152771_e5627efa2ab1" {
		t.Errorf("JA4 %s", got)
	}
	h.signatures = nil
	if got := h.JA4(); got != "t13d1516h2_8daaf6152771_6d807ffa2a79" {
		t.Errorf("JA4 without signatures %s", got)
	}
}

func TestFingerprintsOddHellos(t *testing.T) {
	alpn := func(b ...byte) []byte {
		return extension(extALPN, append([]byte{0, byte(len(b) + 1), byte(len(b))}, b...)...)
	}
	for _, test := range []struct {
		name, want string
		body       []byte
	}{
		{"nothing offered", "t12i000000_000000000000_000000000000", hello(0x0303, nil, nil)},
		{"unknown version", "t00i000000_000000000000_000000000000", hello(0x0399, nil, nil)},
		{"SSL 3.0", "ts3i000000_000000000000_000000000000", hello(0x0300, nil, nil)},
		{"one byte of ALPN", "t12i0001ab_000000000000_000000000000", hello(0x0303, nil, alpn(0xab))},
		{"ALPN that is not text", "t12i00013d_000000000000_000000000000", hello(0x0303, nil, alpn(0x30, 0x31, 0xab, 0xcd))},
		{"ALPN text at the ends", "t12i000101_000000000000_000000000000", hello(0x0303, nil, alpn(0x30, 0xab, 0xcd, 0x31))},
		{"empty ALPN", "t12i000100_000000000000_000000000000", hello(0x0303, nil, alpn())},
		{"empty server name", "t12d000100_000000000000_000000000000", hello(0x0303, nil, extension(extServerName))},
	} {
		h, err := ParseClientHello(test.body)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := h.JA4(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	many := make([]uint16, 300)
	for i := range many {
		many[i] = uint16(i)
	}
	h, err := ParseClientHello(hello(0x0303, many, nil))
	if err != nil || !strings.HasPrefix(h.JA4(), "t12i990000_") {
		t.Errorf("300 suites: %s, %v", h.JA4(), err)
	}
}

// piece is what one side wrote at once.
type piece struct {
	from protocols.Side
	b    []byte
}

// tap records what passes through a connection.
type tap struct {
	net.Conn
	from protocols.Side
	mu   *sync.Mutex
	log  *[]piece
}

func (c tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	*c.log = append(*c.log, piece{c.from, slices.Clone(b)})
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// loopback gives two ends of a connection with room in it: both ends may write at once, which a pipe does not bear.
func loopback(t testing.TB) (near, far net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if near, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func certify(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0x51a7), Subject: pkix.Name{CommonName: "press-3", Organization: []string{"Works"}},
		NotBefore: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC), NotAfter: time.Date(2090, 1, 2, 3, 4, 5, 0, time.UTC),
		DNSNames: []string{"press-3.works"}, IPAddresses: []net.IP{net.IPv4(10, 9, 8, 7)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// exchange lets two ends of the standard library greet each other and say a word; it gives what they wrote.
func exchange(t testing.TB, client, server *tls.Config) []piece {
	t.Helper()
	var (
		mu  sync.Mutex
		log []piece
		end = make(chan struct{})
	)
	near, far := loopback(t)
	c := tls.Client(tap{near, protocols.Client, &mu, &log}, client)
	s := tls.Server(tap{far, protocols.Server, &mu, &log}, server)
	go func() {
		defer close(end)
		defer far.Close()
		var b [5]byte
		if _, err := s.Read(b[:]); err == nil {
			_, _ = s.Write(b[:])
		}
	}()
	if _, err := c.Write([]byte("word!")); err == nil {
		var b [5]byte
		_, _ = c.Read(b[:])
	}
	near.Close()
	<-end
	return log
}

func TestReadsRealHandshakes(t *testing.T) {
	pair := certify(t)
	for _, test := range []struct {
		name           string
		client, server *tls.Config
		version        uint16
		messages       []string // all of these
		certificate    bool
	}{
		{
			name: "TLS 1.3", client: &tls.Config{}, server: &tls.Config{},
			version: Version13, messages: []string{"Client Hello", "Server Hello", "Application Data"},
		},
		{
			name: "TLS 1.2", server: &tls.Config{}, client: &tls.Config{MaxVersion: tls.VersionTLS12}, certificate: true,
			version: Version12, messages: []string{"Server Hello", "Certificate", "Server Key Exchange", "Encrypted Handshake Message"},
		},
		{
			name:   "a second hello",
			client: &tls.Config{CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP521}},
			server: &tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP521}}, version: Version13,
			messages: []string{"Hello Retry Request", "Client Hello", "Change Cipher Spec", "Server Hello"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.client.InsecureSkipVerify, test.client.ServerName = true, "press-3.works"
			test.client.NextProtos, test.server.NextProtos = []string{"s7", "http/1.1"}, []string{"http/1.1"}
			test.server.Certificates = []tls.Certificate{pair}
			log := exchange(t, test.client, test.server)
			for _, cut := range []int{1, 2, 3, 7, 100, 1 << 20} {
				check(t, log, cut, test.version, test.messages, test.certificate)
			}
		})
	}
}

// check reads a recorded exchange in pieces of at most cut bytes.
func check(t *testing.T, log []piece, cut int, version uint16, messages []string, certificate bool) {
	t.Helper()
	var (
		s      Session
		seen   []string
		detail Detail
		facts  = map[protocols.FactKey]string{}
	)
	for _, p := range log {
		for part := range slices.Chunk(p.b, cut) {
			r := s.Read(p.from, part, true)
			if r.Err != nil {
				t.Fatalf("cut %d: %v", cut, r.Err)
			}
			seen = append(seen, strings.Split(r.Message, ", ")...)
			for _, f := range r.Facts {
				facts[f.Key] = f.Value
			}
			if d := r.Detail; d != nil && d.ServerName != "" {
				detail.ServerName, detail.ALPN, detail.JA4 = d.ServerName, d.ALPN, d.JA4
			}
			if d := r.Detail; d != nil && d.Certificate != nil {
				detail.Certificate = d.Certificate
			}
		}
	}
	for _, want := range messages {
		if !slices.Contains(seen, want) {
			t.Errorf("cut %d: no %s among %q", cut, want, slices.Compact(seen))
		}
	}
	if s.Version() != version || s.Cipher() == 0 {
		t.Errorf("cut %d: version %04x, suite %04x", cut, s.Version(), s.Cipher())
	}
	if detail.ServerName != "press-3.works" || !slices.Equal(detail.ALPN, []string{"s7", "http/1.1"}) {
		t.Errorf("cut %d: %+v", cut, detail)
	}
	if ja4 := facts[protocols.FactJA4]; ja4 != detail.JA4 || !strings.Contains(ja4, "s7_") || len(ja4) != 36 {
		t.Errorf("cut %d: JA4 %q", cut, ja4)
	}
	if !certificate {
		return
	}
	c := detail.Certificate
	if c == nil || c.Subject != "CN=press-3,O=Works" || c.Serial != "51a7" || c.NotBefore.Year() != 2020 ||
		!slices.Equal(c.DNSNames, []string{"press-3.works"}) || !slices.Equal(c.Addresses, []string{"10.9.8.7"}) || c.Refused != "" {
		t.Errorf("cut %d: certificate %+v", cut, c)
	}
	if facts[protocols.FactCertificate] != c.Subject || facts[protocols.FactIssuer] != c.Issuer {
		t.Errorf("cut %d: facts %v", cut, facts)
	}
}

func TestReadsACertificateThatIsRefused(t *testing.T) {
	der := slices.Clone(certify(t).Certificate[0])
	at := strings.Index(string(der), "press-3.works")
	der[at] = 0xff // a DNS name must be ASCII
	c := ReadCertificate(der)
	if c.Refused == "" {
		t.Fatal("the standard library accepts it: the test needs another fault")
	}
	if c.Subject != "CN=press-3,O=Works" || c.Issuer != c.Subject || c.Serial != "51a7" || c.NotAfter.Year() != 2090 {
		t.Errorf("%+v", c)
	}
	for n := range der {
		if c := ReadCertificate(der[:n]); c.Refused == "" {
			t.Errorf("%d bytes of a certificate are accepted", n)
		}
	}
}

func TestAlerts(t *testing.T) {
	for _, test := range []struct {
		name, bytes, message, alert, level string
		outcome                            protocols.Outcome
	}{
		{"fatal", "15 03 03 00 02 02 28", "Alert", "handshake_failure", "fatal", protocols.OutcomeRefused},
		{"warning", "15 03 03 00 02 01 00", "Alert", "close_notify", "warning", protocols.OutcomeUnknown},
		{"unknown", "15 03 01 00 02 03 fe", "Alert", "alert 254", "level 3", protocols.OutcomeUnknown},
		{"encrypted", "15 03 03 00 04 01 02 03 04", "Encrypted Alert", "", "", protocols.OutcomeUnknown},
		{"after application data", "17 03 03 00 01 aa 15 03 03 00 02 02 28", "Application Data, Encrypted Alert", "", "", protocols.OutcomeUnknown},
	} {
		var s Session
		r := s.Read(protocols.Server, unhex(t, test.bytes), true)
		var d Detail
		if r.Detail != nil {
			d = *r.Detail
		}
		if r.Message != test.message || d.Alert != test.alert || d.AlertLevel != test.level || r.Outcome != test.outcome || r.Err != nil {
			t.Errorf("%s: %+v %+v", test.name, r, d)
		}
	}
}

func TestHostile(t *testing.T) {
	for _, test := range []struct{ name, bytes, message string }{
		{"no record", "48 45 4c 4f 20", "Malformed Record"},
		{"record too long", "16 03 03 50 00", "Malformed Record"},
		{"empty handshake record", "16 03 03 00 00", "Malformed Record"},
		{"hello cut off", "16 03 03 00 06 01 00 00 02 03 03", "Client Hello"},
		{"server hello without suite", "16 03 03 00 06 02 00 00 02 03 03", "Server Hello"},
		{"certificate longer than its list", "16 03 03 00 0a 0b 00 00 06 00 00 03 00 00 09", "Certificate"},
		{"list longer than the message", "16 03 03 00 07 0b 00 00 03 00 00 03", "Certificate"},
	} {
		var s Session
		if r := s.Read(protocols.Server, unhex(t, test.bytes), true); r.Err == nil || r.Message != test.message {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
}

// A certificate of 100,000 bytes is named, passed over in full, and what follows is read.
func TestPassesOverWhatIsTooLong(t *testing.T) {
	const size = 100_000
	stream := append([]byte{certificate, size >> 16, size >> 8 & 0xff, size & 0xff}, make([]byte, size)...)
	stream = append(stream, 14, 0, 0, 0) // server hello done
	var s Session
	var seen []string
	for part := range slices.Chunk(stream, 1<<14) {
		record := append([]byte{Handshake, 3, 3, byte(len(part) >> 8), byte(len(part))}, part...)
		seen = append(seen, s.Read(protocols.Server, record, false).Message)
		if n := cap(s.sides[protocols.Server].buf); n > keepBuffer {
			t.Fatalf("a buffer of %d bytes stays", n)
		}
	}
	want := []string{"Certificate", "Handshake fragment", "Handshake fragment", "Handshake fragment", "Handshake fragment", "Handshake fragment", "Server Hello Done"}
	if !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
}

func TestJoinsAfterAGap(t *testing.T) {
	var s Session
	s.Read(protocols.Server, unhex(t, "17 03 03 01 00 aa"), false)
	if !s.Partial(protocols.Server) || s.Partial(protocols.Client) {
		t.Error("a record that has begun is not partial")
	}
	s.Gap(protocols.Server)
	if r := s.Read(protocols.Server, unhex(t, "17 03 03 00 01 aa"), false); r.Message != "Application Data" || r.Err != nil || !r.Security.Encrypted {
		t.Errorf("%+v", r)
	}
}

func TestMidstreamFinishedIsEncrypted(t *testing.T) {
	var s Session
	r := s.Read(protocols.Client, unhex(t, "16 03 03 00 0c 00 00 00 00 00 00 00 00 9a bc de f0"), false)
	if r.Message != "Encrypted Handshake Message" || !r.Security.Encrypted {
		t.Errorf("%+v", r)
	}
}

func TestApplicationDataAllocatesNothing(t *testing.T) {
	var s Session
	b := unhex(t, "17 03 03 00 04 01 02 03 04  17 03 03 00 04 01 02 03 04")
	if n := testing.AllocsPerRun(100, func() { s.Read(protocols.Client, b, false) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A first hello costs the text of the fingerprint, the list of facts, what walks the extensions and what is told of the
// protection.
func TestHelloAllocatesItsFacts(t *testing.T) {
	b := hello(0x0303, []uint16{0x1301, 0x1302}, extension(extServerName, 0, 4, 0, 0, 1, 'a'))
	record := append([]byte{Handshake, 3, 1, 0, byte(len(b) + 4), clientHello, 0, 0, byte(len(b))}, b...)
	if n := testing.AllocsPerRun(100, func() {
		var s Session
		s.Read(protocols.Client, record, false)
	}); n > 4 {
		t.Errorf("%v allocations", n)
	}
}
