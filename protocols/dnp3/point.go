package dnp3

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// octets holds each octet once, so that values which the wire packs with others can be lent.
var octets = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	return t
}()

func lend(kind protocols.ValueType, v byte) protocols.Values {
	return protocols.Values{Type: kind, Raw: octets[v : int(v)+1 : int(v)+1]}
}

// ranged gives the object that a header is about as a whole.
func (r *reader) ranged() protocols.Object {
	h := &r.f.header
	o := protocols.Object{Area: groups[h.group].area, Unit: r.link.outstation(), HasUnit: true}
	switch {
	case o.Area == "":
		o.Area = "group " + string(appendNumber(nil, h.group))
	case h.group == groupClass && h.variation >= 1 && h.variation <= 4:
		o.First, o.Count = uint32(h.variation-1), 1
	case h.group == groupAttributes:
		o.First, o.Count = uint32(h.variation), 1
	case !h.all:
		o.First, o.Count = h.first, h.count
	}
	return o
}

func appendNumber(dst []byte, n uint8) []byte {
	if n >= 100 {
		dst = append(dst, '0'+n/100)
	}
	if n >= 10 {
		dst = append(dst, '0'+n/10%10)
	}
	return append(dst, '0'+n%10)
}

// announce tells a header behind which no objects come; the others tell themselves.
func (r *reader) announce() {
	h := &r.f.header
	if r.detail != nil {
		r.detail.header(h)
	}
	if h.left == 0 {
		r.emit(r.ranged(), protocols.Values{}, r.e.Outcome)
	}
}

// action tells what the function does to objects of a group.
func (r *reader) action(number uint8) protocols.Action {
	f, g := r.f, &groups[number]
	switch {
	case f.code == funcRead || f.answers && f.asked.code == funcRead && !g.orders:
		return cmpOr(g.read, protocols.ActionRead)
	case f.code == funcWrite:
		return cmpOr(g.write, protocols.ActionWrite)
	case f.code < funcResponse || f.code == funcAuthAnswer:
		return cmpOr(r.e.Action, protocols.ActionConnect)
	case g.orders: // even where a challenge came between
		return protocols.ActionWrite
	case f.answers:
		return f.asked.action
	case f.code == funcUnsolicited && g.read == protocols.ActionNone:
		return protocols.ActionSubscribe
	default:
		return cmpOr(g.read, protocols.ActionRead)
	}
}

func cmpOr(a, b protocols.Action) protocols.Action {
	if a != protocols.ActionNone {
		return a
	}
	return b
}

// emit appends the event of an object.
func (r *reader) emit(o protocols.Object, v protocols.Values, outcome protocols.Outcome) *protocols.Event {
	f := r.f
	r.dst = append(r.dst, r.e)
	e := &r.dst[len(r.dst)-1]
	if len(r.dst)-1 > r.first {
		e.Detail, e.Facts = nil, nil
	}
	e.Object, e.Values, e.Outcome, e.Action = o, v, outcome, r.action(f.header.group)
	if !f.told {
		f.told, f.object = true, o
	}
	f.action = max(f.action, e.Action)
	return e
}

// object reads the next object of a header, or of packed ones all, and gives its octets with its prefix; 0 when it is
// not all there.
func (r *reader) object(c *wire.Cursor) int {
	h := &r.f.header
	if !h.known {
		return 0
	}
	n, index, size := 1, h.first+(h.count-h.left), h.form.size
	switch {
	case h.prefix >= prefixSize:
		size = int(min(uintOf(c, prefixOctets[h.prefix]), 1<<20))
	case h.prefix > 0:
		index = uintOf(c, prefixOctets[h.prefix])
	case h.form.packed:
		n = int(min(h.count, 8*(maxHeld+userMax+1)))
	}
	switch {
	case h.form.packed:
		size = (n*h.form.size + 7) / 8
	case h.form.own && h.prefix < prefixSize:
		size = 2 + int(c.Peek(1))
	}
	b := c.Bytes(size)
	if c.Failed() {
		return 0
	}
	h.left -= min(uint32(n), h.left)
	r.point(index, uint32(n), b)
	return c.Offset()
}

// point tells one object, or n packed ones.
func (r *reader) point(index, n uint32, b []byte) {
	h := &r.f.header
	o := protocols.Object{Area: groups[h.group].area, Unit: r.link.outstation(), HasUnit: true, First: index, Count: n}
	if o.Area == "" {
		o = r.ranged()
	}
	var p *Point
	if r.detail != nil {
		p = r.detail.point(index, n)
	}
	switch {
	case h.group == groupAttributes:
		o.First, o.Count = uint32(h.variation), 1
		r.attribute(o, b, p)
		return
	case h.group == groupFile && h.prefix >= prefixSize:
		r.file(o, b, p)
		return
	}
	outcome := r.e.Outcome
	if outcome == protocols.OutcomeRefused && !groups[h.group].orders {
		outcome = protocols.OutcomeDone // what is refused is not there
	}
	if s := h.form.status; s > 0 && r.f.code >= funcResponse && b[s] != 0 {
		outcome = protocols.OutcomeRefused
	}
	v := h.form.value(h.group, b)
	if p != nil {
		p.fill(h, b, v, n)
	}
	r.emit(o, v, outcome)
}

