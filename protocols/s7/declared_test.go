package s7

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

func TestItemsDeclareTheirTypes(t *testing.T) {
	real := []byte{0x10, 0x08, 0, 1, 0, 1, 0x84, 0, 0, 0x20} // any, REAL, one, DB1, DB, byte 4
	request := []byte{0x32, 1, 0, 0, 0, 9, 0, 14, 0, 0, 4, 1, 0x12, 10}
	answer := []byte{0x32, 3, 0, 0, 0, 9, 0, 2, 0, 8, 0, 0, 4, 1, 0xff, 7, 0, 4, 0x42, 0x28, 0, 0}
	carry := func(b []byte) []byte { return append([]byte{3, 0, 0, byte(len(b) + 7), 2, 0xf0, 0x80}, b...) }
	d := Spec.New()
	events, err := d.Dissect(nil, protocols.Message{From: protocols.Client, Bytes: carry(append(request, real...)), Transport: protocols.TransportTCP})
	if err != nil {
		t.Fatal(err)
	}
	if events, err = d.Dissect(events[:0], protocols.Message{From: protocols.Server, Bytes: carry(answer), Transport: protocols.TransportTCP}); err != nil {
		t.Fatal(err)
	}
	want := protocols.Scalar{Kind: protocols.ValueFloat, Size: 4}
	if len(events) != 1 || events[0].Values.Declared != want || events[0].Values.Type != protocols.ValueBytes {
		t.Errorf("%+v, want one that declares %v", events, want)
	}
}
