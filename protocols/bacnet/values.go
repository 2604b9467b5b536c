package bacnet

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Bounds of a text that shows several elements.
const (
	maxShown = 16
	maxText  = 512
)

// content gives the value that stands in c: one element keeps its type, several are told as text, and what has a
// structure of its own stays as it is.
func (m *message) content(it *item, c wire.Cursor) {
	if c.Failed() || c.Len() == 0 {
		return
	}
	rest := c
	raw := rest.Rest()
	t := next(&c)
	switch {
	case c.Failed() || t.context:
		it.values = protocols.Values{Type: protocols.ValueBytes, Raw: raw}
		return
	case c.Len() == 0:
		m.one(it, t)
		return
	}
	start := len(m.scratch)
	for n := 0; ; n++ {
		if n == maxShown || len(m.scratch)-start > maxText {
			m.scratch = append(m.scratch, "…"...)
			break
		}
		m.scratch = m.appendTag(m.scratch, t)
		if c.Len() == 0 {
			break
		}
		if t = next(&c); c.Failed() || t.context {
			m.scratch = m.scratch[:start]
			it.values = protocols.Values{Type: protocols.ValueBytes, Raw: raw}
			return
		}
		m.scratch = append(m.scratch, ", "...)
	}
	it.values = protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
}

// one gives the value of one element, and what it tells of the device.
func (m *message) one(it *item, t tag) {
	switch t.number {
	case tagBoolean:
		it.values = protocols.Values{Type: protocols.ValueBool, Raw: m.keep(t.flag)}
	case tagUnsigned, tagEnumerated:
		it.values = protocols.Values{Type: protocols.ValueUint, Raw: m.reversed(t.content)}
	case tagSigned:
		it.values = protocols.Values{Type: protocols.ValueInt, Raw: m.reversed(t.content)}
	case tagReal, tagDouble:
		it.values = protocols.Values{Type: protocols.ValueFloat, Raw: m.reversed(t.content)}
	case tagOctets:
		it.values = protocols.Values{Type: protocols.ValueBytes, Raw: t.content}
	case tagText:
		it.values = m.text(t.content)
	default:
		start := len(m.scratch)
		m.scratch = m.appendTag(m.scratch, t)
		it.values = protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
	}
	if it.ref.kind == typeDevice && m.apdu.kind == complexAck {
		m.identify(it.ref, t)
	}
}

// keep puts a byte into the dissector's memory.
func (m *message) keep(x byte) []byte {
	m.scratch = append(m.scratch, x)
	return m.scratch[len(m.scratch)-1:]
}

// reversed turns a number to little-endian.
func (m *message) reversed(b []byte) []byte {
	start := len(m.scratch)
	for i := len(b) - 1; i >= 0; i-- {
		m.scratch = append(m.scratch, b[i])
	}
	return m.scratch[start:]
}

// Character sets (20.2.9).
const (
	setUTF8   = 0
	setUCS4   = 3
	setUCS2   = 4
	setLatin1 = 5
)

// text gives a character string, which UTF-8 shows as it stands.
func (m *message) text(b []byte) protocols.Values {
	switch {
	case len(b) == 0:
		return protocols.Values{Type: protocols.ValueText}
	case b[0] == setUTF8:
		return protocols.Values{Type: protocols.ValueText, Raw: b[1:]}
	}
	start := len(m.scratch)
	m.scratch = appendText(m.scratch, b)
	return protocols.Values{Type: protocols.ValueText, Raw: m.scratch[start:]}
}

// text gives a character string as a copy, of at most maxText bytes.
func text(b []byte) string { return string(appendText(nil, b[:min(len(b), maxText)])) }

// appendText appends a character string as UTF-8.
func appendText(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	switch set := b[0]; set {
	case setUTF8:
		return append(dst, b[1:]...)
	case setUCS2:
		for i := 1; i+1 < len(b); i += 2 {
			r := rune(binary.BigEndian.Uint16(b[i:]))
			if utf16.IsSurrogate(r) {
				r = '\ufffd'
			}
			dst = append(dst, string(r)...)
		}
		return dst
	case setUCS4:
		for i := 1; i+3 < len(b); i += 4 {
			dst = append(dst, string(rune(binary.BigEndian.Uint32(b[i:])))...)
		}
		return dst
	case setLatin1:
		for _, x := range b[1:] {
			dst = append(dst, string(rune(x))...)
		}
		return dst
	default:
		return hex.AppendEncode(dst, b[1:])
	}
}

// signed reads a number in two's complement.
func signed(b []byte) int64 {
	if len(b) == 0 || len(b) > 8 {
		return 0
	}
	v := int64(int8(b[0]))
	for _, x := range b[1:] {
		v = v<<8 | int64(x)
	}
	return v
}

// appendTag writes an element of an application tag for people.
func (m *message) appendTag(dst []byte, t tag) []byte {
	b := t.content
	switch t.number {
	case tagNull:
		return append(dst, "null"...)
	case tagBoolean:
		return strconv.AppendBool(dst, t.flag != 0)
	case tagUnsigned, tagEnumerated:
		var v uint64
		for _, x := range b {
			v = v<<8 | uint64(x)
		}
		return strconv.AppendUint(dst, v, 10)
	case tagSigned:
		return strconv.AppendInt(dst, signed(b), 10)
	case tagText:
		return append(appendText(append(dst, '"'), b), '"')
	case tagBits:
		return appendBits(dst, b)
	}
	switch {
	case t.number == tagReal && len(b) == 4:
		return strconv.AppendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(b))), 'g', -1, 32)
	case t.number == tagDouble && len(b) == 8:
		return strconv.AppendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(b)), 'g', -1, 64)
	case t.number == tagDate && len(b) == 4:
		return appendParts(dst, "%04d-%02d-%02d", []int{1900 + int(b[0]), int(b[1]), int(b[2])}, b)
	case t.number == tagTime && len(b) == 4:
		return appendParts(dst, "%02d:%02d:%02d.%02d", []int{int(b[0]), int(b[1]), int(b[2]), int(b[3])}, b)
	case t.number == tagObject && len(b) == 4:
		return append(dst, object(binary.BigEndian.Uint32(b)).name()...)
	default:
		return hex.AppendEncode(dst, b)
	}
}

// appendBits writes a bit string as zeros and ones; its first octet says how many of the last are no part of it.
func appendBits(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	for i := range 8*(len(b)-1) - int(min(b[0], 7)) {
		dst = append(dst, '0'+b[1+i/8]>>(7-i%8)&1)
	}
	return dst
}

// unspecified is an octet of a date or time that may be anything.
const unspecified = 0xff

// appendParts writes a date or time; one with parts that may be anything is written with stars in their place.
func appendParts(dst []byte, format string, parts []int, b []byte) []byte {
	stars := false
	for i := range parts {
		stars = stars || b[i] == unspecified
	}
	if !stars {
		arguments := make([]any, len(parts))
		for i, p := range parts {
			arguments[i] = p
		}
		return fmt.Appendf(dst, format, arguments...)
	}
	for i, p := range parts {
		if i > 0 {
			dst = append(dst, '.')
		}
		if b[i] == unspecified {
			dst = append(dst, '*')
		} else {
			dst = strconv.AppendInt(dst, int64(p), 10)
		}
	}
	return dst
}
