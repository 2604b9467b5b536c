package process

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// Variable is the `variable` record that scripts rely on: one process variable of a device.
type Variable struct {
	Device string `json:"device"`
	IP     string `json:"ip"` // or the MAC where there is no IP
	Object string `json:"object"`
	// Type is how the value is read: bool, byte, uint16, int16, uint32, float32, text, …, with "(words swapped)" where the
	// low word comes first. Guessed says that the wire tells no type and the samples do not settle it.
	Type    string   `json:"type"`
	Guessed bool     `json:"type_guessed,omitempty"`
	Last    Value    `json:"last"`
	Before  Value    `json:"previous"`      // the value before the last change
	Raw     string   `json:"raw,omitempty"` // the elements of a number that several hold, hexadecimal, in their order
	Min     *float64 `json:"min"`           // null where no value was a number
	Max     *float64 `json:"max"`
	Mean    *float64 `json:"mean"`
	Rate    *float64 `json:"rate,omitempty"` // of the last change, per second
	Count   uint64   `json:"count"`          // observations
	Changes uint32   `json:"changes"`

	LastTime   *time.Time `json:"last_time"`
	LastChange *time.Time `json:"last_change,omitempty"`
	LastWriter string     `json:"last_writer"` // address; empty: nobody was seen to write it
	LastWrite  *Write     `json:"last_write,omitempty"`
	Envelope   *Envelope  `json:"envelope"` // null: nothing was learnt, or the variable counts
	Outside    uint32     `json:"outside"`  // observations out of the envelope, after learning
	IsOutside  bool       `json:"is_outside,omitempty"`

	Period  float64  `json:"period_seconds,omitempty"` // of the poll that reads it
	Jitter  float64  `json:"jitter_seconds,omitempty"` // mean deviation from it
	Stale   bool     `json:"stale"`                    // the poll that read it has stopped
	History []Change `json:"history,omitempty"`        // oldest first
}

// Write is the last write of a variable that was done.
type Write struct {
	Time   time.Time `json:"time"`
	By     string    `json:"by"` // address
	Device string    `json:"device,omitempty"`
	Before Value     `json:"before"`
	After  Value     `json:"after"`
}

// Envelope is the range that a variable kept to in the learning time, and the mean size of its changes. A value counts as
// outside when it lies beyond the range by more than a step.
type Envelope struct {
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Step     float64 `json:"step"`
	Learning bool    `json:"learning,omitempty"` // it still widens
}

// Change is a change of a variable, or an attempt to make one.
type Change struct {
	Time   time.Time `json:"time"`
	Before Value     `json:"before"`
	Value  Value     `json:"value"`
	By     string    `json:"by,omitempty"` // address of who wrote it
	How    string    `json:"how"`          // seen, written, asked (no answer was seen), refused
}

// Value is one value: a number, a text, or unknown. What JSON has no number for (NaN, infinity) is a text.
type Value struct {
	Text   string
	Number bool
	Known  bool
}

// MarshalJSON writes a number, a string or null.
func (v Value) MarshalJSON() ([]byte, error) {
	switch {
	case !v.Known:
		return []byte("null"), nil
	case v.Number:
		return []byte(v.Text), nil
	}
	return json.Marshal(strings.ToValidUTF8(v.Text, "\ufffd"))
}

// String gives the value for people, "?" where it is unknown.
func (v Value) String() string {
	if !v.Known {
		return "?"
	}
	return v.Text
}

// Variables gives all variables, by address of the device and by object. Elements that hold one number together come as
// that number.
func (p *Process) Variables() iter.Seq[Variable] {
	p.settleAll()
	order := make([]int32, len(p.devices))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return p.devices[a].at.Address().Compare(p.devices[b].at.Address())
	})
	return func(yield func(Variable) bool) {
		for _, d := range order {
			for _, i := range p.sorted(d) {
				if p.cells.at(i).flags&flagMember != 0 {
					continue
				}
				if !yield(p.variable(i)) {
					return
				}
			}
		}
	}
}

