package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/detect"
	"github.com/spanwatch/spanwatch/agent/state"
)

// Formats are the forms of a report.
var Formats = []string{"html", "md", "json"}

// Report is what there is to say about a site. The JSON form is what `report --format json` prints; lists are never
// null, and sorted so that what matters most comes first.
type Report struct {
	Site        string     `json:"site"`
	From        *time.Time `json:"from"` // of the first and the last packet
	Until       *time.Time `json:"until"`
	Packets     uint64     `json:"packets"`
	Bytes       uint64     `json:"bytes"`
	DeviceCount int        `json:"device_count"`
	EdgeCount   int        `json:"edge_count"`
	Summary     []string   `json:"summary"` // the report in a few sentences

	Alerts  []Alert  `json:"alerts"`
	Signals []Signal `json:"signals"`

	Levels    []Level    `json:"levels"` // devices by Purdue level, highest first
	Protocols []Protocol `json:"protocols"`
	Commands  []Command  `json:"commands"` // who alters plant devices, or takes programs out of them

	Crossings  []Crossing   `json:"crossings"` // controllers reached from outside their zone
	Internet   []Crossing   `json:"internet"`  // devices in contact with the Internet
	Clear      []Clear      `json:"clear"`     // protocols of the plant that anybody on the way can read
	Sessions   []Session    `json:"sessions"`  // how sessions were protected, where they say so
	Protection []Disclosure `json:"protection"`

	New        []Change       `json:"new_links"`
	NewDeeds   []NewDeed      `json:"new_deeds"` // on links that are not new
	Silent     []Change       `json:"silent_links"`
	Changes    []DeviceChange `json:"changes"` // of what devices say of themselves
	Conflicts  []Conflict     `json:"conflicts"`
	Duplicates []Duplicate    `json:"duplicates"`

	Coverage Coverage `json:"coverage"`
	Unread   []Unread `json:"unread"` // conversations that could not be read, and why
	Probes   []Probe  `json:"probes"` // requests and connections that led to nothing
	Blind    []Blind  `json:"blind_spots"`
}

// Party is one side of what a report speaks of: a device, or an address that is none.
type Party struct {
	Device string `json:"device"` // id; empty: no device of the site
	IP     string `json:"ip"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Zone   string `json:"zone"`
	Purdue string `json:"purdue"`
}

// Alert is an alert in short.
type Alert struct {
	Severity    string    `json:"severity"`
	Level       string    `json:"level"`
	Title       string    `json:"title"`
	Actor       Party     `json:"actor"`
	Target      Party     `json:"target"`
	Time        time.Time `json:"time"`
	LastTime    time.Time `json:"last_time"`
	Description string    `json:"description"`
	Actions     []string  `json:"recommended_actions"`
}

// Signal is a signal in short.
type Signal struct {
	Title  string    `json:"title"`
	Rule   string    `json:"rule"`
	Weight uint8     `json:"weight"`
	Actor  Party     `json:"actor"`
	Target Party     `json:"target"`
	Time   time.Time `json:"time"`
	Count  uint64    `json:"count"`
}

// New makes the report of what a sensor knows.
func New(snap *state.Snapshot) *Report {
	s := newSite(snap)
	r := &Report{
		Site: snap.Site, DeviceCount: len(snap.Devices), EdgeCount: len(snap.Edges),
		Alerts: s.alerts(), Signals: s.signals(),
		Levels: s.levels(), Protocols: s.protocols(), Commands: s.commands(),
		Crossings: s.crossings(), Internet: s.internet(), Clear: s.clear(), Sessions: s.sessions(), Protection: s.protection(),
		New: s.newLinks(), NewDeeds: s.newDeeds(), Silent: s.silentLinks(), Changes: s.deviceChanges(), Conflicts: s.conflicts(), Duplicates: s.duplicates(),
		Coverage: s.coverage(), Unread: s.unread(), Probes: s.probes(), Blind: s.blindSpots(),
	}
	if !s.until.IsZero() {
		from, until := s.from.UTC(), s.until.UTC()
		r.From, r.Until = &from, &until
	}
	r.Packets, r.Bytes = s.total.Packets, s.total.Bytes
	r.Summary = r.summarise()
	return r
}

// Write prints the report of a snapshot in one of [Formats].
func Write(out io.Writer, format string, snap *state.Snapshot) error {
	r := New(snap)
	switch format {
	case "json":
		lines := json.NewEncoder(out)
		lines.SetEscapeHTML(false)
		lines.SetIndent("", "  ")
		return lines.Encode(r)
	case "html":
		return r.html(out, newMap(snap))
	case "md":
		return r.markdown(out)
	}
	return fmt.Errorf("report: no format %q", format)
}

func (s *site) alerts() []Alert {
	all := make([]Alert, 0, len(s.snap.Alerts))
	for i := range s.snap.Alerts {
		a := &s.snap.Alerts[i]
		all = append(all, Alert{
			Severity: a.Severity, Level: a.Level, Title: a.Title, Time: a.Time.UTC(), LastTime: a.LastTime.UTC(),
			Actor: s.party(a.Actor, a.ActorIP), Target: s.party(a.Target, a.TargetIP),
			Description: a.Description, Actions: listed(a.RecommendedActions),
		})
	}
	slices.SortStableFunc(all, func(a, b Alert) int {
		return first(detect.SeverityRank(b.Severity)-detect.SeverityRank(a.Severity), detect.LevelRank(b.Level)-detect.LevelRank(a.Level),
			a.Time.Compare(b.Time), a.Actor.compare(b.Actor), a.Target.compare(b.Target))
	})
	return all
}

func (s *site) signals() []Signal {
	all := make([]Signal, 0, len(s.snap.Signals))
	for i := range s.snap.Signals {
		g := &s.snap.Signals[i]
		all = append(all, Signal{
			Title: g.Title, Rule: g.Rule, Weight: g.Weight, Time: g.Time.UTC(), Count: g.Count,
			Actor: s.party(g.Actor, g.ActorIP), Target: s.party(g.Target, g.TargetIP),
		})
	}
	slices.SortStableFunc(all, func(a, b Signal) int {
		return first(int(b.Weight)-int(a.Weight), a.Time.Compare(b.Time), a.Actor.compare(b.Actor), a.Target.compare(b.Target))
	})
	return all
}
