package ssh

import (
	"bytes"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
)

func TestConformance(t *testing.T) {
	protocoltest.Run(t, Spec, "testdata", "Identification String", "SSH_MSG_KEXINIT", "SSH_MSG_DISCONNECT")
}

func FuzzDissect(f *testing.F) { protocoltest.Fuzz(f, Spec, "testdata") }

// What is known of a side decides what its later bytes count as, also behind a gap.
func TestDepth(t *testing.T) {
	var newKeys = []byte{0, 0, 0, 12, 10, msgNewKeys, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	for name, test := range map[string]struct {
		first []byte
		want  protocols.Depth
	}{
		"behind new keys":          {newKeys, protocols.DepthEncrypted},
		"in the midst of the open": {nil, protocols.DepthRecognised},
	} {
		c := &conversation{}
		say := func(b []byte) {
			if _, err := c.Dissect(nil, protocols.Message{From: protocols.Client, Bytes: b}); err != nil {
				t.Fatal(err)
			}
		}
		say([]byte("SSH-2.0-x\r\n"))
		if test.first != nil {
			say(test.first)
		}
		c.Gap(protocols.Client)
		say(newKeys)
		if c.Depth() != test.want {
			t.Errorf("%s: a gap leaves depth %d, want %d", name, c.Depth(), test.want)
		}
	}
}

// Encrypted bytes that pass cost nothing.
func BenchmarkEncrypted(b *testing.B) {
	c := &conversation{}
	c.sides[protocols.Server].stage = secret
	m := protocols.Message{From: protocols.Server, Bytes: bytes.Repeat([]byte{0xa5}, 1460)}
	var dst []protocols.Event
	b.ReportAllocs()
	for b.Loop() {
		m.Bytes = m.Bytes[:c.Next(m.From, m.Bytes)]
		dst, _ = c.Dissect(dst[:0], m)
	}
}
