package pipeline

import (
	"hash/maphash"
	"net/netip"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
	"github.com/spanwatch/spanwatch/capture/stream"
	"github.com/spanwatch/spanwatch/protocols"
)

// Config is what workers need to know.
type Config struct {
	Specs  []protocols.Spec
	Detail bool // build Event.Detail: for people, not for the hot path
	// Fold gathers events that repeat, as polls do, and tells them together: see [protocols.Fold]. Not with Detail.
	Fold   bool
	Stream stream.Config
	// Counted tells whether a packet of a source was counted by the kernel, with its conversation; see [Tally]. Nil: none.
	Counted func(p *packet.Packet, source uint16) bool
	// Mark is told of a conversation in which a plant's protocol was recognised, and whether its content is read: a kernel
	// that lets through only what is read must know. Nil: nobody wants to know.
	Mark func(a, b netip.AddrPort, proto uint8, source uint16, read bool)
}

// MaxMessage is the size in bytes over which a message is counted and passed over instead of buffered. Siemens PDUs
// end at 64 KiB, OPC UA chunks of common servers a little above it.
const MaxMessage = 128 << 10

// sourceShift places the source's index above the frame's number, so that one number orders the frames of rotated
// capture files that a conversation runs across.
const sourceShift = 48

// Worker turns the frames it is given into events. It is used by one goroutine.
type Worker struct {
	cfg    Config
	packet packet.Packet
	defrag *packet.Defragmenter
	table  *stream.Table
	byPort map[port][]*protocols.Spec
	order  map[port][]*protocols.Spec // all specs in the order to try at a port of byPort; shared by conversations
	specs  []*protocols.Spec
	batch  *Batch
	swept  time.Time

	folding folding

	// Messages of one label that were not counted in the batch yet: one mostly follows another of its kind.
	label    string
	messages uint64
}

type port struct {
	transport protocols.Transport
	number    uint16
}

// NewWorker makes a worker with empty tables.
func NewWorker(cfg Config) *Worker {
	w := &Worker{cfg: cfg, batch: new(Batch), byPort: make(map[port][]*protocols.Spec), order: make(map[port][]*protocols.Spec)}
	for i := range cfg.Specs {
		spec := &cfg.Specs[i]
		w.specs = append(w.specs, spec)
		for _, n := range spec.TCP {
			w.byPort[port{protocols.TransportTCP, n}] = append(w.byPort[port{protocols.TransportTCP, n}], spec)
		}
		for _, n := range spec.UDP {
			w.byPort[port{protocols.TransportUDP, n}] = append(w.byPort[port{protocols.TransportUDP, n}], spec)
		}
		for _, n := range spec.EtherTypes {
			w.byPort[port{protocols.TransportEthernet, n}] = append(w.byPort[port{protocols.TransportEthernet, n}], spec)
		}
	}
	w.defrag = packet.NewDefragmenter(packet.DefragConfig{})
	w.table = stream.New(cfg.Stream, w)
	w.folding.seed = maphash.MakeSeed()
	return w
}

// Frame takes one frame. Its Data may be reused as soon as Frame returns.
func (w *Worker) Frame(f *capture.Frame) {
	w.batch.Stats.Packets++
	w.batch.Stats.Bytes += uint64(f.WireLength)
	w.batch.Stats.seen(f.Time)
	p := &w.packet
	if err := p.Decode(uint16(f.Link), f.Data); err != nil {
		w.batch.Stats.Undecoded++
		return
	}
	p.Wire(f.WireLength, len(f.Data))
	if p.ARP.Op != 0 {
		w.bind(p, f.Time)
	}
	number := uint64(f.Source)<<sourceShift | f.Number
	conflicts, fragment := w.defrag.Stats().Overlaps, p.Fragment.Is
	whole, err := w.defrag.Whole(p, f.Time)
	if err != nil {
		w.batch.Stats.Undecoded++
	}
	if w.defrag.Stats().Overlaps != conflicts {
		w.conflict(&protocols.Conversation{
			Client: endpoint(stream.Endpoint{Addr: p.Src, MAC: p.SrcMAC}), Server: endpoint(stream.Endpoint{Addr: p.Dst, MAC: p.DstMAC}),
			Transport: protocols.TransportOther, VLANs: p.VLANs,
		}, protocols.Client, number, f.Time)
	}
	if !whole {
		return
	}
	if w.cfg.Counted != nil && !fragment && w.cfg.Counted(p, f.Source) {
		w.table.Read(p, number, f.Time, f.WireLength)
		return
	}
	w.table.Packet(p, number, f.Time, f.WireLength)
}

