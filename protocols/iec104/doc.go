// Package iec104 reads IEC 60870-5-104: the telecontrol of IEC 60870-5-101 over TCP, with causes of transmission of two
// bytes, common addresses of two and information object addresses of three, as that standard fixes them.
//
// It owns the tables of type identifications, causes and control functions, the recognition of the protocol and of
// which end is the controlling station, the pairing of activations with their confirmations, terminations and data, and
// the contents of dissect's detail field. A frame gives an event; a frame about several information objects gives one
// event an object.
//
// Values that a station sends of its own accord (spontaneous, cyclic, background) are [protocols.ActionSubscribe]: they
// flow because data transfer was started. Values that were interrogated or read are [protocols.ActionRead] and answer
// the command that asked for them. Commands to the process (single, double and step commands, setpoints, bitstrings)
// are [protocols.ActionWrite], for a select as well as for an execute, which their messages tell apart; a reset of the
// station's process is [protocols.ActionControl], clock and parameters are [protocols.ActionConfigure]. Starting and
// stopping data transfer is [protocols.ActionConnect]. A negative confirmation, and a cause that says that type, cause
// or address are unknown, refuses.
//
// It refuses the other sizes of cause and addresses that IEC 60870-5-101 allows, and frames inside TLS.
//
// A dissector keeps the last 64 commands of its conversation that may still be answered, and two sequence numbers. It is
// used by one goroutine.
package iec104

import "github.com/spanwatch/spanwatch/protocols"

// Spec is IEC 60870-5-104 as the pipeline knows it.
var Spec = protocols.Spec{
	Name:   "iec104",
	TCP:    []uint16{2404},
	Probe:  probe,
	Length: length,
	New:    func() protocols.Dissector { return &dissector{} },
}

// Messages lists the names in the tables: what [protocols.Event.Message] can be, but for types without a row.
func Messages() []string {
	names := []string{supervisory}
	for _, f := range functions {
		names = append(names, f.name)
	}
	for i := range types {
		if types[i].name != "" {
			names = append(names, types[i].name)
		}
		if types[i].selects != "" {
			names = append(names, types[i].selects)
		}
	}
	return names
}
