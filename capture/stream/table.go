package stream

import (
	"time"

	"github.com/spanwatch/spanwatch/capture/packet"
)

// Config bounds a [Table]. Zero values take the defaults.
type Config struct {
	MaxConversations int           // default 65536
	MaxOpening       int           // of these, TCP connections of which only the opening was seen; default 8192
	TCPTimeout       time.Duration // idle time after which a TCP conversation is over; default 1 h, polls may be slow
	DatagramTimeout  time.Duration // the same for everything else; default 5 min
	// Linger is how long a finished connection is kept for late packets, which belong to it; default 10 s.
	Linger time.Duration

	MaxBuffered      int // bytes, with overhead, that may wait behind a hole in one direction; default 256 KiB
	MaxBufferedTotal int // the same for the whole table; default 16 MiB
	Tail             int // delivered bytes kept per direction to compare repetitions with; default 4 KiB
	MaxTailTotal     int // the same for the whole table; default 16 MiB
}

func (c *Config) defaults() {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	wait := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&c.MaxConversations, 1<<16)
	set(&c.MaxOpening, 1<<13)
	set(&c.MaxBuffered, 256<<10)
	set(&c.MaxBufferedTotal, 16<<20)
	set(&c.Tail, 4<<10)
	set(&c.MaxTailTotal, 16<<20)
	wait(&c.TCPTimeout, time.Hour)
	wait(&c.DatagramTimeout, 5*time.Minute)
	wait(&c.Linger, 10*time.Second)
}

// Handler receives what a [Table] finds. Slices are valid during the call only.
type Handler interface {
	// Open tells of the first packet of a conversation, before anything else is said of it.
	Open(c *Conversation)
	// Data gives the next bytes of a TCP direction, in order, or one datagram's payload; frame and at are those of the
	// packet that carried these very bytes.
	Data(c *Conversation, d Direction, b []byte, frame uint64, at time.Time)
	// Cut is Data for a packet whose last n bytes, which follow b, the capture left out: b is all that it kept of them, and
	// may be empty. What comes next of a TCP direction continues exactly behind the n bytes.
	Cut(c *Conversation, d Direction, b []byte, n int, frame uint64, at time.Time)
	// Gap tells that n bytes were lost before the next Data; n is negative where it is not known how many. A datagram
	// that is shorter than it says, though nothing of it was left out, is followed by a gap of what is missing.
	Gap(c *Conversation, d Direction, n int)
	// Overlap tells that the packet repeats bytes with different content. The first copy was or will be delivered.
	Overlap(c *Conversation, d Direction, frame uint64, at time.Time)
	// Close ends a conversation; what waited behind holes was delivered before.
	Close(c *Conversation, reason Reason)
}

// Stats counts what a [Table] did. Conversations, Buffered and Tails are current, the rest only grows.
type Stats struct {
	Conversations int // open now
	Buffered      int // bytes waiting behind holes, with overhead
	Tails         int // bytes kept for comparison

	Opened, Finished, Expired, Evicted, Ended, Reused uint64 // conversations

	Ignored       uint64 // packets that belong to no conversation: ARP, fragments, frames without addresses
	OutOfOrder    uint64 // segments that had to wait
	Repeated      uint64 // bytes that came again
	Gaps          uint64 // holes given up
	GapBytes      uint64 // bytes in them, as far as known
	Overlaps      uint64 // packets that repeat bytes with different content
	BufferFull    uint64 // holes given up because the room was used up
	Strays        uint64 // segments and resets ignored, being far from what is expected
	Resyncs       uint64 // times that a direction went on elsewhere, borne out by acknowledgements
	TailsRefused  uint64 // directions without a full tail, the room being used up
	Probes        uint64 // keep-alive probes
	AfterTheirEnd uint64 // packets of finished connections
}

// Table is the conversations of one worker.
type Table struct {
	config  Config
	handler Handler
	stats   Stats
	table   map[key]*Conversation
	lists   [2 * classes]list
}

// New makes an empty table.
func New(c Config, h Handler) *Table {
	c.defaults()
	return &Table{config: c, handler: h, table: make(map[key]*Conversation)}
}

// Stats gives the counters.
func (t *Table) Stats() Stats {
	t.stats.Conversations = len(t.table)
	return t.stats
}

// Packet takes the next packet: a decoded one, whole (see packet.Defragmenter), with its frame number, time and length
// on the wire.
func (t *Table) Packet(p *packet.Packet, frame uint64, at time.Time, wire int) {
	t.take(p, frame, at, wire, true)
}

// Read is [Table.Packet] for a packet that somebody else counts, with all others of its conversation: it is read, and
// not added to what the conversation counts.
func (t *Table) Read(p *packet.Packet, frame uint64, at time.Time, wire int) {
	t.take(p, frame, at, wire, false)
}

func (t *Table) take(p *packet.Packet, frame uint64, at time.Time, wire int, counted bool) {
	k, low, ok := keyOf(p)
	if !ok {
		t.stats.Ignored++
		return
	}
	c := t.table[k]
	tcp := p.Proto == packet.ProtoTCP && p.Src.IsValid()
	if c != nil {
		switch {
		case at.Sub(c.Last) > t.timeout(c.class):
			t.close(c, t.idle(c.class))
			c = nil
		case tcp && p.Flags.Has(packet.SYN) && c.reusedBy(p, c.direction(low)):
			t.close(c, ReasonReused)
			c = nil
		}
	}
	opened := c == nil
	if opened {
		c = t.open(p, k, low, frame, at)
	}
	d := c.direction(low)
	c.count(d, at, wire, counted)
	if tcp {
		c.flags(p, d)
	}
	if opened {
		t.handler.Open(c)
	}
	if tcp {
		t.tcp(c, d, p, frame, at)
	} else {
		t.datagram(c, d, p, frame, at)
	}
	t.touch(c)
	if p.ICMP.Quoted {
		t.unreachable(p)
	}
}

