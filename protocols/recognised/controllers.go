package recognised

import (
	"github.com/spanwatch/spanwatch/protocols"
)

// controllers are the protocols of single makers of controllers.
var controllers = []protocol{
	{name: "fins", title: "Omron FINS", tcp: []uint16{9600}, udp: []uint16{9600}, plant: true, look: lookFINS},
	{name: "slmp", title: "MELSEC SLMP", tcp: []uint16{5007, 5010}, udp: []uint16{5006, 5010}, plant: true, look: lookSLMP},
	{name: "ads", title: "Beckhoff ADS", tcp: []uint16{48898}, udp: []uint16{48899}, plant: true, look: lookADS},
	{
		name: "codesys", title: "CODESYS", tcp: []uint16{11740, 11741, 11742, 11743}, udp: []uint16{1740, 1741, 1742, 1743},
		plant: true, look: lookCODESYS,
	},
	{name: "pcom", title: "Unitronics PCOM", tcp: []uint16{20256}, plant: true, look: lookPCOM},
	{name: "tristation", title: "TriStation", udp: []uint16{1502}, plant: true, look: lookTriStation},
	{name: "ge-srtp", title: "GE-SRTP", tcp: []uint16{18245, 18246}, plant: true, look: lookGESRTP},
}

// finsCommands are the command codes that controllers know (Omron W342, section 5), main and sub code.
var finsCommands = map[int]string{
	0x0101: "Memory Area Read", 0x0102: "Memory Area Write", 0x0103: "Memory Area Fill", 0x0104: "Multiple Memory Area Read",
	0x0105: "Memory Area Transfer", 0x0201: "Parameter Area Read", 0x0202: "Parameter Area Write", 0x0203: "Parameter Area Clear",
	0x0220: "Data Link Table Read", 0x0221: "Data Link Table Write",
	0x0304: "Program Area Protect", 0x0305: "Program Area Protect Clear", 0x0306: "Program Area Read", 0x0307: "Program Area Write",
	0x0308: "Program Area Clear", 0x0401: "Run", 0x0402: "Stop", 0x0403: "Reset", 0x0501: "Controller Data Read",
	0x0502: "Connection Data Read", 0x0601: "Controller Status Read", 0x0602: "Network Status Read", 0x0603: "Data Link Status Read",
	0x0620: "Cycle Time Read", 0x0701: "Clock Read", 0x0702: "Clock Write", 0x0801: "Loop-Back Test", 0x0802: "Broadcast Test Results Read",
	0x0803: "Broadcast Test Data Send", 0x0920: "Message Read", 0x0c01: "Access Right Acquire", 0x0c02: "Access Right Forced Acquire",
	0x0c03: "Access Right Release", 0x2101: "Error Clear", 0x2102: "Error Log Read", 0x2103: "Error Log Clear", 0x2140: "Access Log Read",
	0x2141: "Access Log Clear", 0x2201: "File Name Read", 0x2202: "Single File Read", 0x2203: "Single File Write", 0x2204: "Memory Card Format",
	0x2205: "File Delete", 0x2206: "Volume Label Create", 0x2207: "File Copy", 0x2208: "File Name Change", 0x2209: "File Data Check",
	0x220a: "Memory Area File Transfer", 0x220b: "Parameter Area File Transfer", 0x220c: "Program Area File Transfer", 0x220f: "File Memory Index Read",
	0x2210: "File Memory Read", 0x2211: "File Memory Write", 0x2215: "Directory Create", 0x2301: "Forced Set/Reset", 0x2302: "Forced Set/Reset Cancel",
	0x230a: "Multiple Forced Status Read", 0x2601: "Name Set", 0x2602: "Name Delete", 0x2603: "Name Read",
}

const (
	finsHeader   = 10
	finsResponse = 0x40
)

// finsEnvelopes are the commands of the TCP header (Omron W421, 7-4).
var finsEnvelopes = [...]struct {
	name string
	side protocols.Match
}{
	0: {"FINS Node Address Data Send (Client to Server)", protocols.YesClient},
	1: {"FINS Node Address Data Send (Server to Client)", protocols.YesServer},
	2: {"FINS Frame Send", protocols.Yes},
	3: {"FINS Frame Send Error Notification", protocols.Yes},
	6: {"Connection Confirmation", protocols.Yes},
}

// lookFINS wants the magic of the TCP header; over UDP, where there is none, a header in which every field is
// plausible and a known command.
func lookFINS(t protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if t == protocols.TransportUDP {
		return lookFINSFrame(h)
	}
	if !h.text(0, "FINS") || !h.be32(4, 8, 1<<16) || !h.be32(8, 0, len(finsEnvelopes)-1) {
		return no()
	}
	if len(b) < 16 {
		return more()
	}
	const frameSend, header = 2, 16
	e := finsEnvelopes[h.u32(8)]
	switch {
	case e.name == "":
		return no()
	case h.u32(8) != frameSend:
		return e.side, e.name
	case len(b) < header+finsHeader+2:
		return more()
	}
	return side(b[header]&finsResponse != 0), finsCommands[h.u16(header+finsHeader)]
}

