package all

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
	"github.com/spanwatch/spanwatch/protocols/recognised"
)

// homes are where the Specs have their cases, in the order of Specs. What is only recognised has its cases side by side.
var homes = func() []string {
	list := []string{
		"../opcua/testdata", "../s7/testdata", "../mms/testdata", "../modbus/testdata", "../modbus/testdata/rtu", "../enip/testdata",
		"../dhcp/testdata", "../dns/testdata", "../netbios/testdata", "../lldp/testdata", "../cdp/testdata", "../profinet/testdata", "../snmp/testdata", "../bacnet/testdata",
		"../iec104/testdata", "../dnp3/testdata",
		"../http/testdata", "../tls/testdata", "../ssh/testdata",
	}
	for _, spec := range recognised.Specs() {
		list = append(list, filepath.Join("../recognised/testdata", spec.Name))
	}
	return list
}()

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
		{"smtp", nobody, []byte("220 mail.example ESMTP\r\n"), 0},
		{"text", nobody, []byte("the quick brown fox jumps over the lazy dog\r\n"), 0},
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
		if spec.Name == "" || spec.Probe == nil || spec.New == nil {
			t.Errorf("Spec %d, %q, lacks something", i, spec.Name)
			continue
		}
		_, framer := spec.New().(protocols.Framer)
		if cuts := framer || spec.Length != nil; !cuts && (spec.TCP != nil || spec.Probe(protocols.TransportTCP, nil) != protocols.No) {
			t.Errorf("Spec %d, %q, waits for streams that it cannot cut", i, spec.Name)
		}
	}
}

// BenchmarkProbeUnknown is the cost of a segment that nobody recognises: with the protocols that are read, and with those
// that are only recognised as well.
func BenchmarkProbeUnknown(b *testing.B) {
	specs := Specs()
	read := slices.DeleteFunc(slices.Clone(specs), func(s protocols.Spec) bool { return s.CountOnly })
	unknown := strangers()
	for name, list := range map[string][]protocols.Spec{"read": read, "all": specs} {
		b.Run(name, func(b *testing.B) {
			for i := range b.N {
				segment := unknown[i%len(unknown)].bytes
				for k := range list {
					if list[k].Probe(protocols.TransportTCP, segment) > protocols.More {
						b.Fatalf("%s recognises a stranger", list[k].Name)
					}
				}
			}
		})
	}
}
