package pipeline

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/all"
)

// Packets of ISO-on-TCP (ISO 8073 in RFC 1006).
const (
	slotCall   = "03000016 11 e0 0000 0001 00 c1020100 c2020102 c0010a" // calls rack 0, slot 2
	slotAccept = "03000016 11 d0 0001 0044 00 c1020100 c2020102 c0010a"
	slotRefuse = "0300000b 06 80 0001 0000 03"
	someData   = "0300000c 02f080 55aa55aa55" // of no protocol that is read
	setup      = "03000019 02f080 3201 0000 0001 0008 0000 f0000001000101e0"
)

// A call is told though nothing follows it that is read, and only once; what follows names the conversation.
func TestOpeningIsToldAlone(t *testing.T) {
	ends := map[protocols.Side][2]host{
		protocols.Client: {hmi, {plc.mac, plc.ip, 102}}, protocols.Server: {{plc.mac, plc.ip, 102}, hmi},
	}
	const call, accept = "1 cotp client Connect Request asked 0", "2 cotp server Connect Confirm done 0"
	type packet struct {
		from  protocols.Side
		bytes string
	}
	for name, c := range map[string]struct {
		wire   []packet
		want   []string
		label  string
		opaque uint64
	}{
		"a call":              {[]packet{{0, slotCall}}, []string{call}, "", 0},
		"and its acceptance":  {[]packet{{0, slotCall}, {1, slotAccept}}, []string{call, accept}, "", 0},
		"a call refused":      {[]packet{{0, slotCall}, {1, slotRefuse}}, []string{call, "2 cotp server Disconnect Request refused 0"}, "", 0},
		"half a call":         {[]packet{{0, slotCall[:30]}}, nil, "", 12},
		"unknown data":        {[]packet{{0, slotCall}, {1, slotAccept}, {0, someData}}, []string{call, accept}, "", 12},
		"unknown from server": {[]packet{{0, slotCall}, {1, slotAccept}, {1, someData}}, []string{call, accept}, "", 12},
		"in one segment":      {[]packet{{0, slotCall + someData}}, []string{call}, "", 12},
		"S7 behind the unknown": {[]packet{{0, slotCall}, {1, slotAccept}, {0, someData}, {0, setup}},
			[]string{call, accept, "4 s7comm client Setup communication asked 0"}, "s7comm", 12},
		"S7": {[]packet{{0, slotCall}, {1, slotAccept}, {0, setup}},
			[]string{"1 cotp client Connect Request asked 1", accept, "3 s7comm client Setup communication asked 0"}, "s7comm", 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			for _, p := range c.wire {
				b, err := hex.DecodeString(strings.ReplaceAll(p.bytes, " ", ""))
				if err != nil {
					t.Fatal(err)
				}
				w.tcp(ends[p.from][0], ends[p.from][1], b)
			}
			var got []string
			var label string
			var opaque uint64
			err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs(), Detail: true}}, func(b *Batch) error {
				for i := range b.Events {
					e := &b.Events[i]
					got = append(got, fmt.Sprint(e.Frame, " ", e.Protocol, " ", e.From, " ", e.Message, " ", e.Outcome, " ", len(e.Facts)))
				}
				for i := range b.Flows {
					label, opaque = b.Flows[i].Protocol, opaque+b.Flows[i].Coverage.Opaque
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			expect(t, got, c.want...)
			if label != c.label || opaque != c.opaque {
				t.Errorf("the conversation is %q with %d opaque bytes, want %q with %d", label, opaque, c.label, c.opaque)
			}
		})
	}
}
