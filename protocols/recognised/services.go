package recognised

import "github.com/spanwatch/spanwatch/protocols"

// services are what every network runs.
var services = []protocol{
	{name: "ntp", title: "NTP", udp: []uint16{123}, look: lookNTP},
	{name: "snmp", title: "SNMP", udp: []uint16{161, 162}, look: lookSNMP},
}

const (
	ntpSize   = 48
	ntpClient = 3
	ntpServer = 4
	ntpModes  = 5       // broadcast; above are control messages of another form
	ntpYear   = 1 << 31 // seconds of 1968: no clock on a network is earlier
)

// lookNTP wants a header of which every field is plausible (RFC 5905 §7.3) and a size that leaves extensions or a
// digest.
func lookNTP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if len(b) > 0 && (b[0]>>3&7 < 1 || b[0]>>3&7 > 4 || b[0]&7 < 1 || b[0]&7 > ntpModes) {
		return no()
	}
	if !h.within(1, 0, 16) || !h.within(2, 0, 24) && !h.within(2, 0xfa, 0xff) {
		return no()
	}
	if len(b) < 4 {
		return more()
	}
	if len(b) < ntpSize || len(b)%4 != 0 || len(b) > 1024 {
		return no()
	}
	switch mode := b[0] & 7; {
	case mode == ntpClient && h.zero(4, 36) && (h.among(3, "\x00\x20") || b[3] >= 0x80):
		return protocols.YesClient, "client" // one that keeps its clock to itself and sends a random time
	case b[3] != 0 && (b[3] < 0xd8 || b[3] > 0xfd): // between 2⁻⁴⁰ s and an eighth of a second
		return no()
	case h.u32(4)>>16 > 0x100, h.u32(8)>>16 > 0x100: // delay and dispersion over 256 seconds
		return no()
	case h.u32(40) < ntpYear:
		return no()
	case mode == ntpClient:
		return protocols.YesClient, "client"
	case mode == ntpServer:
		return protocols.YesServer, "server"
	}
	return protocols.Yes, ""
}

// snmpPDUs are the kinds of PDU by their tag (RFC 3416 §3, RFC 1157 §4.1).
var snmpPDUs = [...]struct {
	name string
	side protocols.Match
}{
	{"GetRequest", protocols.YesClient}, {"GetNextRequest", protocols.YesClient}, {"Response", protocols.YesServer},
	{"SetRequest", protocols.YesClient}, {"Trap", protocols.Yes}, {"GetBulkRequest", protocols.YesClient},
	{"InformRequest", protocols.Yes}, {"SNMPv2-Trap", protocols.Yes}, {"Report", protocols.YesServer},
}

// lookSNMP wants a sequence that fills the datagram, a version, and behind it the community with a PDU, or the header of
// version 3 (RFC 3412 §6).
func lookSNMP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	const sequence, integer, text, version3, firstPDU = 0x30, 0x02, 0x04, 3, 0xa0
	h := head(b)
	if !h.is(0, sequence) {
		return no()
	}
	if len(b) < 2 {
		return more()
	}
	n, i, state := h.ber(1)
	if state != protocols.Yes || i+n != len(b) || n < 8 || b[i] != integer || b[i+1] != 1 || b[i+2] > version3 || b[i+2] == 2 {
		return no()
	}
	version := b[i+2]
	i += 3
	if version == version3 {
		if b[i] != sequence || b[i+2] != integer {
			return no()
		}
		return protocols.Yes, "SNMPv3"
	}
	n, next, state := h.ber(i + 1)
	if b[i] != text || state != protocols.Yes || next+n >= len(b) {
		return no()
	}
	pdu := int(b[next+n]) - firstPDU
	if pdu < 0 || pdu >= len(snmpPDUs) {
		return no()
	}
	return snmpPDUs[pdu].side, snmpPDUs[pdu].name
}
