package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A cost is what one run of a program took.
type cost struct {
	cpu    time.Duration // user and system time
	memory int64         // highest resident set, bytes
}

// pin keeps the calling thread, and what it starts, on one processor.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("keep to processor %d: %w", cpu, err)
	}
	return nil
}

// measure runs a command, its standard output into the file, and gives what it took.
func measure(args []string, output string) (cost, error) {
	out, err := os.Create(output)
	if err != nil {
		return cost{}, err
	}
	defer out.Close()
	cmd := exec.Command(args[0], args[1:]...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = out, &said
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return cost{}, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, lines[len(lines)-1])
	}
	state := cmd.ProcessState
	return cost{
		cpu:    state.UserTime() + state.SystemTime(),
		memory: state.SysUsage().(*syscall.Rusage).Maxrss << 10, // reported in KiB
	}, nil
}

// middle gives the medians of several runs.
func middle(runs []cost) cost {
	cpu, memory := make([]time.Duration, len(runs)), make([]int64, len(runs))
	for i, c := range runs {
		cpu[i], memory[i] = c.cpu, c.memory
	}
	slices.Sort(cpu)
	slices.Sort(memory)
	return cost{cpu: cpu[len(cpu)/2], memory: memory[len(memory)/2]}
}
