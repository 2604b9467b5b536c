package handshake

import (
	"crypto/tls"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// FuzzSession feeds both sides of a session with anything, cut anywhere. What whole records tell of version and suite
// does not depend on the cuts, and no buffer outgrows its bound.
func FuzzSession(f *testing.F) {
	pair := certify(f)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		var client, server []byte
		log := exchange(f, &tls.Config{InsecureSkipVerify: true, MaxVersion: version}, &tls.Config{Certificates: []tls.Certificate{pair}})
		for _, p := range log {
			if p.from == protocols.Client {
				client = append(client, p.b...)
			} else {
				server = append(server, p.b...)
			}
		}
		f.Add(client, server, uint8(17))
	}
	f.Fuzz(func(t *testing.T, client, server []byte, cut uint8) {
		var whole, parts Session
		for from, b := range [][]byte{client, server} {
			side := protocols.Side(from)
			w := whole.Read(side, b, true)
			var err error
			for part := range slices.Chunk(b, int(cut)+1) {
				r := parts.Read(side, part, true)
				if err == nil {
					err = r.Err
				}
				if n := cap(parts.sides[side].buf); n > 4*MaxMessage {
					t.Fatalf("a buffer of %d bytes", n)
				}
				if r.Message == "" {
					t.Fatal("a piece without a name")
				}
				if r.Err != nil {
					break
				}
			}
			if (w.Err == nil) != (err == nil) {
				t.Fatalf("whole: %v, in pieces: %v", w.Err, err)
			}
			if err != nil {
				return
			}
		}
		if whole.version != parts.version || whole.cipher != parts.cipher {
			t.Fatalf("whole %04x %04x, in pieces %04x %04x", whole.version, whole.cipher, parts.version, parts.cipher)
		}
	})
}
