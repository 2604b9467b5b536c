package protocoltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/spanwatch/spanwatch/protocols"
)

// line is an event as goldens show it.
type line struct {
	Frame     uint64              `json:"frame"`
	From      protocols.Side      `json:"from"`
	Label     string              `json:"label,omitempty"`
	Message   string              `json:"message,omitempty"`
	Action    *protocols.Action   `json:"action,omitempty"`
	Outcome   *protocols.Outcome  `json:"outcome,omitempty"`
	Object    *object             `json:"object,omitempty"`
	Values    string              `json:"values,omitempty"`
	Facts     []fact              `json:"facts,omitempty"`
	Security  *protocols.Security `json:"security,omitempty"`
	Continued bool                `json:"continued,omitempty"`
	Malformed string              `json:"malformed,omitempty"`
	Error     string              `json:"error,omitempty"`
	Detail    any                 `json:"detail,omitempty"`
}

type object struct {
	Area  string  `json:"area,omitempty"`
	Unit  *uint16 `json:"unit,omitempty"`
	First uint32  `json:"first"`
	Count uint32  `json:"count"`
	Name  string  `json:"name,omitempty"`
}

type fact struct {
	About      protocols.Side    `json:"about"`
	Addr       string            `json:"addr,omitempty"`
	Key        protocols.FactKey `json:"key"`
	Value      string            `json:"value"`
	Module     string            `json:"module,omitempty"`
	Confidence uint8             `json:"confidence,omitempty"`
}

// valuesShown is how many elements of an event's values a golden shows.
const valuesShown = 8

// render writes one event as a JSON line; borrowing adds what is valid only as long as the message.
func render(e *protocols.Event, frame uint64, borrowing bool) string {
	l := line{
		Frame: frame, From: e.From, Label: e.Protocol, Message: e.Message, Action: &e.Action, Outcome: &e.Outcome,
		Continued: e.Continued, Malformed: e.Malformed, Security: e.Security, Detail: e.Detail,
	}
	if e.Object != (protocols.Object{}) {
		l.Object = &object{Area: e.Object.Area, First: e.Object.First, Count: e.Object.Count, Name: e.Object.Name}
		if e.Object.HasUnit {
			l.Object.Unit = &e.Object.Unit
		}
	}
	if borrowing {
		l.Values = string(e.Values.Append(nil, int(e.Object.Count), valuesShown))
	}
	for _, f := range e.Facts {
		shown := fact{About: f.About, Key: f.Key, Value: f.Value, Module: f.Module, Confidence: f.Confidence}
		if f.Addr != (netip.Addr{}) {
			shown.Addr = f.Addr.String()
		}
		l.Facts = append(l.Facts, shown)
	}
	return encode(l)
}

func renderError(err error, from protocols.Side, frame uint64) string {
	return encode(line{Frame: frame, From: from, Error: err.Error()})
}

func encode(l line) string {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(l); err != nil {
		return fmt.Sprintf("detail cannot be marshalled: %v", err)
	}
	return string(bytes.TrimSpace(buf.Bytes()))
}
