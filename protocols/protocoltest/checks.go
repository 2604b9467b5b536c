package protocoltest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
)

// checkProbe: a message is recognised whole, never refused in part, and never given to the wrong side.
func checkProbe(spec protocols.Spec, c Case) error {
	for i, b := range c.Blocks {
		if b.Odd {
			continue
		}
		switch m := spec.Probe(c.Transport, exact(b.Bytes)); {
		case m == protocols.No, m == protocols.More:
			return fmt.Errorf("block %d: probe says %v to a whole message", i+1, m)
		case m == protocols.YesClient && b.From == protocols.Server, m == protocols.YesServer && b.From == protocols.Client:
			return fmt.Errorf("block %d: probe says %v to a message of the %v", i+1, m, b.From)
		}
		if c.Transport != protocols.TransportTCP {
			continue
		}
		if err := prefixesMatch(spec, c.Transport, b.Bytes); err != nil {
			return fmt.Errorf("block %d: %w", i+1, err)
		}
	}
	return nil
}

// prefixesMatch reports a beginning of b that the probe refuses although it recognises b.
func prefixesMatch(spec protocols.Spec, transport protocols.Transport, b []byte) error {
	if spec.Probe(transport, exact(b)) == protocols.No {
		return nil
	}
	for n := range b {
		if spec.Probe(transport, exact(b[:n])) == protocols.No {
			return fmt.Errorf("probe says no to the first %d bytes of what it does not refuse whole", n)
		}
	}
	return nil
}

// checkLength: the length of a message is told once and stays, whatever follows.
func checkLength(spec protocols.Spec, c Case) error {
	if c.Transport != protocols.TransportTCP || spec.CountOnly || spec.Length == nil {
		return nil // what is only counted may pass as it comes, and a Framer is asked in the other checks
	}
	for i, b := range c.Blocks {
		if err := stableLength(spec, b.Bytes); err != nil {
			return fmt.Errorf("block %d: %w", i+1, err)
		}
	}
	return nil
}

func stableLength(spec protocols.Spec, b []byte) error {
	told := 0
	for n := 0; n <= len(b); n++ {
		switch length := spec.Length(exact(b[:n])); {
		case told == 0:
			told = length
		case told > 0 && length != told, told < 0 && length >= 0:
			return fmt.Errorf("length %d of a message becomes %d with byte %d", told, length, n)
		}
	}
	return nil
}

// checkBorrowing: nothing but Values lives in the message's bytes.
func checkBorrowing(spec protocols.Spec, c Case) error {
	f, err := whole(spec, c, true)
	if err != nil {
		return err
	}
	return f.borrowed()
}

// checkDetail: asking for Detail changes nothing else.
func checkDetail(spec protocols.Spec, c Case) error {
	with, err := whole(spec, c, true)
	if err != nil {
		return err
	}
	without, err := whole(spec, c, false)
	if err != nil {
		return err
	}
	for i := range with.kept {
		with.kept[i].event.Detail = nil
		with.bare[i] = render(&with.kept[i].event, with.kept[i].frame, false)
	}
	if diff := cmp.Diff(with.bare, without.bare); diff != "" {
		return fmt.Errorf("events differ without Detail (-with +without):\n%s", diff)
	}
	return nil
}

// checkCuts: the same events however the stream is cut into segments.
func checkCuts(spec protocols.Spec, c Case) error {
	if c.Transport != protocols.TransportTCP || c.Uncut {
		return nil
	}
	want, err := whole(spec, c, true)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(1, 2))
	ways := map[string]func(left int) int{
		"whole runs":    func(left int) int { return left },
		"single bytes":  func(int) int { return 1 },
		"seven bytes":   func(left int) int { return min(7, left) },
		"1 to 19 bytes": func(left int) int { return min(1+random.IntN(19), left) },
	}
	for name, piece := range ways {
		got, err := cut(spec, c, piece)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if diff := cmp.Diff(want.lines, got.lines); diff != "" {
			return fmt.Errorf("%s: events differ (-whole +cut):\n%s", name, diff)
		}
	}
	return nil
}

// cut runs a case with each run of blocks of one side joined and cut anew. Bytes keep the frame of their block, so
// that the frame of a message stays the one that completed it.
func cut(spec protocols.Spec, c Case, piece func(left int) int) (*framer, error) {
	f := newFramer(spec, c.Transport, false, true)
	for first := 0; first < len(c.Blocks); {
		b := c.Blocks[first]
		if b.Gap {
			f.gap(b.From)
		}
		var bytes []byte
		var frames []uint64
		last := first
		for ; last < len(c.Blocks) && c.Blocks[last].From == b.From && (last == first || !c.Blocks[last].Gap); last++ {
			for range c.Blocks[last].Bytes {
				frames = append(frames, uint64(last+1))
			}
			bytes = append(bytes, c.Blocks[last].Bytes...)
		}
		for len(bytes) > 0 {
			n := piece(len(bytes))
			if framed(f.dissector) || spec.CountOnly {
				n = min(n, oneFrame(frames)) // what passes as it comes has the frame it came in
			}
			if err := f.segment(b.From, bytes[:n], frames[:n]); err != nil {
				return nil, err
			}
			bytes, frames = bytes[n:], frames[n:]
		}
		first = last
	}
	return f, nil
}

// oneFrame counts the bytes at the start that have the same frame.
func oneFrame(frames []uint64) int {
	n := 1
	for n < len(frames) && frames[n] == frames[0] {
		n++
	}
	return n
}

// segment takes bytes of a side of which each has its own frame.
func (f *framer) segment(from protocols.Side, b []byte, frames []uint64) error {
	s := &f.sides[from]
	for i := range b {
		if i+1 == len(b) || frames[i+1] != frames[i] {
			s.ends = append(s.ends, end{s.total + i + 1, frames[i]})
		}
	}
	s.total += len(b)
	s.buf = append(s.buf, b...)
	return f.drain(from)
}

