package enip

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

// head is the beginning of a message. What is not there yet contradicts nothing.
type head []byte

// word reports that the 16-bit number at i, as far as it is there, lies between lo and hi. A single octet is compared
// where it must be the low one of a constant.
func (h head) word(i int, lo, hi int) bool {
	switch {
	case i+2 <= len(h):
		n := int(binary.LittleEndian.Uint16(h[i:]))
		return n >= lo && n <= hi
	case i+1 == len(h) && lo == hi:
		return h[i] == byte(lo)
	default:
		return true
	}
}

// zero reports that n bytes from i on are zero, as far as they are there.
func (h head) zero(i, n int) bool {
	for k := i; k < min(i+n, len(h)); k++ {
		if h[k] != 0 {
			return false
		}
	}
	return true
}

func side(fromServer bool) protocols.Match {
	if fromServer {
		return protocols.YesServer
	}
	return protocols.YesClient
}

// probe wants a known command, a known status, options 0 and data of a length that fits the command (Volume 2, 2-3.1),
// and in the data what the command demands; over UDP also the connected data of an I/O connection.
func probe(t protocols.Transport, b []byte) protocols.Match {
	switch t {
	case protocols.TransportTCP:
		return probeStream(b)
	case protocols.TransportUDP:
		if isConnected(b) {
			return protocols.Yes
		}
		if len(b) < headerLen || len(b) != headerLen+int(binary.LittleEndian.Uint16(b[2:])) {
			return protocols.No
		}
		m, _ := probeMessage(b)
		return m
	default:
		return protocols.No
	}
}

// probeStream judges the beginning of a stream. A NOP is all zeros, and so is much else: the message behind it decides. A
// request for a list is little more than a command: what is behind it must be a message too, and where nothing is yet, a
// odd context must wait for it.
func probeStream(b []byte) protocols.Match {
	m, n := probeMessage(b)
	if m == protocols.YesClient && isListRequest(b) {
		rest := head(b[n:])
		switch {
		case len(rest) == 0 && oddContext(b[12:20]):
			return protocols.More
		case len(rest) == 0:
			return m
		case rest[0] == 0: // a NOP says no more than other zeros
			return protocols.No
		}
		if behind, _ := probeMessage(rest); behind == protocols.No || behind == protocols.More {
			return behind
		}
		return m
	}
	nop := len(b) >= 2 && b[0] == 0 && b[1] == 0 || len(b) == 1 && b[0] == 0
	if m == protocols.No || m == protocols.More || !nop {
		return m
	}
	if len(b) <= n {
		return protocols.More
	}
	rest := head(b[n:])
	if rest.zero(0, 2) {
		if len(rest) < 2 {
			return protocols.More
		}
		return protocols.No
	}
	m, _ = probeMessage(rest)
	return m
}

// oddContext reports whether a sender context is none that clients make: zeros, a delay in the first two octets (2-4.2.3), a
// text or a token that fills the first half, a counter that has begun not long ago.
func oddContext(c []byte) bool {
	if !head(c).zero(0, 4) {
		return false
	}
	return binary.BigEndian.Uint32(c[4:]) > begunCounter && binary.LittleEndian.Uint32(c[4:]) > begunCounter
}

// begunCounter is how far a counter has come that has begun not long ago.
const begunCounter = 4096

// isListRequest reports whether a message that is no lie is a ListServices, ListIdentity or ListInterfaces request.
func isListRequest(b []byte) bool {
	switch binary.LittleEndian.Uint16(b) {
	case cmdListIdentity, cmdListServices, cmdListInterfaces:
		return b[2] == 0 && b[3] == 0
	}
	return false
}

