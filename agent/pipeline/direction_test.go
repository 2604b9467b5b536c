package pipeline

import (
	"testing"

	"github.com/spanwatch/spanwatch/protocols"
	"github.com/spanwatch/spanwatch/protocols/all"
	"github.com/spanwatch/spanwatch/protocols/enip"
)

// Whoever speaks first chooses what the first message looks like. A client that begins with an answer does not become the
// server, nor the device that it writes to the one that asks.
func TestAnswerFromTheClientTurnsNothingRound(t *testing.T) {
	odd := host{3, [4]byte{10, 0, 0, 9}, 5555}
	tests := map[string]struct {
		server    host
		handshake bool
		want      string // which way round
	}{
		"handshake":                   {plc, true, pair},
		"mid-stream at the home port": {plc, false, pair},
		"handshake at another port":   {odd, true, "10.0.0.5:49152→10.0.0.9:5555"},
		"nothing but the content":     {odd, false, "10.0.0.9:5555→10.0.0.5:49152"},
	}
	for name, tt := range tests {
		w := newWire(t)
		if tt.handshake {
			w.syn(hmi, tt.server)
		}
		w.tcp(hmi, tt.server, response("not one"))
		w.tcp(hmi, tt.server, request("two"))
		got := replay(t, w, 1)
		last := got.flows[len(got.flows)-1].Conv
		if way := last.Client.String() + "→" + last.Server.String(); way != tt.want || len(got.events) != 2 {
			t.Errorf("%s: %s, %v, want %s", name, way, got.events, tt.want)
		}
	}
}

// A client may have a port at which the protocol is served: in mid-stream what both ends say tells who asks, be it that the
// capture begins with a request or with an answer.
func TestClientAtTheServersPort(t *testing.T) {
	client, server := host{1, [4]byte{10, 0, 0, 5}, 502}, host{2, [4]byte{10, 0, 0, 9}, 5020}
	ask := func(n byte) []byte { return []byte{0, n, 0, 0, 0, 6, 1, 3, 0, 4, 0, 2} }
	tell := func(n byte) []byte { return []byte{0, n, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4} }
	tests := map[string]struct {
		first, want int // rounds of which the capture sees the whole; malformed events
		answer      bool
	}{
		"a request first": {3, 0, false}, "an answer first": {3, 1, true},
	}
	for name, tt := range tests {
		w := newWire(t)
		if tt.answer {
			w.tcp(server, client, tell(0))
		}
		for n := range byte(tt.first) {
			w.tcp(client, server, ask(n+1))
			w.tcp(server, client, tell(n+1))
		}
		malformed, right := 0, 0
		err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs()}}, func(b *Batch) error {
			for i := range b.Events {
				e := &b.Events[i]
				if e.Malformed != "" {
					malformed++
				} else if e.Conv.Client.Port == 502 && (e.From == protocols.Client) == (e.Outcome == protocols.OutcomeAsked) && (e.From == protocols.Client || e.Answers != 0) {
					right++
				}
			}
			return nil
		})
		if err != nil || malformed != tt.want || right != 2*tt.first {
			t.Errorf("%s: %d messages malformed and %d as they are, want %d and %d, %v", name, malformed, right, tt.want, 2*tt.first, err)
		}
	}
}

// Nor does a request that the device at the home port never sent make it the client: what a client sends is no proof.
func TestNothingFromTheClientTurnsItRound(t *testing.T) {
	for name, forged := range map[string][]byte{
		"an answer":             {0, 1, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4},
		"half an answer":        {0, 1, 0, 0, 0, 7, 1, 3},
		"an exception":          {0, 1, 0, 0, 0, 3, 1, 131, 2},
		"an answer and another": {0, 1, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4, 0, 1, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4},
	} {
		client, server := host{1, [4]byte{10, 0, 0, 5}, 49152}, host{2, [4]byte{10, 0, 0, 9}, 502}
		w := newWire(t)
		w.tcp(client, server, forged)
		w.tcp(client, server, []byte{0, 2, 0, 0, 0, 6, 1, 3, 0, 4, 0, 2})
		w.tcp(server, client, []byte{0, 2, 0, 0, 0, 7, 1, 3, 4, 1, 2, 3, 4})
		err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs()}}, func(b *Batch) error {
			for i := range b.Events {
				if e := &b.Events[i]; e.Conv.Server.Port != 502 {
					t.Errorf("%s: %s of %v makes %v the client", name, e.Message, e.From, e.Conv.Client)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Servers that call their clients exist, but a protocol has to say so.
func TestServerThatCallsBack(t *testing.T) {
	hello := append([]byte("RHEF\x2c\x00\x00\x00\x08\x00\x00\x00urn:plc1\x14\x00\x00\x00"), "opc.tcp://plc1:48400"...)
	w := newWire(t)
	server, client := host{2, [4]byte{10, 0, 0, 9}, 50000}, host{1, [4]byte{10, 0, 0, 5}, 4844}
	w.syn(server, client)
	w.tcp(server, client, hello)
	var from []protocols.Side
	err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: all.Specs()}}, func(b *Batch) error {
		for i := range b.Events {
			if b.Events[i].Protocol == "opcua" {
				from = append(from, b.Events[i].From)
			}
		}
		return nil
	})
	if err != nil || len(from) != 1 || from[0] != protocols.Server {
		t.Errorf("senders %v, %v, want one server", from, err)
	}
}

// A client that sends answers says nothing of the device at the other end.
func TestAnswerFromTheClientTellsOfTheClient(t *testing.T) {
	// EtherNet/IP (CIP volume 2, 2-4.2): ListIdentity with status 0, one item: a 1756-FAKE of vendor 1.
	identity := []byte("\x63\x00\x31\x00\x00\x00\x00\x00\x00\x00\x00\x0012345678\x00\x00\x00\x00" +
		"\x01\x00\x0c\x00\x2b\x00\x01\x00\x00\x02\xaf\x12\x0a\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00" +
		"\x01\x00\x0e\x00\x37\x00\x14\x0b\x30\x00\xfe\xca\x00\x00\x091756-FAKE\x03")
	server := host{2, [4]byte{10, 0, 0, 9}, 44818}
	for _, from := range []protocols.Side{protocols.Client, protocols.Server} {
		w := newWire(t)
		w.syn(hmi, server)
		if from == protocols.Client {
			w.tcp(hmi, server, identity)
		} else {
			w.tcp(server, hmi, identity)
		}
		facts := 0
		err := Replay(t.Context(), w, ReplayConfig{Config: Config{Specs: []protocols.Spec{enip.Spec}}}, func(b *Batch) error {
			for i := range b.Events {
				for _, f := range b.Events[i].Facts {
					facts++
					if f.About != from {
						t.Errorf("%s of an answer by the %s is told of the %s", f.Key, from, f.About)
					}
				}
			}
			return nil
		})
		if err != nil || facts == 0 {
			t.Errorf("%d facts, %v", facts, err)
		}
	}
}
