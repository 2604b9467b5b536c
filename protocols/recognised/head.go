package recognised

import (
	"encoding/binary"
	"strings"

	"github.com/spanwatch/spanwatch/protocols"
)

// head is the beginning of a message. What is not there yet contradicts nothing: each test is true past the end, so
// that a look may make all of them and then ask whether it has seen enough.
type head []byte

// text reports that the bytes from i on are s.
func (h head) text(i int, s string) bool {
	if i >= len(h) {
		return true
	}
	n := min(len(s), len(h)-i)
	return string(h[i:i+n]) == s[:n]
}

// fold is text for ASCII letters of either case; s is in capitals.
func (h head) fold(i int, s string) bool {
	for k := 0; k < len(s) && i+k < len(h); k++ {
		x := h[i+k]
		if 'a' <= x && x <= 'z' {
			x -= 'a' - 'A'
		}
		if x != s[k] {
			return false
		}
	}
	return true
}

// is reports that byte i is x.
func (h head) is(i int, x byte) bool { return i >= len(h) || h[i] == x }

// among reports that byte i is one of set.
func (h head) among(i int, set string) bool { return i >= len(h) || strings.IndexByte(set, h[i]) >= 0 }

// within reports that byte i lies between lo and hi, both included.
func (h head) within(i int, lo, hi byte) bool { return i >= len(h) || h[i] >= lo && h[i] <= hi }

// masked reports that byte i has the bits x under a mask.
func (h head) masked(i int, mask, x byte) bool { return i >= len(h) || h[i]&mask == x }

// zero reports that n bytes from i on are zero.
func (h head) zero(i, n int) bool {
	for k := i; k < i+n && k < len(h); k++ {
		if h[k] != 0 {
			return false
		}
	}
	return true
}

// be16 and le16 report that the 16-bit number at i lies between lo and hi, both included.
func (h head) be16(i, lo, hi int) bool { return i+2 > len(h) || between(h.u16(i), lo, hi) }
func (h head) le16(i, lo, hi int) bool { return i+2 > len(h) || between(h.l16(i), lo, hi) }

// be32 and le32 do the same with 32 bits.
func (h head) be32(i, lo, hi int) bool { return i+4 > len(h) || between(h.u32(i), lo, hi) }
func (h head) le32(i, lo, hi int) bool { return i+4 > len(h) || between(h.l32(i), lo, hi) }

func between(n, lo, hi int) bool { return n >= lo && n <= hi }

// u16, l16, u32 and l32 give a number that is there: big-endian, or little-endian.
func (h head) u16(i int) int { return int(binary.BigEndian.Uint16(h[i:])) }
func (h head) l16(i int) int { return int(binary.LittleEndian.Uint16(h[i:])) }
func (h head) u32(i int) int { return int(binary.BigEndian.Uint32(h[i:])) }
func (h head) l32(i int) int { return int(binary.LittleEndian.Uint32(h[i:])) }

// open judges a beginning that fits as far as it goes and does not suffice: More as long as there is patience.
func (h head) open() (protocols.Match, string) {
	if len(h) < patience {
		return more()
	}
	return no()
}

// fills reports whether a message of n bytes is all of a datagram, or fits to be the next in a stream.
func (h head) fills(t protocols.Transport, n int) bool {
	return t == protocols.TransportTCP || n == len(h)
}

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
