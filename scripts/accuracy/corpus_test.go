package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	captures   = "../../../shared/pcaps"
	references = "../../../shared/truth"
)

// aims says how many of 10,000 messages must be at the same place with the same direction and function, and how many of
// 10,000 fields must be equal, explained ones left out.
var aims = map[string]struct{ messages, fields int }{
	"modbus":     {9990, 9950},
	"umas":       {9990, 9950},
	"s7comm":     {9990, 9950},
	"s7commplus": {9900, 9950},
	"opcua":      {9990, 9950},
}

func TestCorpus(t *testing.T) {
	for _, dir := range []string{captures, references} {
		if _, err := os.Stat(dir); err != nil {
			t.Skipf("no folder %s: the comparison with the public captures is skipped", dir)
		}
	}
	c, err := compareCorpus(t.Context(), captures, references)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range c.tables {
		t.Log(o.line())
		aim, ok := aims[o.name]
		if !ok || o.messages == 0 {
			t.Errorf("%s: %d messages and an aim: %v", o.name, o.messages, ok)
			continue
		}
		if o.agreed*10000 < aim.messages*o.messages {
			t.Errorf("%s: %s %% of the messages agree in place, direction and function", o.name, percent(o.agreed, o.messages))
		}
		if all := o.sum(); all.equal*10000 < aim.fields*(all.compared-all.explained) {
			t.Errorf("%s: %s %% of the fields are equal", o.name, all.share())
		}
		for _, k := range o.classes {
			if k.reason == "" && (k.field == onlyOurs || k.field == onlyReference) {
				t.Errorf("%s: %s, %d×, for instance %s: %s, and nobody knows why", o.name, k.field, k.count, k.example, k.values())
			}
		}
	}
	for i, e := range c.explain {
		if c.used[i] == 0 {
			t.Errorf("%s %v: nothing is explained by %q any more", e.table, e.fields, e.reason)
		}
	}
	var page bytes.Buffer
	c.write(&page)
	committed, err := os.ReadFile("../../docs/accuracy.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(page.Bytes(), committed) {
		t.Error("docs/accuracy.md is not what the command writes now: run make accuracy, and read what changed")
	}
}

// The command names what is missing and how to say where it is, and writes nothing.
func TestFoldersAreNotThere(t *testing.T) {
	here := t.TempDir()
	out := filepath.Join(here, "report.md")
	for name, x := range map[string]struct {
		args []string
		want string
	}{
		"captures": {[]string{"-captures", here + "/none", "-truth", here}, "no folder of captures at " + here + "/none: it is not part of this repository; say with -captures where it is"},
		"tables":   {[]string{"-captures", here, "-truth", here + "/none"}, "no folder of reference tables at " + here + "/none: it is not part of this repository; say with -truth where it is"},
		"no file":  {[]string{"-captures", here, "-truth", here}, here + " holds no captures"},
	} {
		err := run(t.Context(), append(x.args, "-out", out), io.Discard)
		if err == nil || strings.TrimPrefix(err.Error(), "accuracy: ") != x.want {
			t.Errorf("%s: error %v, want %q", name, err, x.want)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a report was written", name)
		}
	}
	if err := run(t.Context(), []string{"-unknown"}, io.Discard); !errors.Is(err, errUsage) {
		t.Errorf("unknown flag: %v", err)
	}
}
