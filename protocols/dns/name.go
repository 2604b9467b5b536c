package dns

import (
	"net/netip"
	"strings"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// name is a domain name in text, without the final dot (RFC 1035 §3.1).
type name struct {
	b      [maxName]byte
	n      int
	labels int
}

const (
	maxName  = 253 // as text
	maxLabel = 63
	pointer  = 0xc0 // the two top bits of a compressed name's continuation
)

// read takes a name at c, which fails when it cannot be one. A pointer must lead to before where the part in hand began
// (RFC 1035 §4.1.4: "a prior occurrence"), so that no loop is possible.
func (n *name) read(c *wire.Cursor, msg []byte) {
	n.n, n.labels = 0, 0
	var elsewhere wire.Cursor
	at, limit := c, c.Offset()
	for !at.Failed() {
		switch length := at.U8(); {
		case length == 0:
			if at.Failed() {
				c.Fail()
			}
			return
		case length&pointer == pointer:
			target := int(length&^pointer)<<8 | int(at.U8())
			if at.Failed() || target >= limit {
				c.Fail()
				return
			}
			limit = target
			elsewhere = wire.New(msg)
			elsewhere.Skip(target)
			at = &elsewhere
		case length > maxLabel || !n.add(at.Bytes(int(length))):
			c.Fail()
			return
		}
	}
	c.Fail()
}

// add appends a label; false when it is no text, or the name gets too long.
func (n *name) add(label []byte) bool {
	if len(label) == 0 || n.n+1+len(label) > maxName {
		return false
	}
	if n.labels > 0 {
		n.b[n.n] = '.'
		n.n++
	}
	for _, x := range label {
		if x < ' ' || x == 0x7f {
			return false
		}
	}
	n.n += copy(n.b[n.n:], label)
	n.labels++
	return true
}

func (n *name) bytes() []byte { return n.b[:n.n] }

func (n *name) hasSuffix(s string) bool {
	return n.n >= len(s) && strings.EqualFold(string(n.b[n.n-len(s):n.n]), s)
}

// netBIOS reports whether the name is the first-level encoding of NetBIOS (RFC 1001 §14.1), which is not ours.
func (n *name) netBIOS() bool {
	if n.n < 32 || n.n > 32 && n.b[32] != '.' {
		return false
	}
	for _, x := range n.b[:32] {
		if x < 'A' || x > 'P' {
			return false
		}
	}
	return true
}

// services are host-like names that stand for whoever does the job.
var services = []string{"localhost", "wpad", "isatap", "local", "dns", "ntp", "time", "gateway", "router"}

// host gives the name if it looks like that of a host, and nothing otherwise: labels of letters, digits and hyphens,
// not one that stands for a service, is made from the address, or lies in the tree of addresses.
func (n *name) host(a netip.Addr) string {
	if n.labels == 0 || n.hasSuffix(".arpa") {
		return ""
	}
	letters := false
	for k, x := range n.bytes() {
		switch {
		case x >= 'a' && x <= 'z', x >= 'A' && x <= 'Z':
			letters = true
		case x >= '0' && x <= '9', x == '.', x == '-' && k > 0:
		default:
			return ""
		}
	}
	if !letters {
		return ""
	}
	text := string(n.bytes())
	first, _, _ := strings.Cut(text, ".")
	for _, s := range services {
		if strings.EqualFold(first, s) {
			return ""
		}
	}
	if strings.Contains(first, strings.NewReplacer(".", "-", ":", "-").Replace(a.String())) {
		return ""
	}
	return text
}

// address gives the address that a name in the tree of addresses stands for (RFC 1035 §3.5, RFC 3596 §2.5).
func (n *name) address() netip.Addr {
	text := strings.ToLower(string(n.bytes()))
	switch {
	case n.hasSuffix(".in-addr.arpa"):
		labels := strings.Split(text[:len(text)-len(".in-addr.arpa")], ".")
		if len(labels) != 4 {
			return netip.Addr{}
		}
		a, err := netip.ParseAddr(labels[3] + "." + labels[2] + "." + labels[1] + "." + labels[0])
		if err != nil {
			return netip.Addr{}
		}
		return a
	case n.hasSuffix(".ip6.arpa") && n.n == 63+len(".ip6.arpa"):
		var b [16]byte
		for k := range 32 { // the last nibble first
			x := strings.IndexByte("0123456789abcdef", text[2*k])
			if x < 0 || k < 31 && text[2*k+1] != '.' {
				return netip.Addr{}
			}
			b[15-k/2] |= byte(x) << (4 * (k % 2))
		}
		return netip.AddrFrom16(b)
	default:
		return netip.Addr{}
	}
}
