package state

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
)

// Joining is how what a run knows of a device or an edge takes in what earlier runs knew of it.
type Joining struct {
	Device func(now, before *inventory.Device)
	Edge   func(now, before *graph.Edge)
}

// Join makes saves take in what earlier runs knew. Without it what they knew is replaced.
func (s *State) Join(j Joining) { s.joining = j }

// Joined gives a device as it is saved: with what earlier runs knew of it.
func (s *State) Joined(d inventory.Device) (inventory.Device, error) {
	body, err := s.earlier(kindDevice, d.ID)
	if err == nil {
		err = (&writing{State: s}).joinDevice(&d, body)
	}
	return d, err
}

// JoinedEdge gives an edge as it is saved.
func (s *State) JoinedEdge(e graph.Edge) (graph.Edge, error) {
	body, err := s.earlier(kindEdge, EdgeKey(&e))
	if err == nil {
		err = (&writing{State: s, decisions: graph.Sort(s.decisions.all)}).joinEdge(&e, body)
	}
	return e, err
}

// earlier gives a record as earlier runs left it, nil where they did not, once the present one has saved it.
func (s *State) earlier(kind, id string) (body []byte, err error) {
	err = s.db.QueryRow("SELECT body FROM earlier WHERE kind = ? AND id = ?", kind, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state: read what was known of %s %s: %w", kind, id, err)
	}
	return body, nil
}

// inherit gives a record as earlier runs left it, and keeps it so: it is about to be replaced.
func (w *writing) inherit(e *entry, kind, id string) (body []byte, err error) {
	if e.marks&inherited == 0 {
		return nil, nil
	}
	from := "earlier"
	if e.marks&copied == 0 {
		if _, err := w.tx.Exec("INSERT OR REPLACE INTO earlier SELECT kind, id, body FROM record WHERE kind = ? AND id = ?", kind, id); err != nil {
			return nil, err
		}
		e.marks |= copied
		from = "record"
	}
	err = w.tx.QueryRow("SELECT body FROM "+from+" WHERE kind = ? AND id = ?", kind, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return body, err
}

func (w *writing) joinDevice(d *inventory.Device, earlier []byte) error {
	if earlier == nil || w.joining.Device == nil {
		return nil
	}
	var before inventory.Device
	if err := json.Unmarshal(earlier, &before); err != nil {
		return fmt.Errorf("state: device record is damaged: %w", err)
	}
	w.joining.Device(d, &before)
	return nil
}

func (w *writing) joinEdge(e *graph.Edge, earlier []byte) error {
	if earlier != nil && w.joining.Edge != nil {
		var before graph.Edge
		if err := json.Unmarshal(earlier, &before); err != nil {
			return fmt.Errorf("state: edge record is damaged: %w", err)
		}
		w.joining.Edge(e, &before)
	}
	w.decisions.Apply(e)
	return nil
}
