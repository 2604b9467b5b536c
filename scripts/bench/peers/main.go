// Command peers measures the sensor beside programs that read captures, on one core, and writes the table into the docs.
//
// It makes its captures out of recorded conversations, each repetition complete and between addresses and ports of its own,
// and runs every program in turn on each, pinned to one processor, with the capture in the page cache. It needs root for
// the peers (see install.sh); with -only it does without those that are not named.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A bench is one call of the command.
type bench struct {
	agent, corpus, work, out string
	chroot                   string // where Suricata is; empty: not here
	runs                     int
	only                     []string // peers, by the beginning of their name; empty: all
	on                       []string // workloads; empty: all
}

func main() {
	var b bench
	flag.StringVar(&b.agent, "agent", "bin/spanwatch-agent", "the sensor's program")
	flag.StringVar(&b.corpus, "captures", "../shared/pcaps", "folder of recorded captures")
	flag.StringVar(&b.work, "work", filepath.Join(os.TempDir(), "spanwatch-bench"), "folder for captures and programs, about 4 GB; kept")
	flag.StringVar(&b.out, "out", "", "file whose section is replaced (default: standard output alone)")
	flag.IntVar(&b.runs, "runs", 3, "runs of each program on each capture")
	only := flag.String("only", "", "programs, by the beginning of their names, comma-separated (default: all)")
	on := flag.String("on", "", "captures of modbus, s7, opcua, mix, bulk, comma-separated (default: all)")
	building := flag.String("build", "", "make this one capture and end")
	flag.Parse()
	b.only, b.on = split(*only), split(*on)
	if err := b.main(*building); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func (b bench) main(building string) error {
	if building != "" {
		at := slices.IndexFunc(workloads, func(w workload) bool { return w.name == building })
		if at < 0 {
			return fmt.Errorf("no capture is called %q", building)
		}
		return workloads[at].build(b.corpus, b.capture(building))
	}
	runtime.LockOSThread() // what is started inherits this thread's processor
	if err := os.MkdirAll(filepath.Join(b.work, "captures"), 0o755); err != nil {
		return err
	}
	if root := filepath.Join(b.work, "suricata"); exists(filepath.Join(root, "usr/bin/suricata")) {
		b.chroot = root
	}
	for _, w := range b.workloads() {
		if err := b.prepare(w.name); err != nil {
			return err
		}
	}
	if err := pin(runtime.NumCPU() - 1); err != nil {
		return err
	}
	tables, err := b.measure()
	if err != nil {
		return err
	}
	text := b.report(tables)
	fmt.Print(text)
	if b.out == "" {
		return nil
	}
	return replaceSection(b.out, text)
}

func (b bench) capture(name string) string { return filepath.Join(b.work, "captures", name+".pcap") }

func (b bench) workloads() (chosen []workload) {
	for _, w := range workloads {
		if len(b.on) == 0 || slices.Contains(b.on, w.name) {
			chosen = append(chosen, w)
		}
	}
	return chosen
}

// prepare makes a capture where it is not yet, in a process of its own: a program that is started begins with the memory
// of the one that starts it in its books.
func (b bench) prepare(name string) error {
	path := b.capture(name)
	if !exists(path) {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "making %s\n", path)
		build := exec.Command(self, "-build", name, "-captures", b.corpus, "-work", b.work)
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("make the capture %s: %w", name, err)
		}
	}
	if b.chroot == "" {
		return nil
	}
	inside := filepath.Join(b.chroot, "bench/captures", filepath.Base(path))
	if err := os.Remove(inside); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Link(path, inside)
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
