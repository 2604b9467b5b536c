package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// Command is what one client told one device of the plant to do.
type Command struct {
	Client    Party             `json:"client"`
	Server    Party             `json:"server"`
	Protocols []string          `json:"protocols"`
	Actions   map[string]uint64 `json:"actions"` // those that alter the device, and program out of it
	Objects   []graph.Object    `json:"objects"` // what was touched most, at most [topObjects]
	Baseline  string            `json:"baseline"`
}

// topObjects is how many objects a command names.
const topObjects = 8

// commanding reports whether an action is a command: it alters the device, or takes its program.
func commanding(action string) bool {
	var a protocols.Action
	return a.UnmarshalText([]byte(action)) == nil && (a.Alters() || a == protocols.ActionUpload)
}

// strength places actions: what a report speaks of first.
func strength(action string) int {
	var a protocols.Action
	if a.UnmarshalText([]byte(action)) != nil {
		return -1
	}
	return int(a)
}

// strongest gives the strength of the strongest action.
func strongest(actions map[string]uint64) int {
	best := -1
	for action := range actions {
		best = max(best, strength(action))
	}
	return best
}

func (s *site) commands() []Command {
	byPair := make(map[[2]string]*Command)
	for i := range s.snap.Edges {
		e := &s.snap.Edges[i]
		if !ofPlant(s.devices[e.Server]) {
			continue
		}
		var c *Command
		for action, n := range e.Actions {
			if !commanding(action) {
				continue
			}
			k := [2]string{cmp.Or(e.Client, e.ClientIP), e.Server}
			if c = byPair[k]; c == nil {
				c = &Command{Client: s.party(e.Client, e.ClientIP), Server: s.party(e.Server, e.ServerIP), Actions: make(map[string]uint64), Objects: []graph.Object{}}
				byPair[k] = c
			}
			c.Actions[action] += n
		}
		if c == nil {
			continue
		}
		c.Protocols = append(c.Protocols, e.Protocol)
		for _, o := range e.Objects {
			if commanding(o.Action) {
				c.Objects = append(c.Objects, o)
			}
		}
		if c.Baseline == "" || e.Baseline == graph.BaselineNew {
			c.Baseline = e.Baseline
		}
	}
	all := make([]Command, 0, len(byPair))
	for _, c := range byPair {
		slices.Sort(c.Protocols)
		c.Protocols = slices.Compact(c.Protocols)
		slices.SortStableFunc(c.Objects, func(a, b graph.Object) int {
			return cmp.Or(strength(b.Action)-strength(a.Action), -cmp.Compare(a.Count, b.Count), cmp.Compare(a.Object, b.Object))
		})
		c.Objects = c.Objects[:min(len(c.Objects), topObjects)]
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Command) int {
		return cmp.Or(strongest(b.Actions)-strongest(a.Actions), a.Client.compare(b.Client), a.Server.compare(b.Server))
	})
	return all
}

// Crossing is contact over a border: of a zone, or of the site.
type Crossing struct {
	Client    Party             `json:"client"`
	Server    Party             `json:"server"`
	Protocols []string          `json:"protocols"`
	Actions   map[string]uint64 `json:"actions"` // empty: no message was understood
	Packets   uint64            `json:"packets"`
	Bytes     uint64            `json:"bytes"`
	Reason    string            `json:"reason"`
}

func (m *merged) crossing(reason string) Crossing {
	return Crossing{Client: m.client, Server: m.server, Protocols: m.protocols, Actions: m.actions, Packets: m.packets, Bytes: m.bytes, Reason: reason}
}

// gravest sorts crossings: what alters before what looks, then by addresses.
func gravest(all []Crossing) []Crossing {
	slices.SortStableFunc(all, func(a, b Crossing) int {
		return cmp.Or(strongest(b.Actions)-strongest(a.Actions), a.Client.compare(b.Client), a.Server.compare(b.Server))
	})
	return listed(all)
}

// crossings gives who reaches controllers from outside their zone; where no zones are known, from above the level of
// supervision.
func (s *site) crossings() []Crossing {
	var all []Crossing
	for _, m := range s.pairs(func(_ *graph.Edge, client, server *inventory.Device) bool {
		return controls(server) && client != server
	}) {
		if reason := outside(m.client, m.server); reason != "" {
			all = append(all, m.crossing(reason))
		}
	}
	return gravest(all)
}

