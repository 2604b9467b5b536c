package opcua

import (
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxDepth is how deep values may nest: variants in variants, values in variants, diagnostics in diagnostics.
// Part 6, 5.2.2.12 and 5.2.2.16 let a decoder refuse more than 100 levels; real messages have two or three.
const maxDepth = 16

// The forms of a NodeId (Part 6, table 16); an ExpandedNodeId adds the flags.
const (
	formTwoByte = iota
	formFourByte
	formNumeric
	formString
	formGUID
	formOpaque

	flagServer    = 0x40
	flagNamespace = 0x80
)

// octets takes a String, ByteString or XmlElement: a 32-bit length and its bytes, -1 for null. Any other negative
// length fails.
func octets(c *wire.Cursor) []byte {
	n := int32(c.LE32())
	if n == -1 {
		return nil
	}
	return c.Bytes(int(n))
}

// count reads the length of an array whose elements have at least so many bytes each. It fails where the bytes that
// are left cannot hold them, so that no loop runs longer than the message.
func count(c *wire.Cursor, least int) int {
	n := int32(c.LE32())
	switch {
	case n == -1:
		return 0
	case n < 0, int(n) > c.Len()/least:
		c.Fail()
		return 0
	default:
		return int(n)
	}
}

// skipStrings passes over an array of String, ByteString or of pairs of them.
func skipStrings(c *wire.Cursor, each int) {
	for range count(c, 4*each) * each {
		octets(c)
	}
}

// skipNodeID passes over a NodeId (Part 6, 5.2.2.9).
func skipNodeID(c *wire.Cursor) { skipIdentifier(c, c.U8()) }

// skipExpandedNodeID passes over an ExpandedNodeId (Part 6, 5.2.2.10).
func skipExpandedNodeID(c *wire.Cursor) {
	form := c.U8()
	skipIdentifier(c, form&^(flagServer|flagNamespace))
	if form&flagNamespace != 0 {
		octets(c)
	}
	if form&flagServer != 0 {
		c.Skip(4)
	}
}

func skipIdentifier(c *wire.Cursor, form byte) {
	switch form {
	case formTwoByte:
		c.Skip(1)
	case formFourByte:
		c.Skip(3)
	case formNumeric:
		c.Skip(6)
	case formString, formOpaque:
		c.Skip(2)
		octets(c)
	case formGUID:
		c.Skip(18)
	default:
		c.Fail()
	}
}

// since gives the bytes between an earlier state of a cursor and its present one.
func since(start, now wire.Cursor) []byte {
	if now.Failed() {
		return nil
	}
	return start.Bytes(now.Offset() - start.Offset())
}

// rawNodeID takes a NodeId as it is encoded.
func rawNodeID(c *wire.Cursor) []byte {
	switch c.Peek(0) { // the forms of fixed length, which most ids have
	case formTwoByte:
		return c.Bytes(2)
	case formFourByte:
		return c.Bytes(4)
	case formNumeric:
		return c.Bytes(7)
	}
	start := *c
	skipNodeID(c)
	return since(start, *c)
}

// rawExpandedNodeID takes an ExpandedNodeId as it is encoded.
func rawExpandedNodeID(c *wire.Cursor) []byte {
	start := *c
	skipExpandedNodeID(c)
	return since(start, *c)
}

// skipQualifiedName passes over a QualifiedName (Part 6, 5.2.2.13).
func skipQualifiedName(c *wire.Cursor) {
	c.Skip(2)
	octets(c)
}

// localizedText takes the text of a LocalizedText (Part 6, 5.2.2.14).
func localizedText(c *wire.Cursor) []byte {
	mask := c.U8()
	if mask&1 != 0 {
		octets(c)
	}
	if mask&2 != 0 {
		return octets(c)
	}
	return nil
}

// extension is an ExtensionObject (Part 6, 5.2.2.15).
type extension struct {
	typeID []byte // as encoded
	body   []byte // nil when it has none, or when it is XML
}

// id gives the number of the type's binary encoding in namespace 0, and 0 for any other.
func (x extension) id() uint32 {
	c := wire.New(x.typeID)
	switch c.U8() {
	case formTwoByte:
		return uint32(c.U8())
	case formFourByte:
		if c.U8() == 0 {
			return uint32(c.LE16())
		}
	case formNumeric:
		if c.LE16() == 0 {
			return c.LE32()
		}
	}
	return 0
}

// extensionObject takes an ExtensionObject. Its body is not walked: it has a length of its own.
func extensionObject(c *wire.Cursor) (x extension) {
	x.typeID = rawNodeID(c)
	switch c.U8() {
	case 0:
	case 1:
		x.body = octets(c)
	case 2:
		octets(c)
	default:
		c.Fail()
	}
	return x
}

// Bits of a DiagnosticInfo's mask (Part 6, 5.2.2.12).
const (
	diagnosticNumbers = 0x0f // symbolic id, namespace URI, localised text, locale: an Int32 each
	diagnosticText    = 0x10
	diagnosticStatus  = 0x20
	diagnosticInner   = 0x40
)

// skipDiagnostic passes over a DiagnosticInfo with the inner ones that it nests. Nesting is a chain, so a loop follows
// it and a counter ends it.
func skipDiagnostic(c *wire.Cursor) {
	for depth := 0; ; depth++ {
		mask := c.U8()
		if mask&0x80 != 0 || depth > maxDepth {
			c.Fail()
		}
		for bits := mask & diagnosticNumbers; bits != 0; bits &= bits - 1 {
			c.Skip(4)
		}
		if mask&diagnosticText != 0 {
			octets(c)
		}
		if mask&diagnosticStatus != 0 {
			c.Skip(4)
		}
		if mask&diagnosticInner == 0 || c.Failed() {
			return
		}
	}
}

// skipDiagnostics passes over an array of DiagnosticInfo, which ends most responses.
func skipDiagnostics(c *wire.Cursor) {
	for range count(c, 1) {
		if skipDiagnostic(c); c.Failed() {
			return
		}
	}
}
