// Package doctor looks at the machine that a sensor runs on, or is to run on, hop by hop: the kernel, the privileges of
// the process, each interface, what the switch mirrors to it, the clock, the state directory, the way to the collector.
// Of each it says what it found and, where that is not good, what to do.
//
// It changes nothing: no setting of an interface, no record of a state, nothing at the collector. It sends nothing on a
// monitored interface. What is known of the machine is gathered first and judged apart from that, so that every
// judgement can be tested on machines that are not there.
//
// [Examine] uses goroutines of its own, one for each interface, while it listens; they end before it returns.
package doctor

import (
	"context"
	"time"
)

// Result is how a check ended.
type Result string

// The results. Failed is what keeps the sensor from its work.
const (
	OK      Result = "ok"
	Warning Result = "warning"
	Failed  Result = "failed"
)

// Finding is what one check found.
type Finding struct {
	Check  string `json:"check"` // what was looked at: "kernel", "interface eth1: link"
	Result Result `json:"result"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do; empty when nothing is to be done
}

// Config says what to look at.
type Config struct {
	Interfaces []string
	StateDir   string
	Collector  string        // HOST:PORT; empty: none
	Identity   string        // directory with ca.crt, sensor.crt and sensor.key
	Listen     time.Duration // how long to listen to each interface; 0: not at all
}

// Examine runs every check and calls report with each finding as it comes.
func Examine(ctx context.Context, c Config, report func(Finding)) {
	all := func(list []Finding) {
		for _, f := range list {
			report(f)
		}
	}
	held := capabilities()
	all(readKernel().judge())
	all(held.judge())
	links := make([]*link, 0, len(c.Interfaces))
	for _, name := range c.Interfaces {
		l := readLink(name)
		links = append(links, l)
		all(l.judge(held))
	}
	if len(c.Interfaces) == 0 {
		report(noInterface(candidates()))
	}
	if c.Listen > 0 {
		all(listen(ctx, links, c.Listen))
	}
	all(readClock().judge())
	all(readDirectory(ctx, c.StateDir).judge())
	if c.Collector == "" {
		report(Finding{"collector", OK, "none is named: what the sensor finds stays on this machine", ""})
		return
	}
	all(readIdentity(c.Identity).judge())
	all(hops(ctx, c.Collector, c.Identity))
}
