package opcua

import (
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// maxCertificate is how many bytes of a certificate, or of a chain of them, are read.
const maxCertificate = 16 << 10

// certificate tells what an application's certificate says (Part 6, 6.2.2). It is parsed when it is first seen, and
// where somebody asked for details.
func (d *conversation) certificate(side protocols.Side, chain []byte) {
	if len(chain) == 0 || len(chain) > maxCertificate {
		return
	}
	if d.detail == nil && !d.disclosed.add(hash(hashSeed+uint64(side), chain)) {
		return
	}
	about, der := subject{side: side}, first(chain)
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return // metadata that cannot be read tells nothing; the message itself is sound
	}
	name, hosts := distinguished(certificate.Subject)
	issuer, _ := distinguished(certificate.Issuer)
	d.tell(about, protocols.FactApplication, []byte(certificate.Subject.CommonName), 60)
	for _, host := range append(certificate.DNSNames, hosts...) {
		if !strings.EqualFold(host, "localhost") {
			d.tell(about, protocols.FactName, []byte(host), 60)
			break
		}
	}
	d.tell(about, protocols.FactCertificate, []byte(name), 0)
	d.tell(about, protocols.FactIssuer, []byte(issuer), 0)
	if d.detail == nil || len(d.detail.Certificates) >= maxElements {
		return
	}
	thumbprint := sha1.Sum(der)
	d.detail.Certificates = append(d.detail.Certificates, Certificate{
		Subject: text([]byte(name)), Issuer: text([]byte(issuer)),
		NotBefore: certificate.NotBefore.UTC(), NotAfter: certificate.NotAfter.UTC(),
		Thumbprint: hex.EncodeToString(thumbprint[:]),
	})
}

// domainComponent is the attribute in which the makers of OPC UA certificates put the host's name.
var domainComponent = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}

// distinguished writes a name for people, with the hosts in it as DC, and gives those as well.
func distinguished(n pkix.Name) (name string, hosts []string) {
	var others []pkix.AttributeTypeAndValue
	for _, a := range n.Names {
		if host, ok := a.Value.(string); ok && a.Type.Equal(domainComponent) {
			hosts = append(hosts, host)
		} else {
			others = append(others, a)
		}
	}
	n.Names = others
	name = n.String()
	for _, host := range hosts {
		name = strings.TrimPrefix(name+",DC="+host, ",")
	}
	return name, hosts
}

// first gives the first certificate of a chain: a DER sequence, whose long-form length has two bytes in practice.
func first(chain []byte) []byte {
	if len(chain) < 4 || chain[0] != 0x30 || chain[1] != 0x82 {
		return chain
	}
	return chain[:min(len(chain), 4+int(binary.BigEndian.Uint16(chain[2:])))]
}
