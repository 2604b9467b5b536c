package pipeline

import (
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Batch is what a worker made of a run of frames. Its memory belongs to the receiver until Release; Values of its
// events are valid as long.
type Batch struct {
	Events   []protocols.Event
	Flows    []protocols.Flow
	Bindings []protocols.Binding
	Notices  []protocols.Notice
	Stats    Stats

	arena []byte // backs Event.Values
}

// Stats counts what a worker saw and where it lost something. All are sums.
type Stats struct {
	Packets       uint64
	Bytes         uint64
	Conversations uint64
	Undecoded     uint64 // frames whose headers could not be read
	Malformed     uint64 // messages that broke their specification
	Gaps          uint64 // places where bytes of a conversation were lost
	Skipped       uint64 // messages larger than MaxMessage
	Conflicts     uint64 // segments and fragments that differed from the first copy
	Evicted       uint64 // conversations forgotten for want of room
	Late          uint64 // events that came after later ones were handed on
	Messages      map[string]uint64

	First, Last time.Time // capture times of the earliest and the latest packet; zero without packets
}

// Add adds o to s.
func (s *Stats) Add(o *Stats) {
	s.Packets += o.Packets
	s.Bytes += o.Bytes
	s.Conversations += o.Conversations
	s.Undecoded += o.Undecoded
	s.Malformed += o.Malformed
	s.Gaps += o.Gaps
	s.Skipped += o.Skipped
	s.Conflicts += o.Conflicts
	s.Evicted += o.Evicted
	s.Late += o.Late
	s.seen(o.First)
	s.seen(o.Last)
	for name, n := range o.Messages {
		if s.Messages == nil {
			s.Messages = make(map[string]uint64)
		}
		s.Messages[name] += n
	}
}

// seen widens the span of packet times.
func (s *Stats) seen(at time.Time) {
	if at.IsZero() {
		return
	}
	if s.First.IsZero() || at.Before(s.First) {
		s.First = at
	}
	if at.After(s.Last) {
		s.Last = at
	}
}

// keep copies bytes that borrow a frame into the batch. A full arena is left to the events that point into it and a
// new one is begun, so that earlier copies never move.
func (b *Batch) keep(raw []byte) []byte {
	if len(raw) == 0 {
		return nil
	}
	if cap(b.arena)-len(b.arena) < len(raw) {
		b.arena = make([]byte, 0, max(arenaSize, len(raw)))
	}
	at := len(b.arena)
	b.arena = append(b.arena, raw...)
	return b.arena[at:len(b.arena):len(b.arena)]
}

const arenaSize = 64 << 10

func (b *Batch) reset() {
	clear(b.Events) // drop references to facts and details
	b.Events = b.Events[:0]
	b.Flows = b.Flows[:0]
	b.Bindings = b.Bindings[:0]
	b.Notices = b.Notices[:0]
	messages := b.Stats.Messages
	clear(messages)
	b.Stats = Stats{Messages: messages}
	b.arena = b.arena[:0]
}
