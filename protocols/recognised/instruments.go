package recognised

import "github.com/spanwatch/spanwatch/protocols"

var instruments = []protocol{
	{name: "hart-ip", title: "HART-IP", tcp: []uint16{5094}, udp: []uint16{5094}, plant: true, look: lookHARTIP},
}

var hartMessages = [...]string{
	0: "Session Initiate", 1: "Session Close", 2: "Keep Alive", 3: "Token-Passing PDU", 4: "Direct PDU", 5: "Read Audit Log",
}

// lookHARTIP wants version, type and identifier of a message and a length that the identifier allows; of a carried HART
// frame also that the frame fills it (FieldComm HCF_SPEC-085, 10.2; HCF_SPEC-081 for the frame).
func lookHARTIP(t protocols.Transport, b []byte) (protocols.Match, string) {
	const header, request, publish, initiate, tokenPassing = 8, 0, 2, 0, 3
	h := head(b)
	if !h.within(0, 1, 2) || !h.among(1, "\x00\x01\x02\x0f") || !h.within(2, 0, byte(len(hartMessages)-1)) || !h.be16(6, header, 1500) {
		return no()
	}
	if len(b) < header {
		return more()
	}
	n := h.u16(6)
	if !h.fills(t, n) || b[1] == request && b[3] != 0 || b[1] == publish && b[2] != tokenPassing {
		return no()
	}
	m := side(b[1] != request)
	switch id := b[2]; {
	case id == initiate:
		if n != 13 && !(n == header && b[1] != request) || n == 13 && !h.within(header, 0, 1) {
			return no()
		}
		return h.enough(min(n, header+1), m, hartMessages[id])
	case id < tokenPassing:
		if n != header {
			return no()
		}
		return m, hartMessages[id]
	case id == tokenPassing:
		return lookHARTFrame(h[:min(len(h), n)], n, m)
	default:
		if b[0] != 2 {
			return no()
		}
		return m, hartMessages[id]
	}
}

// lookHARTFrame wants a delimiter, and a byte count that leaves the checksum: delimiter, address of one or five bytes,
// expansion bytes, command, count, data, checksum.
func lookHARTFrame(h head, n int, m protocols.Match) (protocols.Match, string) {
	const at, longAddress, name = 8, 0x80, 3
	if len(h) <= at {
		if n <= at+4 {
			return no()
		}
		return more()
	}
	delimiter := h[at]
	if kind := delimiter & 0x07; kind != 1 && kind != 2 && kind != 6 || delimiter&0x18 != 0 {
		return no()
	}
	count := at + 1 + 1 + int(delimiter>>5&3) + 1
	if delimiter&longAddress != 0 {
		count += 4
	}
	if n < count+2 {
		return no()
	}
	if len(h) <= count {
		return more()
	}
	if count+1+int(h[count])+1 != n {
		return no()
	}
	return m, hartMessages[name]
}
