package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// scenarios are the captures that can be recorded, each with its steps after the maintenance.
var scenarios = map[string]func() []step{
	"attack": attack,
	"normal": func() []step { return nil },
}

// A recording is one run of the lab.
type recording struct {
	scenario      string
	out, tools    string
	before, after time.Duration
	net           *network
	processes     *processes
	timeline      []moment
}

const (
	settle       = 3 * time.Second // for servers to listen, and for panels to be in the middle of polling
	maintainAt   = 20 * time.Second
	maxPackets   = "250000" // tcpdump ends by itself beyond
	stepTimeout  = time.Minute
	captureStart = 10 * time.Second // at most, until tcpdump has its file
)

func (r *recording) run(ctx context.Context) (err error) {
	if os.Geteuid() != 0 {
		return errors.New("lab: namespaces need root: run as root, for instance with sudo -E")
	}
	work, err := os.MkdirTemp("", "spanwatch-lab-")
	if err != nil {
		return err
	}
	defer func() {
		if err == nil {
			err = os.RemoveAll(work)
		} else {
			slog.Info("logs of the lab's programs are kept", "folder", work)
		}
	}()
	if err := r.build(ctx, work); err != nil {
		return err
	}
	if err := removeStale(ctx); err != nil {
		return err
	}
	r.net, err = newNetwork(ctx)
	defer func() { err = errors.Join(err, r.net.close()) }()
	if err != nil {
		return err
	}
	for _, h := range plant {
		if err := r.net.attach(ctx, h); err != nil {
			return err
		}
	}
	r.processes = &processes{net: r.net, logs: work, environ: []string{
		"PATH=" + filepath.Join(work, "bin") + ":" + filepath.Join(r.tools, "bin") + ":" + os.Getenv("PATH"),
		"LD_LIBRARY_PATH=" + filepath.Join(r.tools, "lib"),
		"PYTHONDONTWRITEBYTECODE=1",
	}}
	defer r.processes.close()
	raw := filepath.Join(work, "plant.pcap")
	if err := r.play(ctx, raw); err != nil {
		return err
	}
	return r.keep(raw)
}

// build makes the lab's Go programs, and looks for what install.sh makes.
func (r *recording) build(ctx context.Context, work string) error {
	if _, err := os.Stat(filepath.Join(r.tools, "bin", "opcua-server")); err != nil {
		return fmt.Errorf("lab: run scripts/lab/install.sh first: %w", err)
	}
	bin := filepath.Join(work, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "./scripts/lab/...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lab: build: %w: %s", err, out)
	}
	return nil
}

// play brings the plant to life, records it and stops everything, tcpdump first, so that the capture
// ends like a live one: in the middle.
func (r *recording) play(ctx context.Context, raw string) error {
	defer r.processes.close()
	if err := r.launch(ctx, servers()); err != nil {
		return err
	}
	if err := r.launch(ctx, panels()); err != nil {
		return err
	}
	dump, err := r.startCapture(ctx, raw)
	if err != nil {
		return err
	}
	started := time.Now()
	if err := r.launch(ctx, clients()); err != nil {
		return err
	}
	if err := r.wait(ctx, time.Until(started.Add(maintainAt))); err != nil {
		return err
	}
	if err := r.perform(ctx, maintenance()); err != nil {
		return err
	}
	if steps := scenarios[r.scenario](); len(steps) > 0 {
		if err := r.wait(ctx, time.Until(started.Add(r.before))); err != nil {
			return err
		}
		if err := r.perform(ctx, steps); err != nil {
			return err
		}
	}
	if err := r.wait(ctx, r.after); err != nil {
		return err
	}
	r.processes.stop(dump)
	return r.processes.failure(dump)
}

func (r *recording) launch(ctx context.Context, programs []program) error {
	for _, p := range programs {
		if _, err := r.processes.start(p.host, p.log, p.argv...); err != nil {
			return err
		}
	}
	return r.wait(ctx, settle)
}

// wait lets the plant run for d, and fails when the lab is interrupted or one of its programs has ended.
func (r *recording) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errors.New("lab: interrupted")
	case <-timer.C:
		return r.processes.ended()
	}
}

func (r *recording) perform(ctx context.Context, steps []step) error {
	for _, s := range steps {
		slog.Info("step", "name", s.name, "host", s.host)
		m := moment{step: s.name, actor: address(s.host), ports: s.ports, techniques: s.techniques, what: s.what, start: now()}
		limited, cancel := context.WithTimeout(ctx, stepTimeout)
		err := r.processes.finish(limited, s.host, "step-"+s.name, s.argv...)
		cancel()
		if err != nil {
			return err
		}
		// Half of the pause still belongs to the step: connections close after the program has ended.
		if err := r.wait(ctx, s.pause/2); err != nil {
			return err
		}
		m.end = now()
		r.timeline = append(r.timeline, m)
		if err := r.wait(ctx, s.pause/2); err != nil {
			return err
		}
	}
	return nil
}

// startCapture returns once tcpdump has written the file's header, which it does when it listens.
func (r *recording) startCapture(ctx context.Context, raw string) (*process, error) {
	dump, err := r.processes.start(sensorNS, "tcpdump", "tcpdump", "-i", sensorLink, "-w", raw, "-Z", "root", "-n", "-U",
		"-s", "0", "-B", "8192", "-c", maxPackets, "--time-stamp-precision=nano")
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(captureStart); time.Now().Before(deadline); {
		if info, err := os.Stat(raw); err == nil && info.Size() > 0 {
			return dump, nil
		}
		if err := r.wait(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("lab: tcpdump did not start within %v", captureStart)
}

// keep checks the capture and puts it beside the others with its tables.
func (r *recording) keep(raw string) error {
	summary, err := examine(raw, r.timeline)
	if err != nil {
		return err
	}
	if err := summary.check(); err != nil {
		return err
	}
	base := filepath.Join(r.out, "plant-"+r.scenario)
	if err := compress(raw, base+".pcap.gz"); err != nil {
		return err
	}
	tables := map[string]string{
		base + ".timeline.tsv":                 timelineTSV(summary.timeline),
		base + ".summary.tsv":                  summary.tsv(),
		filepath.Join(r.out, "hosts.tsv"):      hostsTSV(),
		filepath.Join(r.out, "verdicts.jsonl"): verdict(),
	}
	for path, text := range tables {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	slog.Info("recorded", "file", base+".pcap.gz", "packets", summary.packets)
	return writeFacts(r.out)
}

func compress(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, in); err != nil {
		return err
	}
	return z.Close()
}

// now is as exact as the timeline file.
func now() time.Time { return time.Now().Truncate(time.Microsecond) }
