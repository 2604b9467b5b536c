package process

import (
	"math"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Config bounds a Process and sets its learning time. Zero values take the defaults.
type Config struct {
	// LearnUntil ends the learning time; zero: LearnFor after the first packet.
	LearnUntil time.Time
	// LearnFor is the length of the learning time where LearnUntil is not set; default 14 days.
	LearnFor time.Duration
	// MaxPerDevice bounds the variables of a device; default 4,096.
	MaxPerDevice int
	// MaxVariables bounds the variables of the site; default 500,000.
	MaxVariables int
	// MaxChanges bounds the remembered changes of all variables; default 400,000. A quarter is kept for what is written.
	MaxChanges int
	// MaxPairs bounds the pairs of neighbours that are examined for holding one number; default 32,768.
	MaxPairs int
	// MaxPolls bounds the polls that are recognised when they are answered again; default 32,768.
	MaxPolls int
	// MaxTexts bounds the variables whose values are texts or blocks of bytes; default 32,768.
	MaxTexts int
	// MaxWriters bounds the addresses remembered as writers; default 65,536.
	MaxWriters int
}

const (
	defaultLearnFor     = 14 * 24 * time.Hour
	defaultPerDevice    = 4_096
	defaultMaxVariables = 500_000
	defaultMaxChanges   = 400_000
	defaultMaxPairs     = 32_768
	defaultMaxPolls     = 32_768
	defaultMaxTexts     = 32_768
	defaultMaxWriters   = 65_536
)

// Unbounded is the Config of a Process that shows what others kept.
var Unbounded = Config{
	MaxPerDevice: math.MaxInt32, MaxVariables: math.MaxInt32, MaxChanges: math.MaxInt32, MaxTexts: math.MaxInt32, MaxWriters: math.MaxInt32,
}

// Stats counts what a Process holds, and what found no room.
type Stats struct {
	Devices, Variables int
	// LeftOut is how many variables found no room: at least so many, each counted once.
	LeftOut uint64
	// Evicted is how many variables gave way to one that was written.
	Evicted uint64
	// DroppedChanges counts changes that found no place in a history, DroppedTexts texts that were not kept, DroppedPairs
	// pairs of neighbours that were not examined, DroppedWriters writes whose writer was not kept.
	DroppedChanges, DroppedTexts, DroppedPairs, DroppedWriters uint64
	// Late counts observations that came after later ones of the same variable.
	Late uint64
	// Folded counts polls that were answered like the one before.
	Folded uint64
}

// Process is the process variables of one site.
type Process struct {
	config Config
	ids    func(protocols.Endpoint) string

	deviceAt map[protocols.Address]int32
	devices  []device
	names    names
	pageAt   map[key]int32 // of pages: index is the page's number
	pages    arena[page]
	singleAt map[key]int32 // variables that have no neighbours
	cells    arena[cell]
	blocks   arena[block]
	deeds    arena[deed]
	pairs    arena[pair]
	texts    map[int32]*text
	writers  writers
	polls    polls
	pending  pending
	left     bitmap

	scratch     []int32 // variables of the message at hand
	first, last time.Time
	learnUntil  int64 // Unix nanoseconds
	restored    int64 // learnUntil of an earlier run
	saves       uint64
	stats       Stats
}

// device is what has variables: the server of conversations.
type device struct {
	at       protocols.Endpoint // of the first conversation
	id       string             // as it was saved last
	head     int32              // the first of its cells
	elements int
	dirty    bool // has news since it was saved
	saved    uint64
	until    int64 // what earlier runs saw, Unix nanoseconds
}

// New makes an empty Process that names devices by ids; without ids they keep the names under which they were saved.
func New(c Config, ids func(protocols.Endpoint) string) *Process {
	for _, d := range []struct {
		field *int
		value int
	}{
		{&c.MaxPerDevice, defaultPerDevice}, {&c.MaxVariables, defaultMaxVariables}, {&c.MaxChanges, defaultMaxChanges},
		{&c.MaxPairs, defaultMaxPairs}, {&c.MaxPolls, defaultMaxPolls}, {&c.MaxTexts, defaultMaxTexts}, {&c.MaxWriters, defaultMaxWriters},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	if c.LearnFor <= 0 {
		c.LearnFor = defaultLearnFor
	}
	p := &Process{
		config: c, ids: ids, deviceAt: make(map[protocols.Address]int32), pageAt: make(map[key]int32),
		singleAt: make(map[key]int32), texts: make(map[int32]*text), names: newNames(), writers: newWriters(),
	}
	p.polls.at = make(map[pollKey]int32)
	p.settleLearning()
	return p
}

// Stats gives the present counters.
func (p *Process) Stats() Stats {
	s := p.stats
	s.Devices, s.Variables = len(p.devices), p.cells.n
	return s
}

// Clock tells that a packet of this time was seen. Learning time and staleness are measured by it.
func (p *Process) Clock(at time.Time) {
	if p.first.IsZero() || at.Before(p.first) {
		p.first = at
		p.settleLearning()
	}
	if at.After(p.last) {
		p.last = at
	}
}

func (p *Process) settleLearning() {
	switch {
	case !p.config.LearnUntil.IsZero():
		p.learnUntil = p.config.LearnUntil.UnixNano()
	case p.restored != 0:
		p.learnUntil = p.restored
	default:
		p.learnUntil = p.first.Add(p.config.LearnFor).UnixNano()
	}
}

// Event takes the values that a message carries. It keeps nothing of the event.
func (p *Process) Event(e *protocols.Event) {
	if e.Conv == nil {
		return
	}
	p.Clock(e.Time)
	p.expire(e.Time.UnixNano())
	carries := len(e.Values.Raw) > 0 && e.Values.Type != protocols.ValueNone
	switch {
	case e.Action.Alters() && e.From == protocols.Client:
		if carries {
			p.asked(e)
		}
	case e.Action.Alters():
		p.answered(e, carries)
	case carries && e.From == protocols.Server && e.Outcome != protocols.OutcomeRefused && observes[e.Action]:
		p.read(e)
	}
}

// observes are the actions by which a device tells process values.
var observes = [...]bool{protocols.ActionRead: true, protocols.ActionSubscribe: true, protocols.ActionControl: false}

// Finish takes writes that were never answered for what they are. The Process may go on afterwards.
func (p *Process) Finish() {
	for p.pending.n > 0 {
		p.unanswered(p.pending.oldest())
	}
}

// device gives the index of the device that serves a conversation; it makes one.
func (p *Process) device(at *protocols.Endpoint) int32 {
	a := at.Address()
	if i, ok := p.deviceAt[a]; ok {
		return i
	}
	i := int32(len(p.devices))
	p.deviceAt[a] = i
	p.devices = append(p.devices, device{at: *at})
	return i
}
