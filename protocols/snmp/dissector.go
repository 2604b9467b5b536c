package snmp

import (
	"encoding/hex"
	"strconv"

	"github.com/spanwatch/spanwatch/protocols"
)

// Spec describes SNMP to the pipeline.
var Spec = protocols.Spec{
	Name: "snmp", UDP: []uint16{161, 162}, CallsBack: true, Ordinary: true, Probe: probe,
	New: func() protocols.Dissector { return &dissector{} },
}

// probe reads the datagram to its last byte.
func probe(t protocols.Transport, b []byte) protocols.Match {
	var m message
	if t != protocols.TransportUDP || len(b) == 0 || b[0] != tagSequence || m.parse(b) != nil {
		return protocols.No
	}
	switch {
	case m.tag == 0:
		return protocols.Yes // encrypted: who asks is not told
	case pdus[m.tag].client:
		return protocols.YesClient
	default:
		return protocols.YesServer
	}
}

// maxPending bounds the requests that wait for their answer.
const maxPending = 16

// dissector is the state of one conversation: what requests did that were not answered yet, the oldest first.
type dissector struct {
	pending []pending
}

type pending struct {
	request int64
	action  protocols.Action
	object  protocols.Object
	frame   uint64
}

// Gap implements [protocols.Dissector]. Datagrams that are lost void nothing: requests have ids.
func (d *dissector) Gap(protocols.Side) {}

// Dissect implements [protocols.Dissector].
func (d *dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	var m message
	err := m.parse(in.Bytes)
	if err != nil && m.tag == 0 {
		return dst, err
	}
	unit := pdus[m.tag]
	e := protocols.Event{From: in.From, Message: unit.name, Action: unit.action, Outcome: m.outcome()}
	if m.encrypted {
		e.Message, e.Action, e.Outcome = "encrypted", protocols.ActionConnect, protocols.OutcomeUnknown
		e.Security = &protocols.Security{Encrypted: true, Mode: "sign-and-encrypt"}
	}
	var asked pending
	switch {
	case err != nil:
	case m.tag == tagResponse:
		var known bool
		if asked, known = d.take(m.request); known {
			e.Action, e.Object = asked.action, asked.object
		} else if m.identifies() {
			e.Action = protocols.ActionIdentify
		}
		e.Facts = m.facts(in.From)
	case m.tag == tagTrap:
		e.Facts = m.facts(in.From)
	case unit.client:
		if m.tag != tagSet && unit.action != protocols.ActionAlarm && m.identifies() {
			e.Action = protocols.ActionIdentify
		}
		if m.tag == tagSet && len(m.variables) > 0 {
			e.Object = protocols.Object{Area: "oid", Name: m.variables[0].name.String()}
		}
		if m.tag == tagNotify {
			break // nobody answers
		}
		d.remember(pending{m.request, e.Action, e.Object, in.Frame})
	}
	if in.Detail {
		e.Detail = m.detail(asked.frame)
	}
	return append(dst, e), err
}

func (d *dissector) remember(p pending) {
	d.take(p.request)
	if len(d.pending) == maxPending {
		d.pending = append(d.pending[:0], d.pending[1:]...)
	}
	d.pending = append(d.pending, p)
}

func (d *dissector) take(request int64) (pending, bool) {
	for i, p := range d.pending {
		if p.request == request {
			d.pending = append(d.pending[:i], d.pending[i+1:]...)
			return p, true
		}
	}
	return pending{}, false
}

func (m *message) outcome() protocols.Outcome {
	switch {
	case m.tag == tagTrap, m.tag == tagReport, m.tag == 0:
		return protocols.OutcomeUnknown
	case m.tag != tagResponse:
		return protocols.OutcomeAsked
	case m.errorStatus == 0:
		return protocols.OutcomeDone
	default:
		return protocols.OutcomeRefused
	}
}

// Detail is the detail field of a dissect record, under the names of RFC 3416. The community is a password and is not
// told.
type Detail struct {
	Version          string     `json:"version"`
	UserName         string     `json:"user_name,omitempty"`
	RequestID        *int64     `json:"request_id,omitempty"`
	ErrorStatus      int64      `json:"error_status,omitempty"`
	ErrorIndex       int64      `json:"error_index,omitempty"`
	Enterprise       string     `json:"enterprise,omitempty"`
	VariableBindings []Variable `json:"variable_bindings,omitempty"`
	RequestFrame     uint64     `json:"request_frame,omitempty"`
}

// Variable is a name with what it stands for: text, a number, an object id, or hexadecimal.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

var versions = map[int64]string{version1: "1", version2: "2c", version3: "3"}

const maxShown = 256

func (m *message) detail(requestFrame uint64) *Detail {
	d := &Detail{
		Version: versions[m.version], UserName: string(m.user), ErrorStatus: m.errorStatus, ErrorIndex: m.errorIndex,
		Enterprise: m.enterprise.String(), RequestFrame: requestFrame,
	}
	if m.tag != 0 && m.tag != tagTrap {
		d.RequestID = &m.request
	}
	for _, v := range m.variables {
		d.VariableBindings = append(d.VariableBindings, Variable{v.name.String(), v.shown()})
	}
	return d
}

// shown gives the value as text. The tags of application types are those of RFC 2578 §7.
func (v variable) shown() string {
	const tagCounter, tagTicks = 0x41, 0x43
	switch {
	case v.tag == tagOID:
		return oid(v.value).String()
	case v.tag == tagInteger || v.tag >= tagCounter && v.tag <= tagTicks:
		if len(v.value) > 8 {
			break
		}
		var n int64
		for k, x := range v.value {
			if k == 0 && v.tag == tagInteger {
				n = int64(int8(x))
				continue
			}
			n = n<<8 | int64(x)
		}
		return strconv.FormatInt(n, 10)
	case v.tag == tagOctets:
		printable := true
		for _, x := range v.value {
			printable = printable && (x >= ' ' && x < 0x7f || x == '\n' || x == '\r' || x == '\t')
		}
		if printable {
			return string(v.value[:min(len(v.value), maxShown)])
		}
	}
	return hex.EncodeToString(v.value[:min(len(v.value), maxShown)])
}