// value gives the process value of an object.
func (f *form) value(number uint8, b []byte) protocols.Values {
	switch {
	case f.own:
		return protocols.Values{}
	case f.packed:
		return protocols.Values{Type: f.kind, Raw: b}
	case f.state == 1:
		return lend(f.kind, b[0]>>7)
	case f.state == 2:
		return lend(f.kind, b[0]>>6)
	case number == groupCommand:
		return commanded(b[0])
	case f.octets == 0 || f.at+f.octets > len(b):
		return protocols.Values{}
	default:
		return protocols.Values{Type: f.kind, Raw: b[f.at : f.at+f.octets : f.at+f.octets]}
	}
}

// The control code of a relay output block (IEEE 1815-2012, A.8.1): operation and trip or close.
const (
	operationMask = 0x0f
	pulseOn       = 1
	latchOn       = 3
	latchOff      = 4
	tripCloseAt   = 6
	tripCode      = 2
)

// commanded gives the state that a relay output block asks for; none where it asks for none.
func commanded(code byte) protocols.Values {
	switch operation := code & operationMask; {
	case operation == 0:
		return protocols.Values{}
	case code>>tripCloseAt == tripCode || operation == latchOff || operation == pulseOn+1:
		return lend(protocols.ValueBool, 0)
	default:
		return lend(protocols.ValueBool, 1)
	}
}

// attributes are the facts that device attributes give, by variation (IEEE 1815-2012, A.2).
var attributes = map[uint8]protocols.FactKey{
	242: protocols.FactFirmware, 243: protocols.FactHardware, 245: protocols.FactLocation, 247: protocols.FactName,
	248: protocols.FactSerial, 250: protocols.FactModel, 252: protocols.FactVendor,
}

// Data types of attributes.
const attributeText = 1

// attribute tells a device attribute: type, length, value.
func (r *reader) attribute(o protocols.Object, b []byte, p *Point) {
	var v protocols.Values
	if len(b) >= 2 {
		switch text := b[2:]; {
		case b[0] == attributeText:
			v = protocols.Values{Type: protocols.ValueText, Raw: text}
		case b[0] == 2 && len(text) <= 8:
			v = protocols.Values{Type: protocols.ValueUint, Raw: text}
		default:
			v = protocols.Values{Type: protocols.ValueBytes, Raw: text}
		}
	}
	if p != nil {
		p.Value = shown(v, 1)
	}
	e := r.emit(o, v, r.e.Outcome)
	key, known := attributes[r.f.header.variation]
	if known && v.Type == protocols.ValueText && r.f.code >= funcResponse && len(v.Raw) > 0 {
		e.Facts = append([]protocols.Fact(nil), protocols.Fact{About: protocols.Server, Key: key, Value: clean(v.Raw)})
	}
}

// Places in the file control objects (IEEE 1815-2012, A.26).
const (
	fileAuthenticate = 2
	fileCommand      = 3
	fileStatus       = 4
	fileTransport    = 5
	fileEnd          = 6
	fileDescriptor   = 7
	fileName         = 8
)

// nameAt says where a variation has the offset of its first text.
var nameAt = map[uint8]int{fileAuthenticate: 0, fileCommand: 0, fileDescriptor: 0}

// file tells a file control object.
func (r *reader) file(o protocols.Object, b []byte, p *Point) {
	o.First, o.Count = 0, 0
	outcome, variation := r.e.Outcome, r.f.header.variation
	var facts []protocols.Fact
	switch at, has := nameAt[variation]; {
	case has:
		text := textAt(b, at)
		if variation == fileAuthenticate {
			if text != "" {
				facts = []protocols.Fact{{About: protocols.Client, Key: protocols.FactUser, Value: text}}
			}
			break
		}
		o.Name = text
	case variation == fileName:
		o.Name = clean(b)
	case (variation == fileStatus || variation == fileEnd || variation == fileTransport) && len(b) >= 4:
		outcome = r.handled(&o, b, outcome)
	}
	if p != nil {
		p.Value = o.Name
	}
	if e := r.emit(o, protocols.Values{}, outcome); facts != nil {
		e.Facts = facts
	}
}

// handled reads objects that name their file by a handle.
func (r *reader) handled(o *protocols.Object, b []byte, outcome protocols.Outcome) protocols.Outcome {
	const openStatusAt, blockStatusAt, openFunction = 12, 8, 25
	handle, variation := binary.LittleEndian.Uint32(b), r.f.header.variation
	at := openStatusAt
	if variation == fileEnd {
		at = blockStatusAt
	}
	if variation != fileTransport && r.f.code >= funcResponse && len(b) > at && b[at] != 0 {
		outcome = protocols.OutcomeRefused
	}
	d := r.d
	if r.f.answers && r.f.asked.code == openFunction && variation == fileStatus && outcome == protocols.OutcomeDone {
		d.files[d.nextFile] = openFile{handle, r.f.asked.object.Name}
		d.nextFile = (d.nextFile + 1) % len(d.files)
	}
	for i := range d.files {
		if d.files[i].handle == handle && d.files[i].name != "" {
			o.Name = d.files[i].name
		}
	}
	return outcome
}

// textAt gives a text whose offset and size stand at an index.
func textAt(b []byte, at int) string {
	if len(b) < at+4 {
		return ""
	}
	offset, size := int(binary.LittleEndian.Uint16(b[at:])), int(binary.LittleEndian.Uint16(b[at+2:]))
	if offset > len(b) || size > len(b)-offset {
		return ""
	}
	return clean(b[offset : offset+size])
}
