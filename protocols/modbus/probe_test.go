package modbus

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A probe that is easily content logs every conversation on port 502 as Modbus; one that is content with known
// functions only is silenced by a first request that is none.
func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		tcp   protocols.Match
		udp   protocols.Match
	}{
		{"nothing yet", "", protocols.More, protocols.No},
		{"half a header", "0001 0000", protocols.More, protocols.No},
		{"read request", "0001 0000 0006 01 03 0000 000a", protocols.YesClient, protocols.YesClient},
		{"read request, half", "0001 0000 0006 01 03 0000", protocols.More, protocols.No},
		{"read answer as long as a request is not", "0001 0000 0007 01 03 04 00010002", protocols.YesServer, protocols.YesServer},
		{"read coils: request, or answer of three bytes", "0001 0000 0006 01 01 03 00 0001", protocols.Yes, protocols.Yes},
		{"read coils: address 4, so no answer", "0001 0000 0006 01 01 0400 0001", protocols.YesClient, protocols.YesClient},
		{"read coils: quantity 0, so no request", "0001 0000 0006 01 01 03 ff0000", protocols.YesServer, protocols.YesServer},
		{"read coils: neither", "0001 0000 0006 01 01 04 000000", protocols.More, protocols.No},
		{"neither, then a request", "0001 0000 0006 01 01 04 000000 0002 0000 0006 01 03 0000 0001", protocols.YesClient, protocols.No},
		{"neither, then a request to another unit", "0001 0000 0006 01 01 04 000000 0002 0000 0006 02 03 0000 0001", protocols.YesClient, protocols.No},
		{"neither, twice", "0001 0000 0006 01 01 04 000000 0001 0000 0006 01 02 04 000000", protocols.No, protocols.No},
		{"an echo has no direction", "0001 0000 0006 01 06 0001 0003", protocols.Yes, protocols.Yes},
		{"an echo, then an answer", "0001 0000 0006 01 06 0001 0003 0002 0000 0005 01 03 02 0001", protocols.YesServer, protocols.No},
		{"two requests", "0001 0000 0006 01 03 0000 000a 0002 0000 0006 01 03 0000 000a", protocols.YesClient, protocols.No},
		{"a request, then something else", "0001 0000 0006 01 03 0000 000a 474554202f20", protocols.No, protocols.No},
		{"exception", "0001 0000 0003 01 83 02", protocols.YesServer, protocols.YesServer},
		{"exception with a zero behind it", "0001 0000 0004 0a 81 06 00", protocols.YesServer, protocols.YesServer},
		{"exception with something behind it", "0001 0000 0004 0a 81 06 07", protocols.More, protocols.No},
		{"exception code 0", "0001 0000 0003 01 83 00", protocols.More, protocols.No},
		{"exception code 200", "0001 0000 0003 01 83 c8", protocols.More, protocols.No},
		{"function 0 alone", "0000 0000 0006 01 00 00000000", protocols.More, protocols.No},
		{"function 0, then a request", "0000 0000 0006 01 00 00000000 0000 0000 0006 01 03 0000 0001", protocols.YesClient, protocols.No},
		{"function 0, then function 9", "0000 0000 0006 01 00 00000000 0000 0000 0006 01 09 00000000", protocols.Yes, protocols.No},
		{"function 0, then function 9 of another unit", "0000 0000 0006 01 00 00000000 0000 0000 0006 02 09 00000000", protocols.No, protocols.No},
		{"function 0, then function 9 much later", "0000 0000 0006 01 00 00000000 0100 0000 0006 01 09 00000000", protocols.No, protocols.No},
		{"function 0 twice", "0000 0000 0006 01 00 00000000 0000 0000 0006 01 00 00000000", protocols.No, protocols.No},
		{"a padded request", "0001 0000 0006 0a 2b 0e 03 01 00", protocols.More, protocols.No},
		{"a padded request, twice", "0001 0000 0006 0a 2b 0e 03 01 00 0001 0000 0006 0a 2b 0e 03 01 00", protocols.Yes, protocols.No},
		{"a padded request and one of another unit", "0001 0000 0006 0a 2b 0e 03 01 00 0001 0000 0006 0b 2b 0e 03 01 00", protocols.No, protocols.No},
		{"ldap bind answer", "3084 0000 0010 02 01 01 61 84 00000007 0a0100 0400 0400", protocols.No, protocols.No},
		{"ldap abandon: a perfect request but for the transaction", "3084 0000 0006 02 01 05 50 01 04", protocols.No, protocols.No},
		{"the same with another transaction", "3085 0000 0006 02 01 05 50 01 04", protocols.YesClient, protocols.YesClient},
		{"elasticsearch handshake, twice", "4553 0000 0006 00 00 00000001 4553 0000 0006 00 00 00000001", protocols.No, protocols.No},
		{"function 0, then something else", "0000 0000 0006 01 00 00000000 ffff ffff ffff", protocols.No, protocols.No},
		{"protocol identifier", "0001 0001 0006 01 03 0000 000a", protocols.No, protocols.No},
		{"length 1", "0001 0000 0001 01", protocols.No, protocols.No},
		{"length of no function but UMAS", "0001 0000 0300 01 03", protocols.No, protocols.No},
		{"UMAS is longer", "0001 0000 0300 01 5a", protocols.More, protocols.No},
		{"UMAS request", "0001 0000 0004 00 5a 00 02", protocols.YesClient, protocols.YesClient},
		{"UMAS answer", "0001 0000 0004 00 5a 01 fe", protocols.YesServer, protocols.YesServer},
		{"UMAS function nobody knows", "0001 0000 0004 00 5a 01 77", protocols.More, protocols.No},
		{"device identification", "0001 0000 0005 01 2b 0e 01 00", protocols.YesClient, protocols.YesClient},
		{"interface nobody knows", "0001 0000 0005 01 2b 99 01 00", protocols.More, protocols.No},
		{"write request", "0001 0000 0009 01 10 0000 0001 02 0007", protocols.YesClient, protocols.YesClient},
		{"write answer", "0001 0000 0006 01 10 0000 0001", protocols.YesServer, protocols.YesServer},
	} {
		b := unhex(t, c.bytes)
		if m := probe(protocols.TransportTCP, b); m != c.tcp {
			t.Errorf("%s over tcp: %v, want %v", c.name, m, c.tcp)
		}
		if m := probe(protocols.TransportUDP, b); m != c.udp {
			t.Errorf("%s over udp: %v, want %v", c.name, m, c.udp)
		}
	}
}

