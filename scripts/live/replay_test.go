package live

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

var modes = []string{"xdp-native", "xdp-generic", "filter", "plain"}

const fixtures = "../lab/fixtures/"

// longestPause is what counts of a capture's pauses: nobody waits for a night without traffic.
const longestPause = time.Second

// eachFrame shows the frames of a capture, and the pause before each.
func eachFrame(t *testing.T, path string, show func(f *capture.Frame, pause time.Duration)) {
	t.Helper()
	in, err := capture.Open(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var f capture.Frame
	var previous time.Time
	for in.Next(&f) == nil {
		pause := time.Duration(0)
		if !previous.IsZero() {
			pause = min(max(f.Time.Sub(previous), 0), longestPause)
		}
		previous = f.Time
		show(&f, pause)
	}
}

// play sends the frames of a capture within about playTime, in their rhythm, and records in another capture what was sent when.
// It gives how many: frames that no Ethernet carries, or that were cut, are left out.
func play(t *testing.T, cable *livetest.Cable, from, record string, playTime time.Duration) (sent uint64) {
	t.Helper()
	file, err := os.Create(record)
	if err != nil {
		t.Fatal(err)
	}
	out := pcapgo.NewWriterNanos(file)
	if err := out.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	var total time.Duration
	eachFrame(t, from, func(_ *capture.Frame, pause time.Duration) { total += pause })
	factor := min(float64(playTime)/float64(max(total, 1)), 1)
	due := time.Now()
	eachFrame(t, from, func(f *capture.Frame, pause time.Duration) {
		due = due.Add(time.Duration(float64(pause) * factor))
		if f.Link != capture.LinkEthernet || len(f.Data) < 14 || len(f.Data) != f.WireLength || f.WireLength > 1514 {
			return
		}
		time.Sleep(time.Until(due)) // the rhythm of the traffic, not synchronisation
		now := time.Now()
		if err := cable.Deliver(f.Data); err != nil {
			t.Fatal(err)
		}
		if err := out.WritePacket(gopacket.CaptureInfo{Timestamp: now, CaptureLength: len(f.Data), Length: len(f.Data)}, f.Data); err != nil {
			t.Fatal(err)
		}
		sent++
	})
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return sent
}

// The plant under attack, sent over a cable to a running sensor, gives the devices, edges and alerts that a replay of what
// was sent gives.
func TestLiveEqualsReplay(t *testing.T) {
	privileged(t)
	for i, mode := range modes {
		workers := strconv.Itoa(1 + i%2)
		t.Run(mode+" "+workers, func(t *testing.T) {
			compare(t, mode, workers, fixtures+"plant-attack.pcap.gz", 5*time.Second, 3)
		})
	}
}

// So do public captures, where they are at hand.
func TestPublicCaptures(t *testing.T) {
	privileged(t)
	for _, name := range []string{
		"modbus/ITI.modbus_test.7a9aca.pcap.gz", "s7comm/ControlThings-io.Plant1_S7comm.ebb9fc.pcap.gz",
		"s7comm/ITI.s7comm_clean.0998a2.pcap.gz", "opcua/cisagov.opcua_with-gap.b5796f.pcap.gz", "mixed/bro.modbusBig.36c374.pcap.gz",
	} {
		path := filepath.Join("../../../shared/pcaps", name)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			t.Skipf("%s is not there: the public captures stand beside the checkout", path)
		}
		for _, mode := range []string{"xdp-native", "plain"} {
			t.Run(mode+" "+filepath.Base(name), func(t *testing.T) { compare(t, mode, "2", path, time.Second, 0) })
		}
	}
}

