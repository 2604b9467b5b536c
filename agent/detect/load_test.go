package detect

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func instant(s string) *time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return &t
}

func TestLoadVerdicts(t *testing.T) {
	jsonLines := `
{"ip":"10.0.0.5","state":"confirmed","confidence":80,"source":"edr","reason":"beacon","reference":"INC-7","techniques":["T0855","t1059.001"],"valid_from":"2026-01-02T03:04:05Z","valid_until":"2026-02-02T03:04:05+01:00"}

{"network":"10.1.2.3/24","state":"Suspected"}
{"mac":"00-1B-1B-01-02-03","state":"cleared","confidence":0}
{"name":"hmi-1","state":"confirmed","site":"Harbour","id":"mine","valid_until":null}
`
	commas := "\ufeffip,network,mac,name,state,confidence,source,reason,reference,techniques,valid_from,valid_until,site,id\n" +
		"10.0.0.5,,,,confirmed,80,edr,beacon,INC-7,T0855;T1059.001,2026-01-02T03:04:05Z,2026-02-02T03:04:05+01:00,,\n" +
		",10.1.2.3/24,,,suspected,,,,,,,,,\n" +
		",,00:1b:1b:01:02:03,,cleared,0,,,,,,,,\n" +
		",,,hmi-1,confirmed,,,,,,,,Harbour,mine\n"
	want := []Verdict{
		{
			IP: "10.0.0.5", State: StateConfirmed, Confidence: 80, Source: "edr", Reason: "beacon", Reference: "INC-7",
			Techniques: []string{"T0855", "T1059.001"}, ValidFrom: instant("2026-01-02T03:04:05Z"), ValidUntil: instant("2026-02-02T02:04:05Z"),
		},
		{Network: "10.1.2.0/24", State: StateSuspected, Confidence: defaultSuspected},
		{MAC: "00:1b:1b:01:02:03", State: StateCleared, Confidence: 0},
		{ID: "mine", Name: "hmi-1", Site: "Harbour", State: StateConfirmed, Confidence: defaultConfirmed},
	}
	for name, text := range map[string]string{"json": jsonLines, "csv": commas} {
		got, err := LoadVerdicts(name, strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ids := make(map[string]bool)
		for k := range got {
			ids[got[k].ID] = true
			if k != 3 {
				got[k].ID = ""
			}
			if len(got[k].Techniques) == 0 {
				got[k].Techniques = nil
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if len(ids) != 4 || ids[""] {
			t.Errorf("%s: ids %v are not distinct", name, ids)
		}
	}
	full := `{"ip":"10.0.0.1","state":"confirmed","reason":"` + strings.Repeat("x", maxVerdictText) + `"}`
	full += strings.Repeat(" ", maxVerdictLine-len(full)) + "\n"
	if got, err := LoadVerdicts("v", strings.NewReader(full)); err != nil || len(got) != 1 || len(got[0].Reason) != maxVerdictText {
		t.Errorf("a line of 64 KiB with a reason of 4 KiB: %d verdicts, %v", len(got), err)
	}
	for _, empty := range []string{"", "\n \n", "ip,state\n"} {
		if got, err := LoadVerdicts("v", strings.NewReader(empty)); err != nil || len(got) != 0 {
			t.Errorf("%q: %v, %v; want no verdicts and no error", empty, got, err)
		}
	}
}

func TestLoadVerdictsRefuses(t *testing.T) {
	good := `{"ip":"10.0.0.1","state":"confirmed"}` + "\n"
	long := strings.Repeat("x", maxVerdictText+1)
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":          {good + `{"ip":"10.0.0.5","state":"confirmed","colour":"red"}`, `v:2: unknown key "colour"`},
		"long line":            {good + good + `{"ip":"10.0.0.5","state":"confirmed","reason":"` + strings.Repeat("x", maxVerdictLine) + `"}` + "\n" + good, `v:3: line is longer than 64 KiB`},
		"long line of CSV":     {"ip,state\n" + strings.Repeat("1", maxVerdictLine+1), `v:2: line is longer than 64 KiB`},
		"long reason":          {good + `{"ip":"10.0.0.5","state":"confirmed","reason":"` + long + `"}`, `v:2: reason has 4097 bytes: want at most 4096`},
		"long source":          {"ip,state,source\n10.0.0.5,confirmed," + long, `v:2: source has 4097 bytes`},
		"long reference":       {`{"ip":"10.0.0.5","state":"confirmed","reference":"` + long + `"}`, `v:1: reference has 4097 bytes`},
		"bad address":          {`{"ip":"10.0.0.256","state":"confirmed"}`, `v:1: ip "10.0.0.256"`},
		"bad network":          {`{"network":"10.0.0.0","state":"confirmed"}`, `v:1: network "10.0.0.0"`},
		"bad mac":              {`{"mac":"00:11:22","state":"confirmed"}`, `v:1: mac "00:11:22"`},
		"mac of 8 bytes":       {`{"mac":"00:11:22:33:44:55:66:77","state":"confirmed"}`, `v:1: mac`},
		"two selectors":        {`{"ip":"10.0.0.5","mac":"00:11:22:33:44:55","state":"confirmed"}`, `v:1: ip and mac are given`},
		"no selector":          {good + good + `{"state":"confirmed"}`, `v:3: nobody is named`},
		"empty selector":       {`{"ip":" ","state":"confirmed"}`, `v:1: nobody is named`},
		"no state":             {`{"ip":"10.0.0.5"}`, `v:1: no state`},
		"bad state":            {`{"ip":"10.0.0.5","state":"bad"}`, `v:1: state "bad"`},
		"bad time":             {`{"ip":"10.0.0.5","state":"confirmed","valid_from":"yesterday"}`, `v:1: valid_from "yesterday"`},
		"time without zone":    {`{"ip":"10.0.0.5","state":"confirmed","valid_until":"2026-01-02T03:04:05"}`, `v:1: valid_until`},
		"ends before it began": {`{"ip":"10.0.0.5","state":"confirmed","valid_from":"2026-01-02T00:00:00Z","valid_until":"2026-01-01T00:00:00Z"}`, `v:1: valid_until 2026-01-01T00:00:00Z is before`},
		"confidence over 100":  {`{"ip":"10.0.0.5","state":"confirmed","confidence":101}`, `v:1: confidence "101"`},
		"negative confidence":  {`{"ip":"10.0.0.5","state":"confirmed","confidence":-1}`, `v:1: confidence "-1"`},
		"half a confidence":    {`{"ip":"10.0.0.5","state":"confirmed","confidence":0.9}`, `v:1: confidence "0.9"`},
		"unknown technique":    {`{"ip":"10.0.0.5","state":"confirmed","techniques":["T0999"]}`, `v:1: unknown technique "T0999"`},
		"techniques as number": {`{"ip":"10.0.0.5","state":"confirmed","techniques":[1]}`, `v:1: key "techniques"`},
		"number for a text":    {`{"ip":5,"state":"confirmed"}`, `v:1: key "ip"`},
		"unterminated JSON":    {good + `{"ip":"10.0.0.5","state":"confirmed"`, `v:2: not a whole JSON object`},
		"cut in a string":      {good + `{"ip":"10.0.0`, `v:2: not a whole JSON object`},
		"two objects a line":   {`{"ip":"10.0.0.5","state":"confirmed"}{"ip":"10.0.0.6","state":"confirmed"}`, `v:1: more than one JSON object`},
		"a list":               {`[{"ip":"10.0.0.5","state":"confirmed"}]`, `v:1: want one JSON object a line`},
		"key stands twice":     {`{"ip":"10.0.0.5","ip":"10.0.0.6","state":"confirmed"}`, `v:1: key "ip" stands twice`},
		"CSV after JSON":       {good + "10.0.0.5,confirmed", `v:2: want one JSON object a line`},
		"unknown column":       {"ip,state,colour\n", `v:1: unknown column "colour"`},
		"column stands twice":  {"ip,state,IP\n", `v:1: column "IP" stands twice`},
		"row too short":        {"ip,state\n10.0.0.1,confirmed\n10.0.0.5\n", `v:3: 1 fields, but the header has 2`},
		"open quote":           {"ip,state\n\"10.0.0.5,confirmed\n", `v:2:`},
		"bad row":              {"ip,state\n10.0.0.1,confirmed\nx,confirmed\n", `v:3: ip "x"`},
		"no header":            {"10.0.0.5,confirmed\n", `v:1: unknown column "10.0.0.5"`},
	} {
		_, err := LoadVerdicts("v", strings.NewReader(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: error %v, want it to begin with %q", name, err, c.want)
		}
		if name == "unknown key" && err.Error() != c.want {
			t.Errorf("%q, want %q", err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %q", name, err)
		}
	}
}

// FuzzLoadVerdicts: whatever is accepted survives being written and read again.
func FuzzLoadVerdicts(f *testing.F) {
	f.Add([]byte(`{"ip":"10.0.0.5","state":"confirmed","confidence":80,"techniques":["T0855"],"valid_from":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte("network,state\n10.0.0.0/8,suspected\n"))
	f.Add([]byte("{\"name\":\"a\",\"state\":\"cleared\"}\n\n{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := LoadVerdicts("f", bytes.NewReader(data))
		if err != nil {
			return
		}
		var b bytes.Buffer
		for _, v := range first {
			line, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		second, err := LoadVerdicts("f", &b)
		if err != nil {
			t.Fatalf("%v in what was written of %q", err, data)
		}
		for k := range second {
			if len(second[k].Techniques) == 0 {
				second[k].Techniques, first[k].Techniques = nil, nil
			}
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	})
}
