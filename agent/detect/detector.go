package detect

import (
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/graph"
	"github.com/spanwatch/spanwatch/agent/inventory"
	"github.com/spanwatch/spanwatch/protocols"
)

// Config says for which site a Detector works and whom it tells. Zero values take the defaults.
type Config struct {
	Site string
	// Files are the names of capture sources by [protocols.Event.Source]; they stand in evidence.
	Files []string
	// Emit is told of each alert that is new or has changed, with a complete copy. It is called from within the
	// Detector's methods.
	Emit func(Alert)
	// MaxPairs bounds the pairs of actor and target whose deeds are remembered; default 50,000. What nobody answered goes
	// before what met, that before what read, and so on; among equals the least recently used.
	MaxPairs int
	// MaxUnanswered bounds among these the pairs whose target never answered; default 8,192.
	MaxUnanswered int
	// MaxValues bounds the pages of 64 process values remembered for what a write replaced; default 32,768.
	MaxValues int
	// MaxAlerts bounds the alerts kept; default 10,000. Further ones are counted and not raised.
	MaxAlerts int
}

// Stats counts what a Detector holds and what it had to forget.
type Stats struct {
	Pairs, ValuePages, Alerts int
	EvictedPairs              uint64
	EvictedValuePages         uint64
	DroppedAlerts             uint64
	DroppedSignals            uint64
	DroppedObjects            uint64
}

const (
	defaultMaxPairs   = 50_000
	defaultUnanswered = 8_192
	defaultMaxAlerts  = 10_000
	maxPortsOT        = 256

	// Counts alone are not worth a message each: they go out in this rhythm of packet time.
	countRhythm = 10 * time.Second
	// What inventory learns of names and MACs meets the verdicts in this rhythm.
	resolveRhythm = time.Minute
)

// Detector keeps deeds and raises alerts.
type Detector struct {
	config    Config
	inventory *inventory.Inventory
	graph     *graph.Graph
	deeds     deeds
	recent    [2][256]recent // by who acts and conversation
	memory    memory
	book      *book
	suspects  map[protocols.Address]*suspect
	alerts    map[string]*raised
	signals   signals
	portsOT   map[service]bool
	portOT    service          // one of them, seen last
	dirty     map[pair]*record // of suspects with an alert: changed since last looked at
	waiting   map[pair]*record // of suspects without: the target may yet turn out to be an OT asset
	start     time.Time        // of the sensor's watch
	now       time.Time
	resolved  time.Time
	retried   time.Time
	stats     Stats
}

// service is where a protocol is served.
type service struct {
	transport protocols.Transport
	port      uint16
}

// suspect is an actor with the verdicts about it, and what is costly to find out about it.
type suspect struct {
	about   []*selector
	periods []period

	ahead      []ahead // what it can get at, the likely next targets first
	aheadAt    time.Time
	aheadKnown bool
	conduct    conduct
	conductDue int // the news of the actor at which that is looked at again
}

// raised is an alert as it was last emitted.
type raised struct {
	alert   Alert
	level   Level
	emitted time.Time
	record  *record
}

// New makes a Detector over the given inventory and graph, which it reads and whose state of compromise it sets.
func New(c Config, i *inventory.Inventory, g *graph.Graph) *Detector {
	if c.MaxPairs <= 0 {
		c.MaxPairs = defaultMaxPairs
	}
	if c.MaxUnanswered <= 0 {
		c.MaxUnanswered = defaultUnanswered
	}
	if c.MaxValues <= 0 {
		c.MaxValues = maxPages
	}
	if c.MaxAlerts <= 0 {
		c.MaxAlerts = defaultMaxAlerts
	}
	if c.Emit == nil {
		c.Emit = func(Alert) {}
	}
	return &Detector{
		config: c, inventory: i, graph: g,
		deeds: deeds{
			records: make(map[pair]*record), actors: make(map[protocols.Address]*actor), limit: c.MaxPairs, silent: c.MaxUnanswered,
		},
		memory:   memory{pages: make(map[pageKey]*page), limit: c.MaxValues},
		book:     newBook(nil, c.Site),
		suspects: make(map[protocols.Address]*suspect),
		alerts:   make(map[string]*raised),
		portsOT:  make(map[service]bool),
		signals:  make(signals),
		dirty:    make(map[pair]*record),
		waiting:  make(map[pair]*record),
	}
}

