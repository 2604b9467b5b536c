package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/capture/live"
)

const (
	rounds    = 5
	mixShare  = 20 // one of twenty is of a plant's protocol: 5 %
	burstTime = 400 * time.Millisecond
	floodTime = 200 * time.Millisecond
	longRate  = 2000000 // packets of 1,400 bytes a second: 22 Gbit/s
)

// mixRates are those at which the cost of a packet is measured: little traffic, what can just be read in full, and more.
var mixRates = []int{300000, 1000000, 1500000}

var modes = []live.Mode{live.ModeNative, live.ModeGeneric, live.ModeFilter, live.ModePlain}

// figures of one mode.
type figures struct {
	mode               live.Mode
	cost, loss, sender []float64 // by mixRates: ns of processor time; share of what was sent; ns of the sender's
	saturated, offered float64   // packets a second when more comes: taken, sent
	longLoss           float64   // of 1,400-byte frames at longRate
	bestMix, bestBulk  float64   // highest rates with at most 1 % lost: of the mix, and of 1,400-byte frames alone
}

// goal is a figure that live capture is to reach.
type goal struct {
	what    string
	figure  float64
	unit    string
	atLeast bool
	limit   float64
}

func (g goal) String() string {
	sign, holds := "at most", g.figure <= g.limit
	if g.atLeast {
		sign, holds = "at least", g.figure >= g.limit
	}
	answer := "missed"
	if holds {
		answer = "reached"
	}
	return fmt.Sprintf("| %s | %s %s %s | %s %s | %s |\n", g.what, sign, number(g.limit), g.unit, number(g.figure), g.unit, answer)
}

