// Package enip reads EtherNet/IP: the encapsulation over TCP and UDP port 44818 and the connected data over UDP port 2222
// (The CIP Networks Library, Volume 2), the Common Industrial Protocol inside it (Volume 1), Rockwell's services for tags
// (1756-PM020) and the PCCC commands that CIP carries to older controllers (1770-RM516).
//
// It owns the tables of commands, object classes, services, PCCC functions, status codes, makers and device types, the
// recognition of the protocol and of its direction, the pairing of answers with requests, and the contents of dissect's
// detail field. Every encapsulation message gives an event: that of the CIP service in it, one for each service of a
// Multiple_Service_Packet, and that of the service which an Unconnected_Send carries. What the tables do not know goes
// under its number.
//
// The messages of an I/O connection are told once a connection and side: a cyclic message says nothing that the one
// before did not. Beyond [maxStreams] connections of a side they are counted as decoded without an event.
//
// It refuses a stream whose command or length no encapsulation has, and datagrams that are not exactly one message.
// Meanings of Rockwell's classes that nobody published are not guessed; where recorded transfers of projects show what a
// service does, its action says so and its name stays a number.
//
// A dissector keeps the last 64 unanswered requests, the paths it met lately, and which connections belong together: some
// KiB a conversation. It is used by one goroutine.
package enip

import "github.com/spanwatch/spanwatch/protocols"

// Spec is EtherNet/IP as the pipeline knows it.
var Spec = protocols.Spec{
	Name:   "enip",
	TCP:    []uint16{44818},
	UDP:    []uint16{44818, 2222},
	Probe:  probe,
	Length: length,
	New:    func() protocols.Dissector { return &conversation{} },
}