// sorted gives the variables of a device by object.
func (p *Process) sorted(dev int32) []int32 {
	list := make([]int32, 0, p.devices[dev].elements)
	for i := p.devices[dev].head; i != 0; i = p.cells.at(i).next {
		list = append(list, i)
	}
	slices.SortFunc(list, func(x, y int32) int {
		a, b := p.cells.at(x).key, p.cells.at(y).key
		return cmp.Or(cmp.Compare(p.names.text[a.area], p.names.text[b.area]), cmp.Compare(a.unit, b.unit),
			cmp.Compare(p.names.text[a.name], p.names.text[b.name]), cmp.Compare(a.index, b.index), cmp.Compare(a.class, b.class),
			cmp.Compare(a.marks, b.marks))
	})
	return list
}

func (p *Process) deviceID(dev int32) string {
	d := &p.devices[dev]
	if p.ids == nil {
		return d.id
	}
	return cmp.Or(p.ids(d.at), d.id)
}

func (p *Process) variable(i int32) Variable {
	c := p.cells.at(i)
	v := Variable{
		Device: p.deviceID(c.key.device), IP: p.devices[c.key.device].at.Address().String(), Object: p.object(c),
		Count: c.count, Changes: c.changes, Outside: c.outside, IsOutside: c.flags&flagOutside != 0,
	}
	show := p.form(i, c)
	v.Type, v.Guessed = show.name(), show.guessed
	if c.count > 0 {
		v.Last = show.value(c.last)
		if c.changes > 0 {
			v.Before = show.value(c.prev)
		}
		v.LastTime, v.LastChange = stamp(c.at), stamp(c.changed)
		if c.key.class >= classJoined {
			v.Raw = rawText(c)
		}
	}
	show.ranges(&v)
	if c.changes > 0 && finite(float64(c.rate)) {
		v.Rate = pointer(short(c.rate))
	}
	if c.flags&flagTimed != 0 {
		v.Period, v.Jitter = short(c.period), short(c.jitter)
		v.Stale = float64(p.last.UnixNano()-c.at)/1e9 > 3*float64(c.period+c.jitter)
	}
	if low, high, ok := show.envelope(); ok {
		v.Envelope = &Envelope{Low: low, High: high, Step: short(c.step), Learning: p.last.UnixNano() <= p.learnUntil}
	}
	if c.deed != 0 {
		d := p.deeds.at(c.deed)
		by := p.writers.list[d.by]
		v.LastWriter = writerText(d.by, by)
		v.LastWrite = &Write{Time: *stamp(d.at), By: v.LastWriter, After: show.value(d.after)}
		if d.known {
			v.LastWrite.Before = show.value(d.before)
		}
		if p.ids != nil {
			v.LastWrite.Device = p.ids(by)
		}
	}
	for _, ch := range p.changes(c) {
		x := Change{Time: *stamp(ch.at), Value: show.value(ch.value), How: howNames[ch.how]}
		if ch.known {
			x.Before = show.value(ch.before)
		}
		if ch.by != 0 {
			x.By = writerText(ch.by, p.writers.list[ch.by])
		}
		v.History = append(v.History, x)
	}
	return v
}

func writerText(i int32, at protocols.Endpoint) string {
	if i == unknownWriter {
		return "?"
	}
	return at.Address().String()
}

// object names what a variable is, as the protocol names it.
func (p *Process) object(c *cell) string {
	o := protocols.Object{
		Area: p.names.text[c.key.area], Name: p.names.text[c.key.name], Unit: c.key.unit, HasUnit: c.key.marks&markUnit != 0,
		First: c.key.index,
	}
	switch {
	case c.key.class == classJoined:
		o.Count = uint32(c.size) / 2
	case c.key.class == classJoinedBytes:
		o.Count = uint32(c.size)
	case c.key.marks&markIndex != 0:
		o.Count = 1
	}
	return o.String()
}

// rawText gives the elements of a joined number as they lie in the device.
func rawText(c *cell) string {
	x := c.last
	if c.flags&flagSwapped != 0 {
		x = x<<16&0xffff0000 | x>>16
	}
	b := make([]byte, c.size)
	for k := range b {
		b[k] = byte(x >> (8 * (len(b) - 1 - k)))
	}
	return hex.EncodeToString(b)
}

