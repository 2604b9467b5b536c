package state

import (
	"encoding/binary"
	"hash/maphash"
	"math"
	"reflect"
	"time"
)

var timeType = reflect.TypeFor[time.Time]()

// digester gives hashes of everything that records say: of their exported fields, and of what these refer to. It costs a
// tenth of what writing a record does, and a save looks at every record.
type digester struct {
	hash     maphash.Hash
	exported map[reflect.Type][]int // places of the fields
}

func newDigester(seed maphash.Seed) *digester {
	d := &digester{exported: make(map[reflect.Type][]int)}
	d.hash.SetSeed(seed)
	return d
}

// digest gives the hash of the record that a pointer leads to.
func (d *digester) digest(record any) uint64 {
	d.hash.Reset()
	d.add(reflect.ValueOf(record).Elem())
	return d.hash.Sum64()
}

func (d *digester) number(n uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], n)
	d.hash.Write(b[:])
}

// add takes in a value. Lengths go first, so that what one field ends with is not taken for the beginning of the next.
func (d *digester) add(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		d.number(uint64(v.Len()))
		d.hash.WriteString(v.String())
	case reflect.Bool:
		if v.Bool() {
			d.number(1)
		} else {
			d.number(0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		d.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		d.number(math.Float64bits(v.Float()))
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			d.number(0)
			return
		}
		d.number(1)
		d.add(v.Elem())
	case reflect.Slice, reflect.Array:
		d.number(uint64(v.Len()))
		for i := range v.Len() {
			d.add(v.Index(i))
		}
	case reflect.Map:
		d.entries(v)
	case reflect.Struct:
		d.fields(v)
	default:
		panic("state: a record holds a " + v.Kind().String() + ", which no record can")
	}
}

// entries takes in a map, in whatever order it gives its entries: their hashes are added up.
func (d *digester) entries(v reflect.Value) {
	var sum uint64
	before := d.hash.Sum64()
	for all := v.MapRange(); all.Next(); {
		d.hash.Reset()
		d.add(all.Key())
		d.add(all.Value())
		sum += d.hash.Sum64()
	}
	d.hash.Reset()
	d.number(before)
	d.number(uint64(v.Len()))
	d.number(sum)
}

func (d *digester) fields(v reflect.Value) {
	t := v.Type()
	if t == timeType {
		var at time.Time
		if v.CanAddr() {
			at = *v.Addr().Interface().(*time.Time)
		} else {
			at = v.Interface().(time.Time)
		}
		d.number(uint64(at.Unix()))
		d.number(uint64(at.Nanosecond()))
		return
	}
	places, known := d.exported[t]
	if !known {
		for i := range t.NumField() {
			if t.Field(i).IsExported() {
				places = append(places, i)
			}
		}
		d.exported[t] = places
	}
	for _, i := range places {
		d.add(v.Field(i))
	}
}
