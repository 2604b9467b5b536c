package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rowsOf reads a table written with spaces between cells; "-" is an empty cell.
func rowsOf(t *testing.T, text string) []*row {
	t.Helper()
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(text)) {
		cells := strings.Fields(line)
		if len(cells) == 0 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimPrefix(cells[i], "-")
		}
		lines = append(lines, strings.Join(cells, "\t"))
	}
	rows, err := parseTable(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func recordsOf(t *testing.T, lines ...string) []*record {
	t.Helper()
	byProtocol, err := decodeRecords(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	var all []*record
	for _, list := range byProtocol {
		all = append(all, list...)
	}
	return all
}

// example is a table with a function, a number, and a field that only requests have.
func example() *table {
	return &table{
		name: "example", protocol: "p",
		asks:     modbusAsks,
		function: numeric("func", "func"),
		fields: []field{
			numeric("number", "number"),
			where(plain("name", "name"), func(w *row, _ *record) bool { return w.text("dir") == "req" }),
		},
		without: []column{{"rest", "of no interest"}},
	}
}

const (
	head   = "frame pdu time src sport dst dport dir func number name\n"
	first  = `{"frame":1,"pdu":0,"time":"1970-01-01T00:00:07.5Z","protocol":"p","client":"10.0.0.1:1000","server":"10.0.0.2:502","from":"client","message":"Read","detail":{"func":3,"number":255,"name":"a"}}`
	second = `{"frame":2,"pdu":0,"time":"1970-01-01T00:00:08Z","protocol":"p","client":"10.0.0.1:1000","server":"10.0.0.2:502","from":"server","message":"Read","detail":{"func":3,"name":"repeated"}}`
	third  = `{"frame":3,"pdu":1,"time":"1970-01-01T00:00:08Z","protocol":"p","client":"10.0.0.1:1000","server":"10.0.0.2:502","from":"client","message":"Write","malformed":true,"reason":"too short","detail":{"func":6}}`
)

func compared(t *testing.T, rows string, explain []explanation, records ...string) (*comparison, *outcome) {
	t.Helper()
	c := compareWith([]*table{example()}, explain)
	if err := c.compare(c.tables[0], "a/b.pcap.gz", rowsOf(t, head+rows), recordsOf(t, records...)); err != nil {
		t.Fatal(err)
	}
	return c, c.tables[0]
}

func TestEqualMessagesAgree(t *testing.T) {
	_, o := compared(t, `
1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 req 3 0xff a
2 0 8.000000000 10.0.0.2 502 10.0.0.1 1000 resp 0x03 - -
`, nil, first, second)
	if o.messages != 2 || o.matched != 2 || o.agreed != 2 || o.ours != 2 || len(o.classes) != 0 {
		t.Errorf("messages %d, matched %d, agreed %d, ours %d, classes %v", o.messages, o.matched, o.agreed, o.ours, o.classes)
	}
	want := map[string]tally{
		sender: {2, 2, 0, 0}, direction: {2, 2, 0, 0}, clock: {2, 2, 0, 0}, "func": {2, 2, 0, 0},
		"number": {1, 1, 0, 0}, // the second message has none, on either side
		"name":   {1, 1, 0, 0}, // what an answer repeats is not compared
	}
	got := make(map[string]tally)
	for name, tally := range o.tallies {
		got[name] = *tally
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(tally{})); diff != "" {
		t.Error(diff)
	}
}

// Each way to disagree is a class of its own, and what disagrees in sender, direction or function does not agree.
func TestDisagreementsAreFiled(t *testing.T) {
	for name, x := range map[string]struct {
		row, record string
		agreed      int
		class       classKey
		want, got   string
	}{
		"other number":    {"1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 req 3 254 a", first, 1, classKey{"number", shapeBoth, ""}, "254", "255"},
		"only our number": {"1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 req 3 - a", first, 1, classKey{"number", shapeOurs, ""}, "", "255"},
		"only its number": {"2 0 8.000000000 10.0.0.2 502 10.0.0.1 1000 resp 3 9 -", second, 1, classKey{"number", shapeReference, ""}, "9", ""},
		"other time":      {"1 0 7.500000001 10.0.0.1 1000 10.0.0.2 502 req 3 255 a", first, 1, classKey{clock, shapeBoth, ""}, "7.500000001", "7.500000000"},
		"other function":  {"1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 req 4 255 a", first, 0, classKey{"func", shapeBoth, ""}, "4", "3"},
		"other sender":    {"1 0 7.500000000 10.0.0.9 1000 10.0.0.2 502 req 3 255 a", first, 0, classKey{sender, shapeBoth, ""}, "10.0.0.9:1000", "10.0.0.1:1000"},
		"other direction": {"1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 resp 3 255 a", first, 0, classKey{direction, shapeBoth, ""}, "server", "client"},
	} {
		t.Run(name, func(t *testing.T) {
			_, o := compared(t, x.row, nil, x.record)
			if o.matched != 1 || o.agreed != x.agreed {
				t.Errorf("matched %d, agreed %d, want 1 and %d", o.matched, o.agreed, x.agreed)
			}
			k := o.classes[x.class]
			if k == nil || len(o.classes) != 1 {
				t.Fatalf("classes %v, want %v", o.classes, x.class)
			}
			if k.count != 1 || k.want != x.want || k.got != x.got || k.example != "a/b.pcap.gz, frame "+x.row[:1]+", index 0" {
				t.Errorf("%+v", k)
			}
			if all := o.sum(); all.unexplained != 1 || all.equal != all.compared-1 || all.share() == "100" {
				t.Errorf("%+v", all)
			}
		})
	}
}

func TestMessagesOfOneSide(t *testing.T) {
	c, o := compared(t, `
1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 req 3 255 a
3 0 8.000000000 10.0.0.1 1000 10.0.0.2 502 req 6 - -
`, []explanation{
		{"other", []string{onlyOurs}, func(disagreement) bool { return true }, "another table's"},
		{"example", []string{onlyReference}, func(disagreement) bool { return true }, "another field's"},
		{"example", []string{onlyOurs}, at("a/b.pcap.gz", 4), "another frame's"},
		{"example", []string{onlyOurs}, at("a/b.pcap.gz", 3), "the bytes say so"},
	}, first, third)
	if o.messages != 2 || o.matched != 1 || o.agreed != 1 || o.ours != 2 {
		t.Errorf("messages %d, matched %d, agreed %d, ours %d", o.messages, o.matched, o.agreed, o.ours)
	}
	if k := o.classes[classKey{onlyOurs, shapeOurs, "the bytes say so"}]; k == nil || k.got != "Write (too short)" {
		t.Errorf("only ours: %+v of %v", k, o.classes)
	}
	if k := o.classes[classKey{onlyReference, shapeReference, "another field's"}]; k == nil || k.want != "func 6" {
		t.Errorf("only the reference's: %+v of %v", k, o.classes)
	}
	if diff := cmp.Diff([]int{0, 1, 0, 1}, c.used); diff != "" {
		t.Errorf("uses of the explanations: %s", diff)
	}
}

func TestPlacesAreUnique(t *testing.T) {
	line := "1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 req 3 255 a\n"
	for name, x := range map[string]struct {
		rows    string
		records []string
		want    string
	}{
		"rows":    {line + line, nil, "two rows at frame 1, index 0"},
		"records": {"", []string{first, first}, "two records at frame 1, index 0"},
	} {
		c := compareWith([]*table{example()}, nil)
		err := c.compare(c.tables[0], "a", rowsOf(t, head+x.rows), recordsOf(t, x.records...))
		if err == nil || err.Error() != x.want {
			t.Errorf("%s: error %v, want %q", name, err, x.want)
		}
	}
}

func TestTablesThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no frame": "time\tpdu\n1\t0\n", "no index": "frame\n1\n", "frame of letters": "frame\tpdu\nx\t0\n",
	} {
		if rows, err := parseTable(strings.NewReader(text)); err == nil {
			t.Errorf("%s: read as %v", name, rows)
		}
	}
}

