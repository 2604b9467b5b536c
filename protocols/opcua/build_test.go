package opcua

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// le16 and le32 write numbers as the wire has them.
func le16(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }
func le32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// str writes a String.
func str(s string) []byte { return append(le32(uint32(len(s))), s...) }

// join writes parts one after the other.
func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// null is a String, ByteString or array that is not there.
var null = []byte{0xff, 0xff, 0xff, 0xff}

// numeric writes a NodeId of four bytes.
func numeric(space byte, id uint16) []byte { return append([]byte{formFourByte, space}, le16(id)...) }

// frame puts the head before a message.
func frame(head string, parts ...[]byte) []byte {
	body := join(parts...)
	return join([]byte(head), le32(uint32(headerSize+len(body))), body)
}

// chunk writes a MSG of the given letter.
func chunk(letter string, request uint32, parts ...[]byte) []byte {
	return frame("MSG"+letter, le32(9), le32(3), le32(request), le32(request), join(parts...))
}

// ask writes the body of a request up to its parameters, answer that of a response.
func ask(service uint16) []byte {
	return join(numeric(0, service), []byte{0, 0}, make([]byte, 8), le32(1), le32(0), null, le32(0), []byte{0, 0, 0})
}

func answer(service uint16, result status) []byte {
	return join(numeric(0, service), make([]byte, 8), le32(1), le32(uint32(result)), []byte{0}, null, []byte{0, 0, 0})
}

// read writes the parameters of a ReadRequest for values.
func read(nodes ...[]byte) []byte {
	b := join(make([]byte, 12), le32(uint32(len(nodes))))
	for _, n := range nodes {
		b = join(b, n, le32(attributeValue), null, le16(0), null)
	}
	return b
}

// doubles writes the parameters of a ReadResponse.
func doubles(values ...byte) []byte {
	b := le32(uint32(len(values)))
	for _, v := range values {
		b = append(b, 1, byte(typeDouble), 0, 0, 0, 0, 0, 0, 0x44, v)
	}
	return join(b, null)
}

// dissect hands one message over and wants no error but ErrMalformed.
func dissect(t testing.TB, d protocols.Dissector, from protocols.Side, b []byte) ([]protocols.Event, error) {
	t.Helper()
	events, err := d.Dissect(nil, protocols.Message{From: from, Bytes: slices.Clip(b), Frame: 1, Transport: protocols.TransportTCP, Detail: true})
	if err != nil && !errors.Is(err, protocols.ErrMalformed) {
		t.Fatalf("error %q does not wrap ErrMalformed", err)
	}
	return events, err
}

// opened gives a conversation on a channel without protection.
func opened(t testing.TB) *conversation {
	t.Helper()
	d := new(conversation)
	open := frame("OPNF", le32(0), str(policyPrefix+policyNone), null, null, le32(1), le32(1), ask(446),
		le32(0), le32(0), le32(1), null, le32(60000))
	if _, err := dissect(t, d, protocols.Client, open); err != nil {
		t.Fatal(err)
	}
	return d
}
