package opcua

import (
	"encoding/binary"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// The encoding ids of the messages of a poll, and where their bodies begin: behind head, channel, token, sequence number and
// request id.
const (
	readRequestID  = 631
	readResponseID = 634
	bodyAt         = headerSize + 16
)

// A poll is a Read in one chunk without protection, and its answer with the values: most of what clients say. poll reads
// such a message in one go where nothing about it is special. Of anything else it reports false and has changed nothing that
// an event shows: the services' own readers read that, and would read a poll to the same events.
func (d *conversation) poll(dst []protocols.Event, m *protocols.Message) ([]protocols.Event, bool) {
	b := m.Bytes
	if len(b) < bodyAt+4 || string(b[:4]) != "MSGF" || b[bodyAt] != formFourByte || b[bodyAt+1] != 0 || m.Detail ||
		int(binary.LittleEndian.Uint32(b[4:])) != len(b) || m.Missing > 0 || len(d.partials.open) > 0 || d.plain == nil {
		return dst, false
	}
	seq, id := binary.LittleEndian.Uint32(b[bodyAt-8:]), binary.LittleEndian.Uint32(b[bodyAt-4:])
	ok := false
	switch binary.LittleEndian.Uint16(b[bodyAt+2:]) {
	case readRequestID:
		dst, ok = d.asks(dst, m, id)
	case readResponseID:
		dst, ok = d.tells(dst, m, id)
	}
	if ok {
		d.sequence[m.From] = seq
	}
	return dst, ok
}

// asks reads the request: which values are wanted.
func (d *conversation) asks(dst []protocols.Event, m *protocols.Message, id uint32) ([]protocols.Event, bool) {
	c := wire.New(m.Bytes[bodyAt+4:])
	skipRequestHeader(&c)
	c.Skip(12) // maximum age, wanted timestamps
	n := count(&c, leastReadValue)
	if n == 0 || n > maxEvents {
		return dst, false
	}
	start, s := len(dst), serviceOf(readRequestID)
	x := d.pending.begin()
	for range n {
		raw, attribute := rawNodeID(&c), c.LE32()
		octets(&c)
		skipQualifiedName(&c)
		if c.Failed() {
			break
		}
		e := d.pollEvent(&dst, m, s, protocols.ActionRead, protocols.OutcomeAsked)
		e.Object.Area, e.Object.Name = areaNode, d.names.node(raw)
		if attribute != attributeValue {
			e.Object.First = attribute
		}
		x.targets = append(x.targets, target{object: e.Object, action: protocols.ActionRead})
	}
	if c.Failed() || c.Len() > 0 {
		d.pending.release(x)
		return dst[:start], false
	}
	x.id, x.frame, x.service, x.told = id, m.Frame, s, n
	d.pending.put(x)
	return dst, true
}

// tells reads the response: a value for each that was asked for.
func (d *conversation) tells(dst []protocols.Event, m *protocols.Message, id uint32) ([]protocols.Event, bool) {
	c := wire.New(m.Bytes[bodyAt+4:])
	head := c.Bytes(8 + 4 + 4) // time, handle, result
	at := d.pending.find(id)
	if head == nil || at < 0 || binary.LittleEndian.Uint32(head[12:]) != 0 {
		return dst, false
	}
	x := d.pending.open[at].x
	skipRemarks(&c)
	if n := count(&c, 1); n == 0 || n != len(x.targets) || n != x.told || x.service.answer != readResponseID || x.user != "" {
		return dst, false
	}
	start, s := len(dst), serviceOf(readResponseID)
	for i := range x.targets {
		t := &x.targets[i]
		v, result := dataValue(&c, 0)
		if c.Failed() || strings.HasPrefix(t.object.Name, serverNodes) {
			return dst[:start], false
		}
		e := d.pollEvent(&dst, m, s, t.action, result.outcome())
		e.Object, e.Answers = t.object, x.frame
		if t.object.First == 0 && !result.bad() {
			e.Values = v.values()
		}
	}
	if skipDiagnostics(&c); c.Failed() || c.Len() > 0 {
		return dst[:start], false
	}
	d.pending.release(d.pending.remove(at))
	return dst, true
}

// pollEvent appends an event of a poll.
func (d *conversation) pollEvent(dst *[]protocols.Event, m *protocols.Message, s *service, action protocols.Action, outcome protocols.Outcome) *protocols.Event {
	*dst = append(*dst, protocols.Event{})
	e := &(*dst)[len(*dst)-1]
	e.From, e.Action, e.Outcome, e.Message, e.Security = m.From, action, outcome, s.name, d.plain
	return e
}
