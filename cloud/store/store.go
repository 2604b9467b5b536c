// Package store keeps what sensors sent and what analysts made of it.
//
// One interface, [Store], with one engine so far: SQLite embedded ([OpenSQLite]). Every key leads with the site. The
// record types here are the collector's own nouns: ingest converts the wire's messages into them, and incident, hunt
// and web read them. Writes are idempotent: a record that arrives twice is stored once, an older revision never
// replaces a newer one. A Store is safe for concurrent use.
package store

import (
	"context"
	"errors"
	"time"
)

// ErrNotFound is returned when a single thing was asked for and is not there.
var ErrNotFound = errors.New("store: not found")

// Lane is the uplink lane that a record came by.
type Lane uint8

// The lanes.
const (
	LaneAlert   Lane = 1
	LaneRoutine Lane = 2
)

// Position is how far a lane of a sensor's spool is stored.
type Position struct {
	Epoch    string
	Lane     Lane
	Sequence uint64
}

// Batch is what one commit stores: records of one sensor and lane, with the position that they reach.
type Batch struct {
	Site, Sensor string
	Received     time.Time
	Version      string // of the sensor's program
	Position     Position
	Devices      []Device
	Edges        []Edge
	Alerts       []Alert
	Coverage     []Coverage
	Gaps         []Gap
}

// Reader is what the pages, hunting and the command line read.
type Reader interface {
	Sites(ctx context.Context) ([]Site, error)
	Sensors(ctx context.Context, site string) ([]Sensor, error)
	Devices(ctx context.Context, f DeviceFilter) ([]Device, error)
	Device(ctx context.Context, site, id string) (Device, error)
	Edges(ctx context.Context, site string) ([]Edge, error)
	Alerts(ctx context.Context, f AlertFilter) ([]Alert, error)
	Alert(ctx context.Context, site, id string) (Alert, error)
	Incidents(ctx context.Context, f IncidentFilter) ([]Incident, error)
	Incident(ctx context.Context, id int64) (Incident, error)
	// Select runs a read-only statement made by hunt's compiler against the views DeviceInfo, AlertInfo and
	// AlertEvidence, and gives the columns' names and at most limit rows; more says that there were others.
	Select(ctx context.Context, sql string, args []any, limit int) (columns []string, rows [][]any, more bool, err error)
}

// Store is the whole of it.
type Store interface {
	Reader
	// Apply commits a batch: all of it or nothing. Records at or below the stored position change nothing.
	Apply(ctx context.Context, b Batch) error
	// Positions gives what is stored of a sensor's epoch.
	Positions(ctx context.Context, site, sensor, epoch string) ([]Position, error)
	AddSite(ctx context.Context, s Site) error
	// SaveIncident stores an incident with the alerts that belong to it; ID 0 makes a new one. It gives the id.
	SaveIncident(ctx context.Context, i Incident) (int64, error)
	Close() error
}

// Site is a place with sensors.
type Site struct {
	Name        string    `json:"name"`
	Location    string    `json:"location"`
	Description string    `json:"description"`
	Created     time.Time `json:"created"`
	Devices     int       `json:"devices"`
	Sensors     int       `json:"sensors"`
}

// Sensor is a sensor that has connected.
type Sensor struct {
	Site     string    `json:"site"`
	Name     string    `json:"name"`
	Version  string    `json:"version"`
	LastSeen time.Time `json:"last_seen"`
	Dropped  uint64    `json:"dropped"` // records that its spool dropped
}

// Device is the newest state of a device, as the sensor's device record has it.
type Device struct {
	ID          string     `json:"id"`
	Site        string     `json:"site"`
	Sensor      string     `json:"sensor"`
	Parent      string     `json:"parent"`
	Names       []string   `json:"names"`
	IPs         []string   `json:"ips"`
	MACs        []string   `json:"macs"`
	VLANs       []uint16   `json:"vlans"`
	Vendor      string     `json:"vendor"`
	Model       string     `json:"model"`
	Firmware    string     `json:"firmware"`
	Serial      string     `json:"serial"`
	Modules     []Module   `json:"modules"`
	Type        string     `json:"type"`
	Category    string     `json:"category"`
	Purdue      string     `json:"purdue"`
	Zone        string     `json:"zone"`
	Criticality string     `json:"criticality"`
	Protocols   []string   `json:"protocols"`
	FirstSeen   time.Time  `json:"first_seen"`
	LastSeen    time.Time  `json:"last_seen"`
	Facts       []Fact     `json:"facts"`
	Compromise  Compromise `json:"compromise"`
	PublicIP    string     `json:"public_ip"`
	Mode        string     `json:"mode"`
	Owner       string     `json:"owner"`
	Aliases     []string   `json:"aliases"`
	Addresses   []Address  `json:"addresses"`
	Changes     []Change   `json:"changes"`
}

