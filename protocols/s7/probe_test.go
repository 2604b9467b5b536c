package s7

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

// Pieces of the probe's input.
const (
	callPG    = "03000016 11 e0 0000 0001 00 c0010a c1020100 c2020102 "
	callMMS   = "03000016 11 e0 0000 0001 00 c0010a c1020001 c2020001 "
	callRoot  = "03000020 1b e0 0000 0001 00 c1020600 c20f 53494d415449432d524f4f542d4553 "
	accept    = "03000016 11 d0 0001 0044 00 c0010a c1020100 c2020102 "
	empty     = "03000007 02f000 "
	read      = "0300001f 02f080 3201 0000 0001 000e 0000 0401 120a10 02 0001 0001 84 000000 "
	answer    = "0300001a 02f080 3203 0000 0001 0002 0005 0000 0401 ff040008 01 "
	fetch     = "03000023 02f080 3201 0000 0001 0012 0000 1b 00000000000000 09 5f3041303030303150 "
	gives     = "03000019 02f080 3203 0000 0001 0002 0004 0000 1b00 000000fb"
	hello     = "03000035 02f080 1603010029 01 000025 0303" + random + "00 0000 " // record, handshake, version, random
	halfHello = "03000032 02f000 1603010200 01 0001fc 0303" + random              // as much of it as a fragment has room for
	random    = "00000000000000000000000000000000 00000000000000000000000000000000 "
	getMulti  = "0300001a 02f080 7202 000b 31 0000 054c 0000 0001 0000 72020000 "
)

// Anything may ride on port 102. What is not Siemens's must be left to others, and what is must be known from any
// message on.
func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		want  protocols.Match
	}{
		{"nothing yet", "", protocols.More},
		{"half a header", "0300", protocols.More},
		{"a call says nothing", callPG, protocols.More},
		{"a call by the name that only S7 has", callRoot, protocols.YesClient},
		{"a call, then a job", callPG + read, protocols.YesClient},
		{"a call, an empty fragment, a job", callPG + empty + read, protocols.YesClient},
		{"an acceptance, then an answer", accept + answer, protocols.YesServer},
		{"a job from the middle", read, protocols.YesClient},
		{"half a job", read[:45], protocols.YesClient},
		{"a stump of a job", read[:20], protocols.More},
		{"an answer from the middle", answer, protocols.YesServer},
		{"a controller fetches a block", fetch, protocols.YesServer},
		{"and is given it", gives, protocols.YesClient},
		{"a stump, then a job", "03000008 02f080 32" + read, protocols.YesClient},
		{"ROSCTR 4", "03000011 02f080 3204 0000 0001 0000 0000", protocols.No},
		{"lengths that do not fit the packet", "03000013 02f080 3201 0000 0001 000e 0000 0401", protocols.No},
		{"userdata request", "0300001d 02f080 3207 0000 0001 0008 0004 000112 04 11 43 01 00 0a000000", protocols.YesClient},
		{"userdata answer", "0300001d 02f080 3207 0000 0001 0008 0004 000112 04 12 83 01 00 0a000000", protocols.YesServer},
		{"block send runs either way", "0300001d 02f080 3207 0000 0001 0008 0004 000112 04 11 46 01 00 0a000000", protocols.Yes},
		{"S7comm-plus request", getMulti, protocols.YesClient},
		{"S7comm-plus keep alive", "0300000b 02f080 72ff 0001", protocols.Yes},
		{"S7comm-plus of version 9", "0300000f 02f080 7209 0000 72090000", protocols.No},
		{"S7comm-plus that does not fill its packet", "03000012 02f080 7202 0001 31 000000 0000", protocols.No},
		{"TLS from the middle", "0300000e 02f080 1703030002 0102", protocols.Yes},
		{"TLS records that do not fill the packet", "0300000e 02f080 1703030003 0102", protocols.No},
		{"TLS after a call that was not S7's", callMMS + "0300000e 02f080 1703030002 0102", protocols.No},
		{"a hello after a call of a slot", callPG + hello, protocols.YesClient},
		{"a hello that goes on after a call of a slot", callPG + halfHello, protocols.YesClient},
		{"a hello of the server after an acceptance", accept + strings.Replace(hello, " 01 0000", " 02 0000", 1), protocols.YesServer},
		{"a hello after a call that was not S7's", callMMS + hello, protocols.No},
		{"a hello too short after a call of a slot", callPG + "03000012 02f080 1603010006 01 000002 0303", protocols.No},
		{"an alert after a call of a slot", callPG + "0300000e 02f080 1503030002 0228", protocols.No},
		{"an MMS call, then a session connect", callMMS + "0300000c 02f080 0d01050001", protocols.No},
		{"MMS data from the middle", "0300000e 02f080 01000100 6100", protocols.No},
		{"an RDP call with a cookie", "03000013 0e e0 0000 0000 00 436f6f6b69653a20", protocols.No},
		{"an RDP call with a negotiation", "03000013 0e e0 0000 0000 00 0100080003000000", protocols.No},
		{"a call of class 4", "0300000b 06 e0 0000 0001 40", protocols.No},
		{"expedited data", "03000008 02 10 80 32", protocols.No},
		{"a header of class 2", "0300000a 04 f0 0044 80 32", protocols.No},
		{"a packet shorter than a data header", "0300000502", protocols.No},
		{"a header beyond the packet", "03000007 09 f0 80", protocols.No},
		{"nothing but empty fragments", strings.Repeat(empty, probeDepth), protocols.No},
		{"version 4", "04000016", protocols.No},
	} {
		if got := Spec.Probe(protocols.TransportTCP, unhex(t, c.bytes)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if got := Spec.Probe(protocols.TransportUDP, unhex(t, read)); got != protocols.No {
		t.Errorf("a datagram: %v, want no", got)
	}
}

// Connection messages are told though nothing follows: they must be whole, and of the class that ISO-on-TCP has.
func TestOpening(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes string
		want  bool
	}{
		{"a call of a slot", callPG, true},
		{"any call", callMMS, true},
		{"an acceptance", accept, true},
		{"a refusal: for the caller's reference 1, reason 3", "0300000b 06 80 0001 0000 03", true},
		{"an error: for reference 1, cause 1", "03000009 04 70 0001 01", true},
		{"data", empty, false},
		{"half a call", callPG[:30], false},
		{"a call with bytes behind its header", "03000017" + callPG[8:] + "00", false},
		{"a call to a connection that is there", "0300000b 06 e0 0001 0001 00", false},
		{"a call of class 4", "0300000b 06 e0 0000 0001 40", false},
		{"a call with credit", "0300000b 06 e5 0000 0001 00", false},
		{"a call of RDP", "03000013 0e e0 0000 0000 00 0100080003000000", false},
	} {
		if got := Spec.Opening.Is(unhex(t, c.bytes)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
