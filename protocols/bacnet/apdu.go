package bacnet

import (
	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Kinds of application messages (20.1).
const (
	confirmedRequest = iota
	unconfirmedRequest
	simpleAck
	complexAck
	segmentAck
	errorPDU
	rejectPDU
	abortPDU
)

var kindNames = [...]string{
	"Confirmed-Request", "Unconfirmed-Request", "SimpleACK", "ComplexACK", "SegmentACK", "Error", "Reject", "Abort",
}

// Flags of application messages: of requests and answers that they are a segment and that more follow, of an abort or an
// acknowledgement of segments that the one that serves sends it, of the latter that a segment was not the next.
const (
	flagSegment = 8
	flagMore    = 4
	flagServer  = 1
	flagNAK     = 2
)

// apdu is the header of an application message.
type apdu struct {
	kind     uint8
	flags    uint8
	invoke   uint8
	sequence uint8 // of a segment, or acknowledged
	window   uint8
	service  uint8 // or the reason of a reject or an abort
	body     []byte
}

// parse reads the header.
func (a *apdu) parse(b []byte) error {
	c := wire.New(b)
	first := c.U8()
	a.kind, a.flags = first>>4, first&0x0f
	switch a.kind {
	case confirmedRequest:
		c.Skip(1) // what the client can take
		a.invoke = c.U8()
	case unconfirmedRequest:
	case simpleAck, complexAck, errorPDU, rejectPDU, abortPDU:
		a.invoke = c.U8()
	case segmentAck:
		a.invoke, a.sequence, a.window = c.U8(), c.U8(), c.U8()
	default:
		if c.Failed() {
			return malformed("no application message")
		}
		return malformed("application message of type %d", a.kind)
	}
	if a.segmented() {
		a.sequence, a.window = c.U8(), c.U8()
	}
	if a.kind != segmentAck {
		a.service = c.U8()
	}
	if c.Failed() {
		return malformed("%s of %d bytes", kindNames[a.kind], len(b))
	}
	a.body = c.Rest()
	return nil
}

// segmented reports that the message is a part of a longer one.
func (a *apdu) segmented() bool {
	return (a.kind == confirmedRequest || a.kind == complexAck) && a.flags&flagSegment != 0
}

// pairs reports that the message names a confirmed service.
func (a *apdu) pairs() bool {
	switch a.kind {
	case confirmedRequest, simpleAck, complexAck, errorPDU:
		return true
	default:
		return false
	}
}

// row gives the service of the message; an unknown one has no name.
func (a *apdu) row() *service {
	if a.kind == unconfirmedRequest {
		return rowOf(unconfirmed[:], a.service)
	}
	return rowOf(confirmed[:], a.service)
}

func rowOf(table []service, number uint8) *service {
	if int(number) < len(table) {
		return &table[number]
	}
	return &unknownService
}

// fromOwner reports that the sender is the one whose objects the message is about.
func (a *apdu) fromOwner() bool {
	switch a.kind {
	case confirmedRequest:
		return a.row().notifies
	case unconfirmedRequest:
		return a.row().outcome == protocols.OutcomeDone
	case simpleAck, complexAck, errorPDU:
		return !a.row().notifies
	default:
		return a.isAnswer()
	}
}

// isAnswer reports that the sender was asked.
func (a *apdu) isAnswer() bool {
	switch a.kind {
	case simpleAck, complexAck, errorPDU, rejectPDU:
		return true
	case abortPDU:
		return a.flags&flagServer != 0
	default:
		return false
	}
}

// outcome tells how it went, by the kind of the message.
func (a *apdu) outcome() protocols.Outcome {
	switch a.kind {
	case confirmedRequest:
		return protocols.OutcomeAsked
	case simpleAck, complexAck:
		return protocols.OutcomeDone
	case errorPDU, rejectPDU, abortPDU:
		return protocols.OutcomeRefused
	case segmentAck:
		if a.flags&flagNAK != 0 {
			return protocols.OutcomeUnknown
		}
		return protocols.OutcomeDone
	default:
		return a.row().outcome
	}
}
