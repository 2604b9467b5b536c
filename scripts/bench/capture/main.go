// Command capture measures how many packets live capture handles, and at which cost, in each of its modes.
//
// It sends over a virtual cable in a network namespace of its own. What sends and what receives are kept on different
// processors; the kernel's side of receiving runs in a thread of its own, so that its processor time can be told. It needs
// root, two processors, ip and ethtool.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

func main() {
	out := flag.String("out", "", "Markdown file whose section \"Live capture\" is to be written anew (default: standard output only)")
	agent := flag.String("agent", "", "the sensor's program, for the benchmark of the whole (default: without it)")
	only := flag.Bool("whole", false, "nothing but the whole sensor")
	flag.Parse()
	os.Exit(livetest.Main(func() int {
		runtime.LockOSThread() // the sender
		if err := begin(*out, *agent, *only); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	}))
}

func begin(out, agent string, only bool) error {
	if err := errors.Join(apart(), pin(0, sendingCPU, urgent)); err != nil {
		return err
	}
	if only {
		var b strings.Builder
		_, err := whole(&b, agent)
		fmt.Print(b.String())
		return err
	}
	text, err := run(agent)
	if err != nil {
		return err
	}
	fmt.Print(text)
	if out == "" {
		return nil
	}
	document, err := os.ReadFile(out)
	if errors.Is(err, os.ErrNotExist) {
		document, err = []byte("# Performance: measured\n"), nil
	}
	if err != nil {
		return err
	}
	return os.WriteFile(out, []byte(insert(string(document), text)), 0o644)
}

// title is that of the section with what was measured.
const title = "\n## Live capture\n"

// insert puts the section's text in the place of the one that is there, or at the end.
func insert(document, text string) string {
	before, after, found := strings.Cut(document, title)
	if !found {
		return strings.TrimRight(document, "\n") + "\n" + title + "\n" + text
	}
	if i := strings.Index(after, "\n## "); i >= 0 {
		return before + title + "\n" + text + after[i:]
	}
	return before + title + "\n" + text
}
