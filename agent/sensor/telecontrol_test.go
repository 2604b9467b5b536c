package sensor_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

// telecontrol is a table of the reference with a row a frame, and how our records of a frame give the same cells.
type telecontrol struct {
	folder, label string
	columns       []string
	cells         func(d telecontrolDetail) [][]string
}

// telecontrolDetail holds the fields of both protocols.
type telecontrolDetail struct {
	Type     *uint8  `json:"typeid"`
	Cause    *uint8  `json:"causetx"`
	Common   *uint16 `json:"addr"`
	Dst, Src *uint16
	Function *uint8 `json:"al_func"`
	Sequence *uint8 `json:"al_seq"`
	Objects  []struct {
		Address          *uint32 `json:"ioa"`
		Group, Variation uint8
	}
	Last bool `json:"fin"`
}

func cell[T uint8 | uint16 | uint32](v *T) []string {
	if v == nil {
		return nil
	}
	return []string{fmt.Sprint(*v)}
}

var telecontrols = []telecontrol{
	{"iec104", "iec104", []string{"iec60870_asdu.typeid", "iec60870_asdu.causetx", "iec60870_asdu.addr", "iec60870_asdu.ioa"}, func(d telecontrolDetail) [][]string {
		cells := [][]string{cell(d.Type), cell(d.Cause), cell(d.Common), nil}
		for _, o := range d.Objects {
			cells[3] = append(cells[3], cell(o.Address)...)
		}
		return cells
	}},
	{"dnp3", "dnp3", []string{"dnp3.dst", "dnp3.src", "dnp3.al.func", "dnp3.al.seq"}, func(d telecontrolDetail) [][]string {
		cells := [][]string{cell(d.Dst), cell(d.Src), nil, nil}
		if d.Last { // where the reference shows a fragment
			cells[2], cells[3] = cell(d.Function), cell(d.Sequence)
		}
		return cells
	}},
}

// differing are the frames that the reference reads otherwise, and why. The bytes of each kind were looked at.
var differing = map[string]struct {
	reason string
	frames []uint64
}{
	"dnp3/cisagov.dnp3_example.d9b22e.pcap.gz": {
		"a whole response that the reference joins with the first segment of an earlier one",
		[]uint64{311},
	},
	"dnp3/idaholab.protocols-DNP3.460500.pcap.gz": {
		"two connections under the same addresses and ports, interleaved; in frame 480 a whole response that is joined with an earlier one",
		[]uint64{25, 29, 51, 480},
	},
	"dnp3/ntop.pcap-dnp3.98e898.pcapng.gz": {
		"retransmissions, which the reference dissects again",
		[]uint64{11, 12, 35, 36, 50, 51, 89, 90, 104, 105, 131, 132, 140, 141, 194, 195, 239, 240, 362, 363, 440, 441, 455, 456, 482, 483, 515, 516},
	},
	"iec104/ITI.TestDissectIec104.292c18.pcap.gz": {
		"bytes that are no APDU, which the reference takes for one as they come to its port",
		[]uint64{41, 58, 83, 96},
	},
}

// What the reference reads of telecontrol in each frame, we read, too.
func TestCorpusTelecontrol(t *testing.T) {
	dir := corpus(t)
	for _, table := range telecontrols {
		frames := 0
		for _, path := range captures(t, filepath.Join(dir, table.folder)) {
			name, _ := filepath.Rel(dir, path)
			base := filepath.Join(filepath.Dir(dir), "truth", strings.TrimSuffix(name, ".gz"))
			want := referenceCells(t, base+"."+table.label+".tsv.gz", table.columns)
			got := ourCells(t, path, table)
			known := differing[name]
			for frame, row := range want {
				frames++
				if slices.Contains(known.frames, frame) {
					continue
				}
				for i, column := range table.columns {
					if len(row[i]) > 0 && (got[frame] == nil || !slices.Equal(row[i], got[frame][i])) {
						var ours []string
						if got[frame] != nil {
							ours = got[frame][i]
						}
						t.Errorf("%s frame %d %s: reference %v, ours %v", name, frame, column, row[i], ours)
					}
				}
			}
		}
		for name, known := range differing {
			if strings.HasPrefix(name, table.folder) {
				t.Logf("%s: %d frames differ: %s", name, len(known.frames), known.reason)
			}
		}
		if frames == 0 {
			t.Errorf("no frame of %s compared", table.label)
		}
		t.Logf("%s: %d frames compared", table.label, frames)
	}
}

// referenceCells gives the cells of a table by frame, each a list. A capture without such messages has no table.
func referenceCells(t *testing.T, path string, columns []string) map[uint64][][]string {
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
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	lines.Scan()
	head := strings.Split(lines.Text(), "\t")
	rows := make(map[uint64][][]string)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		var frame uint64
		if _, err := fmt.Sscan(fields[slices.Index(head, "frame")], &frame); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		row := make([][]string, len(columns))
		for i, column := range columns {
			if text := fields[slices.Index(head, column)]; text != "" {
				row[i] = strings.Split(text, ",")
			}
		}
		rows[frame] = row
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// ourCells gives the same of our records.
func ourCells(t *testing.T, path string, table telecontrol) map[uint64][][]string {
	t.Helper()
	var out bytes.Buffer
	if _, err := sensor.Dissect(t.Context(), sensor.DissectConfig{Captures: []string{path}, Protocol: table.label, Workers: 1}, &out); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	rows := make(map[uint64][][]string)
	for lines := json.NewDecoder(&out); lines.More(); {
		var m struct {
			Frame  uint64
			Detail telecontrolDetail
		}
		if err := lines.Decode(&m); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if rows[m.Frame] == nil {
			rows[m.Frame] = make([][]string, len(table.columns))
		}
		for i, list := range table.cells(m.Detail) {
			rows[m.Frame][i] = append(rows[m.Frame][i], list...)
		}
	}
	return rows
}
