// Package authority is the collector's own certificate authority: it lives in the data directory, signs the collector's
// server certificate and the identities of sensors, and says who a verified sensor certificate is.
//
// Keys are ECDSA P-256, files with keys are readable by their owner only, and keys are never logged. A sensor's
// certificate is for client authentication only and carries one URI, spiffe://spanwatch/site/SITE/sensor/SENSOR: what
// site a sensor belongs to is decided here and nowhere else. An Authority is safe for concurrent use.
package authority

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	lifeOfCA     = 10 * 365 * 24 * time.Hour
	lifeOfServer = 365 * 24 * time.Hour
	lifeOfSensor = 2 * 365 * 24 * time.Hour
	// renewBefore is how long before its end the server's certificate is made anew.
	renewBefore = 30 * 24 * time.Hour
	// backdate makes a new certificate valid for a machine whose clock is a little behind.
	backdate = time.Hour
)

// Authority issues certificates.
type Authority struct {
	dir string
	now func() time.Time

	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte // of certificate

	mu     sync.Mutex
	server *tls.Certificate // the one in use
}

// Open reads the authority in a directory, and makes one when there is none.
func Open(dir string) (*Authority, error) {
	a := &Authority{dir: dir, now: time.Now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	certificate, errCert := os.ReadFile(a.path("ca.crt"))
	key, errKey := os.ReadFile(a.path("ca.key"))
	switch {
	case errors.Is(errCert, fs.ErrNotExist) && errors.Is(errKey, fs.ErrNotExist):
		return a, a.create()
	case errors.Is(errCert, fs.ErrNotExist) || errors.Is(errKey, fs.ErrNotExist):
		return nil, fmt.Errorf("authority: %s has only one of ca.crt and ca.key: restore the other from a backup, "+
			"or remove it and issue every sensor's identity again", dir)
	}
	if err := errors.Join(errCert, errKey); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return a, a.load(certificate, key)
}

func (a *Authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *Authority) load(certificate, key []byte) error {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("authority: ca.crt and ca.key in %s are no pair: %w", a.dir, err)
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return fmt.Errorf("authority: %s is not an authority's certificate", a.path("ca.crt"))
	}
	if now := a.now(); now.After(pair.Leaf.NotAfter) {
		return fmt.Errorf("authority: %s expired on %s: remove ca.crt and ca.key and issue every sensor's identity again",
			a.path("ca.crt"), pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	a.certificate, a.key, a.pem = pair.Leaf, private, certificate
	return nil
}

func (a *Authority) create() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "collector"
	}
	template := a.template(pkix.Name{CommonName: "Spanwatch authority of " + host}, lifeOfCA)
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private, err := encodeKey(key)
	if err != nil {
		return err
	}
	if err := errors.Join(write(a.path("ca.key"), private, 0o600), write(a.path("ca.crt"), certificate, 0o644)); err != nil {
		return err
	}
	return a.load(certificate, private)
}

// template gives what all certificates have in common.
func (a *Authority) template(subject pkix.Name, life time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand never fails on the systems that we run on
	}
	now := a.now()
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      subject,
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(life),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// sign makes a key and a certificate for it, both as PEM.
func (a *Authority) sign(template *x509.Certificate) (certificate, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("authority: %w", err)
	}
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("authority: %w", err)
	}
	key, err = encodeKey(private)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key, err
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// write puts a file in place as a whole: a crash leaves the old one or the new one.
func write(path string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("authority: write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	return nil
}

// TLS gives the collector's side of mutual TLS: it shows a certificate for the given names, and lets in only whom this
// authority has certified. The certificate is made when there is none for these names by this authority, and anew
// before it ends, also while the collector runs.
func (a *Authority) TLS(names []string) (*tls.Config, error) {
	if _, err := a.serverCertificate(names); err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert,
		ClientCAs:  roots,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return a.serverCertificate(names)
		},
	}, nil
}

// serverCertificate gives the server's certificate for names, from memory, from the directory, or new.
func (a *Authority) serverCertificate(names []string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil && a.serves(a.server.Leaf, names) {
		return a.server, nil
	}
	if stored, err := tls.LoadX509KeyPair(a.path("server.crt"), a.path("server.key")); err == nil && a.serves(stored.Leaf, names) {
		a.server = &stored
		return a.server, nil
	}
	template := a.template(pkix.Name{CommonName: "Spanwatch collector"}, lifeOfServer)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = split(names)
	certificate, key, err := a.sign(template)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(write(a.path("server.key"), key, 0o600), write(a.path("server.crt"), certificate, 0o644)); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	a.server = &pair
	return a.server, nil
}

// serves reports whether a certificate is of this authority, for exactly these names, and good for a while.
func (a *Authority) serves(c *x509.Certificate, names []string) bool {
	dns, ips := split(names)
	now := a.now()
	return c.CheckSignatureFrom(a.certificate) == nil &&
		bytes.Equal(c.RawIssuer, a.certificate.RawSubject) &&
		now.After(c.NotBefore) && (now.Add(renewBefore).Before(c.NotAfter) || c.NotAfter.Equal(a.certificate.NotAfter)) &&
		slices.Equal(c.DNSNames, dns) && slices.EqualFunc(c.IPAddresses, ips, net.IP.Equal)
}

// split sorts names into DNS names and addresses, each once.
func split(names []string) (dns []string, ips []net.IP) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	for _, name := range names {
		if ip := net.ParseIP(strings.Trim(name, "[]")); ip != nil {
			ips = append(ips, ip)
		} else if name != "" {
			dns = append(dns, name)
		}
	}
	return dns, ips
}
