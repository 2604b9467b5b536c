package recognised

import (
	"encoding/binary"

	"github.com/spanwatch/spanwatch/protocols"
)

var messaging = []protocol{
	{name: "mqtt", title: "MQTT", tcp: []uint16{1883}, look: lookMQTT, facts: factsMQTT},
	{name: "amqp", title: "AMQP", tcp: []uint16{5672}, look: lookAMQP},
}

// lookMQTT wants a CONNECT with the name of the protocol and its level (MQTT 5.0, 3.1; 3.1.1, 3.1).
func lookMQTT(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if !h.is(0, 0x10) {
		return no()
	}
	i := 1
	for ; i < 5 && i < len(h) && h[i]&0x80 != 0; i++ { // remaining length: seven bits an octet, at most four octets
	}
	if i == 5 {
		return no()
	}
	i++
	switch {
	case len(h) < i+3:
		if h.text(i, "\x00\x04M") || h.text(i, "\x00\x06M") {
			return more()
		}
	case h.text(i, "\x00\x04MQTT") && h.within(i+6, 3, 5):
		return h.enough(i+7, protocols.YesClient, "CONNECT")
	case h.text(i, "\x00\x06MQIsdp") && h.masked(i+8, 0x7f, 3):
		return h.enough(i+9, protocols.YesClient, "CONNECT")
	}
	return no()
}

// Flags of a CONNECT (MQTT 5.0, 3.1.2.3).
const (
	mqttWill = 0x04
	mqttUser = 0x80
)

// factsMQTT reads the client's identifier, which names its software or what it is there for, and the user (MQTT 5.0,
// 3.1.3; 3.1.1, 3.1.3). The password behind it is not looked at.
func factsMQTT(from protocols.Side, b []byte) (facts []protocols.Fact, more bool) {
	p := pieces{b: b[1:]}
	size := p.number()
	if whole := len(p.b) >= size; !whole && len(b) < holdLimit {
		return nil, true
	}
	p.text() // the protocol's name
	header := p.take(4)
	if p.short {
		return nil, false
	}
	level, flags := header[0]&0x7f, header[1]
	const five = 5
	if level == five {
		p.take(p.number())
	}
	if client := printable(p.text()); client != "" {
		facts = append(facts, protocols.Fact{About: from, Key: protocols.FactApplication, Value: client, Confidence: claimed})
	}
	if flags&mqttWill != 0 {
		if level == five {
			p.take(p.number())
		}
		p.text()
		p.text()
	}
	if flags&mqttUser == 0 {
		return facts, false
	}
	if user := printable(p.text()); user != "" {
		facts = append(facts, protocols.Fact{About: from, Key: protocols.FactUser, Value: user})
	}
	return facts, false
}

// pieces takes one field after the other, and nothing more once one was not there.
type pieces struct {
	b     []byte
	short bool
}

func (p *pieces) take(n int) []byte {
	if p.short || n < 0 || n > len(p.b) {
		p.short, p.b = true, nil
		return nil
	}
	field := p.b[:n]
	p.b = p.b[n:]
	return field
}

// text takes a field behind its length of two octets.
func (p *pieces) text() []byte {
	size := p.take(2)
	if p.short {
		return nil
	}
	return p.take(int(binary.BigEndian.Uint16(size)))
}

// number takes a number of seven bits an octet, at most four octets (MQTT 5.0, 1.5.5).
func (p *pieces) number() (n int) {
	for shift := 0; shift < 28; shift += 7 {
		octet := p.take(1)
		if p.short {
			return 0
		}
		n |= int(octet[0]&0x7f) << shift
		if octet[0]&0x80 == 0 {
			return n
		}
	}
	p.short = true
	return 0
}

// lookAMQP wants a protocol header: of AMQP 1.0 (2.2), which both sides send, or of 0-9-1 (4.2.2), the client's.
func lookAMQP(_ protocols.Transport, b []byte) (protocols.Match, string) {
	h := head(b)
	if !h.text(0, "AMQP") || !h.within(4, 0, 3) || !h.within(5, 0, 1) || !h.within(6, 0, 9) || !h.within(7, 0, 10) {
		return no()
	}
	if len(b) < 8 {
		return more()
	}
	if b[5] == 1 {
		return protocols.Yes, "Protocol Header"
	}
	return protocols.YesClient, "Protocol Header"
}
