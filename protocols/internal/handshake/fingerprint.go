package handshake

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"slices"
	"strconv"
)

// JA4 gives the fingerprint of the client as FoxIO specifies it (JA4: TLS Client Fingerprinting), for TLS over TCP:
// "t13d1516h2_8daaf6152771_e5627efa2ab1".
func (h *ClientHello) JA4() string {
	var (
		number [128]uint16
		text   [1024]byte
		out    [36]byte
	)
	list := slices.AppendSeq(number[:0], h.CipherSuites())
	ciphers := len(list)
	slices.Sort(list)
	cipherText := appendHexList(text[:0], list)

	b := append(out[:0], 't')
	b = append(b, h.ja4Version()...)
	if h.named {
		b = append(b, 'd')
	} else {
		b = append(b, 'i')
	}
	b = appendCount(b, ciphers)
	kinds := 0
	for range h.Extensions() {
		kinds++
	}
	b = appendCount(b, kinds)
	b = h.appendALPN(b)
	b = appendDigest(append(b, '_'), cipherText)

	list = list[:0]
	for kind := range h.Extensions() {
		if kind != extServerName && kind != extALPN {
			list = append(list, kind)
		}
	}
	slices.Sort(list)
	kindText := appendHexList(text[:0], list)
	if len(kindText) > 0 {
		if list = slices.AppendSeq(list[:0], h.Signatures()); len(list) > 0 {
			kindText = appendHexList(append(kindText, '_'), list)
		}
	}
	return string(appendDigest(append(b, '_'), kindText))
}

var ja4Versions = map[uint16]string{
	Version13: "13", Version12: "12", Version11: "11", Version10: "10", VersionSSL3: "s3", 0x0002: "s2",
}

// ja4Version gives the two characters for the highest version that the client would speak.
func (h *ClientHello) ja4Version() string {
	highest := h.Version
	if h.versions != nil {
		highest = 0
		for v := range numbers(h.versions) {
			highest = max(highest, v)
		}
	}
	if name, ok := ja4Versions[highest]; ok {
		return name
	}
	return "00"
}

// appendALPN adds the first and last character of the first application protocol, of its hexadecimal form where they
// are neither letters nor digits, and "00" where there is none.
func (h *ClientHello) appendALPN(b []byte) []byte {
	for name := range h.Protocols() {
		if len(name) == 0 {
			break
		}
		first, last := name[0], name[len(name)-1]
		if !alphanumeric(first) || !alphanumeric(last) {
			const digits = "0123456789abcdef"
			first, last = digits[first>>4], digits[last&0x0f]
		}
		return append(b, first, last)
	}
	return append(b, "00"...)
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

func appendCount(b []byte, n int) []byte {
	n = min(n, 99)
	return append(b, byte('0'+n/10), byte('0'+n%10))
}

func appendHexList(b []byte, list []uint16) []byte {
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = hex.AppendEncode(b, []byte{byte(v >> 8), byte(v)})
	}
	return b
}

// appendDigest adds the first twelve digits of the text's SHA-256; a text that is empty has zeros.
func appendDigest(b, text []byte) []byte {
	if len(text) == 0 {
		return append(b, "000000000000"...)
	}
	sum := sha256.Sum256(text)
	return hex.AppendEncode(b, sum[:6])
}

// JA3 gives the older fingerprint of the client: the MD5 of version, cipher suites, extensions, groups and point
// formats in the client's order.
func (h *ClientHello) JA3() string {
	sum := md5.Sum(h.appendJA3(make([]byte, 0, 512)))
	return hex.EncodeToString(sum[:])
}

func (h *ClientHello) appendJA3(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(h.Version), 10)
	for _, list := range [...]iter.Seq[uint16]{h.CipherSuites(), h.Extensions(), h.Groups(), h.pointFormats()} {
		separator := byte(',')
		for v := range list {
			b = strconv.AppendUint(append(b, separator), uint64(v), 10)
			separator = '-'
		}
		if separator == ',' {
			b = append(b, ',')
		}
	}
	return b
}

func (h *ClientHello) pointFormats() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for _, p := range h.points {
			if !yield(uint16(p)) {
				return
			}
		}
	}
}
