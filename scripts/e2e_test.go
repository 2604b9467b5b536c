package scripts

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// shared is a directory for what is made once for several tests.
var shared string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "spanwatch-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// programs are both binaries, built once.
var programs = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(shared, "programs")
	for _, name := range []string{"agent", "cloud"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "spanwatch-"+name), "./"+name)
		build.Dir = ".."
		if out, err := build.CombinedOutput(); err != nil {
			return dir, &exec.Error{Name: string(out), Err: err}
		}
	}
	return dir, nil
})

func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "spanwatch-"+name)
}

// run executes a program to its end.
func run(t *testing.T, name string, args ...string) (stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, name), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, errs.String())
	}
	return out.String(), errs.String()
}

// collector is a running spanwatch-cloud.
type collector struct {
	t            *testing.T
	data         string
	listen, page string
	cmd          *exec.Cmd
	log          chan struct{} // closed when the process has closed its log
}

// start runs a collector and waits until its log says where it listens. An empty address means a free port.
func start(t *testing.T, data, listen string) *collector {
	t.Helper()
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	c := &collector{t: t, data: data, log: make(chan struct{})}
	c.cmd = exec.Command(program(t, "cloud"), "run", "--data", data, "--listen", listen, "--web", "127.0.0.1:0")
	pipe, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	addresses := make(chan [2]string, 1)
	go func() {
		defer close(c.log)
		var found [2]string
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			if m := regexp.MustCompile(`msg="waiting for sensors" address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
				found[0] = m[1]
			}
			if m := regexp.MustCompile(`msg=pages address=(\S+)`).FindStringSubmatch(lines.Text()); m != nil {
				found[1] = m[1]
				addresses <- found
			}
		}
	}()
	select {
	case found := <-addresses:
		c.listen, c.page = found[0], found[1]
	case <-c.log:
		t.Fatalf("the collector ended: %v", c.cmd.Wait())
	}
	return c
}

// kill ends the collector as a power cut would. Calling it again does nothing.
func (c *collector) kill() {
	if c.cmd == nil {
		return
	}
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Error(err)
	}
	<-c.log
	_ = c.cmd.Wait() // "signal: killed" is what was asked for
	c.cmd = nil
}

// ids gives the ids of alerts as a list of records has them, sorted.
func ids(t *testing.T, lines string) []string {
	t.Helper()
	var list []string
	for line := range strings.Lines(lines) {
		var r struct{ ID string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		list = append(list, r.ID)
	}
	slices.Sort(list)
	return list
}

const fixtures = "lab/fixtures/"

// raised gives the ids of the alerts in a sensor's state.
func raised(t *testing.T, state string) []string {
	out, _ := run(t, "agent", "alerts", "--state", state, "--format", "json")
	list := ids(t, out)
	if len(list) < 3 {
		t.Fatalf("only %d alerts were raised: the test would pass for want of them", len(list))
	}
	return list
}

func stored(t *testing.T, data string) []string {
	out, _ := run(t, "cloud", "alerts", "--data", data, "--format", "json")
	return ids(t, out)
}

// The collector is away for a whole replay: the alerts wait in the spool, and arrive once when it is back. Replaying the
// same capture again adds nothing.
func TestCollectorAwayDuringReplay(t *testing.T) {
	data, state := filepath.Join(t.TempDir(), "cloud"), filepath.Join(t.TempDir(), "agent")
	c := start(t, data, "")
	run(t, "cloud", "certificate", "--data", data, "--site", "Plant1", "--sensor", "s1", "--out", filepath.Join(state, "identity"))
	c.kill()

	_, said := run(t, "agent", "replay", "--state", state, "--verdicts", fixtures+"verdicts.jsonl", "--collector", c.listen,
		"--drain-timeout", "100ms", fixtures+"plant-attack.pcap.gz")
	if !strings.Contains(said, "did not acknowledge everything") || !strings.Contains(said, state) {
		t.Errorf("nothing says that alerts wait, and where:\n%s", said)
	}
	want := raised(t, state)
	if got := stored(t, data); len(got) != 0 {
		t.Fatalf("%d alerts are stored though the collector was away", len(got))
	}

	c = start(t, data, c.listen)
	run(t, "agent", "replay", "--state", state, "--collector", c.listen)
	if got := stored(t, data); !slices.Equal(got, want) {
		t.Errorf("stored alerts %v, want %v", got, want)
	}
	run(t, "agent", "replay", "--state", state, "--verdicts", fixtures+"verdicts.jsonl", "--collector", c.listen, fixtures+"plant-attack.pcap.gz")
	if got := stored(t, data); !slices.Equal(got, want) {
		t.Errorf("after the same replay, stored alerts %v, want %v", got, want)
	}
	checkIncident(t, c)
}

// What a later run finds worse reaches the collector, though it is the same alert: a suspicion that is confirmed must not
// stay a suspicion there.
func TestGraverVerdictReachesTheCollector(t *testing.T) {
	data, state := filepath.Join(t.TempDir(), "cloud"), filepath.Join(t.TempDir(), "agent")
	c := start(t, data, "")
	run(t, "cloud", "certificate", "--data", data, "--site", "Plant1", "--sensor", "s1", "--out", filepath.Join(state, "identity"))
	suspicion := filepath.Join(t.TempDir(), "suspicion.jsonl")
	if err := os.WriteFile(suspicion, []byte(`{"ip":"10.20.30.66","state":"suspected","confidence":40}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, verdicts := range []string{suspicion, fixtures + "verdicts.jsonl"} {
		run(t, "agent", "replay", "--state", state, "--verdicts", verdicts, "--collector", c.listen, fixtures+"plant-attack.pcap.gz")
		here, _ := run(t, "agent", "alerts", "--state", state, "--format", "json")
		there, _ := run(t, "cloud", "alerts", "--data", data, "--format", "json")
		if diff := cmp.Diff(gravity(t, here), gravity(t, there)); diff != "" {
			t.Errorf("%s: sensor and collector differ:\n%s", verdicts, diff)
		}
	}
}

// gravity gives what alerts say of themselves, by id.
func gravity(t *testing.T, lines string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for line := range strings.Lines(lines) {
		var r struct {
			ID, Severity, Level, Description string
			Evidence                         []struct{ Frame uint64 }
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		all[r.ID] = fmt.Sprint(r.Severity, " ", r.Level, " ", r.Evidence, " ", r.Description)
	}
	return all
}

// checkIncident looks at the incident that the alerts became, as the pages show it.
func checkIncident(t *testing.T, c *collector) {
	t.Helper()
	out, _ := run(t, "cloud", "incidents", "--data", c.data, "--format", "json")
	var incident struct {
		ID      int
		Product string
		Alerts  []string
	}
	if err := json.Unmarshal([]byte(out), &incident); err != nil {
		t.Fatalf("not one incident: %v in %s", err, out)
	}
	if incident.Product != "Spanwatch" || len(incident.Alerts) < 3 {
		t.Errorf("incident %+v", incident)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		c.page+"/spanwatch.v1.IncidentService/GetIncident", strings.NewReader(`{"id":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("10.20.30.66")) {
		t.Errorf("the page's service answers %d: %.300s", answer.StatusCode, body)
	}
}

// The collector is killed in the midst of a replay, after it has stored something, and comes back: every alert that was
// raised is stored, once.
func TestCollectorKilledDuringReplay(t *testing.T) {
	data, state := filepath.Join(t.TempDir(), "cloud"), filepath.Join(t.TempDir(), "agent")
	c := start(t, data, "")
	run(t, "cloud", "certificate", "--data", data, "--site", "Plant1", "--sensor", "s1", "--out", filepath.Join(state, "identity"))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	replay := exec.CommandContext(ctx, program(t, "agent"), "replay", "--state", state, "--verdicts", fixtures+"verdicts.jsonl",
		"--collector", c.listen, "--speed", "40x", "--drain-timeout", "2m", fixtures+"plant-attack.pcap.gz")
	var said bytes.Buffer
	replay.Stderr = &said
	if err := replay.Start(); err != nil {
		t.Fatal(err)
	}
	for len(stored(t, data)) == 0 {
		if ctx.Err() != nil {
			t.Fatalf("no alert arrived: %s", said.String())
		}
	}
	c.kill()
	start(t, data, c.listen)
	if err := replay.Wait(); err != nil {
		t.Fatalf("replay: %v\n%s", err, said.String())
	}
	if got, want := stored(t, data), raised(t, state); !slices.Equal(got, want) {
		t.Errorf("stored alerts %v, want %v", got, want)
	}
}

// Without a collector, an identity of its site, or with somebody else's, a clear line says what to do.
func TestUplinkRefusals(t *testing.T) {
	data, identity := filepath.Join(t.TempDir(), "cloud"), filepath.Join(t.TempDir(), "identity")
	run(t, "cloud", "certificate", "--data", data, "--site", "Plant1", "--sensor", "s1", "--out", identity)
	tests := map[string]struct {
		args []string
		want string
	}{
		"no identity":  {[]string{"--state", t.TempDir()}, "spanwatch-cloud certificate"},
		"no directory": {nil, "--identity"},
		"another site": {[]string{"--identity", identity, "--site", "Oslo"}, `is of site "Plant1", not "Oslo"`},
	}
	for name, test := range tests {
		args := append([]string{"replay", "--collector", "127.0.0.1:9", fixtures + "plant-normal.pcap.gz"}, test.args...)
		out, err := exec.CommandContext(t.Context(), program(t, "agent"), args...).CombinedOutput()
		if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), test.want) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
	}
}
