package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spanwatch/spanwatch/capture"
)

// A row is what one program took on one capture.
type row struct {
	peer   *peer
	cost   cost
	result string
}

// A table is all programs on one capture.
type table struct {
	workload       workload
	packets, bytes int64
	rows           []row
}

// measure runs every program on every capture, in turn, so that what disturbs the machine disturbs them alike.
func (b bench) measure() ([]table, error) {
	var tables []table
	for _, w := range b.workloads() {
		t := table{workload: w}
		var err error
		if t.packets, t.bytes, err = size(b.capture(w.name)); err != nil { // also brings it into the page cache
			return nil, err
		}
		runs := make(map[string][]cost)
		results := make(map[string]string)
		for range b.runs {
			for i := range peers {
				p := &peers[i]
				c, result, ran, err := b.once(p, w)
				if err != nil {
					return nil, err
				}
				if ran {
					runs[p.name], results[p.name] = append(runs[p.name], c), result
				}
			}
		}
		for i := range peers {
			if p := &peers[i]; runs[p.name] != nil {
				t.rows = append(t.rows, row{peer: p, cost: middle(runs[p.name]), result: results[p.name]})
			}
		}
		tables = append(tables, t)
	}
	return tables, nil
}

// once runs a program on a capture; it has not run when it is not here, or not asked for.
func (b bench) once(p *peer, w workload) (c cost, result string, ran bool, err error) {
	asked := func(prefix string) bool { return strings.HasPrefix(p.name, prefix) }
	if len(b.only) > 0 && !slices.ContainsFunc(b.only, asked) {
		return c, "", false, nil
	}
	within := b.work
	if b.chroot != "" {
		within = filepath.Join(b.chroot, "tmp")
	}
	scratch, err := os.MkdirTemp(within, "run-")
	if err != nil {
		return c, "", false, err
	}
	defer os.RemoveAll(scratch)
	args := p.command(b, b.capture(w.name), scratch)
	if args == nil {
		return c, "", false, nil
	}
	output := filepath.Join(scratch, "output")
	if c, err = measure(args, output); err != nil {
		return c, "", false, err
	}
	fmt.Fprintf(os.Stderr, "%s, %s: %.2f s, %d MB\n", w.name, p.name, c.cpu.Seconds(), c.memory>>20)
	if p.result != nil {
		result, err = p.result(output, scratch)
	}
	return c, result, true, err
}

// size reads the capture through.
func size(path string) (packets, bytes int64, err error) {
	file, err := capture.Open(path, 0)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	var frame capture.Frame
	for {
		if err := file.Next(&frame); errors.Is(err, io.EOF) {
			return packets, bytes, nil
		} else if err != nil {
			return 0, 0, err
		}
		packets++
		bytes += int64(len(frame.Data)) + 16 // and the record's header
	}
}

func (b bench) report(tables []table) string {
	var text strings.Builder
	fmt.Fprintf(&text, "`make bench-peers` (root, Debian) makes this section: one core, captures in the page cache, programs in turn, medians of %d\n", b.runs)
	fmt.Fprintf(&text, "runs. Each repetition in a capture is a complete conversation between addresses and ports of its own.\n")
	fmt.Fprintf(&text, "Versions: %s.\n", strings.Join(b.versions(), "; "))
	for _, t := range tables {
		fmt.Fprintf(&text, "\n### %s: %.1f million packets, %d MB\n\n", t.workload.name, float64(t.packets)/1e6, t.bytes/1e6)
		fmt.Fprintf(&text, "| program | does | CPU, s | million packets per CPU second | MB per CPU second | ratio | memory, MB | extracted |\n")
		fmt.Fprintf(&text, "| --- | --- | --- | --- | --- | --- | --- | --- |\n")
		for _, r := range t.rows {
			s := r.cost.cpu.Seconds()
			fmt.Fprintf(&text, "| %s | %s | %.2f | %.2f | %.0f | %.2f | %d | %s |\n", r.peer.name, r.peer.does, s, float64(t.packets)/s/1e6, float64(t.bytes)/s/1e6,
				s/t.rows[0].cost.cpu.Seconds(), r.cost.memory>>20, r.result)
		}
	}
	return text.String()
}

const sectionTitle = "## Beside other programs\n"

// replaceSection puts the text into the file, in place of the section of that title, or behind everything.
func replaceSection(path, text string) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		old, err = []byte("# Performance: measured\n"), nil
	}
	if err != nil {
		return err
	}
	before, rest, _ := strings.Cut(string(old), sectionTitle)
	_, after, more := strings.Cut(rest, "\n## ")
	if more {
		after = "\n## " + after
	}
	return os.WriteFile(path, []byte(strings.TrimRight(before, "\n")+"\n\n"+sectionTitle+"\n"+text+after), 0o644)
}
