// Package tpkt reads the two layers below everything that rides on ISO-on-TCP: TPKT frames (RFC 1006 §6, RFC 2126) and
// the class 0 transport PDUs inside them (ISO 8073, ITU-T X.224 §13), called COTP.
//
// It owns framing, the header of a transport PDU, and the reassembly of a message that was cut into DT fragments. It
// refuses to guess what the message is: that is the protocol's business. Nothing here is safe for concurrent use; a
// [Reassembler] belongs to one direction of one conversation. What [Parse] returns borrows the frame.
package tpkt

import (
	"errors"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// ErrMalformed is wrapped by every error of this package.
var ErrMalformed = errors.New("malformed transport PDU")

// headerLen is the length of the TPKT header: version, reserved, 16-bit length of the whole packet.
const headerLen = 4

// version is the only TPKT version there is (RFC 1006 §6).
const version = 3

// Length gives the length of the TPKT packet at the start of b, 0 when more bytes are needed to tell, and -1 when b
// cannot begin a packet. The reserved byte is not looked at: a stray value there must not cost synchronisation.
func Length(b []byte) int {
	if len(b) > 0 && b[0] != version {
		return -1
	}
	if len(b) < headerLen {
		return 0
	}
	n := int(b[2])<<8 | int(b[3])
	if n < headerLen {
		return -1
	}
	return n
}

// Type is the kind of a transport PDU: the high four bits of its code (X.224 §13.1).
type Type uint8

// The kinds of class 0, and those that are tolerated because devices send them.
const (
	ED Type = 0x10 // expedited data
	EA Type = 0x20 // expedited data acknowledgement
	RJ Type = 0x50 // reject
	AK Type = 0x60 // data acknowledgement
	ER Type = 0x70 // error
	DR Type = 0x80 // disconnect request
	DC Type = 0xc0 // disconnect confirm
	CC Type = 0xd0 // connection confirm
	CR Type = 0xe0 // connection request
	DT Type = 0xf0 // data
)

var typeNames = map[Type]string{
	ED: "Expedited Data", EA: "Expedited Data Acknowledgement", RJ: "Reject", AK: "Data Acknowledgement",
	ER: "TPDU Error", DR: "Disconnect Request", DC: "Disconnect Confirm", CC: "Connect Confirm",
	CR: "Connect Request", DT: "DT Data",
}

// String gives the specification's name.
func (t Type) String() string {
	if name, ok := typeNames[t]; ok {
		return name
	}
	return fmt.Sprintf("TPDU type 0x%02x", uint8(t))
}

// PDU is one transport PDU. TSAPs and Payload borrow the frame.
type PDU struct {
	Type    Type
	Last    bool   // DT: the end-of-TSDU mark, the message is complete
	Number  uint8  // DT: TPDU-NR; 0 in class 0
	DstRef  uint16 // CR, CC, DR, DC, ER
	SrcRef  uint16 // CR, CC, DR, DC
	Class   uint8  // CR, CC: preferred class
	Reason  uint8  // DR: reason, ER: reject cause
	Size    int    // CR, CC: proposed TPDU size in bytes, 0 when not told
	SrcTSAP []byte // CR, CC: calling transport selector; nil when not told
	DstTSAP []byte // CR, CC: called transport selector; nil when not told
	Strange bool   // CR, CC: the variable part holds something that is no X.224 parameter (an RDP cookie, for one)
	Payload []byte // DT: user data
	Missing int    // DT: how many bytes behind Payload the capture did not keep; Parse leaves that to the caller
}

// Parse reads the transport PDU of one whole TPKT packet. An error wraps [ErrMalformed]; the PDU then holds what was
// readable before the fault.
func Parse(packet []byte) (PDU, error) {
	if len(packet) < headerLen+2 {
		return PDU{}, fmt.Errorf("tpkt: %w: packet of %d bytes holds no transport PDU", ErrMalformed, len(packet))
	}
	header, rest := int(packet[headerLen]), packet[headerLen+1:]
	if header == 0xff || header < 1 || header > len(rest) {
		return PDU{}, fmt.Errorf("tpkt: %w: header of %d bytes in a packet of %d", ErrMalformed, header, len(packet))
	}
	c := wire.New(rest[:header])
	code := c.U8()
	p := PDU{Type: Type(code & 0xf0)}
	switch p.Type {
	case DT, ED:
		p.data(&c, header)
		p.Payload = rest[header:]
	case CR, CC:
		p.DstRef, p.SrcRef, p.Class = c.U16(), c.U16(), c.U8()>>4
		if !c.Failed() {
			p.parameters(c.Rest())
		}
	case DR:
		p.DstRef, p.SrcRef, p.Reason = c.U16(), c.U16(), c.U8()
	case DC:
		p.DstRef, p.SrcRef = c.U16(), c.U16()
	case ER:
		p.DstRef, p.Reason = c.U16(), c.U8()
	case AK, EA, RJ:
		p.DstRef = c.U16()
	default:
		return p, fmt.Errorf("tpkt: %w: code 0x%02x", ErrMalformed, code)
	}
	if c.Failed() {
		return p, fmt.Errorf("tpkt: %w: %v header of %d bytes is too short", ErrMalformed, p.Type, header)
	}
	return p, nil
}

// data reads the rest of a DT header: the number and end mark alone in class 0, after a reference in higher classes.
func (p *PDU) data(c *wire.Cursor, header int) {
	if header >= 4 {
		p.DstRef = c.U16()
	}
	nr := c.U8()
	p.Last, p.Number = nr&0x80 != 0, nr&0x7f
}

// Parameter codes of CR and CC (X.224 §13.3.4).
const (
	paramSize    = 0xc0
	paramSrcTSAP = 0xc1
	paramDstTSAP = 0xc2
)

// parameters reads the variable part of CR and CC. A part that is no list of parameters is marked, not refused:
// the connection exists all the same.
func (p *PDU) parameters(b []byte) {
	c := wire.New(b)
	for c.Len() > 0 {
		code := c.U8()
		value := c.Bytes(int(c.U8()))
		if c.Failed() || code < 0x80 {
			p.Strange = true
			return
		}
		switch code {
		case paramSize:
			if len(value) == 1 && value[0] >= 7 && value[0] <= 13 {
				p.Size = 1 << value[0]
			}
		case paramSrcTSAP:
			p.SrcTSAP = value
		case paramDstTSAP:
			p.DstTSAP = value
		}
	}
}
