package graph

import (
	"cmp"
	"slices"
	"time"
)

// The kinds of decisions.
const (
	DecisionApprove = "approve" // what is new may be
	DecisionLearn   = "learn"   // what was first seen in a time is known
	DecisionUnlearn = "unlearn" // what was learnt or approved is new again
)

// Decision is what the operator decided of the baseline. Its JSON form is a line of the audit log.
type Decision struct {
	Time time.Time `json:"time"` // of the decision
	Who  string    `json:"who"`
	What string    `json:"what"` // approve, learn, unlearn
	// Edge is the id of the edge that it is about; empty: all. Action and Object narrow it down.
	Edge   string `json:"edge,omitempty"`
	Action string `json:"action,omitempty"`
	Object string `json:"object,omitempty"`
	// From and Until bound the packet times at which what it is about was first seen.
	From  *time.Time `json:"from,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	Note  string     `json:"note,omitempty"`
	// The edge as people know it.
	Client   string `json:"client,omitempty"`
	Server   string `json:"server,omitempty"`
	Protocol string `json:"protocol,omitempty"`
}

// covers reports whether a decision is about an edge, an action of it (object empty), or an object.
func (d *Decision) covers(edge, action, object string, first time.Time) bool {
	return (d.Edge == "" || d.Edge == edge) && (d.Action == "" || d.Action == action) && (d.Object == "" || d.Object == object) &&
		(d.From == nil || !first.Before(*d.From)) && (d.Until == nil || !first.After(*d.Until))
}

// Decide applies decisions, in their order, to edges with their actions and objects.
func Decide(edges []Edge, decisions []Decision) {
	sorted := Sort(decisions)
	for k := range edges {
		sorted.Apply(&edges[k])
	}
}

// Decisions are decisions sorted by what they are about.
type Decisions struct {
	byEdge map[string][]*Decision // those about all edges under the empty id
}

// Sort makes decisions ready to be applied. They must not change afterwards.
func Sort(decisions []Decision) Decisions {
	s := Decisions{make(map[string][]*Decision)}
	for k := range decisions {
		d := &decisions[k]
		s.byEdge[d.Edge] = append(s.byEdge[d.Edge], d)
	}
	return s
}

// Apply applies the decisions, in their order, to an edge with its actions and objects.
func (s Decisions) Apply(e *Edge) {
	about := slices.Concat(s.byEdge[""], s.byEdge[e.ID])
	if len(about) == 0 {
		return
	}
	slices.SortStableFunc(about, func(a, b *Decision) int { return a.Time.Compare(b.Time) })
	e.Baseline = decided(about, e.ID, "", "", e.FirstSeen, e.Baseline)
	for n := range e.Acts {
		a := &e.Acts[n]
		a.Baseline = decided(about, e.ID, a.Action, "", a.FirstSeen, a.Baseline)
	}
	for n := range e.Objects {
		o := &e.Objects[n]
		o.Baseline = decided(about, e.ID, o.Action, o.Object, o.FirstSeen, o.Baseline)
	}
}

// decided gives the state of something after all decisions about it. Only what is new needs approval.
func decided(about []*Decision, edge, action, object string, first time.Time, state string) string {
	for _, d := range about {
		switch {
		case !d.covers(edge, action, object, first):
		case d.What == DecisionUnlearn:
			state = BaselineNew
		case state != BaselineNew:
		case d.What == DecisionApprove:
			state = BaselineApproved
		case d.What == DecisionLearn:
			state = BaselineKnown
		}
	}
	return state
}

// Novelty is something that does not belong to the baseline: an edge, an action over a known edge, or an object of a known
// action.
type Novelty struct {
	Time     time.Time `json:"time"` // when it was first seen
	Edge     string    `json:"edge"`
	What     string    `json:"what"` // edge, action, object
	Client   string    `json:"client_ip"`
	Server   string    `json:"server_ip"`
	Protocol string    `json:"protocol"`
	Port     uint16    `json:"port"`
	Action   string    `json:"action,omitempty"`
	Object   string    `json:"object,omitempty"`
	Count    uint64    `json:"count"` // packets of an edge, else exchanges
}

// News reports whether anything of an edge is new.
func (e *Edge) News() bool {
	return e.Baseline == BaselineNew || slices.ContainsFunc(e.Acts, func(a Act) bool { return a.Baseline == BaselineNew }) ||
		slices.ContainsFunc(e.Objects, func(o Object) bool { return o.Baseline == BaselineNew })
}

// News gives what is new, in the order of time. What belongs to something new is not listed apart.
func News(edges []Edge) []Novelty {
	news := []Novelty{}
	for k := range edges {
		e := &edges[k]
		n := Novelty{Edge: e.ID, Client: e.ClientIP, Server: e.ServerIP, Protocol: e.Protocol, Port: e.Port}
		if e.Baseline == BaselineNew {
			n.Time, n.What, n.Count = e.FirstSeen, "edge", e.Packets
			news = append(news, n)
			continue
		}
		fresh := make(map[string]bool)
		for _, a := range e.Acts {
			if a.Baseline == BaselineNew {
				fresh[a.Action] = true
				n.Time, n.What, n.Action, n.Count = a.FirstSeen, "action", a.Action, a.Count
				news = append(news, n)
			}
		}
		for _, o := range e.Objects {
			if o.Baseline == BaselineNew && !fresh[o.Action] {
				n.Time, n.What, n.Action, n.Object, n.Count = o.FirstSeen, "object", o.Action, o.Object, o.Count
				news = append(news, n)
			}
		}
	}
	slices.SortStableFunc(news, func(a, b Novelty) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Port, b.Port), cmp.Compare(a.Action, b.Action), cmp.Compare(a.Object, b.Object))
	})
	return news
}
