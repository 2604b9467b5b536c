package pipeline

import "testing"

// Only a conversation whose handshake was seen is known to be no older than the capture.
func TestBegan(t *testing.T) {
	for name, c := range map[string]struct {
		play func(w *wire)
		want int
	}{
		"handshake":  {func(w *wire) { w.syn(hmi, plc); w.tcp(hmi, plc, request("one")); w.tcp(hmi, plc, request("two")) }, 1},
		"mid-stream": {func(w *wire) { w.tcp(hmi, plc, request("one")); w.tcp(plc, hmi, response("one")) }, 0},
		"datagrams":  {func(w *wire) { w.udp(hmi, plc, request("one")) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			c.play(w)
			began := 0
			for _, f := range replay(t, w, 1).flows {
				if f.Began {
					began++
				}
			}
			if began != c.want {
				t.Errorf("%d flows began, want %d", began, c.want)
			}
		})
	}
}
