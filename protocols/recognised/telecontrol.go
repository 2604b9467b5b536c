package recognised

import "github.com/spanwatch/spanwatch/protocols"

var telecontrol = []protocol{
	{name: "dnp3", title: "DNP3", tcp: []uint16{20000, 19999}, udp: []uint16{20000, 19999}, plant: true, look: lookDNP3},
	{name: "iec104", title: "IEC 60870-5-104", tcp: []uint16{2404}, plant: true, look: lookIEC104},
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

const (
	apciLen   = 6
	asduMin   = 10 // type, qualifier, cause, common address, one object address, one byte of information
	apciStart = 0x68
	variable  = 0xff // an element of variable length
)

// unnumbered are the control functions of a U format APDU (IEC 60870-5-104, 5.1).
var unnumbered = map[byte]struct {
	name string
	side protocols.Match
}{
	0x07: {"STARTDT act", protocols.YesClient}, 0x0b: {"STARTDT con", protocols.YesServer},
	0x13: {"STOPDT act", protocols.YesClient}, 0x23: {"STOPDT con", protocols.YesServer},
	0x43: {"TESTFR act", protocols.Yes}, 0x83: {"TESTFR con", protocols.Yes},
}

// asduType is a type identification: its name, and the size of an information element.
type asduType struct {
	name string
	size int
}

// asduTypes are those of IEC 60870-5-101, 7.2.1 and IEC 60870-5-104, table 1. Monitoring ends at 70; from 45 to 69 and
// from 100 on are commands, which both sides send.
var asduTypes = map[byte]asduType{
	1: {"M_SP_NA_1", 1}, 2: {"M_SP_TA_1", 4}, 3: {"M_DP_NA_1", 1}, 4: {"M_DP_TA_1", 4}, 5: {"M_ST_NA_1", 2}, 6: {"M_ST_TA_1", 5},
	7: {"M_BO_NA_1", 5}, 8: {"M_BO_TA_1", 8}, 9: {"M_ME_NA_1", 3}, 10: {"M_ME_TA_1", 6}, 11: {"M_ME_NB_1", 3},
	12: {"M_ME_TB_1", 6}, 13: {"M_ME_NC_1", 5}, 14: {"M_ME_TC_1", 8}, 15: {"M_IT_NA_1", 5}, 16: {"M_IT_TA_1", 8},
	17: {"M_EP_TA_1", 6}, 18: {"M_EP_TB_1", 7}, 19: {"M_EP_TC_1", 7}, 20: {"M_PS_NA_1", 5}, 21: {"M_ME_ND_1", 2},
	30: {"M_SP_TB_1", 8}, 31: {"M_DP_TB_1", 8}, 32: {"M_ST_TB_1", 9}, 33: {"M_BO_TB_1", 12}, 34: {"M_ME_TD_1", 10},
	35: {"M_ME_TE_1", 10}, 36: {"M_ME_TF_1", 12}, 37: {"M_IT_TB_1", 12}, 38: {"M_EP_TD_1", 10}, 39: {"M_EP_TE_1", 11},
	40: {"M_EP_TF_1", 11}, 45: {"C_SC_NA_1", 1}, 46: {"C_DC_NA_1", 1}, 47: {"C_RC_NA_1", 1}, 48: {"C_SE_NA_1", 3},
	49: {"C_SE_NB_1", 3}, 50: {"C_SE_NC_1", 5}, 51: {"C_BO_NA_1", 4}, 58: {"C_SC_TA_1", 8}, 59: {"C_DC_TA_1", 8},
	60: {"C_RC_TA_1", 8}, 61: {"C_SE_TA_1", 10}, 62: {"C_SE_TB_1", 10}, 63: {"C_SE_TC_1", 12}, 64: {"C_BO_TA_1", 11},
	70: {"M_EI_NA_1", 1}, 100: {"C_IC_NA_1", 1}, 101: {"C_CI_NA_1", 1}, 102: {"C_RD_NA_1", 0}, 103: {"C_CS_NA_1", 7},
	104: {"C_TS_NA_1", 2}, 105: {"C_RP_NA_1", 1}, 106: {"C_CD_NA_1", 2}, 107: {"C_TS_TA_1", 9}, 110: {"P_ME_NA_1", 3},
	111: {"P_ME_NB_1", 3}, 112: {"P_ME_NC_1", 5}, 113: {"P_AC_NA_1", 1}, 120: {"F_FR_NA_1", variable},
	121: {"F_SR_NA_1", variable}, 122: {"F_SC_NA_1", variable}, 123: {"F_LS_NA_1", variable}, 124: {"F_AF_NA_1", variable},
	125: {"F_SG_NA_1", variable}, 126: {"F_DR_TA_1", variable}, 127: {"F_SC_NB_1", variable},
}

// lookIEC104 wants one of the three control formats, each with all that the specification fixes; of the numbered one
// also that the objects it announces fill it.
func lookIEC104(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if !h.is(0, apciStart) || !h.within(1, 4, 253) {
		return no()
	}
	if len(b) < 3 {
		return more()
	}
	switch b[2] & 3 {
	case 3:
		u, known := unnumbered[b[2]]
		if !known || b[1] != 4 || !h.zero(3, 3) {
			return no()
		}
		if len(b) < apciLen {
			return more()
		}
		return u.side, u.name
	case 1:
		if b[1] != 4 || b[2] != 1 || !h.is(3, 0) || !h.masked(4, 1, 0) {
			return no()
		}
		if len(b) < apciLen {
			return more()
		}
		return protocols.Yes, "S format"
	default:
		return lookASDU(h)
	}
}

// lookASDU judges a numbered APDU: IEC 60870-5-104, with cause and addresses of the sizes it fixes.
func lookASDU(h head) (protocols.Match, string) {
	if h[1] < asduMin || !h.masked(4, 1, 0) {
		return no()
	}
	if len(h) < apciLen+4 {
		return more()
	}
	kind, known := asduTypes[h[6]]
	count, sequence, cause := int(h[7]&0x7f), h[7]&0x80 != 0, h[8]&0x3f
	if !known || cause == 0 || cause > 47 || count == 0 {
		return no()
	}
	objects := count * (3 + kind.size)
	if sequence {
		objects = 3 + count*kind.size
	}
	if kind.size != variable && int(h[1]) != 4+6+objects {
		return no()
	}
	const activation, deactivation = 6, 8
	command := h[6] >= 45 && h[6] < 70 || h[6] >= 100 && h[6] <= 113
	if command {
		return side(cause != activation && cause != deactivation && cause != 5), kind.name
	}
	if h[6] >= 120 {
		return protocols.Yes, kind.name
	}
	return protocols.YesServer, kind.name
}
