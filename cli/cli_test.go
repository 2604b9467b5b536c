package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

func TestExitCodes(t *testing.T) {
	tests := map[string]struct {
		err  error
		args []string
		want int
	}{
		"done":                {nil, nil, Done},
		"failed":              {errors.New("it broke"), nil, Failed},
		"usage":               {fmt.Errorf("wrapped: %w", Usagef("no")), nil, Usage},
		"unknown flag":        {nil, []string{"--nonsense"}, Usage},
		"unknown command":     {nil, []string{"nonsense"}, Usage},
		"the reader has gone": {fmt.Errorf("write: %w", syscall.EPIPE), nil, Done},
	}
	for name, test := range tests {
		root := &cobra.Command{Use: "x", Args: Arguments(cobra.NoArgs), RunE: func(*cobra.Command, []string) error { return test.err }}
		root.AddCommand(&cobra.Command{Use: "sub", Run: func(*cobra.Command, []string) {}})
		if got := Execute(t.Context(), root, test.args); got != test.want {
			t.Errorf("%s: exit code %d, want %d", name, got, test.want)
		}
	}
}

type device struct{ Name, Address string }

var devices = List[device]{
	Table: []Column[device]{Field("NAME", func(d *device) string { return d.Name })},
	More:  []Column[device]{Field("IP ADDRESS", func(d *device) string { return d.Address })},
}

func TestListForms(t *testing.T) {
	records := []device{{"pump\x1b[2J\t1", "10.0.0.1"}, {"", "10.0.0.2"}, {"=cmd()", "10.0.0.3"}}
	for format, want := range map[string]string{
		"table": "NAME\npump [2J 1\n-\n=cmd()\n",
		"csv":   "name,ip_address\npump\x1b[2J\t1,10.0.0.1\n,10.0.0.2\n'=cmd(),10.0.0.3\n",
		"json": `{"Name":"pump\u001b[2J\t1","Address":"10.0.0.1"}` + "\n" + `{"Name":"","Address":"10.0.0.2"}` + "\n" +
			`{"Name":"=cmd()","Address":"10.0.0.3"}` + "\n",
	} {
		var out bytes.Buffer
		if err := devices.Write(&out, format, records); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s:\n%s", format, diff)
		}
	}
}

func TestOneLine(t *testing.T) {
	if got := OneLine("a\nb  c\t"); got != "a; b c" {
		t.Errorf("%q", got)
	}
}

type tank struct{ Name, Address, Level string }

var tanks = List[tank]{
	Table: []Column[tank]{
		Field("ADDRESS", func(t *tank) string { return t.Address }), Long("NAME", func(t *tank) string { return t.Name }),
	},
	Wide:  []Column[tank]{Wide("LEVEL", func(t *tank) string { return t.Level })},
	Empty: "no tanks",
}

func TestViews(t *testing.T) {
	records := []tank{{"the large tank above the river", "10.0.0.10", "9"}, {"b", "10.0.0.2", "10"}}
	for _, test := range []struct {
		name string
		view View
		want string
	}{
		{"narrow", View{Width: 20}, "ADDRESS    NAME\n10.0.0.10  the larg…\n10.0.0.2   b\n"},
		{"too narrow to be fitted", View{Width: 5}, "ADDRESS    NAME\n10.0.0.10  the l…\n10.0.0.2   b\n"},
		{"as wide as it becomes", View{}, "ADDRESS    NAME\n10.0.0.10  the large tank above the river\n10.0.0.2   b\n"},
		{"wide", View{Wide: true, Limit: 1}, "ADDRESS    NAME                            LEVEL\n10.0.0.10  the large tank above the river  9\n"},
		{"CSV is never cut", View{Format: "csv", Width: 20, Limit: 1}, "address,name,level\n10.0.0.10,the large tank above the river,9\n"},
		{"sorted by address", View{Sort: "address"}, "ADDRESS    NAME\n10.0.0.2   b\n10.0.0.10  the large tank above the river\n"},
		{"sorted by number, backwards", View{Sort: "-LEVEL", Limit: 1}, "ADDRESS   NAME\n10.0.0.2  b\n"},
	} {
		var out bytes.Buffer
		if err := tanks.Show(&out, test.view, records); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(test.want, out.String()); diff != "" {
			t.Errorf("%s:\n%s", test.name, diff)
		}
	}
	var usage usageError
	if err := tanks.Show(new(bytes.Buffer), View{Sort: "colour"}, records); !errors.As(err, &usage) || !strings.Contains(err.Error(), "address, name, level") {
		t.Errorf("%v, want an error of usage that names the columns", err)
	}
}

func TestWatchedListShowsWhatIsNew(t *testing.T) {
	states := [][]tank{
		{{"a", "10.0.0.1", "1"}, {"b", "10.0.0.2", "1"}},
		{{"a", "10.0.0.1", "1"}, {"a long name", "10.0.0.20", "1"}, {"B", "10.0.0.2", "1"}},
		{{"a", "10.0.0.1", "1"}},
	}
	show := func(height int) (all string) {
		var before map[string]bool
		for _, state := range states {
			var out bytes.Buffer
			var err error
			if before, err = tanks.refresh(&out, View{}, height, before, state); err != nil {
				t.Fatal(err)
			}
			all += out.String() + "--\n"
		}
		return all
	}
	want := "ADDRESS   NAME\n10.0.0.1  a\n10.0.0.2  b\n--\n10.0.0.20  a long name\n10.0.0.2   B\n--\n--\n"
	if diff := cmp.Diff(want, show(0)); diff != "" {
		t.Errorf("elsewhere:\n%s", diff)
	}
	want = clearScreen + "ADDRESS   NAME\n10.0.0.1  a\n10.0.0.2  b\n--\n" + clearScreen + "ADDRESS    NAME\n10.0.0.1   a\n10.0.0.20  a long name\n… and 1 more\n--\n" +
		clearScreen + "ADDRESS   NAME\n10.0.0.1  a\n--\n"
	if diff := cmp.Diff(want, show(5)); diff != "" {
		t.Errorf("on a terminal:\n%s", diff)
	}
}

func TestWatchEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	err := tanks.Watch(ctx, &out, View{}, func() ([]tank, error) {
		cancel()
		return []tank{{"a", "10.0.0.1", "1"}}, nil
	})
	if err != nil || out.String() != "ADDRESS   NAME\n10.0.0.1  a\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
	if err := tanks.Watch(t.Context(), &out, View{}, func() ([]tank, error) { return nil, errors.New("no state") }); err == nil {
		t.Error("a list that cannot be read is watched")
	}
}
