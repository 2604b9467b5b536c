package graph

import "time"

// Edge is what one device asked of another over one protocol. The JSON form is the `edge` record that scripts rely on.
type Edge struct {
	Client    string            `json:"client"` // device ids
	Server    string            `json:"server"`
	ClientIP  string            `json:"client_ip"` // the MAC where there is no IP
	ServerIP  string            `json:"server_ip"`
	Protocol  string            `json:"protocol"` // label, or the transport where no protocol was recognised
	Port      uint16            `json:"port"`
	Actions   map[string]uint64 `json:"actions"`
	Objects   []Object          `json:"objects"` // the most important first, capped; ObjectCount says how many there were
	Count     uint64            `json:"object_count"`
	Packets   uint64            `json:"packets"`
	Bytes     uint64            `json:"bytes"`
	FirstSeen time.Time         `json:"first_seen"`
	LastSeen  time.Time         `json:"last_seen"`
	Baseline  string            `json:"baseline"` // learning, known, new, approved
	Security  []Security        `json:"security,omitempty"`
}

// Object is what was touched over an edge, and how.
type Object struct {
	Action string `json:"action"`
	Object string `json:"object"`
	Count  uint64 `json:"count"`
}
