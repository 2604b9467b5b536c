package dnp3

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// The link frame (IEEE 1815-2012, 9.2.4): ten octets with their checksum, then blocks of up to 16 octets with theirs.
const (
	start1, start2 = 0x05, 0x64
	headLen        = 10
	lengthMin      = 5 // control and addresses alone
	blockLen       = 16
	checksumLen    = 2
	userMax        = 250

	fromMaster = 0x80
	primary    = 0x40
	codeMask   = 0x0f

	// Addresses from here on are no outstation's (9.2.4.1.4): broadcasts, self-address and what is reserved.
	specialAddress = 0xfff0
	selfAddress    = 0xfffc
)

// linkFunction is a row of the link functions.
type linkFunction struct {
	name    string
	outcome protocols.Outcome
	data    bool // carries a transport segment
}

// linkFunctions are the functions of the secondary station, then of the primary one (9.2.4.1.3, tables 9-1 and 9-2).
var linkFunctions = [2][16]linkFunction{
	{
		0: {"ACK", protocols.OutcomeDone, false}, 1: {"NACK", protocols.OutcomeRefused, false},
		11: {"Link Status", protocols.OutcomeDone, false}, 15: {"Not Supported", protocols.OutcomeRefused, false},
	},
	{
		0: {"Reset Link States", protocols.OutcomeAsked, false}, 2: {"Test Link States", protocols.OutcomeAsked, false},
		3: {"Confirmed User Data", protocols.OutcomeUnknown, true}, 4: {"Unconfirmed User Data", protocols.OutcomeUnknown, true},
		9: {"Request Link Status", protocols.OutcomeAsked, false},
	},
}

// length frames leniently: checksums are for the dissector to report.
func length(b []byte) int {
	switch {
	case len(b) > 0 && b[0] != start1, len(b) > 1 && b[1] != start2, len(b) > 2 && b[2] < lengthMin:
		return -1
	case len(b) < 3:
		return 0
	default:
		user := int(b[2]) - lengthMin
		return headLen + user + checksumLen*((user+blockLen-1)/blockLen)
	}
}

// probe wants the start octets, a header whose checksum is right, and a function that is known with the user data that
// belongs to it. A datagram must be frames to its end.
func probe(t protocols.Transport, b []byte) protocols.Match {
	n := length(b)
	if n < 0 || t != protocols.TransportTCP && t != protocols.TransportUDP {
		return protocols.No
	}
	if len(b) < headLen {
		if t != protocols.TransportTCP {
			return protocols.No
		}
		return protocols.More
	}
	h := readLink(b)
	if !h.sound || h.function.name == "" || h.function.data != (h.user > 0) {
		return protocols.No
	}
	if t == protocols.TransportUDP && n > len(b) {
		return protocols.No
	}
	if h.fromMaster {
		return protocols.YesClient
	}
	return protocols.YesServer
}

// link is the header of a link frame.
type link struct {
	control             byte
	destination, source uint16
	user                int // octets of user data
	fromMaster, sound   bool
	function            *linkFunction
}

// readLink reads the header at the start of b, which is there.
func readLink(b []byte) link {
	control := b[3]
	return link{
		control: control, destination: binary.LittleEndian.Uint16(b[4:]), source: binary.LittleEndian.Uint16(b[6:]),
		user: int(b[2]) - lengthMin, fromMaster: control&fromMaster != 0, sound: checksumFits(b[:headLen]),
		function: &linkFunctions[control&primary>>6][control&codeMask],
	}
}

// outstation gives the address of the outstation that the frame is to or from.
func (l *link) outstation() uint16 {
	if l.fromMaster {
		return l.destination
	}
	return l.source
}

// master gives the address of the other end.
func (l *link) master() uint16 {
	if l.fromMaster {
		return l.source
	}
	return l.destination
}

// appendUser appends the user data behind a header without its checksums. It gives the number of the first block whose
// checksum is wrong, counted from 1, or 0.
func appendUser(dst, b []byte) ([]byte, int) {
	for block := 1; len(b) > checksumLen; block++ {
		n := min(blockLen+checksumLen, len(b))
		if !checksumFits(b[:n]) {
			return dst, block
		}
		dst = append(dst, b[:n-checksumLen]...)
		b = b[n:]
	}
	return dst, 0
}

// checksumFits checks the checksum at the end of a block (9.2.4.3).
func checksumFits(b []byte) bool {
	n := len(b) - checksumLen
	return n > 0 && checksum(b[:n]) == binary.LittleEndian.Uint16(b[n:])
}

var checksumTable = func() (table [256]uint16) {
	const polynomial = 0xa6bc
	for i := range table {
		crc := uint16(i)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ polynomial
			} else {
				crc >>= 1
			}
		}
		table[i] = crc
	}
	return table
}()

func checksum(b []byte) uint16 {
	var crc uint16
	for _, x := range b {
		crc = crc>>8 ^ checksumTable[byte(crc)^x]
	}
	return ^crc
}
