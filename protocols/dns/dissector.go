package dns

import (
	"bytes"

	"github.com/spanwatch/spanwatch/protocols"
)

// The labels.
const (
	labelDNS   = "dns"
	labelMDNS  = "mdns"
	labelLLMNR = "llmnr"
)

// Spec describes DNS and its two relatives to the pipeline.
var Spec = protocols.Spec{
	Name: labelDNS, Labels: []string{labelDNS, labelMDNS, labelLLMNR},
	TCP: []uint16{53}, UDP: []uint16{53, 5353, 5355}, Ordinary: true, CallsBack: true,
	Probe: probe, Length: length,
	New: func() protocols.Dissector { return &dissector{} },
}

// probe reads a datagram to its last byte; of a stream it reads header and question, which have little room for
// accident.
func probe(t protocols.Transport, b []byte) protocols.Match {
	switch t {
	case protocols.TransportUDP:
		var p reader
		if !p.open(b) || !p.plausible() || !p.whole() {
			return protocols.No
		}
		if p.flavour() == labelMDNS {
			return protocols.Yes // both questions and answers go from one port of the host to the group
		}
		return p.direction()
	case protocols.TransportTCP:
		return probeStream(b)
	default:
		return protocols.No
	}
}

func (h *header) direction() protocols.Match {
	if h.response() {
		return protocols.YesServer
	}
	return protocols.YesClient
}

// probeStream checks byte after byte, so that the beginning of a message is never refused.
func probeStream(b []byte) protocols.Match {
	full := [2 + headerSize]byte{7: 1} // what is missing stands as the most plausible
	n := copy(full[:], b)
	response := full[4]&0x80 != 0
	switch {
	case n >= 2 && streamLength(b) < 2+headerSize+5,
		n >= 5 && opcodes[full[4]>>3&15] == "",
		n >= 6 && (full[5]&0x40 != 0 || full[5]&15 > maxRcode || !response && full[5]&0x8f != 0),
		full[6] != 0 || full[7] != 1,
		!response && (full[8] != 0 || full[9] != 0 || full[10] != 0 || full[11] > 1),
		full[12] != 0 || full[13] > 64:
		return protocols.No
	case n < len(full):
		return protocols.More
	}
	rest := b[len(full):]
	for size := 0; ; {
		if len(rest) == 0 {
			return protocols.More
		}
		label := int(rest[0])
		rest = rest[1:]
		if label == 0 {
			break
		}
		if size += label + 1; label > maxLabel || size > maxName+1 {
			return protocols.No
		}
		if bytes.ContainsFunc(rest[:min(label, len(rest))], func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return protocols.No
		}
		rest = rest[min(label, len(rest)):]
	}
	if len(rest) < 4 {
		return protocols.More
	}
	if rest[0] > 1 || rest[0] == 0 && (rest[1] == 0 || rest[1] == typeNB) || rest[2] != 0 || rest[3] != classIN ||
		streamLength(b) < len(b)-len(rest)+4 {
		return protocols.No
	}
	if response {
		return protocols.YesServer
	}
	return protocols.YesClient
}

// length gives the length of a message on TCP.
func length(b []byte) int {
	switch {
	case len(b) < 2:
		return 0
	case streamLength(b) < 2+headerSize:
		return -1
	default:
		return streamLength(b)
	}
}

// flavour tells which of the three protocols a message belongs to. It looks at the first record, and leaves the reader
// at the beginning.
func (p *reader) flavour() string {
	first := *p
	first.open(p.msg)
	if !first.next() {
		return labelDNS
	}
	n := &first.r.name
	switch {
	case p.id == 0 && p.flags&^(flagAnswer|flagTruncated) == flagResponse && p.flags&flagAnswer != 0 && first.r.section != question:
		return labelMDNS // RFC 6762 §18: an answer repeats no question
	case p.flags&^flagTruncated&^flagResponse&^flagAnswer == 0 && (n.hasSuffix(".local") || n.hasSuffix("._tcp") || n.hasSuffix("._udp")):
		return labelMDNS // and so are those with a question, or an id, of simple resolvers (§6.7)
	case p.flags&maskRecursion == 0 && p.opcode() == 0 && p.counts[question] == 1 && n.labels == 1 &&
		(first.r.kind == typeA || first.r.kind == typeAAAA || first.r.kind == 255):
		return labelLLMNR // RFC 4795 §2.1.1
	default:
		return labelDNS
	}
}

// dissector has no state but the memory it reads with.
type dissector struct {
	p reader
}

// Gap implements [protocols.Dissector].
func (d *dissector) Gap(protocols.Side) {}

// Dissect implements [protocols.Dissector].
func (d *dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	msg := in.Bytes
	if in.Transport == protocols.TransportTCP {
		msg = msg[min(2, len(msg)):]
	}
	p := &d.p
	if !p.open(msg) {
		return dst, malformed("%d bytes are no header", len(msg))
	}
	e := protocols.Event{
		From: in.From, Action: protocols.ActionConnect, Outcome: p.outcome(), Message: p.title(), Protocol: p.flavour(),
	}
	var err error
	if e.Facts, err = p.facts(in.From, e.Protocol); err != nil {
		e.Facts = nil // who breaks the format is believed nothing
	}
	if in.Detail {
		p.open(msg)
		e.Detail = p.detail()
	}
	return append(dst, e), err
}

func (h *header) outcome() protocols.Outcome {
	switch {
	case !h.response():
		return protocols.OutcomeAsked
	case h.rcode() == 0:
		return protocols.OutcomeDone
	default:
		return protocols.OutcomeRefused
	}
}
