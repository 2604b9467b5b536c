package opcua

import (
	"encoding/hex"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

const (
	maxPartials  = 16        // messages of which chunks are in progress in a conversation
	maxAssembled = 256 << 10 // bytes that all of them together keep
)

// partial is a message of which the last chunk has not come.
type partial struct {
	from      protocols.Side
	id        uint32
	bytes     []byte
	truncated bool // chunks came for which there was no room, or which the capture cut: what follows is not kept
	cut       bool // the latter
}

// partials are the messages in progress, oldest first. When there are too many the oldest is forgotten; when they are
// too long the rest of them is.
type partials struct {
	open  []partial
	bytes int
}

func (p *partials) find(from protocols.Side, id uint32) *partial {
	for i := range p.open {
		if p.open[i].from == from && p.open[i].id == id {
			return &p.open[i]
		}
	}
	return nil
}

// add appends the body of a chunk, of which the capture may have cut the end, to its message.
func (p *partials) add(from protocols.Side, id uint32, b []byte, cut bool) {
	x := p.find(from, id)
	if x == nil {
		if len(p.open) == maxPartials {
			p.take(p.open[0].from, p.open[0].id)
		}
		p.open = append(p.open, partial{from: from, id: id})
		x = &p.open[len(p.open)-1]
	}
	if x.truncated {
		b = nil
	}
	if room := maxAssembled - p.bytes; len(b) > room {
		b, x.truncated = b[:room], true
	}
	x.bytes = append(x.bytes, b...)
	p.bytes += len(b)
	x.truncated, x.cut = x.truncated || cut, x.cut || cut
}

// tear notes that a chunk of a side is not there: whichever message it belonged to, what comes of it is not kept.
func (p *partials) tear(from protocols.Side) {
	for i := range p.open {
		if x := &p.open[i]; x.from == from {
			x.truncated, x.cut = true, true
		}
	}
}

// take removes a message in progress.
func (p *partials) take(from protocols.Side, id uint32) (partial, bool) {
	for i := range p.open {
		if x := p.open[i]; x.from == from && x.id == id {
			p.open = append(p.open[:i], p.open[i+1:]...)
			p.bytes -= len(x.bytes)
			return x, true
		}
	}
	return partial{}, false
}

// forget removes what a side has in progress.
func (p *partials) forget(from protocols.Side) {
	kept := p.open[:0]
	for _, x := range p.open {
		if x.from == from {
			p.bytes -= len(x.bytes)
		} else {
			kept = append(kept, x)
		}
	}
	clear(p.open[len(kept):])
	p.open = kept
}

// secure reads a chunk of the secure conversation (Part 6, 6.7.2): OPN with the asymmetric security header, MSG and
// CLO with the symmetric one.
func (d *conversation) secure() error {
	channel := d.body.LE32()
	if d.detail != nil {
		d.detail.Channel = shown(channel)
	}
	if d.kind.tag == "OPN" {
		uri, certificate := octets(&d.body), octets(&d.body)
		receiver := octets(&d.body)
		if uri != nil && (d.cut || !d.body.Failed()) {
			d.security.open(uri, &d.names)
		}
		if !d.body.Failed() {
			d.certificate(d.From, certificate)
			if d.detail != nil {
				d.detail.Receiver = hex.EncodeToString(clip(receiver))
			}
		}
	} else if token := d.body.LE32(); d.detail != nil {
		d.detail.Token = shown(token)
	}
	if d.body.Failed() && !d.cut {
		return d.fault(d.kind.name)
	}
	seq, id := d.body.LE32(), d.body.LE32()
	inProgress := d.partials.find(d.From, id) != nil
	d.service = knownService(d.body.Ahead())
	switch {
	case d.cut && (d.body.Failed() || d.service == nil && !inProgress && d.body.Len() < longestID):
		d.sequence[d.From] = 0
		d.stump()
		return nil
	case d.kind.tag == "OPN" && d.security.policy != policyNone:
		return d.encrypted() // always, whatever the mode (Part 6, 6.7.4)
	case inProgress, d.service != nil:
		d.security.readable()
	case d.security.policy == policyNone || d.security.mode == modeNone || d.security.mode == modeSign:
		// No known service, but not encrypted either: an unknown one, or the end of a message whose start was lost.
	default:
		return d.encrypted()
	}
	if d.detail != nil {
		d.detail.Seq, d.detail.RequestID = shown(seq), shown(id)
		d.detail.Missing = d.missing(seq)
	}
	d.sequence[d.From] = seq
	if d.security.mode == modeSign && d.body.Len() > d.security.signature {
		d.body = wire.New(d.body.Bytes(d.body.Len() - max(0, d.security.signature-d.Missing)))
	}
	return d.assemble(id, inProgress)
}

// missing gives how many chunks of the sender are missing before the one with this sequence number (Part 6, 6.7.2.4). The
// numbers begin anew below 1024 before they would overflow.
func (d *conversation) missing(seq uint32) uint32 {
	last := d.sequence[d.From]
	if last == 0 || seq <= last || seq-last > maxMissing {
		return 0
	}
	return seq - last - 1
}

// maxMissing is the largest step in sequence numbers that is taken for lost chunks and not for another counting.
const maxMissing = 1 << 20

// longestID is how many bytes the id of a service has at most.
const longestID = 7

// stump reports a chunk of which the capture kept too little to show what it carries.
func (d *conversation) stump() {
	if d.chunk == 'C' {
		d.lost[d.From] = true
		d.partials.tear(d.From)
		d.out = append(d.out, protocols.Event{From: d.From, Continued: true})
		return
	}
	d.wrapping()
	d.attach(false)
}

// wrapping reports what a chunk is by its head alone.
func (d *conversation) wrapping() {
	switch {
	case d.kind.tag == "MSG":
		d.emit(d.kind.name, protocols.ActionNone, protocols.OutcomeUnknown)
	case d.From == protocols.Client:
		d.emit(d.kind.name+"Request", protocols.ActionConnect, protocols.OutcomeAsked)
	default: // a refusal would be an Error
		d.emit(d.kind.name+"Response", protocols.ActionConnect, protocols.OutcomeDone)
	}
}

// encrypted reports a chunk whose content cannot be read.
func (d *conversation) encrypted() error {
	if d.chunk == 'C' {
		d.out = append(d.out, protocols.Event{From: d.From, Continued: true})
		return nil
	}
	if d.kind.tag != "OPN" {
		d.security.mode = modeEncrypt
	}
	d.wrapping()
	if d.detail != nil {
		d.detail.Encrypted = true
	}
	d.attach(true)
	return nil
}

// assemble waits for the last chunk of a message and then reads it.
func (d *conversation) assemble(id uint32, inProgress bool) error {
	d.id = id
	switch {
	case d.chunk == 'C':
		d.partials.add(d.From, id, d.body.Rest(), d.cut)
		d.out = append(d.out, protocols.Event{From: d.From, Continued: true})
		return nil
	case d.chunk == 'A':
		return d.aborted(id)
	case d.chunk != 'F':
		return fmt.Errorf("opcua: %w: %s with chunk type %#02x", protocols.ErrMalformed, d.kind.name, d.chunk)
	case inProgress:
		d.partials.add(d.From, id, d.body.Rest(), d.cut)
		whole, _ := d.partials.take(d.From, id)
		d.body, d.truncated, d.cut, d.joined = wire.New(whole.bytes), whole.truncated, whole.cut, true
		d.service = knownService(d.body.Ahead())
	}
	return d.serve()
}

// aborted reports a message that its sender gave up (Part 6, 6.7.3). An answer that is given up refuses its request.
func (d *conversation) aborted(id uint32) error {
	d.reason()
	begun, _ := d.partials.take(d.From, id)
	d.service = knownService(begun.bytes)
	if i := d.pending.find(id); d.service == nil && d.From == protocols.Server && i >= 0 {
		d.service = serviceOf(uint32(d.pending.open[i].x.service.answer)) // given up before it began
	}
	switch {
	case d.service == nil:
		d.emit(d.kind.name, protocols.ActionNone, protocols.OutcomeRefused)
	case d.service.response:
		d.pair()
		d.settle(protocols.OutcomeRefused)
	default:
		d.emit(d.service.name, d.service.action, protocols.OutcomeRefused)
	}
	d.attach(false)
	return d.fault(d.kind.name)
}
