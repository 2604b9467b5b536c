package pipeline

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/protocols"
)

// toy is a protocol made for these tests: 'T', then 'Q' (request) or 'R' (response), a length of two bytes, and as many
// bytes of text. A text that begins with '!' is malformed.
var toy = protocols.Spec{
	Name: "toy", TCP: []uint16{700}, UDP: []uint16{700},
	Probe: func(_ protocols.Transport, b []byte) protocols.Match {
		switch {
		case len(b) > 0 && b[0] != 'T', len(b) > 1 && b[1] != 'Q' && b[1] != 'R':
			return protocols.No
		case len(b) < 4:
			return protocols.More
		case b[1] == 'Q':
			return protocols.YesClient
		default:
			return protocols.YesServer
		}
	},
	Length: func(b []byte) int {
		switch {
		case b[0] != 'T':
			return -1
		case len(b) < 4:
			return 0
		case b[1] == 'X': // a message whose length is in units of 64 KiB
			return int(binary.BigEndian.Uint16(b[2:])) << 16
		default:
			return 4 + int(binary.BigEndian.Uint16(b[2:]))
		}
	},
	New: func() protocols.Dissector { return new(toyDissector) },
}

type toyDissector struct {
	gaps int
	open int // requests without an answer yet
	gone uint64
}

func (d *toyDissector) Dissect(dst []protocols.Event, m protocols.Message) ([]protocols.Event, error) {
	if len(m.Bytes) < 4 || int(binary.BigEndian.Uint16(m.Bytes[2:]))+4 != len(m.Bytes) {
		return dst, fmt.Errorf("toy: %w: length", protocols.ErrMalformed)
	}
	if m.Bytes[1] == 'Q' {
		d.open++
	} else if d.open > 0 {
		d.gone += uint64(d.open - 1) // the newest is answered, the others were passed over
		d.open = 0
	}
	body := m.Bytes[4:]
	if len(body) > 0 && body[0] == '!' {
		return dst, fmt.Errorf("toy: %w: forbidden text", protocols.ErrMalformed)
	}
	return append(dst, protocols.Event{
		From: m.From, Action: protocols.ActionRead, Message: string(body),
		Values: protocols.Values{Type: protocols.ValueText, Raw: body},
	}), nil
}

func (d *toyDissector) Gap(protocols.Side) { d.gaps++ }

// Unanswered implements protocols.Asker.
func (d *toyDissector) Unanswered(ended bool) uint64 {
	n := d.gone
	if d.gone = 0; ended {
		n += uint64(d.open)
		d.open = 0
	}
	return n
}

func request(text string) []byte  { return toyMessage('Q', text) }
func response(text string) []byte { return toyMessage('R', text) }

func toyMessage(kind byte, text string) []byte {
	return append([]byte{'T', kind, byte(len(text) >> 8), byte(len(text))}, text...)
}

// host is one end of a conversation in these tests.
type host struct {
	mac  byte
	ip   [4]byte
	port uint16
}

var (
	hmi = host{1, [4]byte{10, 0, 0, 5}, 49152}
	plc = host{2, [4]byte{10, 0, 0, 9}, 700}
)

// wire makes frames, and is the capture.Source that delivers them.
type wire struct {
	t       testing.TB
	frames  []capture.Frame
	late    int // milliseconds that passed beside one a frame
	seq     map[[2]host]uint32
	next    int
	damage  error
	packets int // IP packets made, fragmented or not
}

func newWire(t testing.TB) *wire { return &wire{t: t, seq: make(map[[2]host]uint32)} }

// tcp adds a segment with the sender's next bytes.
func (w *wire) tcp(from, to host, payload []byte) {
	w.segment(from, to, w.seq[[2]host{from, to}], payload, false)
	w.seq[[2]host{from, to}] += uint32(len(payload))
}

// lose lets the sender send bytes that the capture never sees.
func (w *wire) lose(from, to host, n int) { w.seq[[2]host{from, to}] += uint32(n) }

func (w *wire) segment(from, to host, seq uint32, payload []byte, syn bool) {
	w.add(from, to, &layers.TCP{
		SrcPort: layers.TCPPort(from.port), DstPort: layers.TCPPort(to.port), Seq: 1000 + seq,
		Ack: 1000 + w.seq[[2]host{to, from}], ACK: !syn, SYN: syn, PSH: len(payload) > 0, Window: 8192,
	}, layers.IPProtocolTCP, payload)
}

func (w *wire) syn(from, to host) {
	w.segment(from, to, ^uint32(0), nil, true)
}

func (w *wire) udp(from, to host, payload []byte) {
	w.add(from, to, &layers.UDP{SrcPort: layers.UDPPort(from.port), DstPort: layers.UDPPort(to.port)}, layers.IPProtocolUDP, payload)
}

func (w *wire) add(from, to host, transport gopacket.SerializableLayer, proto layers.IPProtocol, payload []byte) {
	buffer := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true},
		&layers.Ethernet{SrcMAC: mac(from), DstMAC: mac(to), EthernetType: layers.EthernetTypeIPv4},
		&layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: from.ip[:], DstIP: to.ip[:]},
		transport, gopacket.Payload(payload))
	if err != nil {
		w.t.Fatal(err)
	}
	n := uint64(len(w.frames) + 1)
	w.frames = append(w.frames, capture.Frame{
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(int(n)+w.late) * time.Millisecond),
		Data: buffer.Bytes(), WireLength: len(buffer.Bytes()), Link: capture.LinkEthernet, Number: n,
	})
}

func mac(h host) net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, h.mac} }

// Next implements capture.Source.
func (w *wire) Next(f *capture.Frame) error {
	if w.next == len(w.frames) {
		if err := w.damage; err != nil {
			w.damage = nil
			return err
		}
		return io.EOF
	}
	*f = w.frames[w.next]
	w.next++
	return nil
}

// Close implements capture.Source.
func (w *wire) Close() error { return nil }
