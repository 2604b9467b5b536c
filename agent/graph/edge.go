package graph

import "time"

// Edge is what one device asked of another over one protocol. The JSON form is the `edge` record that scripts rely on.
type Edge struct {
	ID        string            `json:"id"`     // the same in every run
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

	PacketsOut uint64 `json:"packets_out"` // from client to server
	PacketsIn  uint64 `json:"packets_in"`  // from server to client
	BytesOut   uint64 `json:"bytes_out"`
	BytesIn    uint64 `json:"bytes_in"`
	// Interval is the median between requests for the same, Jitter the median deviation from it, in seconds; 0 as long as
	// there were too few. Periodic says that the interval is steady.
	Interval   float64 `json:"interval_seconds"`
	Jitter     float64 `json:"jitter_seconds"`
	Periodic   bool    `json:"periodic"`
	Answered   bool    `json:"answered"`    // somebody was there, and did not only refuse
	ClientZone string  `json:"client_zone"` // of the devices
	ServerZone string  `json:"server_zone"`
	// Acts is each action with its times and baseline, the gravest first.
	Acts []Act `json:"acts"`
}

// Act is what was done over an edge, since when.
type Act struct {
	Action    string    `json:"action"`
	Count     uint64    `json:"count"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Baseline  string    `json:"baseline"`
}

// Object is what was touched over an edge, and how.
type Object struct {
	Action    string    `json:"action"`
	Object    string    `json:"object"`
	Count     uint64    `json:"count"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Baseline  string    `json:"baseline"`
}
