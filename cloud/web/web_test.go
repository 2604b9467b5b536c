package web

import (
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func ask(t *testing.T, h http.Handler, method, target string, header map[string]string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader("{}"))
	r.Host = "127.0.0.1:8080"
	r.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		if k == "Host" {
			r.Host = v
			continue
		}
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const listSites = "/spanwatch.v1.InventoryService/ListSites"

func TestAddresses(t *testing.T) {
	h := New(Config{Store: openStore(t), Log: quiet})
	for _, c := range []struct {
		method, target string
		status         int
		kind           string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8"},
		{"HEAD", "/", 200, "text/html; charset=utf-8"},
		{"GET", "/incidents/12", 200, "text/html; charset=utf-8"},
		{"GET", "/incidents/12?alert=ab", 200, "text/html; charset=utf-8"},
		{"GET", "/devices?site=north", 200, "text/html; charset=utf-8"},
		{"GET", "/devices/north/a%2Fb", 200, "text/html; charset=utf-8"},
		{"GET", "/favicon.svg", 200, "image/svg+xml"},
		{"GET", "/incidents", 404, ""},
		{"GET", "/assets/none.js", 404, ""},
		{"GET", "/assets/", 404, ""},
		{"GET", "/assets/../index.html", 307, ""}, // to the clean path, which is not a page either
		{"GET", "/index.html", 404, ""},
		{"GET", "/licenses/modules.md", 404, ""},
		{"POST", "/", 405, ""},
		{"POST", listSites, 200, "application/json"},
		{"GET", listSites, 405, ""},
		{"POST", "/spanwatch.v1.InventoryService/Drop", 404, ""},
		{"POST", "/spanwatch.v1.NoService/ListSites", 404, ""},
	} {
		r := ask(t, h, c.method, c.target, nil)
		if r.StatusCode != c.status || c.kind != "" && r.Header.Get("Content-Type") != c.kind {
			t.Errorf("%s %s: status %d, type %q; want %d, %q", c.method, c.target, r.StatusCode, r.Header.Get("Content-Type"), c.status, c.kind)
		}
	}
}

func TestEveryAnswerIsGuarded(t *testing.T) {
	h := New(Config{Store: openStore(t), Log: quiet})
	for _, target := range []string{"/", "/incidents/1", "/favicon.svg", "/none", "/assets/none.js"} {
		r := ask(t, h, "GET", target, nil)
		policy := r.Header.Get("Content-Security-Policy")
		for _, need := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, need) {
				t.Errorf("%s: policy %q lacks %s", target, policy, need)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "data:") || strings.Contains(policy, "*") {
			t.Errorf("%s: policy %q lets too much through", target, policy)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", target, name, got, want)
			}
		}
	}
}

func TestHosts(t *testing.T) {
	h := New(Config{Store: openStore(t), Log: quiet, Hosts: []string{"spanwatch.plant.example"}})
	for host, allowed := range map[string]bool{
		"localhost": true, "localhost:8080": true, "LOCALHOST.": true, "127.0.0.1:8080": true, "[::1]:8080": true, "[::1]": true,
		"192.0.2.7": true, "spanwatch.plant.example:8443": true, "Spanwatch.Plant.Example": true,
		"evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "evil.example:8080": false, "": false, "[::1": true,
		"\"><script>": false,
	} {
		r := ask(t, h, "GET", "/", map[string]string{"Host": host})
		if got := r.StatusCode == http.StatusOK; got != allowed {
			t.Errorf("host %q: status %d, allowed should be %v", host, r.StatusCode, allowed)
		}
		if !allowed && r.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("host %q: status %d", host, r.StatusCode)
		}
	}
}

func TestOtherOriginsAreRefused(t *testing.T) {
	h := New(Config{Store: openStore(t), Log: quiet})
	for _, c := range []struct {
		name   string
		header map[string]string
		status int
	}{
		{"our own page", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:8080"}, 200},
		{"no browser", nil, 200},
		{"another site", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		{"another port of this machine", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:9090"}, 403},
		{"an old browser on another site", map[string]string{"Origin": "https://evil.example"}, 403},
		{"a sandboxed frame", map[string]string{"Origin": "null"}, 403},
	} {
		if r := ask(t, h, "POST", listSites, c.header); r.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", c.name, r.StatusCode, c.status)
		}
	}
}

func TestCaching(t *testing.T) {
	h := New(Config{Store: openStore(t), Log: quiet})
	index := ask(t, h, "GET", "/", nil)
	if got := index.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("index: Cache-Control = %q", got)
	}
	if r := ask(t, h, "GET", "/incidents/1", map[string]string{"If-None-Match": index.Header.Get("ETag")}); r.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged index: status %d, want 304", r.StatusCode)
	}
	names := regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(body(t, index), -1)
	if len(names) < 2 {
		t.Fatalf("the index names %d assets, want a script and a style sheet", len(names))
	}
	for _, n := range names {
		r := ask(t, h, "GET", n[1], nil)
		if r.StatusCode != http.StatusOK || !strings.Contains(r.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, Cache-Control %q", n[1], r.StatusCode, r.Header.Get("Cache-Control"))
		}
	}
	if r := ask(t, h, "POST", listSites, nil); r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("service: Cache-Control = %q", r.Header.Get("Cache-Control"))
	}
}

// The pages work where there is no Internet, and under their own policy.
func TestBuildNamesNoOtherPlace(t *testing.T) {
	files, err := fs.Sub(dist, "ui/dist")
	if err != nil {
		t.Fatal(err)
	}
	index, err := fs.ReadFile(files, "index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http:", "https:", "<style", " style=", "onload="} {
		if strings.Contains(string(index), bad) {
			t.Errorf("index.html has %s", bad)
		}
	}
	if m := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(string(index)); m != "" {
		t.Errorf("index.html has an inline script: %s", m)
	}
	styles := 0
	err = fs.WalkDir(files, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if contentTypes[path.Ext(name)] == "" {
			t.Errorf("%s has no content type of ours", name)
		}
		if path.Ext(name) == ".css" {
			styles++
			b, err := fs.ReadFile(files, name)
			if err != nil {
				return err
			}
			if m := regexp.MustCompile(`url\(["']?(?:https?:|data:|//)[^)]*`).Find(b); m != nil {
				t.Errorf("%s loads %s", name, m)
			}
		}
		return nil
	})
	if err != nil || styles == 0 {
		t.Errorf("%d style sheets, error %v", styles, err)
	}
}
