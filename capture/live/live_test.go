package live

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/packet"
)

// until reads frames until one fits, or patience ends.
func until(t *testing.T, s capture.Source, fits func(*packet.Packet) bool) {
	t.Helper()
	var f capture.Frame
	var p packet.Packet
	for idle := 0; idle < 500; {
		err := s.Next(&f)
		switch {
		case errors.Is(err, capture.ErrIdle):
			idle++
		case err != nil:
			t.Fatal(err)
		case p.Decode(uint16(f.Link), f.Data) == nil && fits(&p):
			if d := time.Since(f.Time); d < 0 || d > time.Minute {
				t.Errorf("frame of %v", f.Time)
			}
			return
		}
	}
	t.Fatal("the frame never came")
}

// Frames of the loopback interface arrive once each, whole, and nothing is sent.
func TestLoopback(t *testing.T) {
	privileged(t)
	c, err := Open(t.Context(), Config{Interfaces: []string{"lo"}, Mode: ModePlain})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	conn, err := net.Dial("udp", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("spanwatch live test")); err != nil {
		t.Fatal(err)
	}
	local := uint16(conn.LocalAddr().(*net.UDPAddr).Port)
	until(t, c.Sources()[0], func(p *packet.Packet) bool {
		return p.SrcPort == local && string(p.Payload) == "spanwatch live test"
	})
	s := c.Status()[0]
	if s.Ring.Received == 0 || s.Ring.Dropped != 0 || !s.Present || !s.Up || s.Mode != ModePlain {
		t.Errorf("%+v", s)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// Whoever asks later is told what was counted, and opens nothing.
	if s := c.Status()[0]; s.Ring.Received == 0 || c.ifaces[0].rings != nil {
		t.Errorf("after Close: %+v", s)
	}
	var f capture.Frame
	if err := c.Sources()[0].Next(&f); err != io.EOF {
		t.Errorf("after Close: %v", err)
	}
}
