package s7

import (
	"errors"
	"reflect"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// packet wraps a message as the transport does.
func packet(payload []byte) []byte {
	payload = payload[:min(len(payload), 60000)]
	n := len(payload) + 7
	return append([]byte{3, 0, byte(n >> 8), byte(n), 2, 0xf0, 0x80}, payload...)
}

// FuzzExchange invents a request and its answer below the transport, where invention is not spent on framing, and runs
// them twice in one conversation: with and without detail the events are the same, and none outgrow the message.
func FuzzExchange(f *testing.F) {
	for _, seed := range [][2]string{
		{"3201 0000 0001 000e 0000 0401 120a10 02 0001 0001 84 000000", "3203 0000 0001 0002 0005 0000 0401 ff040008 01"},
		{"3201 0000 0001 000e 0005 0501 120a10 02 0001 0001 84 000000 00040008 01", "3203 0000 0001 0002 0001 0000 0501 ff"},
		{"3201 0000 0001 000e 0000 0401 120c b0 02 04 0001 0000 02 0005 0064", "3203 0000 0001 0002 000a 0000 0401 ff040030 010203040506"},
		{"3201 0000 0002 001a 0000 28 000000000000fd 000a 01003041303030303150 05 5f494e5345", "3203 0000 0002 0001 0000 0000 28"},
		{"3201 0000 0003 0012 0000 1d 00010000000000 09 5f3042303030303041", "3203 0000 0003 0010 0000 0000 1d 000100 00000007 07 30303030323136"},
		{"3207 0000 0100 0008 0008 000112 04 11 44 01 00 ff090004 00110000", "3207 0000 0100 000c 0028 000112 08 12 84 01 02 0000 0000 ff090024 00110000 001c0001 0007 2020202020202020202020202020202020202020 00c0 5603 0207"},
		{"3207 0000 0100 000c 0022 000112 08 12 41 02 00 0000 0000 ff09001e 00140008 0000000100010012000100010001000100010000 0001 01060000 0000", "3207 0000 0100 000c 0004 000112 08 12 81 02 02 0000 0000 0a000000"},
		{"7201 0018 31 0000 04ca 0000 0001 00000120 36 0000011d 00040000000000 7201 0000", "7201 0020 32 0000 04ca 0000 0001 36 00 01 8708 823f0015 0b 313b3645533720313b56 7201 0000"},
		{"7202 0022 31 0000 054c 0000 0003 000003be 34 00000000 0107 8efaa6a85c 88d0b88003 02 9376 0a 00 72020000", "7202 000d 32 0000 054c 0000 0003 34 00 01 72020000"},
		{"1703030002 0102", "1603010002 0102"},
	} {
		f.Add(unhex(f, seed[0]), unhex(f, seed[1]))
	}
	f.Fuzz(func(t *testing.T, ask, reply []byte) {
		var runs [2][]protocols.Event
		for i, detail := range []bool{false, true} {
			d := Spec.New()
			for frame := range uint64(2) {
				runs[i] = append(runs[i], exchange(t, d, protocols.Client, packet(ask), frame, detail)...)
				runs[i] = append(runs[i], exchange(t, d, protocols.Server, packet(reply), frame, detail)...)
			}
		}
		for i := range runs[1] {
			runs[1][i].Detail = nil
		}
		if !reflect.DeepEqual(runs[0], runs[1]) {
			t.Errorf("events differ with detail:\nwithout %+v\nwith    %+v", runs[0], runs[1])
		}
	})
}

func exchange(t *testing.T, d protocols.Dissector, from protocols.Side, b []byte, frame uint64, detail bool) []protocols.Event {
	t.Helper()
	events, err := d.Dissect(nil, protocols.Message{
		From: from, Bytes: b[:len(b):len(b)], Frame: frame + 1, Transport: protocols.TransportTCP, Detail: detail,
	})
	if err != nil && !errors.Is(err, protocols.ErrMalformed) {
		t.Fatalf("error %v does not wrap ErrMalformed", err)
	}
	if len(events) > len(b) {
		t.Fatalf("%d events from %d bytes", len(events), len(b))
	}
	return events
}