// Address is the use of an address by a device.
type Address struct {
	IP        string    `json:"ip"`
	MAC       string    `json:"mac,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Device    string    `json:"device,omitempty"`
}

// Change is that a device said something else of itself than before.
type Change struct {
	Time   time.Time `json:"time"`
	Key    string    `json:"key"`
	Module string    `json:"module,omitempty"`
	From   string    `json:"from"`
	To     string    `json:"to"`
	Source string    `json:"source"`
}

// Module is a part of a device.
type Module struct {
	Place    string `json:"place"`
	Name     string `json:"name"`
	Firmware string `json:"firmware,omitempty"`
	Serial   string `json:"serial,omitempty"`
}

// Fact is one thing that was learnt about a device, with where it came from.
type Fact struct {
	Key        string    `json:"key"`
	Value      string    `json:"value"`
	Module     string    `json:"module,omitempty"`
	Source     string    `json:"source"`
	Confidence uint8     `json:"confidence"`
	FirstSeen  time.Time `json:"first_seen"`
	LastSeen   time.Time `json:"last_seen"`
}

// Compromise is what verdicts say of a device.
type Compromise struct {
	State    string     `json:"state"`
	Since    *time.Time `json:"since,omitempty"`
	Verdicts []string   `json:"verdicts,omitempty"`
}

// Edge is what one device asked of another over one protocol.
type Edge struct {
	Site        string            `json:"site"`
	Client      string            `json:"client"`
	Server      string            `json:"server"`
	ClientIP    string            `json:"client_ip"`
	ServerIP    string            `json:"server_ip"`
	Protocol    string            `json:"protocol"`
	Port        uint16            `json:"port"`
	Actions     map[string]uint64 `json:"actions"`
	Objects     []EdgeObject      `json:"objects"`
	ObjectCount uint64            `json:"object_count"`
	Packets     uint64            `json:"packets"`
	Bytes       uint64            `json:"bytes"`
	FirstSeen   time.Time         `json:"first_seen"`
	LastSeen    time.Time         `json:"last_seen"`
	Baseline    string            `json:"baseline"`
	PacketsOut  uint64            `json:"packets_out"`
	PacketsIn   uint64            `json:"packets_in"`
	BytesOut    uint64            `json:"bytes_out"`
	BytesIn     uint64            `json:"bytes_in"`
	Interval    float64           `json:"interval_seconds"`
	Jitter      float64           `json:"jitter_seconds"`
	Periodic    bool              `json:"periodic"`
	ClientZone  string            `json:"client_zone"`
	ServerZone  string            `json:"server_zone"`
	Acts        []EdgeAction      `json:"acts"`
	ID          string            `json:"id"`
	Answered    bool              `json:"answered"`
}

// EdgeObject is what was touched over an edge, and how often.
type EdgeObject struct {
	Action    string    `json:"action"`
	Object    string    `json:"object"`
	Count     uint64    `json:"count"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Baseline  string    `json:"baseline"`
}

