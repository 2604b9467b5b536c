package web

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// screenshotsVariable names a directory that keeps the browser's screenshots.
const screenshotsVariable = "SPANWATCH_SCREENSHOTS"

// TestPagesInABrowser walks through every page in Chromium: what an analyst reads is there, nothing is amiss on the
// console, and axe finds no serious obstacle.
func TestPagesInABrowser(t *testing.T) {
	node := need(t, "node", "apt-get install nodejs npm", "node")
	chromium := need(t, "chromium", "apt-get install chromium", "chromium", "chromium-browser", "google-chrome")
	if _, err := os.Stat(filepath.Join("ui", "node_modules", "playwright-core")); err != nil {
		npm := need(t, "npm", "apt-get install npm", "npm")
		ci := exec.CommandContext(t.Context(), npm, "ci", "--ignore-scripts", "--no-progress")
		ci.Dir = "ui"
		if out, err := ci.CombinedOutput(); err != nil {
			lacking(t, "the test's node modules could not be installed (cd cloud/web/ui && npm ci): %v\n%s", err, out)
		}
	}

	server := httptest.NewServer(New(Config{Store: seededStore(t), Log: quiet}))
	defer server.Close()
	empty := httptest.NewServer(New(Config{Store: openStore(t), Log: quiet}))
	defer empty.Close()
	screenshots := os.Getenv(screenshotsVariable)
	if screenshots == "" {
		screenshots = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, filepath.Join("ui", "test", "browser.mjs"), server.URL, empty.URL, chromium, screenshots).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the browser found fault with the pages: %v", err)
	}
}

// need finds a program that the test cannot do without.
func need(t *testing.T, what, install string, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	lacking(t, "%s is missing; install it: %s", what, install)
	return ""
}

// lacking skips the test on a developer's machine and fails it where everything was promised to be there.
func lacking(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
