package sensor_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

// corpus gives the folder of public captures that stands beside the checkout on some machines. They are not ours to
// ship, so the test says when they are not there.
func corpus(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/pcaps")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no captures of others at %s: comparing with them is skipped", dir)
	}
	return dir
}

func captures(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".gz") {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatalf("%s holds no captures", dir)
	}
	return list
}

// records replays a capture and gives its records as text, without the three figures that differ between runs.
func records(t *testing.T, path string, workers int) string {
	t.Helper()
	result, err := sensor.Replay(t.Context(), sensor.Config{Site: "Corpus", Captures: []string{path}, Workers: workers})
	if err != nil {
		t.Errorf("%s with %d workers: %v", path, workers, err)
		return ""
	}
	result.Summary.WallSeconds, result.Summary.CPUSeconds, result.Summary.MaxRSSBytes = 0, 0, 0
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, r := range result.Records() {
		if err := lines.Encode(r); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// Every capture is read to its end, and neither the number of workers nor a second run changes anything.
func TestCorpusReplays(t *testing.T) {
	dir := corpus(t)
	for _, path := range captures(t, dir) {
		one := records(t, path, 1)
		if diff := cmp.Diff(one, records(t, path, 4)); diff != "" {
			t.Errorf("%s: four workers differ from one:\n%s", path, diff)
		}
		if one != records(t, path, 1) {
			t.Errorf("%s: two runs differ", path)
		}
	}
}

// truthTables are the tables of the reference and the label of our records that each is compared with. A row of the
// reference that is a fragment of a later message is no message of ours.
var truthTables = []struct{ table, label, column, fragment string }{
	{"modbus", "modbus", "", ""},
	{"s7comm", "s7comm", "", ""},
	{"opcua", "opcua", "chunk", "C"},
}

// Reasons why the reference has fewer messages than there are in the bytes.
const (
	acknowledgedFirst = "the acknowledgement was captured before the segment it acknowledges; the reference takes the segment, " +
		"which is seen for the first time, for a retransmission and leaves it out"
	newBehindOld    = "retransmissions that carry new bytes behind old ones, which the reference leaves out whole"
	paddedException = "exception answers with a trailing byte, which the reference leaves out"
	unknownFunction = "exception answers to unknown function codes, which the reference leaves out"
	cutException    = "an exception answer that ends before its code, and messages of a connection whose SYN comes from port 502"
)

// explained are the captures in which we have more messages than the reference, with the number and the reason. The
// bytes of each were looked at.
var explained = map[string]struct {
	more   int
	reason string
}{
	"mixed/ITI.ModbusTCP-mb2.afe60d.pcap.gz modbus":                   {7, newBehindOld},
	"mixed/arkime.arkime_synthetic.2d7015.pcap.gz modbus":             {3, cutException},
	"mixed/bro.modbusBig.36c374.pcap.gz modbus":                       {1, acknowledgedFirst},
	"modbus/OISF.modbus-modbus.809e2b.pcap.gz modbus":                 {5, paddedException},
	"modbus/arkime.pcap-modbus.8cc298.pcap.gz modbus":                 {11, paddedException},
	"modbus/bro.modbus-fuzz-72.9c10fe.pcap.gz modbus":                 {22, unknownFunction},
	"modbus/digitalbond.modbus_test_data_part1.94942b.pcap.gz modbus": {11, paddedException},
	"s7comm/ITI.s7comm_clean.0998a2.pcap.gz s7comm":                   {11, acknowledgedFirst},
}

// For each capture of the protocols that are dissected, the number of messages is the reference's, or there are more and
// the reason is known. A message that the reference has and we have not is a fault, whatever the number.
func TestCorpusMessages(t *testing.T) {
	dir := corpus(t)
	truth := filepath.Join(filepath.Dir(dir), "truth")
	tables, equal := 0, 0
	for _, path := range captures(t, dir) {
		name, _ := filepath.Rel(dir, path)
		base := filepath.Join(truth, strings.TrimSuffix(name, ".gz"))
		ours := messages(t, path)
		for _, table := range truthTables {
			want := rows(t, base+"."+table.table+".tsv.gz", table.column, table.fragment)
			got := ours[table.label]
			if len(want) == 0 && len(got) == 0 {
				continue
			}
			tables++
			for m := range want {
				if !got[m] {
					t.Errorf("%s: the reference has a %s message at frame %d, index %d, which is missing", name, table.label, m.frame, m.pdu)
				}
			}
			if len(got) == len(want) {
				equal++
			}
			e := explained[name+" "+table.label]
			switch more := len(got) - len(want); {
			case more != e.more:
				t.Errorf("%s: %d %s messages, the reference has %d; explained are %d more", name, len(got), table.label, len(want), e.more)
			case more > 0:
				t.Logf("%s: %d %s messages more than the reference's %d: %s", name, more, table.label, len(want), e.reason)
			}
		}
	}
	t.Logf("%d of %d tables have the reference's number of messages, the others more, as explained", equal, tables)
}

// place is where a message stands in a capture.
type place struct {
	frame uint64
	pdu   int
}

// messages gives the places of our records by label.
func messages(t *testing.T, path string) map[string]map[place]bool {
	t.Helper()
	var out bytes.Buffer
	if _, err := sensor.Dissect(t.Context(), sensor.DissectConfig{Captures: []string{path}, Workers: 1}, &out); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	places := make(map[string]map[place]bool)
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var m struct {
			Protocol string
			Frame    uint64
			PDU      int
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v in %s", path, err, lines.Bytes())
		}
		if places[m.Protocol] == nil {
			places[m.Protocol] = make(map[place]bool)
		}
		places[m.Protocol][place{m.Frame, m.PDU}] = true
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return places
}

// rows gives the places of a table of the reference, less those whose column has the value of a fragment. A capture
// without such messages has no table.
func rows(t *testing.T, path, column, fragment string) map[place]bool {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", path, err))
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	if !lines.Scan() {
		t.Fatalf("%s is empty", path)
	}
	at := make(map[string]int)
	for i, name := range strings.Split(lines.Text(), "\t") {
		at[name] = i
	}
	places := make(map[place]bool)
	for lines.Scan() {
		cells := strings.Split(lines.Text(), "\t")
		if column != "" && cells[at[column]] == fragment {
			continue
		}
		var p place
		if _, err := fmt.Sscan(cells[at["frame"]]+" "+cells[at["pdu"]], &p.frame, &p.pdu); err != nil {
			t.Fatalf("%s: %v in %q", path, err, lines.Text())
		}
		places[p] = true
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return places
}
