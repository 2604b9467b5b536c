package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/spanwatch/spanwatch/agent/graph"
)

// Coverage is how much of the payload was understood, in bytes and as shares of the whole.
type Coverage struct {
	Payload         uint64  `json:"payload_bytes"`
	Decoded         uint64  `json:"decoded_bytes"`    // became messages
	Recognised      uint64  `json:"recognised_bytes"` // of a known protocol, content not read
	Opaque          uint64  `json:"opaque_bytes"`     // of no known protocol
	Encrypted       uint64  `json:"encrypted_bytes"`
	Lost            uint64  `json:"lost_bytes"` // missing before the sensor saw them
	DecodedShare    float64 `json:"decoded_share"`
	RecognisedShare float64 `json:"recognised_share"`
	OpaqueShare     float64 `json:"opaque_share"`
	EncryptedShare  float64 `json:"encrypted_share"`
	LostShare       float64 `json:"lost_share"`
	Malformed       uint64  `json:"malformed_messages"`
	Unanswered      uint64  `json:"unanswered_requests"`
}

func payload(c *graph.Coverage) uint64 {
	return c.DecodedBytes + c.RecognisedBytes + c.OpaqueBytes + c.EncryptedBytes + c.GapBytes
}

// share is a part of a whole, between 0 and 1, to four places.
func share(part, whole uint64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(int(10000*float64(part)/float64(whole)+0.5)) / 10000
}

func (s *site) coverage() Coverage {
	t := &s.total
	whole := payload(t)
	return Coverage{
		Payload: whole, Decoded: t.DecodedBytes, Recognised: t.RecognisedBytes, Opaque: t.OpaqueBytes, Encrypted: t.EncryptedBytes,
		Lost: t.GapBytes, DecodedShare: share(t.DecodedBytes, whole), RecognisedShare: share(t.RecognisedBytes, whole),
		OpaqueShare: share(t.OpaqueBytes, whole), EncryptedShare: share(t.EncryptedBytes, whole), LostShare: share(t.GapBytes, whole),
		Malformed: t.Malformed, Unanswered: t.Unanswered,
	}
}

// Protocol is what went over one protocol.
type Protocol struct {
	Name      string  `json:"name"`
	Links     int     `json:"links"` // pairs of hosts and port
	Packets   uint64  `json:"packets"`
	Bytes     uint64  `json:"bytes"`
	Share     float64 `json:"share"` // of all bytes
	Decoded   float64 `json:"decoded_share"`
	Encrypted float64 `json:"encrypted_share"` // of its payload
}

func (s *site) protocols() []Protocol {
	sums := make(map[string]*graph.Coverage)
	links := make(map[string]int)
	for i := range s.snap.Coverage {
		c := &s.snap.Coverage[i]
		if c.Total {
			continue
		}
		sum := sums[c.Protocol]
		if sum == nil {
			sum = &graph.Coverage{Protocol: c.Protocol}
			sums[c.Protocol] = sum
		}
		links[c.Protocol]++
		sum.Packets, sum.Bytes = sum.Packets+c.Packets, sum.Bytes+c.Bytes
		sum.DecodedBytes, sum.RecognisedBytes = sum.DecodedBytes+c.DecodedBytes, sum.RecognisedBytes+c.RecognisedBytes
		sum.OpaqueBytes, sum.EncryptedBytes, sum.GapBytes = sum.OpaqueBytes+c.OpaqueBytes, sum.EncryptedBytes+c.EncryptedBytes, sum.GapBytes+c.GapBytes
	}
	all := make([]Protocol, 0, len(sums))
	for name, c := range sums {
		whole := payload(c)
		all = append(all, Protocol{
			Name: name, Links: links[name], Packets: c.Packets, Bytes: c.Bytes, Share: share(c.Bytes, s.total.Bytes),
			Decoded: share(c.DecodedBytes, whole), Encrypted: share(c.EncryptedBytes, whole),
		})
	}
	slices.SortFunc(all, func(a, b Protocol) int { return cmp.Or(-cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Name, b.Name)) })
	return all
}

// Unread is a conversation of which half or more could not be read, and why.
type Unread struct {
	Client   Party   `json:"client"`
	Server   Party   `json:"server"`
	Port     uint16  `json:"port"`
	Protocol string  `json:"protocol"`
	Payload  uint64  `json:"payload_bytes"`
	Share    float64 `json:"unread_share"`
	Reason   string  `json:"reason"`
}

func (s *site) unread() []Unread {
	all := []Unread{}
	for i := range s.snap.Coverage {
		c := &s.snap.Coverage[i]
		whole := payload(c)
		unread := whole - c.DecodedBytes
		if c.Total || whole == 0 || 2*unread < whole {
			continue
		}
		reasons := []struct {
			bytes uint64
			text  string
		}{
			{c.EncryptedBytes, "encrypted"}, {c.RecognisedBytes, "recognised; its content is not read"},
			{c.OpaqueBytes, "protocol not known"}, {c.GapBytes, "lost before the sensor saw it"},
		}
		most := reasons[0]
		for _, r := range reasons[1:] {
			if r.bytes > most.bytes {
				most = r
			}
		}
		all = append(all, Unread{
			Client: s.party("", c.ClientIP), Server: s.party("", c.ServerIP), Port: c.Port, Protocol: c.Protocol,
			Payload: whole, Share: share(unread, whole), Reason: most.text,
		})
	}
	slices.SortStableFunc(all, func(a, b Unread) int {
		return cmp.Or(-cmp.Compare(a.Payload, b.Payload), a.Server.compare(b.Server), a.Client.compare(b.Client), cmp.Compare(a.Port, b.Port))
	})
	return all
}

