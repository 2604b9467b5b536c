package modbus

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spanwatch/spanwatch/protocols"
)

// serial makes a frame of unit, function and fields.
func serial(b ...byte) []byte { return binary.LittleEndian.AppendUint16(b, checksum(b)) }

// serialReader cuts the bytes of one side into messages, as the sensor does: where synchronisation is lost it looks for
// the next frame with the probe.
type serialReader struct {
	buf  []byte
	lost bool
	read []string
}

func (r *serialReader) segment(b []byte) {
	r.buf = append(r.buf, b...)
	for len(r.buf) > 0 {
		if r.lost {
			switch probeRTU(protocols.TransportTCP, r.buf) {
			case protocols.More:
				return
			case protocols.No:
				r.buf = r.buf[1:]
				continue
			}
			r.lost = false
		}
		switch n := lengthRTU(r.buf); {
		case n < 0:
			r.lost, r.buf = true, r.buf[1:]
		case n == 0:
			return
		default:
			r.read = append(r.read, string(r.buf[:n]))
			r.buf = r.buf[n:]
		}
	}
}

// randomFrame makes a request or an answer as they may stand on the line.
func randomFrame(random *rand.Rand, from protocols.Side) []byte {
	unit, ref, n := byte(1+random.IntN(247)), byte(random.IntN(256)), byte(1+random.IntN(100))
	values := make([]byte, 2*int(n))
	for i := range values {
		values[i] = byte(random.IntN(256))
	}
	if from == protocols.Client {
		switch random.IntN(4) {
		case 0:
			return serial(append([]byte{unit, 16, ref, ref, 0, n, 2 * n}, values...)...)
		case 1:
			return serial(unit, 6, ref, ref, n, ref)
		case 2:
			return serial(unit, 17)
		default:
			return serial(unit, byte(1+random.IntN(4)), ref, ref, 0, n)
		}
	}
	switch random.IntN(4) {
	case 0:
		return serial(unit, 0x83, 2)
	case 1:
		return serial(unit, 16, ref, ref, 0, n)
	case 2:
		return serial(append([]byte{unit, 1, 2 * n}, values...)...)
	default:
		return serial(append([]byte{unit, 3, 2 * n}, values...)...)
	}
}

// Frames are found however the stream is cut: several in a segment, or a few bytes at a time.
func TestSerialFramesCutAnywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		from := protocols.Side(random.IntN(2))
		var want []string
		var stream []byte
		for range 1 + random.IntN(30) {
			frame := randomFrame(random, from)
			want = append(want, string(frame))
			stream = append(stream, frame...)
		}
		var r serialReader
		for longest := 1 + random.IntN(300); len(stream) > 0; {
			n := min(1+random.IntN(longest), len(stream))
			r.segment(stream[:n])
			stream = stream[n:]
		}
		if diff := cmp.Diff(want, r.read); diff != "" {
			t.Fatal(diff)
		}
	}
}

// Noise costs at most the frames that follow it within the length of a frame, and never makes one up.
func TestSerialNoiseBetweenFrames(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		from := protocols.Side(random.IntN(2))
		var before, behind []string
		var r serialReader
		for range 1 + random.IntN(5) {
			frame := randomFrame(random, from)
			before = append(before, string(frame))
			r.segment(frame)
		}
		noise := make([]byte, 1+random.IntN(40))
		for i := range noise {
			noise[i] = byte(random.IntN(256))
		}
		r.segment(noise)
		for far := 0; far < 4*rtuMax; {
			frame := randomFrame(random, from)
			behind = append(behind, string(frame))
			r.segment(frame)
			far += len(frame)
		}
		if len(r.read) < len(before) || !cmp.Equal(before, r.read[:len(before)]) {
			t.Fatalf("noise %x reached back: read %x of %x", noise, r.read, before)
		}
		found := r.read[len(before):]
		missing := len(behind) - len(found)
		if missing < 0 || !cmp.Equal(behind[missing:], found) {
			t.Fatalf("noise %x: read %x of %x", noise, found, behind)
		}
		cost := 0
		for _, frame := range behind[:missing] {
			cost += len(frame)
		}
		if cost > rtuMax {
			t.Fatalf("noise %x cost %d bytes", noise, cost)
		}
	}
}
