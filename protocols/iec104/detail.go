package iec104

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Detail is the detail field of a dissect record. A nil field is one that the frame does not have.
type Detail struct {
	Format       string         `json:"format"` // "I", "S" or "U"
	Function     string         `json:"function,omitempty"`
	Send         *uint16        `json:"tx,omitempty"`       // N(S)
	Receive      *uint16        `json:"rx,omitempty"`       // N(R)
	Missing      uint16         `json:"missing,omitempty"`  // frames of this side that the numbering says came between
	Repeated     bool           `json:"repeated,omitempty"` // the numbering says that it came before
	Type         *uint8         `json:"typeid,omitempty"`
	TypeName     string         `json:"type,omitempty"`
	Sequence     bool           `json:"sq,omitempty"` // one address, those of the others follow on
	Count        *uint8         `json:"numix,omitempty"`
	Cause        *uint8         `json:"causetx,omitempty"`
	CauseName    string         `json:"cause,omitempty"`
	Negative     bool           `json:"nega,omitempty"`
	Test         bool           `json:"test,omitempty"`
	Originator   *uint8         `json:"oa,omitempty"`
	Common       *uint16        `json:"addr,omitempty"`
	Objects      []DetailObject `json:"objects,omitempty"`
	RequestFrame uint64         `json:"request_frame,omitempty"`
}

// DetailObject is one information object.
type DetailObject struct {
	Address    uint32   `json:"ioa"`
	Value      string   `json:"value,omitempty"`
	Normalized *float64 `json:"normalized,omitempty"` // the value as a fraction of 1
	Quality    []string `json:"quality,omitempty"`    // empty: good
	Transient  bool     `json:"transient,omitempty"`  // of a step position
	Select     bool     `json:"select,omitempty"`
	Qualifier  *uint8   `json:"qualifier,omitempty"`
	Name       string   `json:"name,omitempty"`
	Time       string   `json:"time,omitempty"` // as the station's clock says
}

func ref[T any](v T) *T { return &v }

// detail builds the detail of an I format APDU. It keeps nothing of the wire's bytes.
func (a *asdu) detail(asked uint64) *Detail {
	d := &Detail{
		Format: "I", Send: ref(a.send), Receive: ref(a.receive), Missing: a.missing, Repeated: a.repeated, Type: ref(a.code), TypeName: a.kind.name,
		Sequence: a.sequence, Count: ref(uint8(a.count)), Cause: ref(a.cause), CauseName: causes[a.cause].name, Negative: a.negative,
		Test: a.test, Originator: ref(a.originator), Common: ref(a.common), RequestFrame: asked,
	}
	if a.kind.element == nil {
		return d
	}
	c := wire.New(a.objects)
	size, address := a.kind.size(), uint32(0)
	for i := 0; i < a.count; i++ {
		if i == 0 || !a.sequence {
			address = objectAddress(&c)
		} else {
			address++
		}
		b := c.Bytes(size)
		if c.Failed() || a.sequence && size == 0 && i > 0 {
			break
		}
		if a.kind.variable {
			c.Skip(c.Len())
		}
		d.Objects = append(d.Objects, a.kind.detail(address, b))
	}
	return d
}

// detail builds the detail of one information object.
func (k *kind) detail(address uint32, b []byte) DetailObject {
	el := k.element
	o := DetailObject{Address: address}
	if el.value != nil {
		o.Value = string(el.value(b).Append(nil, 0, 8))
	}
	switch el {
	case &normalized, &bareNormalized, &normalizedSetpoint, &normalizedParameter:
		o.Normalized = ref(float64(int16(binary.LittleEndian.Uint16(b))) / (math.MaxInt16 + 1))
	case &stepPosition:
		o.Transient = b[0]&0x80 != 0
	}
	if el.quality != nil {
		o.Quality = el.quality.list(b)
	}
	if el.order != nil {
		q := b[el.order.at]
		o.Select, o.Qualifier = q&selectBit != 0, ref(q>>el.order.shift&el.order.mask)
	}
	if el.qualifier != nil {
		o.Qualifier = ref(el.qualifier(b))
	}
	if el.name != nil {
		o.Name = el.name(b)
	}
	switch k.time {
	case cp24:
		o.Time = shortTime(b[el.size:])
	case cp56:
		o.Time = longTime(b[el.size:])
	}
	return o
}

// The marks of a time tag (IEC 60870-5-101, 7.2.6.18): invalid, and of a clock on summer time.
const (
	timeInvalid = 0x80
	summerTime  = 0x80
)

// shortTime writes CP24Time2a: minutes and milliseconds of an hour that is not told.
func shortTime(b []byte) string {
	ms := binary.LittleEndian.Uint16(b)
	return fmt.Sprintf("%02d:%02d.%03d%s", b[2]&0x3f, ms/1000, ms%1000, timeMarks(b[2]&timeInvalid != 0, false))
}

// longTime writes CP56Time2a: the time of a clock whose zone is not told.
func longTime(b []byte) string {
	ms := binary.LittleEndian.Uint16(b)
	return fmt.Sprintf("20%02d-%02d-%02dT%02d:%02d:%02d.%03d%s", b[6]&0x7f, b[5]&0x0f, b[4]&0x1f, b[3]&0x1f, b[2]&0x3f,
		ms/1000, ms%1000, timeMarks(b[2]&timeInvalid != 0, b[3]&summerTime != 0))
}

func timeMarks(invalid, summer bool) string {
	s := ""
	if summer {
		s += " summer"
	}
	if invalid {
		s += " invalid"
	}
	return s
}
