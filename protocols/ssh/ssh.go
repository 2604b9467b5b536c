package ssh

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
)

// Spec describes SSH to the pipeline.
var Spec = protocols.Spec{
	Name: "ssh", TCP: []uint16{22}, Ordinary: true, Probe: probe,
	New: func() protocols.Dissector { return &conversation{} },
}

// probe wants the beginning of an identification string (RFC 4253 §4.2).
func probe(t protocols.Transport, b []byte) protocols.Match {
	switch {
	case t != protocols.TransportTCP || !begins(b, "SSH-2.0-") && !begins(b, "SSH-1."):
		return protocols.No
	case len(b) < len("SSH-2.0-"):
		return protocols.More
	}
	return protocols.Yes
}

// begins reports that b begins with s, or may when more of it is there.
func begins(b []byte, s string) bool {
	n := min(len(b), len(s))
	return string(b[:n]) == s[:n]
}

// stage is what comes next from a side.
type stage uint8

const (
	atBanner   stage = iota // lines, of which the last is the identification
	inLine                  // the rest of a line that is too long
	atPacket                // packets in the clear
	secret                  // nothing that can be read
	unreadable              // what broke off, or is of another version
)

const (
	longestLine   = 255         // RFC 4253 §4.2
	longestPacket = 4 + 35000   // RFC 4253 §6.1
	shortest      = 1 + 1 + 4   // lengths of padding, of a payload and of the least padding
	packetHeader  = 4 + 1       // lengths of the packet and its padding
	linesBefore   = 32          // that a server may send before its identification
	maxList       = 1 << 10     // bytes of a list of algorithms that are kept
	identifies    = "SSH-"      // with which the identification begins
	version2      = "SSH-2.0-"  // of what is read
	version199    = "SSH-1.99-" // of a server that speaks both versions
)

// Message numbers (RFC 4250 §4.1.2).
const (
	msgDisconnect = 1
	msgKexInit    = 20
	msgNewKeys    = 21
)

// conversation is the state of one conversation.
type conversation struct {
	sides [2]flow
	depth protocols.Depth
}

// flow is where one side is in its messages.
type flow struct {
	stage stage
	lines uint8
	kex   []byte // what it can do, until both sides told; nil before
	enc   []byte
}

// Depth implements [protocols.Framer].
func (c *conversation) Depth() protocols.Depth { return c.depth }

// Next implements [protocols.Framer].
func (c *conversation) Next(from protocols.Side, b []byte) int {
	switch c.sides[from].stage {
	case atBanner:
		if i := bytes.IndexByte(b[:min(len(b), longestLine)], '\n'); i >= 0 {
			return i + 1
		}
		if len(b) < longestLine {
			return 0
		}
		return longestLine
	case inLine:
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			return i + 1
		}
		return len(b)
	case atPacket:
		if len(b) < packetHeader {
			return 0
		}
		if n, ok := packet(b); ok {
			return n
		}
	}
	return len(b)
}

// packet gives the length of the packet at the start of b, and whether it can be one.
func packet(b []byte) (n int, ok bool) {
	if len(b) < packetHeader {
		return 0, false
	}
	size, padding := binary.BigEndian.Uint32(b), uint32(b[4])
	if size < shortest || size > longestPacket-4 || padding < 4 || padding+2 > size {
		return 0, false
	}
	return 4 + int(size), true
}

// Gap implements [protocols.Dissector]. What is encrypted stays so.
func (c *conversation) Gap(from protocols.Side) {
	if f := &c.sides[from]; f.stage != secret {
		*f = flow{stage: unreadable}
	}
}

// Dissect implements [protocols.Dissector].
func (c *conversation) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	f := &c.sides[m.From]
	c.depth = protocols.DepthDecoded
	switch f.stage {
	case atBanner:
		return c.line(dst, m, f)
	case inLine:
		if bytes.HasSuffix(m.Bytes, []byte{'\n'}) {
			f.stage = atBanner
		}
		return dst, nil
	case atPacket:
		return c.packet(dst, m, f)
	case secret:
		c.depth = protocols.DepthEncrypted
	default:
		c.depth = protocols.DepthRecognised
	}
	return dst, nil
}

// line takes the identification, or a line before it.
func (c *conversation) line(dst []protocols.Event, m protocols.Message, f *flow) ([]protocols.Event, error) {
	line, _, whole := bytes.Cut(m.Bytes, []byte{'\n'})
	if !bytes.HasPrefix(line, []byte(identifies)) {
		if f.lines++; f.lines > linesBefore {
			f.stage = unreadable
			return dst, fmt.Errorf("ssh: %w: %d lines before the identification", protocols.ErrMalformed, f.lines)
		}
		if !whole {
			f.stage = inLine
		}
		return dst, nil
	}
	f.stage = atPacket
	if !bytes.HasPrefix(line, []byte(version2)) && !(m.From == protocols.Server && bytes.HasPrefix(line, []byte(version199))) {
		f.stage = unreadable
	}
	e := protocols.Event{From: m.From, Action: protocols.ActionConnect, Outcome: protocols.OutcomeAsked, Message: "Identification String"}
	if m.From == protocols.Server {
		e.Outcome = protocols.OutcomeDone
	}
	e.Facts = identification(m.From, text(line))
	if m.Detail {
		e.Detail = &Detail{Identification: text(line)}
	}
	if !whole {
		f.stage = unreadable
		return append(dst, e), fmt.Errorf("ssh: %w: identification of more than %d bytes", protocols.ErrMalformed, longestLine)
	}
	return append(dst, e), nil
}

// packet takes a packet in the clear (RFC 4253 §6).
func (c *conversation) packet(dst []protocols.Event, m protocols.Message, f *flow) ([]protocols.Event, error) {
	n, ok := packet(m.Bytes)
	if !ok || n > len(m.Bytes) {
		f.stage, c.depth = unreadable, protocols.DepthRecognised
		return dst, fmt.Errorf("ssh: %w: packet begins % x", protocols.ErrMalformed, m.Bytes[:min(len(m.Bytes), packetHeader)])
	}
	payload := m.Bytes[packetHeader : n-int(m.Bytes[4])]
	switch payload[0] {
	case msgNewKeys:
		f.stage = secret
	case msgKexInit:
		return c.kexInit(dst, m, f, payload[1:])
	case msgDisconnect:
		return append(dst, disconnect(m, payload[1:])), nil
	}
	return dst, nil
}