// Sweep ends what has been idle too long at a time, and reports what was counted since the last sweep and not reported
// yet: without packets nothing else would.
func (w *Worker) Sweep(at time.Time) {
	w.table.Advance(at)
	w.table.Since(w.swept, func(raw *stream.Conversation) {
		c := raw.User.(*conversation)
		if at.Sub(c.folds.since) >= foldFor {
			w.unfold(c, at)
		}
		if !w.waiting(c) {
			w.report(c)
		}
	})
	w.swept = at.Add(-sweepSlack)
}

// sweepSlack is by how much packets may be older than the clock of a sweep.
const sweepSlack = time.Second

// bind reports who says to own an address. An announcement with a group address, or none, says nothing.
func (w *Worker) bind(p *packet.Packet, at time.Time) {
	mac := protocols.MAC(p.ARP.SenderMAC)
	if mac.IsZero() || mac.IsGroup() || !p.ARP.SenderIP.IsValid() || p.ARP.SenderIP.IsUnspecified() {
		return
	}
	w.batch.Bindings = append(w.batch.Bindings, protocols.Binding{
		Time: at, Addr: p.ARP.SenderIP, MAC: mac, VLAN: p.VLANs[0], OnLink: true,
	})
}

// Take hands over what has been gathered and goes on with next, which must be empty.
func (w *Worker) Take(next *Batch) *Batch {
	w.tellMessages()
	full := w.batch
	w.batch = next
	return full
}

// Finish ends every conversation, so that the last counts are reported. The worker must not be used afterwards, but for
// a last Take.
func (w *Worker) Finish() {
	w.table.Close()
	w.batch.Stats.Evicted += w.table.Stats().Evicted
}

// candidates gives the specs to try for a conversation: those at home on one of its ports first, then the others. The
// list is not the conversation's own.
// Frames without IP are of the kind that their EtherType says, and of no other.
func (w *Worker) candidates(c *conversation) []*protocols.Spec {
	t := c.pub.Transport
	if t == protocols.TransportEthernet {
		return w.byPort[port{t, c.raw.EtherType}]
	}
	at := port{t, c.raw.B.Port}
	if w.byPort[at] == nil {
		at = port{t, c.raw.A.Port}
	}
	home := w.byPort[at]
	if home == nil {
		return w.specs
	}
	list := w.order[at]
	if list == nil {
		list = slices.Clone(home)
		for _, s := range w.specs {
			if !slices.Contains(home, s) {
				list = append(list, s)
			}
		}
		w.order[at] = list
	}
	return list
}

// homePort reports whether some protocol is usually served on this port.
func (w *Worker) homePort(t protocols.Transport, number uint16) bool {
	return w.byPort[port{t, number}] != nil
}

func endpoint(e stream.Endpoint) protocols.Endpoint {
	return protocols.Endpoint{Addr: e.Addr, Port: e.Port, MAC: protocols.MAC(e.MAC)}
}

func transport(proto uint8, addr netip.Addr) protocols.Transport {
	switch {
	case !addr.IsValid():
		return protocols.TransportEthernet
	case proto == packet.ProtoTCP:
		return protocols.TransportTCP
	case proto == packet.ProtoUDP:
		return protocols.TransportUDP
	case proto == packet.ProtoICMP || proto == packet.ProtoICMPv6:
		return protocols.TransportICMP
	default:
		return protocols.TransportOther
	}
}