// form is how the values of a variable are shown.
type form struct {
	cell    *cell
	kind    protocols.ValueType
	size    uint8
	guessed bool
	text    *text
}

func (p *Process) form(i int32, c *cell) form {
	f := form{cell: c, kind: c.kind, size: c.size, text: p.texts[i], guessed: c.flags&flagGuess != 0}
	switch {
	case c.flags&flagTold != 0:
	case c.kind == protocols.ValueWords:
		f.guessed = c.unsigned == 0
		if c.hasSign() {
			f.kind, f.size = protocols.ValueInt, 2
		}
	case c.key.class == classByte:
		f.guessed = true
	}
	return f
}

func (f *form) name() string {
	bits := strconv.Itoa(int(f.size) * 8)
	name := ""
	switch f.kind {
	case protocols.ValueBits, protocols.ValueBool:
		name = "bool"
	case protocols.ValueWords:
		name = "uint16"
	case protocols.ValueInt:
		name = "int" + bits
	case protocols.ValueUint:
		name = "uint" + bits
	case protocols.ValueFloat:
		name = "float" + bits
	case protocols.ValueText:
		name = "text"
	default:
		name = "bytes"
		if f.size == 1 {
			name = "byte"
		}
	}
	if f.cell.flags&flagSwapped != 0 {
		name += " (words swapped)"
	}
	return name
}

func (f *form) value(raw uint64) Value {
	switch f.kind {
	case protocols.ValueText, protocols.ValueBytes, protocols.ValueNone:
		if f.size == 1 {
			break
		}
		var b []byte
		if f.text != nil {
			b = f.text.find(raw)
		}
		if b == nil {
			return Value{}
		}
		if f.kind == protocols.ValueText {
			return Value{Text: string(b), Known: true}
		}
		return Value{Text: hex.EncodeToString(b), Known: true}
	case protocols.ValueInt:
		shift := 64 - 8*uint(f.size)
		return Value{Text: strconv.FormatInt(int64(raw<<shift)>>shift, 10), Number: true, Known: true}
	case protocols.ValueFloat:
		x, bits := number(f.kind, f.size, raw), 64
		if f.size == 4 {
			bits = 32
		}
		return Value{Text: strconv.FormatFloat(x, 'g', -1, bits), Number: finite(x), Known: true}
	}
	return Value{Text: strconv.FormatUint(raw, 10), Number: true, Known: true}
}

// signs reports whether a word is shown with a sign though it is kept without.
func (f *form) signs() bool {
	return f.cell.kind == protocols.ValueWords && f.kind == protocols.ValueInt
}

// ranges sets range and mean.
func (f *form) ranges(v *Variable) {
	c := f.cell
	numbers := c.count - min(uint64(c.odd), c.count)
	if numbers == 0 {
		return
	}
	low, high, mean := c.min, c.max, c.mean
	if f.signs() {
		low, high = float64(c.lowest), float64(c.highest)
		mean -= 65536 * float64(c.negative) / float64(numbers)
	}
	v.Min, v.Max, v.Mean = pointer(low), pointer(high), pointer(mean)
}

func (f *form) envelope() (low, high float64, ok bool) {
	if _, _, ok = f.cell.bounds(); !ok {
		return 0, 0, false
	}
	if f.signs() {
		return float64(f.cell.lowest), float64(f.cell.highest), true
	}
	return f.cell.low, f.cell.high, true
}

// pointer gives a number for JSON, which has none beyond the finite.
func pointer(x float64) *float64 {
	if !finite(x) {
		return nil
	}
	return &x
}

// short rounds what is measured to six digits: a float32 has no more.
func short(x float32) float64 {
	if !finite(float64(x)) {
		return 0
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', 6, 32), 64) // it was just formatted
	return rounded
}

func stamp(nanos int64) *time.Time {
	t := time.Unix(0, nanos).UTC()
	return &t
}