// compare sends a capture to a sensor, and compares what it knows then with a replay of what was sent.
func compare(t *testing.T, mode, workers, path string, playTime time.Duration, alerts int) {
	cable := lay(t, "mirror")
	verdicts, err := filepath.Abs(fixtures + "verdicts.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	// A ring that outlasts whatever else a busy machine does: this is not about how much fits.
	roomy := filepath.Join(t.TempDir(), "roomy.yaml")
	if err := os.WriteFile(roomy, []byte("limits: {ring: 64}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a := start(t, nil, "-c", roomy, "--interface", "mirror", "--mode", mode, "--workers", workers, "--site", "Plant1", "--verdicts", verdicts)
	record := filepath.Join(t.TempDir(), "sent.pcap")
	sent := play(t, cable, path, record, playTime)
	if sent == 0 {
		t.Fatalf("%s has no frame that can be sent", path)
	}
	h := a.settle(sent)
	nic := h.Interfaces[0].NIC
	if nic.Received != sent || h.Interfaces[0].Ring.Dropped != 0 || string(h.Interfaces[0].Mode) != mode {
		t.Fatalf("sent %d: %+v", sent, h.Interfaces[0])
	}
	if h.Counters.Late != 0 {
		t.Logf("%d events were late", h.Counters.Late)
	}
	a.stop()

	replayed := filepath.Join(t.TempDir(), "replayed")
	out, err := exec.CommandContext(t.Context(), os.Getenv(agentVariable), "replay", "--state", replayed, "--site", "Plant1", "--verdicts", verdicts, record).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	kinds := []string{"devices", "graph", "alerts", "coverage"}
	if mode != "plain" {
		kinds = kinds[:3] // what the kernel holds back has bytes that nobody looked into
	}
	for _, kind := range kinds {
		want, got := records(t, kind, replayed), records(t, kind, a.state)
		if kind == "alerts" && len(want) < alerts || len(want) == 0 && kind != "alerts" && kind != "coverage" {
			t.Fatalf("the replay gives %d %s: the test would pass for want of them", len(want), kind)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-replay +live):\n%s", kind, diff)
		}
	}
}

// stamp is a time as records and descriptions have it.
var stamp = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?`)

// frames are numbers of frames in descriptions.
var frames = regexp.MustCompile(`frames? \d+( to \d+)?`)

// records gives what a state directory has, without times and numbers of frames, in an order that depends on the rest.
func records(t *testing.T, kind, state string) []string {
	t.Helper()
	var list []string
	for _, r := range show(t, kind, state) {
		line, err := json.MarshalIndent(timeless(r), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(line))
	}
	slices.Sort(list)
	return list
}

func timeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if strings.Contains(key, "frame") || key == "revision" { // how often it was told depends on when
				delete(v, key)
				continue
			}
			if seconds, ok := value.(float64); ok && seconds > 0 && (key == "interval_seconds" || key == "jitter_seconds") {
				value = "SECONDS" // between frames, from which time of sending to time of receipt differs
			}
			if key == "periodic" { // judged from the same times
				value = "BY TIMES"
			}
			v[key] = timeless(value)
		}
	case []any:
		for i := range v {
			v[i] = timeless(v[i])
		}
	case string:
		return frames.ReplaceAllString(stamp.ReplaceAllString(v, "TIME"), "FRAMES")
	}
	return v
}

// A comparison that strips everything would say yes to anything.
func TestComparisonSeesDifferences(t *testing.T) {
	record := map[string]any{"packets": 3.0, "revision": 2.0, "interval_seconds": 0.5, "jitter_seconds": 0.0, "first_seen": "2026-11-23T15:43:40.284623943Z", "frame": 9.0, "periodic": true,
		"description": "First at 2026-11-23 15:45:11.069 UTC, frames 5 to 6 of host 10.0.0.1"}
	want := map[string]any{"packets": 3.0, "interval_seconds": "SECONDS", "jitter_seconds": 0.0, "first_seen": "TIME", "periodic": "BY TIMES", "description": "First at TIME, FRAMES of host 10.0.0.1"}
	if diff := cmp.Diff(any(want), timeless(record)); diff != "" {
		t.Error(diff)
	}
}
