// Lab records the project's own capture fixtures: a small waterworks of real servers and clients in
// network namespaces, joined by a switch whose mirror port feeds the sensor's link, with or without an
// attack by one of its workstations.
//
// It owns the namespaces it makes and the programs it starts, and removes all of them however it ends;
// what a killed lab left behind goes at the next start. It refuses to run without root and never
// touches the machine's own network. One goroutine does everything; one more waits for each program.
//
// Usage, from the repository's root, after scripts/lab/install.sh:
//
//	go run ./scripts/lab record attack
//	go run ./scripts/lab record normal
//	go run ./scripts/lab facts          # the tables of fixtures/README.md again
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

const usage = `usage: go run ./scripts/lab record [flags] attack|normal
       go run ./scripts/lab facts [-out DIR]

Run record as root from the repository's root; scripts/lab/install.sh installs what it needs.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.Usage = func() { fmt.Fprint(os.Stderr, usage); flags.PrintDefaults() }
	out := flags.String("out", "scripts/lab/fixtures", "folder for the captures and their tables")
	tools := flags.String("tools", ".tools/lab", "folder that install.sh filled")
	before := flags.Duration("before", 90*time.Second, "recorded time before the attack")
	after := flags.Duration("after", 90*time.Second, "recorded time after the attack; in normal, all of it after the maintenance")
	flags.Parse(os.Args[2:])

	var err error
	switch {
	case os.Args[1] == "record" && flags.NArg() == 1 && scenarios[flags.Arg(0)] != nil:
		r := recording{scenario: flags.Arg(0), out: *out, before: *before, after: *after}
		if r.tools, err = filepath.Abs(*tools); err == nil {
			err = r.run(ctx)
		}
	case os.Args[1] == "facts" && flags.NArg() == 0:
		err = writeFacts(*out)
	default:
		flags.Usage()
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
