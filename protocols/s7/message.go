package s7

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
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
	from   protocols.Side
	frame  uint64
	detail bool
	size   int // bytes of the whole message

	rosctr         uint8
	ref            uint16
	errCls, errCod uint8 // acknowledgements
	param, data    []byte

	function          // name and action; readers may replace them
	fn        uint8   // function code of jobs and acknowledgements
	hasFn     bool    // the message itself carries fn
	ud        udHead  // userdata
	request   request // what this message answers; zero when unknown
	code      uint8   // return code of userdata
	coded     bool
	outcome   protocols.Outcome
	object    protocols.Object // what the message is about, when it has no items
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

func (p *message) reset(m protocols.Message) {
	clear(p.items)
	*p = message{from: m.From, frame: m.Frame, detail: m.Detail, items: p.items[:0]}
}

// fail records the first fault of the message; reading goes on as far as it can.
func (p *message) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("s7: %w: "+format, append([]any{protocols.ErrMalformed}, args...)...)
	}
}

// isAnswer reports whether the message answers a job.
func (p *message) isAnswer() bool { return p.rosctr == rosctrAck || p.rosctr == rosctrAckData }

// headerLen is the length of the header that all messages have.
const headerLen = 10

// classic dissects one S7comm message.
func (c *conversation) classic(dst []protocols.Event, m protocols.Message, b []byte) ([]protocols.Event, error) {
	p := &c.msg
	p.reset(m)
	p.size = len(b)
	p.header(b)
	switch p.rosctr {
	case rosctrJob:
		c.job(p)
	case rosctrAck, rosctrAckData:
		c.answer(p)
	case rosctrUserdata:
		c.userdata(p)
	default:
		p.name = "Unknown ROSCTR"
		p.fail("ROSCTR %d", p.rosctr)
	}
	dst = c.events(dst, p)
	err := p.err
	p.reset(protocols.Message{})
	return dst, err
}

// header reads the header and cuts parameter and data part, as far as they are there.
func (p *message) header(b []byte) {
	c := wire.New(b)
	c.Skip(1)
	p.rosctr = c.U8()
	c.Skip(2) // redundancy identification
	p.ref = c.U16()
	paramLen, dataLen := int(c.U16()), int(c.U16())
	if p.isAnswer() {
		p.errCls, p.errCod = c.U8(), c.U8()
	}
	if c.Failed() {
		p.fail("header in %d bytes", len(b))
		return
	}
	if paramLen+dataLen > c.Len() {
		p.fail("parameter of %d and data of %d bytes, %d are there", paramLen, dataLen, c.Len())
	}
	p.param = c.Bytes(min(paramLen, c.Len()))
	p.data = c.Bytes(min(dataLen, c.Len()))
}

// events gives one event for every item, or one for the message; never more than the message has bytes, for an answer
// of few could else repeat a request of many.
func (c *conversation) events(dst []protocols.Event, p *message) []protocols.Event {
	start := len(dst)
	ev := protocols.Event{
		From: p.from, Action: p.action, Outcome: p.outcome, Message: p.name, Object: p.object, Values: p.values,
	}
	if p.addressed && len(p.items) > 0 {
		for i := range p.items[:min(len(p.items), p.size)] {
			it := &p.items[i]
			ev.Object = it.object(&c.names)
			ev.Values = it.values()
			ev.Outcome = p.itemOutcome(it)
			dst = append(dst, ev)
		}
	} else {
		for i := range p.items {
			if p.itemOutcome(&p.items[i]) == protocols.OutcomeRefused {
				ev.Outcome = protocols.OutcomeRefused
			}
		}
		dst = append(dst, ev)
	}
	for i := range dst[start:] {
		dst[start+i].Answers = p.request.frame
	}
	dst[start].Facts = p.facts
	if p.detail {
		dst[start].Detail = newDetail(p)
	}
	return dst
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
