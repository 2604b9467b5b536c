package protocols

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestActionNamesRoundTrip(t *testing.T) {
	for a := ActionNone; a < actionCount; a++ {
		text, _ := a.MarshalText()
		var back Action
		if err := back.UnmarshalText(text); err != nil || back != a {
			t.Errorf("%d: %q came back as %d, %v", a, text, back, err)
		}
	}
	var a Action
	if err := a.UnmarshalText([]byte("explode")); err == nil {
		t.Error("an unknown action was accepted")
	}
}

func TestAlters(t *testing.T) {
	altering := []Action{ActionWrite, ActionConfigure, ActionDownload, ActionFirmware, ActionControl}
	for a := ActionNone; a < actionCount; a++ {
		want := false
		for _, x := range altering {
			want = want || x == a
		}
		if a.Alters() != want {
			t.Errorf("%v.Alters() = %v", a, !want)
		}
	}
}

func TestObjectText(t *testing.T) {
	tests := []struct {
		object     Object
		text, json string
	}{
		{Object{Area: "holding-register", Unit: 1, HasUnit: true, First: 40, Count: 4}, "holding-register 40-43 unit 1",
			`{"area":"holding-register","unit":1,"first":40,"count":4}`},
		{Object{Area: "coil", HasUnit: true, Count: 1}, "coil 0 unit 0", `{"area":"coil","unit":0,"first":0,"count":1}`},
		{Object{Area: "DB", Name: "DB1", Count: 4}, "DB1 0-3", `{"area":"DB","first":0,"count":4,"name":"DB1"}`},
		{Object{Area: "node", Name: "ns=2;s=Level"}, "ns=2;s=Level", `{"area":"node","name":"ns=2;s=Level"}`},
		{Object{Area: "block", Name: "OB1"}, "block OB1", `{"area":"block","name":"OB1"}`},
		{Object{Area: "DB", First: ^uint32(0), Count: ^uint32(0)}, "DB 4294967295-8589934589", `{"area":"DB","first":4294967295,"count":4294967295}`},
		{Object{}, "", `{}`},
	}
	for _, test := range tests {
		if got := test.object.String(); got != test.text {
			t.Errorf("text %q, want %q", got, test.text)
		}
		if got, err := json.Marshal(test.object); err != nil || string(got) != test.json {
			t.Errorf("JSON %s, %v, want %s", got, err, test.json)
		}
	}
}

func TestValuesText(t *testing.T) {
	tests := map[string]struct {
		values Values
		bits   int
		want   string
	}{
		"none":             {Values{}, 0, ""},
		"bits":             {Values{Type: ValueBits, Raw: []byte{0b101}}, 3, "1, 0, 1"},
		"bits beyond":      {Values{Type: ValueBits, Raw: []byte{0xff}}, 2000, "1, 1, 1, 1, …"},
		"words":            {Values{Type: ValueWords, Raw: []byte{0x04, 0xb0, 0, 7}}, 0, "1200, 7"},
		"half a word":      {Values{Type: ValueWords, Raw: []byte{0x04, 0xb0, 0}}, 0, "1200"},
		"bytes":            {Values{Type: ValueBytes, Raw: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9}}, 0, "0102030405060708…"},
		"bool":             {Values{Type: ValueBool, Raw: []byte{1}}, 0, "true"},
		"bool of nothing":  {Values{Type: ValueBool, Raw: nil}, 0, "false"},
		"int8":             {Values{Type: ValueInt, Raw: []byte{0xff}}, 0, "-1"},
		"int of nothing":   {Values{Type: ValueInt, Raw: nil}, 0, "0"},
		"uint16":           {Values{Type: ValueUint, Raw: []byte{0xff, 0xff}}, 0, "65535"},
		"float32":          {Values{Type: ValueFloat, Raw: []byte{0, 0, 0xc0, 0x3f}}, 0, "1.5"},
		"float64":          {Values{Type: ValueFloat, Raw: []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}}, 0, "1.5"},
		"scalar too large": {Values{Type: ValueInt, Raw: make([]byte, 9)}, 0, "000000000000000000"},
		"text":             {Values{Type: ValueText, Raw: []byte("a\x00b")}, 0, `"a\x00b"`},
	}
	for name, test := range tests {
		if diff := cmp.Diff(test.want, string(test.values.Append(nil, test.bits, 4))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMACText(t *testing.T) {
	if got := (MAC{0x00, 0x1b, 0x1b, 0x0a, 0xff, 0x01}).String(); got != "00:1b:1b:0a:ff:01" {
		t.Error(got)
	}
}
