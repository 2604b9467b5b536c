package opcua

import (
	"time"

	"github.com/spanwatch/spanwatch/protocols"
)

// maxListed bounds the lists of a detail.
const maxListed = 1000

// Detail is what a dissect record shows of one message. Fields that the message does not have are absent. Of a message
// of several chunks, chunk, size and seq are the last one's.
type Detail struct {
	Msg             string        `json:"msg"`
	Chunk           string        `json:"chunk"`
	Size            uint32        `json:"size"`
	Version         *uint32       `json:"version,omitempty"`
	ReceiveBuffer   uint32        `json:"receive_buffer,omitempty"`
	SendBuffer      uint32        `json:"send_buffer,omitempty"`
	Channel         *uint32       `json:"channel,omitempty"`
	Token           *uint32       `json:"token,omitempty"`
	Seq             *uint32       `json:"seq,omitempty"`
	Missing         uint32        `json:"missing,omitempty"`
	RequestID       *uint32       `json:"request_id,omitempty"`
	Renewal         bool          `json:"renewal,omitempty"`
	NewToken        *uint32       `json:"new_token,omitempty"`
	Lifetime        uint32        `json:"lifetime_ms,omitempty"`
	Certificates    []Certificate `json:"certificates,omitempty"`
	Receiver        string        `json:"receiver_thumbprint,omitempty"`
	AuditEntry      string        `json:"audit_entry,omitempty"`
	History         string        `json:"history,omitempty"`
	SecurityPolicy  string        `json:"security_policy,omitempty"`
	SecurityMode    string        `json:"security_mode,omitempty"`
	Encrypted       bool          `json:"encrypted,omitempty"`
	Service         string        `json:"service,omitempty"`
	ServiceID       uint32        `json:"service_id,omitempty"`
	ServiceResult   string        `json:"service_result,omitempty"`
	EndpointURL     string        `json:"endpoint_url,omitempty"`
	ApplicationURI  string        `json:"application_uri,omitempty"`
	ApplicationName string        `json:"application_name,omitempty"`
	ProductURI      string        `json:"product_uri,omitempty"`
	SessionName     string        `json:"session_name,omitempty"`
	UserToken       string        `json:"user_token,omitempty"`
	UserTokens      []string      `json:"user_tokens,omitempty"`
	Subscription    *uint32       `json:"subscription,omitempty"`
	Nodes           []string      `json:"nodes,omitempty"`
	Ranges          []string      `json:"ranges,omitempty"`
	Values          []any         `json:"values,omitempty"`
	Events          [][]any       `json:"events,omitempty"`
	Methods         []string      `json:"methods,omitempty"`
	References      []string      `json:"references,omitempty"`
	Error           string        `json:"error,omitempty"`
	Reason          string        `json:"reason,omitempty"`
	RequestFrame    uint64        `json:"request_frame,omitempty"`
}

// Certificate is what a detail shows of a certificate. The thumbprint is SHA-1 in hexadecimal, as the specification uses
// it (Part 6, 6.7.2.3).
type Certificate struct {
	Subject    string    `json:"subject"`
	Issuer     string    `json:"issuer"`
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	Thumbprint string    `json:"thumbprint"`
}

// shown gives a number that a detail shows even when it is 0. Only a detail pays for its allocation.
func shown(n uint32) *uint32 { return &n }

// indexRange lists which part of an array a message is about, where it is not about the whole.
func (d *conversation) indexRange(raw, part []byte) {
	if d.detail != nil && len(part) > 0 && raw != nil && len(d.detail.Ranges) < maxListed {
		d.detail.Ranges = append(d.detail.Ranges, nodeText(raw)+" "+text(part))
	}
}

// value lists one value, or the status that stands in its place, if somebody asked for details.
func (d *conversation) value(v value, s status) {
	if d.detail != nil && len(d.detail.Values) < maxListed {
		d.detail.Values = append(d.detail.Values, renderResult(v, s))
	}
}

// listNode lists the name of a node that the message is about.
func (d *conversation) listNode(name string) {
	if d.detail != nil && len(d.detail.Nodes) < maxListed {
		d.detail.Nodes = append(d.detail.Nodes, name)
	}
}

// listMethod lists the name of a method that the message calls.
func (d *conversation) listMethod(name string) {
	if d.detail != nil && len(d.detail.Methods) < maxListed {
		d.detail.Methods = append(d.detail.Methods, name)
	}
}

// show sets a text of the detail that is still empty. The text is made only for a detail.
func (d *conversation) show(field func(*Detail) *string, b []byte) {
	if d.detail == nil || len(b) == 0 {
		return
	}
	if s := field(d.detail); *s == "" {
		*s = text(b)
	}
}

// attach puts what was collected beside the events where it belongs: detail and facts on the first of them, the
// conversation's protection on all.
func (d *conversation) attach(encrypted bool) {
	events := d.out[d.first:]
	events[0].Facts = d.facts
	if d.detail != nil {
		events[0].Detail = d.detail
		if d.kind.secure {
			d.detail.SecurityPolicy, d.detail.SecurityMode = d.security.policy, d.security.mode
		}
	}
	s := protocols.Security{Mode: d.security.mode, Policy: d.security.policy, User: d.user, Encrypted: encrypted}
	if d.msgUser != "" {
		s.User = d.msgUser
	}
	d.told = d.told.Or(s)
	if s.Mode == modeNone && (s.Policy == policyNone || s.Policy == "") && s.User == d.user && !encrypted {
		d.plain = d.told
	}
	for i := range events {
		events[i].Security, events[i].Cut = d.told, d.cut
		if d.answered {
			events[i].Answers = d.request.frame
		}
	}
}
