package s7

import (
	"bytes"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

// appendSigned writes a signed number of variable length, as short as it goes.
func appendSigned(b []byte, v int64) []byte {
	var groups []byte
	for {
		groups = append(groups, byte(v&0x7f))
		if v>>6 == 0 || v>>6 == -1 {
			break
		}
		v >>= 7
	}
	for i := len(groups) - 1; i >= 0; i-- {
		if i > 0 {
			groups[i] |= 0x80
		}
		b = append(b, groups[i])
	}
	return b
}

func TestSignedNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Eight bytes carry 7 bits each but the first, which has a sign.
		want := rapid.Int64Range(-1<<55, 1<<55-1).Draw(t, "number")
		r := wire.New(appendSigned(nil, want))
		if got := int64(signedVLQ(&r)); got != want || r.Failed() || r.Len() > 0 {
			t.Fatalf("%d is read as %d with %d bytes left", want, got, r.Len())
		}
	})
	for _, test := range []struct {
		bytes []byte
		want  int64
	}{
		{[]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}, -2},
		{[]byte{0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, math.MaxInt64 >> 6},
	} {
		r := wire.New(test.bytes)
		if got := int64(signedVLQ(&r)); got != test.want || r.Len() > 0 {
			t.Errorf("% x: %d, want %d, %d bytes left", test.bytes, got, test.want, r.Len())
		}
	}
}

func TestHostileValues(t *testing.T) {
	nested := bytes.Repeat([]byte{0x00, 0x17, 0, 0, 0, 1, 0x05}, 1000)
	for _, test := range []struct {
		name  string
		bytes []byte
		ok    bool
	}{
		{"structures in structures without end", nested, false},
		{"more elements than bytes", []byte{0x10, 0x02, 0xff, 0xff, 0xff, 0x7f, 1}, false},
		{"text longer than the message", []byte{0x00, 0x15, 0x7f, 'a'}, false},
		{"bytes with a root", []byte{0x00, 0x14, 0x01, 0x00}, false},
		{"packed structure longer than the message", []byte{0, 0x17, 0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0x7f}, false},
		{"packed structure with its count twice", []byte{0, 0x17, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0, 1, 1, 0xaa}, true},
		{"sparse list that does not end", []byte{0x40, 0x02, 1, 2}, false},
		{"nothing, many times", []byte{0x10, 0x00, 0x03, 0, 0, 0}, true},
		{"type that nobody knows", []byte{0x00, 0x77, 0}, false},
		{"flag that nobody knows", []byte{0x08, 0x02, 0}, false},
		{"cut after the flags", []byte{0x00}, false},
	} {
		var into scalar
		r := wire.New(test.bytes)
		if v, ok := plusValue(&r, &into); ok != test.ok {
			t.Errorf("%s: %v %v", test.name, v, ok)
		}
	}
}

// A client that subscribes without end costs a few subscriptions of bounded length.
func TestSubscriptionsAreBounded(t *testing.T) {
	c := &conversation{plus: &plus{}}
	list := []byte{0x01, 0x00, 0x7f}
	for range 1000 {
		list = append(list, 0x88, 0x80, 0x90, 0x80, 0x01, 0x05, 0x00, 0x52, 0x00, 0x09)
	}
	count := 0
	for _, b := range list {
		if b < 0x80 {
			count++
		}
	}
	object := []byte{markObject, 0x7f, 0xff, 0xc0, 0x01, 0x87, 0x69, 0, 0, markAttribute, 0x88, 0x18, flagAddresses, typeUDInt}
	object = append(object, byte(count>>7)|0x80, byte(count&0x7f))
	object = append(object, list...)
	for seq := range 3 * maxSubscriptions {
		w := objectsIn(object)
		if !w.next() {
			t.Fatal("the object is not read")
		}
		c.plus.seq = uint16(seq)
		c.plus.subscribe(c, &w)
		answer := wire.New([]byte{1, byte(seq + 1)})
		c.plus.subscribedAs(uint16(seq), &answer)
	}
	for _, s := range c.plus.subs {
		if len(s.items) != maxSubscribed || s.id <= 2*maxSubscriptions {
			t.Errorf("subscription %d with %d variables", s.id, len(s.items))
		}
	}
	ev := protocols.Event{}
	if got := c.plus.subscribedObject(3*maxSubscriptions, 5, &ev); got.Name != "M" {
		t.Errorf("the variable is called %v", got)
	}
}

// An answer whose request was not seen still tells what the controller is.
func TestIdentityWithoutTheRequest(t *testing.T) {
	content := []byte{opResponse, 0, 0, 0x04, 0xca, 0, 0, 0, 1, 0x36, 0, 1, 0x87, 0x08, markObject, 0, 0, 1, 0x20, 0x82, 0x1f, 0, 0}
	content = append(content, markAttribute, 0x82, 0x3f, 0, typeString, 0x1a)
	content = append(content, "1;6ES7 512-1AK99-0AB0;V3.1"...)
	content = append(content, markEnd, 0, 0, 0, 0)
	b := append([]byte{idPlus, 1, 0, byte(len(content))}, content...)
	b = append(b, idPlus, 1, 0, 0)
	c := &conversation{}
	events, err := c.plusMessage(nil, protocols.Message{From: protocols.Server, Bytes: b}, b, false)
	if err != nil || len(events) != 1 || events[0].Action != protocols.ActionConnect || len(events[0].Facts) != 4 {
		t.Errorf("%+v, %v", events, err)
	}
}
