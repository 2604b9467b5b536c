package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spanwatch/spanwatch/agent/sensor"
)

// record is one `dissect` record, as a script reads it.
type record struct {
	Frame     uint64
	PDU       int
	Time      time.Time
	Protocol  string
	Client    string
	Server    string
	From      string
	Message   string
	Object    struct{ First json.Number }
	Malformed bool
	Reason    string
	Detail    map[string]any
}

func (r *record) place() place { return place{r.Frame, r.PDU} }

// text gives a scalar of the detail as it stands in JSON, without quotes; empty where there is none.
func (r *record) text(key string) string {
	v, ok := r.Detail[key]
	if !ok {
		return ""
	}
	return fmt.Sprint(v)
}

// list gives a list of the detail; nil where there is none.
func (r *record) list(key string) []any {
	v, _ := r.Detail[key].([]any)
	return v
}

// sender gives the address and port of whoever sent the message.
func (r *record) sender() string {
	if r.From == "server" {
		return r.Server
	}
	return r.Client
}

// dissect gives the records of a capture by protocol, in their order.
func dissect(ctx context.Context, path string) (map[string][]*record, error) {
	r, w := io.Pipe()
	go func() {
		// A warning tells of a capture that is damaged at its end: what is before it is compared.
		_, err := sensor.Dissect(ctx, sensor.DissectConfig{Captures: []string{path}, Workers: 1}, w)
		w.CloseWithError(err)
	}()
	defer r.Close()
	return decodeRecords(r)
}

func decodeRecords(r io.Reader) (map[string][]*record, error) {
	lines := json.NewDecoder(r)
	lines.UseNumber()
	records := make(map[string][]*record)
	for {
		m := new(record)
		err := lines.Decode(m)
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		records[m.Protocol] = append(records[m.Protocol], m)
	}
}
