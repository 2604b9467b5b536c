package recognised

import "github.com/spanwatch/spanwatch/protocols"

var telecontrol = []protocol{
	{name: "dnp3", title: "DNP3", tcp: []uint16{20000, 19999}, udp: []uint16{20000, 19999}, plant: true, look: lookDNP3},
}

const (
	dnp3Header     = 10
	dnp3FromMaster = 0x80
	dnp3Primary    = 0x40
)

// Link layer functions (IEEE 1815-2012, 9.2.4.1.3): of the primary station, then of the secondary one.
var dnp3Functions = [2][16]string{
	{0: "ACK", 1: "NACK", 11: "Link Status", 15: "Not Supported"},
	{0: "Reset Link States", 2: "Test Link States", 3: "Confirmed User Data", 4: "Unconfirmed User Data", 9: "Request Link Status"},
}

// lookDNP3 wants the start octets, a length and the checksum of the link header (IEEE 1815-2012, 9.2.4).
func lookDNP3(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if !h.text(0, "\x05\x64") || !h.within(2, 5, 255) {
		return no()
	}
	if len(b) < dnp3Header {
		return more()
	}
	if int(dnp3Checksum(b[:8])) != h.l16(8) {
		return no()
	}
	primary := b[3] & dnp3Primary >> 6
	return side(b[3]&dnp3FromMaster == 0), dnp3Functions[primary][b[3]&0x0f]
}

// dnp3Checksum is the CRC of a block (IEEE 1815-2012, 9.2.4.3).
func dnp3Checksum(b []byte) uint16 {
	const polynomial = 0xa6bc
	return ^crc16(b, polynomial)
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
