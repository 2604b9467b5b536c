package s7

import (
	"errors"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// fragment wraps a piece of a message as the transport does.
func fragment(piece []byte, last bool) []byte {
	b := packet(piece)
	if !last {
		b[6] = 0
	}
	return b
}

// Fragments that never end must cost neither memory nor what comes after them.
func TestEndlessFragments(t *testing.T) {
	d := &conversation{}
	faults := 0
	for range 100 {
		events, err := d.Dissect(nil, protocols.Message{Bytes: fragment(make([]byte, 4000), false)})
		if err == nil && len(events) == 0 {
			continue
		}
		if !errors.Is(err, protocols.ErrMalformed) || len(events) != 1 || events[0].Protocol != labelCOTP {
			t.Fatalf("events %+v, error %v", events, err)
		}
		faults++
	}
	if faults != 1 || d.fragments[protocols.Client].Dropped() != 1 {
		t.Errorf("%d faults told, %d messages counted, want one each", faults, d.fragments[protocols.Client].Dropped())
	}
	if events, err := d.Dissect(nil, protocols.Message{Bytes: fragment([]byte{1}, true)}); len(events) != 0 || err != nil {
		t.Errorf("the end of what was dropped: events %+v, error %v", events, err)
	}
	if events, err := d.Dissect(nil, protocols.Message{Bytes: unhex(t, read)}); len(events) != 1 || err != nil {
		t.Errorf("the next message: events %+v, error %v", events, err)
	}
}

// The called selector is what a client says of itself; nothing is concluded from one that others use too.
func TestRole(t *testing.T) {
	for _, c := range []struct {
		selector string
		want     string
		siemens  bool
	}{
		{"\x01\x02", "engineering-station", true},
		{"\x02\x02", "hmi", true},
		{"\x03\x02", "", false},
		{"\x00\x01", "", false},
		{"", "", false},
		{"SIMATIC-ROOT-ES", "engineering-station", true},
		{"SIMATIC-ROOT-HMI", "hmi", true},
		{"SIMATIC-ROOT-OTHER", "", true},
		{"SIMATIC", "", false},
	} {
		facts := role([]byte(c.selector))
		if (facts != nil) != c.siemens {
			t.Errorf("%q: Siemens's %v, want %v", c.selector, facts != nil, c.siemens)
		}
		got := ""
		for _, f := range facts {
			got = f.Value
		}
		if got != c.want {
			t.Errorf("%q: role %q, want %q", c.selector, got, c.want)
		}
	}
}

// A conversation that nobody uses any more must not keep the buffers of its largest message.
func TestBuffersAreGivenBack(t *testing.T) {
	d := &conversation{}
	head := unhex(t, "7202 1000 31 0000 04ca 0000 0001 00000120 34 00000003 00040000000000")
	for range 4 {
		piece := append(head[:len(head):len(head)], make([]byte, 0x1004-len(head))...)
		if _, err := d.Dissect(nil, protocols.Message{Bytes: packet(piece)}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(d.plus.fragments[0].head); n != maxPlusHead {
		t.Errorf("%d bytes kept of a message in four PDUs, want %d", n, maxPlusHead)
	}
	d.Gap(protocols.Client)
	if n := cap(d.plus.fragments[0].head); n != 0 {
		t.Errorf("a buffer of %d bytes stays", n)
	}
}