func number(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func run(agent string) (text string, err error) {
	var b strings.Builder
	head(&b)
	var all []figures
	for _, mode := range modes {
		f, err := measure(mode)
		if err != nil {
			return "", err
		}
		all = append(all, f)
		fmt.Fprintf(os.Stderr, "%s: %.0f ns a packet\n", mode, f.cost)
	}
	tables(&b, all)
	goals := goals(all)
	if agent != "" {
		best, err := whole(&b, agent)
		if err != nil {
			return "", err
		}
		goals = append(goals, goal{"Packets of the plant beside 5 Gbit/s, the whole sensor, nothing lost of what arrived", float64(best), "a second", true, 300000})
	}
	fmt.Fprint(&b, "### Goals\n\n| what | goal | measured | |\n| --- | --- | --- | --- |\n")
	for _, g := range goals {
		b.WriteString(g.String())
	}
	return b.String(), nil
}

// goals of capture alone; modes are in their order, the plain one last.
func goals(all []figures) []goal {
	native, plain := all[0], all[len(all)-1]
	heavy := len(mixRates) - 1
	rate := fmt.Sprintf("%.1f million packets a second", float64(mixRates[heavy])/1e6)
	return []goal{
		{"XDP, mix, at " + rate, native.cost[heavy], "ns a packet", false, 560},
		{"the same, of what it costs when everything goes through the ring", 100 * native.cost[heavy] / plain.cost[heavy], "%", false, 60},
		{"XDP, mix, saturated, over everything through the ring", native.saturated / plain.saturated, "times", true, 2},
		{"XDP, 2.0 million 1,400-byte frames a second, not counted", 100 * native.longLoss, "%", false, 1},
	}
}

// measure takes the figures of a mode: medians.
func measure(mode live.Mode) (f figures, err error) {
	f = figures{mode: mode, cost: make([]float64, len(mixRates)), loss: make([]float64, len(mixRates)), sender: make([]float64, len(mixRates))}
	b, err := newBed(mode)
	if err != nil {
		return f, err
	}
	defer func() {
		if closed := b.close(); err == nil {
			err = closed
		}
	}()
	mix, err := newGenerator(b.cable.Sending, bulk(), wanted(), 1, mixShare)
	if err != nil {
		return f, err
	}
	defer mix.close()
	long, err := newGenerator(b.cable.Sending, bulk(), nil, 0, 1)
	if err != nil {
		return f, err
	}
	defer long.close()
	if _, err := b.burst(mix, mixRates[0], burstTime/2); err != nil { // the first packets of each conversation pass
		return f, err
	}
	lists := make(map[*float64][]float64)
	note := func(to *float64, v float64) { lists[to] = append(lists[to], v) }
	for range rounds {
		for i, rate := range mixRates {
			paced, err := b.burst(mix, rate, burstTime)
			if err != nil {
				return f, err
			}
			note(&f.cost[i], paced.perPacket())
			note(&f.loss[i], paced.loss())
			note(&f.sender[i], paced.perSent())
		}
		flood, err := b.burst(mix, 0, floodTime)
		if err != nil {
			return f, err
		}
		note(&f.saturated, flood.handled())
		note(&f.offered, flood.sentRate())
		best, err := b.highest(mix)
		if err != nil {
			return f, err
		}
		note(&f.bestMix, best)
	}
	// Without a reader that has much to do, receiving goes first as it does on a sensor.
	if err := pin(b.receiver, receivingCPU, interrupt); err != nil {
		return f, err
	}
	for range rounds {
		frames, err := b.burst(long, longRate, burstTime)
		if err != nil {
			return f, err
		}
		note(&f.longLoss, frames.loss())
		best, err := b.highest(long)
		if err != nil {
			return f, err
		}
		note(&f.bestBulk, best)
	}
	for to, list := range lists {
		*to = median(list)
	}
	return f, nil
}

// highest looks for the highest rate at which at most 1 % is lost, by halving.
func (b *bed) highest(g *generator) (float64, error) {
	low, high := 0, 4000000
	for high-low > 130000 {
		rate := (low + high) / 2
		s, err := b.burst(g, rate, burstTime/4)
		if err != nil {
			return 0, err
		}
		// A sender that could not keep its rate proves nothing beyond what it sent.
		if s.loss() <= 0.01 && s.sentRate() > 0.9*float64(rate) {
			low = rate
		} else {
			high = rate
		}
	}
	return float64(low), nil
}

// first gives the first line of a file of the kernel's.
func first(name string) string {
	text, err := os.ReadFile(name)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

func head(text *strings.Builder) {
	fmt.Fprintf(text, ``+"`make bench-capture`"+` (root, two processors, ip and ethtool) writes this section. Frames come over a virtual cable from a
program in the kernel, at the first processor; kernel and reader share the other. Processor time is that of the kernel's
receiving thread and of the reader, which decodes every frame that it gets and looks its conversation up; the sender's is apart.
Medians of %d rounds. The modes were measured after each other in one run: compare within a run, not between runs. The
kernel looks for frames every 20 µs at most, as a card interrupts when much comes. Except in the native mode the virtual
interface has GRO switched on, without which it has no receiving thread; nothing merges.

Kernel %s, load of the machine when it began: %s

`, rounds, first("/proc/sys/kernel/osrelease"), strings.Fields(first("/proc/loadavg"))[0])
}

func tables(text *strings.Builder, all []figures) {
	plain := all[len(all)-1]
	fmt.Fprintf(text, `### 95 %% bulk of 1,400 bytes in %d conversations, 5 %% of %d bytes at a wanted port

Processor time for each packet that arrived, kernel and reader together, and what was lost at that rate, be it because the
receiving thread came too late for the 256 places of the virtual interface's queue, or the reader for its ring. When little
comes, most of the cost is that the kernel wakes up for a few packets each time, in every mode.

| mode |`, bulkFlows, otBytes)
	for _, rate := range mixRates {
		fmt.Fprintf(text, " at %.1f Mpps | of plain | lost | sender |", float64(rate)/1e6)
	}
	fmt.Fprintf(text, "\n| --- |%s\n", strings.Repeat(" --- | --- | --- | --- |", len(mixRates)))
	for _, f := range all {
		fmt.Fprintf(text, "| %s |", f.mode)
		for i := range mixRates {
			fmt.Fprintf(text, " %.0f ns | %.0f %% | %.2f %% | %.0f ns |", f.cost[i], 100*f.cost[i]/plain.cost[i], 100*f.loss[i], f.sender[i])
		}
		fmt.Fprintln(text)
	}
	fmt.Fprint(text, `
Saturated: packets a second that were counted, or read, when the sender sent as fast as it could. The others: what was lost of
2.0 million 1,400-byte frames a second (22 Gbit/s), and the highest rates with at most 1 % lost, of the mix and of such frames.

| mode | saturated | of plain | sent | lost of 2.0 Mpps | mix at 1 % | 1,400 bytes at 1 % |
| --- | --- | --- | --- | --- | --- | --- |
`)
	for _, f := range all {
		fmt.Fprintf(text, "| %s | %.2f Mpps | %.1f × | %.1f Mpps | %.2f %% | %.2f Mpps | %.2f Mpps |\n", f.mode, f.saturated/1e6, f.saturated/plain.saturated, f.offered/1e6,
			100*f.longLoss, f.bestMix/1e6, f.bestBulk/1e6)
	}
	fmt.Fprintln(text)
}

// median of a list that is not empty.
func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
