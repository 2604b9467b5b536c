package bacnet

import (
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
)

// Object types and properties that are looked at closer.
const (
	typeDevice  = 8
	typeFile    = 10
	typeProgram = 16

	propPresentValue = 85
)

// none stands for a property or an index that is not told.
const none = ^uint32(0)

// anyDevice is the instance that stands for the device that is asked (15.5.2).
const anyDevice = 1<<22 - 1

// reference names an object, and if it is about one its property. It is comparable.
type reference struct {
	kind     uint16
	priority uint8 // of a command; 0: not told
	instance uint32
	property uint32 // none: the object as a whole
	index    uint32 // in an array; none: all of it
}

// object makes a reference of an object identifier (20.2.14): 10 bits of type and 22 of instance.
func object(id uint32) reference {
	return reference{kind: uint16(id >> 22), instance: id & anyDevice, property: none, index: none}
}

// of gives the reference to a property of the object.
func (r reference) of(property, index uint32) reference {
	r.property, r.index = property, index
	return r
}

func (r reference) area() string {
	return named(at(objectTypes, int(r.kind)), "object-type-", uint64(r.kind))
}

// name gives "analog-value 3 present-value", with the index of an array and the priority of a command.
func (r reference) name() string {
	b := strconv.AppendUint(append(append(make([]byte, 0, 48), r.area()...), ' '), uint64(r.instance), 10)
	if r.property != none {
		b = append(append(b, ' '), propertyName(r.property)...)
	}
	if r.index != none {
		b = append(strconv.AppendUint(append(b, '['), uint64(r.index), 10), ']')
	}
	if r.priority != 0 {
		b = strconv.AppendUint(append(b, " priority "...), uint64(r.priority), 10)
	}
	return string(b)
}

func propertyName(n uint32) string {
	return named(at(properties, int(min(n, 1<<20))), "property-", uint64(n))
}

// maxNames is how many names a conversation keeps.
const maxNames = 64

// names keeps the text of references, so that what is read again and again costs nothing. Two references that share a
// place take it from each other. The zero value is ready.
type names struct {
	kept []label
}

type label struct {
	reference
	object protocols.Object
}

func (n *names) object(r reference) protocols.Object {
	if n.kept == nil {
		n.kept = make([]label, maxNames)
	}
	h := (r.instance*31+r.property)*31 + r.index*7 + uint32(r.kind)*131 + uint32(r.priority)
	at := &n.kept[(h^h>>16^h>>6)%maxNames]
	if at.object.Area == "" || at.reference != r {
		*at = label{r, protocols.Object{Area: r.area(), Name: r.name()}}
	}
	return at.object
}
