package enip_test

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
)

// The public captures and what another dissector sees in them stand beside the checkout on some machines.
const (
	capturesDir = "../../../shared/pcaps/enip"
	tablesDir   = "../../../shared/truth/enip"
)

// recorded is what the comparison needs of a dissect record.
type recorded struct {
	Frame    uint64 `json:"frame"`
	Protocol string `json:"protocol"`
	Detail   struct {
		Command      *uint16 `json:"command"`
		Length       int     `json:"length"`
		Session      uint32  `json:"session_handle"`
		Status       uint32  `json:"status"`
		Context      string  `json:"sender_context"`
		ConnectionID *uint32 `json:"connection_id"`
		Number       *uint32 `json:"sequence_number"`
		Items        []struct {
			TypeID uint16 `json:"type_id"`
		} `json:"items"`
		called
		Services []called `json:"services"`
		Identity []struct {
			Vendor  uint16 `json:"vendor_id"`
			Type    uint16 `json:"device_type"`
			Product uint16 `json:"product_code"`
			Serial  uint32 `json:"serial_number"`
			Name    string `json:"product_name"`
		} `json:"identity"`
	} `json:"detail"`
}

// called is one service of a record.
type called struct {
	Service  *uint8 `json:"service"`
	Response bool   `json:"response"`
	Path     string `json:"path"`
	Status   *uint8 `json:"general_status"`
}

// fields are the columns of the reference that a frame's records give, in its spelling.
type fields map[string][]string

func (f fields) add(column, format string, values ...any) {
	f[column] = append(f[column], fmt.Sprintf(format, values...))
}

func (f fields) record(r recorded) {
	d := &r.Detail
	if d.Command != nil {
		f.add("enip.command", "0x%04x", *d.Command)
		f.add("enip.length", "%d", d.Length)
		f.add("enip.session", "0x%08x", d.Session)
		f.add("enip.status", "0x%08x", d.Status)
	}
	for _, it := range d.Items {
		f.add("enip.cpf.typeid", "0x%04x", it.TypeID)
	}
	if d.Command != nil {
		f.add("enip.context", "%s", d.Context)
	}
	if d.ConnectionID != nil && d.Number != nil {
		f.add("enip.cpf.sai.connid", "0x%08x", *d.ConnectionID)
	} else if d.ConnectionID != nil {
		f.add("enip.cpf.cai.connid", "0x%08x", *d.ConnectionID)
	}
	for _, id := range d.Identity {
		f.add("enip.lir.vendor", "0x%04x", id.Vendor)
		f.add("enip.lir.devtype", "%d", id.Type)
		f.add("enip.lir.prodcode", "%d", id.Product)
		f.add("enip.lir.serial", "0x%08x", id.Serial)
		f.add("enip.lir.name", "%s", id.Name)
	}
	if d.Service != nil {
		f.service(d.called)
	}
	for _, s := range d.Services {
		f.service(s)
	}
}

func (f fields) service(s called) {
	code := *s.Service
	if s.Response {
		code |= 0x80
	}
	f.add("cip.service", "0x%02x", code)
	if s.Status != nil {
		f.add("cip.genstat", "0x%02x", *s.Status)
	}
	words := strings.Fields(s.Path)
	for i := 0; i+1 < len(words); i++ {
		switch n := words[i+1]; words[i] {
		case "class":
			class, _ := strconv.ParseUint(n, 0, 32)
			f.number("cip.class", class)
		case "instance":
			instance, _ := strconv.ParseUint(n, 10, 32)
			f.number("cip.instance", instance)
		case "attribute":
			f.add("cip.attribute", "%s", n)
		}
	}
}

func (f fields) number(column string, n uint64) {
	if n > 0xff {
		f.add(column, "0x%04x", n)
		return
	}
	f.add(column, "0x%02x", n)
}

// dissected gives the fields of every frame of a capture.
func dissected(t *testing.T, path string) map[uint64]fields {
	t.Helper()
	var out bytes.Buffer
	if _, err := sensor.Dissect(t.Context(), sensor.DissectConfig{Captures: []string{path}}, &out); err != nil {
		t.Fatal(err)
	}
	frames := map[uint64]fields{}
	lines := json.NewDecoder(&out)
	for lines.More() {
		var r recorded
		if err := lines.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.Protocol != "enip" {
			continue
		}
		if frames[r.Frame] == nil {
			frames[r.Frame] = fields{}
		}
		frames[r.Frame].record(r)
	}
	return frames
}

