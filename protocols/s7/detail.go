package s7

import (
	"encoding/hex"
	"slices"

	"github.com/spanwatch/spanwatch/protocols"
)

// Detail is the detail of an S7comm message. Fields that the message does not have are absent.
type Detail struct {
	ROSCTR       uint8             `json:"rosctr"`
	PDURef       uint16            `json:"pduref"`
	ErrCls       *uint8            `json:"errcls,omitempty"`
	ErrCod       *uint8            `json:"errcod,omitempty"`
	Func         *uint8            `json:"func,omitempty"`
	UDType       string            `json:"ud_type,omitempty"` // req, resp, push
	UDGroup      *uint8            `json:"ud_group,omitempty"`
	UDSubfunc    *uint8            `json:"ud_subfunc,omitempty"`
	SZLID        *uint16           `json:"szl_id,omitempty"`
	SZLIndex     *uint16           `json:"szl_index,omitempty"`
	SZLName      string            `json:"szl_name,omitempty"`
	Lights       []string          `json:"lights,omitempty"`       // that are lit
	ModeSwitch   string            `json:"mode_switch,omitempty"`  // where it stands: RUN, RUN-P, STOP, MRES
	Clock        string            `json:"clock,omitempty"`        // time that a clock was set to, or an alarm had
	BlockCounts  map[string]uint16 `json:"block_counts,omitempty"` // by kind
	Blocks       []uint16          `json:"blocks,omitempty"`       // numbers of the blocks of a kind
	BlockInfo    *DetailBlock      `json:"block_info,omitempty"`
	Events       []DetailEvent     `json:"events,omitempty"` // diagnostic events, newest first
	BlockType    string            `json:"block_type,omitempty"`
	BlockNumber  *uint32           `json:"block_number,omitempty"`
	Filename     string            `json:"filename,omitempty"`
	UploadID     *uint32           `json:"upload_id,omitempty"`   // that the controller gave
	LoadLength   uint32            `json:"load_length,omitempty"` // bytes of a block on its way
	CodeLength   uint32            `json:"code_length,omitempty"`
	PIService    string            `json:"pi_service,omitempty"`
	PIArgs       string            `json:"pi_args,omitempty"`
	Items        []DetailItem      `json:"items,omitempty"`
	ReturnCodes  []int             `json:"return_codes,omitempty"`
	Values       []string          `json:"values,omitempty"` // hexadecimal, one per item; empty without
	MaxPDU       *uint16           `json:"max_pdu,omitempty"`
	RequestFrame uint64            `json:"request_frame,omitempty"`
}

// DetailItem is one variable in a message.
type DetailItem struct {
	Area  string  `json:"area"`
	DB    *uint16 `json:"db,omitempty"`
	Start uint32  `json:"start"`
	Bit   uint8   `json:"bit"`
	Type  string  `json:"type,omitempty"`
	Count uint16  `json:"count"`
	Name  string  `json:"name,omitempty"` // of an address that is none of area and start
}

// fill copies what a message says; what its readers told stands there already.
func (d *Detail) fill(p *message) {
	d.ROSCTR, d.PDURef, d.UDType = p.rosctr, p.ref, p.ud.typeName()
	if p.isAnswer() {
		d.ErrCls, d.ErrCod = ptr(p.errCls), ptr(p.errCod)
	}
	if p.hasFn {
		d.Func = ptr(p.fn)
	}
	if p.ud.known {
		d.UDGroup, d.UDSubfunc = ptr(p.ud.group), ptr(p.ud.sub)
	}
	if p.hasSZL {
		d.SZLID, d.SZLIndex, d.SZLName = ptr(p.szlID), ptr(p.szlIndex), szlNames[uint8(p.szlID)]
	}
	if p.maxPDU != 0 {
		d.MaxPDU = ptr(p.maxPDU)
	}
	if p.request != nil {
		d.RequestFrame = p.request.frame
	}
	if p.outcome == protocols.OutcomeAsked {
		d.name(p)
	}
	if p.coded {
		d.ReturnCodes = append(d.ReturnCodes, int(p.code))
	}
	for i := range p.items {
		d.item(&p.items[i], p.addressed)
	}
	d.values(p.items)
}

// list copies what the records of a list say. Like all that readers tell, it goes nowhere when nobody asks.
func (d *Detail) list(list szlList, read func(*Detail, []byte)) {
	if d == nil || read == nil {
		return
	}
	for record := range list.all {
		read(d, record)
	}
}

// clock copies a time of eight bytes.
func (d *Detail) clock(b []byte) {
	if d != nil {
		d.Clock = clockText(b)
	}
}

func (d *Detail) upload(id uint32) {
	if d != nil {
		d.UploadID = ptr(id)
	}
}

// name copies what only a request names.
func (d *Detail) name(p *message) {
	d.BlockType = p.block.kind
	if p.block.whole {
		d.BlockNumber = ptr(p.block.number)
	}
	d.Filename = printable(p.filename)
	d.PIService = printable(p.service)
	d.PIArgs = printable(p.arguments)
}

func (d *Detail) item(it *item, addressed bool) {
	if addressed {
		x := DetailItem{Area: areaName(it.area), Start: it.start, Bit: it.bit, Count: it.count}
		if it.area == areaDB || it.area == areaDI {
			x.DB = ptr(it.db)
		}
		switch it.syntax {
		case syntaxAny, syntaxDBRead:
			x.Type = typeName(it.typ)
		default:
			var n names
			var o protocols.Object
			it.describe(&o, &n)
			x.Area, x.Name, x.Start, x.Count = o.Area, o.Name, o.First, uint16(o.Count)
		}
		d.Items = append(d.Items, x)
	}
	if it.coded && it.span > 0 {
		d.ReturnCodes = append(d.ReturnCodes, int(it.code))
	}
}

// values copies the values of all items, if any has one, so that they stand beside their items.
func (d *Detail) values(items []item) {
	if !slices.ContainsFunc(items, func(it item) bool { return it.value != nil }) {
		return
	}
	for i := range items {
		d.Values = append(d.Values, hex.EncodeToString(items[i].value))
	}
}

func ptr[T any](v T) *T { return &v }
