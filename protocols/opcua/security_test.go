package opcua

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/spanwatch/spanwatch/protocols"
)

// noise is 64 bytes that no service begins with.
var noise = []byte("\xf3\x1b\x8a\x5c\x07\xe9\x42\xd0\x96\x2f\xb8\x71\x0d\xc4\x5a\xe3\x19\x86\x3d\xfa\x60\xb7\x2c\x95\x48\xde\x03\x7b\xa1\x54\xcf\x18" +
	"\x8d\x32\xe6\x5f\x90\x0b\xc7\x74\x2a\xfd\x41\xb9\x16\x68\xd3\x8f\x25\xea\x5b\x9c\x07\x70\xb4\x3e\xc1\x19\x86\xf5\x4d\xa2\x38\xe0")

// certificateOf makes a certificate as servers make their own.
func certificateOf(t *testing.T, common, host string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: common, ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: []int{2, 5, 4, 3}, Value: common}, {Type: domainComponent, Value: host},
		}}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// Even where all else is encrypted, the certificate says who speaks; it says so once, and garbage after it does no harm.
func TestCertificateNames(t *testing.T) {
	der := certificateOf(t, "Boiler server", "plc1.example")
	chain := append(append([]byte{}, der...), "not a certificate"...)
	d := new(conversation)
	open := frame("OPNF", le32(7), str(policyPrefix+"Basic256Sha256"), str(string(chain)), str(string(noise)), noise)
	events, err := dissect(t, d, protocols.Server, open)
	if err != nil || len(events) != 1 {
		t.Fatalf("%d events, error %v", len(events), err)
	}
	want := []protocols.Fact{
		{About: protocols.Server, Key: protocols.FactApplication, Value: "Boiler server", Confidence: 60},
		{About: protocols.Server, Key: protocols.FactName, Value: "plc1.example", Confidence: 60},
		{About: protocols.Server, Key: protocols.FactCertificate, Value: "CN=Boiler server,DC=plc1.example"},
		{About: protocols.Server, Key: protocols.FactIssuer, Value: "CN=Boiler server,DC=plc1.example"},
	}
	if len(der) < 256 { // the long form with two bytes is what real certificates have
		t.Fatalf("certificate of %d bytes", len(der))
	}
	if diff := cmp.Diff(want, events[0].Facts, cmp.Comparer(func(a, b protocols.Fact) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if events, _ = dissect(t, d, protocols.Server, open); events[0].Facts != nil {
		t.Errorf("told again: %v", events[0].Facts)
	}
	thumbprint := sha1.Sum(der)
	shown := events[0].Detail.(*Detail)
	if len(shown.Certificates) != 1 || shown.Certificates[0].Thumbprint != hex.EncodeToString(thumbprint[:]) ||
		shown.Receiver != hex.EncodeToString(noise) {
		t.Errorf("detail %+v, receiver %s", shown.Certificates, shown.Receiver)
	}
}

// What a conversation says of its protection, message by message, however late it is joined.
func TestSecurityOfMessages(t *testing.T) {
	readable := join(ask(631), read(numeric(2, 7)))
	signature := noise[:32]
	open := func(policy string) []byte {
		return frame("OPNF", le32(0), str(policyPrefix+policy), null, null, le32(1), le32(1), ask(446), make([]byte, 12), null, le32(1))
	}
	encrypted := frame("MSGF", le32(9), le32(3), noise)
	sealed := func(policy string) protocols.Security {
		return protocols.Security{Mode: modeEncrypt, Policy: policy, Encrypted: true}
	}
	tests := map[string]struct {
		messages [][]byte
		want     protocols.Security // of the last
	}{
		"joined, readable":             {[][]byte{chunk("F", 2, readable)}, protocols.Security{Mode: modeNone}},
		"joined, signed":               {[][]byte{chunk("F", 2, readable, signature)}, protocols.Security{Mode: modeSign}},
		"joined, encrypted":            {[][]byte{encrypted}, sealed("")},
		"joined, then readable":        {[][]byte{encrypted, chunk("F", 2, readable)}, protocols.Security{Mode: modeNone}},
		"joined readable, then noise":  {[][]byte{chunk("F", 2, readable), chunk("F", 3, noise)}, protocols.Security{Mode: modeNone}},
		"opened without protection":    {[][]byte{open("None"), chunk("F", 2, readable)}, protocols.Security{Mode: modeNone, Policy: "None"}},
		"opened, signed":               {[][]byte{open("Basic256"), chunk("F", 2, readable, signature[:20])}, protocols.Security{Mode: modeSign, Policy: "Basic256"}},
		"opened, encrypted":            {[][]byte{open("Aes128_Sha256_RsaOaep"), encrypted}, sealed("Aes128_Sha256_RsaOaep")},
		"the opening of a policy":      {[][]byte{open("Basic256Sha256")}, protocols.Security{Policy: "Basic256Sha256", Encrypted: true}},
		"a policy nobody knows":        {[][]byte{open("Next"), encrypted}, sealed("Next")},
		"opened anew, less protection": {[][]byte{open("Basic256"), encrypted, open("None"), chunk("F", 2, readable)}, protocols.Security{Mode: modeNone, Policy: "None"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := new(conversation)
			var events []protocols.Event
			var err error
			for _, m := range test.messages {
				if events, err = dissect(t, d, protocols.Client, m); err != nil || len(events) != 1 {
					t.Fatalf("%d events, error %v", len(events), err)
				}
			}
			if diff := cmp.Diff(test.want, *events[0].Security); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A garbage body under policy None is a fault of the message, but not where its beginning may have been lost.
func TestBodyWithoutService(t *testing.T) {
	d := opened(t)
	if _, err := dissect(t, d, protocols.Client, chunk("F", 2, noise)); err == nil {
		t.Error("garbage is no fault")
	}
	events, err := dissect(t, d, protocols.Client, chunk("F", 2, numeric(0, 999)))
	if err != nil || events[0].Message != "service i=999" {
		t.Errorf("unknown service: %+v, %v", events, err)
	}
	d.Gap(protocols.Client)
	if _, err := dissect(t, d, protocols.Client, chunk("F", 2, noise)); err != nil {
		t.Errorf("the end of a message after a gap: %v", err)
	}
}

func TestProbe(t *testing.T) {
	hello := frame("HELF", le32(0), le32(65535), le32(65535), le32(0), le32(0), str("opc.tcp://plc1:4840"))
	sealed := frame("MSGF", le32(9), le32(3), noise)
	tests := map[string]struct {
		bytes []byte
		want  protocols.Match
	}{
		"nothing":                        {nil, protocols.More},
		"first letter":                   {[]byte("M"), protocols.More},
		"hello":                          {hello, protocols.YesClient},
		"beginning of a hello":           {hello[:20], protocols.More},
		"hello of version 65536":         {frame("HELF", le32(1<<16), make([]byte, 20)), protocols.No},
		"hello in chunks":                {append([]byte("HELC"), hello[4:]...), protocols.No},
		"smtp":                           {[]byte("HELO plc1.example\r\n"), protocols.No},
		"acknowledge":                    {frame("ACKF", le32(0), le32(8192), le32(8192), le32(0), le32(0)), protocols.YesServer},
		"acknowledge of tiny buffers":    {frame("ACKF", le32(0), le32(1), le32(1), le32(0), le32(0)), protocols.No},
		"error":                          {frame("ERRF", le32(0x80010000), null), protocols.Yes},
		"error that is good":             {frame("ERRF", le32(0), null), protocols.No},
		"reverse hello":                  {frame("RHEF", str("urn:plc1"), str("opc.tcp://plc1:4840")), protocols.YesServer},
		"request":                        {chunk("F", 2, ask(631)), protocols.YesClient},
		"response":                       {chunk("F", 2, answer(634, 0)), protocols.YesServer},
		"fault":                          {chunk("F", 2, answer(faultID, 0x80010000)), protocols.YesServer},
		"encrypted":                      {sealed, protocols.Yes},
		"encrypted, then another":        {join(sealed, sealed), protocols.Yes},
		"encrypted, then something else": {join(sealed, noise), protocols.No},
		"renewal by nobody knows whom":   {frame("OPNF", le32(7), str(policyPrefix+"Basic256"), null, null, noise), protocols.Yes},
		"opening":                        {frame("OPNF", le32(0), str(policyPrefix+"Basic256"), null, null, noise), protocols.YesClient},
		"opening without policy":         {frame("OPNF", le32(0), null, null, null, noise), protocols.No},
		"message of 16 MiB":              {join([]byte("MSGF"), le32(1<<24), noise), protocols.No},
	}
	for name, test := range tests {
		if got := probe(protocols.TransportTCP, test.bytes); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
	if got := probe(protocols.TransportUDP, hello); got != protocols.No {
		t.Errorf("over UDP: %v", got)
	}
}
