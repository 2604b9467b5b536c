package handshake

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Extensions that are read (IANA TLS ExtensionType Values).
const (
	extServerName        = 0
	extGroups            = 10
	extPointFormats      = 11
	extSignatures        = 13
	extALPN              = 16
	extSupportedVersions = 43
)

// ClientHello is a client's first message (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2). Its bytes are borrowed. Lists leave out
// the values that clients invent to keep servers honest (GREASE, RFC 8701).
type ClientHello struct {
	Version    uint16 // the version of the message; newer clients tell the real ones in an extension
	SessionID  []byte
	ServerName []byte // the first host name; nil where there is none

	named      bool // there is a server name extension, be it empty
	ciphers    []byte
	extensions []byte
	versions   []byte
	alpn       []byte
	signatures []byte
	groups     []byte
	points     []byte
}

// ParseClientHello reads the body of a ClientHello: what follows type and length.
func ParseClientHello(body []byte) (ClientHello, error) {
	var h ClientHello
	r := wire.New(body)
	h.Version = r.U16()
	r.Skip(32)
	h.SessionID = r.Bytes(int(r.U8()))
	h.ciphers = r.Bytes(int(r.U16()))
	r.Skip(int(r.U8())) // compression methods
	if !r.Failed() && r.Len() > 0 {
		h.extensions = r.Bytes(int(r.U16()))
	}
	if r.Failed() || len(h.ciphers)%2 != 0 {
		return ClientHello{}, fmt.Errorf("handshake: %w: client hello of %d bytes", ErrMalformed, len(body))
	}
	for kind, value := range extensions(h.extensions) {
		switch kind {
		case extServerName:
			h.named = true
			h.ServerName = hostName(value)
		case extGroups:
			h.groups = list16(value)
		case extPointFormats:
			h.points = list8(value)
		case extSignatures:
			h.signatures = list16(value)
		case extALPN:
			h.alpn = list16(value)
		case extSupportedVersions:
			h.versions = list8(value)
		}
	}
	return h, nil
}

// extensions walks a block of extensions: type, length, content. It ends where one does not fit.
func extensions(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for r := wire.New(b); r.Len() > 0; {
			kind := r.U16()
			value := r.Bytes(int(r.U16()))
			if r.Failed() || !yield(kind, value) {
				return
			}
		}
	}
}

// list8 and list16 give a list without the length before it, as far as it is there.
func list8(b []byte) []byte {
	if len(b) < 1 {
		return nil
	}
	return b[1:min(len(b), 1+int(b[0]))]
}

func list16(b []byte) []byte {
	if len(b) < 2 {
		return nil
	}
	return b[2:min(len(b), 2+int(binary.BigEndian.Uint16(b)))]
}

// hostName gives the first host name of a server name extension (RFC 6066 §3).
func hostName(b []byte) []byte {
	for r := wire.New(list16(b)); r.Len() > 0; {
		kind := r.U8()
		name := r.Bytes(int(r.U16()))
		if kind == 0 && !r.Failed() {
			return name
		}
	}
	return nil
}

// grease reports whether a value is one of those that mean nothing (RFC 8701 §2): 0x0a0a, 0x1a1a … 0xfafa.
func grease(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// numbers walks 16-bit values, without those that mean nothing.
func numbers(b []byte) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for ; len(b) >= 2; b = b[2:] {
			if v := binary.BigEndian.Uint16(b); !grease(v) && !yield(v) {
				return
			}
		}
	}
}

// CipherSuites walks the cipher suites in the client's order.
func (h *ClientHello) CipherSuites() iter.Seq[uint16] { return numbers(h.ciphers) }

// Signatures walks the signature algorithms in the client's order.
func (h *ClientHello) Signatures() iter.Seq[uint16] { return numbers(h.signatures) }

// Groups walks the key exchange groups in the client's order.
func (h *ClientHello) Groups() iter.Seq[uint16] { return numbers(h.groups) }

// Extensions walks the types of the extensions in the client's order.
func (h *ClientHello) Extensions() iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for kind := range extensions(h.extensions) {
			if !grease(kind) && !yield(kind) {
				return
			}
		}
	}
}

// Versions walks the versions that the client would speak, the message's own where it does not list them.
func (h *ClientHello) Versions() iter.Seq[uint16] {
	if h.versions == nil {
		return func(yield func(uint16) bool) { yield(h.Version) }
	}
	return numbers(h.versions)
}

// Protocols walks the application protocols offered (ALPN, RFC 7301), borrowed from the message.
func (h *ClientHello) Protocols() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for r := wire.New(h.alpn); r.Len() > 0; {
			name := r.Bytes(int(r.U8()))
			if r.Failed() || !yield(name) {
				return
			}
		}
	}
}
