package modbus

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// Modbus over Serial Line V1.02 §2.5.1: address, function code, fields, CRC. A frame does not say how long it is: its
// length follows from the function and the direction, and the checksum tells which direction it was.
const (
	rtuOverhead   = 3 // address and CRC
	rtuMax        = 256
	rtuMaxAddress = 247
)

// decodeRTU reads one serial frame as sent by a side.
func (m *message) decodeRTU(b []byte, from protocols.Side) {
	if len(b) < rtuOverhead {
		m.beFunctionless(from, "message ends within its header", len(b))
		return
	}
	if !checksumFits(b) {
		m.fail("checksum is wrong", int(binary.LittleEndian.Uint16(b[len(b)-2:])))
	}
	m.decodeUnit(b[:len(b)-2], from)
}

// serial is the state of a conversation in serial frames. It frames its own stream, because a frame does not say which
// way it goes: a request whose checksum ends in 0 fits without that byte, too, and may be as long as an answer then.
type serial struct{ dissector }

// Next implements [protocols.Framer]: negative where no frame begins, so that the next byte is tried. What the other
// side might send is tried last; who is who may be a guess.
func (*serial) Next(from protocols.Side, b []byte) int {
	if len(b) < 2 {
		return 0
	}
	sizes := [2]int{protocols.Client: requestSize(b), protocols.Server: answerSize(b)}
	for _, size := range [2]int{sizes[from], sizes[from.Other()]} {
		switch {
		case size < 0, size > rtuMax:
		case size == 0, size > len(b):
			return 0
		case checksumFits(b[:size]):
			return size
		}
	}
	return -1
}

// Depth implements [protocols.Framer].
func (*serial) Depth() protocols.Depth { return protocols.DepthDecoded }

// frameSize gives the length of the frame at the start of b, whose direction is not known: the longer one of two that
// fit. It is 0 when more bytes are needed to tell, negative when no frame begins there.
func frameSize(b []byte) int {
	var any serial
	asked, answered := any.Next(protocols.Client, b), any.Next(protocols.Server, b)
	return max(asked, answered)
}

// probeRTU wants nothing but whole frames with their checksums, each of which makes sense.
func probeRTU(t protocols.Transport, b []byte) protocols.Match {
	if t != protocols.TransportTCP {
		return protocols.No
	}
	found := short
	for len(b) > 0 {
		if b[0] == 0 || b[0] > rtuMaxAddress {
			return protocols.No
		}
		n := frameSize(b)
		switch {
		case n < 0, n == 0 && !promising(b):
			return protocols.No
		case n == 0:
			return protocols.More
		}
		j := judgeRTU(b[:n])
		if j < either {
			return protocols.No
		}
		if found < question {
			found = max(found, j)
		}
		b = b[n:]
	}
	if found == short {
		return protocols.More
	}
	return match(found)
}

// promising reports whether the beginning of a frame can still become a sound request or a sound answer.
func promising(b []byte) bool {
	if len(b) < 2 {
		return true
	}
	if isAPDU(b) {
		return false
	}
	waits := func(size int) bool { return size == 0 || size > len(b) && size <= rtuMax }
	return waits(requestSize(b)) && mayAsk(b) || waits(answerSize(b)) && mayAnswer(b)
}

// isAPDU recognises what IEC 60870-5-104 makes of a frame: it begins all its messages with 68 hex, which is a unit here,
// and has their length where the function is. Some are long before the function's own count is reached.
func isAPDU(b []byte) bool {
	const start, header, sequenceAt = 0x68, 2, 4
	return b[0] == start && len(b) > sequenceAt && len(b) >= header+int(b[1]) && b[header]&1 == 0 && b[sequenceAt]&1 == 0
}

// mayAsk reports whether the quantities and counts of a request are possible as far as they are there.
func mayAsk(b []byte) bool {
	quantityAt := func(at int, limit uint16) bool {
		if len(b) < at+2 {
			return true
		}
		q := binary.BigEndian.Uint16(b[at:])
		return q > 0 && q <= limit
	}
	code := b[1]
	switch code {
	case 1, 2, 3, 4:
		return quantityAt(4, functions[code].limit)
	case 15:
		return quantityAt(4, functions[code].limit) && (len(b) < 7 || int(b[6]) == (int(b[4])<<8+int(b[5])+7)/8)
	case 16:
		return quantityAt(4, functions[code].limit) && (len(b) < 7 || b[6] == 2*b[5])
	case 20, 21:
		return len(b) < 4 || b[3] == referenceType
	case 23:
		return quantityAt(4, functions[code].limit) && quantityAt(8, writeLimit) && (len(b) < 11 || b[10] == 2*b[9])
	default:
		return true
	}
}

