package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/spanwatch/spanwatch/capture"
)

const fixtures = "fixtures"

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// recorded returns the steps of a timeline file as they were before their frames were counted.
func recorded(t *testing.T, scenario string) []moment {
	t.Helper()
	rows, err := readTSV(filepath.Join(fixtures, "plant-"+scenario+".timeline.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	var out []moment
	for _, row := range rows[1:] {
		m := moment{step: row[0], actor: row[1], techniques: row[8], what: row[9]}
		for _, p := range strings.Split(row[2], ",") {
			port, err := strconv.ParseUint(p, 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			m.ports = append(m.ports, uint16(port))
		}
		var err, err2 error
		m.start, err = time.Parse(clock, row[3])
		m.end, err2 = time.Parse(clock, row[4])
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

func TestCapturesMatchTheirTables(t *testing.T) {
	for scenario := range scenarios {
		t.Run(scenario, func(t *testing.T) {
			base := "plant-" + scenario
			s, err := examine(filepath.Join(fixtures, base+".pcap.gz"), recorded(t, scenario))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.check(); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(readFile(t, base+".summary.tsv"), s.tsv()); diff != "" {
				t.Errorf("summary (-file +capture):\n%s", diff)
			}
			if diff := cmp.Diff(readFile(t, base+".timeline.tsv"), timelineTSV(s.timeline)); diff != "" {
				t.Errorf("timeline (-file +capture):\n%s", diff)
			}
		})
	}
}

// The sensor's own reader must agree with the library that made the tables.
func TestSensorReadsTheCaptures(t *testing.T) {
	for scenario := range scenarios {
		t.Run(scenario, func(t *testing.T) {
			rows, err := readTSV(filepath.Join(fixtures, "plant-"+scenario+".summary.tsv"))
			if err != nil {
				t.Fatal(err)
			}
			file, err := capture.Open(filepath.Join(fixtures, "plant-"+scenario+".pcap.gz"), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var frame capture.Frame
			var first, last time.Time
			packets := 0
			for err = file.Next(&frame); err == nil; err = file.Next(&frame) {
				if packets++; packets == 1 {
					first = frame.Time
				}
				last = frame.Time
			}
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			got := []string{strconv.Itoa(packets), first.UTC().Format(clock), last.UTC().Format(clock)}
			if diff := cmp.Diff([]string{rows[1][0], rows[1][2], rows[1][3]}, got); diff != "" {
				t.Errorf("packets, first, last (-table +sensor):\n%s", diff)
			}
		})
	}
}

// marks are bytes that only an attack puts on the wire of this plant, by the port they are sent to.
var marks = []struct {
	step  string
	port  layers.TCPPort
	bytes string
}{
	{"modbus-write-multiple", 502, "\x01\x10\x00\x00\x00\x02\x04"},
	{"modbus-write-refused", 502, "\x01\x06\x03\x84\x00\x01"},
	{"opcua-browse", 4840, "\x01\x00\x0f\x02"}, // BrowseRequest, i=527
	{"opcua-write", 4840, "\x01\x00\xa1\x02"},  // WriteRequest, i=673
	{"s7-list-blocks", 102, "\x00\x01\x12\x04\x11\x43\x01"},
	{"s7-upload", 102, "_0800001A"},
	{"s7-download", 102, "_INSE"},
	{"s7-stop", 102, "\x29\x00\x00\x00\x00\x00\x09P_PROGRAM"},
}

func TestAttackIsOnTheWireInItsStepOnly(t *testing.T) {
	seen := map[string]int{}
	forEachSegment(t, "attack", func(n int, from string, port layers.TCPPort, payload []byte, steps map[string][2]int) {
		for _, m := range marks {
			if m.port != port || !bytes.Contains(payload, []byte(m.bytes)) {
				continue
			}
			seen[m.step]++
			if span := steps[m.step]; from != address(laptop) || n < span[0] || n > span[1] {
				t.Errorf("frame %d from %s has the mark of %s, which spans %v", n, from, m.step, span)
			}
		}
	})
	for _, m := range marks {
		if seen[m.step] == 0 {
			t.Errorf("step %s has no frame with %q", m.step, m.bytes)
		}
	}
}

func TestNormalHasNoAttack(t *testing.T) {
	segments := 0
	forEachSegment(t, "normal", func(n int, from string, port layers.TCPPort, payload []byte, _ map[string][2]int) {
		segments++
		for _, m := range marks {
			if m.port == port && bytes.Contains(payload, []byte(m.bytes)) {
				t.Errorf("frame %d from %s has the mark of %s", n, from, m.step)
			}
		}
		if from == address(laptop) && (port == 502 || port == 102 || port == 4840) {
			t.Errorf("frame %d: the laptop speaks to port %d", n, port)
		}
	})
	if segments == 0 {
		t.Error("no segment with payload")
	}
}

// forEachSegment calls do for every TCP segment with payload, with the frames each step spans.
func forEachSegment(t *testing.T, scenario string, do func(n int, from string, port layers.TCPPort, payload []byte, steps map[string][2]int)) {
	t.Helper()
	rows, err := readTSV(filepath.Join(fixtures, "plant-"+scenario+".timeline.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	steps := map[string][2]int{}
	for _, row := range rows[1:] {
		first, err := strconv.Atoi(row[5])
		last, err2 := strconv.Atoi(row[6])
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		steps[row[0]] = [2]int{first, last}
	}
	file, err := capture.Open(filepath.Join(fixtures, "plant-"+scenario+".pcap.gz"), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var frame capture.Frame
	for n := 1; file.Next(&frame) == nil; n++ {
		packet := gopacket.NewPacket(frame.Data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		ip, _ := packet.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
		tcp, _ := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if ip != nil && tcp != nil && len(tcp.Payload) > 0 {
			do(n, ip.SrcIP.String(), tcp.DstPort, tcp.Payload, steps)
		}
	}
}

func TestReadmeHasTheFacts(t *testing.T) {
	facts, err := renderFacts(fixtures)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(readFile(t, "README.md"), factsBegin+facts+factsEnd) {
		t.Errorf("README.md is older than the tables: go run ./scripts/lab facts. Expected:\n%s", facts)
	}
}

func TestLabelsMatchThePlant(t *testing.T) {
	if diff := cmp.Diff(hostsTSV(), readFile(t, "hosts.tsv")); diff != "" {
		t.Errorf("hosts.tsv (-plant +file):\n%s", diff)
	}
	var v struct {
		IP         string
		State      string
		Confidence int
	}
	dec := json.NewDecoder(strings.NewReader(readFile(t, "verdicts.jsonl")))
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if v.IP != address(laptop) || v.State != "confirmed" || v.Confidence < 1 || v.Confidence > 100 {
		t.Errorf("verdict = %+v", v)
	}
	if readFile(t, "verdicts.jsonl") != verdict() {
		t.Error("verdicts.jsonl differs from the scenario's verdict")
	}
}

func TestPlantHasNoTwins(t *testing.T) {
	seen := map[string]string{}
	for _, h := range plant {
		for _, key := range []string{h.name, h.ip, h.mac} {
			if other, twice := seen[key]; twice {
				t.Errorf("%s has %s of %s", h.name, key, other)
			}
			seen[key] = h.name
		}
		if len(h.name) > 15 {
			t.Errorf("%s is too long for the name of a switch port", h.name)
		}
	}
}

// maxCommitted is what all recordings together may add to the repository.
const maxCommitted = 8 << 20

func TestFixturesAreSmall(t *testing.T) {
	entries, err := os.ReadDir(fixtures)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total == 0 || total > maxCommitted {
		t.Errorf("fixtures have %d bytes, at most %d are wanted", total, maxCommitted)
	}
}
