package sensor

import (
	"syscall"
	"time"

	"github.com/spanwatch/spanwatch/agent/pipeline"
	"github.com/spanwatch/spanwatch/agent/state"
)

// Summary is the `summary` record that scripts rely on. Only the last three numbers differ between two runs.
type Summary struct {
	Packets         uint64            `json:"packets"`
	Bytes           uint64            `json:"bytes"`
	PacketTimeFirst *time.Time        `json:"packet_time_first"`
	PacketTimeLast  *time.Time        `json:"packet_time_last"`
	Messages        map[string]uint64 `json:"messages"` // by protocol
	Conversations   uint64            `json:"conversations"`
	Devices         int               `json:"devices"`
	Edges           int               `json:"edges"`
	Alerts          int               `json:"alerts"`
	Dropped         Dropped           `json:"dropped"`
	Unparsed        Unparsed          `json:"unparsed"`
	Evicted         Evicted           `json:"evicted"`
	WallSeconds     float64           `json:"wall_seconds"`
	CPUSeconds      float64           `json:"cpu_seconds"`
	MaxRSSBytes     int64             `json:"max_rss_bytes"`
}

// Dropped counts what was lost, by place.
type Dropped struct {
	NIC     uint64 `json:"nic"`
	Ring    uint64 `json:"ring"`
	FlowMap uint64 `json:"flow_map"`
	Spool   uint64 `json:"spool"`
}

// Unparsed counts what was seen but could not be read.
type Unparsed struct {
	Frames    uint64 `json:"frames"`    // whose headers could not be read
	Malformed uint64 `json:"malformed"` // messages that broke their specification
	Gaps      uint64 `json:"gaps"`      // places where bytes of a conversation were missing
	Skipped   uint64 `json:"skipped"`   // messages too large to be read
	Conflicts uint64 `json:"conflicts"` // segments and fragments that differed from the first copy
}

// Evicted counts what was forgotten because a table was full. The tables hold what a large site has; a flood of invented
// addresses pushes out the least important first.
type Evicted struct {
	Conversations uint64 `json:"conversations"`
	Hosts         uint64 `json:"hosts"`
	Edges         uint64 `json:"edges"`
	Pairs         uint64 `json:"pairs"`     // of actor and target, with what was done
	Values        uint64 `json:"values"`    // pages of last known process values
	Variables     uint64 `json:"variables"` // process variables left out, or given up for written ones
	Alerts        uint64 `json:"alerts"`
	Signals       uint64 `json:"signals"`
}

// clocks are the process's clocks at one moment.
type clocks struct {
	wall time.Time
	cpu  time.Duration
}

func readClocks() clocks { return clocks{time.Now(), cpuTime(usage())} }

func usage() syscall.Rusage {
	var r syscall.Rusage
	// getrusage of the calling process cannot fail: its only errors are a bad address and a bad argument.
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r
}

func cpuTime(r syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func summarise(snap *state.Snapshot, an *analyst, spoolDropped uint64, started clocks) Summary {
	stats := &an.stats
	r := usage()
	s := Summary{
		Packets: stats.Packets, Bytes: stats.Bytes, Messages: stats.Messages, Conversations: stats.Conversations,
		Devices: len(snap.Devices), Edges: len(snap.Edges), Alerts: len(snap.Alerts),
		Dropped:  Dropped{Spool: spoolDropped},
		Unparsed: unparsed(stats), Evicted: an.evicted(),
		WallSeconds: time.Since(started.wall).Seconds(),
		CPUSeconds:  (cpuTime(r) - started.cpu).Seconds(),
		MaxRSSBytes: r.Maxrss * 1024,
	}
	if s.Messages == nil {
		s.Messages = map[string]uint64{}
	}
	if stats.Packets > 0 {
		first, last := stats.First.UTC(), stats.Last.UTC()
		s.PacketTimeFirst, s.PacketTimeLast = &first, &last
	}
	return s
}

func unparsed(s *pipeline.Stats) Unparsed {
	return Unparsed{Frames: s.Undecoded, Malformed: s.Malformed, Gaps: s.Gaps, Skipped: s.Skipped, Conflicts: s.Conflicts}
}

// evicted counts what every table had to forget.
func (a *analyst) evicted() Evicted {
	hosts, edges, values, deeds := a.inventory.Stats(), a.graph.Stats(), a.process.Stats(), a.detector.Stats()
	return Evicted{
		Conversations: a.stats.Evicted, Hosts: hosts.EvictedHosts, Edges: edges.EvictedEdges,
		Pairs: deeds.EvictedPairs, Values: deeds.EvictedValuePages, Variables: values.LeftOut + values.Evicted, Alerts: deeds.DroppedAlerts,
		Signals: deeds.DroppedSignals,
	}
}
