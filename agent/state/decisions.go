package state

import (
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
	f, err := os.OpenFile(filepath.Join(dir, decisionsFile), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("state: decision: %w", err)
	}
	if err := errors.Join(add(f, lines.Bytes()), owned(f, dir), f.Close()); err != nil {
		return fmt.Errorf("state: decision: %w", err)
	}
	return nil
}

// add adds whole lines to a file, or nothing. What the end of a machine cut short is taken away: nobody was told that it
// was written.
func add(f *os.File, lines []byte) error {
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil { // until it is closed
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxDecisions))
	if err != nil {
		return err
	}
	whole := int64(bytes.LastIndexByte(text, '\n') + 1)
	if whole < int64(len(text)) {
		if err := f.Truncate(whole); err != nil {
			return err
		}
	}
	if whole+int64(len(lines)) > maxDecisions {
		return fmt.Errorf("the log of decisions has %d bytes, and no more than %d are read: move old lines away", whole, maxDecisions)
	}
	_, err = f.Write(lines)
	if err = errors.Join(err, f.Sync()); err != nil {
		return errors.Join(err, f.Truncate(whole))
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
	text, err := io.ReadAll(io.LimitReader(f, maxDecisions))
	if err != nil {
		return nil, fmt.Errorf("state: decisions: %w", err)
	}
	var all []graph.Decision
	n := 0
	for line := range bytes.Lines(text) {
		n++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		var d graph.Decision
		if err := json.Unmarshal(line, &d); err != nil {
			if !bytes.HasSuffix(line, []byte("\n")) {
				break // being written, or cut short
			}
			return nil, fmt.Errorf("state: %s:%d is no decision: %w: mend or remove the line", path, n, err)
		}
		all = append(all, d)
	}
	return all, nil
}
