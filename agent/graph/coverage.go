package graph

import (
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
	var all []placed[Coverage]
	for p := g.Pass(); p.more(); {
		_, covered := p.next(false, true)
		all = append(all, covered...)
	}
	return append(inOrder(all), g.Total())
}

// Total gives the coverage of all that was seen, what was evicted included.
func (g *Graph) Total() Coverage {
	total := coverage(g.packets, g.bytes, g.total)
	total.Total = true
	return total
}

// covered gives the coverage of the edges of one device as a client.
func covered(edges []labelledEdge) []placed[Coverage] {
	merged := make(map[spelt]*sums)
	var places []spelt
	for k := range edges {
		l := &edges[k]
		p := l.spelt
		p.transport = 0 // both transports of a port are one
		if merged[p] == nil {
			merged[p] = &sums{first: l.first, last: l.last}
			places = append(places, p)
		}
		merged[p].add(&l.sums)
	}
	var all []placed[Coverage]
	for _, p := range places {
		s := merged[p]
		if s.packets.total() == 0 {
			continue
		}
		c := coverage(s.packets.total(), s.bytes.total(), s.coverage)
		c.ClientIP, c.ServerIP, c.Port, c.Protocol = p.client.String(), p.server.String(), p.port, p.label
		all = append(all, placed[Coverage]{p, c})
	}
	return all
}

func coverage(packets, bytes uint64, c protocols.Coverage) Coverage {
	return Coverage{
		Packets: packets, Bytes: bytes, DecodedBytes: c.Decoded, RecognisedBytes: c.Recognised, OpaqueBytes: c.Opaque,
		EncryptedBytes: c.Encrypted, Malformed: c.Malformed, GapBytes: c.Gap, Unanswered: c.Unanswered, Conflicts: c.Conflicts,
	}
}
