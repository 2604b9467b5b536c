package tpkt

import "fmt"

// MaxMessage is how many bytes a message of several DT fragments may have. A longer one is dropped and counted: an
// endless one would otherwise take the sensor's memory.
const MaxMessage = 64 << 10

// keepBuffer is how large a buffer stays with a conversation between messages.
const keepBuffer = 4 << 10

// Reassembler joins the DT fragments of one direction into messages. The zero value is ready. Fragments without data,
// which engineering software sends ahead of every message, join to nothing.
type Reassembler struct {
	buf     []byte
	void    bool // the message in progress is being dropped up to its end mark
	missing int  // bytes of the message in progress behind buf: what follows a hole is not kept
	lacked  int  // the same of the message that Add gave last
	dropped uint64
}

// Add takes the next DT. It returns the message and true when p completed one; the message borrows p or the
// reassembler and is valid until the next Add. The error, which wraps [ErrMalformed], tells once of a message that
// outgrew [MaxMessage].
func (r *Reassembler) Add(p PDU) (message []byte, whole bool, err error) {
	if p.Last && len(r.buf) == 0 && r.missing == 0 && !r.void {
		r.lacked = p.Missing
		return p.Payload, true, nil
	}
	if r.missing > 0 {
		r.missing += len(p.Payload)
		p.Payload = nil
	}
	if !r.void && len(r.buf)+len(p.Payload) > MaxMessage {
		err = fmt.Errorf("tpkt: %w: fragments of %d bytes exceed %d", ErrMalformed, len(r.buf)+len(p.Payload), MaxMessage)
		r.drop()
	}
	if r.void {
		r.void = !p.Last
		return nil, false, err
	}
	r.buf = append(r.buf, p.Payload...)
	r.missing += p.Missing
	if !p.Last {
		return nil, false, nil
	}
	message = r.buf
	r.lacked, r.missing = r.missing, 0
	if cap(r.buf) > keepBuffer {
		r.buf = nil
	} else {
		r.buf = r.buf[:0]
	}
	return message, true, nil
}

// Whole gives the message of a packet that holds one in a single DT of class 0, when no other is in progress. That is
// the common case, and this takes it without [Parse]; for any other packet ok is false and nothing has changed.
func (r *Reassembler) Whole(packet []byte) (message []byte, ok bool) {
	const header = 2 // of the DT: code, number with end mark
	if len(packet) < headerLen+1+header || packet[headerLen] != header || packet[headerLen+1]&0xf0 != byte(DT) ||
		packet[headerLen+2]&0x80 == 0 || len(r.buf) > 0 || r.missing > 0 || r.void {
		return nil, false
	}
	return packet[headerLen+1+header:], true
}

// Gap voids the message in progress: bytes of this direction were lost.
func (r *Reassembler) Gap() {
	if len(r.buf) > 0 {
		r.dropped++
	}
	r.buf, r.void, r.missing = r.buf[:0], false, 0
}

// Missing gives how many bytes the capture did not keep of the message that [Reassembler.Add] gave: all of them were behind
// those given.
func (r *Reassembler) Missing() int { return r.lacked }

func (r *Reassembler) drop() {
	r.dropped++
	r.buf, r.void, r.missing = nil, true, 0
}

// Pending gives the number of bytes that wait for their end mark.
func (r *Reassembler) Pending() int { return len(r.buf) }

// Dropped gives the number of messages that were given up.
func (r *Reassembler) Dropped() uint64 { return r.dropped }
