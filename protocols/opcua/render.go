package opcua

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

const (
	maxText     = 1024 // bytes of a text from the wire that are kept
	maxElements = 64   // elements of an array that a detail shows
)

// text makes a string of bytes from the wire: valid UTF-8, and no longer than maxText. What is cut off leaves a hash
// behind, so that two long names stay two names.
func text(b []byte) string {
	if len(b) <= maxText {
		return strings.ToValidUTF8(string(b), "\uFFFD")
	}
	return fmt.Sprintf("%s…#%016x", strings.ToValidUTF8(string(b[:maxText]), "\uFFFD"), hash(hashSeed, b))
}

// epoch is where DateTime starts to count 100 ns ticks (Part 6, 5.2.2.5).
var epoch = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)

// render gives a walked value as something that encodes to JSON: numbers as numbers, times and codes as text.
func (v value) render() any {
	c := wire.New(v.raw)
	if !v.array {
		return renderElement(&c, v.kind)
	}
	list := make([]any, 0, min(v.count, maxElements))
	for i := range v.count {
		if i == maxElements {
			list = append(list, "…")
			break
		}
		list = append(list, renderElement(&c, v.kind))
	}
	return list
}

// renderElement reads one element of a value whose nesting was bounded when it was walked.
func renderElement(c *wire.Cursor, kind builtin) any {
	switch kind {
	case typeBoolean:
		return c.U8() != 0
	case typeSByte:
		return int8(c.U8())
	case typeByte:
		return c.U8()
	case typeInt16:
		return int16(c.LE16())
	case typeUInt16:
		return c.LE16()
	case typeInt32:
		return int32(c.LE32())
	case typeUInt32:
		return c.LE32()
	case typeInt64:
		return int64(c.LE64())
	case typeUInt64:
		return c.LE64()
	case typeFloat:
		return number(float64(math.Float32frombits(c.LE32())), 32)
	case typeDouble:
		return number(math.Float64frombits(c.LE64()), 64)
	case typeString, typeXMLElement:
		return text(octets(c))
	case typeDateTime:
		return dateTime(int64(c.LE64()))
	case typeGUID:
		return string(appendGUID(nil, c.Bytes(16)))
	case typeByteString:
		return hex.EncodeToString(clip(octets(c)))
	case typeStatusCode:
		return status(c.LE32()).String()
	default:
		return renderStructure(c, kind)
	}
}

func renderStructure(c *wire.Cursor, kind builtin) any {
	switch kind {
	case typeNodeID:
		return nodeText(rawNodeID(c))
	case typeExpandedNodeID:
		return nodeText(rawExpandedNodeID(c))
	case typeQualifiedName:
		space := c.LE16()
		return strconv.Itoa(int(space)) + ":" + text(octets(c))
	case typeLocalizedText:
		return text(localizedText(c))
	case typeExtensionObject:
		x := extensionObject(c)
		if x.id() == userTokenID {
			x.body = nil // it holds a password
		}
		return renderExtension(x)
	case typeDataValue:
		v, s := dataValue(c, 0)
		return renderResult(v, s)
	case typeVariant:
		return variant(c, 0).render()
	case typeDiagnosticInfo:
		skipDiagnostic(c)
	}
	return nil
}

// The binary encodings of the structures that a detail shows field by field (Part 8, 5.6.2 and 5.6.4).
const (
	rangeID       = 886
	engineeringID = 889
)

// renderExtension shows a structure by its fields where they are known, and by its bytes where not.
func renderExtension(x extension) any {
	c := wire.New(x.body)
	shown := map[string]any{"type": nodeText(x.typeID)}
	switch x.id() {
	case rangeID:
		low, high := c.LE64(), c.LE64()
		shown["low"], shown["high"] = number(math.Float64frombits(low), 64), number(math.Float64frombits(high), 64)
	case engineeringID:
		octets(&c) // namespace
		shown["unit_id"] = int32(c.LE32())
		shown["unit"], shown["description"] = text(localizedText(&c)), text(localizedText(&c))
	case buildInfoID:
		shown = renderBuildInfo(&c, shown)
	case serverStatusID:
		shown["start"], shown["current"] = dateTime(int64(c.LE64())), dateTime(int64(c.LE64()))
		shown["state"] = c.LE32()
		shown = renderBuildInfo(&c, shown)
	default:
		c.Fail()
	}
	if c.Failed() {
		return map[string]any{"type": nodeText(x.typeID), "body": hex.EncodeToString(clip(x.body))}
	}
	return shown
}

func renderBuildInfo(c *wire.Cursor, shown map[string]any) map[string]any {
	for _, field := range [...]string{"product_uri", "manufacturer", "product", "software_version", "build_number"} {
		shown[field] = text(octets(c))
	}
	shown["build_date"] = dateTime(int64(c.LE64()))
	return shown
}

// renderResult gives a value, or the status that stands in its place.
func renderResult(v value, s status) any {
	if s.bad() {
		return map[string]any{"status": s.String()}
	}
	return v.render()
}

// number keeps a float of the given size a JSON number where JSON has one.
func number(f float64, bits int) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, bits)
	}
	if bits == 32 {
		return float32(f)
	}
	return f
}

func dateTime(ticks int64) string {
	seconds, rest := ticks/1e7, ticks%1e7
	return time.Unix(epoch.Unix()+seconds, rest*100).UTC().Format("2006-01-02T15:04:05.9999999Z07:00")
}

// clip bounds the bytes that a detail shows in hexadecimal.
func clip(b []byte) []byte { return b[:min(len(b), 4*maxElements)] }

// appendGUID writes the 16 bytes of a Guid in its usual form (Part 6, 5.1.3).
func appendGUID(dst, b []byte) []byte {
	c := wire.New(b)
	dst = fmt.Appendf(dst, "%08x-%04x-%04x-", c.LE32(), c.LE16(), c.LE16())
	dst = hex.AppendEncode(dst, c.Bytes(2))
	dst = append(dst, '-')
	return hex.AppendEncode(dst, c.Rest())
}

// nodeText writes an encoded NodeId or ExpandedNodeId as Part 6, 5.3.1.10 and 5.3.1.11 do: "i=85", "ns=2;s=Boiler".
func nodeText(raw []byte) string {
	c := wire.New(raw)
	form := c.U8()
	var space uint16
	var id []byte
	switch form &^ (flagServer | flagNamespace) {
	case formTwoByte:
		id = strconv.AppendUint([]byte("i="), uint64(c.U8()), 10)
	case formFourByte:
		space = uint16(c.U8())
		id = strconv.AppendUint([]byte("i="), uint64(c.LE16()), 10)
	case formNumeric:
		space = c.LE16()
		id = strconv.AppendUint([]byte("i="), uint64(c.LE32()), 10)
	case formString:
		space = c.LE16()
		id = append([]byte("s="), text(octets(&c))...)
	case formGUID:
		space = c.LE16()
		id = appendGUID([]byte("g="), c.Bytes(16))
	case formOpaque:
		space = c.LE16()
		id = base64.StdEncoding.AppendEncode([]byte("b="), clip(octets(&c)))
	}
	head := ""
	if space != 0 {
		head = "ns=" + strconv.Itoa(int(space)) + ";"
	}
	if form&flagNamespace != 0 {
		head = "nsu=" + text(octets(&c)) + ";"
	}
	if form&flagServer != 0 {
		head = "svr=" + strconv.FormatUint(uint64(c.LE32()), 10) + ";" + head
	}
	return head + string(id)
}
