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

// explained are the captures in which the number of messages differs from the reference's, each with the reason.
var explained = map[string]string{}

// For each capture of the protocols that are dissected, the number of messages is the reference's in at least 95 % of
// the files; the rest stand in explained.
func TestCorpusMessageCounts(t *testing.T) {
	dir := corpus(t)
	truth := filepath.Join(filepath.Dir(dir), "truth")
	files, equal := 0, 0
	for _, path := range captures(t, dir) {
		name, _ := filepath.Rel(dir, path)
		base := filepath.Join(truth, strings.TrimSuffix(name, ".gz"))
		ours := messages(t, path)
		for _, table := range truthTables {
			want := rows(t, base+"."+table.table+".tsv.gz", table.column, table.fragment)
			got := ours[table.label]
			if want == 0 && got == 0 {
				continue
			}
			files++
			switch reason, ok := explained[name+" "+table.label]; {
			case want == got && ok:
				t.Errorf("%s: %d %s messages agree now; remove the explanation", name, got, table.label)
			case want == got:
				equal++
			case !ok:
				t.Errorf("%s: %d %s messages, the reference has %d", name, got, table.label, want)
			default:
				t.Logf("%s: %d %s messages, the reference has %d: %s", name, got, table.label, want, reason)
			}
		}
	}
	t.Logf("%d of %d tables have the same number of messages", equal, files)
	if equal*100 < files*95 {
		t.Errorf("only %d of %d tables agree, want 95 %%", equal, files)
	}
}

func messages(t *testing.T, path string) map[string]int {
	t.Helper()
	var out bytes.Buffer
	if _, err := sensor.Dissect(t.Context(), sensor.DissectConfig{Captures: []string{path}, Workers: 1}, &out); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	counts := make(map[string]int)
	lines := bufio.NewScanner(&out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var m struct{ Protocol string }
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v in %s", path, err, lines.Bytes())
		}
		counts[m.Protocol]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return counts
}

// rows counts the rows of a table of the reference, less those whose column has the value of a fragment.
func rows(t *testing.T, path, column, fragment string) int {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return 0
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
	at, n := -1, 0
	for first := true; lines.Scan(); first = false {
		cells := strings.Split(lines.Text(), "\t")
		if first {
			for i, name := range cells {
				if column != "" && name == column {
					at = i
				}
			}
			continue
		}
		if at < 0 || cells[at] != fragment {
			n++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}
