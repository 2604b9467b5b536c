package inventory

import (
	"fmt"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// claim is a device type with the reason for it and how sure it is.
type claim struct {
	kind        string
	confidence  uint8
	reason      string // as the source of a fact
	first, last time.Time
}

// claims gives the types that a device's behaviour suggests.
func (d *gathered) claims() []claim {
	var all []claim
	add := func(kind string, confidence uint8, first, last time.Time, format string, args ...any) {
		all = append(all, claim{kind, confidence, "behaviour: " + fmt.Sprintf(format, args...), first, last})
	}
	if d.routes {
		add(TypeNetwork, 95, d.first, d.last, "its MAC carries addresses of other networks")
	}
	if d.holds {
		add(TypeNetwork, 60, d.first, d.last, "holds a MAC that routers share")
	}
	d.serving(add)
	d.asking(add)
	switch {
	case d.only(hasNoIP):
	case len(d.answered) > 0 && !d.calls && d.did.asked.total == 0:
		add(TypeServer, 20, d.first, d.last, "answers on port %d", d.answered[0])
	default:
		add(TypeWorkstation, 15, d.first, d.last, "a host that serves no OT")
	}
	return all
}

type adder func(kind string, confidence uint8, first, last time.Time, format string, args ...any)

// serving gives what follows from the questions that a device answers.
func (d *gathered) serving(add adder) {
	b := &d.did
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
	case b.inputs > 0 && b.inputs == b.others:
		add(TypeIO, 57, b.first, b.last, "is asked for inputs only, which nobody can write")
	case b.served[protocols.ActionRead] > 0:
		add(TypePLC, 55, b.first, b.last, "answers reads of process values")
	default:
		add(TypePLC, 40, b.first, b.last, "serves an OT protocol")
	}
}

// asking gives what follows from the questions that a device asks.
func (d *gathered) asking(add adder) {
	b, a := &d.did, &d.did.asked
	switch polls := a.polls(); {
	case a.stays() && a.programs > 0:
		add(TypeEngineering, 58, a.first, a.last, "transfers programs or changes operating modes, and keeps doing so")
	case polls && (len(a.servers) >= 5 || b.serves() && b.others == 0):
		add(TypeSCADAServer, 62, a.first, a.last, "polls %d devices", len(a.servers))
	case polls && a.alters == 0 && a.nodes > 0 && a.others == 0:
		add(TypeHistorian, 54, a.first, a.last, "collects the values of %d servers, and changes nothing", len(a.servers))
	case polls && a.alters == 0 && d.errands:
		add(TypeHistorian, 53, a.first, a.last, "polls %d devices, changes nothing, and deals with hosts outside OT", len(a.servers))
	case polls:
		add(TypeHMI, 52, a.first, a.last, "polls %d devices", len(a.servers))
	}
}

// sweepAt is how many hosts must leave a caller without an answer to show that he does not know whom he calls.
const sweepAt = 5

// dedicated reports whether a device's own conversations are with OT alone, with devices that it knows, and leave
// everything as it is: then it need not stay for the role that it claims to be believed. Who looks for devices, changes
// something, or is also used for other work, must: what an intruder does makes him no part of the plant.
func (d *gathered) dedicated() bool {
	a := &d.did.asked
	return a.total > 0 && a.alters+a.programs == 0 && !d.errands && len(d.missed) < sweepAt
}

