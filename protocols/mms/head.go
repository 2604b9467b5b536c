package mms

import (
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// head is the beginning of a message. What is not there yet contradicts nothing: each test is true past the end, so that
// a probe may make all of them and then ask whether it has seen enough.
type head []byte

// patience is how many bytes of a message a probe looks at before it must have decided.
const patience = 64

// open judges a beginning that fits as far as it goes and does not suffice: More as long as there is patience.
func (h head) open() protocols.Match {
	if len(h) < patience {
		return protocols.More
	}
	return protocols.No
}

// text reports that the bytes from i on are s.
func (h head) text(i int, s string) bool {
	if i >= len(h) {
		return true
	}
	n := min(len(s), len(h)-i)
	return string(h[i:i+n]) == s[:n]
}

// is reports that byte i is x.
func (h head) is(i int, x byte) bool { return i >= len(h) || h[i] == x }

// among reports that byte i is one of set.
func (h head) among(i int, set string) bool { return i >= len(h) || strings.IndexByte(set, h[i]) >= 0 }

// within reports that byte i lies between lo and hi, both included.
func (h head) within(i int, lo, hi byte) bool { return i >= len(h) || h[i] >= lo && h[i] <= hi }

// masked reports that byte i has the bits x under a mask.
func (h head) masked(i int, mask, x byte) bool { return i >= len(h) || h[i]&mask == x }

// ber reads an ASN.1 length at i (X.690 §8.1.3): the value begins at next and has n bytes. State is More when the length
// is not all there, No when it is none that anybody sends.
func (h head) ber(i int) (n, next int, state protocols.Match) {
	switch {
	case i >= len(h):
		return 0, i, protocols.More
	case h[i] < 0x80:
		return int(h[i]), i + 1, protocols.Yes
	case h[i] == 0x80, h[i] > 0x84:
		return 0, i, protocols.No
	}
	octets := int(h[i] & 0x0f)
	for k := 1; k <= octets; k++ {
		if i+k >= len(h) {
			return 0, i, protocols.More
		}
		n = n<<8 | int(h[i+k])
	}
	if n > 1<<24 {
		return 0, i, protocols.No
	}
	return n, i + 1 + octets, protocols.Yes
}

// side gives the answer of a look that knows who sends.
func side(fromServer bool) protocols.Match {
	if fromServer {
		return protocols.YesServer
	}
	return protocols.YesClient
}
