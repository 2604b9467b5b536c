package authority

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The parts of a sensor's URI.
const (
	scheme      = "spiffe"
	trustDomain = "spanwatch"
)

// longestName bounds the names of sites and sensors.
const longestName = 128

// CheckName says what is wrong with the name of a site or a sensor, if anything is.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("authority: the %s needs a name", what)
	case len(name) > longestName:
		return fmt.Errorf("authority: the name of the %s has %d bytes, and %d are the most", what, len(name), longestName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.TrimSpace(name) != name:
		return fmt.Errorf("authority: the name of the %s, %q, has control characters or spaces at its ends", what, name)
	case name == "." || name == "..":
		return fmt.Errorf("authority: %q is no name for a %s", name, what)
	}
	return nil
}

// uri gives what names a sensor in its certificate.
func uri(site, sensor string) *url.URL {
	path := "/site/" + url.PathEscape(site) + "/sensor/" + url.PathEscape(sensor)
	return &url.URL{Scheme: scheme, Host: trustDomain, Path: "/site/" + site + "/sensor/" + sensor, RawPath: path}
}

// Sensor says which sensor a verified certificate is of.
func Sensor(c *x509.Certificate) (site, sensor string, err error) {
	if len(c.URIs) != 1 || c.URIs[0].Scheme != scheme || c.URIs[0].Host != trustDomain {
		return "", "", errors.New("authority: the certificate is not a sensor's")
	}
	parts := strings.Split(c.URIs[0].EscapedPath(), "/")
	if len(parts) != 5 || parts[0] != "" || parts[1] != "site" || parts[3] != "sensor" {
		return "", "", fmt.Errorf("authority: %s names no sensor", c.URIs[0])
	}
	site, errSite := url.PathUnescape(parts[2])
	sensor, errSensor := url.PathUnescape(parts[4])
	if err := errors.Join(errSite, errSensor, CheckName("site", site), CheckName("sensor", sensor)); err != nil {
		return "", "", fmt.Errorf("authority: %s names no sensor: %w", c.URIs[0], err)
	}
	return site, sensor, nil
}

// Issue writes the identity of a sensor of a site into a directory: ca.crt, sensor.crt and sensor.key. It overwrites
// what stands there only if it is an identity of the same sensor.
func (a *Authority) Issue(site, sensor, dir string) (until time.Time, err error) {
	if err := errors.Join(CheckName("site", site), CheckName("sensor", sensor)); err != nil {
		return until, err
	}
	if err := overwritable(filepath.Join(dir, "sensor.crt"), site, sensor); err != nil {
		return until, err
	}
	template := a.template(pkix.Name{CommonName: sensor, OrganizationalUnit: []string{site}}, lifeOfSensor)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	template.URIs = []*url.URL{uri(site, sensor)}
	certificate, key, err := a.sign(template)
	if err != nil {
		return until, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return until, fmt.Errorf("authority: %w", err)
	}
	return template.NotAfter, errors.Join(
		write(filepath.Join(dir, "sensor.key"), key, 0o600),
		write(filepath.Join(dir, "sensor.crt"), certificate, 0o644),
		write(filepath.Join(dir, "ca.crt"), a.pem, 0o644),
	)
}

// overwritable refuses to replace the certificate of another sensor.
func overwritable(path, site, sensor string) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("authority: %w", err)
	}
	if c, err := parse(data); err == nil {
		if s, n, err := Sensor(c); err == nil && s == site && n == sensor {
			return nil
		}
	}
	return fmt.Errorf("authority: %s is there already and not of this sensor: choose another directory, or remove it", path)
}

// parse reads a certificate out of PEM.
func parse(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("authority: no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
