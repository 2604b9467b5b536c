package protocols

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"strings"
)

// ValueType is how the bytes of [Values] are read.
type ValueType uint8

// The encodings that occur on the wire. Big-endian words are Modbus's and S7's, little-endian scalars OPC UA's.
const (
	ValueNone  ValueType = iota
	ValueBits            // packed, least significant bit first; the object's Count says how many
	ValueWords           // unsigned 16-bit big-endian words
	ValueBytes           // untyped bytes
	ValueBool            // one byte, 0 or not 0
	ValueInt             // signed little-endian integer of 1, 2, 4 or 8 bytes
	ValueUint            // unsigned little-endian integer of 1, 2, 4 or 8 bytes
	ValueFloat           // IEEE 754 little-endian of 4 or 8 bytes
	ValueText            // UTF-8
)

// Values are the process values of one object as they stand on the wire. Raw borrows the message's bytes: it is valid
// only as long as the message is. Who keeps it longer copies it.
type Values struct {
	Type ValueType
	// Declared is how the asker reads the bytes, high byte first, where their Type is [ValueBytes] and the request says it.
	Declared Scalar
	Raw      []byte
}

// Scalar is a type of numbers: one of [ValueInt], [ValueUint], [ValueFloat], and the bytes of one. The zero value tells
// nothing.
type Scalar struct {
	Kind ValueType
	Size uint8
}

// Append formats at most limit elements for people, separated by ", ", and says "…" where it left some out.
// bits is the number of valid bits of ValueBits.
func (v Values) Append(dst []byte, bits, limit int) []byte {
	sep := func(i int) bool {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if i >= limit {
			dst = append(dst, "…"...)
			return false
		}
		return true
	}
	switch v.Type {
	case ValueNone:
	case ValueBits:
		for i := 0; i < min(bits, len(v.Raw)*8) && sep(i); i++ {
			dst = append(dst, '0'+v.Raw[i/8]>>(i%8)&1)
		}
	case ValueWords:
		for i := 0; i < len(v.Raw)/2 && sep(i); i++ {
			dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(v.Raw[2*i:])), 10)
		}
	case ValueBool:
		dst = strconv.AppendBool(dst, len(v.Raw) > 0 && v.Raw[0] != 0)
	case ValueInt, ValueUint, ValueFloat:
		dst = v.appendScalar(dst)
	case ValueText:
		dst = strconv.AppendQuote(dst, clip(string(v.Raw), limit*16))
	case ValueBytes:
		raw, more := v.Raw, false
		if len(raw) > limit*2 {
			raw, more = raw[:limit*2], true
		}
		dst = hex.AppendEncode(dst, raw)
		if more {
			dst = append(dst, "…"...)
		}
	}
	return dst
}

func (v Values) appendScalar(dst []byte) []byte {
	if len(v.Raw) > 8 {
		return hex.AppendEncode(dst, v.Raw)
	}
	var b [8]byte
	copy(b[:], v.Raw)
	u := binary.LittleEndian.Uint64(b[:])
	switch {
	case v.Type == ValueUint:
		return strconv.AppendUint(dst, u, 10)
	case v.Type == ValueInt:
		shift := 64 - 8*len(v.Raw)
		return strconv.AppendInt(dst, int64(u<<shift)>>shift, 10)
	case len(v.Raw) == 4:
		return strconv.AppendFloat(dst, float64(math.Float32frombits(uint32(u))), 'g', -1, 32)
	default:
		return strconv.AppendFloat(dst, math.Float64frombits(u), 'g', -1, 64)
	}
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
