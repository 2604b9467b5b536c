package recognised

import "github.com/spanwatch/spanwatch/protocols"

var messaging = []protocol{
	{name: "mqtt", title: "MQTT", tcp: []uint16{1883}, look: lookMQTT},
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
