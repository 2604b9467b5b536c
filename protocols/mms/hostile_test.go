package mms

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/protocoltest"
	"github.com/spanwatch/spanwatch/protocols/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A length must never lead beyond what is there, and what is left open must not be searched for ever.
func TestElementsStayInside(t *testing.T) {
	for name, text := range map[string]string{
		"a length beyond the end":         "a0 05 00",
		"four octets of length":           "a0 84 ff ff ff ff 00",
		"five octets of length":           "a0 85 00 00 00 00 01 00",
		"an open end without its mark":    "a0 80 02 01 01",
		"an open end of a primitive":      "80 80 00 00",
		"a number beyond 127":             "bf 81 01 00",
		"open ends in each other for all": strings.Repeat("a0 80 ", 400),
	} {
		c := wire.New(unhex(t, text))
		if tag, content := element(&c); !c.Failed() {
			t.Errorf("%s: tag %x, % x", name, tag, content)
		}
	}
}

// A flood of requests must neither grow the table nor hide that nobody answered.
func TestUnansweredRequests(t *testing.T) {
	c := Spec.New().(*conversation)
	for i := range 100 {
		b := unhex(t, "0300 001b 02f080 01000100 610e 300c 020103 a007 a005 020100 8200")
		b[len(b)-3] = byte(i)
		b[3] = byte(len(b))
		if _, err := c.Dissect(nil, protocols.Message{Bytes: b, Frame: uint64(i + 1), Transport: protocols.TransportTCP}); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Unanswered(false); n != 100-maxPending || len(c.pending.requests) != maxPending {
		t.Errorf("%d given up, %d kept", n, len(c.pending.requests))
	}
	c.Gap(protocols.Server)
	if n := c.Unanswered(true); n != maxPending {
		t.Errorf("%d open at the end, want %d", n, maxPending)
	}
}

// A password of an association is nobody's business but the device's, and that one was given is.
func TestPasswordIsNotShown(t *testing.T) {
	cases, err := protocoltest.Load("testdata")
	if err != nil {
		t.Fatal(err)
	}
	logins := 0
	for _, c := range cases {
		d := Spec.New()
		for _, b := range c.Blocks {
			events, err := d.Dissect(nil, protocols.Message{From: b.From, Bytes: b.Bytes, Transport: c.Transport, Detail: true})
			if err != nil && !errors.Is(err, protocols.ErrMalformed) {
				t.Fatal(err)
			}
			text, err := json.Marshal(events)
			if err != nil || bytes.Contains(text, []byte("secret")) {
				t.Errorf("%s: %s, %v", c.Name, text, err)
			}
			for _, e := range events {
				if e.Action == protocols.ActionLogin {
					logins++
				}
			}
		}
	}
	if logins != 1 {
		t.Errorf("%d logins, want 1", logins)
	}
}

// BenchmarkReadPair is the exchange that substations consist of.
func BenchmarkReadPair(b *testing.B) {
	cases, err := protocoltest.Load("testdata")
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range cases {
		if c.Name != "variables" {
			continue
		}
		d := Spec.New()
		ask := protocols.Message{From: protocols.Client, Frame: 1, Bytes: c.Blocks[0].Bytes, Transport: c.Transport}
		reply := protocols.Message{From: protocols.Server, Frame: 2, Bytes: c.Blocks[1].Bytes, Transport: c.Transport}
		var events []protocols.Event
		b.ReportAllocs()
		for b.Loop() {
			events, _ = d.Dissect(events[:0], ask)
			events, _ = d.Dissect(events[:0], reply)
		}
	}
}
