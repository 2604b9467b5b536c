package all

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

// homes are where the Specs have their cases, in the order of Specs.
var homes = []string{
	"../opcua/testdata", "../s7/testdata", "../modbus/testdata", "../modbus/testdata/rtu",
	"../dhcp/testdata", "../dns/testdata", "../netbios/testdata", "../lldp/testdata", "../cdp/testdata", "../profinet/testdata",
}

// nobody owns what belongs to none of the Specs.
const nobody = -1

// sample is the beginning of a stream that belongs to at most one Spec.
type sample struct {
	name      string
	owner     int // index in Specs
	bytes     []byte
	transport protocols.Transport // of the case; what goes over TCP may be a datagram, too
}

// tries gives the transports under which a Spec may be asked about the sample.
func (s sample) tries(specs []protocols.Spec, spec protocols.Spec) []protocols.Transport {
	switch {
	case s.transport == protocols.TransportUDP:
		return []protocols.Transport{protocols.TransportUDP}
	case s.transport != protocols.TransportEthernet:
		return []protocols.Transport{protocols.TransportTCP, protocols.TransportUDP}
	case slices.ContainsFunc(spec.EtherTypes, func(n uint16) bool { return slices.Contains(specs[s.owner].EtherTypes, n) }):
		return []protocols.Transport{protocols.TransportEthernet}
	default:
		return nil
	}
}

// shortest is the number of bytes of a stream that may be the beginning of a longer message of anything.
const shortest = 8

// strangers are what a sensor meets besides the protocols it reads.
func strangers() []sample {
	random := make([]byte, 256)
	source := rand.NewChaCha8([32]byte{1})
	for i := range random {
		random[i] = byte(source.Uint64())
	}
	return []sample{
		{"http request", nobody, []byte("GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n"), 0},
		{"http response", nobody, []byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), 0},
		{"ssh", nobody, []byte("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), 0},
		{"smtp", nobody, []byte("220 mail.example ESMTP\r\n"), 0},
		{"text", nobody, []byte("the quick brown fox jumps over the lazy dog\r\n"), 0},
		{"tls client hello", nobody, append([]byte{0x16, 0x03, 0x01, 0x00, 0x85, 0x01, 0x00, 0x00, 0x81, 0x03, 0x03}, random[:124]...), 0},
		{"tls application data", nobody, append([]byte{0x17, 0x03, 0x03, 0x00, 0x40}, random[:64]...), 0},
		{"smb", nobody, []byte("\x00\x00\x00\x55\xffSMBr\x00\x00\x00\x00\x18\x01\x28\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0},
		{"ethernet/ip list identity", nobody, []byte("\x63\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0},
		{"ethernet/ip register session", nobody, []byte("\x65\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00"), 0},
		{"dnp3", nobody, []byte("\x05\x64\x05\xc0\x01\x00\x00\x04\xe9\x21"), 0},
		{"iec 104 startdt", nobody, []byte("\x68\x04\x07\x00\x00\x00"), 0},
		{"rdp cookie", nobody, []byte("\x03\x00\x00\x2b\x26\xe0\x00\x00\x00\x00\x00Cookie: mstshash=hello\r\n\x01\x00\x08\x00\x01\x00\x00\x00"), 0},
		{"random", nobody, random, 0},
		{"zeros", nobody, make([]byte, 64), 0},
		{"ones", nobody, []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0},
	}
}

// ours are the messages of every Spec's own cases that a probe has to recognise.
func ours(t *testing.T) []sample {
	t.Helper()
	var samples []sample
	for owner, home := range homes {
		cases, err := protocoltest.Load(home)
		if err != nil {
			t.Fatal(err)
		}
		n := len(samples)
		for _, c := range cases {
			for _, b := range c.Blocks {
				if !b.Odd {
					samples = append(samples, sample{filepath.Join(home, c.Name), owner, b.Bytes, c.Transport})
				}
			}
		}
		if len(samples) == n {
			t.Errorf("%s has no samples", home)
		}
	}
	return samples
}

// Each protocol says No to what is another's, or nobody's.
func TestProbesKeepApart(t *testing.T) {
	specs := Specs()
	if len(specs) != len(homes) {
		t.Fatalf("%d Specs have %d homes", len(specs), len(homes))
	}
	for _, s := range append(strangers(), ours(t)...) {
		for i, spec := range specs {
			if i == s.owner {
				continue
			}
			for _, transport := range s.tries(specs, spec) {
				m := spec.Probe(transport, s.bytes)
				if m == protocols.More && transport == protocols.TransportTCP && len(s.bytes) < shortest {
					continue
				}
				if m != protocols.No {
					t.Errorf("%s (%d) over %v says %v to %s: % x", spec.Name, i, transport, m, s.name, s.bytes[:min(len(s.bytes), 24)])
				}
			}
		}
	}
}

// A Spec must be whole: the pipeline calls each of its functions.
func TestSpecsAreWhole(t *testing.T) {
	for i, spec := range Specs() {
		if spec.Length == nil && spec.Probe != nil && spec.Probe(protocols.TransportTCP, nil) != protocols.No {
			t.Errorf("Spec %d, %q, waits for streams that it cannot cut", i, spec.Name)
		}
		if spec.Name == "" || spec.Probe == nil || spec.Length == nil && spec.TCP != nil || spec.New == nil {
			t.Errorf("Spec %d, %q, lacks something", i, spec.Name)
		}
	}
}
