package handshake

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// maxNames is how many alternative names of a certificate are kept.
const maxNames = 16

// Certificate is what a certificate says; nothing of it is verified.
type Certificate struct {
	Subject   string    `json:"subject,omitempty"` // RFC 2253 form, at most 256 bytes
	Issuer    string    `json:"issuer,omitempty"`
	Serial    string    `json:"serial,omitempty"` // hexadecimal
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	DNSNames  []string  `json:"dns_names,omitempty"`
	Addresses []string  `json:"ip_addresses,omitempty"`
	SHA1      string    `json:"sha1"` // of the whole certificate, hexadecimal
	SHA256    string    `json:"sha256"`
	// Refused is why the certificate breaks its specification (RFC 5280); what could be read of it is told.
	Refused string `json:"refused,omitempty"`
}

// ParseCertificates reads the body of a Certificate message of TLS 1.0 to 1.2 (RFC 5246 §7.4.2). It gives the sender's
// own certificate, borrowed, and how many there are with those that vouch for it.
func ParseCertificates(body []byte) (leaf []byte, count int, err error) {
	r := wire.New(body)
	list := r.Bytes(int(r.U24()))
	if r.Failed() {
		return nil, 0, fmt.Errorf("handshake: %w: certificates in %d bytes", ErrMalformed, len(body))
	}
	for r = wire.New(list); r.Len() > 0; {
		der := r.Bytes(int(r.U24()))
		if r.Failed() {
			break
		}
		if count == 0 {
			leaf = der
		}
		count++
	}
	if r.Failed() {
		return nil, 0, fmt.Errorf("handshake: %w: certificates in %d bytes", ErrMalformed, len(body))
	}
	return leaf, count, nil
}

// ReadCertificate reads a certificate (RFC 5280 §4.1). One that the standard library refuses is read as far as it goes:
// devices in plants have certificates with negative serial numbers, odd strings and broken extensions.
func ReadCertificate(der []byte) *Certificate {
	s1, s256 := sha1.Sum(der), sha256.Sum256(der)
	c := &Certificate{SHA1: hex.EncodeToString(s1[:]), SHA256: hex.EncodeToString(s256[:])}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		c.Refused = err.Error()
		c.lenient(der)
		return c
	}
	c.name(parsed.Subject, parsed.Issuer)
	c.NotBefore, c.NotAfter = parsed.NotBefore, parsed.NotAfter
	c.Serial = parsed.SerialNumber.Text(16)
	for _, name := range parsed.DNSNames[:min(len(parsed.DNSNames), maxNames)] {
		c.DNSNames = append(c.DNSNames, clipText(name))
	}
	for _, ip := range parsed.IPAddresses[:min(len(parsed.IPAddresses), maxNames)] {
		c.Addresses = append(c.Addresses, ip.String())
	}
	return c
}

func (c *Certificate) name(subject, issuer pkix.Name) {
	c.Subject, c.Issuer = clipText(subject.String()), clipText(issuer.String())
}

// lenient reads the fields up to the subject one after the other, and gives up at the first that is not there.
func (c *Certificate) lenient(der []byte) {
	var outer, body, field asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		return
	}
	if _, err := asn1.Unmarshal(outer.Bytes, &body); err != nil {
		return
	}
	rest, err := asn1.Unmarshal(body.Bytes, &field)
	if err == nil && field.Class == asn1.ClassContextSpecific { // the version, where it is told
		rest, err = asn1.Unmarshal(rest, &field)
	}
	if err != nil || field.Tag != asn1.TagInteger {
		return
	}
	c.Serial = new(big.Int).SetBytes(field.Bytes[:min(len(field.Bytes), maxText)]).Text(16)
	var issuer, subject pkix.RDNSequence
	if rest, err = asn1.Unmarshal(rest, &field); err != nil { // the algorithm
		return
	}
	if rest, err = asn1.Unmarshal(rest, &field); err != nil {
		return
	}
	_, _ = asn1.Unmarshal(field.FullBytes, &issuer)
	if rest, err = asn1.Unmarshal(rest, &field); err != nil {
		return
	}
	var validity struct{ NotBefore, NotAfter time.Time }
	if _, err := asn1.Unmarshal(field.FullBytes, &validity); err == nil {
		c.NotBefore, c.NotAfter = validity.NotBefore, validity.NotAfter
	}
	if _, err = asn1.Unmarshal(rest, &field); err != nil {
		return
	}
	_, _ = asn1.Unmarshal(field.FullBytes, &subject)
	c.Subject, c.Issuer = clipText(subject.String()), clipText(issuer.String())
}

// Facts appends what a certificate tells of the device that presents it.
func (c *Certificate) Facts(dst []protocols.Fact, about protocols.Side) []protocols.Fact {
	if c.Subject != "" {
		dst = append(dst, protocols.Fact{About: about, Key: protocols.FactCertificate, Value: c.Subject})
	}
	if c.Issuer != "" {
		dst = append(dst, protocols.Fact{About: about, Key: protocols.FactIssuer, Value: c.Issuer})
	}
	return dst
}

func clipText(s string) string { return strings.ToValidUTF8(s[:min(len(s), maxText)], "") }
