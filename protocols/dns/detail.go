package dns

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
)

// Detail is the detail field of a dissect record, under the names of RFC 1035.
type Detail struct {
	ID                 uint16     `json:"id"`
	Opcode             uint8      `json:"opcode"`
	Rcode              *uint8     `json:"rcode,omitempty"`
	Authoritative      bool       `json:"authoritative,omitempty"`
	Truncated          bool       `json:"truncated,omitempty"`
	RecursionDesired   bool       `json:"recursion_desired,omitempty"`
	RecursionAvailable bool       `json:"recursion_available,omitempty"`
	Questions          []Question `json:"questions,omitempty"`
	Answers            []Record   `json:"answers,omitempty"`
	Authorities        []Record   `json:"authorities,omitempty"`
	Additional         []Record   `json:"additional,omitempty"`
}

// Question is what is asked for.
type Question struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Class uint16 `json:"class"`
}

// Record is a resource record.
type Record struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Class uint16 `json:"class"`
	TTL   uint32 `json:"ttl"`
	Data  string `json:"data,omitempty"` // text where the type is known, else hexadecimal
}

var types = map[uint16]string{
	typeA: "A", 2: "NS", typeCNAME: "CNAME", 6: "SOA", typePTR: "PTR", typeHINFO: "HINFO", 15: "MX", typeTXT: "TXT",
	typeAAAA: "AAAA", typeSRV: "SRV", 35: "NAPTR", typeOPT: "OPT", 43: "DS", 46: "RRSIG", 47: "NSEC", 48: "DNSKEY",
	50: "NSEC3", 64: "SVCB", 65: "HTTPS", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY",
}

// typeName gives the mnemonic, or the form of RFC 3597 §5.
func typeName(t uint16) string {
	if s := types[t]; s != "" {
		return s
	}
	return fmt.Sprintf("TYPE%d", t)
}

// detail reads what is readable of the message.
func (p *reader) detail() *Detail {
	d := &Detail{
		ID: p.id, Opcode: p.opcode(), Authoritative: p.flags&flagAnswer != 0, Truncated: p.flags&flagTruncated != 0,
		RecursionDesired: p.flags&flagDesired != 0, RecursionAvailable: p.flags&flagAvailable != 0,
	}
	if p.response() {
		rcode := p.rcode()
		d.Rcode = &rcode
	}
	for p.next() {
		r := &p.r
		if r.section == question {
			d.Questions = append(d.Questions, Question{string(r.name.bytes()), typeName(r.kind), r.class})
			continue
		}
		list := [...]*[]Record{answer: &d.Answers, authority: &d.Authorities, additional: &d.Additional}[r.section]
		*list = append(*list, Record{string(r.name.bytes()), typeName(r.kind), r.class, r.ttl, p.shown()})
	}
	return d
}

const maxShown = 64 // bytes of data of types that are not read

// shown gives the data of the record in hand as text.
func (p *reader) shown() string {
	r := &p.r
	var target name
	switch r.kind {
	case typeA, typeAAAA:
		if a, ok := netip.AddrFromSlice(r.data); ok {
			return a.String()
		}
	case 2, typeCNAME, typePTR:
		if p.target(&target, 0) {
			return string(target.bytes())
		}
	case 15:
		if len(r.data) > 2 && p.target(&target, 2) {
			return fmt.Sprintf("%d %s", binary.BigEndian.Uint16(r.data), target.bytes())
		}
	case typeSRV:
		if len(r.data) > 6 && p.target(&target, 6) {
			return fmt.Sprintf("%d %d %d %s", binary.BigEndian.Uint16(r.data), binary.BigEndian.Uint16(r.data[2:]),
				binary.BigEndian.Uint16(r.data[4:]), target.bytes())
		}
	case typeTXT, typeHINFO:
		var entries []string
		for data := r.data; len(data) > 0; {
			n := min(int(data[0]), len(data)-1)
			entries = append(entries, string(data[1:1+n]))
			data = data[1+n:]
		}
		return strings.Join(entries, "; ")
	}
	return hex.EncodeToString(r.data[:min(len(r.data), maxShown)])
}
