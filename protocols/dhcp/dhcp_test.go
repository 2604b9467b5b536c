package dhcp

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func names() []string {
	all := []string{"Boot Reply"}
	for _, k := range kinds {
		all = append(all, k.name)
	}
	return all
}

func TestConformance(t *testing.T) { protocoltest.Run(t, Spec, "testdata", names()...) }

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }

func request(xid byte, name string) []byte {
	b := make([]byte, fixed, 300)
	b[0], b[1], b[2], b[7] = opRequest, 1, 6, xid
	copy(b[12:], []byte{10, 0, 0, 5})
	b = append(b, 0x63, 0x82, 0x53, 0x63, optMessageType, 1, typeRequest, optHostName, byte(len(name)))
	return append(append(b, name...), optEnd)
}

func ack(xid byte) []byte {
	b := request(xid, "")
	b[0], b[fixed+6] = opReply, typeACK
	return b
}

// Requests that nobody answers are forgotten, the oldest first; the others find their acknowledgement.
func TestRequestsArePairedByTransaction(t *testing.T) {
	d := &dissector{}
	for xid := range byte(3 * maxAsked) {
		if _, err := d.Dissect(nil, protocols.Message{Bytes: request(xid, fmt.Sprint("host-", xid))}); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.asked) != maxAsked {
		t.Errorf("%d requests are remembered, want %d", len(d.asked), maxAsked)
	}
	for xid, want := range map[byte]string{0: "", 2*maxAsked - 1: "", 2 * maxAsked: "host-32", 3*maxAsked - 1: "host-47"} {
		events, err := d.Dissect(nil, protocols.Message{From: protocols.Server, Bytes: ack(xid)})
		if err != nil || len(events) != 1 {
			t.Fatalf("%d events, %v", len(events), err)
		}
		got := ""
		for _, f := range events[0].Facts {
			if f.Key == protocols.FactName && f.Addr == netip.AddrFrom4([4]byte{10, 0, 0, 5}) {
				got = f.Value
			}
		}
		if got != want {
			t.Errorf("transaction %d: the acknowledged host is %q, want %q", xid, got, want)
		}
	}
}

func TestProbe(t *testing.T) {
	whole := request(1, "x")
	for name, c := range map[string]struct {
		bytes []byte
		want  protocols.Match
	}{
		"request":             {whole, protocols.YesClient},
		"reply":               {ack(1), protocols.YesServer},
		"no cookie":           {whole[:fixed+3], protocols.No},
		"another operation":   {append([]byte{3}, whole[1:]...), protocols.No},
		"address of 17 bytes": {append([]byte{1, 1, 17}, whole[3:]...), protocols.No},
	} {
		if got := Spec.Probe(protocols.TransportUDP, c.bytes); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