// Stats gives the present counters.
func (d *Detector) Stats() Stats {
	s := d.stats
	s.Pairs, s.ValuePages, s.Alerts = len(d.deeds.records), len(d.memory.pages), len(d.alerts)
	s.EvictedPairs, s.EvictedValuePages = d.deeds.evicted, d.memory.evicted
	return s
}

// SetVerdicts replaces all verdicts. Deeds that were done before count for them too.
func (d *Detector) SetVerdicts(verdicts []Verdict) {
	d.book = newBook(verdicts, d.config.Site)
	d.resolve()
	d.markCompromised()
}

// Flow takes in a contact.
func (d *Detector) Flow(f *protocols.Flow) {
	if f.Conv == nil || toMany(f.Conv) {
		return
	}
	d.clock(f.Last)
	if d.start.IsZero() || f.First.Before(d.start) {
		d.start = f.First
	}
	r := d.record(f.Conv.Client, f.Conv.Server, f.First)
	if r.fresh() && d.begins(f) {
		r.began = f.First
	}
	r.met(f)
	d.deeds.used(r)
	d.look(r, f.Opened > 0 && len(r.contact.earned) == 1, LevelContact, f.Last)
}

// Event takes in a deed.
func (d *Detector) Event(e *protocols.Event) {
	if e.Conv == nil || toMany(e.Conv) {
		return
	}
	_, _, last := e.Span()
	d.clock(last)
	if int(e.Action) >= actionCount || e.Action == protocols.ActionNone {
		return
	}
	r := d.between(e.Conv, protocols.Client, e.Time)
	before, after := d.memory.event(r.target, e)
	news := r.did(e, before, after)
	d.deeds.used(r)
	if news {
		r.kin.news++
	}
	d.look(r, news, meanings[e.Action].level, last)
	if meanings[e.Action].level < LevelRead {
		return
	}
	if !e.Ordinary {
		d.serves(service{e.Conv.Transport, e.Conv.Server.Port})
	}
	// Who answers is in contact too: a compromised controller feeds those that ask it.
	served := d.between(e.Conv, protocols.Server, e.Time)
	news = served.answered(e)
	d.deeds.used(served)
	d.look(served, news, LevelContact, last)
}

// serves notes where OT is served.
func (d *Detector) serves(s service) {
	if s == d.portOT || s.port == 0 {
		return
	}
	if len(d.portsOT) < maxPortsOT {
		d.portsOT[s] = true
	}
	if d.portsOT[s] {
		d.portOT = s
	}
}

// recent is a record that was asked for not long ago, as long as none was forgotten since.
type recent struct {
	conv    *protocols.Conversation
	record  *record
	evicted uint64
}

// between gives the record of what one end of a conversation did to the other, creating it.
func (d *Detector) between(c *protocols.Conversation, actor protocols.Side, at time.Time) *record {
	m := &d.recent[actor][c.ID%uint64(len(d.recent[actor]))]
	if m.conv == c && m.evicted == d.deeds.evicted {
		return m.record
	}
	from, to := c.Client, c.Server
	if actor == protocols.Server {
		from, to = to, from
	}
	r := d.record(from, to, at)
	*m = recent{conv: c, record: r, evicted: d.deeds.evicted}
	return r
}

// record gives the record of a pair, creating it.
func (d *Detector) record(from, to protocols.Endpoint, at time.Time) *record {
	r, gone := d.deeds.record(from, to, at)
	if gone != nil && d.waiting[gone.pair] == gone {
		delete(d.waiting, gone.pair)
	}
	return r
}

// toMany reports whether a conversation is addressed to a group rather than to a host. Over TCP there is none, whatever
// the MAC in a rewritten capture says.
func toMany(c *protocols.Conversation) bool {
	return c.Server.Addr.IsMulticast() || c.Server.MAC.IsGroup() && c.Transport != protocols.TransportTCP
}

func (d *Detector) clock(t time.Time) {
	if t.After(d.now) {
		d.now = t
	}
}

// look judges a record at once when a suspect did something new, and notes it for later when only counts changed.
func (d *Detector) look(r *record, news bool, level Level, at time.Time) {
	if d.book.empty() || !covered(d.suspect(r.actorAt).periods, at, at) {
		return
	}
	a := d.alerts[d.alertID(impact, r)]
	switch {
	case news || level > LevelContact && (a == nil || level > a.level):
		d.judge(r)
	case a == nil:
		d.waiting[r.pair] = r
	default:
		d.dirty[r.pair] = r
	}
}