// outside tells from where a client reaches over the border of a server's zone; empty when it does not.
func outside(client, server Party) string {
	switch {
	case client.Device == "" && onInternet(client.IP):
		return "from the Internet"
	case client.Device == "":
		return "from an address that is no device of the site"
	case client.Zone != "" && server.Zone != "":
		if client.Zone != server.Zone {
			return fmt.Sprintf("from zone %s into zone %s", client.Zone, server.Zone)
		}
		return ""
	case client.Purdue >= "3": // the levels compare as text: "3", "3.5", "4", "5"
		return "from level " + client.Purdue
	case client.Purdue == "" && client.Type != inventory.TypeNetwork:
		return "from a device whose level is not known"
	}
	return ""
}

// internet gives which devices are in contact with the Internet, those of the plant first.
func (s *site) internet() []Crossing {
	var plant, others []Crossing
	for _, m := range s.pairs(func(e *graph.Edge, client, server *inventory.Device) bool {
		return client != nil && server == nil && onInternet(e.ServerIP) || client == nil && server != nil && onInternet(e.ClientIP)
	}) {
		reason, own := "asks the Internet", s.devices[m.client.Device]
		if own == nil {
			reason, own = "is asked from the Internet", s.devices[m.server.Device]
		}
		if ofPlant(own) {
			plant = append(plant, m.crossing("plant device "+reason))
		} else {
			others = append(others, m.crossing(reason))
		}
	}
	return append(gravest(plant), gravest(others)...)
}

// Clear is a protocol in which devices of the plant are talked to so that anybody on the way can read it.
type Clear struct {
	Protocol string   `json:"protocol"`
	Links    int      `json:"links"`
	Servers  []Party  `json:"servers"`
	Actions  []string `json:"actions"` // what is done in it, strongest first
}

// clear gives the protocols in which plant devices are spoken to in the open. What the sensor could read, others can.
func (s *site) clear() []Clear {
	encrypted := make(map[[3]string]bool)
	for i := range s.snap.Coverage {
		if c := &s.snap.Coverage[i]; c.EncryptedBytes > 0 {
			encrypted[[3]string{c.ClientIP, c.ServerIP, c.Protocol}] = true
		}
	}
	byProtocol := make(map[string]*Clear)
	for i := range s.snap.Edges {
		e := &s.snap.Edges[i]
		if !ofPlant(s.devices[e.Server]) || len(e.Actions) == 0 || encrypted[[3]string{e.ClientIP, e.ServerIP, e.Protocol}] {
			continue
		}
		c := byProtocol[e.Protocol]
		if c == nil {
			c = &Clear{Protocol: e.Protocol}
			byProtocol[e.Protocol] = c
		}
		c.Links++
		if p := s.party(e.Server, e.ServerIP); !slices.Contains(c.Servers, p) {
			c.Servers = append(c.Servers, p)
		}
		for action := range e.Actions {
			if !slices.Contains(c.Actions, action) {
				c.Actions = append(c.Actions, action)
			}
		}
	}
	all := make([]Clear, 0, len(byProtocol))
	for _, c := range byProtocol {
		slices.SortFunc(c.Servers, Party.compare)
		slices.SortFunc(c.Actions, func(a, b string) int { return cmp.Or(strength(b)-strength(a), cmp.Compare(a, b)) })
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Clear) int { return cmp.Or(b.Links-a.Links, cmp.Compare(a.Protocol, b.Protocol)) })
	return all
}

// Session is how the sessions between two parties were protected, as they said themselves.
type Session struct {
	Client   Party  `json:"client"`
	Server   Party  `json:"server"`
	Protocol string `json:"protocol"`
	Mode     string `json:"mode"` // none, sign, sign-and-encrypt, tls
	Policy   string `json:"policy"`
	User     string `json:"user"` // anonymous, username, certificate, issued
	Weak     bool   `json:"weak"` // neither signed nor encrypted, or anonymous
}

func (s *site) sessions() []Session {
	all := []Session{}
	for i := range s.snap.Edges {
		e := &s.snap.Edges[i]
		for _, g := range e.Security {
			all = append(all, Session{
				Client: s.party(e.Client, e.ClientIP), Server: s.party(e.Server, e.ServerIP), Protocol: e.Protocol,
				Mode: g.Mode, Policy: g.Policy, User: g.User, Weak: g.Mode == "none" || g.User == "anonymous",
			})
		}
	}
	weak := func(s *Session) int {
		if s.Weak {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b Session) int {
		return cmp.Or(weak(&a)-weak(&b), a.Server.compare(b.Server), a.Client.compare(b.Client), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.User, b.User))
	})
	return slices.Compact(all)
}
