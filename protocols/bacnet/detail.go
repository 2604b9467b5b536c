package bacnet

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Detail is the detail field of a dissect record. Fields that the message does not have are absent.
type Detail struct {
	BVLCFunction       *uint8         `json:"bvlc_function,omitempty"`
	Origin             string         `json:"origin,omitempty"` // who sent what was forwarded
	Control            *uint8         `json:"control,omitempty"`
	DNET               *uint16        `json:"dnet,omitempty"`
	DADR               string         `json:"dadr,omitempty"` // hexadecimal
	SNET               *uint16        `json:"snet,omitempty"`
	SADR               string         `json:"sadr,omitempty"` // hexadecimal
	HopCount           *uint8         `json:"hop_count,omitempty"`
	NetworkMessage     *uint8         `json:"network_message,omitempty"`
	Networks           []uint16       `json:"networks,omitempty"`
	PDUType            *uint8         `json:"pdu_type,omitempty"`
	ConfirmedService   *uint8         `json:"confirmed_service,omitempty"`
	UnconfirmedService *uint8         `json:"unconfirmed_service,omitempty"`
	InvokeID           *uint8         `json:"invoke_id,omitempty"`
	Sequence           *uint8         `json:"sequence,omitempty"` // of the last segment
	Device             *uint32        `json:"device,omitempty"`   // instance of the device that notifies
	Objects            []DetailObject `json:"objects,omitempty"`
	Low                *uint32        `json:"low,omitempty"` // devices that are called
	High               *uint32        `json:"high,omitempty"`
	Vendor             *uint32        `json:"vendor,omitempty"`
	MaxAPDU            uint32         `json:"max_apdu,omitempty"`
	Minutes            *uint32        `json:"minutes,omitempty"`
	Password           bool           `json:"password,omitempty"` // one was given
	File               *FilePosition  `json:"file,omitempty"`
	ErrorClass         *uint32        `json:"error_class,omitempty"`
	ErrorCode          *uint32        `json:"error_code,omitempty"`
	Reason             string         `json:"reason,omitempty"` // of an error, a reject or an abort, in words
	RequestFrame       uint64         `json:"request_frame,omitempty"`
}

// DetailObject is an object, or a property, that the message names.
type DetailObject struct {
	Type       uint16  `json:"type"`
	Instance   uint32  `json:"instance"`
	PropertyID *uint32 `json:"property,omitempty"`
	Index      *uint32 `json:"index,omitempty"`
	Priority   uint8   `json:"priority,omitempty"`
	Name       string  `json:"name"`
	Value      string  `json:"value,omitempty"`
	Refused    bool    `json:"refused,omitempty"`
}

// detail copies what link and network layer say.
func (l *link) detail(n *network) *Detail {
	d := &Detail{Control: ptr(n.control)}
	if l.ip {
		d.BVLCFunction = ptr(l.function)
	}
	if l.origin.IsValid() {
		d.Origin = l.origin.String()
	}
	if n.control&controlDestination != 0 {
		d.DNET, d.DADR, d.HopCount = ptr(n.destination.network), n.destination.String(), ptr(n.hops)
	}
	if n.control&controlSource != 0 {
		d.SNET, d.SADR = ptr(n.source.network), n.source.String()
	}
	return d
}

// What a reject (18.9) and an abort (18.10) say.
var (
	rejectReasons = []string{
		"other", "buffer-overflow", "inconsistent-parameters", "invalid-parameter-data-type", "invalid-tag",
		"missing-required-parameter", "parameter-out-of-range", "too-many-arguments", "undefined-enumeration",
		"unrecognized-service",
	}
	abortReasons = []string{
		"other", "buffer-overflow", "invalid-apdu-in-this-state", "preempted-by-higher-priority-task",
		"segmentation-not-supported", "security-error", "insufficient-security", "window-size-out-of-range",
		"application-exceeded-reply-time", "out-of-resources", "tsm-timeout", "apdu-too-long",
	}
)

// shownValues is how many elements of a value a record shows.
const shownValues = 16

// detail copies what the whole message says.
func (m *message) detail(r *request) *Detail {
	a := &m.apdu
	d := m.link.detail(&m.net)
	d.PDUType = ptr(a.kind)
	switch {
	case a.kind == unconfirmedRequest:
		d.UnconfirmedService = ptr(a.service)
	case a.pairs():
		d.ConfirmedService = ptr(a.service)
	}
	if a.kind != unconfirmedRequest {
		d.InvokeID = ptr(a.invoke)
	}
	if a.segmented() || a.kind == segmentAck {
		d.Sequence = ptr(a.sequence)
	}
	for i := range m.items {
		d.Objects = append(d.Objects, m.items[i].detail())
	}
	d.Device = present(m.hasInstance, m.instance)
	d.Low, d.High = present(m.limited, m.low), present(m.limited, m.high)
	d.Vendor, d.MaxAPDU = present(m.hasVendor, m.vendor), m.maxAPDU
	d.Minutes, d.Password, d.File = present(m.hasMinutes, m.minutes), m.password, m.position
	d.ErrorClass, d.ErrorCode = present(m.hasError, m.errorClass), present(m.hasError, m.errorCode)
	d.Reason = m.reason()
	if r != nil {
		d.RequestFrame = r.frame
	}
	return d
}

// reason says in words why something was refused.
func (m *message) reason() string {
	code := uint64(m.apdu.service)
	switch {
	case m.apdu.kind == rejectPDU:
		return named(at(rejectReasons, int(code)), "reason-", code)
	case m.apdu.kind == abortPDU:
		return named(at(abortReasons, int(code)), "reason-", code)
	case m.hasError:
		return named(at(errorClasses, int(min(m.errorClass, 1<<20))), "class-", uint64(m.errorClass)) + ": " +
			named(at(errorCodes, int(min(m.errorCode, 1<<20))), "code-", uint64(m.errorCode))
	default:
		return ""
	}
}

func (it *item) detail() DetailObject {
	r := it.ref
	return DetailObject{
		Type: r.kind, Instance: r.instance, PropertyID: present(r.property != none, r.property),
		Index: present(r.index != none, r.index), Priority: r.priority, Name: r.name(), Refused: it.refused,
		Value: strings.ToValidUTF8(string(it.values.Append(nil, 0, shownValues)), "\ufffd"),
	}
}

func ptr[T any](v T) *T { return &v }

// present gives a pointer to a copy of v if there is one.
func present(there bool, v uint32) *uint32 {
	if !there {
		return nil
	}
	return &v
}

// action gives the action of the message's service.
func (m *message) action() protocols.Action {
	a := &m.apdu
	if a.pairs() || a.kind == unconfirmedRequest {
		return a.row().action
	}
	return protocols.ActionConnect
}
