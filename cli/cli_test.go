package cli

import (
	"bytes"
	"errors"
	"fmt"
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
