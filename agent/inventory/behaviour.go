package inventory

import (
	"cmp"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/agent/cadence"
	"github.com/spanwatch/spanwatch/protocols"
)

// behaviour is what a host did in OT conversations, on either side.
type behaviour struct {
	served  [16]uint64 // answers (and, over TCP, requests accepted) by action
	nodes   uint64     // of these, about nodes of an address space
	inputs  uint64     // of these, about what can only be read
	others  uint64     // of these, about anything else
	accepts bool       // answered a recognised protocol with encrypted messages, or accepted its connections
	modes   uint64     // commands to its operating mode
	units   bitset     // units that answered
	first   time.Time  // of serving
	last    time.Time
	asked   asking
}

// asking is the client side of a behaviour.
type asking struct {
	total, reads, alters, programs uint64
	nodes, others                  uint64               // of the reads and changes, as in behaviour
	servers                        []protocols.Endpoint // without ports, at most maxSet
	first, last                    time.Time
	minutes                        uint64 // distinct minutes with requests
	minute                         int64  // the latest of them
	rounds                         cadence.Beats[poll]
}

// poll is what a client may ask again and again.
type poll struct {
	server protocols.Address
	object protocols.Object
}

func comparePolls(a, b poll) int {
	return cmp.Or(a.server.Compare(b.server), a.object.Compare(b.object))
}

const (
	// The areas of objects in an address space.
	areaNode   = "node"
	areaMethod = "method"

	// The areas of objects that nobody can write: what a device measures.
	areaInputRegister = "input-register"
	areaDiscreteInput = "discrete-input"

	maxUnits = 32 // more answering units than a serial line can load: a server that ignores the unit

	// A client that stays is part of the plant; one that comes by is not, whatever it asks for.
	stayMinutes = 10
	pollReads   = 50
	pollSpan    = time.Minute
	roundSpan   = 5 * time.Second // a steady pace for so long shows a poll, too
)

// serves reports whether the host serves OT.
func (b *behaviour) serves() bool {
	if b.accepts {
		return true
	}
	for a := protocols.ActionAlarm; int(a) < len(b.served); a++ {
		if b.served[a] > 0 {
			return true
		}
	}
	return false
}

// behaviour notes who served and who asked.
func (i *Inventory) behaviour(e *protocols.Event, ends [2]*host) {
	if server := ends[protocols.Server]; server != nil {
		before := server.did.serves()
		server.did.serve(e)
		if !before && server.did.serves() {
			i.publish(server.addr)
		}
	}
	if client := ends[protocols.Client]; client != nil && e.From == protocols.Client && e.Action > protocols.ActionAlarm {
		client.did.asked.note(e)
	}
}

func (b *behaviour) serve(e *protocols.Event) {
	if e.From == protocols.Client && e.Conv.Transport != protocols.TransportTCP {
		return
	}
	n, first, last := e.Span()
	if e.Action <= protocols.ActionConnect || int(e.Action) >= len(b.served) {
		known := e.Protocol != "" && e.Protocol != e.Conv.Transport.String()
		if e.From == protocols.Server && known && (e.Encrypted() || e.Outcome == protocols.OutcomeDone) {
			b.accepts = true
			b.span(first, last)
		}
		return
	}
	b.served[e.Action] += n
	b.span(first, last)
	if e.Action == protocols.ActionControl && e.Object.Area != areaMethod {
		b.modes += n
	}
	if isNode(&e.Object) {
		b.nodes += n
	} else if e.Object != (protocols.Object{}) && e.Action != protocols.ActionIdentify && e.Action != protocols.ActionLogin {
		b.others += n // an endpoint's description or a user is neither a node nor a register
		if e.Object.Area == areaInputRegister || e.Object.Area == areaDiscreteInput {
			b.inputs += n
		}
	}
	if e.From == protocols.Server && e.Outcome == protocols.OutcomeDone && e.Object.HasUnit && isUnit(e.Object.Unit) {
		b.units.set(uint8(e.Object.Unit))
	}
}

func isNode(o *protocols.Object) bool { return o.Area == areaNode || o.Area == areaMethod }

