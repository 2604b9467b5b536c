package enip

import (
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// maxStreams is how many I/O connections of a side are told. Nothing is evicted: who opens more is counted only, or every
// message of a scanner with many adapters would be told again.
const maxStreams = 64

// streams remembers which connections of each side have been told.
type streams struct {
	known  [2][maxStreams]uint32
	n      [2]int
	recent [2]int // where the last message's connection was found
	untold uint64 // messages of connections for which there was no room
}

// first reports whether a connection's message is the first of its side.
func (s *streams) first(from protocols.Side, connection uint32) bool {
	known := s.known[from][:s.n[from]]
	if at := s.recent[from]; at < len(known) && known[at] == connection {
		return false
	}
	for i, id := range known {
		if id == connection {
			s.recent[from] = i
			return false
		}
	}
	if len(known) == maxStreams {
		s.untold++
		return false
	}
	s.known[from][len(known)] = connection
	s.recent[from] = len(known)
	s.n[from]++
	return true
}

// stream tells the first message of an I/O connection (Volume 2, 3-2). Who produces sends its values: which end opened the
// connection is not to be seen here, so the message says neither that it reads nor that it writes.
func (d *conversation) stream(dst []protocols.Event, in protocols.Message) []protocols.Event {
	connection := binary.LittleEndian.Uint32(in.Bytes[6:])
	if d.streams == nil {
		d.streams = &streams{}
	}
	if !d.streams.first(in.From, connection) {
		return dst
	}
	e := protocols.Event{
		From: in.From, Action: protocols.ActionNone, Outcome: protocols.OutcomeDone, Message: "Connected Data",
		Object: protocols.Object{Area: "connection", Name: fmt.Sprintf("0x%08X", connection)},
	}
	if in.From == protocols.Server {
		e.Action = protocols.ActionRead
	}
	if in.Detail {
		e.Detail = streamDetail(in.Bytes)
	}
	return append(dst, e)
}
