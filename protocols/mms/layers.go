package mms

import (
	"fmt"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// Session PDUs (ISO 8327-1, 8.3).
const (
	sessionData       = 0x01 // after GIVE TOKENS, which has the same number
	sessionFinish     = 0x09
	sessionDisconnect = 0x0a
	sessionRefuse     = 0x0c
	sessionConnect    = 0x0d
	sessionAccept     = 0x0e
	sessionAbort      = 0x19
)

// sessionNames are the names of session PDUs that may come without MMS inside.
var sessionNames = map[uint8]string{
	sessionFinish: "FINISH", sessionDisconnect: "DISCONNECT", sessionRefuse: "REFUSE", sessionAbort: "ABORT",
	sessionConnect: "CONNECT", sessionAccept: "ACCEPT",
}

// Tags of the presentation layer (ISO 8823-1, 8.2) and of the association (ISO 8650-1).
const (
	presentationNormal = 0x31
	fullyEncoded       = 0x61
	singleType         = 0xa0
	externalType       = 0x28
	userInformation    = 0xbe
	authentication     = 0xac
	associateRequest   = 0x60
	associateLast      = 0x64
)

// layers is what stood around an MMS PDU.
type layers struct {
	session uint8
	login   bool // the association presents a password, or the like
}

// open takes off what is around an MMS PDU. It gives nil where the message carries none: an association is released or
// broken off.
func (l *layers) open(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, malformed("an empty message")
	}
	if b[0] >= 0x80 {
		return b, nil // stacks exist that leave session and presentation out
	}
	user, err := l.userData(b)
	if err != nil || user == nil {
		return nil, err
	}
	return l.presentation(user)
}

// userData takes off the session layer: after tokens come data, and other PDUs have theirs among their parameters.
func (l *layers) userData(b []byte) ([]byte, error) {
	c := wire.New(b)
	l.session = c.U8()
	parameters := wire.New(c.Bytes(sessionLength(&c)))
	if l.session == sessionData && c.Len() > 0 {
		l.session = c.U8()
		c.Bytes(sessionLength(&c))
		if c.Failed() || l.session != sessionData {
			return nil, malformed("session PDU %d after tokens", l.session)
		}
		return c.Rest(), nil
	}
	if c.Failed() || sessionNames[l.session] == "" {
		return nil, malformed("session PDU %d in %d bytes", l.session, len(b))
	}
	for parameters.Len() > 0 {
		code := parameters.U8()
		value := parameters.Bytes(sessionLength(&parameters))
		if (code == 0xc1 || code == 0xc2) && !parameters.Failed() {
			return value, nil
		}
	}
	if parameters.Failed() {
		return nil, malformed("parameters of session PDU %d", l.session)
	}
	return nil, nil
}

// sessionLength takes a length of one octet, or of two behind 255.
func sessionLength(c *wire.Cursor) int {
	if n := c.U8(); n != 255 {
		return int(n)
	}
	return int(c.U16())
}

// presentation takes off presentation and association. What none of them knows carries no MMS.
func (l *layers) presentation(b []byte) ([]byte, error) {
	c := wire.New(b)
	t, content := element(&c)
	if c.Failed() {
		return nil, malformed("presentation of %d bytes", len(b))
	}
	if t == presentationNormal {
		content = find(find(content, 0xa2), fullyEncoded)
	} else if t != fullyEncoded {
		return nil, nil
	}
	value := find(find(content, 0x30), singleType)
	if len(value) == 0 {
		return nil, nil
	}
	if value[0] < associateRequest || value[0] > associateLast {
		return value, nil
	}
	association := wire.New(value)
	_, content = element(&association)
	l.login = find(content, authentication) != nil
	external := find(find(content, userInformation), externalType)
	return find(external, singleType), nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("mms: %w: %s", protocols.ErrMalformed, fmt.Sprintf(format, args...))
}
