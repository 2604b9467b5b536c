package bacnet

import "github.com/spanwatch/spanwatch/protocols"

const (
	maxSegmented = 2        // messages in progress
	maxJoined    = 16 << 10 // bytes of one
)

// assembly is a message of which not all segments have come (5.2).
type assembly struct {
	key
	kind  uint8
	next  uint8
	cut   bool // the message is longer than what is kept
	open  bool
	bytes []byte
	age   uint64
}

// segments joins messages that were cut. The zero value is ready.
type segments struct {
	parts [maxSegmented]assembly
	clock uint64
}

// add takes the segment that m is. With the last one, whole is true and the body is what has come of the message; the
// error says what is missing. A segment that comes again is passed over.
func (s *segments) add(m *message) (body []byte, whole bool, err error) {
	a := &m.apdu
	k := key{m.from, a.invoke, m.net.source, m.net.destination}
	p := s.find(k, a.kind)
	if p == nil && a.sequence == 0 {
		p = s.start(k, a.kind)
	}
	last := a.flags&flagMore == 0
	if p == nil {
		if last {
			return nil, true, malformed("the last segment of a message without its first")
		}
		return nil, false, nil
	}
	missing := a.sequence != p.next
	if !missing {
		p.next++
		room := maxJoined - len(p.bytes)
		p.cut = p.cut || len(a.body) > room
		p.bytes = append(p.bytes, a.body[:min(len(a.body), room)]...)
	}
	if !last {
		return nil, false, nil
	}
	body, p.open = p.bytes, false
	p.bytes = nil
	switch {
	case missing:
		err = malformed("segment %d in the place of %d", a.sequence, p.next)
	case p.cut:
		err = malformed("segments of more than %d bytes", maxJoined)
	}
	return body, true, err
}

func (s *segments) find(k key, kind uint8) *assembly {
	for i := range s.parts {
		if p := &s.parts[i]; p.open && p.key == k && p.kind == kind {
			return p
		}
	}
	return nil
}

// start takes the place of the message that began first.
func (s *segments) start(k key, kind uint8) *assembly {
	at := &s.parts[0]
	for i := range s.parts {
		if p := &s.parts[i]; !p.open || at.open && p.age < at.age {
			at = p
		}
	}
	s.clock++
	*at = assembly{key: k, kind: kind, open: true, age: s.clock}
	return at
}

// drop voids what a side has begun.
func (s *segments) drop(from protocols.Side) {
	for i := range s.parts {
		if s.parts[i].asker == from {
			s.parts[i] = assembly{}
		}
	}
}
