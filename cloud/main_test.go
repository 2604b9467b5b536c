package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/spanwatch/spanwatch/cloud/store"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"spanwatch-cloud": main})
}

func TestCommands(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_DATA_HOME", env.WorkDir+"/share")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"records": records,
		},
	})
}

// exits runs a command line and expects an exit code and, unless it is 0, one line on standard error: exits CODE COMMAND….
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var failed *exec.ExitError
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code = 1
		if asExit(err, &failed) {
			code = failed.ExitCode()
		}
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
	if text := ts.ReadFile("stderr"); code != 0 && (strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "spanwatch-cloud: ")) {
		ts.Fatalf("not one line on standard error: %q", text)
	}
}

func asExit(err error, into **exec.ExitError) bool {
	e, ok := err.(*exec.ExitError)
	*into = e
	return ok
}

// records stores an alert, an incident and a device in a store file, as a sensor would: records FILE.
func records(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	s, err := store.OpenSQLite(ctx, ts.MkAbs(args[0]))
	ts.Check(err)
	defer s.Close()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ts.Check(s.Apply(ctx, store.Batch{Site: "Plant1", Sensor: "span-1", Received: at, Version: "1.2",
		Devices: []store.Device{{ID: "d1", IPs: []string{"10.0.0.9"}, Names: []string{"PLC\x1b[2J"}, Type: "plc", Category: "OT", FirstSeen: at, LastSeen: at}},
		Alerts: []store.Alert{{ID: "a1", Revision: 1, Rule: "compromise-impact", Severity: "high", Level: "write", ActorIP: "10.0.0.5",
			TargetIP: "10.0.0.9", Time: at, LastTime: at}}}))
	_, err = s.SaveIncident(ctx, store.Incident{Site: "Plant1", Title: "Impact", Product: "Spanwatch", Severity: "high", Level: "write",
		Status: "new", FirstSeen: at, LastSeen: at, Alerts: []string{"a1"}})
	ts.Check(err)
}

// lines is a log for tests that can be waited for.
type lines struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	close(l.changed)
	l.changed = make(chan struct{})
	return len(p), nil
}

// wait waits for a line and gives what the pattern's group matches.
func (l *lines) wait(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for {
		l.mu.Lock()
		found, changed := re.FindStringSubmatch(l.text.String()), l.changed
		l.mu.Unlock()
		if found != nil {
			return found[1]
		}
		select {
		case <-changed:
		case <-t.Context().Done():
			t.Fatalf("no line has %s", pattern)
		}
	}
}

func TestRunServesAndStops(t *testing.T) {
	log := &lines{changed: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	o := options{place: place{data: t.TempDir()}, listen: "127.0.0.1:0", web: "127.0.0.1:0", admin: "127.0.0.1:0"}
	go func() { done <- runCollector(ctx, o, slog.New(slog.NewTextHandler(log, nil))) }()
	pages := log.wait(t, `msg=pages address=(\S+)`)
	admin := log.wait(t, `msg="health and metrics" address=(\S+)`)
	for address, want := range map[string]string{
		admin + "/healthz": "ok", admin + "/readyz": "ok", admin + "/metrics": "spanwatch_ingest_streams 0", pages + "/": "<html",
	} {
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s %v %.200s", address, answer.Status, err, body)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(admin + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}
