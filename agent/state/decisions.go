package state

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
)

const (
	decisionsFile = "decisions.jsonl"
	maxDecisions  = 16 << 20 // bytes of the file
)

// Decide adds the operator's decisions to the audit log of a state directory. It is a file of its own, to which lines are
// only added, so that a sensor that runs there need not be asked; it takes them in with its next save.
func Decide(dir string, decisions ...graph.Decision) error {
	var lines bytes.Buffer
	out := json.NewEncoder(&lines)
	out.SetEscapeHTML(false)
	for k := range decisions {
		if err := out.Encode(&decisions[k]); err != nil {
			return fmt.Errorf("state: decision: %w", err)
		}
	}
	path := filepath.Join(dir, decisionsFile)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("state: decision: %w", err)
	}
	_, err = f.Write(lines.Bytes()) // at once, so that two who decide do not mix their lines
	err = errors.Join(err, f.Sync(), owned(f, dir), f.Close())
	if err != nil {
		return fmt.Errorf("state: decision: %w", err)
	}
	return nil
}

// owned gives a file to the owner of its directory: the sensor must read what root decides.
func owned(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		return f.Chown(int(owner.Uid), int(owner.Gid))
	}
	return nil
}

// Decided applies the operator's decisions to a snapshot. Where they cannot be read those that were read before hold, and
// the error says so.
func (s *State) Decided(snap *Snapshot) error {
	all, err := s.decisions.refresh()
	graph.Decide(snap.Edges, all)
	return err
}

// decisions is the audit log of a state directory as it was read last.
type decisions struct {
	dir  string
	size int64
	at   time.Time
	all  []graph.Decision
	read uint64 // how often the file was read
}

// refresh gives the decisions. It reads the file only when it has changed.
func (d *decisions) refresh() ([]graph.Decision, error) {
	info, err := os.Stat(filepath.Join(d.dir, decisionsFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if d.size >= 0 {
			d.read++
		}
		d.size, d.all = -1, nil
		return nil, nil
	case err != nil:
		return d.all, fmt.Errorf("state: decisions: %w", err)
	case info.Size() == d.size && info.ModTime().Equal(d.at):
		return d.all, nil
	}
	all, err := readDecisions(filepath.Join(d.dir, decisionsFile))
	if err != nil {
		return d.all, err
	}
	d.size, d.at, d.all = info.Size(), info.ModTime(), all
	d.read++
	return all, nil
}

func readDecisions(path string) ([]graph.Decision, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("state: decisions: %w", err)
	}
	defer f.Close()
	var all []graph.Decision
	lines := bufio.NewScanner(io.LimitReader(f, maxDecisions))
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var d graph.Decision
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			return nil, fmt.Errorf("state: %s:%d is no decision: %w: mend or remove the line", path, n, err)
		}
		all = append(all, d)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("state: decisions: %w", err)
	}
	return all, nil
}