// lookFINSFrame judges a frame as W342, section 5-1 lays it out.
func lookFINSFrame(h head) (protocols.Match, string) {
	const icf, rsv, gct, networks, command = 0, 1, 2, 0x80, finsHeader
	if !h.among(icf, "\x80\x81\xc0\xc1") || !h.is(rsv, 0) || !h.within(gct, 0, 7) {
		return no()
	}
	if len(h) < finsHeader+2 {
		return more()
	}
	name, known := finsCommands[h.u16(command)]
	if !known || h[3] >= networks || h[6] >= networks || h[5] == 0xff || h[8] == 0xff {
		return no()
	}
	const memoryRead, memoryReadLen = 0x0101, 18
	answers := h[icf]&finsResponse != 0
	if answers && len(h) < finsHeader+4 || !answers && h.u16(command) == memoryRead && len(h) != memoryReadLen {
		return no() // an answer has an end code, the commonest command its one length
	}
	return side(answers), name
}

// slmpFrame is a kind of binary frame: its subheader, and where the access route begins.
type slmpFrame struct {
	subheader string
	route     int
	answers   bool
}

// slmpFrames are those of the SLMP reference, SH(NA)-080956, chapter 4.
var slmpFrames = [...]slmpFrame{
	{"\x50\x00", 2, false}, {"\xd0\x00", 2, true}, {"\x54\x00", 6, false}, {"\xd4\x00", 6, true},
}

// look judges a binary frame. Its route is network, station, module (LE) and multidrop station; then comes the length
// (LE), a timer or an end code, and in a request the command (LE), whose high octet tells the group of commands.
func (f slmpFrame) look(t protocols.Transport, h head) protocols.Match {
	const ioFirst, ioLast, stations = 0x03d0, 0x03ff, 31
	length, command := f.route+5, f.route+9
	if !h.text(0, f.subheader) || f.route == 6 && !h.zero(4, 2) {
		return protocols.No
	}
	if !h.le16(f.route+2, ioFirst, ioLast) || !h.within(f.route+4, 0, stations) || !h.le16(length, 2, 0x2000) {
		return protocols.No
	}
	if !f.answers && !h.among(command+1, "\x01\x02\x04\x06\x08\x0b\x10\x14\x16\x18\x19\x20\x21") {
		return protocols.No
	}
	if len(h) < length+4 || !f.answers && len(h) < command+4 {
		return protocols.More
	}
	switch end := length + 2 + h.l16(length); {
	case end < len(h), t == protocols.TransportUDP && end != len(h), !f.answers && end < command+4:
		return protocols.No
	}
	return side(f.answers)
}

// slmpTexts are those of the ASCII frames.
var slmpTexts = [...]struct {
	subheader string
	route     int
	answers   bool
}{
	{"5000", 4, false}, {"D000", 4, true}, {"5400", 12, false}, {"D400", 12, true},
}

// lookSLMP wants a subheader, the number of a real module in the access route, and a length that fits what follows.
func lookSLMP(t protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	for _, f := range slmpFrames {
		if m := f.look(t, h); m != protocols.No {
			return m, ""
		}
	}
	for _, f := range slmpTexts {
		if !h.text(0, f.subheader) || f.route == 12 && !h.text(8, "0000") || !h.text(f.route+4, "03") {
			continue
		}
		if !h.hex(f.route, 14) {
			continue
		}
		if len(h) < f.route+14 {
			return more()
		}
		return side(f.answers), ""
	}
	return no()
}

// hex reports that n bytes from i on are hexadecimal digits in capitals.
func (h head) hex(i, n int) bool {
	for k := i; k < i+n && k < len(h); k++ {
		if x := h[k]; (x < '0' || x > '9') && (x < 'A' || x > 'F') {
			return false
		}
	}
	return true
}

var adsCommands = [...]string{
	"Invalid", "ADS Read Device Info", "ADS Read", "ADS Write", "ADS Read State", "ADS Write Control",
	"ADS Add Device Notification", "ADS Delete Device Notification", "ADS Device Notification", "ADS Read Write",
}

// lookADS wants the AMS/TCP header and the AMS header behind it (Beckhoff TE1000, AMS/TCP): both lengths agree, the
// command is known, the flags say ADS. Over UDP, where routes are set up, it wants the magic.
func lookADS(t protocols.Transport, b []byte) (protocols.Match, string) {
	const header, answers, wants, flags = 6 + 32, 0x01, 0x04, 0x41
	h := head(b)
	if t == protocols.TransportUDP {
		if !h.text(0, "\x71\x14\x66\x03\x00\x00\x00\x00") {
			return no()
		}
		if len(b) < 12 {
			return more()
		}
		return side(b[11]&0x80 != 0), ""
	}
	if !h.zero(0, 2) || !h.le32(2, 32, 1<<20) || !h.le16(22, 0, len(adsCommands)-1) || !h.is(25, 0) || !h.masked(24, ^byte(flags), wants) {
		return no()
	}
	if len(b) < header {
		return more()
	}
	if h.l32(2) != 32+h.l32(26) || h.zero(6, 16) {
		return no()
	}
	return side(b[24]&answers != 0), adsCommands[h.l16(22)]
}

