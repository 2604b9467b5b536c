package main

import "encoding/binary"

// factoryOB1 is the OB1 that an upload finds before anything was downloaded: a block header of 36
// bytes, a program of two networks, no interface, and the footer of 36 bytes with author and name.
var factoryOB1 = organisationBlock(1, []byte{
	0x70, 0x0B, 0x00, 0x02, // NOP with line number
	0xC0, 0x00, 0xD8, 0x80, // A I0.0; = Q0.0
	0xC1, 0x00, 0xD9, 0x80, // A I0.1; = Q0.1
	0xC2, 0x00, 0xDA, 0x80, // A I0.2; = Q0.2
	0x65, 0x00, // BE
})

func organisationBlock(number uint16, code []byte) []byte {
	const header, footer = 36, 36
	b := make([]byte, header, header+len(code)+footer)
	copy(b, []byte{0x70, 0x70, 1, 0, 1, 0x08}) // mark, version, attribute, language STL, type OB
	binary.BigEndian.PutUint16(b[6:], number)
	binary.BigEndian.PutUint32(b[8:], uint32(header+len(code)+footer))
	binary.BigEndian.PutUint16(b[34:], uint16(len(code)))
	b = append(b, code...)
	end := make([]byte, footer)
	copy(end[4:], "WATER   ")
	copy(end[12:], "PLANT   ")
	copy(end[20:], "CYCLE   ")
	end[28] = 0x12
	return append(b, end...)
}
