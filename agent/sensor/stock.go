package sensor

import (
	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/agent/state"
)

// processPart bounds the process variables of a part, in bytes.
const processPart = 2 << 20

// stock is the taking of a snapshot, in parts: devices first, then edges with their coverage, then process variables, then
// the rest. What it says of each is of the moment at which the part was taken.
type stock struct {
	an      *analyst
	alerts  []detect.Alert
	devices *inventory.Pass
	edges   *graph.Pass
	zones   map[string]string // by device
	process int               // bytes of process variables that may still be taken; negative: no bound
	stage   int
}

// takeStock begins to take a snapshot. All takes all process variables that have news, else no more than a budget, those
// saved longest ago first.
func (a *analyst) takeStock(alerts []detect.Alert, all bool) *stock {
	s := &stock{an: a, alerts: alerts, devices: a.inventory.Pass(), zones: make(map[string]string), process: saveBudget}
	if all {
		s.process = -1
	}
	return s
}

// part takes more, until it is enough or all; last reports that there is no more.
func (s *stock) part(enough func(*state.Snapshot) bool) (snap state.Snapshot, last bool) {
	snap.Site = s.an.site
	stages := []func(*state.Snapshot) (more bool){s.takeDevice, s.takeEdges, s.takeProcess}
	for ; s.stage < len(stages); s.stage++ {
		for stages[s.stage](&snap) {
			if enough(&snap) {
				return snap, false
			}
		}
	}
	snap.Signals, snap.Alerts, snap.Begun = s.an.detector.Signals(), s.alerts, s.an.graph.Begun()
	snap.Coverage = append(snap.Coverage, s.an.graph.Total())
	return snap, true
}

func (s *stock) takeDevice(snap *state.Snapshot) bool {
	devices, more := s.devices.Next()
	for k := range devices {
		s.zones[devices[k].ID] = devices[k].Zone
	}
	snap.Devices = append(snap.Devices, devices...)
	return more
}

func (s *stock) takeEdges(snap *state.Snapshot) bool {
	if s.edges == nil {
		s.edges = s.an.graph.Pass()
	}
	edges, covered, more := s.edges.Next()
	graph.Place(edges, s.zones)
	snap.Edges, snap.Coverage = append(snap.Edges, edges...), append(snap.Coverage, covered...)
	return more
}

func (s *stock) takeProcess(snap *state.Snapshot) bool {
	if s.process == 0 {
		return false
	}
	saved := s.an.process.Save(processPart)
	size := 0
	for k := range saved {
		size += len(saved[k].Body)
	}
	snap.Process = append(snap.Process, saved...)
	if s.process > 0 {
		s.process = max(0, s.process-size)
	}
	return size >= processPart
}
