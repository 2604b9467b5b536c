package authority

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *Authority {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, site, sensor string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "identity")
	if _, err := a.Issue(site, sensor, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestKeysArePrivateAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "authority")
	a := open(t, dir)
	id := issue(t, a, "north", "s1")
	if _, err := a.TLS([]string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "ca.key"), filepath.Join(dir, "server.key"), filepath.Join(id, "sensor.key")} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	if again := open(t, dir); !again.certificate.Equal(a.certificate) {
		t.Error("a second start made another authority")
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files left: %v %v", left, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string
	}{
		"no key":         {func(dir string) error { return os.Remove(filepath.Join(dir, "ca.key")) }, "only one of"},
		"no certificate": {func(dir string) error { return os.Remove(filepath.Join(dir, "ca.crt")) }, "only one of"},
		"no pair": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("x"), 0o600)
		}, "are no pair"},
		"a sensor's pair": {func(dir string) error {
			a, err := Open(dir)
			if err != nil {
				return err
			}
			_, err = a.Issue("a", "b", dir)
			return errors.Join(err, os.Rename(filepath.Join(dir, "sensor.crt"), filepath.Join(dir, "ca.crt")),
				os.Rename(filepath.Join(dir, "sensor.key"), filepath.Join(dir, "ca.key")))
		}, "not an authority's"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir)
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestSensorNamesSurviveTheirURI(t *testing.T) {
	a := open(t, t.TempDir())
	for _, c := range [][2]string{
		{"north", "s1"}, {"Plant 1", "span 1"}, {"a/b", "c/d"}, {"a%2Fb", "100%"}, {"Werk Köln", "测"}, {"a?b#c", "x:y@z"}, {"..a", "site"},
	} {
		data, err := os.ReadFile(filepath.Join(issue(t, a, c[0], c[1]), "sensor.crt"))
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := parse(data)
		if err != nil {
			t.Fatal(err)
		}
		site, sensor, err := Sensor(certificate)
		if err != nil || site != c[0] || sensor != c[1] {
			t.Errorf("%q became %q %q: %v", c, site, sensor, err)
		}
	}
}

func TestSensorRefuses(t *testing.T) {
	for _, text := range []string{
		"", "spiffe://other/site/a/sensor/b", "https://spanwatch/site/a/sensor/b", "spiffe://spanwatch/site/a",
		"spiffe://spanwatch/site/a/sensor/b/c", "spiffe://spanwatch/site//sensor/b", "spiffe://spanwatch/site/a/sensor/",
		"spiffe://spanwatch/sites/a/sensor/b", "spiffe://spanwatch/site/%0a/sensor/b", "spiffe://spanwatch/site/../sensor/b",
		"spiffe://spanwatch/site/" + strings.Repeat("a", 200) + "/sensor/b",
	} {
		c := &x509.Certificate{}
		if text != "" {
			u, err := url.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			c.URIs = []*url.URL{u}
		}
		if site, sensor, err := Sensor(c); err == nil {
			t.Errorf("%s is %q at %q", text, sensor, site)
		}
	}
	u, _ := url.Parse("spiffe://spanwatch/site/a/sensor/b")
	if _, _, err := Sensor(&x509.Certificate{URIs: []*url.URL{u, u}}); err == nil {
		t.Error("a certificate with two names was taken")
	}
}

func TestIssueRefuses(t *testing.T) {
	a := open(t, t.TempDir())
	for _, c := range [][2]string{{"", "s"}, {"s", ""}, {"a\nb", "s"}, {" a", "s"}, {".", "s"}, {"s", strings.Repeat("x", 129)}, {"\xff", "s"}} {
		if _, err := a.Issue(c[0], c[1], t.TempDir()); err == nil {
			t.Errorf("%q was issued", c)
		}
	}
	dir := issue(t, a, "north", "s1")
	if _, err := a.Issue("north", "s1", dir); err != nil {
		t.Errorf("an identity cannot be renewed: %v", err)
	}
	if _, err := a.Issue("north", "s2", dir); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("the identity of another sensor was overwritten: %v", err)
	}
}

func TestServerCertificate(t *testing.T) {
	dir := t.TempDir()
	a := open(t, dir)
	now := time.Now()
	a.now = func() time.Time { return now }
	names := []string{"localhost", "127.0.0.1", "::1", "localhost"}
	get := func(names []string) *x509.Certificate {
		t.Helper()
		c, err := a.serverCertificate(names)
		if err != nil {
			t.Fatal(err)
		}
		return c.Leaf
	}
	first := get(names)
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := first.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	a.server = nil
	if !get([]string{"::1", "127.0.0.1", "localhost"}).Equal(first) {
		t.Error("the same names made another certificate")
	}
	more := get(append(names, "collector.example"))
	if more.Equal(first) || more.VerifyHostname("collector.example") != nil {
		t.Error("a new name is not in the certificate")
	}
	now = now.Add(lifeOfServer - renewBefore + time.Minute)
	renewed := get(append(names, "collector.example"))
	if renewed.Equal(more) || renewed.NotAfter.Before(more.NotAfter) {
		t.Error("a certificate near its end was kept")
	}
	now = a.certificate.NotAfter.Add(-time.Hour)
	last := get(names)
	if last.NotAfter.After(a.certificate.NotAfter) {
		t.Error("a certificate outlives its authority")
	}
	if !get(names).Equal(last) {
		t.Error("near the end of the authority each connection makes a certificate")
	}

	// Another authority's certificate for the same names is of no use.
	for _, name := range []string{"ca.crt", "ca.key"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	a = open(t, dir)
	if get(names).CheckSignatureFrom(a.certificate) != nil {
		t.Error("a new authority kept the old one's certificate")
	}
}

// TestHandshakes lets in whom the authority certified, and nobody else.
func TestHandshakes(t *testing.T) {
	a, other := open(t, t.TempDir()), open(t, t.TempDir())
	config, err := a.TLS([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	load := func(dir, name string) []tls.Certificate {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	for name, c := range map[string]struct {
		client *tls.Config
		ok     bool
	}{
		"a sensor":            {&tls.Config{Certificates: load(issue(t, a, "n", "s"), "sensor")}, true},
		"a sensor of another": {&tls.Config{Certificates: load(issue(t, other, "n", "s"), "sensor")}, false},
		"nobody":              {&tls.Config{}, false},
		"the server itself":   {&tls.Config{Certificates: load(a.dir, "server")}, false},
		"an old TLS":          {&tls.Config{Certificates: load(issue(t, a, "n", "s"), "sensor"), MaxVersion: tls.VersionTLS12}, false},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			served := make(chan error, 1)
			go func() {
				conn, err := listener.Accept()
				if err != nil {
					served <- err
					return
				}
				_, err = conn.Write([]byte("hello"))
				served <- errors.Join(err, conn.Close())
			}()
			c.client.RootCAs, c.client.ServerName = roots, "127.0.0.1"
			raw, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			got, err := io.ReadAll(tls.Client(raw, c.client))
			if ok := err == nil && string(got) == "hello"; ok != c.ok {
				t.Errorf("let in: %v, %v", ok, err)
			}
			<-served
		})
	}
}
