package sensor

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/state"
)

// lines is a log that a test reads while others write it.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// TestWriterOutlivesAFullDisk: a full disk stops nothing, is said once, and what could not be written is written when
// there is room, the alerts that were raised meanwhile included.
func TestWriterOutlivesAFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs root, to mount a small disk")
		}
		t.Skip("needs root, to mount a small disk")
	}
	disk := t.TempDir()
	if err := syscall.Mount("spanwatch-test", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	cfg := Config{Site: "Plant1", StateDir: filepath.Join(disk, "state")}
	dir, err := openDirectory(&cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.close()
	up, err := startUplink(t.Context(), cfg, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer up.stop()
	log := new(lines)
	w := newWriter(dir, up, false, slog.New(slog.NewTextHandler(log, nil)))
	defer w.close()
	an, err := newAnalyst(cfg, nil, new(state.Resumed), w.raise)
	if err != nil {
		t.Fatal(err)
	}

	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	for n := range 2 {
		if err := w.raise(&detect.Alert{ID: "a", Revision: uint64(n), Description: strings.Repeat("x", 100_000)}); err != nil {
			t.Fatalf("a full disk stops the sensor: %v", err)
		}
	}
	if len(w.unraised) != 1 {
		t.Fatalf("%d alerts wait for room, want 1", len(w.unraised))
	}
	if err := demand(w, an); err == nil || w.saving.Load().failed == "" {
		t.Errorf("a full disk took a save: %v, %q", err, w.saving.Load().failed)
	}
	if err := demand(w, an); err == nil {
		t.Error("a full disk took another save")
	}
	if n, m := log.count("cannot be saved"), log.count("cannot be committed"); n != 1 || m != 1 {
		t.Errorf("it is said %d and %d times, want once", n, m)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	w.fresh = false // even if nothing is seen meanwhile
	deadline := time.Now().Add(time.Minute)
	for w.saving.Load().failed != "" || len(w.unraised) > 0 {
		w.offer(an, time.Now())
		if time.Now().After(deadline) {
			t.Fatalf("with room again nothing is saved: %q, %d alerts wait", w.saving.Load().failed, len(w.unraised))
		}
		time.Sleep(time.Millisecond)
	}
	if log.count("can be saved again") != 1 {
		t.Error("that it can be saved again is not said")
	}
	snap, err := dir.state.Load()
	if err != nil || len(snap.Alerts) != 1 || snap.Alerts[0].Revision != 1 {
		t.Errorf("the state holds %d alerts, %v", len(snap.Alerts), err)
	}
	if alerts, _ := up.spool.Pending(); alerts != 1 {
		t.Errorf("%d alerts wait for the collector, want 1", alerts)
	}
}

// demand waits for a save.
func demand(w *writer, an *analyst) error {
	answer := make(chan error, 1)
	w.waiting = append(w.waiting, answer)
	for {
		w.offer(an, time.Now())
		select {
		case err := <-answer:
			return err
		case <-time.After(time.Millisecond): // the one before is still being saved
		}
	}
}
