package doctor

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/spanwatch/spanwatch/capture"
	"github.com/spanwatch/spanwatch/capture/live"
)

var (
	ours     = [6]byte{2, 0, 0, 0, 0, 0xee}
	station  = [6]byte{2, 0, 0, 0, 0, 1}
	plc      = [6]byte{2, 0, 0, 0, 0, 2}
	everyone = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
)

// segment is a TCP segment with ACK between two hosts of 10.0.0.0/24, whose last bytes are those of their MACs.
func segment(from, to [6]byte, fromPort, toPort uint16, sequence uint32, payload string, tags ...uint16) []byte {
	b := append(append([]byte{}, to[:]...), from[:]...)
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0x00), tag)
	}
	b = append(b, 0x08, 0x00, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(40+len(payload)))
	b = append(b, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, from[5], 10, 0, 0, to[5])
	b = binary.BigEndian.AppendUint16(b, fromPort)
	b = binary.BigEndian.AppendUint16(b, toPort)
	b = binary.BigEndian.AppendUint32(b, sequence)
	b = append(b, 0, 0, 0, 1, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0)
	return append(b, payload...)
}

// readCoils asks a controller for its first eight coils, and the answer to it.
const (
	readCoils = "\x00\x01\x00\x00\x00\x06\x01\x01\x00\x00\x00\x08"
	coils     = "\x00\x01\x00\x00\x00\x04\x01\x01\x01\x05"
)

// play gives frames to a listener, one every 100 ms.
func play(h *heard, frames ...[]byte) {
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, data := range frames {
		h.traffic.frame(&capture.Frame{
			Time: at.Add(time.Duration(i) * 100 * time.Millisecond), Data: data, WireLength: len(data), Link: capture.LinkEthernet, Number: uint64(i + 1),
		})
	}
	h.traffic.finish()
}

func listener() *heard {
	l := monitorPort()
	return &heard{link: &l, lasted: 5 * time.Second, traffic: newTraffic(ours, 1500)}
}

// dialogue is a station that reads a controller, n times; each side may be missing.
func dialogue(n int, asks, answers bool, tags ...uint16) [][]byte {
	var list [][]byte
	for i := range uint32(n) {
		if asks {
			list = append(list, segment(station, plc, 40000, 502, 1+i*uint32(len(readCoils)), readCoils, tags...))
		}
		if answers {
			list = append(list, segment(plc, station, 502, 40000, 1+i*uint32(len(coils)), coils, tags...))
		}
	}
	return list
}

func TestTraffic(t *testing.T) {
	const i = "interface eth1: "
	mixed := append(dialogue(10, true, true, 10), dialogue(10, true, true, 20)...)
	for name, test := range map[string]struct {
		frames [][]byte
		want   []want
	}{
		"both sides": {dialogue(10, true, true), []want{
			{i + "traffic", OK, "4 packets and"}, {i + "directions", OK, "both sides of 1 in 1"}, {i + "protocols", OK, "100.0 % of the bytes"}, {i + "VLANs", OK, "no frame"},
		}},
		"questions only":    {dialogue(10, true, false), []want{{i + "directions", Warning, "of 1 in 1 TCP conversations only one side"}}},
		"answers only":      {dialogue(10, false, true), []want{{i + "directions", Warning, "both, rx and tx"}}},
		"too short to tell": {dialogue(2, true, false), []want{{i + "directions", OK, "long enough"}}},
		"VLANs":             {mixed, []want{{i + "VLANs", OK, "10, 20; 100.0 %"}}},
		"two tags":          {dialogue(10, true, true, 100, 7), []want{{i + "VLANs", OK, "100.7; 100.0 %"}}},
		"nothing":           {nil, []want{{i + "traffic", Failed, "nothing came in 5 s"}}},
		"only the interface's own": {[][]byte{segment(ours, plc, 1, 2, 1, ""), segment(plc, ours, 2, 1, 1, "")}, []want{
			{i + "traffic", Failed, "0 % between other hosts"}, {i + "protocols", Warning, "--listen 60s"},
		}},
		"only broadcasts": {[][]byte{segment(plc, everyone, 1, 2, 1, "")}, []want{
			{i + "traffic", Failed, "nothing is mirrored"}, {i + "protocols", Warning, "none of a plant"},
		}},
		"noise": {[][]byte{append(append(append([]byte{}, plc[:]...), station[:]...), 0x08, 0x00, 0x45)}, []want{
			{i + "frames", Warning, "headers that cannot be read"}, {i + "protocols", Warning, ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := listener()
			play(h, test.frames...)
			compare(t, h.judge(), test.want...)
		})
	}
}

// A port that is mirrored twice, once with its tag, shows each frame twice at almost the same time.
func TestDoubles(t *testing.T) {
	h := listener()
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	plain, tagged := dialogue(10, true, true), dialogue(10, true, true, 10)
	for n := range plain {
		for k, data := range [][]byte{plain[n], tagged[n]} {
			h.traffic.frame(&capture.Frame{
				Time: at.Add(time.Duration(n)*100*time.Millisecond + time.Duration(k)*time.Millisecond), Data: data, WireLength: len(data), Link: capture.LinkEthernet,
			})
		}
	}
	h.traffic.finish()
	compare(t, h.judge(), want{"interface eth1: doubles", Warning, "50.0 % of the frames came twice"})
	// The same bytes again after a while are a device that repeats itself.
	h = listener()
	same := dialogue(1, true, false)[0]
	play(h, same, same, same, same, same, same, same, same, same, same, same, same)
	if h.traffic.doubles != 0 {
		t.Errorf("%d doubles", h.traffic.doubles)
	}
}

func TestFrameFaults(t *testing.T) {
	h := listener()
	data := dialogue(1, true, false)[0]
	h.traffic.frame(&capture.Frame{Data: data, WireLength: len(data) + 100, Link: capture.LinkEthernet})
	h.traffic.frame(&capture.Frame{Data: data, WireLength: 3000, Link: capture.LinkEthernet})
	h.status = live.Status{NIC: live.NICCounters{Transmitted: 3}, Ring: live.RingCounters{Dropped: 5}}
	h.traffic.finish()
	const i = "interface eth1: "
	compare(t, h.judge(), want{i + "frames", Warning, "50.0 % are longer than the MTU"}, want{i + "drops", Warning, "5 for want of room"},
		want{i + "sent", Warning, "3 frames while listening"})
}

func TestNotHeard(t *testing.T) {
	h := listener()
	h.failed = live.ErrPrivilege
	compare(t, h.judge(), want{"interface eth1: traffic", Failed, "NET_RAW"})
}

// What strangers send fills no table beyond its bounds.
func TestTablesAreBounded(t *testing.T) {
	h := listener()
	for n := range 1 << 15 {
		data := segment(station, plc, uint16(n), uint16(n>>3), 1, "", uint16(n&0xfff), uint16(n>>3&0xfff))
		h.traffic.frame(&capture.Frame{Data: data, WireLength: len(data), Link: capture.LinkEthernet, Time: time.Unix(int64(n), 0)})
	}
	if len(h.traffic.sides) > maxSides || len(h.traffic.tagged) > maxTags {
		t.Errorf("%d conversations, %d tags", len(h.traffic.sides), len(h.traffic.tagged))
	}
}
