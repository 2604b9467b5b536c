package bacnet_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/protocols/bacnet"
)

// explained are the differences from the reference in public captures, by capture and column, with the number of
// messages. The bytes of each were looked at.
var explained = map[string]struct {
	differ int
	reason string
}{
	"apache.bacnet-stack-services.08433f.pcap missing":       {1, "version 16 of the network layer, of which there is none"},
	"apache.bacnet-stack-services.08433f.pcap bvlc":          {4, "a network header with nothing behind it is malformed"},
	"cisagov.bacnet_error_reject_abort.3a8d19.pcap property": {1, "an invented notification of which the lists do not end"},
	"cisagov.bacnet_error_reject_abort.3a8d19.pcap object":   {1, "the same notification"},
	"cisagov.bacnet_segmented_data.43eac9.pcap missing":      {2, "segments that complete in a later frame"},
	"cisagov.bacnet_services.0469ba.pcap missing":            {1, "a segment that completes in a later frame"},
}

// Each message of the captures of others has the reference's service, number, objects, properties and errors.
func TestCorpus(t *testing.T) {
	shared, err := filepath.Abs("../../../shared")
	if err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(shared, "truth", "bacnet", "*.bacnet.tsv.gz"))
	if len(tables) == 0 {
		t.Skipf("no captures of others at %s: comparing with them is skipped", shared)
	}
	compared := 0
	for _, table := range tables {
		name := strings.TrimSuffix(filepath.Base(table), ".bacnet.tsv.gz")
		paths, _ := filepath.Glob(filepath.Join(shared, "pcaps", "*", name+".gz"))
		if len(paths) == 0 {
			t.Errorf("no capture for %s", table)
			continue
		}
		ours := dissected(t, paths[0])
		differ := map[string]int{}
		for _, row := range rows(t, table) {
			compared++
			for _, column := range compare(ours[row["frame"]], row) {
				if differ[column]++; explained[name+" "+column].differ == 0 {
					t.Errorf("%s, frame %s: %s differs: %+v, the reference has %v", name, row["frame"], column, ours[row["frame"]], row)
				}
			}
		}
		for column, n := range differ {
			if e := explained[name+" "+column]; n != e.differ {
				t.Errorf("%s: %d messages differ in %s, explained are %d", name, n, column, e.differ)
			}
		}
	}
	t.Logf("%d messages of %d captures compared", compared, len(tables))
}

// compare gives the columns in which a message differs from the reference.
func compare(d *bacnet.Detail, row map[string]string) (columns []string) {
	if d == nil {
		return []string{"missing"}
	}
	differ := func(column string, equal bool) {
		if !equal {
			columns = append(columns, column)
		}
	}
	bvlc := ""
	if d.BVLCFunction != nil {
		bvlc = fmt.Sprintf("0x%02x", *d.BVLCFunction)
	}
	if bvlc != row["bvlc.function"] {
		return []string{"bvlc"}
	}
	differ("type", text(d.PDUType) == row["bacapp.type"])
	differ("confirmed", text(d.ConfirmedService) == row["bacapp.confirmed_service"])
	differ("unconfirmed", text(d.UnconfirmedService) == row["bacapp.unconfirmed_service"])
	differ("invoke", text(d.InvokeID) == row["bacapp.invoke_id"])
	if d.NetworkMessage == nil { // of those, the reference lists the networks that they are about, too
		differ("dnet", text(d.DNET) == row["bacnet.dnet"])
	}
	differ("snet", text(d.SNET) == row["bacnet.snet"])
	// The reference lists the errors of several properties, we tell the last.
	differ("class", text(d.ErrorClass) == "" == (row["bacapp.error_class"] == "") && strings.HasSuffix(row["bacapp.error_class"], text(d.ErrorClass)))
	differ("code", text(d.ErrorCode) == "" == (row["bacapp.error_code"] == "") && strings.HasSuffix(row["bacapp.error_code"], text(d.ErrorCode)))

	var objects, wanted, properties []string
	for _, o := range d.Objects {
		objects = append(objects, fmt.Sprintf("%d:%d", o.Type, o.Instance))
		if o.PropertyID != nil {
			properties = append(properties, text(o.PropertyID))
		}
	}
	kinds, instances := split(row["bacapp.objectType"]), split(row["bacapp.instance_number"])
	for i := range kinds {
		wanted = append(wanted, kinds[i]+":"+instances[i])
	}
	differ("property", slices.Equal(properties, split(row["bacapp.property_identifier"])))
	differ("object", within(objects, wanted))
	return columns
}

// within reports that what we say a message is about stands in the reference's list, which has the identifiers inside
// values as well, and each object once where several of its properties are listed.
func within(ours, reference []string) bool {
	ours, reference = slices.Compact(ours), slices.Compact(reference)
	for _, o := range ours {
		at := slices.Index(reference, o)
		if at < 0 {
			return false
		}
		reference = reference[at+1:]
	}
	return len(ours) > 0 || len(reference) == 0 || len(reference) == 1
}

func text[T uint8 | uint16 | uint32](v *T) string {
	if v == nil {
		return ""
	}
	return strconv.Itoa(int(*v))
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// dissected gives the details of a capture's messages by frame.
func dissected(t *testing.T, path string) map[string]*bacnet.Detail {
	t.Helper()
	var out bytes.Buffer
	if _, err := sensor.Dissect(t.Context(), sensor.DissectConfig{Captures: []string{path}, Workers: 1}, &out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	details := map[string]*bacnet.Detail{}
	for line := range bytes.Lines(out.Bytes()) {
		if !bytes.Contains(line, []byte(`"protocol":"bacnet"`)) {
			continue
		}
		var m struct {
			Frame  uint64
			Detail bacnet.Detail
		}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%s: %v in %s", path, err, line)
		}
		details[strconv.FormatUint(m.Frame, 10)] = &m.Detail
	}
	return details
}

// rows gives the lines of a table by column.
func rows(t *testing.T, path string) (list []map[string]string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	var names []string
	for lines.Scan() {
		cells := strings.Split(lines.Text(), "\t")
		if names == nil {
			names = cells
			continue
		}
		row := map[string]string{}
		for i, name := range names {
			row[name] = cells[i]
		}
		list = append(list, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
