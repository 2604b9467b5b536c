package handshake

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// Detail is what a piece of TLS told, as details of records show it.
type Detail struct {
	Version      string       `json:"tls_version,omitempty"` // chosen by the server
	Versions     []string     `json:"tls_versions,omitempty"`
	CipherSuite  string       `json:"cipher_suite,omitempty"` // chosen by the server
	CipherSuites []string     `json:"cipher_suites,omitempty"`
	ServerName   string       `json:"server_name,omitempty"`
	ALPN         []string     `json:"alpn,omitempty"` // offered by the client, or the one that the server chose
	JA3          string       `json:"ja3,omitempty"`
	JA4          string       `json:"ja4,omitempty"`
	Certificate  *Certificate `json:"certificate,omitempty"` // the first of the chain
	Chain        int          `json:"chain,omitempty"`       // number of certificates
	Alert        string       `json:"alert,omitempty"`
	AlertLevel   string       `json:"alert_level,omitempty"`
}

// about gives the detail to fill, or nil where none is wanted.
func (r *reader) about() *Detail {
	if r.detail && r.report.Detail == nil {
		r.report.Detail = &Detail{}
	}
	return r.report.Detail
}

// message handles one whole handshake message.
func (r *reader) message(kind uint8, body []byte) {
	r.name(MessageName(kind), true)
	switch kind {
	case clientHello:
		r.clientHello(body)
	case serverHello:
		r.serverHello(body)
	case certificate:
		r.certificates(body)
	}
}

func (r *reader) clientHello(body []byte) {
	r.report.Outcome = protocols.OutcomeAsked
	h, err := ParseClientHello(body)
	if err != nil {
		r.fail(err)
		return
	}
	ja4 := h.JA4()
	r.report.Facts = append(r.report.Facts, protocols.Fact{About: r.from, Key: protocols.FactJA4, Value: ja4})
	d := r.about()
	if d == nil {
		return
	}
	d.ServerName, d.JA3, d.JA4 = clip(h.ServerName), h.JA3(), ja4
	for v := range h.Versions() {
		d.Versions = append(d.Versions, VersionName(v))
	}
	for c := range h.CipherSuites() {
		d.CipherSuites = append(d.CipherSuites, CipherName(c))
	}
	for name := range h.Protocols() {
		d.ALPN = append(d.ALPN, clip(name))
	}
}

func (r *reader) serverHello(body []byte) {
	h, err := ParseServerHello(body)
	if err != nil {
		r.fail(err)
		return
	}
	s := r.s
	s.version, s.cipher = h.Version, h.Cipher
	s.policy = VersionName(h.Version) + " " + CipherName(h.Cipher)
	if h.Retry {
		// The client says its hello again, in the clear.
		s.sides[0].secret, s.sides[1].secret = false, false
		r.report.Message = strings.TrimSuffix(r.report.Message, MessageName(serverHello)) + retryName
	} else {
		r.report.Outcome = protocols.OutcomeDone
	}
	if d := r.about(); d != nil {
		d.Version, d.CipherSuite = VersionName(h.Version), CipherName(h.Cipher)
		if len(h.Protocol) > 0 {
			d.ALPN = []string{clip(h.Protocol)}
		}
	}
}

func (r *reader) certificates(body []byte) {
	leaf, count, err := ParseCertificates(body)
	if err != nil {
		r.fail(err)
		return
	}
	if count == 0 {
		return // a client without a certificate says so
	}
	c := ReadCertificate(leaf)
	r.report.Facts = c.Facts(r.report.Facts, r.from)
	if d := r.about(); d != nil {
		d.Certificate, d.Chain = c, count
	}
}

func (r *reader) alert(level, description uint8) {
	r.name("Alert", true)
	if level == alertFatal && !r.s.opened {
		r.report.Outcome = protocols.OutcomeRefused
	}
	if d := r.about(); d != nil {
		d.AlertLevel, d.Alert = alertLevel(level), AlertName(description)
	}
}

// maxText is how much is kept of a text that the other side chose.
const maxText = 256

// clip makes a text of borrowed bytes.
func clip(b []byte) string { return clipText(string(b[:min(len(b), maxText)])) }
