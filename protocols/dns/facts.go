package dns

import (
	"bytes"
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

const (
	maxFacts = 32 // of one message: a host has a few addresses

	answered  = 60 // a name server tells what somebody entered
	announced = 90 // the host answers for its own name
	described = 70 // the model in a service's description
)

// facts walks the message and gives what its answers tell. An error means that it is not whole.
func (p *reader) facts(from protocols.Side, label string) ([]protocols.Fact, error) {
	var facts []protocols.Fact
	addresses := 0
	for p.next() {
		r := &p.r
		if !p.response() || p.rcode() != 0 || r.class&classMask != classIN || len(facts) >= maxFacts {
			continue
		}
		if r.section != answer && (label != labelMDNS || r.section != additional) {
			continue
		}
		switch r.kind {
		case typeA, typeAAAA:
			if r.kind == typeA {
				addresses++
			}
			if a, ok := netip.AddrFromSlice(r.data); ok && tells(a) {
				facts = named(facts, a, r.name.host(a), label)
			}
		case typePTR:
			var target name
			if a := r.name.address(); tells(a) && p.target(&target, 0) {
				facts = named(facts, a, target.host(a), label)
			}
		case typeTXT:
			if label == labelMDNS {
				facts = appendText(facts, from, r.data)
			}
		case typeHINFO:
			if label == labelMDNS {
				facts = appendHost(facts, from, r.data)
			}
		}
	}
	switch {
	case p.c.Failed():
		return nil, malformed("record %d of section %d reaches over the end or has no name", p.counts[p.section]-p.left, p.section)
	case p.c.Len() > 0:
		return nil, malformed("%d bytes behind the last record", p.c.Len())
	case label == labelDNS && addresses > 1:
		return nil, nil // a name of many addresses is a service's
	}
	return facts, nil
}

// tells reports whether an address can be that of one host on the network.
func tells(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast()
}

func named(facts []protocols.Fact, a netip.Addr, host, label string) []protocols.Fact {
	if host == "" {
		return facts
	}
	f := protocols.Fact{Addr: a, Key: protocols.FactName, Value: host, Confidence: announced}
	if label == labelDNS {
		f.Value, f.Confidence = strings.ToLower(host), answered // resolvers play with the case of what they ask
	}
	if strings.Contains(host, ".") {
		f.Key = protocols.FactFQDN
	}
	return append(facts, f)
}

// described are the keys of service descriptions that name the device (RFC 6763 §6; Apple's and printers' practice).
var descriptions = []struct {
	key  string
	fact protocols.FactKey
}{
	{"model=", protocols.FactModel}, {"md=", protocols.FactModel}, {"ty=", protocols.FactModel},
	{"manufacturer=", protocols.FactVendor}, {"usb_MFG=", protocols.FactVendor}, {"vendor=", protocols.FactVendor},
}

// appendText reads the strings of a TXT record.
func appendText(facts []protocols.Fact, from protocols.Side, data []byte) []protocols.Fact {
	for len(data) > 0 && len(facts) < maxFacts {
		n := min(int(data[0]), len(data)-1)
		entry := data[1 : 1+n]
		data = data[1+n:]
		for _, d := range descriptions {
			if value, ok := bytes.CutPrefix(entry, []byte(d.key)); ok && len(value) > 0 {
				facts = append(facts, protocols.Fact{About: from, Key: d.fact, Value: string(value), Confidence: described})
			}
		}
	}
	return facts
}

// appendHost reads a HINFO record: CPU and operating system (RFC 1035 §3.3.2).
func appendHost(facts []protocols.Fact, from protocols.Side, data []byte) []protocols.Fact {
	if len(data) == 0 || int(data[0])+1 >= len(data) {
		return facts
	}
	data = data[1+int(data[0]):]
	if os := data[1 : 1+min(int(data[0]), len(data)-1)]; len(os) > 0 {
		facts = append(facts, protocols.Fact{About: from, Key: protocols.FactOS, Value: string(os), Confidence: described})
	}
	return facts
}
