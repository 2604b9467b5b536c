package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// pause is the longest silence that is kept within a conversation: a recording over years would leave nothing to measure.
const pause = time.Second

// A segment is one TCP segment of a recorded conversation.
type segment struct {
	at         time.Duration // since the conversation began
	fromClient bool
	seq, ack   uint32
	flags      packet.TCPFlags
	window     uint16
	payload    []byte
}

// A conversation is a TCP conversation from its handshake to its end, without a gap.
type conversation struct {
	port     uint16 // the server's
	segments []segment
}

// ends are the two ends of a conversation in a recording.
type ends struct{ low, high netip.AddrPort }

// recording is a conversation as it is found.
type recording struct {
	client   netip.AddrPort
	port     uint16 // the server's
	began    bool   // the SYN was seen
	last     time.Time
	segments []segment
}

// readConversations gives the complete conversations of a capture at one of the ports, or at any without ports.
func readConversations(path string, ports ...uint16) ([]conversation, error) {
	file, err := capture.Open(path, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	found := make(map[ends]*recording)
	var order []*recording
	var frame capture.Frame
	var p packet.Packet
	for {
		if err := file.Next(&frame); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if p.Decode(uint16(frame.Link), frame.Data) != nil || p.Proto != 6 || p.Fragment.Is || p.Truncated {
			continue
		}
		src, dst := netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort)
		if len(ports) > 0 && !slices.Contains(ports, p.SrcPort) && !slices.Contains(ports, p.DstPort) {
			continue
		}
		key := ends{src, dst}
		if dst.Compare(src) < 0 {
			key = ends{dst, src}
		}
		r := found[key]
		if syn := p.Flags.Has(packet.SYN) && !p.Flags.Has(packet.ACK); r == nil || syn && len(r.segments) > 3 {
			r = &recording{client: src, port: p.DstPort, began: syn, last: frame.Time}
			if !syn && slices.Contains(ports, p.SrcPort) || p.Flags.Has(packet.SYN|packet.ACK) {
				r.client, r.port = dst, p.SrcPort
			}
			found[key], order = r, append(order, r)
		}
		r.add(frame.Time, src, &p)
	}
	var whole []conversation
	for _, r := range order {
		if c, ok := r.whole(); ok {
			whole = append(whole, c)
		}
	}
	return whole, nil
}

func (r *recording) add(at time.Time, src netip.AddrPort, p *packet.Packet) {
	since := time.Duration(0)
	if n := len(r.segments); n > 0 {
		since = r.segments[n-1].at + min(max(at.Sub(r.last), 0), pause)
	}
	r.last = at
	r.segments = append(r.segments, segment{
		at: since, fromClient: src == r.client, seq: p.Seq, ack: p.Ack, flags: p.Flags, window: p.Window, payload: slices.Clone(p.Payload),
	})
}

// whole gives the conversation with a handshake before it and a good-bye behind it where they were not recorded. It is
// not ok when bytes are missing, or nearly nothing was said.
func (r *recording) whole() (c conversation, ok bool) {
	var next, first [2]uint32 // by side: the sequence number behind what was said, and that of the first byte
	var seen [2]bool
	said := 0
	for _, s := range r.segments {
		side := sideOf(s.fromClient)
		if s.flags.Has(packet.RST) {
			continue
		}
		if !seen[side] {
			seen[side], first[side], next[side] = true, s.seq, s.seq
		}
		if int32(s.seq-next[side]) > 0 {
			return c, false
		}
		behind := s.seq + uint32(len(s.payload))
		if s.flags.Has(packet.SYN) || s.flags.Has(packet.FIN) {
			behind++
		}
		if int32(behind-next[side]) > 0 {
			next[side] = behind
		}
		if len(s.payload) > 0 {
			said++
		}
	}
	if !seen[0] || !seen[1] || said < 4 {
		return c, false
	}
	segments := r.segments
	if !r.began {
		segments = slices.Concat([]segment{
			{fromClient: true, seq: first[0] - 1, flags: packet.SYN, window: 8192},
			{seq: first[1] - 1, ack: first[0], flags: packet.SYN | packet.ACK, window: 8192},
			{fromClient: true, seq: first[0], ack: first[1], flags: packet.ACK, window: 8192},
		}, segments)
	}
	if ended := slices.ContainsFunc(segments, func(s segment) bool { return s.flags&(packet.FIN|packet.RST) != 0 }); !ended {
		at := segments[len(segments)-1].at
		segments = append(segments,
			segment{at: at, fromClient: true, seq: next[0], ack: next[1], flags: packet.FIN | packet.ACK, window: 8192},
			segment{at: at, seq: next[1], ack: next[0] + 1, flags: packet.FIN | packet.ACK, window: 8192},
			segment{at: at, fromClient: true, seq: next[0] + 1, ack: next[1] + 1, flags: packet.ACK, window: 8192})
	}
	return conversation{port: r.port, segments: segments}, true
}

func sideOf(fromClient bool) int {
	if fromClient {
		return 0
	}
	return 1
}

// longest puts the longest conversations first and gives at most n.
func longest(all []conversation, n int) []conversation {
	slices.SortStableFunc(all, func(a, b conversation) int { return cmp.Compare(len(b.segments), len(a.segments)) })
	return all[:min(n, len(all))]
}
