package graph

import (
	"math"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Config bounds a Graph and sets its learning time. Zero values take the defaults.
type Config struct {
	// LearnUntil ends the learning time; zero: LearnFor after the first packet.
	LearnUntil time.Time
	// Begun is when learning began; zero: with the first packet.
	Begun time.Time
	// LearnFor is the length of the learning time where LearnUntil is not set; default 14 days.
	LearnFor time.Duration
	// MaxEdges bounds the edges by address; default 131,072. Those over which nobody answered go first, then those over
	// which nothing was understood, then those over which nothing was altered; among equals the least recently used.
	MaxEdges int
	// MaxUnanswered bounds among these the edges over which nobody answered, which is what a scan leaves behind; default
	// 8,192.
	MaxUnanswered int
	// MaxObjects bounds the objects kept of an edge; default 64. Altered objects are kept before others.
	MaxObjects int
	// MaxTimed bounds the requests whose pace is measured, over all edges; default 65,536, which take 10 MB.
	MaxTimed int
	// MaxGuesses bounds the conversations held apart because their direction is a guess; default 8,192.
	MaxGuesses int
}

// Stats counts what a Graph holds and what it had to forget.
type Stats struct {
	Edges, Guesses int
	EvictedEdges   uint64
	SettledGuesses uint64 // guesses that became edges for want of room
	DroppedObjects uint64
}

const (
	defaultLearnFor   = 14 * 24 * time.Hour
	defaultMaxEdges   = 131_072
	defaultUnanswered = 8_192
	defaultMaxObjects = 64
	defaultMaxGuesses = 8_192
	defaultMaxTimed   = 65_536
)

// The states of an edge towards the baseline.
const (
	BaselineLearning = "learning"
	BaselineKnown    = "known"
	BaselineNew      = "new"
	BaselineApproved = "approved"
)

// spot tells edges by address apart.
type spot struct {
	from, to  *node
	transport protocols.Transport
	port      uint16
	label     label // none while no protocol was recognised
}

// label is the number of a protocol's label.
type label uint16

// labels gives numbers to the labels of protocols, which are few. None has the number 0.
type labels struct {
	at   map[string]label
	text []string
}

func (l *labels) number(text string) label {
	if n, known := l.at[text]; known {
		return n
	}
	if len(l.text) > math.MaxUint16 {
		return 0
	}
	n := label(len(l.text))
	l.at[text] = n
	l.text = append(l.text, text)
	return n
}

// Graph is the edges of one site.
type Graph struct {
	config  Config
	ids     func(protocols.Endpoint) string
	edges   map[spot]*edge
	labels  labels
	guesses map[uint64]*guess
	order   []uint64 // ids of the guesses, oldest first
	first   time.Time
	last    time.Time
	total   protocols.Coverage
	packets uint64
	bytes   uint64
	stats   Stats
	timed   int                         // requests whose pace is measured
	nodes   map[protocols.Address]*node // the ends of the edges
	queues  [worths]queue               // the edges by worth, each in the order of last use
}

// New makes an empty Graph that names devices by ids.
func New(c Config, ids func(protocols.Endpoint) string) *Graph {
	if c.LearnFor <= 0 {
		c.LearnFor = defaultLearnFor
	}
	if c.MaxEdges <= 0 {
		c.MaxEdges = defaultMaxEdges
	}
	if c.MaxUnanswered <= 0 {
		c.MaxUnanswered = defaultUnanswered
	}
	if c.MaxObjects <= 0 {
		c.MaxObjects = defaultMaxObjects
	}
	if c.MaxTimed <= 0 {
		c.MaxTimed = defaultMaxTimed
	}
	if c.MaxGuesses <= 0 {
		c.MaxGuesses = defaultMaxGuesses
	}
	return &Graph{
		config: c, ids: ids, edges: make(map[spot]*edge), guesses: make(map[uint64]*guess), nodes: make(map[protocols.Address]*node),
		labels: labels{at: map[string]label{"": 0}, text: []string{""}},
	}
}

// Stats gives the present counters.
func (g *Graph) Stats() Stats {
	s := g.stats
	s.Edges, s.Guesses = len(g.edges), len(g.guesses)
	return s
}

// Flow adds what passed in a conversation since it was last reported.
func (g *Graph) Flow(f *protocols.Flow) {
	if f.Conv == nil {
		return
	}
	g.clock(f.First, f.Last)
	g.total.Add(f.Coverage)
	g.packets += f.Packets[0] + f.Packets[1]
	g.bytes += f.Bytes[0] + f.Bytes[1]
	if !f.Conv.Proven && f.Protocol == "" {
		g.guess(f)
		return
	}
	e := g.edge(f.Conv, f.Protocol, f.First)
	e.addFlow(f)
	if held := g.guesses[f.Conv.ID]; held != nil {
		delete(g.guesses, f.Conv.ID)
		e.add(&held.sums)
	}
	g.used(e)
}

// Event adds a deed.
func (g *Graph) Event(ev *protocols.Event) {
	if ev.Conv == nil {
		return
	}
	_, first, last := ev.Span()
	g.clock(first, last)
	if ev.Carrier {
		return // the edge is that of the protocol carried
	}
	e := g.edge(ev.Conv, ev.Protocol, first)
	e.widen(first, last)
	if held := g.guesses[ev.Conv.ID]; held != nil && ev.Conv.Proven {
		delete(g.guesses, ev.Conv.ID)
		e.add(&held.sums)
	}
	g.stats.DroppedObjects += e.deed(ev, g.config.MaxObjects)
	if e.did != nil {
		g.timed += e.did.pace(ev, g.config.MaxTimed-g.timed)
	}
	g.used(e)
}

func (g *Graph) clock(first, last time.Time) {
	if g.first.IsZero() || first.Before(g.first) {
		g.first = first
	}
	if last.After(g.last) {
		g.last = last
	}
}

// Begun gives when learning began: with the first packet, also of an earlier run; zero before that.
func (g *Graph) Begun() time.Time {
	if b := g.config.Begun; !b.IsZero() && (g.first.IsZero() || b.Before(g.first)) {
		return b
	}
	return g.first
}

// learnUntil is the end of the learning time.
func (g *Graph) learnUntil() time.Time {
	if !g.config.LearnUntil.IsZero() {
		return g.config.LearnUntil
	}
	return g.Begun().Add(g.config.LearnFor)
}

// guess is a conversation whose direction and protocol are not known yet.
type guess struct {
	conv *protocols.Conversation
	sums sums
}

// guess holds a conversation apart until content tells who asks whom. Without room the oldest is taken at its word.
func (g *Graph) guess(f *protocols.Flow) {
	held := g.guesses[f.Conv.ID]
	if held == nil {
		if len(g.order) >= g.config.MaxGuesses {
			g.settleOldest()
		}
		held = &guess{conv: f.Conv, sums: sums{first: f.First, last: f.Last}}
		g.guesses[f.Conv.ID] = held
		g.order = append(g.order, f.Conv.ID)
	}
	held.sums.addFlow(f)
}

func (g *Graph) settleOldest() {
	half := len(g.order)/2 + 1
	for _, id := range g.order[:half] {
		held := g.guesses[id]
		if held == nil {
			continue
		}
		delete(g.guesses, id)
		e := g.edge(held.conv, "", held.sums.first)
		e.add(&held.sums)
		g.used(e)
		g.stats.SettledGuesses++
	}
	g.order = slices.Delete(g.order, 0, half)
}
