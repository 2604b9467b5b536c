package bacnet

import (
	"net/netip"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// bvlc is the first byte of BACnet/IP (J.2).
const bvlc = 0x81

// Functions of BACnet/IP that are looked at closer.
const (
	bvlcResult    = 0x00
	bvlcForwarded = 0x04
)

// virtualLink is a function of BACnet/IP.
type virtualLink struct {
	name    string
	action  protocols.Action
	size    int  // bytes of the message; 0: not fixed
	each    int  // size of the entries behind the header; 0: none
	npdu    int  // where the network layer begins; 0: none inside
	answer  bool // it answers the function below
	of      uint8
	outcome protocols.Outcome
}

// virtualLinks are the functions of BACnet/IP (J.2) by their number.
var virtualLinks = [...]virtualLink{
	0x00: {name: "BVLC-Result", action: protocols.ActionConnect, size: 6, outcome: protocols.OutcomeDone},
	0x01: {name: "Write-Broadcast-Distribution-Table", action: protocols.ActionConfigure, each: 10, outcome: protocols.OutcomeAsked},
	0x02: {name: "Read-Broadcast-Distribution-Table", action: protocols.ActionBrowse, size: 4, outcome: protocols.OutcomeAsked},
	0x03: {
		name: "Read-Broadcast-Distribution-Table-Ack", action: protocols.ActionBrowse, each: 10, outcome: protocols.OutcomeDone,
		answer: true, of: 0x02,
	},
	0x04: {name: "Forwarded-NPDU", npdu: 10},
	0x05: {name: "Register-Foreign-Device", action: protocols.ActionConfigure, size: 6, outcome: protocols.OutcomeAsked},
	0x06: {name: "Read-Foreign-Device-Table", action: protocols.ActionBrowse, size: 4, outcome: protocols.OutcomeAsked},
	0x07: {
		name: "Read-Foreign-Device-Table-Ack", action: protocols.ActionBrowse, each: 10, outcome: protocols.OutcomeDone,
		answer: true, of: 0x06,
	},
	0x08: {name: "Delete-Foreign-Device-Table-Entry", action: protocols.ActionConfigure, size: 10, outcome: protocols.OutcomeAsked},
	0x09: {name: "Distribute-Broadcast-To-Network", npdu: 4},
	0x0a: {name: "Original-Unicast-NPDU", npdu: 4},
	0x0b: {name: "Original-Broadcast-NPDU", npdu: 4},
	0x0c: {name: "Secure-BVLL", action: protocols.ActionConnect, outcome: protocols.OutcomeUnknown},
}

// tableNames are the tables that the functions are about.
var tableNames = [len(virtualLinks)]string{
	0x01: "broadcast-distribution", 0x02: "broadcast-distribution", 0x03: "broadcast-distribution",
	0x05: "foreign-device", 0x06: "foreign-device", 0x07: "foreign-device", 0x08: "foreign-device",
}

// link is what carries the network layer. Its slices borrow the message.
type link struct {
	ip       bool // BACnet/IP; otherwise Ethernet
	function uint8
	told     int            // length that the header tells
	size     int            // bytes that are there
	origin   netip.AddrPort // who sent what was forwarded
	body     []byte         // behind the header of a function without network layer
	npdu     []byte         // nil where there is none
}

// parse reads the header. On Ethernet it is that of LLC (7.1).
func (l *link) parse(t protocols.Transport, b []byte) error {
	c := wire.New(b)
	l.size = len(b)
	if t == protocols.TransportEthernet {
		if c.U24() != 0x828203 {
			return malformed("no LLC header of BACnet in %d bytes", len(b))
		}
		l.npdu = c.Rest()
		return nil
	}
	kind := c.U8()
	l.ip, l.function, l.told = true, c.U8(), int(c.U16())
	switch {
	case c.Failed() || kind != bvlc:
		return malformed("no BVLC header in %d bytes", len(b))
	case int(l.function) >= len(virtualLinks):
		return malformed("BVLC function %d", l.function)
	}
	body := wire.New(b[4:max(4, min(l.told, len(b)))])
	if l.function == bvlcForwarded {
		addr, _ := netip.AddrFromSlice(body.Bytes(4))
		l.origin = netip.AddrPortFrom(addr, body.U16())
	}
	if body.Failed() || l.told < 4 {
		return malformed("BVLC of %d bytes", l.told)
	}
	if virtualLinks[l.function].npdu != 0 {
		l.npdu = body.Rest()
	} else {
		l.body = body.Rest()
	}
	return nil
}

// fault says that less is there than the header tells. Stacks exist that tell a length of their own in errors, so that
// what is there is read all the same.
func (l *link) fault() error {
	if l.ip && l.told > l.size {
		return malformed("BVLC of %d bytes in %d", l.told, l.size)
	}
	return nil
}

// slack reports that the length is not what the function must have. Stacks exist that leave a text at the end of a
// service out of the length.
func (l *link) slack() bool {
	if !l.ip {
		return false
	}
	f := &virtualLinks[l.function]
	return l.told > l.size || f.size != 0 && f.size != l.told || f.each != 0 && (l.told-4)%f.each != 0 || f.npdu == 0 && l.told != l.size
}

// resultNames are what a result says (J.2.1).
var resultNames = map[uint16]string{
	0x00: "successful-completion", 0x10: "write-broadcast-distribution-table-nak", 0x20: "read-broadcast-distribution-table-nak",
	0x30: "register-foreign-device-nak", 0x40: "read-foreign-device-table-nak", 0x50: "delete-foreign-device-table-entry-nak",
	0x60: "distribute-broadcast-to-network-nak",
}

// asked is the function that a side sent last and that awaits its result.
type asked struct {
	function uint8
	frame    uint64
	open     bool
}

// virtualLink gives the event of a function without network layer.
func (d *dissector) virtualLink(dst []protocols.Event, in protocols.Message, l *link) []protocols.Event {
	f := &virtualLinks[l.function]
	e := protocols.Event{From: in.From, Action: f.action, Outcome: f.outcome, Message: f.name}
	if name := tableNames[l.function]; name != "" {
		e.Object = protocols.Object{Area: "table", Name: name}
	}
	var detail *Detail
	if in.Detail {
		detail = &Detail{BVLCFunction: ptr(l.function)}
		e.Detail = detail
	}
	mine, theirs := &d.asked[in.From], &d.asked[in.From.Other()]
	switch {
	case l.function == bvlcResult:
		c := wire.New(l.body)
		code := c.U16()
		if code != 0 {
			e.Outcome = protocols.OutcomeRefused
		}
		if theirs.open && (code == 0 || code>>4 == uint16(resultOf[theirs.function])) {
			e.Action, e.Answers = virtualLinks[theirs.function].action, theirs.frame
			e.Object = protocols.Object{Area: "table", Name: tableNames[theirs.function]}
			theirs.open = false
		}
		if detail != nil {
			detail.Reason = named(resultNames[code], "result-", uint64(code))
		}
	case f.answer:
		if theirs.open && theirs.function == f.of {
			e.Answers, theirs.open = theirs.frame, false
		}
	case f.outcome == protocols.OutcomeAsked:
		if mine.open && mine.function != l.function {
			d.unanswered++
		}
		*mine = asked{l.function, in.Frame, true}
	}
	if detail != nil {
		detail.RequestFrame = e.Answers
	}
	return append(dst, e)
}

// resultOf gives the tens of the code by which a function is refused.
var resultOf = [len(virtualLinks)]uint8{0x01: 1, 0x02: 2, 0x05: 3, 0x06: 4, 0x08: 5}

// named gives the name, or what has none by its number.
func named(name, kind string, n uint64) string {
	if name == "" || name == "-" {
		return kind + strconv.FormatUint(n, 10)
	}
	return name
}
