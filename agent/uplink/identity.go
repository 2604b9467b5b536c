package uplink

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Identity is who a sensor is, as its collector has certified it.
type Identity struct {
	Site, Sensor string

	dir         string
	roots       *x509.CertPool
	certificate tls.Certificate
}

// howToIssue ends every message about an identity that is not there or no longer good.
const howToIssue = "issue one on the collector with: spanwatch-cloud certificate --site SITE --sensor NAME --out DIR"

// ReadIdentity reads the directory that the collector issued: ca.crt, sensor.crt and sensor.key.
func ReadIdentity(dir string) (Identity, error) {
	id := Identity{dir: dir, roots: x509.NewCertPool()}
	files := map[string][]byte{}
	for _, name := range []string{"ca.crt", "sensor.crt", "sensor.key"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			return id, fmt.Errorf("uplink: the identity has no %s: %s", filepath.Join(dir, name), howToIssue)
		}
		if err != nil {
			return id, fmt.Errorf("uplink: cannot read the identity: %w", err)
		}
		files[name] = data
	}
	key := filepath.Join(dir, "sensor.key")
	if info, err := os.Stat(key); err == nil && info.Mode().Perm()&0o007 != 0 {
		return id, fmt.Errorf("uplink: everybody on this machine can use the key %s: run: chmod 600 %s", key, key)
	}
	if !id.roots.AppendCertsFromPEM(files["ca.crt"]) {
		return id, fmt.Errorf("uplink: %s holds no certificate: %s", filepath.Join(dir, "ca.crt"), howToIssue)
	}
	var err error
	if id.certificate, err = tls.X509KeyPair(files["sensor.crt"], files["sensor.key"]); err != nil {
		return id, fmt.Errorf("uplink: sensor.crt and sensor.key in %s are no pair (%w): %s", dir, err, howToIssue)
	}
	leaf := id.certificate.Leaf
	if id.Site, id.Sensor, err = subject(leaf); err != nil {
		return id, fmt.Errorf("uplink: %s: %w: %s", filepath.Join(dir, "sensor.crt"), err, howToIssue)
	}
	if now := time.Now(); now.After(leaf.NotAfter) {
		return id, fmt.Errorf("uplink: the certificate %s expired on %s: %s", filepath.Join(dir, "sensor.crt"),
			leaf.NotAfter.UTC().Format(time.RFC3339), howToIssue)
	} else if now.Before(leaf.NotBefore) {
		return id, fmt.Errorf("uplink: the certificate %s is valid from %s, and this machine's clock says %s: set the clock",
			filepath.Join(dir, "sensor.crt"), leaf.NotBefore.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return id, nil
}

// subject reads spiffe://spanwatch/site/SITE/sensor/SENSOR out of a certificate.
func subject(c *x509.Certificate) (site, sensor string, err error) {
	if len(c.URIs) != 1 || c.URIs[0].Scheme != "spiffe" || c.URIs[0].Host != "spanwatch" {
		return "", "", errors.New("it is not a sensor's certificate")
	}
	parts := strings.Split(c.URIs[0].EscapedPath(), "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "site" || parts[3] != "sensor" {
		return "", "", fmt.Errorf("%s names no site and sensor", c.URIs[0])
	}
	site, errSite := url.PathUnescape(parts[2])
	sensor, errSensor := url.PathUnescape(parts[4])
	if err := errors.Join(errSite, errSensor); err != nil || site == "" || sensor == "" {
		return "", "", fmt.Errorf("%s names no site and sensor", c.URIs[0])
	}
	return site, sensor, nil
}

// tlsConfig gives the sensor's side of mutual TLS.
func (id Identity) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		RootCAs:      id.roots,
		Certificates: []tls.Certificate{id.certificate},
	}
}
