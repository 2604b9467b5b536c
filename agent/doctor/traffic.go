package doctor

import (
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/spanwatch/spanwatch/agent/pipeline"
	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/all"
)

// traffic is what was seen of an interface. It is used by one goroutine.
type traffic struct {
	own [6]byte // the interface's address

	frames, bytes uint64
	foreign       uint64 // from one other host to one other host
	group         uint64 // to everybody or to a group
	mine          uint64 // from or to the interface itself
	unreadable    uint64
	truncated     uint64
	merged        uint64
	tunnelled     uint64
	longest       int // frames longer than this were merged; 0: unknown
	tagged        map[[2]uint16]uint64
	doubles       uint64 // foreign frames that had come a moment before
	sides         map[ends]*[2]uint64
	labels        map[string]*share

	recent [remembered]memory
	seed   maphash.Seed
	worker *pipeline.Worker
	packet packet.Packet
}

// ends are those of a TCP conversation, the lesser first.
type ends [2]netip.AddrPort

// share is what a protocol has of the traffic.
type share struct {
	bytes, messages uint64
	plant           bool
}

// memory is of a frame that was seen.
type memory struct {
	hash uint64
	at   time.Time
}

const (
	remembered = 8192 // frames of which a double is known; a later frame may take the place of an earlier one
	// double is how long after a frame the same bytes are a double and not a repetition.
	double = 20 * time.Millisecond
	// maxSides and maxTags bound the tables.
	maxSides = 8192
	maxTags  = 4096
	// handOver is after how many frames the worker's findings are taken.
	handOver = 1024
)

func newTraffic(own [6]byte, mtu int) *traffic {
	t := &traffic{
		own: own, tagged: make(map[[2]uint16]uint64), sides: make(map[ends]*[2]uint64), labels: make(map[string]*share),
		seed: maphash.MakeSeed(), worker: pipeline.NewWorker(pipeline.Config{Specs: all.Specs()}),
	}
	if mtu > 0 {
		t.longest = mtu + 14 + 8 // with an Ethernet header and two tags
	}
	return t
}

// frame takes one frame in.
func (t *traffic) frame(f *capture.Frame) {
	t.frames++
	t.bytes += uint64(f.WireLength)
	if f.WireLength > len(f.Data) {
		t.truncated++
	}
	if t.longest > 0 && f.WireLength > t.longest {
		t.merged++
	}
	// What goes to everybody reaches the port by itself and through the mirror.
	if t.addressed(f.Data) && t.repeated(f.Data, f.Time) {
		t.doubles++
	}
	t.worker.Frame(f)
	if t.frames%handOver == 0 {
		t.take()
	}
	p := &t.packet
	if err := p.Decode(uint16(f.Link), f.Data); err != nil {
		t.unreadable++
		return
	}
	if p.VLANs[0] != 0 && (t.tagged[p.VLANs] > 0 || len(t.tagged) < maxTags) {
		t.tagged[p.VLANs]++
	}
	if p.Tunnels > 0 {
		t.tunnelled++
	}
	t.side(p)
}

// addressed says by the frame's own addresses, not those inside a tunnel, whether only a mirror can have brought it.
func (t *traffic) addressed(data []byte) (foreign bool) {
	if len(data) < 12 {
		return false
	}
	to, from := [6]byte(data[:6]), [6]byte(data[6:12])
	switch {
	case to == t.own || from == t.own:
		t.mine++
	case to[0]&1 != 0:
		t.group++
	default:
		t.foreign++
		return true
	}
	return false
}

// side counts a TCP segment that acknowledges something: where one side does, the other has sent.
func (t *traffic) side(p *packet.Packet) {
	if p.Proto != packet.ProtoTCP || !p.Flags.Has(packet.ACK) || !p.Src.IsValid() {
		return
	}
	a, b, from := netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort), 0
	if a.Compare(b) > 0 {
		a, b, from = b, a, 1
	}
	s := t.sides[ends{a, b}]
	if s == nil {
		if len(t.sides) >= maxSides {
			return
		}
		s = new([2]uint64)
		t.sides[ends{a, b}] = s
	}
	s[from]++
}

// repeated reports whether the same bytes came a moment ago, tags aside: a port may be mirrored with them and without.
func (t *traffic) repeated(data []byte, at time.Time) bool {
	if len(data) < 14 {
		return false
	}
	rest := data[12:]
	for len(rest) > 4 && (rest[0] == 0x81 && rest[1] == 0x00 || rest[0] == 0x88 && rest[1] == 0xa8) {
		rest = rest[4:]
	}
	var h maphash.Hash
	h.SetSeed(t.seed)
	_, _ = h.Write(data[:12]) // a hash takes everything
	_, _ = h.Write(rest)
	sum := h.Sum64()
	slot := &t.recent[sum%remembered]
	again := slot.hash == sum && at.Sub(slot.at).Abs() <= double
	*slot = memory{sum, at}
	return again
}

// take adds up what the worker found.
func (t *traffic) take() {
	b := t.worker.Take(new(pipeline.Batch))
	for i := range b.Flows {
		f := &b.Flows[i]
		if f.Protocol == "" {
			continue
		}
		s := t.label(f.Protocol)
		s.bytes += f.Bytes[protocols.Client] + f.Bytes[protocols.Server]
		s.plant = !f.Ordinary
	}
	for name, n := range b.Stats.Messages {
		t.label(name).messages += n
	}
}

func (t *traffic) label(name string) *share {
	s := t.labels[name]
	if s == nil {
		s = new(share)
		t.labels[name] = s
	}
	return s
}

// finish ends every conversation, so that all is counted.
func (t *traffic) finish() {
	t.worker.Finish()
	t.take()
}

// lonely counts the conversations of which enough was seen to tell whether both sides are: judged, and those with one
// side only.
func (t *traffic) lonely() (judged, alone int) {
	const enough = 3
	for _, s := range t.sides {
		if s[0] >= enough || s[1] >= enough {
			judged++
			if s[0] == 0 || s[1] == 0 {
				alone++
			}
		}
	}
	return judged, alone
}
