// Package live reads frames from network interfaces: a mirror port, or several.
//
// A [Capture] opens one AF_PACKET ring (TPACKET_V3) for each interface and worker. Frames are read where the kernel put
// them; the kernel spreads them so that both directions of a conversation meet at one worker. What needs privileges is
// behind an [Opener], so that the process that reads hostile frames need have none.
//
// The package sends nothing, and opens no socket that could: packet sockets are bound for reception, and what an
// interface transmits is counted so that anybody can check. It refuses to give up: an interface that goes down, vanishes
// or returns under another index is reported and taken up again when it is back.
//
// A source belongs to one goroutine; everything else of a Capture may be called from any.
package live

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/spanwatch/spanwatch/capture"
)

// Mode is how frames come from the kernel.
type Mode string

// The modes, the best first. In the first three the kernel counts every conversation and lets through only what is read.
const (
	ModeAuto    Mode = "auto"
	ModeNative  Mode = "xdp-native"  // counted and dropped by the driver, before the kernel makes a packet of it
	ModeGeneric Mode = "xdp-generic" // the same, in the kernel's receive path
	ModeFilter  Mode = "filter"      // counted and filtered at the socket
	ModePlain   Mode = "plain"       // everything through the ring
)

// CheckMode refuses what is no mode. Empty is ModeAuto.
func CheckMode(name string) error {
	switch Mode(name) {
	case "", ModeAuto, ModeNative, ModeGeneric, ModeFilter, ModePlain:
		return nil
	}
	return fmt.Errorf("mode: %q: choose %s, %s, %s, %s or %s", name, ModeAuto, ModeNative, ModeGeneric, ModeFilter, ModePlain)
}

// Config says what to listen to. Zero values take the defaults.
type Config struct {
	Interfaces []string
	Workers    int  // default 1
	Snap       int  // bytes kept of a frame; default and most 65,536
	RingBytes  int  // memory of a ring, of which there is one for each interface and worker; default 16 MiB
	Mode       Mode // default ModeAuto: the best that works
	// TCP and UDP are the ports of which the kernel lets every packet through.
	TCP, UDP []uint16
	Flows    int    // conversations that the kernel counts apart; default 65,536
	First    uint32 // packets of each conversation that the kernel lets through at first; default 32
	// Promiscuous asks for frames that are for others, as on a mirror port all are. Off only where the sensor listens to
	// its own host.
	Promiscuous bool
	Log         *slog.Logger
	Opener      Opener // default Local
}

const (
	defaultSnap = 65536
	defaultRing = 16 << 20
	blockSize   = 128 << 10 // many small blocks: slow traffic fills one packet a block
	// retire is how long the kernel waits for a block to fill before it hands it over.
	retire = 8 * time.Millisecond
	// pollWait is how long a source waits before it says that nothing came.
	pollWait = 10 * time.Millisecond
)

func (c *Config) defaults() {
	if c.Workers <= 0 {
		c.Workers = 1
	}
	if c.Snap <= 0 || c.Snap > defaultSnap {
		c.Snap = defaultSnap
	}
	if c.RingBytes <= 0 {
		c.RingBytes = defaultRing
	}
	c.RingBytes = max(c.RingBytes/blockSize, 4) * blockSize
	if c.Mode == "" {
		c.Mode = ModeAuto
	}
	if c.Flows <= 0 {
		c.Flows = 65536
	}
	if c.First == 0 {
		c.First = 32
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Opener == nil {
		c.Opener = Local()
	}
}

// Status is the state of one interface, for people and metrics. Counters are since the capture was opened.
type Status struct {
	Interface   string    `json:"interface"`
	Renamed     string    `json:"renamed,omitempty"` // what the interface is called now
	Present     bool      `json:"present"`
	Up          bool      `json:"up"`
	Since       time.Time `json:"since"` // of the present state
	Mode        Mode      `json:"mode"`
	Reason      string    `json:"reason,omitempty"` // why no better mode holds
	Promiscuous bool      `json:"promiscuous"`
	Offloads    string    `json:"offloads,omitempty"` // what merges frames and could not be switched off

	NIC    NICCounters    `json:"nic"`
	Ring   RingCounters   `json:"ring"`
	Kernel KernelCounters `json:"kernel"`
}

// NICCounters are those of the interface itself.
type NICCounters struct {
	Received      uint64 `json:"received"` // packets
	ReceivedBytes uint64 `json:"received_bytes"`
	Dropped       uint64 `json:"dropped"` // for want of room before the kernel looked at them
	Errors        uint64 `json:"errors"`
	Transmitted   uint64 `json:"transmitted"` // must not grow on a monitored interface
}

// RingCounters are those of the sockets.
type RingCounters struct {
	Received  uint64 `json:"received"`  // packets that reached the rings
	Dropped   uint64 `json:"dropped"`   // for want of room in a ring
	Freezes   uint64 `json:"freezes"`   // times that a ring was full
	Truncated uint64 `json:"truncated"` // packets cut to the snap length
	Merged    uint64 `json:"merged"`    // packets longer than the interface's MTU: several segments in one
}

// KernelCounters are those of the program that counts conversations; zero in plain mode. Flows, Overflow and Other add up
// to Packets.
type KernelCounters struct {
	Packets  uint64 `json:"packets"`
	Bytes    uint64 `json:"bytes"`
	Flows    uint64 `json:"flows"`    // counted by conversation
	Overflow uint64 `json:"overflow"` // not, for want of room
	Other    uint64 `json:"other"`    // of no conversation that the program can tell; they pass
	Passed   uint64 `json:"passed"`   // to the rings
}

var _ capture.Source = (*source)(nil)
