package recognised

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

var transports = []protocols.Transport{protocols.TransportTCP, protocols.TransportUDP, protocols.TransportEthernet}

func TestConformance(t *testing.T) {
	for _, spec := range Specs() {
		t.Run(spec.Name, func(t *testing.T) { protocoltest.Run(t, spec, filepath.Join("testdata", spec.Name)) })
	}
	dirs, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	if want := len(Specs()) + 1; len(dirs) != want { // and the corpus of the fuzz target
		t.Errorf("testdata has %d folders, want %d", len(dirs), want)
	}
}

// What is nobody's is recognised by none, however long it is.
func TestStrangersAreRefused(t *testing.T) {
	samples := map[string][]byte{
		"zeros": make([]byte, 300), "ones": bytes.Repeat([]byte{0xff}, 300),
		"text":         []byte("the quick brown fox jumps over the lazy dog, and over and over again, until the line has an end\r\n"),
		"smtp":         []byte("220 mail.example ESMTP Postfix\r\n"),
		"smtp login":   []byte("235 2.7.0 Authentication successful\r\n"),
		"pop3":         []byte("RETR 12\r\n"),
		"pop3 login":   []byte("USER alice\r\n"),
		"rtsp":         []byte("OPTIONS rtsp://192.0.2.1/cam RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
		"sip":          []byte("OPTIONS sip:bob@192.0.2.1 SIP/2.0\r\n\r\n"),
		"get of words": []byte("GET counter\r\n"),
		"rtp":          append([]byte("\x80\x00\x00\x02\x00\x00\x00\xa0\x12\x34\x01\x01"), bytes.Repeat([]byte{0xff}, 160)...),
	}
	source := rand.NewChaCha8([32]byte{7})
	for n := range 4096 {
		b := make([]byte, 1+n%200)
		_, _ = source.Read(b)
		samples[string(b)] = b
	}
	for name, b := range samples {
		for _, spec := range Specs() {
			for _, tr := range []protocols.Transport{protocols.TransportTCP, protocols.TransportUDP} {
				if m := spec.Probe(tr, b); m != protocols.No && (m != protocols.More || len(b) > 8) {
					t.Errorf("%s over %v says %v to %.40q", spec.Name, tr, m, name)
				}
			}
		}
	}
}

// A probe is asked about any bytes at all: it says More to a short beginning only, never for long, and as long as it has
// patience never No to the beginning of what it recognises.
func FuzzProbe(f *testing.F) {
	for _, spec := range Specs() {
		cases, err := protocoltest.Load(filepath.Join("testdata", spec.Name))
		if err != nil {
			f.Fatal(err)
		}
		for _, c := range cases {
			for _, b := range c.Blocks {
				f.Add(b.Bytes)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, spec := range Specs() {
			for _, tr := range transports {
				m := spec.Probe(tr, bytes.Clone(b))
				if m == protocols.More && (tr != protocols.TransportTCP || len(b) > patience) {
					t.Errorf("%s over %v wants more than %d bytes", spec.Name, tr, len(b))
				}
				if m == protocols.No || tr != protocols.TransportTCP {
					continue
				}
				for n := range min(len(b), patience) {
					if spec.Probe(tr, bytes.Clone(b[:n])) == protocols.No {
						t.Errorf("%s says no to the first %d bytes of what it answers %v", spec.Name, n, m)
					}
				}
			}
		}
	})
}

// A conversation costs nothing once both sides have spoken, and next to nothing before.
func TestNothingIsKept(t *testing.T) {
	for _, spec := range Specs() {
		if spec.TCP == nil {
			continue
		}
		d := spec.New()
		var dst []protocols.Event
		for side := protocols.Client; side <= protocols.Server; side++ {
			for range 2 * holdLimit {
				var err error
				if dst, err = d.Dissect(dst, protocols.Message{From: side, Bytes: []byte("H"), Transport: protocols.TransportTCP}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if len(dst) != 2 || dst[0].From != protocols.Client || dst[1].From != protocols.Server {
			t.Errorf("%s gives %d events for two sides", spec.Name, len(dst))
		}
		if c := d.(*conversation); c.held[0] != nil || c.held[1] != nil {
			t.Errorf("%s keeps bytes of a side that has spoken", spec.Name)
		}
		m := protocols.Message{Bytes: make([]byte, 1400), Transport: protocols.TransportTCP}
		if n := testing.AllocsPerRun(10, func() { dst, _ = d.Dissect(dst[:0], m) }); n != 0 {
			t.Errorf("%s allocates %v times for later bytes", spec.Name, n)
		}
	}
}
