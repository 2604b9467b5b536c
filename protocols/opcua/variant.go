package opcua

import (
	"math/bits"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// builtin is a built-in type (Part 6, table 1). The numbers above the last are reserved and read as ByteString.
type builtin uint8

const (
	typeNull builtin = iota
	typeBoolean
	typeSByte
	typeByte
	typeInt16
	typeUInt16
	typeInt32
	typeUInt32
	typeInt64
	typeUInt64
	typeFloat
	typeDouble
	typeString
	typeDateTime
	typeGUID
	typeByteString
	typeXMLElement
	typeNodeID
	typeExpandedNodeID
	typeStatusCode
	typeQualifiedName
	typeLocalizedText
	typeExtensionObject
	typeDataValue
	typeVariant
	typeDiagnosticInfo
	typeCount
	lastReserved = 31
)

// encoding is how a built-in type lies on the wire and in an event.
type encoding struct {
	size  int                 // bytes of a type of fixed length, 0 where the length varies
	least int                 // fewest bytes of an element
	value protocols.ValueType // of a scalar
}

var encodings = [typeCount]encoding{
	typeBoolean:         {1, 1, protocols.ValueBool},
	typeSByte:           {1, 1, protocols.ValueInt},
	typeByte:            {1, 1, protocols.ValueUint},
	typeInt16:           {2, 2, protocols.ValueInt},
	typeUInt16:          {2, 2, protocols.ValueUint},
	typeInt32:           {4, 4, protocols.ValueInt},
	typeUInt32:          {4, 4, protocols.ValueUint},
	typeInt64:           {8, 8, protocols.ValueInt},
	typeUInt64:          {8, 8, protocols.ValueUint},
	typeFloat:           {4, 4, protocols.ValueFloat},
	typeDouble:          {8, 8, protocols.ValueFloat},
	typeString:          {0, 4, protocols.ValueText},
	typeDateTime:        {8, 8, protocols.ValueInt},
	typeGUID:            {16, 16, protocols.ValueBytes},
	typeByteString:      {0, 4, protocols.ValueBytes},
	typeXMLElement:      {0, 4, protocols.ValueText},
	typeNodeID:          {0, 2, protocols.ValueNone},
	typeExpandedNodeID:  {0, 2, protocols.ValueNone},
	typeStatusCode:      {4, 4, protocols.ValueUint},
	typeQualifiedName:   {0, 6, protocols.ValueNone},
	typeLocalizedText:   {0, 1, protocols.ValueNone},
	typeExtensionObject: {0, 3, protocols.ValueNone},
	typeDataValue:       {0, 1, protocols.ValueNone},
	typeVariant:         {0, 1, protocols.ValueNone},
	typeDiagnosticInfo:  {0, 1, protocols.ValueNone},
}

// value is a Variant that was walked: its elements as they lie on the wire, which borrow the message.
type value struct {
	kind  builtin
	array bool
	count int    // elements
	raw   []byte // the elements alone
}

// variant walks a Variant (Part 6, 5.2.2.16).
func variant(c *wire.Cursor, depth int) value {
	mask := c.U8()
	v := value{kind: builtin(mask & 0x3f), array: mask&0x80 != 0, count: 1}
	if v.kind > lastReserved || depth > maxDepth {
		c.Fail()
		return value{}
	}
	if v.kind >= typeCount {
		v.kind = typeByteString
	}
	if v.kind == typeNull && v.array {
		c.Fail() // elements without bytes: a length that nothing bounds
		return value{}
	}
	if v.array {
		v.count = count(c, encodings[v.kind].least)
	}
	start := *c
	if size := encodings[v.kind].size; size > 0 {
		c.Skip(v.count * size)
	} else {
		for i := 0; i < v.count && !c.Failed(); i++ {
			skipElement(c, v.kind, depth)
		}
	}
	v.raw = since(start, *c)
	if mask&0x40 != 0 {
		c.Skip(4 * count(c, 4)) // the dimensions of a matrix
	}
	return v
}

// skipElement passes over one element of a type of varying length.
func skipElement(c *wire.Cursor, kind builtin, depth int) {
	switch kind {
	case typeString, typeByteString, typeXMLElement:
		octets(c)
	case typeNodeID:
		skipNodeID(c)
	case typeExpandedNodeID:
		skipExpandedNodeID(c)
	case typeQualifiedName:
		skipQualifiedName(c)
	case typeLocalizedText:
		localizedText(c)
	case typeExtensionObject:
		extensionObject(c)
	case typeDataValue:
		dataValue(c, depth+1)
	case typeVariant:
		variant(c, depth+1)
	case typeDiagnosticInfo:
		skipDiagnostic(c)
	}
}

// dataValue walks a DataValue (Part 6, 5.2.2.17) and gives its value and status; an absent status is Good.
func dataValue(c *wire.Cursor, depth int) (value, status) {
	mask := c.U8()
	if mask&0xc0 != 0 || depth > maxDepth {
		c.Fail()
	}
	var v value
	if mask&0x01 != 0 {
		v = variant(c, depth+1)
	}
	var s status
	if mask&0x02 != 0 {
		s = status(c.LE32())
	}
	if mask &= timesMask; mask != 0 {
		c.Skip(8*bits.OnesCount8(mask&0x0c) + 2*bits.OnesCount8(mask&0x30)) // the times of source and server, their fractions
	}
	return v, s
}

// timesMask are the bits of a DataValue's mask that stand for times and fractions of times.
const timesMask = 0x3c

// text gives the bytes of a scalar String or LocalizedText, and nil for anything else.
func (v value) text() []byte {
	c := wire.New(v.raw)
	switch {
	case v.array:
		return nil
	case v.kind == typeString:
		return octets(&c)
	case v.kind == typeLocalizedText:
		return localizedText(&c)
	default:
		return nil
	}
}

// extension gives a scalar ExtensionObject, and an empty one for anything else.
func (v value) extension() extension {
	if v.array || v.kind != typeExtensionObject {
		return extension{}
	}
	c := wire.New(v.raw)
	return extensionObject(&c)
}

// values gives the form that events carry: scalars with their type, arrays of fixed elements as bytes.
func (v value) values() protocols.Values {
	e := encodings[v.kind]
	switch {
	case e.value == protocols.ValueNone:
		return protocols.Values{}
	case v.array && e.size > 0:
		return protocols.Values{Type: protocols.ValueBytes, Raw: v.raw}
	case v.array:
		return protocols.Values{}
	case e.size == 0:
		c := wire.New(v.raw)
		return protocols.Values{Type: e.value, Raw: octets(&c)}
	default:
		return protocols.Values{Type: e.value, Raw: v.raw}
	}
}
