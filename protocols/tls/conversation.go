package tls

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/internal/handshake"
	"github.com/spanwatch/spanwatch/protocols/internal/nameplate"
)

const (
	asked     = 40 // the server answered to the name that the client asked for
	certified = 60 // the certificate names the server
	fewNames  = 4  // above is a hoster's certificate
)

// stage is what comes next from a side.
type stage uint8

const (
	atRecord stage = iota
	inData         // left bytes of a record of application data
	afterGap       // nothing fits, until a segment begins with a record
	passing        // nothing that can be read
)

// flow is where one side is in its records.
type flow struct {
	stage  stage
	left   int
	secret bool // what it sends is encrypted
	spoken bool // it gave an event
}

// conversation is the state of one conversation.
type conversation struct {
	session handshake.Session
	sides   [2]flow
	depth   protocols.Depth
	name    string // that the client asks for, until the server says hello
}

// Detail is the detail field of a dissect record.
type Detail struct {
	*handshake.Detail
	SelfSigned  bool `json:"self_signed,omitempty"`
	Expired     bool `json:"expired,omitempty"`       // at the time of the packet
	NotYetValid bool `json:"not_yet_valid,omitempty"` // at the time of the packet
}

// Depth implements [protocols.Framer].
func (c *conversation) Depth() protocols.Depth { return c.depth }

// Next implements [protocols.Framer].
func (c *conversation) Next(from protocols.Side, b []byte) int {
	f := &c.sides[from]
	switch f.stage {
	case inData:
		return min(f.left, len(b))
	case passing:
		return len(b)
	case afterGap:
		switch probe(protocols.TransportTCP, b) {
		case protocols.No:
			return len(b)
		case protocols.More:
			return 0
		}
	}
	switch n := handshake.RecordLength(b); {
	case n < 0:
		return len(b)
	case b[0] == handshake.ApplicationData:
		return min(n, len(b))
	default:
		return n
	}
}

// Gap implements [protocols.Dissector]. What was encrypted stays so.
func (c *conversation) Gap(from protocols.Side) {
	c.session.Gap(from)
	f := &c.sides[from]
	f.left = 0
	if f.stage != passing {
		f.stage = afterGap
	}
	if f.secret {
		f.stage = passing
	}
}

// Dissect implements [protocols.Dissector].
func (c *conversation) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	f := &c.sides[m.From]
	if f.stage == inData && len(m.Bytes) <= f.left {
		if f.left -= len(m.Bytes); f.left == 0 {
			f.stage = atRecord
		}
		c.depth = protocols.DepthEncrypted
		return dst, nil
	}
	if f.stage == passing || f.stage == afterGap && probe(protocols.TransportTCP, m.Bytes) == protocols.No {
		c.depth = protocols.DepthRecognised
		if f.secret {
			c.depth = protocols.DepthEncrypted
		}
		return dst, nil
	}
	n := handshake.RecordLength(m.Bytes)
	switch {
	case n > 0 && m.Bytes[0] == handshake.ApplicationData && len(m.Bytes) <= n:
		return c.data(dst, m, f, n), nil
	case n <= 0 || n != len(m.Bytes):
		f.stage, c.depth = passing, protocols.DepthRecognised
		return dst, fmt.Errorf("tls: %w: record begins % x", protocols.ErrMalformed, m.Bytes[:min(len(m.Bytes), 1)])
	}
	f.stage = atRecord
	return c.record(dst, m, f)
}

// data takes the beginning of a record of application data.
func (c *conversation) data(dst []protocols.Event, m protocols.Message, f *flow, size int) []protocols.Event {
	c.depth, f.secret = protocols.DepthEncrypted, true
	if f.left = size - len(m.Bytes); f.left > 0 {
		f.stage = inData
	} else {
		f.stage = atRecord
	}
	if f.spoken {
		return dst
	}
	f.spoken = true // who joins late learns at least that it is encrypted
	return append(dst, protocols.Event{
		From: m.From, Action: protocols.ActionConnect, Message: "Application Data",
		Security: &protocols.Security{Mode: "tls", Encrypted: true},
	})
}

// record takes a record of another content. Messages that tell nothing give no event.
func (c *conversation) record(dst []protocols.Event, m protocols.Message, f *flow) ([]protocols.Event, error) {
	f.secret = f.secret || m.Bytes[0] == handshake.ChangeCipherSpec
	report := c.session.Read(m.From, m.Bytes, true)
	c.depth = protocols.DepthDecoded
	if report.Security.Encrypted {
		c.depth = protocols.DepthEncrypted
	}
	if told := report.Detail; told != nil {
		e := protocols.Event{
			From: m.From, Action: protocols.ActionConnect, Outcome: report.Outcome, Message: report.Message,
			Facts: append(report.Facts, c.names(m.From, told)...), Security: report.Security,
		}
		if m.Detail {
			e.Detail = detail(told, m.Time)
		}
		f.spoken = true
		dst = append(dst, e)
	}
	if report.Err != nil {
		return dst, fmt.Errorf("tls: %w: %w", protocols.ErrMalformed, report.Err)
	}
	return dst, nil
}

// names gives what the ends are called.
func (c *conversation) names(from protocols.Side, told *handshake.Detail) []protocols.Fact {
	if from == protocols.Client && told.ServerName != "" {
		c.name = hostName(told.ServerName)
	}
	var facts []protocols.Fact
	if from == protocols.Server && told.Version != "" && c.name != "" {
		facts = append(facts, nameplate.Name(protocols.Fact{About: protocols.Server}, c.name, asked))
		c.name = ""
	}
	if told.Certificate == nil {
		return facts
	}
	names := told.Certificate.DNSNames
	if len(names) == 0 {
		names = []string{commonName(told.Certificate.Subject)}
	}
	if len(names) > fewNames {
		return facts
	}
	for _, name := range names {
		if name = hostName(name); strings.Contains(name, ".") {
			facts = append(facts, nameplate.Name(protocols.Fact{About: from}, name, certified))
		}
	}
	return facts
}

// commonName gives the common name of a subject in the form of RFC 2253.
func commonName(subject string) string {
	for part := range strings.SplitSeq(subject, ",") {
		if name, ok := strings.CutPrefix(part, "CN="); ok {
			return name
		}
	}
	return ""
}

// hostName gives a name in lower case; empty where it is an address, a wildcard, or no name that a host has.
func hostName(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(name); err == nil || !strings.ContainsAny(name, "abcdefghijklmnopqrstuvwxyz") || name == "localhost" {
		return ""
	}
	for _, x := range name {
		if (x < 'a' || x > 'z') && (x < '0' || x > '9') && x != '-' && x != '.' && x != '_' {
			return ""
		}
	}
	return name
}

// detail judges a certificate by the time of the packet, as far as that is known.
func detail(told *handshake.Detail, at time.Time) *Detail {
	d := &Detail{Detail: told}
	if cert := told.Certificate; cert != nil {
		d.SelfSigned = cert.Subject != "" && cert.Subject == cert.Issuer
		if !at.IsZero() && !cert.NotAfter.IsZero() {
			d.Expired, d.NotYetValid = at.After(cert.NotAfter), at.Before(cert.NotBefore)
		}
	}
	return d
}
