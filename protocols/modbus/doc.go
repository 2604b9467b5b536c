// Package modbus reads Modbus over TCP and UDP, as MODBUS Application Protocol V1.1b3 and MODBUS Messaging on
// TCP/IP V1.0b describe it, with function 90, Schneider Electric's UMAS, as far as it is publicly known; and the
// serial frames that simple gateways put into TCP as they are.
//
// It owns the function tables (code to name, [protocols.Action] and area), the recognition of the protocol and of
// its direction, the pairing of answers with requests by transaction, the count of requests that nobody answered, and
// the contents of dissect's detail field.
// Every message gives an event: codes without a row, exceptions, and messages that break the specification, which
// say how. A read and write in one message (function 23) gives two events, a list of file records one each.
//
// It refuses ASCII framing, a stream whose header has no plausible length, and serial frames whose checksum is wrong.
//
// A dissector keeps the last 64 unanswered requests of its conversation and nothing else. It is used by one
// goroutine.
package modbus

import "github.com/spanwatch/spanwatch/protocols"

// Spec is Modbus as the pipeline knows it.
var Spec = protocols.Spec{
	Name:   "modbus",
	TCP:    []uint16{502},
	UDP:    []uint16{502},
	Probe:  probe,
	Length: length,
	New:    func() protocols.Dissector { return &dissector{} },

	ReadsCut: true,
}

// RTU is Modbus in serial frames over TCP: no header, but a checksum (Modbus over Serial Line V1.02 §2.5.1). Its
// records carry the same name.
var RTU = protocols.Spec{
	Name:  "modbus",
	Probe: probeRTU,
	New:   func() protocols.Dissector { return &serial{dissector{rtu: true}} },
}

// Messages lists the names in the function tables: what [protocols.Event.Message] can be, but for the codes that
// the tables do not know.
func Messages() []string {
	var names []string
	for _, f := range functions {
		if f.request != nil || f.action != protocols.ActionNone {
			names = append(names, f.name)
		}
	}
	for _, m := range diagnostics {
		if m != nil {
			names = append(names, m.name)
		}
	}
	for _, e := range interfaces {
		names = append(names, e.name)
	}
	for _, m := range umasFunctions {
		if m.action != protocols.ActionNone {
			names = append(names, m.name)
		}
	}
	return names
}
