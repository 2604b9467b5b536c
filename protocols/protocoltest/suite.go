package protocoltest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
)

var update = flag.Bool("update", false, "rewrite the want.jsonl of protocol test cases")

// checks are what every conversation must stand, in the order in which they are tried.
var checks = []struct {
	name string
	run  func(protocols.Spec, Case) error
}{
	{"probe", checkProbe},
	{"length", checkLength},
	{"borrowing", checkBorrowing},
	{"detail", checkDetail},
	{"cuts", checkCuts},
	{"mid-stream", checkMidStream},
	{"gap", checkGap},
	{"truncated", checkTruncated},
	{"corrupted", checkCorrupted},
	{"allocations", checkAllocations},
}

// Run tests spec with every case below dir and requires each of messages, the names in the protocol's function
// tables, to occur in some golden.
func Run(t *testing.T, spec protocols.Spec, dir string, messages ...string) {
	t.Helper()
	cases, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatalf("no cases below %s", dir)
	}
	seen := map[string]bool{}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			f, err := whole(spec, c, true)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range f.kept {
				seen[k.event.Message] = true
			}
			golden(t, c, f.lines)
			for _, check := range checks {
				t.Run(check.name, func(t *testing.T) {
					if err := check.run(spec, c); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	for _, name := range messages {
		if !seen[name] {
			t.Errorf("no case gives the message %q", name)
		}
	}
}

// golden compares the rendered events with want.jsonl.
func golden(t *testing.T, c Case, lines []string) {
	t.Helper()
	file := filepath.Join(c.Dir, "want.jsonl")
	got := ""
	if len(lines) > 0 {
		got = strings.Join(lines, "\n") + "\n"
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with go test -update)", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s: -want +got:\n%s", file, diff)
	}
}

// whole runs a case with a segment for each block.
func whole(spec protocols.Spec, c Case, detail bool) (*framer, error) {
	f := newFramer(spec, c.Transport, false, detail)
	for i, b := range c.Blocks {
		if b.Gap {
			f.gap(b.From)
		}
		if err := f.data(b.From, b.Bytes, uint64(i+1)); err != nil {
			return nil, fmt.Errorf("block %d: %w", i+1, err)
		}
	}
	return f, nil
}

// alone counts the finished events that a block gives to a dissector that saw nothing else.
func alone(spec protocols.Spec, c Case, block int) (int, error) {
	f := newFramer(spec, c.Transport, false, false)
	b := c.Blocks[block]
	if err := f.data(b.From, b.Bytes, 1); err != nil {
		return 0, fmt.Errorf("block %d alone: %w", block+1, err)
	}
	return f.perFrame[1], nil
}
