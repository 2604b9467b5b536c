// Package dnp3 reads DNP3 (IEEE 1815-2012) over TCP and UDP: link frames with their checksums, transport segments, and
// application fragments with their objects.
//
// It owns the tables of link and application functions, of object groups and their variations, the recognition of the
// protocol and of its direction, the pairing of responses with requests by sequence number, and the contents of
// dissect's detail field. Every link frame gives an event; a fragment gives one event a point, one for a run of packed
// bits, and one an object header where a request names points without values. The unit of every object is the address
// of the outstation. A fragment over several frames is read as the frames come.
//
// Values that an outstation reports of its own accord are [protocols.ActionSubscribe], those that were polled
// [protocols.ActionRead]. Select, Operate and Direct Operate are [protocols.ActionWrite] and so are the freezes;
// restarts, and applications initialised, started or stopped, are [protocols.ActionControl]; clock, classes, unsolicited
// reporting, saved and activated configurations, indications and deleted files are [protocols.ActionConfigure]. A response refuses by the
// status of its point or by its internal indications. Device attributes are facts.
//
// It refuses serial framing without TCP or UDP, and content behind a wrong checksum, which devices drop, too.
//
// A dissector keeps the last 16 unanswered requests of its conversation, the names of the last four open files, and of
// each side what of an object is not complete: 8 KiB at most. It is used by one goroutine.
package dnp3

import "github.com/spanwatch/spanwatch/protocols"

// Spec is DNP3 as the pipeline knows it.
var Spec = protocols.Spec{
	Name:   "dnp3",
	TCP:    []uint16{20000, 19999},
	UDP:    []uint16{20000, 19999},
	Probe:  probe,
	Length: length,
	New:    func() protocols.Dissector { return &dissector{} },
}

// Messages lists the names in the function tables: what [protocols.Event.Message] can be, but for codes without a row.
func Messages() []string {
	var names []string
	for i := range linkFunctions {
		for _, f := range linkFunctions[i] {
			if f.name != "" && !f.data {
				names = append(names, f.name)
			}
		}
	}
	for i := range functions {
		if functions[i].name != "" {
			names = append(names, functions[i].name)
		}
	}
	return names
}
