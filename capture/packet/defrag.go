package packet

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"time"
)

// DefragConfig bounds a [Defragmenter]. Zero values take the defaults.
type DefragConfig struct {
	MaxDatagrams int           // incomplete datagrams kept; default 1024
	MaxBytes     int           // memory they take, with overhead; default 4 MiB
	Timeout      time.Duration // how long the rest of a datagram may take, in packet time; default 30 s
}

// DefragStats counts what a [Defragmenter] did.
type DefragStats struct {
	Fragments uint64 // taken in
	Whole     uint64 // datagrams completed
	Overlaps  uint64 // fragments that repeat bytes with different content
	Refused   uint64 // fragments that cannot belong to any datagram
	Expired   uint64 // datagrams whose rest did not come in time
	Evicted   uint64 // datagrams given up for want of room
}

// Defragmenter puts fragmented IPv4 and IPv6 datagrams together. Where fragments overlap, the copy that came first wins.
// It is bounded in datagrams, bytes and packet time; the oldest datagram gives way.
type Defragmenter struct {
	config DefragConfig
	stats  DefragStats
	table  map[fragKey]*datagram
	// A ring around a sentinel, oldest at next.
	ring  datagram
	bytes int
	buf   []byte // the datagram assembled last
}

type fragKey struct {
	src, dst netip.Addr
	id       uint32
	vlans    [2]uint16
	proto    uint8 // IPv4 only: IPv6 tells datagrams apart by id alone (RFC 8200 §4.5)
}

type datagram struct {
	key        fragKey
	first      time.Time
	pieces     []piece // by offset, disjoint
	have       int     // bytes in pieces
	total      int     // length of the datagram, -1 until the last fragment came
	proto      uint8   // what the first fragment says follows
	cost       int
	prev, next *datagram
}

type piece struct {
	off  int
	data []byte
}

// What a piece and a datagram cost beyond their bytes.
const (
	pieceCost    = 48
	datagramCost = 256
)

