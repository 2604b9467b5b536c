package dnp3

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode"

	"github.com/spanwatch/spanwatch/protocols"
)

// Detail is the detail field of a dissect record: a link frame under the names that tshark's users know. A nil field
// is one that the frame does not have.
type Detail struct {
	Control      uint8    `json:"ctl"`
	Destination  uint16   `json:"dst"`
	Source       uint16   `json:"src"`
	Link         string   `json:"link,omitempty"`
	First        bool     `json:"fir,omitempty"` // of the transport segment
	Last         bool     `json:"fin,omitempty"`
	Segment      *uint8   `json:"tr_seq,omitempty"`
	Sequence     *uint8   `json:"al_seq,omitempty"`
	Function     *uint8   `json:"al_func,omitempty"`
	Confirm      bool     `json:"al_con,omitempty"`
	Unsolicited  bool     `json:"al_uns,omitempty"`
	More         bool     `json:"al_more,omitempty"` // further fragments of the message follow
	Indications  *uint16  `json:"iin,omitempty"`     // the first octet in the high bits
	Indicated    []string `json:"indications,omitempty"`
	Objects      []Header `json:"objects,omitempty"`
	RequestFrame uint64   `json:"request_frame,omitempty"`
}

// Header is an object header with its objects.
type Header struct {
	Group     uint8   `json:"group"`
	Variation uint8   `json:"variation"`
	Qualifier uint8   `json:"qualifier"`
	First     *uint32 `json:"first,omitempty"`
	Count     *uint32 `json:"count,omitempty"`
	Points    []Point `json:"points,omitempty"`
}

// Point is an object, or a run of packed ones.
type Point struct {
	Index     uint32   `json:"index"`
	Count     uint32   `json:"count,omitempty"` // of packed ones
	Value     string   `json:"value,omitempty"`
	Flags     []string `json:"flags,omitempty"`
	Operation string   `json:"operation,omitempty"`
	Repeat    uint8    `json:"repeat,omitempty"`
	OnTime    uint32   `json:"on_ms,omitempty"`
	OffTime   uint32   `json:"off_ms,omitempty"`
	Status    string   `json:"status,omitempty"`
	Time      string   `json:"time,omitempty"`
}

func ref[T any](v T) *T { return &v }

func (l *link) detail() *Detail {
	return &Detail{Control: l.control, Destination: l.destination, Source: l.source, Link: l.function.name}
}

func (d *Detail) transport(t byte) {
	d.First, d.Last, d.Segment = t&transportFir != 0, t&transportFin != 0, ref(t&transportMask)
}

func (d *Detail) application(f *fragment) {
	d.Sequence, d.Function = ref(f.control&sequenceMask), ref(f.code)
	d.Confirm, d.Unsolicited, d.More = f.control&applicationCON != 0, f.control&applicationUNS != 0, f.control&applicationFIN == 0
	if f.code >= funcResponse && f.code <= funcAuthAnswer {
		d.Indications, d.Indicated = ref(f.iin<<8|f.iin>>8), indicated(f.iin)
	}
}

func (d *Detail) header(h *header) {
	shown := Header{Group: h.group, Variation: h.variation, Qualifier: h.qualifier}
	if !h.all {
		shown.Count = ref(h.count)
		if h.qualifier&0x0f < rangeAll {
			shown.First = ref(h.first)
		}
	}
	d.Objects = append(d.Objects, shown)
}

// maxPoints bounds the points that a detail shows.
const maxPoints = 2048

// point adds a point to the header read last.
func (d *Detail) point(index, n uint32) *Point {
	h := &d.Objects[len(d.Objects)-1]
	if len(h.Points) == maxPoints {
		return nil
	}
	p := Point{Index: index}
	if n > 1 {
		p.Count = n
	}
	h.Points = append(h.Points, p)
	return &h.Points[len(h.Points)-1]
}

// The names of flags, which differ by the kind of point (IEEE 1815-2012, 11.6), and of command statuses (A.8.1).
var (
	flagNames = [8]string{
		0: "online", 1: "restart", 2: "communication lost", 3: "remote forced", 4: "local forced", 5: "chatter or over range", 6: "reference error or discontinuity",
	}
	statuses = [...]string{
		"success", "timeout", "no select", "format error", "not supported", "already active", "hardware error", "local", "too many objects",
		"not authorized", "automation inhibit", "processing limited", "out of range",
	}
	operations = [...]string{"nul", "pulse on", "pulse off", "latch on", "latch off"}
	tripClose  = [...]string{"", " close", " trip", " reserved"}
)

// fill tells what an object's octets say.
func (p *Point) fill(h *header, b []byte, v protocols.Values, n uint32) {
	p.Value = shown(v, int(n))
	f := &h.form
	if f.flags && len(b) > 0 {
		for i, name := range flagNames {
			if name != "" && b[0]>>i&1 != 0 && (f.state == 0 || i < 8-f.state) {
				p.Flags = append(p.Flags, name)
			}
		}
	}
	if f.status > 0 {
		p.Status = "status " + string(appendNumber(nil, b[f.status]))
		if code := int(b[f.status]); code < len(statuses) {
			p.Status = statuses[code]
		}
	}
	if h.group == groupCommand && f.size == block.size {
		p.Operation = "operation " + string(appendNumber(nil, b[0]&operationMask))
		if code := int(b[0] & operationMask); code < len(operations) {
			p.Operation = operations[code]
		}
		p.Operation += tripClose[b[0]>>tripCloseAt]
		p.Repeat, p.OnTime, p.OffTime = b[1], binary.LittleEndian.Uint32(b[2:]), binary.LittleEndian.Uint32(b[6:])
	}
	switch {
	case f.time > 0:
		p.Time = timeOf(b[f.time:])
	case (h.group == groupTime || h.group == groupTime+1) && len(b) >= timeLen:
		p.Time = timeOf(b)
	}
}

// timeOf writes a time: milliseconds since 1970, of a clock that should show UTC (IEEE 1815-2012, 11.3.3).
func timeOf(b []byte) string {
	ms := int64(binary.LittleEndian.Uint32(b)) | int64(binary.LittleEndian.Uint16(b[4:]))<<32
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

func shown(v protocols.Values, n int) string { return string(v.Append(nil, n, 64)) }

// clean gives a text without what cannot be shown.
func clean(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "")))
}
