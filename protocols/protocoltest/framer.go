package protocoltest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// maxMessage is the length above which a message is skipped and not dissected, as in the sensor.
const maxMessage = 64 << 10

// framer runs one conversation through a Spec as the sensor does, and renders what comes out.
type framer struct {
	spec      protocols.Spec
	transport protocols.Transport
	detail    bool
	probing   bool // a side must be recognised before it is cut into messages

	dissector protocols.Dissector
	sides     [2]side
	lines     []string       // the rendered events and errors
	bare      []string       // the same without what borrows from the message, rendered at once
	kept      []keptEvent    // the events themselves, to render again when their message is gone
	perFrame  map[uint64]int // finished events by frame
	missing   int            // how much the capture cut of the messages that follow
}

// keptEvent is an event with the frame it was rendered under.
type keptEvent struct {
	event protocols.Event
	frame uint64
}

// side is one direction of the conversation.
type side struct {
	buf    []byte
	synced bool
	skip   int   // bytes of an oversized message still to pass over
	ends   []end // which frame the buffered bytes came in
	read   int   // bytes consumed so far
	total  int   // bytes received so far
}

// end says that the bytes up to offset came with a frame.
type end struct {
	offset int
	frame  uint64
}

func newFramer(spec protocols.Spec, transport protocols.Transport, probing, detail bool) *framer {
	return &framer{
		spec: spec, transport: transport, probing: probing, detail: detail,
		dissector: spec.New(), perFrame: map[uint64]int{},
	}
}

// gap tells that bytes of a side were lost: what was buffered is void and the next segment is probed.
func (f *framer) gap(from protocols.Side) {
	s := &f.sides[from]
	s.read = s.total
	s.buf, s.ends, s.skip = nil, nil, 0
	s.synced = s.synced && framed(f.dissector) // a Framer finds its next message itself
	f.dissector.Gap(from)
}

// data takes the next bytes of a side, which arrived in the given frame.
func (f *framer) data(from protocols.Side, b []byte, frame uint64) error {
	if f.transport != protocols.TransportTCP {
		if f.probing && f.spec.Probe(f.transport, exact(b)) == protocols.No {
			return nil
		}
		return f.dissect(from, b, frame)
	}
	s := &f.sides[from]
	s.total += len(b)
	s.buf = append(s.buf, b...)
	s.ends = append(s.ends, end{s.total, frame})
	return f.drain(from)
}

// drain takes as many messages out of a side's buffer as are whole.
func (f *framer) drain(from protocols.Side) error {
	s := &f.sides[from]
	for len(s.buf) > 0 {
		more, err := f.step(from, s)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// step takes one decision about the buffered bytes of a side and reports whether another may follow.
func (f *framer) step(from protocols.Side, s *side) (bool, error) {
	if s.skip > 0 {
		n := min(s.skip, len(s.buf))
		s.skip -= n
		s.drop(n)
		return true, nil
	}
	if f.probing && !s.synced {
		switch f.spec.Probe(f.transport, slices.Clip(s.buf)) {
		case protocols.No:
			s.drop(len(s.buf))
			return false, nil
		case protocols.More:
			return false, nil
		}
		s.synced = true
	}
	n := f.length(from, slices.Clip(s.buf))
	switch {
	case n == 0:
		return false, nil
	case n < 0:
		s.synced = false
		s.drop(1)
		return true, nil
	case n > maxMessage:
		s.skip = n
		return true, nil
	case n > len(s.buf):
		return false, nil
	}
	frame := s.frameAt(s.read + n)
	msg := s.buf[:n]
	err := f.dissect(from, msg, frame)
	s.drop(n)
	return true, err
}

// length gives the length of the message at the start of b, as the sensor asks for it.
func (f *framer) length(from protocols.Side, b []byte) int {
	if d, ok := f.dissector.(protocols.Framer); ok {
		return d.Next(from, b)
	}
	return f.spec.Length(b)
}

// framed reports whether a dissector finds the ends of messages itself.
func framed(d protocols.Dissector) bool {
	_, ok := d.(protocols.Framer)
	return ok
}

func (s *side) drop(n int) {
	s.buf = s.buf[n:]
	s.read += n
	for len(s.ends) > 0 && s.ends[0].offset <= s.read {
		s.ends = s.ends[1:]
	}
}

// frameAt gives the frame that brought the byte before offset.
func (s *side) frameAt(offset int) uint64 {
	for _, e := range s.ends {
		if offset <= e.offset {
			return e.frame
		}
	}
	return 0
}

// dissect hands one message over in a slice that ends where the message ends, renders the events, and then destroys
// the message: a dissector that kept hold of it shows in what follows.
func (f *framer) dissect(from protocols.Side, msg []byte, frame uint64) error {
	b := exact(msg)
	sentinel := protocols.Event{Message: "sentinel"}
	events, err := f.dissector.Dissect([]protocols.Event{sentinel}, protocols.Message{
		From: from, Bytes: b, Missing: f.missing, Frame: frame, Transport: f.transport, Detail: f.detail,
	})
	if len(events) == 0 || events[0].Message != sentinel.Message {
		return errors.New("events were not appended to what the caller gave")
	}
	events = events[1:]
	if len(events) > len(msg)+f.missing+1 {
		return fmt.Errorf("%d events from a message of %d bytes", len(events), len(msg))
	}
	if err != nil && !errors.Is(err, protocols.ErrMalformed) {
		return fmt.Errorf("error %q does not wrap ErrMalformed", err)
	}
	for i := range events {
		if !f.detail && events[i].Detail != nil {
			return errors.New("a detail without being asked for")
		}
		if f.detail && i > 0 && events[i].Detail != nil {
			return errors.New("a detail on another than the first event of a message")
		}
		f.lines = append(f.lines, render(&events[i], frame, true))
		f.bare = append(f.bare, render(&events[i], frame, false))
		f.kept = append(f.kept, keptEvent{events[i], frame})
		if !events[i].Continued {
			f.perFrame[frame]++
		}
	}
	if err != nil {
		f.lines = append(f.lines, renderError(err, from, frame))
	}
	for i := range b {
		b[i] ^= 0x5a
	}
	return nil
}

// borrowed compares the events, now that every message is destroyed, with what they said at once.
func (f *framer) borrowed() error {
	for i := range f.kept {
		if now := render(&f.kept[i].event, f.kept[i].frame, false); now != f.bare[i] {
			return fmt.Errorf("an event keeps hold of its message:\n before %s\n after  %s", f.bare[i], now)
		}
	}
	return nil
}

// exact copies b into an allocation of exactly its size, so that reading past the end panics.
func exact(b []byte) []byte {
	c := make([]byte, len(b))
	copy(c, b)
	return c[:len(b):len(b)]
}
