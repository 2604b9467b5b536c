package protocoltest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
)

// maxConversation bounds an invented conversation: longer ones find nothing that shorter ones do not.
const maxConversation = 4 << 10

// Fuzz feeds invented conversations to spec: two directions, arbitrary cuts. The events must not depend on the cuts,
// a told length must stay, and a probe that recognises bytes must not refuse their beginning. The cases below dir
// are the seeds.
//
// The first argument of the fuzz function is a conversation of datagrams or segments, each with a head of two bytes:
// the top bit is the side, the rest the length. The second says how to cut it: the sizes of the pieces, in turn.
func Fuzz(f *testing.F, spec protocols.Spec, dir string) {
	cases, err := Load(dir)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add(pack(c.Blocks), []byte{1, 3, 19})
	}
	f.Fuzz(func(t *testing.T, conversation, cuts []byte) {
		if len(conversation) > maxConversation {
			return
		}
		blocks := unpack(conversation)
		for _, transport := range transports(spec) {
			if err := fuzzOne(spec, Case{Transport: transport, Blocks: blocks}, cuts); err != nil {
				t.Error(err)
			}
		}
	})
}

// transports are those that a Spec can be found on, as far as it tells: one without Length reads no streams.
func transports(spec protocols.Spec) []protocols.Transport {
	var list []protocols.Transport
	if spec.Length != nil || framed(spec.New()) {
		list = append(list, protocols.TransportTCP)
	}
	if len(spec.EtherTypes) > 0 {
		list = append(list, protocols.TransportEthernet)
	}
	if len(spec.UDP) > 0 || len(spec.EtherTypes) == 0 {
		list = append(list, protocols.TransportUDP)
	}
	return list
}

func fuzzOne(spec protocols.Spec, c Case, cuts []byte) error {
	for _, b := range c.Blocks {
		if err := fuzzProbe(spec, c.Transport, b.Bytes); err != nil {
			return err
		}
	}
	want, err := whole(spec, c, true)
	if err != nil {
		return err
	}
	if err := want.borrowed(); err != nil {
		return err
	}
	if spec.ReadsCut || c.Transport != protocols.TransportTCP {
		if err := fuzzKept(spec, c, cuts); err != nil {
			return err
		}
	}
	if c.Transport != protocols.TransportTCP {
		return nil
	}
	turn := 0
	got, err := cut(spec, c, func(left int) int {
		if len(cuts) == 0 {
			return left
		}
		turn++
		return min(1+int(cuts[turn%len(cuts)]), left)
	})
	if err != nil {
		return err
	}
	if !slices.Equal(want.lines, got.lines) {
		return fmt.Errorf("events depend on the cuts (-whole +cut):\n%s", cmp.Diff(want.lines, got.lines))
	}
	return nil
}

// fuzzKept hands over the blocks as messages of which the capture kept as much as cuts say.
func fuzzKept(spec protocols.Spec, c Case, cuts []byte) error {
	f := newFramer(spec, c.Transport, false, true)
	for i, b := range c.Blocks {
		kept := len(b.Bytes)
		if len(cuts) > 0 {
			kept = min(kept, int(cuts[i%len(cuts)]))
		}
		f.missing = len(b.Bytes) - kept
		if err := f.dissect(b.From, b.Bytes[:kept], uint64(i+1)); err != nil {
			return fmt.Errorf("%d bytes kept of %d: %w", kept, len(b.Bytes), err)
		}
	}
	return f.borrowed()
}

// fuzzProbe checks the probe's and the framing's promises on the first bytes of a segment.
func fuzzProbe(spec protocols.Spec, transport protocols.Transport, b []byte) error {
	b = b[:min(len(b), 64)]
	if transport != protocols.TransportTCP {
		spec.Probe(transport, exact(b))
		return nil
	}
	if err := prefixesMatch(spec, transport, b); err != nil {
		return err
	}
	if spec.Length == nil {
		return nil
	}
	return stableLength(spec, b)
}

// pack writes blocks in the form that unpack reads.
func pack(blocks []Block) []byte {
	var out []byte
	for _, b := range blocks {
		for rest := b.Bytes; len(rest) > 0; {
			n := min(len(rest), 1<<15-1)
			out = append(out, byte(b.From)<<7|byte(n>>8), byte(n))
			out = append(out, rest[:n]...)
			rest = rest[n:]
		}
	}
	return out
}

// unpack reads as many blocks as there are; the last one may be short.
func unpack(b []byte) []Block {
	var blocks []Block
	for len(b) > 2 {
		n := min(int(b[0]&0x7f)<<8|int(b[1]), len(b)-2)
		if n > 0 {
			blocks = append(blocks, Block{From: protocols.Side(b[0] >> 7), Bytes: b[2 : 2+n]})
		}
		b = b[2+n:]
	}
	return blocks
}
