package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spanwatch/spanwatch/capture/live"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

const (
	besideRate = 470000 // packets a second of 1,400 bytes: 5 Gbit/s, and what the sender falls behind
	wholeTime  = time.Second
	patience   = 30 * time.Second
)

// wholeRates are tried in turn, packets of a plant's protocol a second.
var wholeRates = []int{100000, 200000, 260000, 315000, 340000, 370000}

// health is what the benchmark asks of the running sensor.
type health struct {
	Interfaces []live.Status
	CPUSeconds float64 `json:"cpu_seconds"`
	Counters   struct {
		Packets  uint64
		Messages map[string]uint64
	}
}

// whole measures how many packets a second of a plant's protocol the whole sensor reads beside bulk, and gives the highest
// rate at which nothing was lost.
func whole(text *strings.Builder, agent string) (best int, err error) {
	fmt.Fprintf(text, `### The whole sensor: Modbus exchanges of %d controllers beside 5 Gbit/s of bulk

`+"`spanwatch-agent run`"+` in mode %s with one worker. Kernel and sensor share the second processor, where receiving goes
first; the sender has the other. %d rounds of %v for each rate, medians. Every packet is accounted for: sent = counted by the
kernel + not arrived (the 256 places of the virtual interface's queue were taken, as its driver counts); passed on = read +
dropped by the ring. Lost are messages that arrived and were not read.

| offered, packets/s | sent, packets/s | not arrived | arrived | dropped by the ring | lost | rounds without loss | accounted for | sensor's CPU, µs a message | bulk, Gbit/s |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`, otFlows, live.ModeNative, rounds, wholeTime)
	whole := 0
	for _, rate := range wholeRates {
		var list [7][]float64
		clean, exact := 0, 0
		for range rounds {
			r, err := wholeAt(agent, rate)
			if err != nil {
				return best, err
			}
			if r.lost == 0 && r.ring == 0 {
				clean++
			}
			if r.exact {
				exact++
			}
			for i, v := range []float64{r.rate, float64(r.absent), float64(r.arrived), float64(r.ring), float64(r.lost), r.cpu, r.bulk} {
				list[i] = append(list[i], v)
			}
		}
		fmt.Fprintf(text, "| %d | %.0f | %.0f | %.0f | %.0f | %.0f | %d of %d | %d of %d | %.2f | %.1f |\n", rate, median(list[0]), median(list[1]), median(list[2]),
			median(list[3]), median(list[4]), clean, rounds, exact, rounds, median(list[5]), median(list[6]))
		if clean > rounds/2 {
			best = max(best, int(median(list[0])))
			if median(list[1]) == 0 {
				whole = int(median(list[0]))
			}
		}
	}
	besides := "none"
	if whole > 0 {
		besides = strconv.Itoa(whole)
	}
	fmt.Fprintf(text, "\nThe highest rate at which most rounds lost nothing of what arrived: %d packets a second; at which, besides, everything arrived: %s.\n\n", best, besides)
	return best, nil
}

// outcome is what became of the packets of one round.
type outcome struct {
	sent, arrived, lost uint64  // of the plant's protocol; lost: arrived and not read
	absent, ring        uint64  // with the bulk: did not arrive; found no room in the ring
	exact               bool    // every packet is accounted for
	rate, cpu, bulk     float64 // packets a second that were sent; µs a message; Gbit/s
}

func wholeAt(agent string, rate int) (o outcome, err error) {
	cable, err := livetest.Lay(monitored, 0)
	if err != nil {
		return o, err
	}
	defer func() { err = errors.Join(err, cable.Cut()) }()
	dir, err := os.MkdirTemp("", "spanwatch-bench-")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the sensor becomes another user
		return o, err
	}
	state := filepath.Join(dir, "state")
	cmd := exec.Command("taskset", "-c", strconv.Itoa(receivingCPU), agent, "run", "--interface", monitored, "--mode", string(live.ModeNative), "--workers", "1", "--state", state)
	if err := cmd.Start(); err != nil {
		return o, fmt.Errorf("bench: %w", err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	}()
	if _, err := ask(agent, state, func(h *health) bool { return len(h.Interfaces) > 0 && h.Interfaces[0].Up }); err != nil {
		return o, err
	}
	if _, err := threadReceiver(live.ModeNative, interrupt); err != nil {
		return o, err
	}
	g, err := newGenerator(cable.Sending, bulk(), exchanges(), uint64(rate), besideRate+uint64(rate))
	if err != nil {
		return o, err
	}
	defer g.close()
	// The first packets of each conversation pass: a thousand that begin at once are not what is measured here.
	warm, err := g.send((besideRate+rate)/8, 2*wholeTime)
	if err != nil {
		return o, err
	}
	// When what was sent has arrived, but for what the cable dropped, and has been read.
	read := func(sent uint64) (h health, absent uint64, err error) {
		if absent, err = livetest.Counter(monitored, "rx_dropped"); err != nil {
			return h, 0, err
		}
		h, err = ask(agent, state, func(h *health) bool {
			i := &h.Interfaces[0]
			return i.Kernel.Packets+absent >= sent && h.Counters.Packets >= i.Ring.Received
		})
		return h, absent, err
	}
	before, absent, err := read(warm)
	if err != nil {
		return o, err
	}
	begun := time.Now()
	all, err := g.send(besideRate+rate, wholeTime)
	if err != nil {
		return o, err
	}
	took := time.Since(begun)
	after, dropped, err := read(warm + all)
	if err != nil {
		return o, err
	}
	i, j := &after.Interfaces[0], &before.Interfaces[0]
	passed, counted := i.Kernel.Passed-j.Kernel.Passed, i.Kernel.Packets-j.Kernel.Packets
	o.sent, o.arrived, o.absent, o.ring = g.fewSent, passed, dropped-absent, i.Ring.Dropped-j.Ring.Dropped
	o.lost = passed - min(after.Counters.Messages["modbus"]-before.Counters.Messages["modbus"], passed)
	o.exact = counted+o.absent == all && passed == after.Counters.Packets-before.Counters.Packets+o.ring
	o.rate = float64(o.sent) / took.Seconds()
	o.cpu = (after.CPUSeconds - before.CPUSeconds) * 1e6 / float64(max(o.arrived, 1))
	o.bulk = float64(counted-passed) * bulkBytes * 8 / took.Seconds() / 1e9
	return o, nil
}

// ask asks the sensor how it is until the answer will do.
func ask(agent, state string, done func(*health) bool) (h health, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for ; ; time.Sleep(100 * time.Millisecond) {
		out, err := exec.CommandContext(ctx, agent, "status", "--state", state, "--format", "json").Output()
		if err == nil {
			h = health{}
			if err = json.Unmarshal(out, &h); err == nil && done(&h) {
				return h, nil
			}
		}
		if ctx.Err() != nil {
			return h, fmt.Errorf("bench: the sensor's state is not what it should be: %w, %+v", errors.Join(err, ctx.Err()), h)
		}
	}
}
