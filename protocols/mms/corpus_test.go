package mms_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/agent/sensor"
	"github.com/spanwatch/spanwatch/protocols/mms"
)

// more are the messages that the reference leaves out: it reads MMS only in associations of which it saw the opening,
// and takes what stands beside the opening of these invented ones for another protocol.
var more = map[string]int{"ITI.Sample_File_MMS_and_GOOSE.50e405.pcap": 28}

// wrong are the columns that differ, with the reason.
var wrong = map[string]string{
	"ITI.mms-cancelRequest.db1149.pcap invoke":        "the reference does not name the number of what is cancelled",
	"ITI.mms-confirmedRequestPDU.517fce.pcap request": "the request carries no service",
}

// Each message of the captures of others has the reference's number, service and names.
func TestCorpus(t *testing.T) {
	shared, err := filepath.Abs("../../../shared")
	if err != nil {
		t.Fatal(err)
	}
	tables, _ := filepath.Glob(filepath.Join(shared, "truth", "mms", "*.mms.tsv.gz"))
	if len(tables) == 0 {
		t.Skipf("no captures of others at %s: comparing with them is skipped", shared)
	}
	compared := 0
	for _, table := range tables {
		capture := strings.TrimSuffix(filepath.Base(table), ".mms.tsv.gz")
		paths, _ := filepath.Glob(filepath.Join(shared, "pcaps", "*", capture+".gz"))
		if len(paths) == 0 {
			t.Errorf("no capture for %s", table)
			continue
		}
		ours := dissected(t, paths[0])
		total := 0
		for _, d := range ours {
			total += len(d)
		}
		list := rows(t, table)
		// The reference loses the last message, which concludes, of the invented associations.
		if extra := total - len(list); extra != more[capture] && extra != 1 && extra != 0 {
			t.Errorf("%s: %d messages, the reference has %d", capture, total, len(list))
		}
		for _, row := range list {
			compared++
			for column, texts := range compare(ours[row["frame"]], row) {
				if wrong[capture+" "+column] == "" {
					t.Errorf("%s, frame %s: %s is %q, the reference has %q", capture, row["frame"], column, texts[0], texts[1])
				}
			}
		}
	}
	t.Logf("%d messages of %d captures compared", compared, len(tables))
}

// compare gives the columns in which the messages of a frame differ from the reference.
func compare(messages []*mms.Detail, row map[string]string) map[string][2]string {
	got := map[string][]string{}
	note := func(column, value string) { got[column] = append(got[column], value) }
	for _, d := range messages {
		if d.InvokeID != nil {
			note("invoke", strconv.Itoa(int(*d.InvokeID)))
		}
		switch {
		case d.Service != nil && d.PDU == "confirmed-RequestPDU":
			note("request", strconv.Itoa(int(*d.Service)))
		case d.Service != nil:
			note("response", strconv.Itoa(int(*d.Service)))
		case d.UnconfirmedService != nil:
			note("unconfirmed", strconv.Itoa(int(*d.UnconfirmedService)))
		}
		for _, it := range d.Items {
			if it.Domain != "" {
				note("domain", it.Domain)
				note("item", it.Item)
			}
		}
	}
	differ := map[string][2]string{}
	for column, theirs := range map[string]string{
		"invoke": "mms.invokeID", "request": "mms.confirmedServiceRequest", "response": "mms.confirmedServiceResponse",
		"unconfirmed": "mms.unconfirmedService", "domain": "mms.domainId", "item": "mms.itemId",
	} {
		if mine := strings.Join(got[column], ","); mine != row[theirs] {
			differ[column] = [2]string{mine, row[theirs]}
		}
	}
	if len(messages) == 0 {
		differ["message"] = [2]string{"none", "one"}
	}
	return differ
}

// dissected gives the details of a capture's messages by frame.
func dissected(t *testing.T, path string) map[string][]*mms.Detail {
	t.Helper()
	var out bytes.Buffer
	if _, err := sensor.Dissect(t.Context(), sensor.DissectConfig{Captures: []string{path}, Workers: 1}, &out); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	details := map[string][]*mms.Detail{}
	for line := range bytes.Lines(out.Bytes()) {
		if !bytes.Contains(line, []byte(`"protocol":"mms"`)) {
			continue
		}
		var m struct {
			Frame  uint64
			Detail mms.Detail
		}
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("%s: %v in %s", path, err, line)
		}
		frame := strconv.FormatUint(m.Frame, 10)
		details[frame] = append(details[frame], &m.Detail)
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
