package pipeline

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
	"github.com/spanwatch/spanwatch/protocols"
)

const (
	// tallyWait is how long counts wait, in packet time, for a worker to tell whose they are.
	tallyWait = 2 * time.Second
	// tallyMax bounds the conversations of one generation of a Tally, and the counts that wait.
	tallyMax = 1 << 16
)

// Tally joins what the kernel counted with what workers know of the same conversations: who asks whom, and in which
// protocol. It is used by one goroutine. Conversations of which nothing was heard for two generations are forgotten; their
// counts become flows whose direction is a guess.
type Tally struct {
	home         func(t protocols.Transport, port uint16) bool
	young, old   map[tuple]known
	waiting      []waitingCount
	clock        time.Time
	Guessed      uint64 // counts that no worker knew
	WaitingEvict uint64 // of these, those that could not wait for want of room
}

// tuple is a five-tuple without direction; a is the lesser end.
type tuple struct {
	a, b         netip.Addr
	portA, portB uint16
	transport    protocols.Transport
}

type known struct {
	conv     *protocols.Conversation
	protocol string
	ordinary bool
}

type waitingCount struct {
	tuple tuple
	count capture.Count
	since time.Time
}

// NewTally makes an empty Tally. The ports at which specs are at home tell the server where nothing else does.
func NewTally(specs []protocols.Spec) *Tally {
	ports := make(map[port]bool)
	for i := range specs {
		for _, n := range specs[i].TCP {
			ports[port{protocols.TransportTCP, n}] = true
		}
		for _, n := range specs[i].UDP {
			ports[port{protocols.TransportUDP, n}] = true
		}
	}
	return &Tally{
		young: make(map[tuple]known), old: make(map[tuple]known),
		home: func(t protocols.Transport, n uint16) bool { return ports[port{t, n}] },
	}
}

// Report takes what a worker tells of a conversation.
func (t *Tally) Report(f *protocols.Flow) {
	if f.Conv == nil || !f.Conv.Client.Addr.IsValid() {
		return
	}
	key := tupleOf(f.Conv.Client, f.Conv.Server, f.Conv.Transport)
	if len(t.young) >= tallyMax {
		t.old, t.young = t.young, make(map[tuple]known)
	}
	t.young[key] = known{f.Conv, f.Protocol, f.Ordinary}
}

// Count takes what the kernel counted and appends the flows that can be told by now to dst. Time is the packet's.
func (t *Tally) Count(dst []protocols.Flow, counts []capture.Count, now time.Time) []protocols.Flow {
	if now.After(t.clock) {
		t.clock = now
	}
	kept := t.waiting[:0]
	for _, w := range t.waiting {
		k, ok := t.find(w.tuple)
		switch {
		case ok:
			dst = append(dst, flowOf(&w.count, k))
		case t.clock.Sub(w.since) >= tallyWait:
			dst = append(dst, t.guess(w.tuple, &w.count))
		default:
			kept = append(kept, w)
		}
	}
	t.waiting = kept
	for i := range counts {
		c := &counts[i]
		key := tuple{c.A, c.B, c.PortA, c.PortB, transport(c.Proto, c.A)}
		k, ok := t.find(key)
		switch {
		case ok:
			dst = append(dst, flowOf(c, k))
		case len(t.waiting) < tallyMax:
			t.waiting = append(t.waiting, waitingCount{key, *c, t.clock})
		default:
			t.WaitingEvict++
			dst = append(dst, t.guess(key, c))
		}
	}
	return dst
}

// Finish gives the flows that still waited.
func (t *Tally) Finish(dst []protocols.Flow) []protocols.Flow {
	t.clock = t.clock.Add(tallyWait)
	return t.Count(dst, nil, t.clock)
}

func (t *Tally) find(key tuple) (known, bool) {
	if k, ok := t.young[key]; ok {
		return k, true
	}
	k, ok := t.old[key]
	if ok {
		t.young[key] = k
	}
	return k, ok
}

// guess makes a conversation of counts that no worker knows: none of its packets was read. Later counts of the same
// conversation find it.
func (t *Tally) guess(key tuple, c *capture.Count) protocols.Flow {
	t.Guessed++
	if k, ok := t.find(key); ok {
		return flowOf(c, k)
	}
	a := protocols.Endpoint{Addr: c.A, Port: c.PortA}
	b := protocols.Endpoint{Addr: c.B, Port: c.PortB}
	conv := &protocols.Conversation{ID: key.id(c.First), Client: a, Server: b, Transport: key.transport, VLANs: c.VLANs}
	server, proven := t.serves(key, c)
	if server == 0 {
		conv.Client, conv.Server = b, a
	}
	conv.Proven = proven
	k := known{conv: conv}
	if len(t.young) >= tallyMax {
		t.old, t.young = t.young, make(map[tuple]known)
	}
	t.young[key] = k
	f := flowOf(c, k)
	f.Opened = 1
	if c.Packets[0] > 0 && c.Packets[1] > 0 {
		f.Answered = 1
	}
	return f
}

// serves tells which end is the server, 0 for A: who did not open the connection, who is at a well-known port, who did
// not speak first.
func (t *Tally) serves(key tuple, c *capture.Count) (end int, proven bool) {
	opener := 0
	if c.FromB {
		opener = 1
	}
	syn := packet.TCPFlags(c.Flags[opener]).Has(packet.SYN)
	homeA, homeB := t.home(key.transport, c.PortA), t.home(key.transport, c.PortB)
	switch {
	case key.transport == protocols.TransportTCP && syn:
		return 1 - opener, true
	case homeA != homeB && homeA:
		return 0, false
	case homeA != homeB:
		return 1, false
	default:
		return 1 - opener, false
	}
}

// flowOf turns counts into the flow of a known conversation.
func flowOf(c *capture.Count, k known) protocols.Flow {
	f := protocols.Flow{
		Conv: k.conv, Protocol: k.protocol, Ordinary: k.ordinary, First: c.First, Last: c.Last, Source: c.Source,
		Packets: c.Packets, Bytes: c.Bytes,
	}
	if client := k.conv.Client; client.Addr != c.A || client.Port != c.PortA {
		f.Packets[0], f.Packets[1] = f.Packets[1], f.Packets[0]
		f.Bytes[0], f.Bytes[1] = f.Bytes[1], f.Bytes[0]
	}
	return f
}

func tupleOf(x, y protocols.Endpoint, t protocols.Transport) tuple {
	a, b := x.Addr.As16(), y.Addr.As16()
	if c := bytes.Compare(a[:], b[:]); c > 0 || c == 0 && x.Port > y.Port {
		x, y = y, x
	}
	return tuple{x.Addr, y.Addr, x.Port, y.Port, t}
}

func (k *tuple) id(first time.Time) uint64 {
	h := fnv.New64a()
	a, b := k.a.As16(), k.b.As16()
	h.Write(a[:])
	h.Write(b[:])
	var rest [13]byte
	binary.BigEndian.PutUint16(rest[:], k.portA)
	binary.BigEndian.PutUint16(rest[2:], k.portB)
	rest[4] = byte(k.transport)
	binary.BigEndian.PutUint64(rest[5:], uint64(first.UnixNano()))
	h.Write(rest[:])
	return max(h.Sum64(), 1)
}