// NewDefragmenter makes an empty Defragmenter.
func NewDefragmenter(c DefragConfig) *Defragmenter {
	if c.MaxDatagrams <= 0 {
		c.MaxDatagrams = 1024
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 4 << 20
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	d := &Defragmenter{config: c, table: make(map[fragKey]*datagram)}
	d.ring.prev, d.ring.next = &d.ring, &d.ring
	return d
}

// Stats gives the counters.
func (d *Defragmenter) Stats() DefragStats { return d.stats }

// Whole takes a decoded packet. It reports true at once if p is no fragment. A fragment is kept, and Whole reports
// false, until the fragment that completes its datagram comes: then p becomes the whole datagram, decoded to the
// innermost packet, with its payload borrowed until the next call. The error is that of decoding the whole datagram,
// as [Packet.Decode] gives it.
func (d *Defragmenter) Whole(p *Packet, at time.Time) (bool, error) {
	// A tunnel in fragments may carry fragments; each round goes one tunnel deeper.
	for range maxDepth {
		if !p.Fragment.Is {
			return true, nil
		}
		g := d.take(p, at)
		if g == nil {
			return false, nil
		}
		if err := d.assemble(p, g); err != nil {
			return !p.Fragment.Is, err
		}
	}
	return false, errDepth
}

// take files a fragment; it gives the datagram if it is complete.
func (d *Defragmenter) take(p *Packet, at time.Time) *datagram {
	d.stats.Fragments++
	d.expire(at)
	key := fragKey{src: p.Src, dst: p.Dst, id: p.Fragment.ID, vlans: p.VLANs}
	if p.Src.Is4() {
		key.proto = p.Proto
	}
	off, data := int(p.Fragment.Offset), p.Payload
	if p.Fragment.More {
		data = data[:len(data)&^7] // only the last may end off a boundary of 8
	}
	if len(data) == 0 || off+len(data) > 65535 || p.Truncated && p.Missing == 0 {
		d.stats.Refused++
		return nil
	}
	g := d.table[key]
	if g != nil && at.Sub(g.first) > d.config.Timeout {
		d.stats.Expired++
		d.drop(g)
		g = nil
	}
	if g == nil {
		g = d.begin(key, at)
	}
	if off == 0 {
		g.proto = p.Proto
	}
	if !p.Fragment.More && !p.Truncated && g.total < 0 {
		d.close(g, off+len(data))
	}
	d.insert(g, off, data)
	if g.total >= 0 && g.have == g.total {
		return g
	}
	for d.bytes > d.config.MaxBytes {
		d.stats.Evicted++
		d.drop(d.ring.next)
	}
	return nil
}

// close sets a datagram's length and cuts what was filed beyond it.
func (d *Defragmenter) close(g *datagram, total int) {
	g.total = total
	for i := len(g.pieces) - 1; i >= 0 && g.end() > total; i-- {
		p := &g.pieces[i]
		cut := min(len(p.data), p.off+len(p.data)-total)
		p.data = p.data[:len(p.data)-cut]
		g.have -= cut
		if len(p.data) == 0 {
			g.pieces = g.pieces[:i]
		}
	}
}

// end is where the last piece ends.
func (g *datagram) end() int {
	if len(g.pieces) == 0 {
		return 0
	}
	last := g.pieces[len(g.pieces)-1]
	return last.off + len(last.data)
}

func (d *Defragmenter) begin(key fragKey, at time.Time) *datagram {
	if len(d.table) >= d.config.MaxDatagrams {
		d.stats.Evicted++
		d.drop(d.ring.next)
	}
	g := &datagram{key: key, first: at, total: -1, cost: datagramCost, prev: d.ring.prev, next: &d.ring}
	g.prev.next, g.next.prev = g, g
	d.table[key] = g
	d.bytes += g.cost
	return g
}

// drop forgets a datagram.
func (d *Defragmenter) drop(g *datagram) {
	g.prev.next, g.next.prev = g.next, g.prev
	d.bytes -= g.cost
	delete(d.table, g.key)
}

// expire forgets datagrams whose time is over, the oldest first.
func (d *Defragmenter) expire(at time.Time) {
	for g := d.ring.next; g != &d.ring && at.Sub(g.first) > d.config.Timeout; g = d.ring.next {
		d.stats.Expired++
		d.drop(g)
	}
}

// insert files those parts of data that are not there yet.
func (d *Defragmenter) insert(g *datagram, off int, data []byte) {
	if g.total >= 0 && off+len(data) > g.total {
		data = data[:max(g.total-off, 0)]
	}
	i, _ := slices.BinarySearchFunc(g.pieces, off, func(p piece, off int) int { return p.off + len(p.data) - off - 1 })
	conflict := false
	for len(data) > 0 {
		if i == len(g.pieces) || off < g.pieces[i].off {
			n := len(data)
			if i < len(g.pieces) {
				n = min(n, g.pieces[i].off-off)
			}
			g.pieces = slices.Insert(g.pieces, i, piece{off, bytes.Clone(data[:n])})
			g.have += n
			g.cost += n + pieceCost
			d.bytes += n + pieceCost
			off, data = off+n, data[n:]
			i++
			continue
		}
		p := g.pieces[i]
		n := min(len(data), p.off+len(p.data)-off)
		conflict = conflict || !bytes.Equal(data[:n], p.data[off-p.off:off-p.off+n])
		off, data = off+n, data[n:]
		i++
	}
	if conflict {
		d.stats.Overlaps++
	}
}

// assemble makes p the whole datagram.
func (d *Defragmenter) assemble(p *Packet, g *datagram) error {
	d.stats.Whole++
	d.drop(g)
	d.buf = d.buf[:0]
	for _, x := range g.pieces {
		d.buf = append(d.buf, x.data...)
	}
	p.Fragment, p.Proto, p.Truncated, p.Missing, p.Cut = Fragment{}, g.proto, false, 0, false
	p.base = math.MaxInt // no part of it was within reach in the frame
	if p.Src.Is4() {
		return p.transport(p.Proto, d.buf, int(p.Tunnels))
	}
	return p.extensions(d.buf, int(p.Tunnels))
}
