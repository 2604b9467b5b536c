package report

import (
	"bytes"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/agent/state"
	"github.com/spanwatch/spanwatch/protocols"
)

var update = flag.Bool("update", false, "write the golden files anew")

func write(t *testing.T, format string, snap *state.Snapshot) string {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, format, snap); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// lab replays the recorded plant with the attack in it.
func lab(t *testing.T) *state.Snapshot {
	t.Helper()
	fixtures := filepath.Join("..", "..", "scripts", "lab", "fixtures")
	result, err := sensor.Replay(t.Context(), sensor.Config{
		Site: "SanFrancisco", Captures: []string{filepath.Join(fixtures, "plant-attack.pcap.gz")},
		Verdicts: filepath.Join(fixtures, "verdicts.jsonl"), LearnUntil: time.Date(2026, 11, 23, 15, 45, 10, 0, time.UTC), Workers: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &result.Snapshot
}

func TestLabGoldens(t *testing.T) {
	snap := lab(t)
	for _, format := range Formats {
		path := filepath.Join("testdata", "lab."+format)
		got := write(t, format, snap)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs; where that is meant, run this test with -update:\n%s", path, diff)
		}
	}
}

var at = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func device(id, ip, kind, purdue, zone string) inventory.Device {
	category := inventory.CategoryOT
	if kind == inventory.TypeWorkstation {
		category = inventory.CategoryEndpoint
	}
	return inventory.Device{
		ID: id, Names: []string{id}, IPs: []string{ip}, MACs: []string{"02:00:00:00:00:" + id[len(id)-2:]}, Type: kind, Category: category, Purdue: purdue,
		Zone: zone, FirstSeen: at, LastSeen: at.Add(time.Hour), Compromise: inventory.Compromise{State: "none"},
	}
}

func edge(client, clientIP, server, serverIP string, actions map[string]uint64, last time.Duration) graph.Edge {
	return graph.Edge{
		Client: client, ClientIP: clientIP, Server: server, ServerIP: serverIP, Protocol: "speak", Port: 9, Actions: actions,
		Packets: 10, Bytes: 1000, FirstSeen: at, LastSeen: at.Add(last), Baseline: graph.BaselineKnown,
	}
}

// plant is a site of four devices in which something of everything happens.
func plant() *state.Snapshot {
	plc, hmi := device("plc-01", "10.0.1.1", inventory.TypePLC, "1", "cell1"), device("hmi-02", "10.0.1.2", inventory.TypeHMI, "2", "cell1")
	far, pc := device("hmi-03", "10.0.2.3", inventory.TypeHMI, "2", "cell2"), device("pc-04", "10.0.3.4", inventory.TypeWorkstation, "4", "")
	fact := func(key protocols.FactKey, value string, from, until time.Duration) inventory.Fact {
		return inventory.Fact{Key: key, Value: value, Source: "x: told", Confidence: 100, FirstSeen: at.Add(from), LastSeen: at.Add(until)}
	}
	plc.Facts = []inventory.Fact{
		fact(protocols.FactFirmware, "1.0", 0, time.Minute), fact(protocols.FactFirmware, "1.1", 2*time.Minute, time.Hour),
		fact(protocols.FactSerial, "A1", 0, time.Hour), fact(protocols.FactSerial, "B2", time.Minute, time.Hour),
		fact(protocols.FactModel, "X-9", 0, time.Hour), fact(protocols.FactModel, "Controller X 9", time.Minute, time.Hour),
		fact(protocols.FactProtection, "level 1", 0, time.Hour), fact(protocols.FactMode, "run", 0, time.Minute), fact(protocols.FactMode, "stop", time.Minute, time.Hour),
	}
	plc.Changes = []inventory.Change{{Time: at.Add(time.Minute), Key: protocols.FactMode, From: "run", To: "stop", Source: "x: told"}}
	twin := device("twin-05", "10.0.1.1", inventory.TypePLC, "1", "cell2")
	write := func() map[string]uint64 { return map[string]uint64{"write": 30, "read": 600} }
	fresh := edge("pc-04", "10.0.3.4", "plc-01", "10.0.1.1", map[string]uint64{"upload": 1}, time.Hour)
	fresh.Baseline, fresh.Objects = graph.BaselineNew, []graph.Object{{Action: "upload", Object: "block 1", Count: 1}, {Action: "read", Object: "x", Count: 1}}
	secure := edge("hmi-02", "10.0.1.2", "plc-01", "10.0.1.1", write(), time.Hour)
	secure.Security = []graph.Security{{Mode: "none", Policy: "None", User: "anonymous"}, {Mode: "sign", Policy: "P", User: "certificate"}}
	secure.PacketsOut, secure.Acts = 20, []graph.Act{{Action: "write", Count: 30, FirstSeen: at, Baseline: graph.BaselineNew}}
	secure.Objects = []graph.Object{
		{Action: "write", Object: "y", Count: 30, Baseline: graph.BaselineNew}, {Action: "read", Object: "z", Count: 2, FirstSeen: at, Baseline: graph.BaselineNew},
	}
	polled := edge("hmi-02", "10.0.1.2", "hmi-03", "10.0.2.3", map[string]uint64{"read": 5}, 50*time.Minute)
	polled.Interval, polled.Periodic = 60, true
	return &state.Snapshot{
		Site: "Plant", Devices: []inventory.Device{plc, hmi, far, pc, twin},
		Edges: []graph.Edge{
			secure, fresh, polled,
			edge("hmi-03", "10.0.2.3", "plc-01", "10.0.1.1", write(), 30*time.Minute), // fell silent
			edge("", "203.0.113.9", "plc-01", "10.0.1.1", map[string]uint64{"read": 1}, time.Minute),
			edge("plc-01", "10.0.1.1", "", "198.51.100.7", nil, time.Minute),
			edge("pc-04", "10.0.3.4", "", "198.51.100.7", nil, time.Minute),
			edge("pc-04", "10.0.3.4", "", "10.0.1.77", nil, time.Minute), edge("pc-04", "10.0.3.4", "", "10.0.1.78", nil, time.Minute),
			edge("pc-04", "10.0.3.4", "", "10.0.1.79", nil, time.Minute), edge("pc-04", "10.0.3.4", "", "10.0.1.255", nil, time.Minute),
		},
		Coverage: []graph.Coverage{
			{ClientIP: "10.0.1.2", ServerIP: "10.0.1.1", Port: 9, Protocol: "speak", Packets: 10, Bytes: 1000, DecodedBytes: 800, GapBytes: 200, Malformed: 1},
			{ClientIP: "10.0.3.4", ServerIP: "10.0.1.1", Port: 443, Protocol: "whisper", Packets: 10, Bytes: 1000, EncryptedBytes: 500},
			{ClientIP: "10.0.3.4", ServerIP: "10.0.1.1", Port: 7, Protocol: "tcp", Packets: 10, Bytes: 1000, OpaqueBytes: 500, Unanswered: 4},
			{Packets: 30, Bytes: 3000, DecodedBytes: 800, GapBytes: 200, EncryptedBytes: 500, OpaqueBytes: 500, Malformed: 1, Unanswered: 4, Total: true},
		},
	}
}

func TestWhatAReportSays(t *testing.T) {
	r := New(plant())
	say := func(p Party) string { return p.Device + p.IP }
	var got []string
	for _, c := range r.Commands {
		got = append(got, "command "+c.Client.Name+" "+actions(c.Actions)+" "+c.Baseline)
	}
	for _, c := range r.Crossings {
		got = append(got, "crossing "+say(c.Client)+" "+c.Reason)
	}
	for _, c := range r.Internet {
		got = append(got, "internet "+say(c.Client)+" "+say(c.Server)+" "+c.Reason)
	}
	for _, c := range r.Clear {
		got = append(got, "clear "+c.Protocol+" "+joined(c.Actions))
	}
	for _, s := range r.Sessions {
		got = append(got, "session "+s.Mode+" "+s.User+map[bool]string{true: " weak"}[s.Weak])
	}
	for _, d := range r.Protection {
		got = append(got, "protection "+d.What+" "+d.Value)
	}
	for _, c := range r.New {
		got = append(got, "new "+say(c.Client))
	}
	for _, d := range r.NewDeeds {
		got = append(got, "new deed "+d.Action+" "+d.Object)
	}
	for _, c := range r.Changes {
		got = append(got, "change "+c.What+" "+c.From+" "+c.To)
	}
	for _, c := range r.Silent {
		got = append(got, "silent "+say(c.Client)+" "+c.Reason)
	}
	for _, c := range r.Conflicts {
		got = append(got, "conflict "+c.Key+map[bool]string{true: " changed"}[c.Changed])
	}
	for _, d := range r.Duplicates {
		got = append(got, "duplicate "+d.Address+" "+d.Reason)
	}
	for _, u := range r.Unread {
		got = append(got, "unread "+u.Protocol+" "+u.Reason)
	}
	for _, p := range r.Probes {
		got = append(got, "probes "+p.Client.Name+" "+ports(p.Ports))
	}
	for _, b := range r.Blind {
		got = append(got, "blind "+b.Protocol+" "+b.Reason)
	}
	want := []string{
		"command hmi-02 write 30 known", "command hmi-03 write 30 known", "command pc-04 upload 1 new",
		"crossing hmi-0310.0.2.3 from zone cell2 into zone cell1", "crossing pc-0410.0.3.4 from level 4", "crossing 203.0.113.9 from the Internet",
		"internet 203.0.113.9 plc-0110.0.1.1 plant device is asked from the Internet", "internet plc-0110.0.1.1 198.51.100.7 plant device asks the Internet",
		"internet pc-0410.0.3.4 198.51.100.7 asks the Internet",
		"clear speak write, upload, read", "session none anonymous weak", "session sign certificate", "protection protection level 1",
		"new pc-0410.0.3.4", "new deed write ", "new deed read z", "change mode run stop", "silent hmi-0310.0.2.3 a request every 2.9s before, none for 30m0s", "silent hmi-0210.0.1.2 a request every 1m0s before, none for 10m0s",
		"conflict firmware changed", "conflict serial",
		"duplicate 10.0.1.1 used by 2 devices",
		"unread tcp protocol not known", "unread whisper encrypted", "probes pc-04 7, 9",
		"blind speak 200 B never reached the sensor (20.0 %), 1 malformed messages",
		"blind speak one-sided: nothing that the server sent was seen; does the mirror port show both directions?",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if m := mode(&plant().Devices[0]); m != "stop" {
		t.Errorf("mode %q, want the one told last", m)
	}
}

func TestOrderOfRecordsChangesNothing(t *testing.T) {
	want := write(t, "json", plant()) + write(t, "html", plant())
	for seed := range uint64(20) {
		snap, r := plant(), rand.New(rand.NewPCG(seed, 1))
		r.Shuffle(len(snap.Devices), func(i, j int) { snap.Devices[i], snap.Devices[j] = snap.Devices[j], snap.Devices[i] })
		r.Shuffle(len(snap.Edges), func(i, j int) { snap.Edges[i], snap.Edges[j] = snap.Edges[j], snap.Edges[i] })
		if diff := cmp.Diff(want, write(t, "json", snap)+write(t, "html", snap)); diff != "" {
			t.Fatalf("seed %d:\n%s", seed, diff)
		}
	}
}

var tag = regexp.MustCompile(`<[^>]*>`)

// What devices say of themselves may not become a part of the page, of the document, or of the terminal's commands.
func TestHostileNames(t *testing.T) {
	hostile := []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `</title></style><b>`, "a|b`c`[x](javascript:y)", "\x1b[2J\u202eevil", "]]>&amp;{{.}}",
	}
	plain, bad := plant(), plant()
	for i := range bad.Devices {
		plain.Devices[i].Names, plain.Devices[i].Vendor = []string{"name"}, "vendor"
		bad.Devices[i].Names, bad.Devices[i].Vendor = []string{hostile[i]}, hostile[i+1]
	}
	plain.Edges[1].Objects[0].Object, bad.Edges[1].Objects[0].Object = "object", hostile[1]
	bad.Site = hostile[2]
	if diff := cmp.Diff(tag.FindAllString(write(t, "html", plain), -1), tag.FindAllString(write(t, "html", bad), -1)); diff != "" {
		t.Errorf("names changed the page:\n%s", diff)
	}
	for _, format := range []string{"html", "md"} {
		if text := write(t, format, bad); strings.ContainsAny(text, "\x1b\u202e") {
			t.Errorf("%s lets through what steers a terminal", format)
		}
	}
	md := write(t, "md", bad)
	for _, mark := range []string{"<script", "](javascript", "<img"} {
		if at := strings.Index(md, mark); at > 0 && md[at-1] != '\\' {
			t.Errorf("Markdown lets through %q", mark)
		}
	}
	if got, want := strings.Count(md, "\n"), strings.Count(write(t, "md", plain), "\n"); got != want {
		t.Errorf("%d lines of Markdown, want %d", got, want)
	}
}

func TestPageNeedsNothingElse(t *testing.T) {
	for _, name := range []string{"http:", "https:", "src=", "url(", "@import", "<script", "<link"} {
		if strings.Contains(write(t, "html", plant()), name) {
			t.Errorf("the page has %q: it would load something", name)
		}
	}
}

func TestNothingSeen(t *testing.T) {
	empty := &state.Snapshot{Site: "new"}
	for _, format := range Formats {
		if text := write(t, format, empty); !strings.Contains(text, "new") || strings.Contains(text, "null,") && format != "json" {
			t.Errorf("%s: %s", format, text)
		}
	}
	if text := write(t, "json", empty); strings.Contains(text, `": null`) && strings.Count(text, "null") != 2 { // from, until
		t.Errorf("lists are null: %s", text)
	}
}
