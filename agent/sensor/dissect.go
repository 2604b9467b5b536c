package sensor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spanwatch/spanwatch/agent/pipeline"
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/all"
)

// DissectConfig says what to dissect.
type DissectConfig struct {
	Captures []string
	Protocol string // only this label; empty: all
	Workers  int
}

// Message is the `dissect` record that scripts rely on: one protocol message.
type Message struct {
	File      string             `json:"file,omitempty"`
	Frame     uint64             `json:"frame"`
	PDU       uint32             `json:"pdu"`
	Time      time.Time          `json:"time"`
	Protocol  string             `json:"protocol"`
	Client    string             `json:"client"`
	Server    string             `json:"server"`
	VLAN      []uint16           `json:"vlan"`
	From      protocols.Side     `json:"from"`
	Message   string             `json:"message"`
	Action    protocols.Action   `json:"action"`
	Outcome   protocols.Outcome  `json:"outcome"`
	Object    protocols.Object   `json:"object"`
	Objects   []protocols.Object `json:"objects,omitempty"`
	Facts     map[string]string  `json:"facts"`
	Malformed bool               `json:"malformed"`
	Reason    string             `json:"reason,omitempty"` // why it is malformed
	Cut       bool               `json:"cut,omitempty"`    // the capture kept only its beginning
	Detail    any                `json:"detail,omitempty"`
}

// Dissect writes one JSON line per protocol message to out, in the order of capture. A damaged capture gives a warning
// once its packets have been dissected.
func Dissect(ctx context.Context, cfg DissectConfig, out io.Writer) (warning string, err error) {
	if cfg.Protocol != "" && !knownProtocol(cfg.Protocol) {
		return "", fmt.Errorf("%w %q: this program dissects %v", ErrProtocol, cfg.Protocol, Protocols())
	}
	source, err := openCaptures(cfg.Captures, nil)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	w := bufio.NewWriterSize(out, 64<<10)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	var packets uint64
	err = pipeline.Replay(ctx, source, pipeline.ReplayConfig{
		Config: pipeline.Config{Specs: all.Specs(), Detail: true}, Workers: cfg.Workers,
	}, func(b *pipeline.Batch) error {
		packets += b.Stats.Packets
		for i := 0; i < len(b.Events); {
			n := parts(b.Events[i:])
			if cfg.Protocol == "" || cfg.Protocol == b.Events[i].Protocol {
				if err := lines.Encode(message(cfg.Captures, b.Events[i:i+n])); err != nil {
					return fmt.Errorf("dissect: %w", err)
				}
			}
			i += n
		}
		return nil
	})
	if err := w.Flush(); err != nil {
		return "", fmt.Errorf("dissect: %w", err)
	}
	return damage(err, packets)
}

// parts gives the number of leading events that belong to one message.
func parts(events []protocols.Event) int {
	n := 1
	for n < len(events) && events[n].Part == uint32(n) && events[n].Conv.ID == events[0].Conv.ID &&
		events[n].Frame == events[0].Frame && events[n].PDU == events[0].PDU {
		n++
	}
	return n
}

// message folds the events of one message into its record, under the strongest action.
func message(captures []string, events []protocols.Event) *Message {
	first, strongest := &events[0], &events[0]
	for i := range events {
		if events[i].Action > strongest.Action {
			strongest = &events[i]
		}
	}
	m := &Message{
		Frame: first.Frame, PDU: first.PDU, Time: first.Time.UTC(), Protocol: first.Protocol,
		Client: first.Conv.Client.String(), Server: first.Conv.Server.String(), From: first.From,
		Message: first.Message, Action: strongest.Action, Outcome: strongest.Outcome,
		Object: strongest.Object, VLAN: []uint16{}, Facts: map[string]string{},
		Malformed: first.Malformed != "", Reason: first.Malformed, Cut: first.Cut, Detail: first.Detail,
	}
	if len(captures) > 1 {
		m.File = filepath.Base(captures[first.Source])
	}
	for _, id := range first.Conv.VLANs {
		if id != 0 {
			m.VLAN = append(m.VLAN, id)
		}
	}
	for i := range events {
		if len(events) > 1 && events[i].Object != (protocols.Object{}) {
			m.Objects = append(m.Objects, events[i].Object)
		}
		for _, f := range events[i].Facts {
			m.fact(f)
		}
	}
	return m
}

// fact adds what the message disclosed; facts about modules carry the module's place in their key.
func (m *Message) fact(f protocols.Fact) {
	key := string(f.Key)
	if f.Module != "" {
		key += " " + f.Module
	}
	if _, ok := m.Facts[key]; !ok {
		m.Facts[key] = f.Value
	}
}
