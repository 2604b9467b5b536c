package sensor

import (
	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/process"
)

// Records gives the result as the lines of replay --json: each record with its kind, devices first, the summary last.
func (r *Result) Records() []any {
	type device struct {
		Kind string `json:"kind"`
		*inventory.Device
	}
	type edge struct {
		Kind string `json:"kind"`
		*graph.Edge
	}
	type variable struct {
		Kind string `json:"kind"`
		*process.Variable
	}
	type alert struct {
		Kind string `json:"kind"`
		*detect.Alert
	}
	type signal struct {
		Kind string `json:"kind"`
		*detect.Signal
	}
	type coverage struct {
		Kind string `json:"kind"`
		*graph.Coverage
	}
	type summary struct {
		Kind string `json:"kind"`
		*Summary
	}
	records := make([]any, 0, len(r.Devices)+len(r.Edges)+len(r.Variables)+len(r.Signals)+len(r.Alerts)+len(r.Coverage)+1)
	for i := range r.Devices {
		records = append(records, device{"device", &r.Devices[i]})
	}
	for i := range r.Edges {
		records = append(records, edge{"edge", &r.Edges[i]})
	}
	for i := range r.Variables {
		records = append(records, variable{"variable", &r.Variables[i]})
	}
	for i := range r.Signals {
		records = append(records, signal{"signal", &r.Signals[i]})
	}
	for i := range r.Alerts {
		records = append(records, alert{"alert", &r.Alerts[i]})
	}
	for i := range r.Coverage {
		records = append(records, coverage{"coverage", &r.Coverage[i]})
	}
	return append(records, summary{"summary", &r.Summary})
}