func TestReport(t *testing.T) {
	rows := "1 0 7.500000000 10.0.0.1 1000 10.0.0.2 502 req 3 254 a\n3 1 8.000000000 10.0.0.1 1000 10.0.0.2 502 req 16 - -"
	explain := []explanation{{"example", []string{"number"}, at("a/b.pcap.gz", 1), "Known."}}
	c, _ := compared(t, rows, explain, first, second, third)
	c.makers["Somebody 1.0"] = true
	var page, again bytes.Buffer
	c.write(&page)
	c.write(&again)
	if page.String() != again.String() {
		t.Error("two reports of one comparison differ")
	}
	for _, want := range []string{
		"The tables were made with Somebody 1.0.",
		"| [example](#example) | 1 | 2 | 2 | 1 (50.00 %) | 1 | 10 | 8 (80.00 %) | 1 | 1 | 88.88 % |",
		"| number | `number` | 1 | 0 | 1 | 0 | 0.00 |",
		"Explained disagreements: 1.\n\n- **1**: Known.\n  - number, 1×: reference `254`, ours `255` (a/b.pcap.gz, frame 1, index 0)",
		"Unexplained disagreements: 2.\n",
		"  - func, 1×: reference `16`, ours `6` (a/b.pcap.gz, frame 3, index 1)",
		"  - message only in our records, 1×: only ours, `Read` (a/b.pcap.gz, frame 2, index 0)",
		"- rest: of no interest",
	} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, page.String()[len(preface):])
		}
	}
}

func TestPercentRoundsDown(t *testing.T) {
	for _, x := range []struct {
		part, whole int
		want        string
	}{{0, 0, "–"}, {0, 3, "0.00"}, {1, 3, "33.33"}, {99999, 100000, "99.99"}, {7, 7, "100"}} {
		if got := percent(x.part, x.whole); got != x.want {
			t.Errorf("%d of %d: %s, want %s", x.part, x.whole, got, x.want)
		}
	}
}
