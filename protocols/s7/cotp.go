package s7

import (
	"encoding/hex"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/tpkt"
)

// COTPDetail is the detail of a connection message below S7comm.
type COTPDetail struct {
	Type     string `json:"type"`
	DstRef   uint16 `json:"dst_ref"`
	SrcRef   uint16 `json:"src_ref"`
	SrcTSAP  string `json:"src_tsap,omitempty"` // hexadecimal
	DstTSAP  string `json:"dst_tsap,omitempty"` // hexadecimal
	TPDUSize int    `json:"tpdu_size,omitempty"`
	Reason   *uint8 `json:"reason,omitempty"`
	// What the called selector means where it has the form of S7-300 and S7-400.
	Connection string `json:"connection,omitempty"` // PG, OP, other
	Rack       *uint8 `json:"rack,omitempty"`
	Slot       *uint8 `json:"slot,omitempty"`
}

// connection turns a transport PDU other than data into an event; mere acknowledgements give none.
func (c *conversation) connection(dst []protocols.Event, m protocols.Message, p tpkt.PDU) []protocols.Event {
	ev := protocols.Event{
		From: m.From, Protocol: labelCOTP, Carrier: true, Action: protocols.ActionConnect, Outcome: protocols.OutcomeDone,
		Message: p.Type.String(),
	}
	switch p.Type {
	case tpkt.CR:
		ev.Outcome = protocols.OutcomeAsked
		if !c.alone {
			ev.Facts = role(p.DstTSAP)
		}
		c.requested = true
	case tpkt.CC:
		c.requested = false
	case tpkt.DR:
		if c.requested && m.From == protocols.Server {
			ev.Outcome = protocols.OutcomeRefused
		}
		c.requested = false
	case tpkt.DC:
	case tpkt.ER:
		ev.Outcome = protocols.OutcomeRefused
	default:
		return dst
	}
	if m.Detail {
		d := &COTPDetail{
			Type: p.Type.String(), DstRef: p.DstRef, SrcRef: p.SrcRef, TPDUSize: p.Size,
			SrcTSAP: hex.EncodeToString(p.SrcTSAP), DstTSAP: hex.EncodeToString(p.DstTSAP),
		}
		if p.Type == tpkt.DR || p.Type == tpkt.ER {
			d.Reason = &p.Reason
		}
		d.place(p.DstTSAP)
		ev.Detail = d
	}
	return append(dst, ev)
}

// connections are the kinds of connection that the first byte of a called selector names.
var connections = [...]string{1: "PG", 2: "OP", 3: "other"}

// place reads a called selector of two bytes: kind of connection, then rack in the upper three bits and slot.
func (d *COTPDetail) place(called []byte) {
	if len(called) != 2 || called[0] == 0 || int(called[0]) >= len(connections) {
		return
	}
	d.Connection = connections[called[0]]
	d.Rack, d.Slot = ptr(called[1]>>5), ptr(called[1]&0x1f)
}

// The called selector says as what the client introduces itself: its first byte is the kind of connection, 1 for
// programming devices and 2 for operator panels; newer devices call by name instead.
var (
	rootSelector = "SIMATIC-ROOT-"

	engineeringRole = []protocols.Fact{{Key: protocols.FactRole, Value: "engineering-station", Confidence: 70}}
	panelRole       = []protocols.Fact{{Key: protocols.FactRole, Value: "hmi", Confidence: 60}}
	otherRole       = []protocols.Fact{}
)

// role gives what the called selector tells of the client: nil when it is none of S7's, empty when it is S7's and tells
// nothing.
func role(called []byte) []protocols.Fact {
	if len(called) == 2 {
		switch called[0] {
		case 1:
			return engineeringRole
		case 2:
			return panelRole
		}
		return nil
	}
	kind, ok := strings.CutPrefix(string(called), rootSelector)
	switch {
	case !ok:
		return nil
	case strings.HasPrefix(kind, "ES"):
		return engineeringRole
	case strings.HasPrefix(kind, "HMI"):
		return panelRole
	default:
		return otherRole
	}
}
