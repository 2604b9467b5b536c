package netbios

import (
	"net/netip"

	"github.com/spanwatch/spanwatch/protocols"
)

// Spec describes the NetBIOS name service to the pipeline.
var Spec = protocols.Spec{
	Name: "nbns", UDP: []uint16{137}, Ordinary: true, Probe: probe,
	New: func() protocols.Dissector { return dissector{} },
}

// probe asks for a header that can be true and a name in the encoding that only NetBIOS has. Requests and their
// answers go from port 137 to port 137, and every host is both: the direction stays what the ports say.
func probe(t protocols.Transport, b []byte) protocols.Match {
	var m message
	if t != protocols.TransportUDP || m.parse(b) != nil || operations[m.opcode()].query == "" || m.rcode() > maxRcode ||
		m.counts[0] == 1 && m.question != typeNB && m.question != typeNBSTAT ||
		!m.response() && m.counts[0] == 0 {
		return protocols.No
	}
	return protocols.Yes
}

const sure = 85 // below a name that a host says in its own case: NetBIOS knows capitals only

// dissector has no state: a message stands for itself.
type dissector struct{}

// Gap implements [protocols.Dissector].
func (dissector) Gap(protocols.Side) {}

// Dissect implements [protocols.Dissector].
func (dissector) Dissect(dst []protocols.Event, in protocols.Message) ([]protocols.Event, error) {
	var m message
	err := m.parse(in.Bytes)
	if len(in.Bytes) < headerSize {
		return dst, err
	}
	e := protocols.Event{From: in.From, Action: protocols.ActionConnect, Outcome: m.outcome(), Message: m.title()}
	if m.question == typeNBSTAT || m.kind == typeNBSTAT {
		e.Action = protocols.ActionIdentify
	}
	if err == nil {
		e.Facts = m.facts(in.From)
	}
	if in.Detail {
		e.Detail = m.detail()
	}
	return append(dst, e), err
}

func (m *message) outcome() protocols.Outcome {
	switch {
	case !m.response():
		return protocols.OutcomeAsked
	case m.rcode() == 0:
		return protocols.OutcomeDone
	default:
		return protocols.OutcomeRefused
	}
}

// facts gives the host's name where the message says whose it is.
func (m *message) facts(from protocols.Side) []protocols.Fact {
	name := m.name.host()
	switch {
	case m.rcode() != 0:
		return nil
	case m.response() && m.kind == typeNBSTAT:
		for _, n := range m.names {
			if host := n.host(); host != "" {
				return []protocols.Fact{{About: from, Key: protocols.FactName, Value: host, Confidence: sure}}
			}
		}
		return nil
	case m.response() && m.opcode() != 0, !m.response() && !operations[m.opcode()].claims:
		return nil
	}
	if name == "" || m.group || !tells(m.address) {
		return nil
	}
	return []protocols.Fact{{Addr: m.address, Key: protocols.FactName, Value: name, Confidence: sure}}
}

// tells reports whether an address can be that of one host on the network.
func tells(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast()
}

// Detail is the detail field of a dissect record, under the names of RFC 1002.
type Detail struct {
	NameTrnID  uint16   `json:"name_trn_id"`
	Opcode     uint8    `json:"opcode"`
	Rcode      *uint8   `json:"rcode,omitempty"`
	Name       string   `json:"name,omitempty"` // with its suffix: "ENG-LAPTOP<00>"
	Group      bool     `json:"group,omitempty"`
	NBAddress  string   `json:"nb_address,omitempty"`
	NodeNames  []string `json:"node_names,omitempty"`
	UnitID     string   `json:"unit_id,omitempty"`
	Additional bool     `json:"additional,omitempty"`
}

func (m *message) detail() *Detail {
	d := &Detail{NameTrnID: m.id, Opcode: m.opcode(), Group: m.group, Additional: m.counts[3] > 0}
	if m.response() {
		rcode := m.rcode()
		d.Rcode = &rcode
	}
	if m.name != (nbName{}) {
		d.Name = m.name.shown()
	}
	if m.address.IsValid() {
		d.NBAddress = m.address.String()
	}
	for _, n := range m.names {
		d.NodeNames = append(d.NodeNames, n.shown())
	}
	if !m.unitID.IsZero() {
		d.UnitID = m.unitID.String()
	}
	return d
}
