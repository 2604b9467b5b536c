package s7

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Marks in a tree of objects.
const (
	markObject    = 0xa1 // identifier, class, flags, identifier of an attribute
	markEnd       = 0xa2 // of an object
	markAttribute = 0xa3 // identifier, value
	markRelation  = 0xa4 // identifier, object
)

// plusObjects walks a tree of objects.
type plusObjects struct {
	r      wire.Cursor
	mark   uint8  // what was read last: an object or an attribute
	id     uint32 // of the object read last
	class  uint64
	attr   uint64 // the attribute read last, with its value
	value  protocols.Values
	scalar scalar
}

// maxBefore is how many bytes stand before the first object of a message at most.
const maxBefore = 24

// objectsIn starts at the first object in b. Before it stand numbers that differ between firmware versions and may
// contain the mark, so it is the first mark with a header behind it that can be true.
func objectsIn(b []byte) plusObjects {
	for at := range min(len(b), maxBefore) {
		w := plusObjects{r: wire.New(b[at:])}
		begin := w.r
		if b[at] == markObject && w.next() && w.class > 0 && w.class < 1<<16 {
			w.r = begin
			return w
		}
	}
	return plusObjects{}
}

// next goes to the next object or attribute, and reports whether there is one that can be read.
func (w *plusObjects) next() bool {
	for {
		w.mark = w.r.U8()
		switch {
		case w.r.Failed():
			return false
		case w.mark == markEnd:
		case w.mark == markRelation:
			_, _ = vlq(&w.r)
			w.r.Skip(4)
		case w.mark == markObject:
			w.id = w.r.U32()
			w.class, _ = vlq(&w.r)
			_, _ = vlq(&w.r)
			_, _ = vlq(&w.r)
			return !w.r.Failed()
		case w.mark == markAttribute:
			var ok bool
			w.attr, _ = vlq(&w.r)
			w.value, ok = plusValue(&w.r, &w.scalar)
			return ok
		default:
			return false
		}
	}
}

// maxListed is how many objects of an answer details list.
const maxListed = 64

// PlusObject is an object of the controller, as details show it.
type PlusObject struct {
	ID    string `json:"id"`
	Class uint64 `json:"class"`
	Name  string `json:"name,omitempty"`
}

// listObjects gives the objects in b with their names, as far as they can be read.
func listObjects(b []byte) []PlusObject {
	var list []PlusObject
	for w := objectsIn(b); w.next(); {
		switch {
		case w.mark == markObject && len(list) == maxListed:
			return list
		case w.mark == markObject:
			list = append(list, PlusObject{ID: fmt.Sprintf("0x%08x", w.id), Class: w.class})
		case w.attr == attrName && w.value.Type == protocols.ValueText && len(list) > 0:
			list[len(list)-1].Name = printable(w.value.Raw[:min(len(w.value.Raw), maxText)])
		}
	}
	return list
}

// maxText is how much of a name is kept.
const maxText = 64

// attributeText finds the text of an attribute, given its identifier as it stands on the wire. Search instead of a
// walk, because the values before it may have any type.
func attributeText(b []byte, attribute ...byte) string {
	at := bytes.Index(b, append(attribute, 0x00, typeString))
	if at < 0 {
		return ""
	}
	r := wire.New(b[at+len(attribute)+2:])
	n, ok := vlq(&r)
	if !ok || n > maxText {
		return ""
	}
	return printable(r.Bytes(int(n)))
}

// created names a block that is being created: by its number, which it keeps, else by its own name.
func (n *names) created(id uint32, b []byte) string {
	if plusBlocks[uint16(id>>16)] == "" {
		if name := attributeText(b, markAttribute, 0x81, 0x69); name != "" {
			return name
		}
	}
	return n.block(id).Name
}

// clientFacts reads what a client says of itself when it opens a session: its application.
func clientFacts(b []byte) []protocols.Fact {
	if text := attributeText(b, markAttribute, 0x82, 0x29); text != "" {
		return []protocols.Fact{{About: protocols.Client, Key: protocols.FactApplication, Value: text}}
	}
	return nil
}

// serverFacts reads what a controller says of itself in the answer: "1;6ES7 211-1BE30-0XB0;V3.0".
func serverFacts(b []byte) []protocols.Fact {
	parts := strings.Split(attributeText(b, 0x82, 0x3f), ";")
	if len(parts) < 3 {
		return nil
	}
	order := strings.TrimSpace(parts[1])
	facts := fact(nil, protocols.FactOrderNumber, order)
	if strings.HasPrefix(order, "6ES7") {
		facts = fact(fact(facts, protocols.FactModel, order), protocols.FactVendor, "Siemens")
	}
	return fact(facts, protocols.FactFirmware, strings.TrimSpace(parts[2]))
}

// nameplateHeader begins identification and maintenance data 0 (IEC 61158-6-10, I&M0): block type, length, version.
var nameplateHeader = []byte{0x00, 0x20, 0x00, 0x38, 0x01, 0x00}

// siemens is the vendor identifier that PROFIBUS & PROFINET International gave to Siemens.
const siemens = 0x002a

// answerFacts reads what the value of an attribute tells of the controller. Names are asked for of the controller alone.
func answerFacts(attribute uint32, value protocols.Values) []protocols.Fact {
	switch {
	case attribute == attrNameplate && bytes.HasPrefix(value.Raw, nameplateHeader):
		return nameplateFacts(value.Raw[len(nameplateHeader):])
	case attribute == attrName && value.Type == protocols.ValueText:
		return fact(nil, protocols.FactName, printable(value.Raw[:min(len(value.Raw), maxText)]))
	case attribute == attrProtection && value.Type == protocols.ValueUint && len(value.Raw) > 0:
		return fact(nil, protocols.FactProtection, fmt.Sprintf("level %d", value.Raw[0]))
	default:
		return nil
	}
}

// nameplateFacts reads vendor, order number, serial number, hardware and firmware version.
func nameplateFacts(b []byte) []protocols.Fact {
	r := wire.New(b)
	vendor := r.U16()
	order, serial := r.Bytes(20), r.Bytes(16)
	hardware := r.U16()
	firmware := r.Bytes(4)
	if r.Failed() {
		return nil
	}
	var facts []protocols.Fact
	if vendor == siemens {
		facts = fact(facts, protocols.FactVendor, "Siemens")
	}
	facts = fact(fact(facts, protocols.FactModel, printable(order)), protocols.FactOrderNumber, printable(order))
	facts = fact(fact(facts, protocols.FactSerial, printable(serial)), protocols.FactHardware, fmt.Sprint(hardware))
	return fact(facts, protocols.FactFirmware, fmt.Sprintf("%c%d.%d.%d", firmware[0]&0x7f, firmware[1], firmware[2], firmware[3]))
}
