package inventory

import (
	"fmt"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// behaviour is what a host did in OT conversations, on either side.
type behaviour struct {
	served  [16]uint64 // answers (and, over TCP, requests accepted) by action
	nodes   uint64     // of these, about nodes of an address space
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
	servers                        []protocols.Endpoint // without ports, at most maxSet
	first, last                    time.Time
	minutes                        uint64 // distinct minutes with requests
	minute                         int64  // the latest of them
}

const (
	// The areas of objects in an address space.
	areaNode   = "node"
	areaMethod = "method"

	maxUnits = 32 // more answering units than a serial line can load: a server that ignores the unit

	// A client that stays is part of the plant; one that comes by is not, whatever it asks for.
	stayMinutes = 10
	pollReads   = 50
	pollSpan    = time.Minute
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
	if e.Action <= protocols.ActionConnect || int(e.Action) >= len(b.served) {
		known := e.Protocol != "" && e.Protocol != e.Conv.Transport.String()
		if e.From == protocols.Server && known && (e.Security.Encrypted || e.Outcome == protocols.OutcomeDone) {
			b.accepts = true
			b.span(e.Time)
		}
		return
	}
	b.served[e.Action]++
	b.span(e.Time)
	if e.Action == protocols.ActionControl && e.Object.Area != areaMethod {
		b.modes++
	}
	if e.Object.Area == areaNode || e.Object.Area == areaMethod {
		b.nodes++
	} else if e.Object != (protocols.Object{}) && e.Action != protocols.ActionIdentify && e.Action != protocols.ActionLogin {
		b.others++ // an endpoint's description or a user is neither a node nor a register
	}
	if e.From == protocols.Server && e.Outcome == protocols.OutcomeDone && e.Object.HasUnit && isUnit(e.Object.Unit) {
		b.units.set(uint8(e.Object.Unit))
	}
}

func (b *behaviour) span(at time.Time) {
	if b.first.IsZero() || at.Before(b.first) {
		b.first = at
	}
	if at.After(b.last) {
		b.last = at
	}
}

// isUnit reports whether a unit identifier addresses a device behind a gateway rather than the device itself:
// 0 and 255 do not (MODBUS Messaging on TCP/IP V1.0b §4.4.2.4), nor does what a serial line cannot address.
func isUnit(u uint16) bool { return u >= 1 && u <= 247 }

func (a *asking) note(e *protocols.Event) {
	a.total++
	switch {
	case e.Action == protocols.ActionRead, e.Action == protocols.ActionSubscribe:
		a.reads++
	case e.Action.Alters():
		a.alters++
	}
	switch e.Action {
	case protocols.ActionUpload, protocols.ActionDownload, protocols.ActionFirmware, protocols.ActionControl:
		a.programs++
	}
	a.asks(e.Conv.Server)
	if a.first.IsZero() || e.Time.Before(a.first) {
		a.first = e.Time
	}
	if e.Time.After(a.last) {
		a.last = e.Time
	}
	if m := e.Time.Unix() / 60; a.minutes == 0 || m > a.minute {
		a.minute = m
		a.minutes++
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
	b.others += o.others
	b.accepts = b.accepts || o.accepts
	b.modes += o.modes
	if !o.first.IsZero() {
		b.span(o.first)
		b.span(o.last)
	}
	b.asked.merge(o.asked)
}

// stays reports whether the client is more than a passer-by: it came back over many minutes, or it polls.
func (a *asking) stays() bool {
	return a.minutes >= stayMinutes || a.polls()
}

// polls reports whether the client reads over and over, and more than it changes.
func (a *asking) polls() bool {
	return a.reads >= pollReads && a.reads >= 2*a.alters && a.last.Sub(a.first) >= pollSpan
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

// claim is a device type with the reason for it and how sure it is.
type claim struct {
	kind        string
	confidence  uint8
	reason      string
	first, last time.Time
}

// claims gives the types that a device's behaviour suggests.
func (d *gathered) claims() []claim {
	var all []claim
	add := func(kind string, confidence uint8, first, last time.Time, format string, args ...any) {
		all = append(all, claim{kind, confidence, fmt.Sprintf(format, args...), first, last})
	}
	b, a := &d.did, &d.did.asked
	if d.routes {
		add(TypeNetwork, 95, d.first, d.last, "its MAC carries addresses of other networks")
	}
	if n := len(d.units); n > 0 {
		add(TypeGateway, 85, b.first, b.last, "%d units answer behind its address", n)
	}
	switch {
	case !b.serves():
	case b.programmable():
		add(TypePLC, 65, b.first, b.last, "takes programs or changes of operating mode")
	case b.nodes > 0 && b.others == 0:
		add(TypeSCADAServer, 50, b.first, b.last, "serves the nodes of an address space")
	case b.alters() > 0:
		add(TypePLC, 60, b.first, b.last, "accepts commands")
	case b.served[protocols.ActionRead] > 0:
		add(TypePLC, 55, b.first, b.last, "answers reads of process values")
	default:
		add(TypePLC, 40, b.first, b.last, "serves an OT protocol")
	}
	if a.stays() {
		switch {
		case a.programs > 0:
			add(TypeEngineering, 58, a.first, a.last, "transfers programs or changes operating modes, and keeps doing so")
		case a.polls() && (len(a.servers) >= 5 || b.serves() && b.others == 0):
			add(TypeSCADAServer, 62, a.first, a.last, "polls %d devices", len(a.servers))
		case a.polls():
			add(TypeHMI, 52, a.first, a.last, "polls %d devices", len(a.servers))
		}
	}
	switch {
	case d.only(hasNoIP):
	case len(d.answered) > 0 && !d.calls && a.total == 0:
		add(TypeServer, 20, d.first, d.last, "answers on port %d", d.answered[0])
	default:
		add(TypeWorkstation, 15, d.first, d.last, "a host that serves no OT")
	}
	return all
}

func (b *behaviour) alters() (n uint64) {
	for a, count := range b.served {
		if protocols.Action(a).Alters() {
			n += count
		}
	}
	return n
}

// programmable reports whether the host serves what only controllers do.
func (b *behaviour) programmable() bool {
	return b.served[protocols.ActionDownload]+b.served[protocols.ActionFirmware]+b.modes > 0
}

func hasNoIP(h *host) bool { return !h.addr.IsValid() }
