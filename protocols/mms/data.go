package mms

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Tags of data (ISO 9506-2, Data; IEC 61850-8-1, 8.1.3.7 for the time of day).
const (
	dataArray      = 0xa1
	dataStructure  = 0xa2
	dataBoolean    = 0x83
	dataBits       = 0x84
	dataInteger    = 0x85
	dataUnsigned   = 0x86
	dataFloat      = 0x87
	dataOctets     = 0x89
	dataVisible    = 0x8a
	dataBinaryTime = 0x8c
	dataText       = 0x90
	dataUTC        = 0x91
)

// Bounds of a text that shows a structure.
const (
	maxLevels = 4
	maxShown  = 32
	maxText   = 1024
)

// value gives the value of one Data element. Numbers are turned to little-endian in the dissector's memory.
func (m *message) value(t tag, b []byte) protocols.Values {
	switch {
	case t == dataBoolean && len(b) == 1:
		return protocols.Values{Type: protocols.ValueBool, Raw: b}
	case t == dataInteger && len(b) <= 8 && len(b) > 0:
		return protocols.Values{Type: protocols.ValueInt, Raw: m.reversed(b)}
	case t == dataUnsigned && len(b) <= 9 && len(b) > 0:
		if len(b) == 9 {
			b = b[1:]
		}
		return protocols.Values{Type: protocols.ValueUint, Raw: m.reversed(b)}
	case t == dataFloat && (len(b) == 5 || len(b) == 9):
		return protocols.Values{Type: protocols.ValueFloat, Raw: m.reversed(b[1:])}
	case t == dataVisible, t == dataText:
		return protocols.Values{Type: protocols.ValueText, Raw: b}
	case t == dataArray, t == dataStructure, t == dataBits, t == dataUTC:
		start := len(m.scratch)
		m.scratch = appendData(m.scratch, t, b, 0)
		return protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
	default:
		return protocols.Values{Type: protocols.ValueBytes, Raw: b}
	}
}

// reversed turns a number to little-endian.
func (m *message) reversed(b []byte) []byte {
	start := len(m.scratch)
	for i := len(b) - 1; i >= 0; i-- {
		m.scratch = append(m.scratch, b[i])
	}
	return m.scratch[start:]
}

// appendData writes a Data element for people; a structure in braces, of which the first levels are told.
func appendData(dst []byte, t tag, b []byte, level int) []byte {
	switch {
	case t == dataArray || t == dataStructure:
		return appendStructure(dst, b, level)
	case t == dataBoolean && len(b) == 1:
		return strconv.AppendBool(dst, b[0] != 0)
	case t == dataBits && len(b) > 0:
		for i := range max(0, 8*(len(b)-1)-int(min(b[0], 7))) {
			dst = append(dst, '0'+b[1+i/8]>>(7-i%8)&1)
		}
		return dst
	case t == dataInteger && len(b) > 0 && len(b) <= 8:
		v := int64(int8(b[0]))
		for _, x := range b[1:] {
			v = v<<8 | int64(x)
		}
		return strconv.AppendInt(dst, v, 10)
	case t == dataUnsigned && len(b) > 0 && len(b) <= 9:
		var v uint64
		for _, x := range b {
			v = v<<8 | uint64(x)
		}
		return strconv.AppendUint(dst, v, 10)
	case t == dataFloat && len(b) == 5:
		return strconv.AppendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:]))), 'g', -1, 32)
	case t == dataVisible || t == dataText:
		return strconv.AppendQuote(dst, string(b[:min(len(b), maxText)]))
	case t == dataUTC && len(b) == 8:
		seconds, fraction := binary.BigEndian.Uint32(b), uint64(binary.BigEndian.Uint32(b[4:])>>8)
		at := time.Unix(int64(seconds), int64(fraction*1e9>>24)).UTC()
		return at.AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	default:
		return hex.AppendEncode(dst, b[:min(len(b), maxShown)])
	}
}

func appendStructure(dst, b []byte, level int) []byte {
	if level == maxLevels {
		return append(dst, "{…}"...)
	}
	start := len(dst)
	dst = append(dst, '{')
	c := wire.New(b)
	for n := 0; c.Len() > 0; n++ {
		if n > 0 {
			dst = append(dst, ", "...)
		}
		if n == maxShown || len(dst)-start > maxText {
			dst = append(dst, "…"...)
			break
		}
		t, content := element(&c)
		if c.Failed() {
			break
		}
		dst = appendData(dst, t, content, level+1)
	}
	return append(dst, '}')
}