// datagram hands on what needs no order.
func (t *Table) datagram(c *Conversation, d Direction, p *packet.Packet, frame uint64, at time.Time) {
	if p.Missing > 0 {
		t.stats.Gaps++
		t.stats.GapBytes += uint64(p.Missing)
	}
	if p.Cut {
		c.half[d].delivered = true
		t.handler.Cut(c, d, p.Payload, p.Missing, frame, at)
		return
	}
	if len(p.Payload) > 0 {
		c.half[d].delivered = true
		t.handler.Data(c, d, p.Payload, frame, at)
	}
	if p.Missing > 0 {
		t.handler.Gap(c, d, p.Missing)
	}
}

// unreachable marks the conversation that an ICMP error is about.
func (t *Table) unreachable(p *packet.Packet) {
	if !p.Unreachable() {
		return
	}
	q := &p.ICMP
	k, _ := makeKey(q.Src, q.Dst, q.SrcPort, q.DstPort, q.Proto)
	if c := t.table[k]; c != nil {
		c.Unreachable = true
	}
}

// open begins a conversation.
func (t *Table) open(p *packet.Packet, k key, low bool, frame uint64, at time.Time) *Conversation {
	if len(t.table) >= t.config.MaxConversations {
		t.evict()
	}
	c := &Conversation{
		ID:    k.id(frame, at),
		A:     Endpoint{Addr: p.Src, Port: p.SrcPort, MAC: p.SrcMAC},
		B:     Endpoint{Addr: p.Dst, Port: p.DstPort, MAC: p.DstMAC},
		Proto: k.proto, VLANs: p.VLANs,
		First: at, Last: at, FirstFrame: frame,
		key: k, aLow: low, class: classDatagram,
	}
	switch {
	case k.family == 0:
		c.EtherType = etherType(p)
	case k.proto == packet.ProtoTCP && p.Flags.Has(packet.SYN) && !p.Flags.Has(packet.ACK):
		c.class = classOpening
		if l := &t.lists[classOpening]; l.length >= t.config.MaxOpening {
			t.close(l.oldest, ReasonEvicted)
		}
	case k.proto == packet.ProtoTCP:
		c.class = classTCP
	}
	t.table[k] = c
	t.lists[c.class].push(c)
	t.stats.Opened++
	return c
}

// touch moves a conversation to the young end of the list it belongs in.
func (t *Table) touch(c *Conversation) {
	k := c.class % classes
	delivered := c.half[AtoB].delivered || c.half[BtoA].delivered
	switch {
	case c.over():
		k = classFinished
	case k == classFinished, k == classOpening && (c.Packets[BtoA] > 0 || delivered):
		k = classTCP
	}
	if delivered {
		k += withPayload
	}
	if k == c.class && t.lists[k].newest == c {
		return
	}
	t.lists[c.class].remove(c)
	c.class = k
	t.lists[k].push(c)
}

func (t *Table) timeout(k class) time.Duration {
	return [classes]time.Duration{t.config.TCPTimeout, t.config.DatagramTimeout, t.config.Linger, t.config.TCPTimeout}[k%classes]
}

// idle is the reason for closing a conversation whose timeout is over.
func (t *Table) idle(k class) Reason {
	if k%classes == classFinished {
		return ReasonFinished
	}
	return ReasonExpired
}

// evict makes room: conversations without payload go first (a scan must not push out the plant's), then the oldest.
func (t *Table) evict() {
	for _, lists := range [2][]list{t.lists[:classes], t.lists[classes:]} {
		var oldest *Conversation
		for _, l := range lists {
			if c := l.oldest; c != nil && (oldest == nil || c.Last.Before(oldest.Last)) {
				oldest = c
			}
		}
		if oldest != nil {
			t.close(oldest, ReasonEvicted)
			return
		}
	}
}

// Advance closes what has been idle for longer than its timeout at a time. It only gives memory back and tells the
// handler sooner: where packets come in the order of time, no conversation is cut otherwise than without it.
func (t *Table) Advance(at time.Time) {
	for k := range t.lists {
		limit := t.timeout(class(k))
		for c := t.lists[k].oldest; c != nil && at.Sub(c.Last) > limit; c = t.lists[k].oldest {
			t.close(c, t.idle(class(k)))
		}
	}
}

// Since calls f for every conversation with packets after a time, in no order. f must not change the table.
func (t *Table) Since(after time.Time, f func(*Conversation)) {
	for k := range t.lists {
		for c := t.lists[k].newest; c != nil && c.Last.After(after); c = c.prev {
			f(c)
		}
	}
}

// Close ends every conversation, the longest idle of each kind first.
func (t *Table) Close() {
	for k := range t.lists {
		for c := t.lists[k].oldest; c != nil; c = t.lists[k].oldest {
			t.close(c, ReasonEnd)
		}
	}
}

// close delivers what waits, forgets the conversation and tells the handler.
func (t *Table) close(c *Conversation, reason Reason) {
	for d := range c.half {
		t.flush(c, Direction(d))
		t.stats.Tails -= len(c.half[d].tail.buf)
		c.half[d].tail = tail{}
	}
	t.lists[c.class].remove(c)
	delete(t.table, c.key)
	switch reason {
	case ReasonFinished:
		t.stats.Finished++
	case ReasonExpired:
		t.stats.Expired++
	case ReasonEvicted:
		t.stats.Evicted++
	case ReasonEnd:
		t.stats.Ended++
	case ReasonReused:
		t.stats.Reused++
	}
	t.handler.Close(c, reason)
}
