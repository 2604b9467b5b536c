package sensor

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/inventory"
)

// disclosed is where the reference's tables say what devices disclose of themselves, and how that becomes the values that
// the inventory should know.
var disclosed = []struct {
	table, column string
	values        func(field string) []string
}{
	{"s7comm", "szl_ident", func(field string) (all []string) {
		for part := range strings.SplitSeq(field, ";") {
			what, value, _ := strings.Cut(part, "=")
			named := strings.HasSuffix(what, ".name") || strings.HasSuffix(what, ".serialn") || strings.HasPrefix(what, "xy11.")
			if value = strings.TrimSpace(value); named && value != "" && value != "Boot Loader" { // the version is what that tells
				all = append(all, value)
			}
		}
		return all
	}},
	{"modbus", "objects", func(field string) (all []string) {
		for part := range strings.SplitSeq(field, ";") {
			if _, value, _ := strings.Cut(part, "="); value != "" {
				all = append(all, strings.TrimSpace(value))
			}
		}
		return all
	}},
	{"enip", "enip.lir.name", whole},
	{"mms", "mms.vendorName", whole},
	{"mms", "mms.modelName", whole},
	{"mms", "mms.revision", whole},
	{"opcua", "app_name", whole},
	{"opcua", "product_uri", whole},
}

func whole(field string) []string {
	if field = strings.TrimSpace(field); field == "" {
		return nil
	}
	return []string{field}
}

// reference reads a table of the reference; nil where there is none.
func reference(t *testing.T, path string) (rows [][]string) {
	t.Helper()
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	r := csv.NewReader(z)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = '\t', true, -1
	if rows, err = r.ReadAll(); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return rows
}

// TestIdentityOfTheCorpus: what devices disclose of themselves, as the reference reads it, stands among what is known of
// one of the two ends of the message.
func TestIdentityOfTheCorpus(t *testing.T) {
	const corpus, truth = "../../../shared/pcaps", "../../../shared/truth"
	captures, err := filepath.Glob(filepath.Join(corpus, "*", "*.pcap.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(captures) == 0 {
		t.Skip("the captures are not here")
	}
	told, known := make(map[string]int), make(map[string]int)
	for _, capture := range captures {
		if info, err := os.Stat(capture); err != nil || info.Size() > 400_000 || strings.Contains(capture, "synthetic") {
			continue
		}
		name, err := filepath.Rel(corpus, strings.TrimSuffix(capture, ".gz"))
		if err != nil {
			t.Fatal(err)
		}
		wanted := make(map[[2]string]map[string]string) // by the two ends: values and their column
		for _, d := range disclosed {
			rows := reference(t, filepath.Join(truth, name+"."+d.table+".tsv.gz"))
			if len(rows) == 0 {
				continue
			}
			column, src, dst := slices.Index(rows[0], d.column), slices.Index(rows[0], "src"), slices.Index(rows[0], "dst")
			for _, row := range rows[1:] {
				if column < 0 || column >= len(row) {
					continue
				}
				for _, value := range d.values(row[column]) {
					ends := [2]string{row[src], row[dst]}
					if wanted[ends] == nil {
						wanted[ends] = make(map[string]string)
					}
					wanted[ends][value] = d.table + " " + d.column
				}
			}
		}
		if len(wanted) == 0 {
			continue
		}
		facts := make(map[string][]string) // by address
		devices := replayed(t, capture).Devices
		for k := range devices {
			d := &devices[k]
			i := slices.IndexFunc(devices, func(o inventory.Device) bool { return o.ID == cmp.Or(d.Parent, d.ID) }) // units have no address
			for _, at := range slices.Concat(devices[i].IPs, devices[i].MACs) {
				facts[at] = append(facts[at], says(d)...)
			}
		}
		for ends, values := range wanted {
			for value, column := range values {
				told[column]++
				if slices.ContainsFunc(slices.Concat(facts[ends[0]], facts[ends[1]]), func(f string) bool { return strings.Contains(f, value) }) {
					known[column]++
				} else {
					t.Errorf("%s: of %s or %s: %s %q", name, ends[0], ends[1], column, value)
				}
			}
		}
	}
	for column, n := range told {
		t.Logf("%s: %d of %d", column, known[column], n)
	}
}

// says gives all that a device says of itself.
func says(d *inventory.Device) []string {
	all := slices.Concat(d.Names, []string{d.Vendor, d.Model, d.Firmware, d.Serial})
	for _, m := range d.Modules {
		all = append(all, m.Name, m.Firmware, m.Serial)
	}
	for _, f := range d.Facts {
		all = append(all, f.Value)
	}
	return all
}
