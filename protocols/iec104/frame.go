package iec104

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// The frame of an APDU (IEC 60870-5-104, 5.1): start, length of what follows, four control octets.
const (
	start       = 0x68
	headLen     = 6   // start, length, control octets
	lengthMin   = 4   // the control octets alone
	lengthMax   = 253 // what the standard allows
	asduHead    = 6   // type, variable structure qualifier, cause, originator, common address
	addressLen  = 3   // of an information object
	supervisory = "S format"
)

// function is a control function of a U format APDU.
type function struct {
	name    string
	side    protocols.Match // who sends it
	outcome protocols.Outcome
	asks    bool
	index   int // the same for act and con
}

// functions are by the first control octet (IEC 60870-5-104, 5.1, figure 8).
var functions = map[byte]function{
	0x07: {"STARTDT act", protocols.YesClient, protocols.OutcomeAsked, true, 0},
	0x0b: {"STARTDT con", protocols.YesServer, protocols.OutcomeDone, false, 0},
	0x13: {"STOPDT act", protocols.YesClient, protocols.OutcomeAsked, true, 1},
	0x23: {"STOPDT con", protocols.YesServer, protocols.OutcomeDone, false, 1},
	0x43: {"TESTFR act", protocols.Yes, protocols.OutcomeAsked, true, 2},
	0x83: {"TESTFR con", protocols.Yes, protocols.OutcomeDone, false, 2},
}

const functionKinds = 3

// length frames leniently: the start octet and a possible length are all that a message needs.
func length(b []byte) int {
	switch {
	case len(b) > 0 && b[0] != start, len(b) > 1 && (b[1] < lengthMin || b[1] > lengthMax):
		return -1
	case len(b) < 2:
		return 0
	default:
		return 2 + int(b[1])
	}
}

// probe wants one of the three formats with all that the standard fixes; of the numbered one also that the objects it
// announces fill it, and a cause that its type can have. Behind a whole frame, the next has to begin as a frame does.
func probe(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportTCP || length(b) < 0 {
		return protocols.No
	}
	if len(b) < 3 {
		return protocols.More
	}
	m := protocols.No
	switch {
	case b[2]&1 == 0:
		m = probeNumbered(b)
	case b[1] != lengthMin:
	case b[2]&3 == 3:
		m = probeUnnumbered(b)
	case b[2] == 1 && zero(b, 3, 4) && (len(b) < 5 || b[4]&1 == 0):
		m = whole(b, protocols.Yes)
	}
	if m > protocols.More {
		if rest := b[2+int(b[1]):]; len(rest) > 0 && rest[0] != start {
			return protocols.No
		}
	}
	return m
}

// whole gives the answer once the control octets are all there.
func whole(b []byte, m protocols.Match) protocols.Match {
	if len(b) < headLen {
		return protocols.More
	}
	return m
}

// zero reports whether those bytes from one index to another that are there are zero.
func zero(b []byte, from, to int) bool {
	for i := from; i < min(to, len(b)); i++ {
		if b[i] != 0 {
			return false
		}
	}
	return true
}

func probeUnnumbered(b []byte) protocols.Match {
	f, known := functions[b[2]]
	if !known || !zero(b, 3, headLen) {
		return protocols.No
	}
	return whole(b, f.side)
}

// probeNumbered judges an I format APDU.
func probeNumbered(b []byte) protocols.Match {
	if int(b[1]) < lengthMin+asduHead+addressLen || len(b) > 4 && b[4]&1 != 0 {
		return protocols.No
	}
	if len(b) < headLen+4 {
		return protocols.More
	}
	kind, cause := &types[b[6]], b[8]&causeMask
	if kind.name == "" || !kind.causes.has(cause) {
		return protocols.No
	}
	count, sequence := int(b[7]&countMask), b[7]&sequenceBit != 0
	size := kind.size()
	objects := count * (addressLen + size)
	if sequence {
		objects = addressLen + count*size
	}
	if count == 0 || sequence && size == 0 || !kind.variable && int(b[1]) != lengthMin+asduHead+objects {
		return protocols.No
	}
	if len(b) < 2+int(b[1]) {
		return protocols.More
	}
	if kind.class == command && binary.LittleEndian.Uint16(b[10:]) == 0 {
		return protocols.No // common address 0 is not used (IEC 60870-5-101, 7.2.4)
	}
	return kind.sender(cause)
}

// sender tells which end sends a type with a cause. Monitoring comes from the controlled station; commands come from
// the controlling one and are mirrored to it.
func (k *kind) sender(cause byte) protocols.Match {
	switch {
	case k.class == monitor:
		return protocols.YesServer
	case k.class != command:
		return protocols.Yes
	case causes[cause].asks:
		return protocols.YesClient
	default:
		return protocols.YesServer
	}
}
