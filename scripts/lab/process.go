package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// processes are the programs that run inside the plant. They are started and stopped by one goroutine.
type processes struct {
	net     *network
	logs    string   // folder for what they print
	environ []string // in addition to the lab's own
	running []*process
}

type process struct {
	name string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{} // closed when it has ended
	err  error         // how it ended; read after done
}

// Time a program has to end by itself after SIGTERM.
const grace = 5 * time.Second

// start runs a program in a host's namespace until stop. The name is that of its log.
func (p *processes) start(host, name string, argv ...string) (*process, error) {
	log, err := os.Create(filepath.Join(p.logs, name+".log"))
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("ip", append([]string{"netns", "exec", p.net.ns(host)}, argv...)...)
	cmd.Env = append(append(os.Environ(), "LAB_HOST="+host), p.environ...)
	cmd.Stdout, cmd.Stderr = log, log
	// Its own group, so that Ctrl-C reaches the lab alone, which then stops them in order; and an end
	// with the lab, should that be killed.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		log.Close()
		return nil, err
	}
	proc := &process{name: name, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		proc.err = cmd.Wait()
		close(proc.done)
	}()
	p.running = append(p.running, proc)
	return proc, nil
}

// finish runs a program to its end and fails if it fails or does not end with ctx.
func (p *processes) finish(ctx context.Context, host, name string, argv ...string) error {
	proc, err := p.start(host, name, argv...)
	if err != nil {
		return err
	}
	defer p.stop(proc)
	select {
	case <-proc.done:
		return p.failure(proc)
	case <-ctx.Done():
		return fmt.Errorf("lab: %s: %w", name, context.Cause(ctx))
	}
}

// ended returns an error for the first program that should still run and does not.
func (p *processes) ended() error {
	for _, proc := range p.running {
		select {
		case <-proc.done:
			return errors.Join(fmt.Errorf("lab: %s ended by itself", proc.name), p.failure(proc))
		default:
		}
	}
	return nil
}

func (p *processes) failure(proc *process) error {
	if proc.err == nil {
		return nil
	}
	printed, _ := os.ReadFile(proc.log.Name())
	lines := strings.Split(string(bytes.TrimSpace(printed)), "\n")
	return fmt.Errorf("lab: %s: %w: %s", proc.name, proc.err, lines[len(lines)-1])
}

// stop ends one program by its process id and waits for it.
func (p *processes) stop(proc *process) {
	proc.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-proc.done:
	case <-timer.C:
		proc.cmd.Process.Kill()
		<-proc.done
	}
	proc.log.Close()
	for i, other := range p.running {
		if other == proc {
			p.running = append(p.running[:i], p.running[i+1:]...)
			return
		}
	}
}

// close stops all, the youngest first.
func (p *processes) close() {
	for len(p.running) > 0 {
		p.stop(p.running[len(p.running)-1])
	}
}