// table reads a table of the reference: its rows by column.
func table(t *testing.T, path string) []map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	text, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	head := strings.Split(lines.Text(), "\t")
	var rows []map[string]string
	for lines.Scan() {
		row := map[string]string{}
		for i, cell := range strings.Split(lines.Text(), "\t") {
			row[head[i]] = cell
		}
		rows = append(rows, row)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return rows
}

// equal are columns in which the two must agree value by value; within those in which the reference lists more: the path
// of the connection that a message comes over, of the request that an answer is for, and attributes inside of data.
var (
	equal = map[string][]string{
		"enip": {
			"enip.command", "enip.length", "enip.session", "enip.context", "enip.status", "enip.cpf.typeid", "enip.cpf.cai.connid", "enip.cpf.sai.connid",
			"enip.lir.vendor", "enip.lir.devtype", "enip.lir.prodcode", "enip.lir.serial", "enip.lir.name",
		},
		"cip": {"cip.service", "cip.genstat"},
	}
	within = map[string][]string{"cip": {"cip.class", "cip.instance", "cip.attribute"}}
)

// explained are frames of captures in which the two disagree, and why.
var explained = map[string]string{
	"ITI.EIP-IPAddressChangeAttempt.5eb6a8.pcap 3600": "a datagram of zeros but for a command that does not exist opens a conversation",
	"arkime.arkime_synthetic.3908fe.pcap 684":         lopsided,
	"arkime.arkime_synthetic.3908fe.pcap 685":         lopsided,
	"arkime.arkime_synthetic.c28d98.pcap 464":         lopsided,
	"arkime.arkime_synthetic.c28d98.pcap 465":         lopsided,
	"ntop.pcap-cip_io.84ba18.pcap 3":                  "a connection that was told before",
	"ntop.pcap-cip_io.84ba18.pcap 4":                  "a connection that was told before",
}

const lopsided = "an answer to ListIdentity that goes to the port of servers, which the reference takes for a request"

// agrees compares a cell of the reference, which ends in dots where it was cut, with our values.
func agrees(cell string, ours []string, exact bool) bool {
	var want []string
	if cell != "" {
		want = strings.Split(cell, ",")
	}
	if n := len(want); n > 0 && want[n-1] == "..." {
		want = want[:n-1]
		if exact {
			return len(ours) >= len(want) && slices.Equal(want, ours[:len(want)])
		}
		return true
	}
	if exact {
		return slices.Equal(want, ours)
	}
	for _, v := range ours {
		at := slices.Index(want, v)
		if at < 0 {
			return false
		}
		want = want[at+1:]
	}
	return true
}

// delayed is the context of a request of ListIdentity as the reference shows it.
const delayed = "000000000000"

// compared gives the number of values in a row, and what differs in it.
func compared(kind string, row map[string]string, ours fields) (values int, differences []string) {
	for exact, columns := range map[bool][]string{true: equal[kind], false: within[kind]} {
		for _, column := range columns {
			values += len(ours[column])
			cell := row[column]
			if column == "enip.context" && len(cell) == len(delayed) { // of a request of ListIdentity: a delay stands first
				cell = delayed[:4] + cell
			}
			if !agrees(cell, ours[column], exact) {
				differences = append(differences, fmt.Sprintf("%s is %v, the reference says %s", column, ours[column], row[column]))
			}
		}
	}
	return values, differences
}

// Commands, sessions, items, services, paths and status are those that the reference shows, frame by frame.
func TestCorpusAgrees(t *testing.T) {
	captures, err := filepath.Glob(filepath.Join(capturesDir, "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(captures) == 0 {
		t.Skipf("no captures of others at %s: comparing with them is skipped", capturesDir)
	}
	values := 0
	for _, path := range captures {
		name := strings.TrimSuffix(filepath.Base(path), ".gz")
		frames := dissected(t, path)
		for _, kind := range []string{"enip", "cip"} {
			for _, row := range table(t, filepath.Join(tablesDir, name+"."+kind+".tsv.gz")) {
				frame, err := strconv.ParseUint(row["frame"], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				n, differences := compared(kind, row, frames[frame])
				values += n
				reason, known := explained[fmt.Sprintf("%s %d", name, frame)]
				switch {
				case known && kind == "enip" && len(differences) == 0:
					t.Errorf("%s frame %d agrees, though it is said not to: %s", name, frame, reason)
				case !known && len(differences) > 0:
					t.Errorf("%s frame %d: %s", name, frame, strings.Join(differences, "; "))
				}
			}
		}
	}
	if values < 100_000 {
		t.Errorf("only %d values were compared", values)
	}
	t.Logf("%d values agree", values)
}