// Probe is a client that asked, or opened connections, to no avail: what a scan leaves behind, or a wrong address in a
// configuration.
type Probe struct {
	Client     Party    `json:"client"`
	Unanswered uint64   `json:"unanswered_requests"`
	Empty      int      `json:"connections_without_content"` // pairs of server and port
	Strangers  int      `json:"addresses_where_nobody_is"`
	Servers    int      `json:"servers"` // that any of these concern
	Ports      []uint16 `json:"ports"`
}

// fewProbes are not worth a line: a lost answer, a connection that was probed once.
const fewProbes = 2

func (s *site) probes() []Probe {
	byClient := make(map[string]*Probe)
	servers := make(map[string]map[string]bool)
	note := func(client, ip, server string, port uint16) *Probe {
		key := cmp.Or(client, ip)
		p := byClient[key]
		if p == nil {
			p = &Probe{Client: s.party(client, ip), Ports: []uint16{}}
			byClient[key], servers[key] = p, make(map[string]bool)
		}
		servers[key][server] = true
		if port != 0 && !slices.Contains(p.Ports, port) {
			p.Ports = append(p.Ports, port)
		}
		return p
	}
	id := func(ip string) string {
		if d := s.byAddress[ip]; d != nil {
			return d.ID
		}
		return ""
	}
	for i := range s.snap.Coverage {
		c := &s.snap.Coverage[i]
		if c.Total {
			continue
		}
		if c.Unanswered > 0 {
			note(id(c.ClientIP), c.ClientIP, c.ServerIP, c.Port).Unanswered += c.Unanswered
		}
		if payload(c) == 0 && c.Port != 0 {
			note(id(c.ClientIP), c.ClientIP, c.ServerIP, c.Port).Empty++
		}
	}
	strangers := make(map[[2]string]bool)
	for i := range s.snap.Edges {
		e := &s.snap.Edges[i]
		key := [2]string{cmp.Or(e.Client, e.ClientIP), e.ServerIP}
		if e.Server == "" && within(e.ServerIP) && s.byAddress[e.ServerIP] == nil && !strangers[key] {
			strangers[key] = true
			note(e.Client, e.ClientIP, e.ServerIP, e.Port).Strangers++
		}
	}
	all := []Probe{}
	for key, p := range byClient {
		p.Servers = len(servers[key])
		slices.Sort(p.Ports)
		if p.Unanswered+uint64(p.Empty)+uint64(p.Strangers) > fewProbes {
			all = append(all, *p)
		}
	}
	slices.SortFunc(all, func(a, b Probe) int { return cmp.Or(b.Servers-a.Servers, a.Client.compare(b.Client)) })
	return all
}

// Blind is a conversation of which the sensor did not see everything, or could not trust what it saw.
type Blind struct {
	Client   Party  `json:"client"`
	Server   Party  `json:"server"`
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol"`
	Reason   string `json:"reason"`
}

func (s *site) blindSpots() []Blind {
	all := []Blind{}
	for i := range s.snap.Coverage {
		c := &s.snap.Coverage[i]
		if c.Total {
			continue
		}
		var reasons []string
		if c.GapBytes > 0 {
			reasons = append(reasons, fmt.Sprintf("%s never reached the sensor (%.1f %%)", size(c.GapBytes), 100*share(c.GapBytes, payload(c))))
		}
		if c.Malformed > 0 {
			reasons = append(reasons, fmt.Sprintf("%d malformed messages", c.Malformed))
		}
		if c.Conflicts > 0 {
			reasons = append(reasons, fmt.Sprintf("%d segments that contradict others", c.Conflicts))
		}
		if len(reasons) > 0 {
			all = append(all, Blind{s.party("", c.ClientIP), s.party("", c.ServerIP), c.Port, c.Protocol, joined(reasons)})
		}
	}
	var oneSided []Blind
	for i := range s.snap.Edges {
		if side := missing(&s.snap.Edges[i]); side != "" && s.devices[s.snap.Edges[i].Server] != nil {
			e := &s.snap.Edges[i]
			oneSided = append(oneSided, Blind{s.party(e.Client, e.ClientIP), s.party(e.Server, e.ServerIP), e.Port, e.Protocol,
				"one-sided: nothing that the " + side + " sent was seen; does the mirror port show both directions?"})
		}
	}
	slices.SortStableFunc(oneSided, func(a, b Blind) int {
		return cmp.Or(a.Client.compare(b.Client), a.Server.compare(b.Server), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol))
	})
	return append(all, oneSided...)
}

// onePackets is how many packets in one direction alone are no accident.
const onePackets = 10

// missing tells which side of an edge was never seen though it was asked something, or answered. Where both directions are
// not counted apart nothing is missing.
func missing(e *graph.Edge) string {
	switch {
	case e.Port == 0 || len(e.Actions) == 0 || e.PacketsOut+e.PacketsIn < onePackets:
		return ""
	case e.PacketsIn == 0:
		return "server"
	case e.PacketsOut == 0:
		return "client"
	}
	return ""
}

// actions gives "write 3, read 120", strongest first.
func actions(counts map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return cmp.Or(strength(b)-strength(a), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return joined(names)
}

// size gives a number of bytes as people say it.
func size(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	value := float64(n)
	k := 0
	for ; value >= 1000 && k < len(units)-1; k++ {
		value /= 1000
	}
	if k == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", value, units[k])
}
