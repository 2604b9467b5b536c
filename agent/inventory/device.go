package inventory

import (
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Device is what the sensor knows of one device. The JSON form is the `device` record that scripts rely on.
type Device struct {
	ID          string     `json:"id"`
	Site        string     `json:"site"`
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
	Type        string     `json:"type"`     // plc, hmi, engineering-station, … of contracts: see the Type constants
	Category    string     `json:"category"` // OT, Endpoint, Network device, IoT, Unknown
	Purdue      string     `json:"purdue"`   // "0" … "5", "3.5"; empty: not known
	Zone        string     `json:"zone"`
	Criticality string     `json:"criticality"` // low, medium, high
	Protocols   []string   `json:"protocols"`
	FirstSeen   time.Time  `json:"first_seen"`
	LastSeen    time.Time  `json:"last_seen"`
	Facts       []Fact     `json:"facts"`
	Compromise  Compromise `json:"compromise"`
	// Mode is the operating mode of a controller as last told: run, stop, program, …; empty: not told.
	Mode string `json:"mode"`
	// Owner is who answers for the device, as the operator says.
	Owner string `json:"owner"`
	// Aliases are ids under which parts of the device were known before they turned out to be one device.
	Aliases []string `json:"aliases"`
	// Addresses is which IP addresses its MACs used when, the latest first, at most 32.
	Addresses []Address `json:"addresses"`
	// Changes is what changed of the device, the latest first, at most 64.
	Changes []Change `json:"changes"`
	// PublicIP is the address under which the device is seen outside the site, else its lowest IPv4 address.
	PublicIP string `json:"public_ip"`
}

// Module is a part of a device: a card in a rack, or a unit behind a gateway that has no address of its own.
type Module struct {
	Place    string `json:"place"` // "0/2": rack and slot
	Name     string `json:"name"`
	Firmware string `json:"firmware,omitempty"`
	Serial   string `json:"serial,omitempty"`
}

// Fact is one thing that was learnt about a device, with where it came from. Conflicting facts stand side by side.
type Fact struct {
	Key        protocols.FactKey `json:"key"`
	Value      string            `json:"value"`
	Module     string            `json:"module,omitempty"`
	Source     string            `json:"source"`     // "s7comm: Read SZL", "behaviour: answers reads"
	Confidence uint8             `json:"confidence"` // per cent
	FirstSeen  time.Time         `json:"first_seen"`
	LastSeen   time.Time         `json:"last_seen"`
}

// Address is the use of an address by a device.
type Address struct {
	IP        string    `json:"ip"`
	MAC       string    `json:"mac,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	// Device is the id of the device that the address counts for, where that is another one: it was moved, or is claimed.
	Device string `json:"device,omitempty"`
}

// Change is that a device said something else of itself than before: its operating mode, its firmware.
type Change struct {
	Time   time.Time         `json:"time"` // of the first message that said so
	Key    protocols.FactKey `json:"key"`
	Module string            `json:"module,omitempty"`
	From   string            `json:"from"`
	To     string            `json:"to"`
	Source string            `json:"source"`
}

// Compromise is what verdicts say of a device.
type Compromise struct {
	State    string     `json:"state"` // none, suspected, confirmed
	Since    *time.Time `json:"since,omitempty"`
	Verdicts []string   `json:"verdicts,omitempty"` // ids of the verdicts behind it
}
