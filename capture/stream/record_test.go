package stream

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/capture/packet"
)

var start = time.Unix(1_700_000_000, 0).UTC()

var (
	client = netip.MustParseAddrPort("10.0.0.5:49152")
	server = netip.MustParseAddrPort("10.0.0.9:502")
)

// recorder writes down what a handler is told, one line a call.
type recorder struct {
	t     testing.TB
	lines []string
	open  map[*Conversation]bool
	all   []*Conversation
	by    map[uint64][]string // the lines of each conversation but the last, by first frame
}

func (r *recorder) note(c *Conversation, format string, args ...any) {
	if !r.open[c] {
		r.t.Errorf("conversation of frame %d is not open: "+format, append([]any{c.FirstFrame}, args...)...)
	}
	line := fmt.Sprintf(format, args...)
	r.lines = append(r.lines, line)
	if r.by != nil && !strings.HasPrefix(line, "close ") {
		r.by[c.FirstFrame] = append(r.by[c.FirstFrame], line)
	}
}

func (r *recorder) Open(c *Conversation) {
	if r.open == nil {
		r.open = make(map[*Conversation]bool)
	}
	r.open[c] = true
	r.all = append(r.all, c)
	r.note(c, "open %d", c.FirstFrame)
}

func (r *recorder) Data(c *Conversation, d Direction, b []byte, frame uint64, _ time.Time) {
	r.note(c, "%c %q of %d", "><"[d], b, frame)
}

func (r *recorder) Cut(c *Conversation, d Direction, b []byte, n int, frame uint64, _ time.Time) {
	r.note(c, "%c %q of %d, cut by %d", "><"[d], b, frame, n)
}

func (r *recorder) Gap(c *Conversation, d Direction, n int) { r.note(c, "%c gap %d", "><"[d], n) }

func (r *recorder) Overlap(c *Conversation, d Direction, frame uint64, _ time.Time) {
	r.note(c, "%c overlap in %d", "><"[d], frame)
}

func (r *recorder) Close(c *Conversation, reason Reason) {
	r.note(c, "close %v", reason)
	delete(r.open, c)
}

// take gives what was written down since the last call.
func (r *recorder) take() []string {
	l := r.lines
	r.lines = nil
	return l
}

// step is a packet: from the client, or from the server where back is set, at seconds since the start.
type step struct {
	back    bool
	flags   packet.TCPFlags
	seq     uint32
	ack     uint32
	data    string
	at      float64
	missing int
	cut     bool // what is missing was on the wire
}

func (s step) packet() *packet.Packet {
	p := &packet.Packet{
		Proto: packet.ProtoTCP, Flags: s.flags, Seq: s.seq, Ack: s.ack, Payload: []byte(s.data),
		Missing: s.missing, Truncated: s.missing > 0, Cut: s.cut,
	}
	from, to := client, server
	if s.back {
		from, to = server, client
	}
	p.Src, p.SrcPort, p.Dst, p.DstPort = from.Addr(), from.Port(), to.Addr(), to.Port()
	return p
}

func (s step) time() time.Time { return start.Add(time.Duration(s.at * float64(time.Second))) }

// feed gives steps to a table, numbered from first on. A payload is overwritten once the call is over, as the next frame
// would do.
func feed(t *Table, first uint64, steps ...step) {
	for i, s := range steps {
		p := s.packet()
		t.Packet(p, first+uint64(i), s.time(), 54+len(s.data))
		copy(p.Payload, strings.Repeat("#", len(p.Payload)))
	}
}