// probeMessage judges the beginning of one message and tells its length once the header is there.
func probeMessage(b []byte) (m protocols.Match, n int) {
	h := head(b)
	if len(b) < 2 {
		if len(b) == 0 {
			return protocols.More, 0
		}
		if c := commandOf(uint16(b[0])); c == nil || c.vague() {
			return protocols.No, 0
		}
		return protocols.More, 0
	}
	code := binary.LittleEndian.Uint16(b)
	c := commandOf(code)
	if c == nil || c.vague() || !h.word(2, 0, c.max) || !h.zero(20, 4) ||
		!h.word(8, 0, 0x6a) || !h.zero(10, 2) {
		return protocols.No, 0
	}
	if code == cmdNOP && !h.zero(8, 4) {
		return protocols.No, 0
	}
	if len(b) < headerLen {
		return protocols.More, 0
	}
	e := readHeader(b)
	n = headerLen + e.length
	if _, known := encapsulationStatus[e.status]; !known || e.status == 0 && e.length < c.min {
		return protocols.No, n
	}
	return probeData(e, b[headerLen:min(n, len(b))]), n
}

// probeData judges what follows a header, as far as it is there.
func probeData(e header, data head) protocols.Match {
	switch e.command {
	case cmdListIdentity, cmdListServices, cmdListInterfaces:
		if e.length > 0 {
			if e.length < 2 || !data.word(0, 0, 16) || !data.word(2, 0, itemServices) {
				return protocols.No
			}
			return protocols.YesServer
		}
		return protocols.YesClient
	case cmdRegister:
		if !data.word(0, 1, 1) || !data.word(2, 0, 0) {
			return protocols.No
		}
		return side(e.session != 0 || e.status != 0)
	case cmdUnregister:
		if e.session == 0 || e.length != 0 {
			return protocols.No
		}
		return protocols.YesClient
	case cmdSendRRData, cmdSendUnitData:
		if e.status != 0 && e.length == 0 {
			return protocols.YesServer
		}
		return probePacket(data)
	default:
		return protocols.Yes
	}
}

// probePacket wants interface handle 0, that of CIP, an address item, and an item of data behind it. The service code
// of the message tells who sends it.
func probePacket(h head) protocols.Match {
	const items = 6 // behind interface handle and timeout
	if !h.zero(0, 4) || !h.word(items, 1, 4) {
		return protocols.No
	}
	i := items + 2
	for range 4 {
		if i+4 > len(h) {
			return protocols.Yes
		}
		kind, n := binary.LittleEndian.Uint16(h[i:]), int(binary.LittleEndian.Uint16(h[i+2:]))
		i += 4
		switch {
		case kind == itemNull && n == 0, kind == itemConnectedAddress && n == 4, kind == itemSequencedAddress && n == 8:
		case kind == itemSocketOT && n == 16, kind == itemSocketTO && n == 16:
		case kind == itemConnectedData && n >= 2:
			return sender(h, i+2)
		case kind == itemUnconnectedData && n >= 2:
			return sender(h, i)
		default:
			return protocols.No
		}
		i += n
	}
	return protocols.Yes
}

// sender tells by the service code at i who sends the message.
func sender(h head, i int) protocols.Match {
	if i >= len(h) {
		return protocols.Yes
	}
	return side(h[i]&replyBit != 0)
}

// isConnected reports whether a datagram is the message of an I/O connection: two items, a sequenced address and
// connected data that ends the datagram (Volume 2, 3-2).
func isConnected(b []byte) bool {
	const data = 18 // where they begin
	le := binary.LittleEndian
	return len(b) >= data && le.Uint16(b) == 2 && le.Uint16(b[2:]) == itemSequencedAddress && le.Uint16(b[4:]) == 8 &&
		le.Uint16(b[14:]) == itemConnectedData && int(le.Uint16(b[16:])) == len(b)-data
}

// length tells how long the message at the start of a stream is. Commands that the tables do not know are passed over by
// the length they give, as long as they may be commands at all.
func length(b []byte) int {
	switch {
	case len(b) < 2:
		return 0
	case binary.LittleEndian.Uint16(b) > lastCommand:
		return -1
	case len(b) < 4:
		return 0
	}
	n := int(binary.LittleEndian.Uint16(b[2:]))
	if n > maxData {
		return -1
	}
	return headerLen + n
}