// Advance tells that packet time has come to now: alerts of which only the count changed are emitted.
func (d *Detector) Advance(now time.Time) {
	d.clock(now)
	if d.book.learns() && d.now.Sub(d.resolved) >= resolveRhythm {
		d.resolve()
		return
	}
	for _, p := range sortedPairs(d.dirty) {
		r := d.dirty[p]
		if d.now.Sub(d.alerts[d.alertID(impact, r)].emitted) >= countRhythm {
			delete(d.dirty, p)
			d.judge(r)
		}
	}
	if d.now.Sub(d.retried) < countRhythm {
		return
	}
	d.retried = d.now
	for _, p := range sortedPairs(d.waiting) {
		r := d.waiting[p]
		delete(d.waiting, p)
		if d.deeds.records[p] == r {
			d.judge(r)
		}
	}
}

// Finish judges everything once more with all that is known, as at the end of a capture.
func (d *Detector) Finish() {
	d.resolve()
	d.markCompromised()
}

// resolve matches all verdicts anew and judges every record of a suspect.
func (d *Detector) resolve() {
	d.resolved = d.now
	clear(d.suspects)
	clear(d.dirty)
	clear(d.waiting)
	if d.book.empty() && len(d.alerts) == 0 {
		return
	}
	for _, p := range sortedPairs(d.deeds.records) {
		r := d.deeds.records[p]
		if len(d.suspect(r.actorAt).periods) > 0 || d.alerts[d.alertID(impact, r)] != nil {
			d.judge(r)
		}
	}
}

func sortedPairs(m map[pair]*record) []pair {
	pairs := make([]pair, 0, len(m))
	for p := range m {
		pairs = append(pairs, p)
	}
	slices.SortFunc(pairs, pair.compare)
	return pairs
}

// suspect gives what verdicts say of an actor.
func (d *Detector) suspect(at protocols.Endpoint) *suspect {
	a := at.Address()
	if s := d.suspects[a]; s != nil {
		return s
	}
	if len(d.suspects) >= d.config.MaxPairs {
		clear(d.suspects)
	}
	s := &suspect{about: d.book.about(d.identify(at))}
	s.periods = periods(s.about)
	d.suspects[a] = s
	if len(s.about) > 0 {
		if v := d.device(at); v.ID != "" {
			d.inventory.SetCompromise(v.ID, compromiseAt(s.about, d.now, v.FirstSeen))
		}
	}
	return s
}

func (d *Detector) identify(at protocols.Endpoint) identity {
	var who identity
	if d.book.learns() {
		who.device, who.macs, who.names = d.inventory.Identity(at)
	}
	if at.Addr.IsValid() {
		who.addrs = []netip.Addr{at.Addr}
	} else {
		who.macs = []string{at.MAC.String()}
	}
	return who
}

// markCompromised writes what verdicts say now into the inventory.
func (d *Detector) markCompromised() {
	for _, v := range d.inventory.Devices() {
		who := identity{macs: v.MACs, names: v.Names, device: v.ID}
		for _, ip := range v.IPs {
			if a, err := netip.ParseAddr(ip); err == nil {
				who.addrs = append(who.addrs, a)
			}
		}
		about := d.book.about(who)
		if len(about) == 0 && v.Compromise.State == "none" {
			continue
		}
		d.inventory.SetCompromise(v.ID, compromiseAt(about, d.now, v.FirstSeen))
	}
}

// Alerts gives all alerts as they were last emitted, sorted by time and id.
func (d *Detector) Alerts() []Alert {
	all := make([]Alert, 0, len(d.alerts))
	for _, r := range d.alerts {
		all = append(all, r.alert.clone())
	}
	slices.SortFunc(all, compareAlerts)
	return all
}

// raise emits an alert when it says something that its last emission did not.
func (d *Detector) raise(a Alert, level Level, r *record) {
	old := d.alerts[a.ID]
	if old == nil {
		old = &raised{record: r}
		d.alerts[a.ID] = old
	}
	a.Revision = old.alert.Revision
	if reflect.DeepEqual(a, old.alert) {
		return
	}
	a.Revision++
	old.alert, old.level, old.emitted = a, level, d.now
	d.config.Emit(a.clone())
}

// file names the capture of a source; empty where there is only one.
func (d *Detector) file(source uint16) string {
	if int(source) < len(d.config.Files) {
		return d.config.Files[source]
	}
	return ""
}
