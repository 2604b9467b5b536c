package live

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live/livetest"
)

// Frames are given byte for byte as they were sent, also where the kernel takes the outer tag out.
func TestFramesComeAsSent(t *testing.T) {
	payload := bytes.Repeat([]byte{0xa5, 0x5a}, 30)
	tagged := func(outer uint16, tags ...uint16) []byte {
		return (&livetest.Datagram{Src: at("10.0.0.1", 40000), Dst: at("10.0.0.2", 502), Proto: 6, Flags: 0x18, VLANs: tags, Outer: outer, Payload: payload}).Frame()
	}
	lldp, err := hex.DecodeString("0180c200000e" + "020000000001" + "88cc" + "0207040200000000010403050131060200780000")
	if err != nil {
		t.Fatal(err)
	}
	frames := map[string][]byte{
		"no tag":                       tagged(0),
		"802.1Q":                       tagged(0, 100),
		"802.1Q, priority 7, eligible": tagged(0, 0xf064),
		"802.1Q, priority tag":         tagged(0, 0),
		"QinQ 802.1ad":                 tagged(0x88a8, 200, 100),
		"QinQ of two 802.1Q":           tagged(0, 200, 100),
		"802.1ad alone":                tagged(0x88a8, 7),
		"three tags":                   tagged(0x88a8, 3, 2, 1),
		"IPv6":                         (&livetest.Datagram{Src: at("fd00::1", 1), Dst: at("fd00::2", 502), Proto: 6, Flags: 2}).Frame(),
		"IPv6 in QinQ":                 (&livetest.Datagram{Src: at("fd00::1", 1), Dst: at("fd00::2", 502), Proto: 6, VLANs: []uint16{9, 8}, Outer: 0x88a8}).Frame(),
		"LLDP":                         lldp,
		"as short as a frame can be":   append(tagged(0)[:12], 0x88, 0xcc),
		"little after the tag":         append(tagged(0, 100)[:16], 0x88, 0xcc, 0, 0),
		"LLC":                          append(tagged(0)[:12], 0, 4, 0x42, 0x42, 3, 0),
		"as long as the MTU allows":    (&livetest.Datagram{Src: at("10.0.0.1", 1), Dst: at("10.0.0.2", 502), Proto: 17, Payload: make([]byte, 1472)}).Frame(),
		"as long, and a tag":           (&livetest.Datagram{Src: at("10.0.0.1", 1), Dst: at("10.0.0.2", 502), Proto: 17, VLANs: []uint16{5}, Payload: make([]byte, 1472)}).Frame(),
	}
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "span", 0)
		x := listen(t, Config{Interfaces: []string{"span"}, Mode: mode, RingBytes: 1 << 20})
		for name, sent := range frames {
			deliver(t, cable, sent)
			collect(t, x, 1, func(_ int, f *capture.Frame) {
				if !bytes.Equal(f.Data, sent) {
					t.Errorf("%s:\nsent %x\nread %x", name, sent, f.Data)
				}
				if f.WireLength != len(sent) || f.Link != capture.LinkEthernet || f.Source != 0 {
					t.Errorf("%s: %d bytes on the wire, want %d; link %v, source %d", name, f.WireLength, len(sent), f.Link, f.Source)
				}
			})
		}
		if s := x.Status()[0]; s.Ring.Truncated != 0 || s.Ring.Merged != 0 {
			t.Errorf("%+v", s.Ring)
		}
	})
}

// Jumbo frames are whole.
func TestJumboFrames(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "jumbo", 9000)
		x := listen(t, Config{Interfaces: []string{"jumbo"}, Mode: mode, RingBytes: 1 << 20})
		payload := make([]byte, 9000-40)
		for i := range payload {
			payload[i] = byte(i * 31)
		}
		sent := (&livetest.Datagram{Src: at("10.0.0.1", 40000), Dst: at("10.0.0.2", 502), Proto: 6, Flags: 0x18, Payload: payload, VLANs: []uint16{12}}).Frame()
		deliver(t, cable, sent)
		collect(t, x, 1, func(_ int, f *capture.Frame) {
			if !bytes.Equal(f.Data, sent) {
				t.Errorf("%d bytes sent, %d read, or others", len(sent), len(f.Data))
			}
		})
		if s := x.Status()[0]; s.Ring.Merged != 0 {
			t.Errorf("a jumbo frame is no merged one: %+v", s.Ring)
		}
	})
}

// Frames that a card, or the kernel, made of several segments are whole, and counted, for they were not so on the wire.
func TestMergedFrames(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "merged", 0)
		x := listen(t, Config{Interfaces: []string{"merged"}, Mode: mode, RingBytes: 1 << 20})
		payload := make([]byte, 40000)
		for i := range payload {
			payload[i] = byte(i * 17)
		}
		sent := (&livetest.Datagram{Src: at("10.0.0.1", 40000), Dst: at("10.0.0.2", 502), Proto: 6, Flags: 0x18, Payload: payload}).Frame()
		if err := cable.SendMerged(sent, 54, 1448); err != nil {
			t.Fatal(err)
		}
		// The mode decides whether the kernel hands it over as it is, or as the segments that it stands for.
		var data []byte
		eventually(t, "everything is read", func() bool {
			var f capture.Frame
			for x.Sources()[0].Next(&f) == nil {
				data = append(data, f.Data[54:]...)
				if len(f.Data) != f.WireLength {
					t.Errorf("%d bytes of %d", len(f.Data), f.WireLength)
				}
			}
			return len(data) >= len(payload)
		})
		if !bytes.Equal(data, payload) {
			t.Errorf("%d bytes read, of %d sent", len(data), len(payload))
		}
		if s := x.Status()[0]; s.Ring.Merged+s.Ring.Received < 2 {
			t.Errorf("nobody counted that frames were merged: %+v", s.Ring)
		}
	})
}

// What is kept of a frame is the snap length at most; its length on the wire is told.
func TestSnapLength(t *testing.T) {
	eachMode(t, func(t *testing.T, mode Mode) {
		cable := lay(t, "snap", 0)
		x := listen(t, Config{Interfaces: []string{"snap"}, Mode: mode, RingBytes: 1 << 20, Snap: 128})
		for i, tags := range [][]uint16{nil, {7}} {
			long := (&livetest.Datagram{Src: at("10.0.0.1", 1), Dst: at("10.0.0.2", 502), Proto: 17, VLANs: tags, Payload: make([]byte, 1000)}).Frame()
			deliver(t, cable, long)
			collect(t, x, 1, func(_ int, f *capture.Frame) {
				if !bytes.Equal(f.Data, long[:128]) || f.WireLength != len(long) {
					t.Errorf("%d bytes of %d", len(f.Data), f.WireLength)
				}
			})
			if s := x.Status()[0]; s.Ring.Truncated != uint64(i+1) {
				t.Errorf("%+v", s.Ring)
			}
		}
	})
}
