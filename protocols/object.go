package protocols

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
)

// Object is what an action is about. It is comparable, so that it can key a map.
type Object struct {
	// Area is the kind of thing: "holding-register", "coil", "DB", "node", "block", "szl", "file", …
	Area string
	// Unit is the Modbus unit identifier or its like; it is meant only if HasUnit.
	Unit    uint16
	HasUnit bool
	// First is the address of the first element in the protocol's own counting (0-based), Count the number of
	// elements. Count 0 means that the object is known by Name alone.
	First uint32
	Count uint32
	// Name is the object's own name: "DB1", "OB35", "ns=2;s=Boiler.Setpoint".
	Name string
}

// String names the object for people: "holding-register 40-43 unit 1", "DB1 0-3", "ns=2;s=Boiler.Setpoint".
func (o Object) String() string {
	b := make([]byte, 0, 48)
	switch {
	case o.Name != "" && (o.Count > 0 || o.Area == "node" || strings.HasPrefix(o.Name, o.Area)):
		b = append(b, o.Name...)
	case o.Name != "":
		b = append(b, o.Area+" "+o.Name...)
	default:
		b = append(b, o.Area...)
	}
	if o.Count > 0 {
		b = strconv.AppendUint(append(b, ' '), uint64(o.First), 10)
		if o.Count > 1 {
			b = strconv.AppendUint(append(b, '-'), uint64(o.First)+uint64(o.Count)-1, 10)
		}
	}
	if o.HasUnit {
		b = strconv.AppendUint(append(b, " unit "...), uint64(o.Unit), 10)
	}
	return string(b)
}

// Compare orders objects: by area, unit and name, then by address. It gives 0 for equal objects only.
func (o Object) Compare(p Object) int {
	return cmp.Or(cmp.Compare(o.Area, p.Area), cmp.Compare(o.unitOrder(), p.unitOrder()), cmp.Compare(o.Name, p.Name),
		cmp.Compare(o.First, p.First), cmp.Compare(o.Count, p.Count), cmp.Compare(o.Unit, p.Unit))
}

// unitOrder puts objects without a unit before all that have one.
func (o Object) unitOrder() int {
	if !o.HasUnit {
		return -1
	}
	return int(o.Unit)
}

// MarshalJSON writes the fields that mean something: unit where there are units, first and count where the object is a
// range.
func (o Object) MarshalJSON() ([]byte, error) {
	record := struct {
		Area  string  `json:"area,omitempty"`
		Unit  *uint16 `json:"unit,omitempty"`
		First *uint32 `json:"first,omitempty"`
		Count *uint32 `json:"count,omitempty"`
		Name  string  `json:"name,omitempty"`
	}{Area: o.Area, Name: o.Name}
	if o.HasUnit {
		record.Unit = &o.Unit
	}
	if o.Count > 0 {
		record.First, record.Count = &o.First, &o.Count
	}
	return json.Marshal(record)
}