// Framing must survive what the probe would refuse: only a length that no message has ends it.
func TestLength(t *testing.T) {
	for name, c := range map[string]struct {
		bytes string
		want  int
	}{
		"five bytes":                    {"0001 0000 00", 0},
		"a request":                     {"0001 0000 0006", 12},
		"another protocol identifier":   {"0001 0007 0006", 12},
		"unit alone":                    {"0001 0000 0001", 7},
		"longest UMAS":                  {"0001 0000 03fe", 1028},
		"nothing follows":               {"0001 0000 0000", -1},
		"more than anybody ever sends":  {"0001 0000 0407", -1},
		"text":                          {"474554202f20", -1},
		"an announced 64 KiB are a lie": {"0001 0000 ffff", -1},
	} {
		if got := length(unhex(t, c.bytes)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// Serial frames have no header to know them by: only whole frames with their checksums count.
func TestProbeRTU(t *testing.T) {
	for _, c := range []struct {
		name, bytes string
		want        protocols.Match
	}{
		{"nothing yet", "", protocols.More},
		{"request", "11 03 006b 0003 7687", protocols.YesClient},
		{"half a request", "11 03 006b", protocols.More},
		{"request with a wrong checksum, and no answer that long", "11 03 006b 0003 7688", protocols.No},
		{"request, then something else", "11 03 006b 0003 7687 ff", protocols.No},
		{"answer", "01 03 02 0007 f986", protocols.YesServer},
		{"exception", "11 84 02 c304", protocols.YesServer},
		{"broadcast", "00 06 0001 0003 99da", protocols.No},
		{"address of nobody", "f8 03 006b 0003", protocols.No},
		{"function of nobody", "11 63 006b 0003", protocols.No},
		{"iec 104 startdt", "68 04 07 00 00 00", protocols.No},
		{"iec 104, as long as a function that writes", "68 10 1c 00 1c 00 6e 01 07 00 01 00 88 13 00 00 40 01", protocols.No},
		{"iec 104, as long as an answer's function", "68 11 10 00 10 00 7a 01 0d 00 01 00 2c 01 00 01 00 00 04", protocols.No},
		{"half an answer of that unit", "68 11 10 00 10 00 7a 01 0d 00", protocols.More},
		{"half a request to write", "11 10 0001 0002 0400", protocols.More},
		{"half a request to write with a wrong count", "11 10 0001 0002 0500 0a", protocols.No},
		{"half a request to write coils with a wrong count", "11 0f 0013 000a 03cd 01", protocols.No},
		{"half a request to read and write nothing", "11 17 0003 0001 000e 0000 00ff", protocols.No},
		{"half a file record of another type", "11 14 07 07 0004", protocols.No},
		{"modbus with its header", "0103 0000 0006 01 03 0000 0001", protocols.No},
	} {
		if m := probeRTU(protocols.TransportTCP, unhex(t, c.bytes)); m != c.want {
			t.Errorf("%s: %v, want %v", c.name, m, c.want)
		}
	}
	if m := probeRTU(protocols.TransportUDP, unhex(t, "11 03 006b 0003 7687")); m != protocols.No {
		t.Errorf("over udp: %v", m)
	}
}

// The example of Modbus over Serial Line V1.02, appendix B.
func TestChecksum(t *testing.T) {
	if c := checksum([]byte{0x02, 0x07}); c != 0x1241 {
		t.Errorf("got %#04x, want 0x1241", c)
	}
}
