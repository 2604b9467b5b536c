package handshake

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/spanwatch/spanwatch/protocols/wire"
)

// ServerHello is a server's choice (RFC 8446 §4.1.3). Protocol is borrowed.
type ServerHello struct {
	Version  uint16 // the version chosen, from the extension where there is one
	Cipher   uint16
	Protocol []byte // application protocol chosen (ALPN); newer versions choose it out of sight
	Retry    bool   // it asks the client for another hello
}

// retryRandom marks a server hello that is a request for another client hello (RFC 8446 §4.1.3).
var retryRandom = sha256.Sum256([]byte("HelloRetryRequest"))

// ParseServerHello reads the body of a ServerHello: what follows type and length.
func ParseServerHello(body []byte) (ServerHello, error) {
	var h ServerHello
	r := wire.New(body)
	h.Version = r.U16()
	random := r.Bytes(32)
	r.Skip(int(r.U8()))
	h.Cipher = r.U16()
	r.Skip(1) // compression method
	var block []byte
	if !r.Failed() && r.Len() > 0 {
		block = r.Bytes(int(r.U16()))
	}
	if r.Failed() {
		return ServerHello{}, fmt.Errorf("handshake: %w: server hello of %d bytes", ErrMalformed, len(body))
	}
	h.Retry = [32]byte(random) == retryRandom
	for kind, value := range extensions(block) {
		switch {
		case kind == extSupportedVersions && len(value) == 2:
			h.Version = binary.BigEndian.Uint16(value)
		case kind == extALPN:
			h.Protocol = list8(list16(value))
		}
	}
	return h, nil
}