// codesysServices are those of the datagram layer of CODESYS 3.
var codesysServices = map[byte]string{
	1: "Address Notification Request", 2: "Address Notification Response", 3: "Name Service", 4: "Name Service", 0x40: "Channel Manager",
}

// lookCODESYS wants the header of the TCP block driver, or of the datagram layer in UDP: magic, a header of three words,
// a known service and addresses that fit.
func lookCODESYS(t protocols.Transport, b []byte) (protocols.Match, string) {
	const blockHeader, datagramHeader, channelManager = 8, 6, 0x40
	h := head(b)
	at := 0
	if t == protocols.TransportTCP {
		if !h.text(0, "\x00\x01\x17\xe8") && !h.text(0, "\xe8\x17\x01\x00") || !h.le32(4, blockHeader+datagramHeader, 1<<16) {
			return no()
		}
		at = blockHeader
	}
	if !h.is(at, 0xc5) || !h.masked(at+1, 0x07, 3) || !h.among(at+3, "\x01\x02\x03\x04\x40") {
		return no()
	}
	if len(b) < at+datagramHeader+1 {
		return more()
	}
	receiver, sender := int(b[at+5]&0x0f), int(b[at+5]>>4)
	body := at + datagramHeader + 2*(receiver+sender)
	if t == protocols.TransportTCP {
		return protocols.Yes, codesysServices[b[at+3]]
	}
	if body >= len(b) {
		return no()
	}
	body += -body & 3
	if b[3] == channelManager && !h.among(body, "\x01\x02\x03\x83\xc2\xc3\xc4") {
		return no()
	}
	return protocols.Yes, codesysServices[b[3]]
}

// lookPCOM wants the header of PCOM/TCP and behind it a text or binary message (Unitronics, PCOM protocol): identifier,
// mode, zero, length.
func lookPCOM(_ protocols.Transport, b []byte) (protocols.Match, string) {
	const header, text, binary = 6, 101, 102
	h := head(b)
	if !h.within(2, text, binary) || !h.is(3, 0) || !h.le16(4, 6, 1100) || !h.is(header, '/') {
		return no()
	}
	if len(b) < 3 {
		return more()
	}
	if b[2] == binary {
		if !h.text(header, "/_OPLC") || !h.le16(4, 27, 1100) {
			return no()
		}
		return h.enough(header+6, protocols.Yes, "PCOM binary")
	}
	answers := h.is(header+1, 'A')
	digits := header + 1
	if answers {
		digits++
	}
	if !h.hex(digits, 2) {
		return no()
	}
	if len(b) < digits+2 {
		return more()
	}
	return side(answers), "PCOM ASCII"
}

var tristationTypes = [...]string{
	1: "Connection Request", 2: "Connection Response", 3: "Disconnection Response", 4: "Disconnection Request",
	5: "Execution Command", 6: "Ping Command", 7: "Connection Limit Reached", 8: "Not Connected", 9: "MPs Are Dead",
	10: "Access Denied", 11: "Connection Failed",
}

// lookTriStation wants a known type, a length that leaves six bytes, and the checksum at the end.
func lookTriStation(_ protocols.Transport, b []byte) (protocols.Match, string) {
	const overhead, polynomial = 6, 0xa001
	h := head(b)
	if !h.within(0, 1, byte(len(tristationTypes)-1)) {
		return no()
	}
	if len(b) < overhead {
		return more()
	}
	if h.l16(2) != len(b)-overhead || int(crc16(b[:len(b)-2], polynomial)) != h.l16(len(b)-2) {
		return no()
	}
	switch b[0] {
	case 1, 4:
		return protocols.YesClient, tristationTypes[b[0]]
	case 2, 3, 7, 8, 9, 10, 11:
		return protocols.YesServer, tristationTypes[b[0]]
	}
	return protocols.Yes, tristationTypes[b[0]]
}

// lookGESRTP wants the type of a request or answer, the sequence number in its two places, zeros where requests have
// them, and a known type of mailbox message.
func lookGESRTP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	const messageType, needed, request = 31, 40, 2
	h := head(b)
	if !h.within(0, 2, 3) || !h.is(1, 0) || !h.is(3, 0) || !h.zero(6, 3) || !h.zero(10, 7) || !h.zero(18, 8) || !h.within(9, 0, 1) || !h.within(17, 0, 1) {
		return no()
	}
	if !h.among(messageType, "\xc0\x80\x94\xd4\xd1\x90") {
		return no()
	}
	if len(b) < needed {
		return more()
	}
	if b[2] != b[30] || h.zero(32, 8) {
		return no()
	}
	return side(b[0] != request), ""
}

// crc16 is a reflected CRC that starts from zero.
func crc16(b []byte, polynomial uint16) uint16 {
	var crc uint16
	for _, x := range b {
		crc ^= uint16(x)
		for range 8 {
			if crc&1 != 0 {
				crc = crc>>1 ^ polynomial
			} else {
				crc >>= 1
			}
		}
	}
	return crc
}
