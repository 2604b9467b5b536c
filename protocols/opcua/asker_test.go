package opcua

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
)

// What counts as a request that was left without an answer.
func TestUnanswered(t *testing.T) {
	client, server := protocols.Client, protocols.Server
	type step struct {
		from  protocols.Side
		bytes []byte // nil: bytes of that side were lost
	}
	ask631 := func(id uint32) step { return step{client, chunk("F", id, ask(631), read(numeric(2, 7)))} }
	answer634 := func(id uint32) step { return step{server, chunk("F", id, answer(634, 0), doubles(1))} }
	hello := step{client, frame("HELF", le32(0), le32(65535), le32(65535), le32(0), le32(0), str("opc.tcp://plc1:4840"))}
	tests := map[string]struct {
		steps []step
		want  uint64
	}{
		"answered":                    {[]step{ask631(2), answer634(2)}, 0},
		"not answered":                {[]step{ask631(2)}, 1},
		"answered in another order":   {[]step{ask631(2), ask631(3), answer634(3), answer634(2)}, 0},
		"refused":                     {[]step{ask631(2), {server, chunk("F", 2, answer(faultID, 0x80010000))}}, 0},
		"given up by the server":      {[]step{ask631(2), {server, chunk("A", 2, le32(0x80010000), null)}}, 0},
		"refused with the connection": {[]step{ask631(2), {server, frame("ERRF", le32(0x80010000), null)}}, 0},
		"answered by another service": {[]step{ask631(2), {server, chunk("F", 2, answer(676, 0), le32(0), null)}}, 1},
		"asked again under its id":    {[]step{ask631(2), ask631(2), answer634(2)}, 1},
		"answer perhaps lost":         {[]step{ask631(2), {server, nil}}, 0},
		"asked after the loss":        {[]step{ask631(2), {server, nil}, ask631(3)}, 1},
		"other requests lost":         {[]step{ask631(2), {client, nil}}, 1},
		"publish in waiting":          {[]step{{client, chunk("F", 2, ask(publishID), null)}}, 0},
		"channel closed":              {[]step{{client, frame("CLOF", le32(9), le32(3), le32(2), le32(2), ask(closeChannelID))}}, 0},
		"hello":                       {[]step{hello}, 1},
		"hello, bytes lost":           {[]step{hello, {server, nil}}, 0},
		"hello acknowledged":          {[]step{hello, {server, frame("ACKF", le32(0), le32(8192), le32(8192), le32(0), le32(0))}}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := opened(t)
			if _, err := dissect(t, d, server, frame("OPNF", le32(9), str(policyPrefix+policyNone), null, null, le32(1), le32(1),
				answer(449, 0), le32(0), le32(9), le32(3), make([]byte, 8), le32(60000), null)); err != nil {
				t.Fatal(err)
			}
			for _, s := range test.steps {
				if s.bytes == nil {
					d.Gap(s.from)
				} else if _, err := dissect(t, d, s.from, s.bytes); err != nil {
					t.Fatal(err)
				}
			}
			if n := d.Unanswered(false) + d.Unanswered(true); n != test.want {
				t.Errorf("%d unanswered, want %d", n, test.want)
			}
			if n := d.Unanswered(true); n != 0 {
				t.Errorf("%d unanswered after the end", n)
			}
		})
	}
}

// Requests beyond what is kept count at once.
func TestUnansweredFlood(t *testing.T) {
	d := opened(t)
	for id := range uint32(1000) {
		if _, err := dissect(t, d, protocols.Client, chunk("F", 2+id, ask(631), read(numeric(2, 7)))); err != nil {
			t.Fatal(err)
		}
	}
	given, open := d.Unanswered(false), d.Unanswered(true)
	if open != maxPending || given+open != 1001 { // with the opening of the channel
		t.Errorf("%d given up, %d open", given, open)
	}
}