// mayAnswer does the same for answers.
func mayAnswer(b []byte) bool {
	switch b[1] {
	case 1, 2:
		return len(b) < 3 || b[2] != 0
	case 3, 4, 23:
		return len(b) < 3 || b[2] != 0 && b[2]%2 == 0
	case 20:
		return len(b) < 5 || b[4] == referenceType
	case 21:
		return len(b) < 4 || b[3] == referenceType
	default:
		return true
	}
}

// judgeRTU looks at one whole frame.
func judgeRTU(b []byte) judgement {
	var asked, answered message
	asked.decodeRTU(b, protocols.Client)
	answered.decodeRTU(b, protocols.Server)
	switch q, a := asked.sound(), answered.sound() && len(answered.cursor.Rest()) == 0; {
	case q && a:
		return either
	case q:
		return question
	case a:
		return answer
	default:
		return broken
	}
}

// size tells how long the frame of a function is: fixed bytes, and as many as the count at an offset says.
type size struct{ fixed, countAt int }

// requestSizes and answerSizes are indexed by function code; a zero row is a function that is not known.
var (
	requestSizes = [...]size{
		1: {8, 0}, 2: {8, 0}, 3: {8, 0}, 4: {8, 0}, 5: {8, 0}, 6: {8, 0}, 7: {4, 0}, 8: {8, 0}, 11: {4, 0}, 12: {4, 0},
		15: {9, 6}, 16: {9, 6}, 17: {4, 0}, 20: {5, 2}, 21: {5, 2}, 22: {10, 0}, 23: {13, 10}, 24: {6, 0}, 43: {7, 0},
	}
	answerSizes = [...]size{
		1: {5, 2}, 2: {5, 2}, 3: {5, 2}, 4: {5, 2}, 5: {8, 0}, 6: {8, 0}, 7: {5, 0}, 8: {8, 0}, 11: {8, 0}, 12: {5, 2},
		15: {8, 0}, 16: {8, 0}, 17: {5, 2}, 20: {5, 2}, 21: {5, 2}, 22: {10, 0}, 23: {5, 2}, 24: {6, 3}, 43: {10, 0},
	}
)

const exceptionSize = 5

// requestSize gives the length of the request at the start of b: 0 when more bytes are needed, negative when no request
// has this function.
func requestSize(b []byte) int { return sizeOf(requestSizes[:], b) }

// answerSize does the same for answers.
func answerSize(b []byte) int {
	switch code := b[1]; {
	case code&exceptionBit != 0:
		return exceptionSize
	case code == 43:
		return identificationSize(b)
	default:
		return sizeOf(answerSizes[:], b)
	}
}

func sizeOf(table []size, b []byte) int {
	code := int(b[1])
	if code >= len(table) || table[code].fixed == 0 {
		return -1
	}
	row := table[code]
	switch {
	case row.countAt == 0:
		return row.fixed
	case len(b) <= row.countAt:
		return 0
	default:
		return row.fixed + int(b[row.countAt])
	}
}

// identificationSize walks the objects of a device identification (V1.1b3 §6.21).
func identificationSize(b []byte) int {
	const objectsAt = 8
	if len(b) > 2 && b[2] != meiDeviceIdentification {
		return -1
	}
	if len(b) < objectsAt {
		return 0
	}
	at := objectsAt
	for range b[objectsAt-1] {
		if at+1 >= len(b) {
			return 0
		}
		if at += 2 + int(b[at+1]); at > rtuMax {
			return -1
		}
	}
	return at + 2
}

// checksumFits checks the CRC at the end of a frame (Modbus over Serial Line V1.02, appendix B).
func checksumFits(b []byte) bool {
	n := len(b) - 2
	return n > 0 && checksum(b[:n]) == binary.LittleEndian.Uint16(b[n:])
}

var checksumTable = func() (table [256]uint16) {
	const polynomial = 0xa001
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
	crc := uint16(0xffff)
	for _, x := range b {
		crc = crc>>8 ^ checksumTable[byte(crc)^x]
	}
	return crc
}
