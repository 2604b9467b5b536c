package graph

import (
	"cmp"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// Coverage says how well the traffic of one pair of hosts and port was understood. The JSON form is the `coverage`
// record that scripts rely on; byte counts are of payload, Packets and Bytes of frames.
type Coverage struct {
	ClientIP        string `json:"client_ip"`
	ServerIP        string `json:"server_ip"`
	Port            uint16 `json:"port"`
	Protocol        string `json:"protocol"`
	Packets         uint64 `json:"packets"`
	Bytes           uint64 `json:"bytes"`
	DecodedBytes    uint64 `json:"decoded_bytes"`
	RecognisedBytes uint64 `json:"recognised_bytes"`
	OpaqueBytes     uint64 `json:"opaque_bytes"`
	EncryptedBytes  uint64 `json:"encrypted_bytes"`
	Malformed       uint64 `json:"malformed"`
	GapBytes        uint64 `json:"gap_bytes"`
	Unanswered      uint64 `json:"unanswered"` // requests that were left without an answer
	Conflicts       uint64 `json:"conflicts"`  // segments that repeat bytes with different content
	Total           bool   `json:"total,omitempty"`
}

// Coverage gives the coverage of every pair of addresses, port and protocol, sorted, and last the total, which counts
// what was evicted too.
func (g *Graph) Coverage() []Coverage {
	type place struct {
		client, server protocols.Address
		port           uint16
		label          string
	}
	merged := make(map[place]*sums)
	for _, l := range g.labelled() {
		p := place{l.key.client, l.key.server, l.port, l.label}
		if merged[p] == nil {
			merged[p] = &sums{first: l.first, last: l.last}
		}
		merged[p].add(&l.sums)
	}
	places := make([]place, 0, len(merged))
	for p, s := range merged {
		if s.packets.total() > 0 {
			places = append(places, p)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(a.client.Compare(b.client), a.server.Compare(b.server), cmp.Compare(a.port, b.port),
			cmp.Compare(a.label, b.label))
	})
	all := make([]Coverage, 0, len(places)+1)
	for _, p := range places {
		s := merged[p]
		c := coverage(s.packets.total(), s.bytes.total(), s.coverage)
		c.ClientIP, c.ServerIP, c.Port, c.Protocol = p.client.String(), p.server.String(), p.port, p.label
		all = append(all, c)
	}
	total := coverage(g.packets, g.bytes, g.total)
	total.Total = true
	return append(all, total)
}

func coverage(packets, bytes uint64, c protocols.Coverage) Coverage {
	return Coverage{
		Packets: packets, Bytes: bytes, DecodedBytes: c.Decoded, RecognisedBytes: c.Recognised, OpaqueBytes: c.Opaque,
		EncryptedBytes: c.Encrypted, Malformed: c.Malformed, GapBytes: c.Gap, Unanswered: c.Unanswered, Conflicts: c.Conflicts,
	}
}