// misses notes that a host called somebody who did not answer.
func (h *host) misses(server protocols.Endpoint) {
	if len(h.missed) >= sweepAt {
		return
	}
	sum := uint32(2166136261) // FNV-1a
	for _, b := range server.Addr.As16() {
		sum = (sum ^ uint32(b)) * 16777619
	}
	h.missed.add(sum)
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

// claims gives the types that a device's identity suggests.
func (c collected) claims() (all []claim) {
	for _, f := range c {
		if f.module != "" {
			continue
		}
		from := ""
		switch f.key {
		case protocols.FactModel, protocols.FactOrderNumber:
			from = productType(f.value)
		case protocols.FactVendor:
			if f.source == sourceMAC {
				from = makerType(f.value)
			}
		}
		if from == "" {
			continue
		}
		x := claim{kind: from, confidence: byProduct, reason: "identity: " + f.value + " is a product of that kind", first: f.first, last: f.last}
		if f.key == protocols.FactVendor {
			x.confidence, x.reason = byMaker, "MAC address: "+f.value+" makes devices of that kind"
		}
		all = append(all, x)
	}
	return all
}

const (
	byProduct = 75
	byMaker   = 30
)

// products are product lines with the type of their devices, by how a model or order number begins, without spaces. The first
// that fits counts. Only lines are listed that cannot be mistaken for something else.
var products = []struct{ begins, kind string }{
	{"Triconex", TypeSafety}, {"1756-L8SP", TypeSafety},
	{"PowerLogic", TypeIO}, {"METSE", TypeIO}, {"SENTRONPAC", TypeIO}, {"ET200", TypeIO},
	{"1734-", TypeIO}, {"1794-", TypeIO}, {"750-3", TypeIO},
	{"6ES721", TypePLC}, {"6ES731", TypePLC}, {"6ES741", TypePLC}, {"6ES751", TypePLC}, {"SIMATICS7", TypePLC},
	{"CPU3", TypePLC}, {"CPU4", TypePLC}, {"CPU12", TypePLC}, {"CPU15", TypePLC}, {"ModiconM", TypePLC}, {"BMXP", TypePLC},
	{"BMEP", TypePLC}, {"TM221", TypePLC}, {"TM241", TypePLC}, {"TM251", TypePLC}, {"WAGO750-8", TypePLC}, {"750-8", TypePLC},
	{"1756-L", TypePLC}, {"1769-L", TypePLC}, {"1766-L", TypePLC},
	{"SINAMICS", TypeDrive}, {"6SL3", TypeDrive}, {"PowerFlex", TypeDrive}, {"Altivar", TypeDrive}, {"ATV", TypeDrive},
	{"SIMATICHMI", TypeHMI}, {"6AV", TypeHMI}, {"PanelView", TypeHMI}, {"Magelis", TypeHMI}, {"HMIST", TypeHMI},
	{"NPort", TypeGateway}, {"MGate", TypeGateway}, {"Anybus", TypeGateway}, {"EGX", TypeGateway}, {"Link150", TypeGateway},
	{"SCALANCE", TypeNetwork}, {"6GK5", TypeNetwork}, {"RUGGEDCOM", TypeNetwork}, {"Stratix", TypeNetwork}, {"FLSWITCH", TypeNetwork},
	{"EDS-", TypeNetwork},
}

func productType(model string) string {
	model = strings.ReplaceAll(model, " ", "")
	for _, p := range products {
		if len(model) >= len(p.begins) && strings.EqualFold(model[:len(p.begins)], p.begins) {
			return p.kind
		}
	}
	return ""
}

// makers are the owners of MAC prefixes whose devices are mostly of one type, by how their names begin.
var makers = []struct{ begins, kind string }{
	{"Cisco", TypeNetwork}, {"Hirschmann", TypeNetwork}, {"Juniper", TypeNetwork}, {"Fortinet", TypeNetwork},
	{"Palo Alto", TypeNetwork}, {"Check Point", TypeNetwork}, {"Aruba", TypeNetwork}, {"Arista", TypeNetwork},
	{"Extreme Networks", TypeNetwork}, {"Brocade", TypeNetwork}, {"Ubiquiti", TypeNetwork}, {"Routerboard", TypeNetwork},
	{"Ruggedcom", TypeNetwork}, {"Westermo", TypeNetwork}, {"GarrettCom", TypeNetwork}, {"WatchGuard", TypeNetwork},
	{"SonicWALL", TypeNetwork}, {"Stormshield", TypeNetwork}, {"Korenix", TypeNetwork},
	{"Axis Communications", TypeCamera}, {"Hangzhou Hikvision", TypeCamera}, {"Zhejiang Dahua", TypeCamera},
	{"Hanwha", TypeCamera}, {"VIVOTEK", TypeCamera}, {"MOBOTIX", TypeCamera},
}

func makerType(owner string) string {
	for _, m := range makers {
		if len(owner) >= len(m.begins) && strings.EqualFold(owner[:len(m.begins)], m.begins) {
			return m.kind
		}
	}
	return ""
}
