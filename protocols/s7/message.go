package s7

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// Kinds of S7comm messages ("remote operating service control").
const (
	rosctrJob      = 1
	rosctrAck      = 2
	rosctrAckData  = 3
	rosctrUserdata = 7
)

// message is one S7comm message taken apart. Its slices borrow the message, or the request it answers.
type message struct {
	from  protocols.Side
	frame uint64
	size  int     // bytes of the message that are there
	cut   bool    // the capture did not keep all of it
	show  *Detail // what readers tell beside; nil when nobody asks

	rosctr         uint8
	ref            uint16
	errCls, errCod uint8 // acknowledgements
	param, data    []byte

	row       *function        // what the message is, by the tables; never nil
	action    protocols.Action // as the row says, unless its reader knows better
	fn        uint8            // function code of jobs and acknowledgements
	hasFn     bool             // the message itself carries fn
	ud        udHead           // userdata
	request   *request         // what this message answers; nil when unknown
	code      uint8            // return code of userdata
	coded     bool
	outcome   protocols.Outcome
	object    protocols.Object   // what the message is about, when it has no items
	more      []protocols.Object // and what else
	values    protocols.Values
	items     []item
	addressed bool // items carry addresses, not only results
	resulted  bool // the message has a result for each item
	facts     []protocols.Fact
	maxPDU    uint16
	filename  []byte
	block     block
	service   []byte
	arguments []byte
	szlID     uint16
	szlIndex  uint16
	hasSZL    bool
	err       error
}

// reset readies p for the next message. The items' room stays, and what they borrowed until others take it.
func (p *message) reset() {
	items := p.items[:0]
	*p = message{}
	p.items = items
}

// is says what the message is, by its row of a table.
func (p *message) is(row *function) { p.row, p.action = row, row.action }

// fail records the first fault of the message; reading goes on as far as it can. A message that was cut has none.
func (p *message) fail(format string, args ...any) {
	if p.err == nil && !p.cut {
		p.err = fmt.Errorf("s7: %w: "+format, append([]any{protocols.ErrMalformed}, args...)...)
	}
}

// isAnswer reports whether the message answers a job.
func (p *message) isAnswer() bool { return p.rosctr == rosctrAck || p.rosctr == rosctrAckData }

// headerLen is the length of the header that all messages have.
const headerLen = 10

// classic dissects one S7comm message.
func (c *conversation) classic(dst []protocols.Event, m *protocols.Message, b []byte) ([]protocols.Event, error) {
	p := &c.msg
	p.from, p.frame, p.size, p.cut = m.From, m.Frame, len(b), m.Missing > 0
	if m.Detail {
		p.show = &Detail{}
	}
	p.header(b)
	switch p.rosctr {
	case rosctrJob:
		c.job(p)
	case rosctrAck, rosctrAckData:
		c.answer(p)
	case rosctrUserdata:
		c.userdata(p)
	default:
		p.is(&unknownROSCTR)
		p.fail("ROSCTR %d", p.rosctr)
	}
	dst = c.events(dst, p)
	err := p.err
	p.reset()
	return dst, err
}

var unknownROSCTR = function{name: "Unknown ROSCTR"}

// header reads the header, of which headerLen bytes are there, and cuts parameter and data part, as far as they are:
// protocol, ROSCTR, two bytes of redundancy identification, reference, lengths of parameter and data, and for
// acknowledgements the error.
func (p *message) header(b []byte) {
	p.rosctr, p.ref = b[1], binary.BigEndian.Uint16(b[4:])
	paramLen, dataLen := int(binary.BigEndian.Uint16(b[6:])), int(binary.BigEndian.Uint16(b[8:]))
	b = b[headerLen:]
	if p.isAnswer() {
		if len(b) < 2 {
			p.fail("header in %d bytes", p.size)
			return
		}
		p.errCls, p.errCod = b[0], b[1]
		b = b[2:]
	}
	if paramLen+dataLen > len(b) {
		p.fail("parameter of %d and data of %d bytes, %d are there", paramLen, dataLen, len(b))
		paramLen = min(paramLen, len(b))
		dataLen = min(dataLen, len(b)-paramLen)
	}
	p.param, p.data = b[:paramLen:paramLen], b[paramLen:][:dataLen:dataLen]
}

// events gives one event for every item, or one for every object of the message; never more than the message has bytes,
// for an answer of few could else repeat a request of many.
func (c *conversation) events(dst []protocols.Event, p *message) []protocols.Event {
	start := len(dst)
	if p.addressed && len(p.items) > 0 {
		dst = c.itemEvents(dst, p)
	} else {
		dst = p.objectEvents(dst)
	}
	first := &dst[start]
	first.Facts = p.facts
	if p.show != nil {
		p.show.fill(p)
		first.Detail = p.show
	}
	return dst
}

func (c *conversation) itemEvents(dst []protocols.Event, p *message) []protocols.Event {
	start, items := len(dst), p.items[:min(len(p.items), p.size)]
	dst = slices.Grow(dst, len(items))[:start+len(items)]
	for i := range items {
		ev, it := &dst[start+i], &items[i]
		p.begin(ev)
		ev.Outcome = p.itemOutcome(it)
		it.describe(&ev.Object, &c.names)
		it.evaluate(&ev.Values)
	}
	return dst
}

func (p *message) objectEvents(dst []protocols.Event) []protocols.Event {
	start, about := len(dst), min(1+len(p.more), p.size)
	dst = slices.Grow(dst, about)[:start+about]
	outcome := p.commonOutcome()
	for i := range about {
		ev := &dst[start+i]
		p.begin(ev)
		ev.Outcome = outcome
		if i > 0 {
			ev.Object = p.more[i-1]
		}
	}
	dst[start].Object, dst[start].Values = p.object, p.values
	return dst
}

// begin fills in what all events of the message have in common, in place: an event is too large to be copied for every
// variable.
func (p *message) begin(ev *protocols.Event) {
	*ev = protocols.Event{}
	ev.From, ev.Action, ev.Message = p.from, p.action, p.row.name
	if p.request != nil {
		ev.Answers = p.request.frame
	}
}

// Return codes of items. A request's values have one too, which is a filler.
const (
	codeReserved = 0x00
	codeNone     = 0x0a // the object does not exist; in userdata, there is no data
	codeSuccess  = 0xff
)

// itemOutcome tells how it went with one item: as with the whole message, or as its own result says. An item whose
// result is missing from the message is open.
func (p *message) itemOutcome(it *item) protocols.Outcome {
	switch {
	case p.outcome != protocols.OutcomeDone || !p.resulted:
		return p.outcome
	case !it.coded:
		return protocols.OutcomeUnknown
	case it.code == codeSuccess:
		return protocols.OutcomeDone
	default:
		return protocols.OutcomeRefused
	}
}

// commonOutcome tells how it went with a message whose items have no addresses: refused if one of them was.
func (p *message) commonOutcome() protocols.Outcome {
	for i := range p.items {
		if p.itemOutcome(&p.items[i]) == protocols.OutcomeRefused {
			return protocols.OutcomeRefused
		}
	}
	return p.outcome
}