// checkMidStream: a sensor that joins late recognises the conversation and misses no later message.
func checkMidStream(spec protocols.Spec, c Case) error {
	for first := 1; first < len(c.Blocks); first++ {
		if err := resumes(spec, c, first, func(f *framer) error { return nil }); err != nil {
			return fmt.Errorf("joined at block %d: %w", first+1, err)
		}
	}
	return nil
}

// checkGap: after lost bytes, later messages give events again.
func checkGap(spec protocols.Spec, c Case) error {
	if c.Transport != protocols.TransportTCP {
		return nil
	}
	for lost := range c.Blocks {
		b := c.Blocks[lost]
		for _, kept := range []int{0, 1, len(b.Bytes) / 2, len(b.Bytes) - 1} {
			before := func(f *framer) error {
				for i := range lost {
					if err := f.data(c.Blocks[i].From, c.Blocks[i].Bytes, uint64(i+1)); err != nil {
						return err
					}
				}
				if err := f.data(b.From, b.Bytes[:kept], uint64(lost+1)); err != nil {
					return err
				}
				f.gap(b.From)
				return nil
			}
			if err := resumes(spec, c, lost+1, before); err != nil {
				return fmt.Errorf("block %d lost but for %d bytes: %w", lost+1, kept, err)
			}
		}
	}
	return nil
}

// resumes plays a case from one of its blocks, after what before did, to a framer that must recognise the protocol,
// and requires events from each block that gives any by itself.
func resumes(spec protocols.Spec, c Case, first int, before func(*framer) error) error {
	f := newFramer(spec, c.Transport, true, false)
	if err := before(f); err != nil {
		return err
	}
	for i := first; i < len(c.Blocks); i++ {
		b := c.Blocks[i]
		frame := uint64(i + 1)
		if b.Gap {
			f.gap(b.From)
		}
		if err := f.data(b.From, b.Bytes, frame); err != nil {
			return err
		}
		if c.Uncut || b.Odd {
			continue
		}
		n, err := alone(spec, c, i)
		if err != nil {
			return err
		}
		if n > 0 && f.perFrame[frame] == 0 {
			return fmt.Errorf("block %d gives no event", i+1)
		}
	}
	return nil
}

// checkTruncated: a message that ends anywhere harms nobody, be it that it has no more or that the capture kept no more.
func checkTruncated(spec protocols.Spec, c Case) error {
	return disturb(spec, c, func(f *framer, b []byte, try func([]byte) error) error {
		defer func() { f.missing = 0 }()
		for n := range b {
			for _, f.missing = range [2]int{0, len(b) - n} {
				if err := try(b[:n]); err != nil {
					return fmt.Errorf("cut off after %d bytes: %w", n, err)
				}
			}
		}
		return nil
	})
}

// checkCorrupted: a message of which one byte is another harms nobody.
func checkCorrupted(spec protocols.Spec, c Case) error {
	return disturb(spec, c, func(_ *framer, b []byte, try func([]byte) error) error {
		for i := range b[:min(len(b), 256)] {
			for _, mask := range []byte{0xff, 0x80, 0x01, b[i], ^b[i]} {
				other := exact(b)
				other[i] ^= mask
				if err := try(other); err != nil {
					return fmt.Errorf("byte %d become %#02x: %w", i, other[i], err)
				}
			}
		}
		return nil
	})
}

// disturb hands faulty versions of each message to the probe, to the framing, and as a message to a dissector that
// saw what came before.
func disturb(spec protocols.Spec, c Case, faults func(f *framer, b []byte, try func([]byte) error) error) error {
	f := newFramer(spec, c.Transport, false, true)
	for i, b := range c.Blocks {
		err := faults(f, b.Bytes, func(bad []byte) error {
			spec.Probe(c.Transport, exact(bad))
			if c.Transport == protocols.TransportTCP && len(bad) > 0 {
				f.length(b.From, exact(bad))
			}
			return f.dissect(b.From, bad, uint64(i+1))
		})
		if err != nil {
			return fmt.Errorf("block %d: %w", i+1, err)
		}
		f.lines, f.bare, f.kept = nil, nil, nil
	}
	return nil
}

// checkAllocations: the hot messages of a case, one after the other, are dissected without allocating.
func checkAllocations(spec protocols.Spec, c Case) error {
	d := spec.New()
	var dst []protocols.Event
	var messages []protocols.Message
	var err error
	for i, b := range c.Blocks {
		for rest := b.Bytes; len(rest) > 0; {
			m := protocols.Message{From: b.From, Bytes: rest, Frame: uint64(i + 1), Transport: c.Transport}
			if f, ok := d.(protocols.Framer); ok {
				n := f.Next(b.From, rest)
				if c.Uncut && (n <= 0 || n > len(rest)) {
					break // synchronisation is lost on purpose
				}
				if n <= 0 || n > len(rest) {
					return fmt.Errorf("block %d: the message has %d of %d bytes", i+1, n, len(rest))
				}
				m.Bytes = rest[:n]
			}
			rest = rest[len(m.Bytes):]
			if dst, err = d.Dissect(dst[:0], m); err != nil && !errors.Is(err, protocols.ErrMalformed) {
				return err
			}
			if b.Hot {
				messages = append(messages, m)
			}
		}
	}
	if len(messages) == 0 {
		return nil
	}
	allocations := testing.AllocsPerRun(100, func() {
		for _, m := range messages {
			dst, err = d.Dissect(dst[:0], m)
		}
	})
	if allocations != 0 {
		return fmt.Errorf("%v allocations for %d hot messages", allocations, len(messages))
	}
	return nil
}