// EdgeAction is what was done over an edge, since when.
type EdgeAction struct {
	Action    string    `json:"action"`
	Count     uint64    `json:"count"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Baseline  string    `json:"baseline"`
}

// Alert is one finding about one actor and one target, as the sensor's alert record has it.
type Alert struct {
	ID                 string     `json:"id"`
	Site               string     `json:"site"`
	Sensor             string     `json:"sensor"`
	Rule               string     `json:"rule"`
	Title              string     `json:"title"`
	Severity           string     `json:"severity"`
	Level              string     `json:"level"`
	Time               time.Time  `json:"time"`
	LastTime           time.Time  `json:"last_time"`
	Actor              string     `json:"actor"`
	Target             string     `json:"target"`
	ActorIP            string     `json:"actor_ip"`
	TargetIP           string     `json:"target_ip"`
	Protocol           string     `json:"protocol"`
	Techniques         []string   `json:"techniques"`
	Description        string     `json:"description"`
	Evidence           []Evidence `json:"evidence"`
	Impacted           []Asset    `json:"impacted"`
	Reach              []Asset    `json:"reach"`
	RecommendedActions []string   `json:"recommended_actions"`
	Verdict            *Verdict   `json:"verdict,omitempty"`
	Count              uint64     `json:"count"`
	Capture            string     `json:"capture"`
	Revision           uint64     `json:"revision"`
	Received           time.Time  `json:"received"` // when the collector first stored it
	Incident           int64      `json:"incident"` // 0: none yet
}

// Evidence is one deed behind an alert.
type Evidence struct {
	File     string    `json:"file,omitempty"`
	Frame    uint64    `json:"frame"`
	Time     time.Time `json:"time"`
	Protocol string    `json:"protocol"`
	Message  string    `json:"message"`
	Action   string    `json:"action"`
	Outcome  string    `json:"outcome"`
	Level    string    `json:"level"`
	Object   string    `json:"object,omitempty"`
	Before   string    `json:"before,omitempty"`
	After    string    `json:"after,omitempty"`
}

// Asset is a device named in an alert, with the reason why it is there.
type Asset struct {
	Device      string `json:"device"`
	Name        string `json:"name,omitempty"`
	IP          string `json:"ip"`
	Type        string `json:"type"`
	Criticality string `json:"criticality,omitempty"`
	Reason      string `json:"reason"`
}

// Verdict says that a device is, or is suspected to be, compromised.
type Verdict struct {
	ID         string     `json:"id"`
	IP         string     `json:"ip,omitempty"`
	Network    string     `json:"network,omitempty"`
	MAC        string     `json:"mac,omitempty"`
	Name       string     `json:"name,omitempty"`
	Device     string     `json:"device,omitempty"`
	Site       string     `json:"site,omitempty"`
	State      string     `json:"state"`
	Confidence uint8      `json:"confidence"`
	Source     string     `json:"source,omitempty"`
	Reason     string     `json:"reason,omitempty"`
	Reference  string     `json:"reference,omitempty"`
	Techniques []string   `json:"techniques,omitempty"`
	ValidFrom  *time.Time `json:"valid_from,omitempty"`
	ValidUntil *time.Time `json:"valid_until,omitempty"`
	Added      time.Time  `json:"added,omitzero"`
}

// Coverage says how well the traffic of one pair of hosts and port was understood.
type Coverage struct {
	ClientIP        string `json:"client_ip"`
	ServerIP        string `json:"server_ip"`
	Port            uint16 `json:"port"`
	Protocol        string `json:"protocol"`
	Packets         uint64 `json:"packets"`
	Bytes           uint64 `json:"bytes"`
	DecodedBytes    uint64 `json:"decoded_bytes"`
	RecognisedBytes uint64 `json:"recognised_bytes"`
	OpaqueBytes     uint64 `json:"opaque_bytes"`
	EncryptedBytes  uint64 `json:"encrypted_bytes"`
	Malformed       uint64 `json:"malformed"`
	GapBytes        uint64 `json:"gap_bytes"`
	Unanswered      uint64 `json:"unanswered"`
	Conflicts       uint64 `json:"conflicts"`
	Total           bool   `json:"total,omitempty"`
}

// Gap stands for records that a sensor's spool had to drop.
type Gap struct {
	FirstSequence uint64
	LastSequence  uint64
	Dropped       uint64
}

// Incident is alerts that belong together.
type Incident struct {
	ID        int64     `json:"id"`
	Site      string    `json:"site"`
	Title     string    `json:"title"`
	Product   string    `json:"product"` // "Spanwatch"
	Severity  string    `json:"severity"`
	Level     string    `json:"level"`
	Status    string    `json:"status"` // new, active, closed
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Devices   []string  `json:"devices"` // ids of actors and targets
	Alerts    []string  `json:"alerts"`  // ids, by time
	Reasons   []Reason  `json:"reasons"`
	Summary   string    `json:"summary"`
	// MergedInto is the incident that took over this one's alerts; 0: it stands for itself. Incidents leaves merged ones
	// out; Incident still gives them, so that an old address leads to the survivor.
	MergedInto int64 `json:"merged_into,omitempty"`
}

// Reason says why an alert is part of an incident.
type Reason struct {
	Alert string `json:"alert"`
	Text  string `json:"text"`
}

// DeviceFilter selects devices; zero fields select all.
type DeviceFilter struct {
	Site, Type, Category string
	Search               string // in names, addresses, vendor and model
	Limit                int
}

// AlertFilter selects alerts; zero fields select all.
type AlertFilter struct {
	Site, Severity, Level, Rule string
	Device                      string // actor or target
	Incident                    int64
	Unassigned                  bool // only those that are part of no incident yet
	Limit                       int
}

// IncidentFilter selects incidents; zero fields select all.
type IncidentFilter struct {
	Site, Severity, Status, Product string
	Search                          string
	Limit                           int
}