func (b *behaviour) span(first, last time.Time) {
	if b.first.IsZero() || first.Before(b.first) {
		b.first = first
	}
	if last.After(b.last) {
		b.last = last
	}
}

// isUnit reports whether a unit identifier addresses a device behind a gateway rather than the device itself:
// 0 and 255 do not (MODBUS Messaging on TCP/IP V1.0b §4.4.2.4), nor does what a serial line cannot address.
func isUnit(u uint16) bool { return u >= 1 && u <= 247 }

func (a *asking) note(e *protocols.Event) {
	n, first, last := e.Span()
	a.total += n
	switch {
	case e.Action == protocols.ActionRead, e.Action == protocols.ActionSubscribe:
		a.reads += n
		a.touches(&e.Object)
		for at := range e.Moments {
			a.rounds.Add(poll{e.Conv.Server.Address(), e.Object}, at, comparePolls, true)
		}
	case e.Action.Alters():
		a.alters += n
		a.touches(&e.Object)
	}
	switch e.Action {
	case protocols.ActionUpload, protocols.ActionDownload, protocols.ActionFirmware, protocols.ActionControl:
		a.programs += n
	}
	a.asks(e.Conv.Server)
	if a.first.IsZero() || first.Before(a.first) {
		a.first = first
	}
	if last.After(a.last) {
		a.last = last
	}
	a.within(first.Unix() / 60)
	a.within(last.Unix() / 60)
}

// within notes a minute with requests.
func (a *asking) within(minute int64) {
	if a.minutes == 0 || minute > a.minute {
		a.minute = minute
		a.minutes++
	}
}

func (a *asking) touches(o *protocols.Object) {
	switch {
	case isNode(o):
		a.nodes++
	case *o != (protocols.Object{}):
		a.others++
	}
}

// asks notes whom the client asked: by address, or by MAC where there is none.
func (a *asking) asks(s protocols.Endpoint) {
	s.Port = 0
	if s.Addr.IsValid() {
		s.MAC = protocols.MAC{}
	}
	if len(a.servers) < maxSet && !slices.Contains(a.servers, s) {
		a.servers = append(a.servers, s)
	}
}

func (a *asking) merge(o asking) {
	if o.total == 0 {
		return
	}
	if a.total == 0 || o.first.Before(a.first) {
		a.first = o.first
	}
	if o.last.After(a.last) {
		a.last = o.last
	}
	a.total += o.total
	a.reads += o.reads
	a.alters += o.alters
	a.programs += o.programs
	a.nodes += o.nodes
	a.others += o.others
	a.rounds.Merge(&o.rounds, comparePolls)
	a.minutes = max(a.minutes, o.minutes)
	a.servers = slices.Clone(a.servers)
	for _, s := range o.servers {
		a.asks(s)
	}
}

func (b *behaviour) merge(o behaviour) {
	for k := range b.served {
		b.served[k] += o.served[k]
	}
	b.nodes += o.nodes
	b.inputs += o.inputs
	b.others += o.others
	b.accepts = b.accepts || o.accepts
	b.modes += o.modes
	if !o.first.IsZero() {
		b.span(o.first, o.last)
	}
	b.asked.merge(o.asked)
}

// stays reports whether the client is more than a passer-by: it came back over many minutes, or it polls.
func (a *asking) stays() bool {
	return a.minutes >= stayMinutes || a.polls()
}

// polls reports whether the client reads over and over, and more than it changes.
func (a *asking) polls() bool {
	if a.reads < 2*a.alters {
		return false
	}
	if a.reads >= pollReads && a.last.Sub(a.first) >= pollSpan {
		return true
	}
	_, _, steady := a.rounds.Measure()
	return steady && a.last.Sub(a.first) >= roundSpan
}

// units gives the units that are devices of their own: several, and no more than a serial line can load.
func (b *bitset) devices() []uint16 {
	var all []uint16
	for u := uint16(1); u <= 247; u++ {
		if b.has(uint8(u)) {
			all = append(all, u)
		}
	}
	if len(all) < 2 || len(all) > maxUnits {
		return nil
	}
	return all
}
